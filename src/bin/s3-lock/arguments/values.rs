//! The values of options, as people write them.

use std::fmt;
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
        builder_from_url(&self.0)
    }
}

impl FromStr for LockUrl {
    type Err = UrlError;

    fn from_str(url: &str) -> Result<LockUrl, UrlError> {
        check_shape(url).map_err(UrlError::Shape)?;
        let _ = builder_from_url(url).map_err(UrlError::Name)?;
        Ok(LockUrl(url.to_owned()))
    }
}

/// Why a text is not the URL of a lock.
#[derive(Debug)]
pub enum UrlError {
    /// It is no such URL. The reason does not cite it.
    Shape(&'static str),
    /// There can be no such lock. The reason cites what is wrong.
    Name(ConfigError),
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UrlError::Shape(why) => f.write_str(why),
            UrlError::Name(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for UrlError {}

/// What people give instead of a lock's URL.
fn check_shape(url: &str) -> Result<(), &'static str> {
    let Some(rest) = url.strip_prefix("s3://") else {
        return Err(match url {
            _ if url.starts_with("arn:") => {
                "it is an ARN; write the lock as s3://bucket/folder/name"
            }
            _ if url.contains("://") => {
                "it is not an s3:// URL; write the lock as s3://bucket/folder/name, and a store other \
                 than AWS as --endpoint-url"
            }
            _ => "it does not begin with s3://; write the lock as s3://bucket/folder/name",
        });
    };
    match rest.split_once('/') {
        Some(("", _)) => Err("its bucket is missing; write the lock as s3://bucket/folder/name"),
        None | Some((_, "")) => {
            Err("the lock's name is missing; write the lock as s3://bucket/folder/name")
        }
        Some((_, path)) if path.ends_with('/') => {
            Err("it ends with a slash; a lock is named as a file is, s3://bucket/folder/name")
        }
        Some(_) => Ok(()),
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
        let Some(rest) = url.strip_prefix("s3://") else {
            return refuse("it does not begin with s3://");
        };
        if rest.contains(['?', '#']) {
            return refuse("it has a query or a fragment");
        }
        let (bucket, folder) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return refuse("the bucket is missing");
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
    humantime::parse_duration(text)
        .map_err(|_| "write it with its unit, as 500ms, 90s, 5m, 2h or 1h30m".to_owned())
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
