//! What callers see of a lock's stored record: its status, its holder and its fencing token.

use std::fmt;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::protocol::Location;
use crate::protocol::record::{Record, Stamp};
use crate::types::text::seconds;

/// A number that grows with every acquisition of a lock.
///
/// Send it with every request to the resource that the lock protects. Let the resource refuse a token
/// smaller than the largest it has seen. Then even a holder that was paused beyond its lease can do no
/// harm.
///
/// The first token is the store's time in microseconds. Tokens stay below 2<sup>53</sup> until the year
/// 2255, so no JSON tool rounds them.
///
/// # Examples
///
/// ```
/// use s3_lock::{Client, S3Lock};
///
/// let lock = S3Lock::builder("my-bucket", "nightly").client(Client::in_memory()).build()?;
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

    /// The token as a number, for a database column or a header.
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
/// `Display` writes one line for people: `free`, or the lock's key and its holder.
///
/// # Examples
///
/// ```
/// use s3_lock::{Client, LockStatus, S3Lock};
///
/// let lock = S3Lock::builder("my-bucket", "nightly").client(Client::in_memory()).build()?;
/// assert!(matches!(lock.status()?, LockStatus::Free));
/// assert_eq!(lock.status()?.to_string(), "free");
/// let _guard = lock.acquire("host-17")?;
/// println!("{}", lock.status()?); // lock nightly.lock is held by "host-17" (host "web-3", ...
/// match lock.status()? {
///     LockStatus::Held(info) => assert_eq!(info.owner(), "host-17"),
///     other => panic!("not held: {other:?}"),
/// }
/// # Ok::<(), s3_lock::LockError>(())
/// ```
///
/// As JSON, by `serde`, it is its state and the fields of the [`LockInfo`]: `{"state":"held","bucket":…}`. A free
/// lock has the state alone: `{"state":"free"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
#[non_exhaustive]
pub enum LockStatus {
    /// Nobody holds the lock.
    Free,
    /// A holder has the lock, and may go on renewing it.
    Held(LockInfo),
    /// The holder did not release the lock before its lease ran out. The next acquire takes it over.
    Expired(LockInfo),
}

impl fmt::Display for LockStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LockStatus::Free => f.write_str("free"),
            LockStatus::Held(info) => info.fmt(f),
            LockStatus::Expired(info) => {
                let key = info.key();
                write!(f, "lock {key} is free to take: it was not given back by ")?;
                info.write_holder(f)
            }
        }
    }
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
///
/// As JSON, by `serde`, it is its name and the fields of its [`LockStatus`]: `{"name":"nightly","state":"free"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ListedLock {
    name: String,
    #[serde(flatten)]
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

    /// The status of the lock when the client read it.
    pub fn status(&self) -> &LockStatus {
        &self.status
    }
}

/// Who holds, or held, a lock.
///
/// It describes one holding, identified by owner and fencing token.
/// [`S3Lock::force_release`](crate::S3Lock::force_release) breaks exactly that one. `Display` writes one
/// line for people. [`bucket`](LockInfo::bucket) and [`key`](LockInfo::key) say where the lock is stored.
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
/// assert_eq!((info.bucket(), info.key()), ("my-bucket", "nightly.lock"));
/// assert_eq!(info.owner(), "host-17");
/// assert_eq!(info.lease(), Duration::from_secs(60));
/// assert!(info.remaining() > Duration::from_secs(50));
/// assert_eq!(info.pid(), std::process::id());
/// assert_eq!(info.purpose(), Some("the nightly report"));
/// println!("{info}");
/// # Ok::<(), s3_lock::LockError>(())
/// ```
///
/// As JSON, by `serde`, spans are whole milliseconds, `acquired_at` is in UTC, and what is not known is `null`; `label` is
/// there only if the holder has one. Later
/// versions may add fields.
///
/// ```
/// # use std::time::Duration;
/// # use s3_lock::{Client, S3Lock};
/// # let lock = S3Lock::builder("my-bucket", "nightly")
/// #     .max_operation(Duration::from_secs(50))
/// #     .acquire_allowance(Duration::from_secs(10))
/// #     .purpose("the nightly report")
/// #     .client(Client::in_memory())
/// #     .build()?;
/// let info = lock.acquire("host-17")?.info();
/// let json = serde_json::to_value(&info).unwrap();
/// assert_eq!(
///     json,
///     serde_json::json!({
///         "bucket": "my-bucket",
///         "key": "nightly.lock",
///         "owner": "host-17",
///         "fencing_token": info.fencing_token().get(),
///         "acquired_at": json["acquired_at"], // such as "2026-11-23T02:00:00Z"
///         "lease_ms": 60000,
///         "remaining_ms": info.remaining().as_millis() as u64, // such as 59998
///         "host": info.host(),
///         "pid": info.pid(),
///         "purpose": "the nightly report",
///         "has_waiters": false,
///     })
/// );
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

    /// Where the lock is stored.
    pub(crate) fn location(&self) -> &Location {
        &self.location
    }

    /// The bucket of the lock's object.
    pub fn bucket(&self) -> &str {
        &self.location.bucket
    }

    /// The key of the lock's object in its bucket: `{folder}/{name}.lock`.
    pub fn key(&self) -> &str {
        &self.location.key
    }

    /// The owner name that the holder chose.
    pub fn owner(&self) -> &str {
        &self.record.owner
    }

    /// The fencing token of the holding.
    pub fn fencing_token(&self) -> FencingToken {
        FencingToken::new(self.record.fencing_token)
    }

    /// How much longer the lock is held if it is not renewed, counted from the reply that showed this.
    ///
    /// From a guard: the time until its own deadline. From any other call: the time until the observer
    /// may take the lock over if its holder does nothing. That is a little later (`clock_margin` and
    /// lease / 500), so it may be more than the lease.
    pub fn remaining(&self) -> Duration {
        self.remaining
    }

    /// The lease: how long the holding lasts after its last write if it is not renewed.
    pub fn lease(&self) -> Duration {
        self.record.lease()
    }

    /// When the holding began, in whole seconds by the holder's wall clock. It is for people: an age that is computed
    /// from it is good enough to show, and may be wrong by as much as the two clocks differ. Decide nothing by it.
    pub fn acquired_at(&self) -> SystemTime {
        self.record.acquired_at.into()
    }

    /// The same as the record has it.
    pub(crate) fn stamp(&self) -> &Stamp {
        &self.record.acquired_at
    }

    /// The holder's host name, or an empty string if the operating system gave none.
    pub fn host(&self) -> &str {
        &self.record.host
    }

    /// The holder's process id on that host.
    pub fn pid(&self) -> u32 {
        self.record.pid
    }

    /// What the holder uses the lock for, if it set a purpose.
    pub fn purpose(&self) -> Option<&str> {
        self.record.purpose.as_deref()
    }

    /// What the holder is to do once, if it acquired the lock by [`S3Lock::acquire_once`](crate::S3Lock::acquire_once)
    /// or its like.
    ///
    /// # Examples
    ///
    /// ```
    /// use s3_lock::{Client, S3Lock};
    ///
    /// let lock = S3Lock::builder("my-bucket", "nightly").client(Client::in_memory()).build()?;
    /// let guard = lock.acquire_once("host-17", "2026-11-30")?;
    /// assert_eq!(guard.info().label(), Some("2026-11-30"));
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn label(&self) -> Option<&str> {
        self.record.label.as_deref()
    }

    /// Whether others waited in the lock's queue, as of when the record was written: by the acquire, or by a
    /// later renewal or hand-over. Local, no I/O.
    ///
    /// It is a hint. After `false` there may be a waiter that came later, or that does not use the queue.
    /// After `true` the last waiter may be this holder itself: who has waited for the lock says so until it
    /// has looked again. `try_acquire` and handles without the queue never look: where they alone take the lock,
    /// `true` stays.
    ///
    /// # Examples
    ///
    /// ```
    /// use s3_lock::{Client, S3Lock};
    ///
    /// let lock = S3Lock::builder("my-bucket", "nightly").client(Client::in_memory()).build()?;
    /// assert!(!lock.acquire("host-17")?.info().has_waiters());
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn has_waiters(&self) -> bool {
        self.record.is_queued()
    }

    /// The holder and its purpose. Names are escaped, so this is always one line.
    fn write_holder(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} (host {:?}, pid {}, fencing token {}",
            self.owner(),
            self.host(),
            self.pid(),
            self.fencing_token(),
        )?;
        if let Some(label) = self.label() {
            write!(f, ", label {label:?}")?;
        }
        if let Some(purpose) = self.purpose() {
            write!(f, ", for {purpose:?}")?;
        }
        f.write_str(")")
    }
}

impl fmt::Display for LockInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lock {} is held by ", self.key())?;
        self.write_holder(f)?;
        match self.remaining {
            Duration::ZERO => f.write_str(", whose lease has run out"),
            left => write!(f, " for {} more, unless it is renewed", seconds(&left)),
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
            .field("label", &self.label())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::record::{Holder, Nonce};

    fn info(owner: &str, remaining: u64) -> LockInfo {
        let holder = Holder {
            owner: owner.to_owned(),
            lease: Duration::from_secs(70),
            acquired_at: SystemTime::UNIX_EPOCH.into(),
            host: "web\n3".to_owned(),
            pid: 4242,
            purpose: Some("the \"six\"\no'clock report".to_owned()),
            label: None,
        };
        let location = Location {
            bucket: "my-bucket".to_owned(),
            key: "locks/nightly.lock".to_owned(),
        };
        let record = Record::held(holder, 7, Nonce(1));
        LockInfo::new(&location, record, Duration::from_secs(remaining))
    }

    #[test]
    fn display_of_a_status_is_one_line_with_the_key_and_the_holder() {
        assert_eq!(LockStatus::Free.to_string(), "free");
        assert_eq!(
            LockStatus::Held(info("host-17", 43)).to_string(),
            "lock locks/nightly.lock is held by \"host-17\" (host \"web\\n3\", pid 4242, fencing token \
             7, for \"the \\\"six\\\"\\no'clock report\") for 43.0 s more, unless it is renewed"
        );
        assert_eq!(
            LockStatus::Expired(info("a\u{1b}[31m", 0)).to_string(),
            "lock locks/nightly.lock is free to take: it was not given back by \"a\\u{1b}[31m\" (host \
             \"web\\n3\", pid 4242, fencing token 7, for \"the \\\"six\\\"\\no'clock report\")"
        );
    }

    #[test]
    fn bucket_and_key_of_an_info_say_where_the_lock_is_kept() {
        let info = info("host-17", 43);
        assert_eq!(info.bucket(), "my-bucket");
        assert_eq!(info.key(), "locks/nightly.lock");
    }
}
