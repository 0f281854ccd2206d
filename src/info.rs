//! What a lock's record tells its readers.

use std::fmt;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::error::seconds;
use crate::record::Record;
use crate::store::Location;

/// A number that grows with every acquisition of a lock.
///
/// Hand it to whatever the lock protects, and let that refuse a token smaller than the largest it
/// has seen: then even a holder that was paused beyond its lease can do no harm.
///
/// It starts at the store's time in microseconds and stays below 2<sup>53</sup> until the year
/// 2255, so that no JSON tool rounds it.
///
/// # Examples
///
/// ```
/// use s3_lock::{Client, S3Lock};
///
/// let lock = S3Lock::builder("my-bucket", "nightly-report").client(Client::in_memory()).build()?;
/// let first = lock.acquire("host-17")?.fencing_token();
/// let second = lock.acquire("host-18")?.fencing_token();
/// assert!(second > first);
/// # Ok::<(), s3_lock::LockError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FencingToken(u64);

impl FencingToken {
    pub(crate) fn new(token: u64) -> FencingToken {
        FencingToken(token)
    }

    /// The number itself, for a database column or a header.
    ///
    /// # Examples
    ///
    /// ```
    /// # use s3_lock::{Client, S3Lock};
    /// # let lock = S3Lock::builder("my-bucket", "nightly").client(Client::in_memory()).build()?;
    /// let token = lock.acquire("host-17")?.fencing_token();
    /// assert_eq!(token.get().to_string(), token.to_string());
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for FencingToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// What [`S3Lock::status`](crate::S3Lock::status) found.
///
/// # Examples
///
/// ```
/// use s3_lock::{Client, LockStatus, S3Lock};
///
/// let lock = S3Lock::builder("my-bucket", "nightly-report").client(Client::in_memory()).build()?;
/// assert!(matches!(lock.status()?, LockStatus::Free));
/// let _guard = lock.acquire("host-17")?;
/// match lock.status()? {
///     LockStatus::Held(info) => assert_eq!(info.owner(), "host-17"),
///     other => panic!("not held: {other:?}"),
/// }
/// # Ok::<(), s3_lock::LockError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LockStatus {
    /// Nobody holds the lock.
    Free,
    /// Somebody holds it, and may renew it for as long as they like.
    Held(LockInfo),
    /// Somebody held it and did not give it back in time: the next who asks will get it.
    Expired(LockInfo),
}

/// A lock that [`Client::list`](crate::Client::list) found.
///
/// # Examples
///
/// ```
/// use s3_lock::{Client, LockStatus, S3Lock};
///
/// let client = Client::in_memory();
/// let lock = S3Lock::builder("my-bucket", "nightly").client(client.clone()).build()?;
/// drop(lock.acquire("host-17")?);
/// let listed = client.list("my-bucket", "")?;
/// assert_eq!(listed[0].name(), "nightly");
/// assert_eq!(listed[0].status(), &LockStatus::Free);
/// # Ok::<(), s3_lock::LockError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedLock {
    name: String,
    status: LockStatus,
}

impl ListedLock {
    pub(crate) fn new(name: &str, status: LockStatus) -> ListedLock {
        ListedLock {
            name: name.to_owned(),
            status,
        }
    }

    /// The name of the lock, as given to [`S3Lock::builder`](crate::S3Lock::builder).
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What was found when it was looked at.
    pub fn status(&self) -> &LockStatus {
        &self.status
    }
}

/// Who holds, or held, a lock.
///
/// `Display` writes it as one line for people. It describes one holding, by owner and fencing token,
/// and [`S3Lock::force_release`](crate::S3Lock::force_release) breaks exactly that one.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use s3_lock::{Client, S3Lock};
///
/// let lock = S3Lock::builder("my-bucket", "nightly")
///     .max_operation(Duration::from_secs(50))
///     .acquire_allowance(Duration::from_secs(10))
///     .purpose("the nightly report")
///     .client(Client::in_memory())
///     .build()?;
/// let info = lock.acquire("host-17")?.info();
/// assert_eq!(info.owner(), "host-17");
/// assert_eq!(info.lease(), Duration::from_secs(60));
/// assert!(info.remaining() > Duration::from_secs(50));
/// assert_eq!(info.pid(), std::process::id());
/// assert_eq!(info.purpose(), Some("the nightly report"));
/// println!("{info}");
/// # Ok::<(), s3_lock::LockError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct LockInfo {
    location: Location,
    record: Record,
    remaining: Duration,
}

impl LockInfo {
    pub(crate) fn new(location: &Location, record: Record, remaining: Duration) -> LockInfo {
        LockInfo {
            location: location.clone(),
            record,
            remaining,
        }
    }

    /// Where the lock is kept.
    pub(crate) fn location(&self) -> &Location {
        &self.location
    }

    /// The name that the holder gave itself.
    pub fn owner(&self) -> &str {
        &self.record.owner
    }

    /// The fencing token of the holding.
    pub fn fencing_token(&self) -> FencingToken {
        FencingToken::new(self.record.fencing_token)
    }

    /// How much longer the lock is held if it is not renewed, as of the answer that carried this.
    ///
    /// From a guard: until its own deadline. From anywhere else: until the observer may take the
    /// lock over if its holder does nothing, which is a little later (`clock_margin` and
    /// lease / 500) and so may be more than the lease.
    pub fn remaining(&self) -> Duration {
        self.remaining
    }

    /// How long the holding lasts from its last write, unless it is renewed.
    pub fn lease(&self) -> Duration {
        self.record.lease()
    }

    /// When the holding began, in whole seconds by the holder's wall clock: for people, not for
    /// comparing with a clock of yours.
    pub fn acquired_at(&self) -> SystemTime {
        self.record.acquired_at.into()
    }

    /// The holder's host name, or an empty text where the operating system told none.
    pub fn host(&self) -> &str {
        &self.record.host
    }

    /// The holder's process id on that host.
    pub fn pid(&self) -> u32 {
        self.record.pid
    }

    /// What the holder said that it wants the lock for.
    pub fn purpose(&self) -> Option<&str> {
        self.record.purpose.as_deref()
    }
}

impl fmt::Display for LockInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "lock {} is held by {:?} (host {:?}, pid {}, fencing token {}",
            self.location.key,
            self.owner(),
            self.host(),
            self.pid(),
            self.fencing_token(),
        )?;
        if let Some(purpose) = self.purpose() {
            write!(f, ", for {purpose:?}")?;
        }
        match self.remaining {
            Duration::ZERO => f.write_str("), whose lease has run out"),
            left => write!(f, ") for {} more, unless it is renewed", seconds(&left)),
        }
    }
}

impl fmt::Debug for LockInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockInfo")
            .field("key", &self.location.key)
            .field("owner", &self.owner())
            .field("fencing_token", &self.fencing_token().get())
            .field("remaining", &self.remaining)
            .field("lease", &self.lease())
            .field("host", &self.host())
            .field("pid", &self.pid())
            .field("purpose", &self.purpose())
            .finish_non_exhaustive()
    }
}
