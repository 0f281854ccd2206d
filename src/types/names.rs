//! What names and settings are allowed: every check that needs no I/O.

use std::time::Duration;

use crate::protocol::Location;
use crate::types::errors::ConfigError;

/// The longest object key that S3 takes, in bytes.
const MAX_KEY: usize = 1024;
/// The longest owner name, in bytes of UTF-8.
pub(crate) const MAX_OWNER: usize = 512;

/// Where the lock of that name is kept.
pub(crate) fn location(bucket: &str, folder: &str, name: &str) -> Result<Location, ConfigError> {
    check_bucket(bucket)?;
    let trimmed = check_folder(folder)?;
    if name.contains('/') {
        let reason = "it holds a '/'; put folders into `folder`";
        return Err(ConfigError::invalid("name", name, reason));
    }
    check_segment("name", name, name)?;
    let key = match trimmed {
        "" => format!("{name}.lock"),
        folder => format!("{folder}/{name}.lock"),
    };
    let field = if name.len() > trimmed.len() {
        "name"
    } else {
        "folder"
    };
    if key.len() > MAX_KEY {
        let value = if field == "name" { name } else { folder };
        let reason = format!("the key {{folder}}/{{name}}.lock is longer than {MAX_KEY} bytes");
        return Err(ConfigError::invalid(field, value, &reason));
    }
    let bucket = bucket.to_owned();
    Ok(Location { bucket, key })
}

/// The folder without a trailing slash.
fn check_folder(folder: &str) -> Result<&str, ConfigError> {
    let trimmed = folder.strip_suffix('/').unwrap_or(folder);
    if folder.starts_with('/') {
        let reason = "it starts with a '/'; the bucket's root is the empty folder";
        return Err(ConfigError::invalid("folder", folder, reason));
    }
    if !trimmed.is_empty() {
        for segment in trimmed.split('/') {
            check_segment("folder", folder, segment)?;
        }
    }
    Ok(trimmed)
}

/// What the keys of all locks in a folder begin with.
pub(crate) fn prefix(bucket: &str, folder: &str) -> Result<String, ConfigError> {
    check_bucket(bucket)?;
    Ok(match check_folder(folder)? {
        "" => String::new(),
        folder => format!("{folder}/"),
    })
}

/// The rules of S3 for bucket names, and as much more (capital letters, underscores) as other
/// stores allow in a path.
fn check_bucket(bucket: &str) -> Result<(), ConfigError> {
    let refuse = |reason| Err(ConfigError::invalid("bucket", bucket, reason));
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    match bucket {
        "" => refuse("it is empty"),
        _ if bucket.contains("://") => refuse("it is a URL; give the name of the bucket alone"),
        _ if bucket.contains('/') => refuse("it holds a '/'; put folders into `folder`"),
        "." | ".." => refuse("it is '.' or '..'"),
        _ if bucket.chars().any(char::is_control) => refuse("it holds a control character"),
        _ if !bucket.chars().all(allowed) => {
            refuse("only letters, digits, '-', '.' and '_' may be in it")
        }
        _ if !(3..=63).contains(&bucket.len()) => refuse("its length is not between 3 and 63"),
        _ => Ok(()),
    }
}

fn check_segment(field: &'static str, value: &str, segment: &str) -> Result<(), ConfigError> {
    let refuse = |reason| Err(ConfigError::invalid(field, value, reason));
    match segment {
        "" if value.is_empty() => refuse("it is empty"),
        "" => refuse("it has an empty segment"),
        "." | ".." if value == segment => refuse("it is '.' or '..'"),
        "." | ".." => refuse("it has a segment '.' or '..'"),
        _ if segment.chars().any(char::is_control) => refuse("it holds a control character"),
        _ => Ok(()),
    }
}

pub(crate) fn check_owner(owner: &str) -> Result<(), ConfigError> {
    if owner.is_empty() {
        return Err(ConfigError::invalid("owner", owner, "it is empty"));
    }
    if owner.chars().any(char::is_control) {
        return Err(ConfigError::invalid(
            "owner",
            owner,
            "it holds a control character",
        ));
    }
    no_longer_than("owner", owner, MAX_OWNER)
}

pub(crate) fn no_longer_than(
    field: &'static str,
    value: &str,
    max: usize,
) -> Result<(), ConfigError> {
    if value.len() <= max {
        return Ok(());
    }
    let reason = format!("it is longer than {max} bytes");
    Err(ConfigError::invalid(field, value, &reason))
}

/// Refuses a duration that is not from `least` to `most`.
pub(crate) fn within(
    field: &'static str,
    span: Duration,
    least: Duration,
    most: Duration,
) -> Result<(), ConfigError> {
    if (least..=most).contains(&span) {
        return Ok(());
    }
    Err(out_of_range(field, span, least, &limit(most)))
}

pub(crate) fn out_of_range(
    field: &'static str,
    span: Duration,
    least: Duration,
    most: &str,
) -> ConfigError {
    let message = format!("invalid {field} {span:?}: it must be from {least:?} to {most}");
    ConfigError::new(field, message)
}

/// A limit as a person reads it.
pub(crate) fn limit(most: Duration) -> String {
    const DAY: u64 = 24 * 3600;
    match most.as_secs() {
        seconds if seconds >= DAY && seconds % DAY == 0 => format!("{} days", seconds / DAY),
        _ => format!("{most:?}"),
    }
}
