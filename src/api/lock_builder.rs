//! Building locks: every setting, with its default and the source of that.

use std::time::Duration;

use crate::api::client::Client;
use crate::api::lock::S3Lock;
use crate::api::ranges::{limit, within};
use crate::engine::lock_context::Settings;
use crate::protocol::ExpiryRule;
use crate::protocol::record::MAX_LEASE;
use crate::types::errors::{ConfigError, LockError};
use crate::types::names::{location, no_longer_than};

/// A lock's settings on their way to an [`S3Lock`]; from [`S3Lock::builder`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use s3_lock::{Client, S3Lock};
///
/// let lock = S3Lock::builder("my-bucket", "nightly-report")
///     .folder("locks/reports")
///     .max_operation(Duration::from_secs(300))
///     .wait_limit(Duration::from_secs(30))
///     .purpose("the report that goes out at six")
///     .client(Client::in_memory())
///     .build()?;
/// # Ok::<(), s3_lock::LockError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct S3LockBuilder {
    bucket: String,
    folder: String,
    name: String,
    max_operation: Duration,
    acquire_allowance: Option<Duration>,
    wait_limit: Option<Duration>,
    clock_margin: Duration,
    poll: (Duration, Duration),
    keep_alive: bool,
    max_hold: Option<Duration>,
    purpose: Option<String>,
    store_clock: bool,
    reclaims: bool,
    client: Option<Client>,
}

const DEFAULT_MAX_OPERATION: Duration = Duration::from_secs(60);
/// 1 s for dates that are cut to whole seconds, 1 s between the nodes of one store.
const DEFAULT_CLOCK_MARGIN: Duration = Duration::from_secs(2);
/// The least margin where no store's clock is relied on.
const MIN_OWN_CLOCK_MARGIN: Duration = Duration::from_millis(100);
const DEFAULT_POLL: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// The most that any single waiting time may be set to.
const MAX_SPAN: Duration = MAX_LEASE;

/// The longest purpose, in bytes of UTF-8.
const MAX_PURPOSE: usize = 2048;

impl S3Lock {
    /// The lock `name` in `folder` of `bucket`, for main operations that take up to
    /// `max_operation`, with a client of its own from the environment (see [`Client::new`]).
    ///
    /// Does no I/O. An empty `folder` is the bucket's root.
    ///
    /// # Errors
    ///
    /// [`LockError::Config`] names the argument or environment variable that cannot work: correct
    /// it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use s3_lock::S3Lock;
    ///
    /// let lock = S3Lock::new("my-bucket", "locks", "nightly-report", Duration::from_secs(120))?;
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn new(
        bucket: impl Into<String>,
        folder: impl Into<String>,
        name: impl Into<String>,
        max_operation: Duration,
    ) -> Result<S3Lock, LockError> {
        S3Lock::builder(bucket, name)
            .folder(folder)
            .max_operation(max_operation)
            .build()
    }

    /// A lock with settings of your own.
    ///
    /// # Examples
    ///
    /// ```
    /// use s3_lock::{Client, S3Lock};
    ///
    /// let lock = S3Lock::builder("my-bucket", "nightly-report")
    ///     .folder("locks")
    ///     .client(Client::in_memory())
    ///     .build()?;
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn builder(bucket: impl Into<String>, name: impl Into<String>) -> S3LockBuilder {
        S3LockBuilder::new(bucket.into(), name.into())
    }
}

impl S3LockBuilder {
    pub(crate) fn new(bucket: String, name: String) -> S3LockBuilder {
        S3LockBuilder {
            bucket,
            folder: String::new(),
            name,
            max_operation: DEFAULT_MAX_OPERATION,
            acquire_allowance: None,
            wait_limit: None,
            clock_margin: DEFAULT_CLOCK_MARGIN,
            poll: DEFAULT_POLL,
            keep_alive: false,
            max_hold: None,
            purpose: None,
            store_clock: true,
            reclaims: false,
            client: None,
        }
    }

    /// The folder that the lock's object is in; without one it is in the bucket's root. May have
    /// several segments (`a/b`); one trailing `/` more or less makes no difference.
    ///
    /// # Examples
    ///
    /// ```
    /// use s3_lock::{Client, S3Lock};
    ///
    /// let lock = S3Lock::builder("my-bucket", "nightly")
    ///     .folder("locks/reports") // the object is locks/reports/nightly.lock
    ///     .client(Client::in_memory())
    ///     .build()?;
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn folder(mut self, folder: impl Into<String>) -> S3LockBuilder {
        self.folder = folder.into();
        self
    }

    /// How long the main operation may take: every guard is handed out with at least this much of
    /// its lease left. Default: 60 s. Together with `acquire_allowance` at most 7 days.
    ///
    /// After a crash the lock stays taken for up to this long and a little more, so choose it
    /// no larger than needed.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use s3_lock::{Client, S3Lock};
    ///
    /// let lock = S3Lock::builder("my-bucket", "nightly")
    ///     .max_operation(Duration::from_secs(300))
    ///     .client(Client::in_memory())
    ///     .build()?;
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn max_operation(mut self, span: Duration) -> S3LockBuilder {
        self.max_operation = span;
        self
    }

    /// How long acquiring itself may take, which the lease is longer for. Default: twice the
    /// client's `request_timeout`, so 10 s.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use s3_lock::{Client, S3Lock};
    ///
    /// let lock = S3Lock::builder("my-bucket", "nightly")
    ///     .acquire_allowance(Duration::from_secs(30))
    ///     .client(Client::in_memory())
    ///     .build()?;
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn acquire_allowance(mut self, span: Duration) -> S3LockBuilder {
        self.acquire_allowance = Some(span);
        self
    }

    /// How long [`S3Lock::acquire`] waits for the lock. Default: until the holder that it first
    /// saw would have expired, and twice the client's `request_timeout`; but at least twice this
    /// lock's own lease. So a dead holder alone never makes an acquire fail; one that is alive and
    /// renews does. Any span may be set, `Duration::MAX` too.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use s3_lock::{Client, S3Lock};
    ///
    /// let lock = S3Lock::builder("my-bucket", "nightly")
    ///     .wait_limit(Duration::from_secs(30))
    ///     .client(Client::in_memory())
    ///     .build()?;
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn wait_limit(mut self, span: Duration) -> S3LockBuilder {
        self.wait_limit = Some(span);
        self
    }

    /// How much older than its lease a record must be before this lock takes it over, beside
    /// lease / 500. Default, and least: 2 s, of which 1 s is for dates that S3 cuts to whole
    /// seconds and 1 s for clocks of S3's own nodes. With
    /// [`without_store_clock`](S3LockBuilder::without_store_clock) the least is 100 ms.
    ///
    /// It protects the others from this lock's clock, so everybody's must be large enough.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use s3_lock::{Client, S3Lock};
    ///
    /// let lock = S3Lock::builder("my-bucket", "nightly")
    ///     .clock_margin(Duration::from_secs(10))
    ///     .client(Client::in_memory())
    ///     .build()?;
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn clock_margin(mut self, span: Duration) -> S3LockBuilder {
        self.clock_margin = span;
        self
    }

    /// The least and the longest time between two looks at a lock that somebody else holds; each
    /// is drawn at random between the least and three times the one before. Default: 100 ms to 2 s.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use s3_lock::{Client, S3Lock};
    ///
    /// let lock = S3Lock::builder("my-bucket", "nightly")
    ///     .poll_interval(Duration::from_secs(1), Duration::from_secs(10))
    ///     .client(Client::in_memory())
    ///     .build()?;
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn poll_interval(mut self, min: Duration, max: Duration) -> S3LockBuilder {
        self.poll = (min, max);
        self
    }

    /// Renews every guard of this lock in the background for as long as it lives, as
    /// [`LockGuard::keep_alive`](crate::LockGuard::keep_alive) does; off by default.
    ///
    /// `max_operation` then is no longer what the main operation may take, but what it may take to
    /// notice that this process is gone: shorter is better, down to where two renewals in a row may
    /// fail for want of an answer (some 15 s over a network).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use s3_lock::{Client, S3Lock};
    ///
    /// let lock = S3Lock::builder("my-bucket", "nightly")
    ///     .max_operation(Duration::from_secs(20))
    ///     .keep_alive()
    ///     .max_hold(Duration::from_secs(4 * 3600))
    ///     .client(Client::in_memory())
    ///     .build()?;
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn keep_alive(mut self) -> S3LockBuilder {
        self.keep_alive = true;
        self
    }

    /// How long after its acquisition a guard is renewed in the background, at the longest, so that a
    /// main operation that hangs does not keep the lock for ever: it is lost one lease later at the
    /// latest. Default: no limit. At least the lease; [`LockGuard::renew`](crate::LockGuard::renew)
    /// is not limited.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use s3_lock::{Client, S3Lock};
    ///
    /// let lock = S3Lock::builder("my-bucket", "nightly")
    ///     .keep_alive()
    ///     .max_hold(Duration::from_secs(4 * 3600)) // no report has ever taken longer
    ///     .client(Client::in_memory())
    ///     .build()?;
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn max_hold(mut self, span: Duration) -> S3LockBuilder {
        self.max_hold = Some(span);
        self
    }

    /// What the lock is wanted for, shown to whoever finds it held: any text of up to 2,048 bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// use s3_lock::{Client, S3Lock};
    ///
    /// let lock = S3Lock::builder("my-bucket", "nightly")
    ///     .purpose("the report that goes out at six")
    ///     .client(Client::in_memory())
    ///     .build()?;
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn purpose(mut self, purpose: impl Into<String>) -> S3LockBuilder {
        self.purpose = Some(purpose.into());
        self
    }

    /// Tells the age of a record by this client's own clock alone, for a store whose `Date` and
    /// `Last-Modified` do not come from one clock (as behind a proxy that stamps its own `Date`).
    ///
    /// The lock of a dead holder is then freed only by a client that has watched it for a whole
    /// lease.
    ///
    /// # Examples
    ///
    /// ```
    /// use s3_lock::{Client, S3Lock};
    ///
    /// let lock = S3Lock::builder("my-bucket", "nightly")
    ///     .without_store_clock()
    ///     .client(Client::in_memory())
    ///     .build()?;
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn without_store_clock(mut self) -> S3LockBuilder {
        self.store_clock = false;
        self
    }

    /// Takes over at once what is held under the same owner name: for fast recovery after a crash.
    /// Off by default.
    ///
    /// A program that crashed and was started again would wait for its own former lease to run
    /// out. With this it gets the lock back in two requests, with a larger fencing token. Only an
    /// acquire of a lock that was built with it reclaims; who held the lock need not have been.
    ///
    /// **The owner name must belong to one participant alone, and be the same after its restart.**
    /// Where two have the name, each takes the lock from the other at work, and both believe to
    /// have it until the first asks the store ([`LockGuard::verify`](crate::LockGuard::verify),
    /// [`LockGuard::renew`](crate::LockGuard::renew)), which tells it
    /// [`TakenOver`](crate::LostCause::TakenOver), or its deadline passes.
    ///
    /// From a live guard of this same process, of whatever client, nothing is ever reclaimed: who
    /// asks waits for it, or is told [`Held`](LockError::Held), as by any other holder. A guard lives
    /// until it is dropped, so one that was forgotten (`std::mem::forget`) is waited for until it has
    /// expired. A lock kept by [`detach`](crate::LockGuard::detach) has no guard, and is reclaimed.
    /// A forked child is another process: give it another owner name. Each client of an
    /// [`InMemoryStore`](crate::InMemoryStore) stands for a process of its own.
    ///
    /// # Examples
    ///
    /// A good name is made of the machine and its role there, as `host-17/nightly-report`, or is the
    /// name of a pod in a StatefulSet: nobody else has it, and it outlives a crash.
    ///
    /// ```
    /// use s3_lock::{InMemoryStore, LockError, S3Lock};
    ///
    /// let store = InMemoryStore::new();
    /// // One start of the program, in a process of its own.
    /// let start = || {
    ///     let lock = S3Lock::builder("my-bucket", "nightly").reclaim_same_owner();
    ///     lock.client(store.client()).build()
    /// };
    /// let owner = "host-17/nightly-report";
    /// let crashed = start()?.acquire(owner)?;
    /// let token = crashed.fencing_token();
    /// std::mem::forget(crashed); // the process was killed
    ///
    /// let guard = start()?.try_acquire(owner)?; // at once, not after its lease
    /// assert!(guard.fencing_token() > token);
    /// assert!(start()?.try_acquire("host-18/nightly-report").is_err()); // others wait as ever
    /// # Ok::<(), LockError>(())
    /// ```
    ///
    /// A bad name is one that two machines or two copies of a program have, or one that a restart
    /// changes, as a process id or random number in it does.
    ///
    /// ```
    /// # use s3_lock::{InMemoryStore, LockError, S3Lock};
    /// # let store = InMemoryStore::new();
    /// # let start = || {
    /// #     let lock = S3Lock::builder("my-bucket", "nightly").reclaim_same_owner();
    /// #     lock.client(store.client()).build()
    /// # };
    /// let one = start()?.acquire("worker")?; // on one machine
    /// let two = start()?.acquire("worker")?; // on another: taken from the first at work
    /// assert!(one.is_held() && two.is_held()); // two holders!
    /// assert!(one.verify().is_err()); // the first knows when it has asked
    /// two.release()?;
    ///
    /// std::mem::forget(start()?.acquire("host-17/4242")?); // named after its process, and killed
    /// assert!(start()?.try_acquire("host-17/4243").is_err()); // nothing is ever reclaimed
    /// # Ok::<(), LockError>(())
    /// ```
    pub fn reclaim_same_owner(mut self) -> S3LockBuilder {
        self.reclaims = true;
        self
    }

    /// The client to use; by default a new one, from the environment.
    ///
    /// # Examples
    ///
    /// ```
    /// use s3_lock::{Client, S3Lock};
    ///
    /// let client = Client::in_memory();
    /// let one = S3Lock::builder("my-bucket", "one").client(client.clone()).build()?;
    /// let two = S3Lock::builder("my-bucket", "two").client(client).build()?;
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn client(mut self, client: Client) -> S3LockBuilder {
        self.client = Some(client);
        self
    }

    /// The lock. Does no I/O.
    ///
    /// # Errors
    ///
    /// [`LockError::Config`] names the setting that cannot work, and why: correct it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use s3_lock::S3Lock;
    ///
    /// let refused = S3Lock::builder("my-bucket", "nightly").max_operation(Duration::ZERO).build();
    /// assert!(refused.unwrap_err().to_string().starts_with("invalid max_operation 0ns"));
    /// ```
    pub fn build(self) -> Result<S3Lock, LockError> {
        let location = location(&self.bucket, &self.folder, &self.name)?;
        let least = if self.store_clock {
            DEFAULT_CLOCK_MARGIN
        } else {
            MIN_OWN_CLOCK_MARGIN
        };
        within("clock_margin", self.clock_margin, least, MAX_SPAN)?;
        let millisecond = Duration::from_millis(1);
        within("max_operation", self.max_operation, millisecond, MAX_SPAN)?;
        within("poll_interval", self.poll.0, millisecond, MAX_SPAN)?;
        within("poll_interval", self.poll.1, millisecond, MAX_SPAN)?;
        if self.poll.0 > self.poll.1 {
            let (min, max) = self.poll;
            let message =
                format!("invalid poll_interval {min:?} to {max:?}: the least comes first");
            return Err(ConfigError::new("poll_interval", message).into());
        }
        if let Some(purpose) = &self.purpose {
            no_longer_than("purpose", purpose, MAX_PURPOSE)?;
        }
        let client = match self.client {
            Some(client) => client,
            None => Client::new()?,
        };
        let session = client.session()?;
        let allowance = self.acquire_allowance;
        let allowance = allowance.unwrap_or(2 * client.request_timeout());
        within("acquire_allowance", allowance, millisecond, MAX_SPAN)?;
        let lease = whole_milliseconds(self.max_operation + allowance);
        if lease > MAX_LEASE {
            let (most, operation) = (limit(MAX_LEASE), self.max_operation);
            let message = format!(
                "invalid max_operation {operation:?}: with acquire_allowance, which is \
                 {allowance:?}, it must be at most {most}"
            );
            return Err(ConfigError::new("max_operation", message).into());
        }
        if let Some(max_hold) = self.max_hold {
            if max_hold < lease {
                let message = format!(
                    "invalid max_hold {max_hold:?}: it must be at least the lease, {lease:?}"
                );
                return Err(ConfigError::new("max_hold", message).into());
            }
        }
        Ok(S3Lock::from_parts(
            client,
            session,
            location,
            Settings {
                max_operation: self.max_operation,
                lease,
                wait_limit: self.wait_limit,
                poll: self.poll,
                keep_alive: self.keep_alive,
                max_hold: self.max_hold,
                purpose: self.purpose,
                reclaims: self.reclaims,
                expiry_rule: ExpiryRule {
                    margin: self.clock_margin,
                    store_clock: self.store_clock,
                },
            },
        ))
    }
}

/// Rounds up, so that the record, which counts milliseconds, promises no less than the holder has.
fn whole_milliseconds(span: Duration) -> Duration {
    let rest = span.subsec_nanos() % 1_000_000;
    match rest {
        0 => span,
        rest => span + Duration::from_nanos(1_000_000 - u64::from(rest)),
    }
}
