//! AWS's shared files, `config` and `credentials`: what they say of profiles, sessions and services.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::store::s3::blocking::BlockingThreads;
use crate::store::s3::settings::ini::{Section, Sections};
use crate::store::s3::settings::variables::{NO_HOME, at_home, find_home, set};
use crate::types::errors::{ConfigError, LockError, StorageError, StorageErrorKind};

/// More bytes than any file of profiles has.
const MAX_FILE: u64 = 4 << 20;

/// Both files as they were when they were read. A file that is not there says nothing.
pub(crate) struct SharedFiles {
    config: File,
    credentials: File,
}

struct File {
    sections: Sections,
    /// For people: the path, or why there is none; and why it could not be read.
    place: String,
    trouble: Option<String>,
    /// The same for a file that is there, so that nobody knows what it says.
    unreadable: Option<LockError>,
}

impl SharedFiles {
    /// Reads both files. The error means that no thread could be had for it.
    pub(crate) async fn read(threads: &BlockingThreads) -> io::Result<SharedFiles> {
        let home = find_home(threads).await?;
        let file = async |override_by: &str, name: &str| {
            let path = match set(override_by) {
                Some(path) => at_home(path.into(), home.as_deref()),
                None => home.as_ref().map(|home| home.join(".aws").join(name)),
            };
            File::read(path, name, threads).await
        };
        Ok(SharedFiles {
            config: file("AWS_CONFIG_FILE", "config").await?,
            credentials: file("AWS_SHARED_CREDENTIALS_FILE", "credentials").await?,
        })
    }

    /// The settings of a profile from both files. Keys in the credentials file take precedence over
    /// those in the config file.
    pub(crate) fn profile(&self, name: &str) -> Option<Section> {
        let mut found: Option<Section> = None;
        for section in self.sections_of(name).into_iter().flatten() {
            found.get_or_insert_default().merge(section);
        }
        found
    }

    /// The error for a file that is there and cannot be read, if nothing may be sent without it.
    pub(crate) fn unreadable(&self) -> Option<&LockError> {
        let files = [&self.config, &self.credentials];
        files.into_iter().find_map(|file| file.unreadable.as_ref())
    }

    /// Whether the credentials file has keys of the profile, or a half of them. Then no others count.
    pub(crate) fn credentials_hold_keys_of(&self, profile: &str) -> bool {
        let section = self.credentials.sections.find(None, profile);
        let keys = ["aws_access_key_id", "aws_secret_access_key"];
        section.is_some_and(|section| keys.iter().any(|key| section.get(key).is_some()))
    }

    /// The settings under `[sso-session name]` or `[services name]`, by kind. Only the config file has
    /// such sections.
    pub(crate) fn section(&self, kind: &str, name: &str) -> Option<&Section> {
        self.config.sections.find(Some(kind), name)
    }

    /// For people: each file, and whether it has the profile.
    pub(crate) fn looked_in(&self, profile: &str) -> String {
        let found = self.sections_of(profile);
        let outcomes = [&self.config, &self.credentials].into_iter().zip(found);
        let told = outcomes.map(|(file, found)| match (&file.trouble, found) {
            (Some(trouble), _) => format!("{} ({trouble})", file.place),
            (None, Some(_)) => format!("{} (read)", file.place),
            (None, None) => format!("{} (no profile {profile:?})", file.place),
        });
        told.collect::<Vec<_>>().join(", ")
    }

    /// The config file, for people: the only one that has sections besides profiles.
    pub(crate) fn config_file(&self) -> &str {
        &self.config.place
    }

    /// A profile's sections in the two files.
    fn sections_of(&self, name: &str) -> [Option<&Section>; 2] {
        let config = &self.config.sections;
        let mut in_config = config.find(Some("profile"), name);
        if name == "default" {
            // It needs no prefix.
            in_config = in_config.or_else(|| config.find(None, name));
        }
        [in_config, self.credentials.sections.find(None, name)]
    }
}

impl File {
    async fn read(
        path: Option<PathBuf>,
        name: &str,
        threads: &BlockingThreads,
    ) -> io::Result<File> {
        let nothing = |place: String, trouble: String| File {
            sections: Sections::read(""),
            place,
            trouble: Some(trouble),
            unreadable: None,
        };
        let Some(path) = path else {
            return Ok(nothing(format!("no {name} file"), NO_HOME.to_owned()));
        };
        let place = path.display().to_string();
        Ok(match threads.read(&path, MAX_FILE).await? {
            Err(error) => {
                let is_there = is_there(path, &error, threads).await?;
                let unreadable = is_there.then(|| unreadable(&place, &error));
                File {
                    unreadable,
                    ..nothing(place, error.to_string())
                }
            }
            Ok(text) => File {
                sections: Sections::read(&text),
                place,
                trouble: None,
                unreadable: None,
            },
        })
    }
}

/// Whether there is a file that could not be read. In a directory that this user may not look into,
/// there is none for this user: some containers run so.
async fn is_there(path: PathBuf, error: &io::Error, threads: &BlockingThreads) -> io::Result<bool> {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => Ok(false),
        ErrorKind::PermissionDenied => {
            let look = move || fs::metadata(Path::new(&path)).is_ok();
            threads.run("reader", look).await
        }
        _ => Ok(true),
    }
}

fn unreadable(place: &str, error: &io::Error) -> LockError {
    let what = format!("{place} cannot be read ({error}), and may name the endpoint");
    match error.kind() {
        ErrorKind::PermissionDenied
        | ErrorKind::IsADirectory
        | ErrorKind::InvalidData
        | ErrorKind::Other => {
            let remedy = "make it readable, or name another file in AWS_CONFIG_FILE or \
                          AWS_SHARED_CREDENTIALS_FILE";
            ConfigError::new("profile", format!("{what}; {remedy}")).into()
        }
        // This machine may do better later.
        _ => StorageError::new(StorageErrorKind::Local, what).into(),
    }
}

#[cfg(test)]
impl SharedFiles {
    /// What these two texts say.
    pub(crate) fn of(config: &str, credentials: &str) -> SharedFiles {
        let file = |text, place: &str| File {
            sections: Sections::read(text),
            place: place.to_owned(),
            trouble: None,
            unreadable: None,
        };
        SharedFiles {
            config: file(config, "CONFIG"),
            credentials: file(credentials, "CREDENTIALS"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_profile_needs_no_prefix() {
        for config in ["[default]\nregion = r\n", "[profile default]\nregion = r\n"] {
            let profile = SharedFiles::of(config, "").profile("default").unwrap();
            assert_eq!(profile.get("region"), Some("r"));
        }
    }

    #[test]
    fn another_profile_needs_a_prefix_in_the_config_file_alone() {
        let files = SharedFiles::of("[a]\nregion = r\n", "[b]\nregion = r\n");
        assert_eq!(files.profile("a"), None);
        assert!(files.profile("b").is_some());
        assert_eq!(
            files.looked_in("a"),
            "CONFIG (no profile \"a\"), CREDENTIALS (no profile \"a\")"
        );
    }

    #[test]
    fn the_credentials_file_takes_precedence() {
        let files = SharedFiles::of(
            "[profile a]\nregion = r\naws_access_key_id = c\n",
            "[a]\naws_access_key_id = k\n",
        );
        let profile = files.profile("a").unwrap();
        assert_eq!(profile.get("aws_access_key_id"), Some("k"));
        assert_eq!(profile.get("region"), Some("r"));
    }

    #[test]
    fn only_the_config_file_has_other_sections() {
        let files = SharedFiles::of("[sso-session a]\nx = 1\n", "[sso-session b]\nx = 1\n");
        assert!(files.section("sso-session", "a").is_some());
        assert!(files.section("sso-session", "b").is_none());
    }
}
