//! Why a command cannot be run. Pure.

use std::io;

use crate::protocol::quote::shown;

/// Why the system does not run a program, and what helps. The program is shown, as it is seldom a secret,
/// and its arguments are not.
pub(super) fn why(program: &str, error: &io::Error) -> String {
    if let Some(name) = assigned(program) {
        return format!(
            "it begins with \"{name}=...\", and only a shell sets a variable so; begin it with env"
        );
    }
    let is_path = program.contains(std::path::is_separator);
    let named = format!("\"{}\"", shown(program));
    match error.kind() {
        io::ErrorKind::NotFound if program.starts_with('~') => {
            format!("{named} is not there: only a shell replaces the ~; write the whole path")
        }
        io::ErrorKind::NotFound if is_path => format!(
            "{named} is not there; correct the path, or, if the file is there, the interpreter that its \
             first line names"
        ),
        io::ErrorKind::NotFound => format!(
            "there is no program {named} in PATH; install it, correct its name, or write its whole path: \
             services often have a shorter PATH than shells"
        ),
        io::ErrorKind::PermissionDenied => format!(
            "no permission to execute {named} ({error}); make it executable for this user (chmod +x), on a \
             disk that allows it"
        ),
        _ => format!("{named}: {error}; check that program"),
    }
}

/// The variable that a word would set in a shell.
fn assigned(word: &str) -> Option<String> {
    let (name, _) = word.split_once('=')?;
    let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    (is_name && !name.is_empty()).then(|| shown(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(program: &str) -> String {
        why(program, &io::ErrorKind::NotFound.into())
    }

    #[test]
    fn a_name_is_looked_for_in_path() {
        let told = missing("aws-vualt");
        assert!(
            told.starts_with("there is no program \"aws-vualt\" in PATH; "),
            "{told}"
        );
    }

    #[test]
    fn a_path_is_not_looked_for() {
        for path in ["/opt/x", "./x", "bin/x"] {
            let told = missing(path);
            let start = format!("\"{path}\" is not there; correct the path");
            assert!(told.starts_with(&start), "{told}");
        }
    }

    #[test]
    fn a_home_directory_is_not_put_in() {
        for path in ["~/bin/x", "~me/x"] {
            let expected = format!(
                "\"{path}\" is not there: only a shell replaces the ~; write the whole path"
            );
            assert_eq!(missing(path), expected);
        }
    }

    #[test]
    fn a_program_without_permission_is_told_as_that() {
        let told = why("/opt/x", &io::ErrorKind::PermissionDenied.into());
        assert!(
            told.starts_with("no permission to execute \"/opt/x\" ("),
            "{told}"
        );
    }

    #[test]
    fn a_variable_before_the_program_is_told_without_its_value() {
        let told = missing("TOKEN=hunter2");
        let expected =
            "it begins with \"TOKEN=...\", and only a shell sets a variable so; begin it with env";
        assert_eq!(told, expected);
    }

    #[test]
    fn another_failure_is_told_as_the_system_tells_it() {
        let told = why("x", &io::Error::other("bad format"));
        assert_eq!(told, "\"x\": bad format; check that program");
    }
}
