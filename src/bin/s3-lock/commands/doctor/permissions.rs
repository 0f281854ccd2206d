//! What a read and a write that cannot succeed say about permissions. Pure.
//!
//! S3 answers a read of an absent object with 404 only to those who may list the bucket, and with 403 to others. So a
//! 403 alone does not tell whether the read is permitted. What was seen of a key that no object ever had, and what the
//! store's own message names, may tell.

use s3_lock::LockError;
use s3_lock::inspection::{Probed, Seen};

/// Whether something is permitted.
#[derive(Debug)]
pub enum Permission<'a> {
    Granted,
    Missing(&'a LockError),
    /// The object is absent, and the answer is the same either way.
    Untold(&'a LockError),
    /// The store did not answer the question.
    Failed(&'a LockError),
    /// The store wrote, although the condition did not hold.
    Unsafe,
    NotTried,
}

/// How the store answers for an object that does not exist, as far as that was tried.
#[derive(Debug, Default)]
pub struct ForAbsent {
    pub read: Option<Result<Seen, LockError>>,
    pub write: Option<Probed>,
}

/// Whether an object may be read.
pub fn of_read<'a>(
    seen: &'a Result<Seen, LockError>,
    written: Option<&Probed>,
    absent: &ForAbsent,
) -> Permission<'a> {
    let hidden = match seen {
        Ok(Seen::Object(_) | Seen::Absent) => return Permission::Granted,
        Ok(Seen::Hidden(error)) => error,
        Err(error) => return Permission::Failed(error),
    };
    match denied_action(hidden) {
        Some("s3:GetObject") => return Permission::Missing(hidden),
        // It looked for the object, and did not find it.
        Some("s3:ListBucket") => return Permission::Granted,
        _ => {}
    }
    let tells_absent = matches!(absent.read, Some(Ok(Seen::Absent)));
    // Ceph answers 412 for what is absent, too.
    let tells_present = !matches!(absent.write, None | Some(Probed::Refused));
    match written {
        _ if tells_absent => Permission::Missing(hidden),
        Some(Probed::Refused) if tells_present => Permission::Missing(hidden),
        _ => Permission::Untold(hidden),
    }
}

/// Whether an object may be written. `elsewhere`: another one in the same folder may be.
pub fn of_write<'a>(
    written: Option<&'a Probed>,
    seen: &Result<Seen, LockError>,
    absent: &ForAbsent,
    elsewhere: bool,
) -> Permission<'a> {
    let denied = match written {
        None => return Permission::NotTried,
        Some(Probed::Refused | Probed::NoSuchKey) => return Permission::Granted,
        Some(Probed::Accepted) => return Permission::Unsafe,
        Some(Probed::Undecided(error)) => return Permission::Failed(error),
        Some(Probed::Denied(error)) => error,
    };
    match denied_action(denied) {
        Some("s3:PutObject") => return Permission::Missing(denied),
        // The condition could not be compared: the object is absent, or cannot be read.
        Some("s3:ListBucket" | "s3:GetObject") => return Permission::Untold(denied),
        _ => {}
    }
    // Perhaps the store does not tell those who may not list whether there is an object to compare with.
    let may_be_absent = matches!(seen, Ok(Seen::Hidden(_)));
    let hides_absent = matches!(absent.write, Some(Probed::Denied(_)));
    if may_be_absent && hides_absent && elsewhere {
        Permission::Untold(denied)
    } else {
        Permission::Missing(denied)
    }
}

/// The action that the store's own message says is not permitted: AWS names it.
fn denied_action(error: &LockError) -> Option<&'static str> {
    const NOT_PERMITTED: &str = "is not authorized to perform: ";
    let text = error.to_string();
    let (_, named) = text.split_once(NOT_PERMITTED)?;
    let actions = ["s3:GetObject", "s3:PutObject", "s3:ListBucket"];
    let is_named = |action: &&str| {
        let rest = named.strip_prefix(*action);
        rest.is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
    };
    actions.into_iter().find(is_named)
}
