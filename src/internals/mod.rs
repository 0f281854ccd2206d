//! What this crate's own models, fuzzers and benches use. It is not part of the public API, and
//! changes with any release.

use std::fmt;
use std::time::Duration;

use crate::api::client::Client;
use crate::api::client_builder::ClientBuilder;
use crate::api::lock::S3Lock;
use crate::protocol::{Condition, ETag, Location};
use crate::store::interface::{Found, Put};
use crate::sys::clock::Clock;
use crate::types::errors::LockError;

pub use crate::protocol::Instant;

/// The rules.
pub mod protocol {
    pub use crate::protocol::*;
}

/// The stored bytes.
pub mod record {
    pub use crate::protocol::record::*;
}

/// Properties that must hold for any bytes that a store sends.
pub mod properties {
    pub use crate::protocol::record::record_properties as record;
    pub use crate::store::s3::reply::reply_properties as reply;
}

/// What decides what a reply means.
pub mod reply {
    pub use crate::protocol::Location;
    pub use crate::store::interface::{Found, Object, Put};
    pub use crate::store::s3::reply::{Asked, Reply};
}

/// A clock that a test moves by hand, for clients of a server: as
/// [`InMemoryStore::advance`](crate::InMemoryStore::advance) does for those of a store in memory.
#[derive(Clone)]
pub struct Time {
    clock: Clock,
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Time").finish_non_exhaustive()
    }
}

impl Default for Time {
    fn default() -> Time {
        let clock = Clock::adjustable();
        Time { clock }
    }
}

impl Time {
    /// Has the client that is built live by this clock.
    pub fn of(&self, mut client: ClientBuilder) -> ClientBuilder {
        client.clock = self.clock.clone();
        client
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }
}

/// How many calls of this lock's client wait for it, or are about to take it.
pub fn waiting(lock: &S3Lock) -> usize {
    lock.context.queue.waiting()
}

/// How many calls of this lock's client sleep, and would take the lock from a guard that gives it back.
pub fn parked(lock: &S3Lock) -> usize {
    lock.context.queue.parked()
}

/// Signed requests through a client's own connections, without a lock. They are the lower bound
/// that a lock's cycle is measured against.
#[derive(Debug)]
pub struct Raw {
    client: Client,
    location: Location,
}

/// How long a request of a lock may take by default.
const LIMIT: Duration = Duration::from_secs(5);

impl Raw {
    /// Requests about one object.
    pub fn new(client: Client, bucket: &str, key: &str) -> Raw {
        let location = Location {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
        };
        Raw { client, location }
    }

    /// Puts the object in place of the version `over`, or where there is none. Returns the new
    /// version.
    pub fn put(&self, body: Vec<u8>, over: Option<ETag>) -> Result<ETag, LockError> {
        let condition = over.map_or(Condition::Absent, Condition::Matches);
        let client = self.client.session()?;
        client.run(async {
            match client
                .write(&self.location, body, &condition, LIMIT, None)
                .await
            {
                Put::Applied { etag, .. } => Ok(etag),
                Put::Refused(_, error) | Put::NotSent(error) | Put::Unknown(error) => Err(error),
            }
        })
    }

    /// Gets the object, if there is one.
    pub fn get(&self) -> Result<Option<(ETag, Vec<u8>)>, LockError> {
        let client = self.client.session()?;
        client.run(async {
            match client.store().read(&self.location, LIMIT).await? {
                Found::Object(object) => Ok(Some((object.etag, object.body))),
                Found::Absent { .. } => Ok(None),
                Found::Hidden { error, .. } => Err(error),
            }
        })
    }
}
