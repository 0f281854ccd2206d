//! What a read and a write that cannot succeed say about permissions. Pure.
//!
//! S3 answers a read of an absent object with 404 only to those who may list the bucket, and with 403 to others. So a
//! 403 alone does not tell whether the read is permitted. What was seen of a key that no object ever had, and what the
//! store's own message names, may tell. Nor does a 404 tell everywhere: Ceph's gateway looks for the object before it
//! looks whether it may be read.

use s3_lock::LockError;
use s3_lock::inspection::{Probed, Seen};

/// Whether something is permitted.
#[derive(Debug)]
pub enum Permission<'a> {
    Granted,
    /// The object is absent, so that nothing was refused yet.
    Likely,
    Missing(&'a LockError),
    /// The object is absent, and the answer is the same either way.
    Untold,
    /// The store did not answer the question.
    Failed(&'a LockError),
    /// The store wrote, although the condition did not hold.
    Unsafe,
    NotTried,
}

/// How the store answers for an object that does not exist, by a key that no object ever had.
#[derive(Debug)]
pub struct ForAbsent {
    pub read: Result<Seen, LockError>,
    pub write: Probed,
    /// Whether it is S3 itself, which permits a read before it looks for the object.
    pub is_aws: bool,
}

/// Whether an object may be read.
pub fn of_read<'a>(
    seen: &'a Result<Seen, LockError>,
    written: Option<&Probed>,
    absent: &ForAbsent,
) -> Permission<'a> {
    let hidden = match seen {
        Ok(Seen::Object(_)) => return Permission::Granted,
        Ok(Seen::Absent) if absent.is_aws => return Permission::Granted,
        Ok(Seen::Absent) => return Permission::Likely,
        Ok(Seen::Hidden(error)) => error,
        Err(error) => return Permission::Failed(error),
    };
    match denied_action(hidden) {
        Some("s3:GetObject") => return Permission::Missing(hidden),
        // It looked for the object, and did not find it.
        Some("s3:ListBucket") => return Permission::Granted,
        _ => {}
    }
    let tells_absent = matches!(absent.read, Ok(Seen::Absent));
    // Ceph answers 412 for what is absent, too.
    let tells_present = absent.is_aws || matches!(absent.write, Probed::NoSuchKey);
    match written {
        _ if tells_absent => Permission::Missing(hidden),
        Some(Probed::Refused) if tells_present => Permission::Missing(hidden),
        _ => Permission::Untold,
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
        Some("s3:ListBucket" | "s3:GetObject") => return Permission::Untold,
        _ => {}
    }
    // Perhaps the store does not tell those who may not list whether there is an object to compare with.
    let may_be_absent = matches!(seen, Ok(Seen::Hidden(_)));
    let hides_absent = matches!(absent.write, Probed::Denied(_));
    if may_be_absent && hides_absent && elsewhere {
        Permission::Untold
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use s3_lock::S3Lock;

    use super::*;

    /// An error whose message has this text: none of the store's can be made here.
    fn error(message: &str) -> LockError {
        let name = format!("/{message}");
        let refused = S3Lock::new("my-bucket", "", name, Duration::from_secs(60));
        refused
            .err()
            .unwrap_or_else(|| panic!("a name has no slash"))
    }

    fn hidden() -> Result<Seen, LockError> {
        Ok(Seen::Hidden(error("AccessDenied")))
    }

    fn naming(action: &str) -> LockError {
        error(&format!("u is not authorized to perform: {action} on r"))
    }

    fn denied() -> Probed {
        Probed::Denied(error("AccessDenied"))
    }

    /// AWS, for those who may list the bucket and for others; Ceph for others.
    fn listed() -> ForAbsent {
        ForAbsent {
            read: Ok(Seen::Absent),
            write: Probed::NoSuchKey,
            is_aws: true,
        }
    }

    fn unlisted(write: Probed) -> ForAbsent {
        ForAbsent {
            read: hidden(),
            write,
            is_aws: false,
        }
    }

    fn read(seen: Result<Seen, LockError>, written: &Probed, absent: &ForAbsent) -> String {
        name(&of_read(&seen, Some(written), absent))
    }

    fn write(written: &Probed, seen: &Result<Seen, LockError>, absent: &ForAbsent) -> String {
        name(&of_write(Some(written), seen, absent, true))
    }

    fn name(permission: &Permission<'_>) -> String {
        let shown = format!("{permission:?}");
        let end = shown.find('(').unwrap_or(shown.len());
        shown[..end].to_owned()
    }

    #[test]
    fn an_absent_object_that_is_told_may_be_read_on_s3_and_perhaps_elsewhere() {
        let mut absent = listed();
        let told = read(Ok(Seen::Absent), &Probed::NoSuchKey, &absent);
        assert_eq!(told, "Granted");
        absent.is_aws = false;
        let told = read(Ok(Seen::Absent), &Probed::NoSuchKey, &absent);
        assert_eq!(told, "Likely");
    }

    #[test]
    fn a_403_where_absent_objects_get_a_404_is_a_missing_permission() {
        for written in [Probed::Refused, Probed::NoSuchKey, denied()] {
            assert_eq!(read(hidden(), &written, &listed()), "Missing");
        }
    }

    #[test]
    fn a_403_for_an_object_that_is_there_is_a_missing_permission() {
        let absent = unlisted(Probed::NoSuchKey);
        assert_eq!(read(hidden(), &Probed::Refused, &absent), "Missing");
    }

    #[test]
    fn a_403_for_an_object_that_may_be_absent_tells_nothing() {
        let aws = unlisted(Probed::NoSuchKey);
        assert_eq!(read(hidden(), &Probed::NoSuchKey, &aws), "Untold");
        assert_eq!(read(hidden(), &denied(), &aws), "Untold");
        let ceph = unlisted(Probed::Refused);
        assert_eq!(read(hidden(), &Probed::Refused, &ceph), "Untold");
    }

    #[test]
    fn what_the_message_of_a_403_names_is_believed() {
        let absent = unlisted(denied());
        let seen = |action| Ok(Seen::Hidden(naming(action)));
        assert_eq!(read(seen("s3:GetObject"), &denied(), &absent), "Missing");
        assert_eq!(read(seen("s3:ListBucket"), &denied(), &absent), "Granted");
        let longer = seen("s3:GetObjectVersion");
        assert_eq!(read(longer, &denied(), &absent), "Untold");
        let put = Probed::Denied(naming("s3:PutObject"));
        assert_eq!(write(&put, &hidden(), &absent), "Missing");
        let list = Probed::Denied(naming("s3:ListBucket"));
        assert_eq!(write(&list, &hidden(), &absent), "Untold");
    }

    #[test]
    fn a_write_that_was_compared_is_permitted() {
        for written in [Probed::Refused, Probed::NoSuchKey] {
            assert_eq!(write(&written, &Ok(Seen::Absent), &listed()), "Granted");
        }
    }

    #[test]
    fn a_write_that_was_denied_is_not() {
        assert_eq!(write(&denied(), &Ok(Seen::Absent), &listed()), "Missing");
        assert_eq!(
            write(&denied(), &Ok(Seen::Absent), &unlisted(denied())),
            "Missing"
        );
        let absent = unlisted(Probed::NoSuchKey);
        assert_eq!(write(&denied(), &hidden(), &absent), "Missing");
    }

    #[test]
    fn a_denied_write_of_what_may_be_absent_tells_nothing_where_that_is_denied_too() {
        assert_eq!(write(&denied(), &hidden(), &unlisted(denied())), "Untold");
        let written = denied();
        let alone = of_write(Some(&written), &hidden(), &unlisted(denied()), false);
        assert_eq!(name(&alone), "Missing");
    }

    #[test]
    fn a_write_that_was_done_is_told() {
        assert_eq!(write(&Probed::Accepted, &hidden(), &listed()), "Unsafe");
    }
}
