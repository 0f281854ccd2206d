//! What single requests showed.

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::protocol::{ETag, Refusal};
use crate::store::interface::{Found, Put};
use crate::types::errors::{LockError, StorageErrorKind};

/// The objects that a lock needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The lock itself.
    Lock,
    /// The tickets of those who wait.
    Queue,
    /// What stores are checked with.
    Scratch,
    /// A name that no object ever had: how does the store answer for what is absent?
    Absent,
}

/// One read, and the time that it took.
#[derive(Debug)]
pub struct Looked {
    /// What it showed.
    pub seen: Result<Seen, LockError>,
    /// The store's clock in its reply, in seconds since the epoch.
    pub date: Option<i64>,
    /// This machine's clock just before.
    pub sent: SystemTime,
    /// The round trip.
    pub took: Duration,
}

/// What a read showed.
#[derive(Debug)]
pub enum Seen {
    /// 404 `NoSuchKey`.
    Absent,
    /// 403 `AccessDenied`: it may not be read, or it is absent and may not be listed.
    Hidden(LockError),
    /// It was read.
    Object(Version),
}

/// An object as a read or a write showed it.
pub struct Version {
    pub(super) etag: ETag,
    pub(super) body: Vec<u8>,
}

/// One write of the scratch object, and the time that it took.
#[derive(Debug)]
pub struct Written {
    /// The version that it made; `None` if another writer was faster.
    pub version: Result<Option<Version>, LockError>,
    /// The round trip.
    pub took: Duration,
}

/// What the store made of a write whose condition cannot hold.
#[derive(Debug)]
pub enum Probed {
    /// It compared: 412. So the write is permitted.
    Refused,
    /// It compared, and told that there is no such object: 404.
    NoSuchKey,
    /// It did not permit the write.
    Denied(LockError),
    /// It wrote, in spite of the condition.
    Accepted,
    /// Nothing was found out.
    Undecided(LockError),
}

impl From<Found> for Seen {
    fn from(found: Found) -> Seen {
        match found {
            Found::Absent { .. } => Seen::Absent,
            Found::Hidden { error, .. } => Seen::Hidden(error),
            Found::Object(object) => Seen::Object(Version {
                etag: object.etag,
                body: object.body,
            }),
        }
    }
}

impl From<Put> for Probed {
    fn from(put: Put) -> Probed {
        match put {
            Put::Applied { .. } => Probed::Accepted,
            Put::Refused(Refusal::Condition, LockError::Storage(error))
                if error.code() == Some("NoSuchKey") =>
            {
                Probed::NoSuchKey
            }
            Put::Refused(Refusal::Condition, _) => Probed::Refused,
            Put::Refused(Refusal::Denied, LockError::Storage(error))
                if error.kind() == StorageErrorKind::AccessDenied =>
            {
                Probed::Denied(error.into())
            }
            Put::Refused(_, error) | Put::NotSent(error) | Put::Unknown(error) => {
                Probed::Undecided(error)
            }
        }
    }
}

impl Version {
    /// How many bytes it has.
    pub fn size(&self) -> usize {
        self.body.len()
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Version").field(&self.etag.0).finish()
    }
}
