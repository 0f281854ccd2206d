//! Checks the names of locks, folders, buckets and owners, and builds the lock's key from them. Also
//! makes the default owner name.

use std::process;

use crate::protocol::Location;
use crate::protocol::record::{MAX_LABEL, MAX_OWNER, is_label};
use crate::sys::host::host_name;
use crate::types::errors::ConfigError;

/// The longest object key that S3 takes, in bytes.
const MAX_KEY: usize = 1024;
/// What the key of a lock ends with.
pub(crate) const LOCK: &str = ".lock";
/// What the key of a lock's queue ends with.
pub(crate) const QUEUE: &str = ".queue";

/// Where the lock with this name is stored, if the names are valid.
pub(crate) fn location(bucket: &str, folder: &str, name: &str) -> Result<Location, ConfigError> {
    check_bucket(bucket)?;
    let trimmed = check_folder(folder)?;
    if name.contains('/') {
        let reason = "it holds a '/'; put folders into `folder`";
        return Err(ConfigError::invalid("name", name, reason));
    }
    check_segment("name", name, name)?;
    let key = match trimmed {
        "" => [name, LOCK].concat(),
        folder => [folder, "/", name, LOCK].concat(),
    };
    let field = if name.len() > trimmed.len() {
        "name"
    } else {
        "folder"
    };
    if key.len() - LOCK.len() + QUEUE.len() > MAX_KEY {
        let value = if field == "name" { name } else { folder };
        let reason = format!("the key {{folder}}/{{name}}.queue is longer than {MAX_KEY} bytes");
        return Err(ConfigError::invalid(field, value, &reason));
    }
    let bucket = bucket.to_owned();
    Ok(Location { bucket, key })
}

/// Where the queue of a lock is stored.
pub(crate) fn queue_of(lock: &Location) -> Location {
    let name = lock.key.strip_suffix(LOCK).unwrap_or(&lock.key);
    Location {
        bucket: lock.bucket.clone(),
        key: format!("{name}{QUEUE}"),
    }
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

/// The prefix of the keys of all locks in a folder.
pub(crate) fn prefix(bucket: &str, folder: &str) -> Result<String, ConfigError> {
    check_bucket(bucket)?;
    Ok(match check_folder(folder)? {
        "" => String::new(),
        folder => format!("{folder}/"),
    })
}

/// Follows S3's rules for bucket names, and also allows what other stores allow in a path: capital
/// letters and underscores.
fn check_bucket(bucket: &str) -> Result<(), ConfigError> {
    let refuse = |reason| Err(ConfigError::invalid("bucket", bucket, reason));
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    match bucket {
        "" => refuse("it is empty"),
        _ if is_s3_url(bucket) => refuse(
            "it is a URL; give the name of the bucket alone, or the whole s3://bucket/folder/name to \
             S3Lock::from_url or S3Lock::builder_from_url",
        ),
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

fn is_s3_url(bucket: &str) -> bool {
    let scheme = bucket.split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("s3"))
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

pub(crate) fn check_label(label: &str) -> Result<(), ConfigError> {
    let refuse = |reason: &str| Err(ConfigError::invalid("label", label, reason));
    if label.is_empty() {
        return refuse(
            "it is empty; name the work that is to be completed once, such as today's date",
        );
    }
    if label.len() > MAX_LABEL {
        return refuse(&format!(
            "it is longer than {MAX_LABEL} bytes; use a shorter name, or a digest of this one"
        ));
    }
    if !is_label(label) {
        return refuse(
            "it holds a control character; leave that out (a line break at its end, for example)",
        );
    }
    Ok(())
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

/// An owner name for this run of this program: the machine's host name and the process id, such as
/// `web-3/4242`.
///
/// Use it if your program needs no owner name of its own. Others that find the lock held see where its
/// holder runs. If every machine and container has its own host name, no two running processes have the
/// same owner name. (Containers that share their machine's host name, as with the host's network, each
/// count processes from 1.)
///
/// If the machine has no host name, the owner name starts with `unnamed`.
///
/// **Do not use it with [`reclaim_same_owner`](crate::S3LockBuilder::reclaim_same_owner)**. That needs an
/// owner name that stays the same after a restart and that no other process has. This name is made for
/// one run, so mostly nothing is reclaimed under it. A container that is restarted in place may get the
/// same name again (the same host name, and process id 1). A release by owner name may then release the
/// lock of a later run.
///
/// A forked child has its own name. Call this function in the child: a string made in the parent names
/// the parent. The function sends nothing and does not block. The result is always a valid owner name:
/// at most 512 bytes, without control characters.
///
/// # Examples
///
/// ```
/// use s3_lock::{Client, S3Lock, default_owner};
///
/// let lock = S3Lock::builder("my-bucket", "nightly").client(Client::in_memory()).build()?;
/// let guard = lock.acquire(default_owner())?;
/// assert!(guard.owner().ends_with(&format!("/{}", std::process::id())));
/// # Ok::<(), s3_lock::LockError>(())
/// ```
pub fn default_owner() -> String {
    owner_of(&host_name(), process::id())
}

fn owner_of(host: &str, process: u32) -> String {
    let process = format!("/{process}");
    let mut room = (MAX_OWNER - process.len()).min(host.len());
    while !host.is_char_boundary(room) {
        room -= 1;
    }
    match &host[..room] {
        "" => format!("unnamed{process}"),
        host => format!("{host}{process}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::host::plain;

    #[test]
    fn default_owner_is_the_host_and_the_process() {
        assert_eq!(owner_of("web-3", 4242), "web-3/4242");
        let owner = default_owner();
        assert!(owner.ends_with(&format!("/{}", process::id())), "{owner}");
    }

    #[test]
    fn default_owner_names_a_machine_without_a_name() {
        assert_eq!(owner_of("", 1), "unnamed/1");
    }

    #[test]
    fn default_owner_is_an_owner_name_whatever_the_host_is_called() {
        let long = "🔒".repeat(300);
        for host in [
            "",
            "web-3",
            "a\nb\u{7f}\u{9f}",
            "\0\0",
            "é",
            &long,
            &long[4..],
        ] {
            let owner = owner_of(&plain(host), u32::MAX);
            check_owner(&owner).unwrap();
            assert!(owner.ends_with("/4294967295"), "{owner}");
        }
        let owner = owner_of(&plain(&"x".repeat(600)), 7);
        assert_eq!(owner, format!("{}/7", "x".repeat(255)));
    }
}
