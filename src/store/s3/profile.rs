//! The keys and the region of a profile in AWS's shared files.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::{env, fs};

use crate::error::ConfigError;
use crate::store::s3::Source;
use crate::store::s3::reply::is_region;

/// The settings of one profile, and where they were looked for.
pub(crate) struct Profile {
    pub name: String,
    /// Whether it was named on purpose, and not taken for want of a name.
    pub chosen: bool,
    /// Whether any file has it.
    pub exists: bool,
    pub settings: HashMap<String, String>,
    /// For people: each file, and what became of reading it.
    pub looked_in: String,
}

impl Profile {
    /// Reads the profile `name`, else the one that `AWS_PROFILE` names, else `default`.
    pub(crate) fn read(name: Option<&str>) -> Profile {
        let name = name.map(str::to_owned).or_else(|| variable("AWS_PROFILE"));
        let chosen = name.is_some();
        let name = name.unwrap_or_else(|| "default".to_owned());
        let mut exists = false;
        let mut settings = HashMap::new();
        let mut looked_in = Vec::new();
        let files = [
            ("AWS_CONFIG_FILE", "config", "profile "),
            ("AWS_SHARED_CREDENTIALS_FILE", "credentials", ""),
        ];
        // Keys in the credentials file go before keys in the config file.
        for (override_by, file, prefix) in files {
            let path = match set(override_by) {
                Some(path) => PathBuf::from(path),
                None => home().join(".aws").join(file),
            };
            let outcome = match fs::read_to_string(&path) {
                Err(error) => error.to_string(),
                Ok(text) => match section(&text, &name, prefix) {
                    None => format!("no profile {name:?}"),
                    Some(found) => {
                        exists = true;
                        settings.extend(found);
                        "read".to_owned()
                    }
                },
            };
            looked_in.push(format!("{} ({outcome})", path.display()));
        }
        Profile {
            name,
            chosen,
            exists,
            settings,
            looked_in: looked_in.join(", "),
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        let value = self.settings.get(key).map(String::as_str);
        value.filter(|v| !v.is_empty())
    }
}

/// The region of the profile; where a custom endpoint is set, a store that has no regions is
/// likely, and the usual name does.
pub(crate) fn region(source: &Source, custom_endpoint: bool) -> Result<String, ConfigError> {
    let profile = Profile::read(source.profile());
    match profile.get("region") {
        Some(region) if is_region(region) => Ok(region.to_owned()),
        Some(region) => {
            let reason = "a region looks like eu-central-1";
            let place = format!("profile {:?}", profile.name);
            Err(ConfigError::invalid_in("region", region, &place, reason))
        }
        None if custom_endpoint => Ok("us-east-1".to_owned()),
        None => Err(ConfigError::new(
            "region",
            format!(
                "no region found: AWS_REGION and AWS_DEFAULT_REGION are not set, and {} in {}; \
                 set one of them or call ClientBuilder::region{}",
                match profile.exists {
                    true => format!("profile {:?} names none", profile.name),
                    false => format!("there is no profile {:?}", profile.name),
                },
                profile.looked_in,
                match profile.chosen && !profile.exists {
                    true => ", or correct the name of the profile",
                    false => "",
                }
            ),
        )),
    }
}

/// An environment variable; empty counts as not set, as for AWS's own tools. One that is no Unicode is
/// set, and refused for the character that stands in for the rest: to pass it by would be to take
/// another endpoint or somebody else's keys.
pub(crate) fn variable(name: &str) -> Option<String> {
    Some(set(name)?.to_string_lossy().into_owned())
}

fn set(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

fn home() -> PathBuf {
    let home = set("HOME").or_else(|| set("USERPROFILE"));
    PathBuf::from(home.unwrap_or_else(|| ".".into()))
}

/// The settings under `[prefix name]`, or `[name]` where the profile is the default one.
fn section(text: &str, name: &str, prefix: &str) -> Option<HashMap<String, String>> {
    let mut found: Option<HashMap<String, String>> = None;
    let mut inside = false;
    // Some editors begin a file with a mark.
    for line in text.trim_start_matches('\u{feff}').lines() {
        // An indented line belongs to the nested setting above it; none of those matter here.
        if line.starts_with([' ', '\t', '#', ';']) {
            continue;
        }
        if let Some(header) = line.strip_prefix('[') {
            let header = header.split(']').next().unwrap_or_default().trim();
            let plain = header == name && (prefix.is_empty() || name == "default");
            let prefixed = header.strip_prefix(prefix).map(str::trim) == Some(name);
            inside = plain || prefixed;
            if inside {
                found.get_or_insert_default();
            }
        } else if let (true, Some((key, value))) = (inside, line.split_once('=')) {
            let key = key.trim().to_ascii_lowercase();
            let value = value.split(" #").next().unwrap_or_default().trim();
            found.get_or_insert_default().insert(key, value.to_owned());
        }
    }
    found
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
        let build = section(TEXT, "build", "profile ").unwrap();
        assert_eq!(build["aws_access_key_id"], "AK");
        assert_eq!(build["aws_secret_access_key"], "s3=cr#t");
        assert!(!build.contains_key("region"));
    }

    #[test]
    fn the_default_profile_needs_no_prefix() {
        let default = section(TEXT, "default", "profile ").unwrap();
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
        assert!(section(TEXT, "other", "profile ").is_none());
    }
}
