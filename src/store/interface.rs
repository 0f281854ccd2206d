//! What the engine needs of a store: one read, one conditional write, and a few requests for checks
//! and operators.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::protocol::{Condition, ETag, Location, StoreSeconds, WriteOutcome};
use crate::sys::clock::Clock;
use crate::types::errors::{ConfigError, LockError};
#[cfg(feature = "cli")]
use crate::types::inspection::{Signer, Way};
use crate::types::request_counts::RequestCounts;
use crate::types::store_report::Versioning;

/// A future that a store hands out; boxed, because stores are chosen at run time.
pub(crate) type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a read found.
#[derive(Debug)]
pub enum Found {
    Absent {
        date: Option<StoreSeconds>,
    },
    /// 403 `AccessDenied`: the object is absent and not listable, or not readable. The error is for
    /// callers that need it.
    Hidden {
        date: Option<StoreSeconds>,
        error: LockError,
    },
    Object(Object),
}

impl Found {
    /// The store's clock, as the reply showed it.
    pub(crate) fn date(&self) -> Option<StoreSeconds> {
        match self {
            Found::Absent { date } | Found::Hidden { date, .. } => *date,
            Found::Object(object) => object.date,
        }
    }
}

/// An object as one reply showed it.
#[derive(Debug)]
pub struct Object {
    pub etag: ETag,
    pub body: Vec<u8>,
    pub date: Option<StoreSeconds>,
    pub modified: Option<StoreSeconds>,
}

/// What is known of one attempt to write, with the error if it was not done.
pub type Put = WriteOutcome<LockError>;

/// One page of a list of keys.
#[derive(Debug)]
pub struct Page {
    pub keys: Vec<String>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
}

/// Where a store is, in any process. It needs no mutex.
pub(crate) trait Origin: Send + Sync {
    /// Fails if this process cannot reach the store.
    fn check(&self) -> Result<(), ConfigError> {
        Ok(())
    }

    /// Fails if the store cannot have a bucket of this name, as far as that is known without any I/O.
    fn check_bucket(&self, _: &str) -> Result<(), ConfigError> {
        Ok(())
    }

    /// A connection to the store that shares nothing with any other. Does no I/O.
    fn connect(&self, clock: &Clock) -> Box<dyn Store>;
}

/// An object store with conditional writes.
///
/// Every call ends within `limit`.
pub(crate) trait Store: Send + Sync {
    /// Whether it is to be seen first that this store honours conditions. Without an answer, nothing may be
    /// locked there. May read files, and sends nothing.
    fn must_be_checked<'a>(&'a self, limit: Duration) -> Pending<'a, Result<bool, LockError>>;

    /// Waits for what requests need and what may take longer than one of them: credentials that have to
    /// be looked up. If that fails, the next request of the same call tells why. Returns an error if the
    /// time was too short.
    fn ready(&self, _limit: Duration) -> Pending<'_, Option<LockError>> {
        Box::pin(std::future::ready(None))
    }

    fn read<'a>(
        &'a self,
        at: &'a Location,
        limit: Duration,
    ) -> Pending<'a, Result<Found, LockError>>;

    /// Writes `body` if `condition` holds: [`Condition::Absent`] creates and [`Condition::Matches`]
    /// replaces. Sends one request, and does not try again once any of it has been written.
    ///
    /// If there is a `go`, the last byte of the body leaves only once `go` is done. `go` is first
    /// polled when everything before that byte has been handed to the network. It is dropped if
    /// that never happens.
    fn write<'a>(
        &'a self,
        at: &'a Location,
        body: Vec<u8>,
        condition: &'a Condition,
        limit: Duration,
        go: Option<Pending<'a, ()>>,
    ) -> Pending<'a, Put>;

    /// Removes an object with any content. Returns whether that was permitted and done.
    fn remove<'a>(&'a self, at: &'a Location, limit: Duration) -> Pending<'a, bool>;

    /// Whether a bucket keeps the versions of its objects. None if it does not say.
    fn versioning<'a>(
        &'a self,
        bucket: &'a str,
        limit: Duration,
    ) -> Pending<'a, Option<Versioning>>;

    /// The keys that begin with `prefix` and have no `/` after it, a page at a time.
    fn list<'a>(
        &'a self,
        bucket: &'a str,
        prefix: &'a str,
        after: Option<String>,
        limit: Duration,
    ) -> Pending<'a, Result<Page, LockError>>;

    /// How many requests were sent so far.
    fn request_counts(&self) -> RequestCounts;

    /// Where requests about a bucket go. May read files, and sends nothing.
    #[cfg(feature = "cli")]
    fn way<'a>(&'a self, _: &'a str, _: Duration) -> Pending<'a, Result<Way, LockError>> {
        Box::pin(async { Err(no_settings()) })
    }

    /// Who signs requests. May look up credentials, and sends nothing to the store.
    #[cfg(feature = "cli")]
    fn signer(&self, _: Duration) -> Pending<'_, Result<Signer, LockError>> {
        Box::pin(async { Err(no_settings()) })
    }
}

#[cfg(feature = "cli")]
fn no_settings() -> LockError {
    let what = "a store in memory has no endpoint and no credentials: inspect a client of S3";
    ConfigError::new("client", what).into()
}
