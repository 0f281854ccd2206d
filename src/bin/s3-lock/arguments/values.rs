//! The values of options, as people write them.

use std::str::FromStr;
use std::time::Duration;

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
        builder_from_url(&self.0)
    }
}

impl FromStr for LockUrl {
    type Err = ConfigError;

    fn from_str(url: &str) -> Result<LockUrl, ConfigError> {
        builder_from_url(url)?;
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
        let rest = url
            .strip_prefix("s3://")
            .ok_or("write it as s3://bucket/folder, or s3://bucket")?;
        let (bucket, folder) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err("the bucket is missing: write it as s3://bucket/folder".to_owned());
        }
        Ok(FolderUrl {
            bucket: bucket.to_owned(),
            folder: folder.trim_end_matches('/').to_owned(),
        })
    }
}

/// A time such as `90s`, `5m` or `1h 30m`.
pub fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|_| "write it with its unit: 500ms, 90s, 5m, 2h or 1h30m".to_owned())
}

/// A number that a process can exit with.
pub fn exit_status(text: &str) -> Result<u8, String> {
    text.parse()
        .map_err(|_| "an exit status is a number from 0 to 255".to_owned())
}

// Until the library has it.
fn builder_from_url(url: &str) -> Result<S3LockBuilder, ConfigError> {
    let rest = url.strip_prefix("s3://").unwrap_or(url);
    let (bucket, rest) = rest.split_once('/').unwrap_or((rest, ""));
    let (folder, name) = rest.rsplit_once('/').unwrap_or(("", rest));
    Ok(S3Lock::builder(bucket, name).folder(folder))
}
