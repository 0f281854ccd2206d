//! Environment variables, and the paths that they name.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{env, io};

use crate::store::s3::blocking::BlockingThreads;
use crate::types::errors::ConfigError;

/// An environment variable. An empty one counts as not set, as in AWS's own tools. One that is not
/// Unicode counts as set, and is refused later for the character that replaces what cannot be read.
/// Ignoring it would mean another endpoint or another user's keys.
pub(crate) fn variable(name: &str) -> Option<String> {
    Some(set(name)?.to_string_lossy().into_owned())
}

/// The same as an OS string: a path need not be Unicode.
pub(crate) fn set(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

/// A path in a variable, which may be empty. Variables in it are put in as a shell does, and one that is not
/// set stays as it stands: a file of variables for a service is not read by a shell.
pub(crate) fn path_in(name: &str) -> Option<PathBuf> {
    let path = env::var_os(name)?;
    Some(match path.into_string() {
        Ok(text) => filled(&text, &|name| env::var(name).ok()).into(),
        Err(path) => path.into(),
    })
}

/// A text with the values of variables in place of `$NAME` and `${NAME}`.
fn filled(text: &str, value: &dyn Fn(&str) -> Option<String>) -> String {
    let Some((before, rest)) = text.split_once('$') else {
        return text.to_owned();
    };
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let (name, after) = match rest.strip_prefix('{').and_then(|r| r.split_once('}')) {
        Some(braced) => braced,
        None => rest.split_at(rest.find(|c| !is_part(c)).unwrap_or(rest.len())),
    };
    match value(name) {
        Some(found) => format!("{before}{found}{}", filled(after, value)),
        None => format!("{before}${}", filled(rest, value)),
    }
}

/// The home directory, if there is one that does not depend on where the program runs. Anybody may
/// have put files into the current directory, and a profile contains commands.
///
/// The environment names it, else the system's list of users does. That list may be on another
/// machine, so a separate thread asks for it.
pub(crate) async fn find_home(threads: &BlockingThreads) -> io::Result<Option<PathBuf>> {
    match set("HOME").or_else(|| set("USERPROFILE")) {
        Some(home) => Ok(Some(PathBuf::from(home)).filter(|home| home.is_absolute())),
        None => threads.run("reader", home_of_user).await,
    }
}

fn home_of_user() -> Option<PathBuf> {
    // Deprecated until Rust 1.87 for what it did on Windows.
    #[allow(deprecated)]
    let home = env::home_dir();
    home.filter(|home| home.is_absolute())
}

/// For people: why there are no files to read.
pub(crate) const NO_HOME: &str = "there is no home directory: HOME is not an absolute path";

/// A path as the environment names it, which no shell may have expanded. None if it is in a home
/// that does not exist or in another user's home: read literally, it would be a path from the
/// current directory.
pub(crate) fn at_home(path: PathBuf, home: Option<&Path>) -> Option<PathBuf> {
    if let Ok(rest) = path.strip_prefix("~") {
        return Some(home?.join(rest));
    }
    let is_of_user = path.as_os_str().as_encoded_bytes().starts_with(b"~");
    (!is_of_user).then_some(path)
}

/// The same. It looks for the home directory only if the path needs it.
pub(crate) async fn expanded(path: &str, threads: &BlockingThreads) -> io::Result<Option<PathBuf>> {
    if path.starts_with('~') {
        Ok(at_home(path.into(), find_home(threads).await?.as_deref()))
    } else {
        Ok(Some(path.into()))
    }
}

/// The error for one of two settings that belong together and of which one is missing.
pub(crate) fn half(set: &str, missing: &str) -> ConfigError {
    let message = format!("{set} is set and {missing} is not; set both or neither");
    ConfigError::new("credentials", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_may_begin_at_home() {
        let home = Some(Path::new("/home/me"));
        let told = |path: &str, home| at_home(path.into(), home);
        assert_eq!(told("~/keys", home), Some("/home/me/keys".into()));
        for path in ["/keys", "keys/~/a", "keys"] {
            assert_eq!(told(path, home), Some(path.into()));
            assert_eq!(told(path, None), Some(path.into()));
        }
    }

    #[test]
    fn a_path_may_have_variables_and_keeps_those_that_are_not_set() {
        let value = |name: &str| (name == "A_1").then(|| "a$A_1".to_owned());
        for (text, expected) in [
            ("/x", "/x"),
            ("$A_1/x", "a$A_1/x"),
            ("/x/${A_1}$A_1", "/x/a$A_1a$A_1"),
            ("$B/$A_1x", "$B/$A_1x"),
            ("${A_1", "${A_1"),
            ("$", "$"),
        ] {
            assert_eq!(filled(text, &value), expected);
        }
    }

    #[test]
    fn a_path_in_no_home_or_in_anothers_is_not_taken_from_the_current_directory() {
        for path in ["~/keys", "~"] {
            assert_eq!(at_home(path.into(), None), None);
        }
        assert_eq!(
            at_home("~you/keys".into(), Some(Path::new("/home/me"))),
            None
        );
    }
}
