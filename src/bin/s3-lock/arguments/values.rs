//! The values of options, as people write them.

use std::str::FromStr;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use s3_lock::{ConfigError, S3Lock, S3LockBuilder};

/// The URL of a lock.
#[derive(Clone, Debug)]
pub struct LockUrl(String);

impl LockUrl {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A lock there, to be given its settings.
    pub fn builder(&self) -> Result<S3LockBuilder, ConfigError> {
        S3Lock::builder_from_url(&self.0)
    }
}

impl FromStr for LockUrl {
    type Err = ConfigError;

    fn from_str(url: &str) -> Result<LockUrl, ConfigError> {
        let _ = S3Lock::builder_from_url(url)?;
        Ok(LockUrl(url.to_owned()))
    }
}

/// The URL of a folder with locks.
#[derive(Clone, Debug)]
pub struct FolderUrl {
    pub bucket: String,
    pub folder: String,
}

impl FromStr for FolderUrl {
    type Err = String;

    fn from_str(url: &str) -> Result<FolderUrl, String> {
        let refuse = |why: &str| Err(format!("{why}; write it as s3://bucket/folder"));
        let Some(("s3" | "S3", rest)) = url.split_once("://") else {
            return refuse("it does not begin with s3://");
        };
        if rest.contains(['?', '#']) {
            return refuse("it has a query or a fragment");
        }
        let (bucket, folder) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return refuse("the bucket is missing");
        }
        // A user and a password, perhaps: an error must not show them, as the library's error about the bucket would.
        if bucket.contains(['@', ':', '%']) {
            return refuse("nothing but the bucket stands before the folder");
        }
        let Ok(folder) = percent_decode_str(folder).decode_utf8() else {
            return refuse("its folder is not UTF-8");
        };
        Ok(FolderUrl {
            bucket: bucket.to_owned(),
            folder: folder.trim_end_matches('/').to_owned(),
        })
    }
}

/// A time such as `90s`, `5m` or `1h 30m`.
pub fn duration(text: &str) -> Result<Duration, String> {
    if text.starts_with('-') {
        return Err("a time is not negative; write it as 500ms, 90s, 5m, 2h or 1h30m".to_owned());
    }
    // What begins with an M is a minute to people, and a month to humantime.
    let mut units = text.split(|c: char| !c.is_ascii_alphabetic());
    let is_long =
        |unit: &str| unit.starts_with('M') || unit.starts_with('y') || unit.starts_with("month");
    if units.any(is_long) {
        return Err("write it with its unit, as 500ms, 90s, 5m, 2h or 1h30m".to_owned());
    }
    humantime::parse_duration(text)
        .map_err(|_| "write it with its unit, as 500ms, 90s, 5m, 2h or 1h30m".to_owned())
}

/// A number that a process can exit with.
pub fn exit_status(text: &str) -> Result<u8, String> {
    text.parse()
        .map_err(|_| "an exit status is a number from 0 to 255".to_owned())
}

/// How often a store is raced: as `S3Lock::race_store` has it.
pub fn rounds(text: &str) -> Result<u32, String> {
    let rounds = text.parse().ok().filter(|n| (1..=1_000).contains(n));
    rounds.ok_or_else(|| "give a number of rounds from 1 to 1000".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_may_be_the_bucket_itself() {
        for url in ["s3://bucket", "s3://bucket/"] {
            let folder = FolderUrl::from_str(url).unwrap();
            assert_eq!(
                (folder.bucket.as_str(), folder.folder.as_str()),
                ("bucket", "")
            );
        }
    }

    #[test]
    fn a_folder_is_decoded_and_may_end_with_a_slash() {
        let folder = FolderUrl::from_str("s3://bucket/a%20b/c/").unwrap();
        assert_eq!(folder.folder, "a b/c");
    }
}
