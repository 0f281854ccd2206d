//! Reads one profile of AWS's shared files: its keys, its region and its other settings.

use std::collections::HashMap;
use std::io;

use crate::store::s3::blocking::BlockingThreads;
use crate::store::s3::settings::named::Named;
use crate::store::s3::settings::region::is_region;
use crate::store::s3::settings::variables::{NO_HOME, at_home, find_home, set, variable};
use crate::types::errors::{ConfigError, LockError};

/// More bytes than any file of profiles has.
const MAX_FILE: u64 = 4 << 20;

/// The settings of one profile, and where they were looked for.
pub(crate) struct Profile {
    pub name: String,
    /// Whether the caller or the environment named it. Otherwise it is the default one.
    pub chosen: bool,
    /// Whether any file has it.
    pub exists: bool,
    pub settings: HashMap<String, String>,
    /// For people: each file, and how reading it went.
    pub looked_in: String,
}

impl Profile {
    /// Reads the profile `name`, else the one that `AWS_PROFILE` names, else `default`.
    pub(crate) async fn read(name: Option<&str>, threads: &BlockingThreads) -> io::Result<Profile> {
        let name = name.map(str::to_owned).or_else(|| variable("AWS_PROFILE"));
        let chosen = name.is_some();
        let name = name.unwrap_or_else(|| "default".to_owned());
        let mut exists = false;
        let mut settings = HashMap::new();
        let mut looked_in = Vec::new();
        let files = [
            ("AWS_CONFIG_FILE", "config", "profile"),
            ("AWS_SHARED_CREDENTIALS_FILE", "credentials", ""),
        ];
        let home = find_home(threads).await?;
        // Keys in the credentials file take precedence over keys in the config file.
        for (override_by, file, prefix) in files {
            let path = match set(override_by) {
                Some(path) => at_home(path.into(), home.as_deref()),
                None => home.as_ref().map(|home| home.join(".aws").join(file)),
            };
            let Some(path) = path else {
                looked_in.push(format!("no {file} file ({NO_HOME})"));
                continue;
            };
            let outcome = match threads.read(&path, MAX_FILE).await? {
                Err(error) => error.to_string(),
                Ok(text) => match section(&text, &name, prefix) {
                    None => format!("no profile {name:?}"),
                    Some(found) => {
                        exists = true;
                        merge(&mut settings, found);
                        "read".to_owned()
                    }
                },
            };
            looked_in.push(format!("{} ({outcome})", path.display()));
        }
        Ok(Profile {
            name,
            chosen,
            exists,
            settings,
            looked_in: looked_in.join(", "),
        })
    }

    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        let value = self.settings.get(key).map(String::as_str);
        value.filter(|v| !v.is_empty())
    }
}

/// The region that a profile names: `name`, or the one that [`Profile::read`] takes. With a custom
/// endpoint, the store probably has no regions, and the usual name does.
pub(crate) async fn region(
    name: Option<&str>,
    custom_endpoint: bool,
    threads: &BlockingThreads,
) -> Result<Named, LockError> {
    let profile = Profile::read(name, threads).await;
    let profile = profile.map_err(LockError::of_this_machine)?;
    let by = format!("profile {:?}", profile.name);
    match profile.get("region") {
        Some(region) if is_region(region) => Ok(Named::new(region, by)),
        Some(region) => {
            let reason = "a region looks like eu-central-1";
            Err(ConfigError::invalid_in("region", region, &by, reason).into())
        }
        None if custom_endpoint => Ok(Named::new("us-east-1", "the default")),
        None => Err(no_region(&profile).into()),
    }
}

fn no_region(profile: &Profile) -> ConfigError {
    let Profile {
        name, looked_in, ..
    } = profile;
    let (why, correct) = if profile.exists {
        (format!("profile {name:?} names none"), "")
    } else {
        let correct = ", or correct the name of the profile";
        let absent = format!("there is no profile {name:?}");
        (absent, if profile.chosen { correct } else { "" })
    };
    let message = format!(
        "no region found: AWS_REGION and AWS_DEFAULT_REGION are not set, and {why} in {looked_in}; \
         set one of them or call ClientBuilder::region{correct}"
    );
    ConfigError::new("region", message)
}

/// Adds the settings of another file, which take precedence. Keys are taken from one file only: a
/// session token belongs to the keys next to it.
fn merge(settings: &mut HashMap<String, String>, found: HashMap<String, String>) {
    const KEYS: [&str; 3] = [
        "aws_access_key_id",
        "aws_secret_access_key",
        "aws_session_token",
    ];
    if KEYS.iter().any(|key| found.contains_key(*key)) {
        settings.retain(|key, _| !KEYS.contains(&key.as_str()));
    }
    settings.extend(found);
}

/// The settings under `[prefix name]`, or under `[name]` for the default profile.
fn section(text: &str, name: &str, prefix: &str) -> Option<HashMap<String, String>> {
    let mut found: Option<HashMap<String, String>> = None;
    let mut inside = false;
    // How far the last setting of this section is indented.
    let mut indented = None;
    // Some editors begin a file with a byte order mark.
    for line in text.trim_start_matches('\u{feff}').lines() {
        let plain = line.trim_start();
        let indent = line.len() - plain.len();
        if plain.is_empty() || plain.starts_with(['#', ';']) {
            continue;
        }
        // A line that is indented further belongs to the nested setting above. None of those matter
        // here.
        if indented.is_some_and(|above| indent > above) {
            continue;
        }
        if let Some(header) = plain.strip_prefix('[') {
            indented = None;
            inside = is_of(header.split(']').next().unwrap_or_default(), name, prefix);
            if inside {
                found.get_or_insert_default();
            }
            continue;
        }
        indented = Some(indent);
        if let (true, Some((key, value))) = (inside, plain.split_once('=')) {
            let key = key.trim().to_ascii_lowercase();
            let value = uncommented(value).trim().to_owned();
            found.get_or_insert_default().insert(key, value);
        }
    }
    found
}

/// Whether the section with this header is the profile's.
fn is_of(header: &str, name: &str, prefix: &str) -> bool {
    let header = header.trim();
    if header == name && (prefix.is_empty() || name == "default") {
        return true;
    }
    let rest = header.strip_prefix(prefix).filter(|_| !prefix.is_empty());
    // `[profiles]` is not a profile.
    let named = rest.filter(|rest| rest.starts_with([' ', '\t']));
    named.is_some_and(|named| unquoted(named.trim()) == name)
}

/// A name with spaces is quoted.
fn unquoted(name: &str) -> &str {
    let inner = |quote| name.strip_prefix(quote)?.strip_suffix(quote);
    inner('"').or_else(|| inner('\'')).unwrap_or(name)
}

/// A value without the comment after it.
fn uncommented(value: &str) -> &str {
    let begins = [" #", " ;", "\t#", "\t;"].map(|mark| value.find(mark));
    let end = begins.into_iter().flatten().min();
    &value[..end.unwrap_or(value.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# a comment
[default]
region = eu-west-1  # where we are
s3 =
  max_concurrent_requests = 20
[profile build]
AWS_ACCESS_KEY_ID=AK
aws_secret_access_key = s3=cr#t
[build]
region = nowhere
";

    #[test]
    fn a_profile_has_the_settings_of_its_section() {
        let build = section(TEXT, "build", "profile").unwrap();
        assert_eq!(build["aws_access_key_id"], "AK");
        assert_eq!(build["aws_secret_access_key"], "s3=cr#t");
        assert!(!build.contains_key("region"));
    }

    #[test]
    fn the_default_profile_needs_no_prefix() {
        let default = section(TEXT, "default", "profile").unwrap();
        assert_eq!(default["region"], "eu-west-1");
        assert_eq!(default["s3"], "");
        assert_eq!(default.len(), 2);
    }

    #[test]
    fn the_credentials_file_has_no_prefixes() {
        assert_eq!(section(TEXT, "build", "").unwrap()["region"], "nowhere");
    }

    #[test]
    fn a_mark_at_the_beginning_of_a_file_is_no_part_of_it() {
        let marked = "\u{feff}[default]\nregion = eu-west-1\n";
        assert_eq!(
            section(marked, "default", "").unwrap()["region"],
            "eu-west-1"
        );
    }

    #[test]
    fn a_profile_that_is_not_there_is_none() {
        assert!(section(TEXT, "other", "profile").is_none());
    }

    #[test]
    fn a_quoted_name_may_hold_a_space() {
        for header in [
            "[profile \"my own\"]",
            "[profile 'my own']",
            "[profile\tmy own]",
        ] {
            let text = format!("{header}\nregion = eu-west-1\n");
            let found = section(&text, "my own", "profile").expect(header);
            assert_eq!(found["region"], "eu-west-1");
        }
    }

    #[test]
    fn settings_may_be_indented_and_what_is_nested_in_them_is_not_theirs() {
        let text = "[default]\n  s3 =\n    region = nested\n  region = eu-west-1\n";
        let found = section(text, "default", "profile").unwrap();
        assert_eq!(found["region"], "eu-west-1");
    }

    #[test]
    fn a_comment_behind_a_value_begins_with_either_mark() {
        for text in ["a # b", "a ; b", "a\t# b ; c"] {
            assert_eq!(uncommented(text).trim(), "a");
        }
        assert_eq!(uncommented("a;b#c"), "a;b#c");
    }

    #[test]
    fn a_session_token_belongs_to_the_keys_of_its_own_file() {
        let own = |settings: &[&str]| -> HashMap<String, String> {
            let pair = |key: &&str| ((*key).to_owned(), "x".to_owned());
            settings.iter().map(pair).collect()
        };
        let mut settings = own(&["region", "aws_access_key_id", "aws_session_token"]);
        merge(&mut settings, own(&["aws_access_key_id"]));
        assert_eq!(settings, own(&["region", "aws_access_key_id"]));
    }
}
