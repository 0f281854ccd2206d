//! AWS's shared files, `config` and `credentials`: what they say of profiles, sessions and services.

use std::io;
use std::path::PathBuf;

use crate::store::s3::blocking::BlockingThreads;
use crate::store::s3::settings::ini::{Flaw, Section, Sections};
use crate::store::s3::settings::variables::{NO_HOME, at_home, find_home, path_in};

/// More bytes than any file of profiles has.
const MAX_FILE: u64 = 4 << 20;

/// Both files as they were when they were read. A file that is not there or cannot be read says nothing.
pub(crate) struct SharedFiles {
    config: File,
    credentials: File,
}

struct File {
    sections: Sections,
    /// For people: the path, or why there is none; and why it could not be read.
    place: String,
    trouble: Option<String>,
    /// Whether nothing may be concluded without it.
    is_needed: bool,
}

impl SharedFiles {
    /// Reads both files. The error means that no thread could be had for it.
    pub(crate) async fn read(threads: &BlockingThreads) -> io::Result<SharedFiles> {
        let home = find_home(threads).await?;
        let file = async |override_by: &str, name: &str| {
            let named = path_in(override_by);
            if named
                .as_ref()
                .is_some_and(|path| path.as_os_str().is_empty())
            {
                // As in AWS's own tools: there is none, not even the usual one.
                return Ok(File::nothing(
                    format!("no {name} file"),
                    format!("{override_by} is empty"),
                ));
            }
            let is_named = named.is_some();
            let path = match named {
                Some(path) => at_home(path, home.as_deref()),
                None => home.as_ref().map(|home| home.join(".aws").join(name)),
            };
            File::read(path, name, is_named, threads).await
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

    /// Whether the credentials file has keys of the profile, or a half of them. Then no others count.
    pub(crate) fn credentials_hold_keys_of(&self, profile: &str) -> bool {
        let section = self.credentials.sections.find(None, profile);
        let keys = ["aws_access_key_id", "aws_secret_access_key"];
        section.is_some_and(|section| keys.iter().any(|key| section.said(key).is_some()))
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

    /// Why what the files say of a profile may not be what was meant, for people: a file that is there cannot
    /// be read, or a line is wrong.
    pub(crate) fn flaw_of(&self, profile: &str) -> Option<String> {
        let files = || [&self.config, &self.credentials].into_iter();
        let unread = files().find(|file| file.is_needed).map(|file| {
            let trouble = file.trouble.as_deref().unwrap_or_default();
            format!("{} cannot be read: {trouble}", file.place)
        });
        let mut found = files().zip(self.sections_of(profile));
        unread.or_else(|| {
            found.find_map(|(file, section)| {
                let flaw = file.sections.stray();
                file.told(flaw.or_else(|| section?.flaw())?)
            })
        })
    }

    /// The same of `[kind name]`.
    pub(crate) fn flaw_in(&self, kind: &str, name: &str) -> Option<String> {
        self.config.told(self.section(kind, name)?.flaw()?)
    }

    /// The config file, for people: the only one that has sections besides profiles.
    pub(crate) fn config_file(&self) -> &str {
        &self.config.place
    }

    /// A profile's sections in the two files.
    fn sections_of(&self, name: &str) -> [Option<&Section>; 2] {
        [
            self.config.sections.find_profile(name),
            self.credentials.sections.find(None, name),
        ]
    }
}

impl File {
    fn nothing(place: String, trouble: String) -> File {
        File {
            sections: Sections::read(""),
            place,
            trouble: Some(trouble),
            is_needed: false,
        }
    }

    async fn read(
        path: Option<PathBuf>,
        name: &str,
        is_named: bool,
        threads: &BlockingThreads,
    ) -> io::Result<File> {
        let Some(path) = path else {
            let place = format!("no {name} file");
            return Ok(File::nothing(place, NO_HOME.to_owned()));
        };
        let place = path.display().to_string();
        Ok(match threads.read(&path, MAX_FILE).await? {
            Err(error) => File {
                is_needed: is_needed(error.kind(), is_named),
                ..File::nothing(place, error.to_string())
            },
            Ok(text) => File {
                sections: Sections::read(&text),
                place,
                trouble: None,
                is_needed: false,
            },
        })
    }

    fn told(&self, Flaw { line, what }: Flaw) -> Option<String> {
        Some(format!("line {line} of {} {what}", self.place))
    }
}

/// Whether a file that cannot be read must not be passed over. A service often runs with the home of
/// another user, whose files it may not read: they are none of its own, unless a variable names them.
fn is_needed(error: io::ErrorKind, is_named: bool) -> bool {
    match error {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => false,
        io::ErrorKind::PermissionDenied => is_named,
        _ => true,
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
            is_needed: false,
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
    fn of_two_default_profiles_the_last_counts() {
        let (short, long) = ("[default]\nx = short\n", "[profile default]\nx = long\n");
        for (config, last) in [
            (format!("{short}{long}"), "long"),
            (format!("{long}{short}"), "short"),
        ] {
            let profile = SharedFiles::of(&config, "").profile("default").unwrap();
            assert_eq!(profile.get("x"), Some(last));
        }
    }

    #[test]
    fn a_flaw_is_told_with_its_file_and_line() {
        let flaw = |config, credentials| SharedFiles::of(config, credentials).flaw_of("a");
        let told = flaw("[profile a]\nx = 1\n", "[a]\nkeys\n").unwrap();
        assert!(
            told.starts_with("line 2 of CREDENTIALS is no setting"),
            "{told}"
        );
        let told = flaw("keys = 1\n[profile b]\n", "").unwrap();
        assert!(told.starts_with("line 1 of CONFIG stands before"), "{told}");
        assert_eq!(flaw("[profile b]\nkeys\n", "[a]\nx = 1\n"), None);
    }

    #[test]
    fn a_file_that_is_there_and_cannot_be_read_is_needed_unless_it_is_hardly_ours() {
        use io::ErrorKind::{InvalidData, IsADirectory, NotFound, PermissionDenied};
        let needed = |is_named| {
            [NotFound, PermissionDenied, IsADirectory, InvalidData]
                .map(|error| is_needed(error, is_named))
        };
        assert_eq!(needed(true), [false, true, true, true]);
        assert_eq!(needed(false), [false, false, true, true]);
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
