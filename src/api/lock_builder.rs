//! Building locks: every setting, its default, and where the default comes from.

use std::time::Duration;

use crate::api::client::Client;
use crate::api::lock::S3Lock;
use crate::api::ranges::{limit, within};
use crate::api::wait_handle::WaitHandle;
use crate::engine::lock_context::Settings;
use crate::protocol::record::MAX_LEASE;
use crate::protocol::{ExpiryRule, Pace};
use crate::types::errors::{ConfigError, LockError};
use crate::types::names::{location, no_longer_than};

/// The settings of a lock, made into an [`S3Lock`] by [`build`](S3LockBuilder::build). Made by
/// [`S3Lock::builder`].
///
/// # Examples
///
/// The lock of a long report:
///
/// ```
/// use std::time::Duration;
/// use s3_lock::{Client, S3Lock};
///
/// let lock = S3Lock::builder("my-bucket", "nightly-report")
///     .folder("locks/reports") // the object is locks/reports/nightly-report.lock
///     .max_operation(Duration::from_secs(20)) // so it is soon free after a crash
///     .keep_alive()
///     .max_hold(Duration::from_secs(4 * 3600)) // no report has ever taken longer
///     .wait_limit(Duration::from_secs(5 * 3600)) // longer than any holder renews
///     .poll_interval(Duration::from_secs(1), Duration::from_secs(5)) // few looks in a long wait
///     .purpose("the report that goes out at six")
///     .client(Client::in_memory())
///     .build()?;
/// # Ok::<(), s3_lock::LockError>(())
/// ```
///
/// A store that is slow and whose clock is not to be used, as behind a proxy that stamps its own `Date`:
///
/// ```
/// use std::time::Duration;
/// use s3_lock::{Client, S3Lock};
///
/// let lock = S3Lock::builder("my-bucket", "nightly-report")
///     .max_operation(Duration::from_secs(300))
///     .acquire_allowance(Duration::from_secs(30)) // the lease is 330 s
///     .without_store_clock()
///     .clock_margin(Duration::from_millis(500)) // else at least 2 s
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
    poll: Option<(Duration, Duration)>,
    keep_alive: bool,
    max_hold: Option<Duration>,
    purpose: Option<String>,
    store_clock: bool,
    reclaims: bool,
    queue: bool,
    wait_handle: Option<WaitHandle>,
    client: Option<Client>,
}

const DEFAULT_MAX_OPERATION: Duration = Duration::from_secs(60);
/// 1 s because dates are cut to whole seconds, 1 s because the clocks of a store's nodes differ.
const DEFAULT_CLOCK_MARGIN: Duration = Duration::from_secs(2);
/// The smallest margin for a lock that does not use the store's clock.
const MIN_OWN_CLOCK_MARGIN: Duration = Duration::from_millis(100);
const DEFAULT_POLL: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// The longest pause of the only waiter once it has watched one holding for a minute. Others leave it 10 s.
const DEFAULT_POLL_ALONE: Duration = Duration::from_secs(9);
/// The shortest span that a setting may have, unless it says otherwise.
const MILLISECOND: Duration = Duration::from_millis(1);
/// The largest value of any single setting of time.
const MAX_SPAN: Duration = MAX_LEASE;

/// The largest size of a purpose, in bytes of UTF-8.
const MAX_PURPOSE: usize = 2048;

impl S3Lock {
    /// The lock `name` in `folder` of `bucket`, for main operations that take up to
    /// `max_operation`. It gets a client of its own, from the environment (see [`Client::new`]).
    ///
    /// An empty `folder` is the bucket's root. Does no I/O and does not block.
    ///
    /// # Errors
    ///
    /// [`LockError::Config`] names the argument or environment variable that is wrong: correct it.
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

    /// Starts the settings of the lock `name` in `bucket`; [`S3LockBuilder`] has them all, with examples.
    /// Does no I/O and does not block.
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
            poll: None,
            keep_alive: false,
            max_hold: None,
            purpose: None,
            store_clock: true,
            reclaims: false,
            queue: true,
            wait_handle: None,
            client: None,
        }
    }

    /// The folder of the lock's object, `{folder}/{name}.lock`. Default: the bucket's root. If clients ever
    /// wait for the lock, there is a second object beside it: their queue, `{folder}/{name}.queue`.
    ///
    /// It may have several segments (`a/b`). One trailing `/` makes no difference. Another folder is another
    /// lock, so all programs that share a lock set the same one.
    pub fn folder(mut self, folder: impl Into<String>) -> S3LockBuilder {
        self.folder = folder.into();
        self
    }

    /// How long the main operation may take: each guard is handed out with at least this much of its lease
    /// left. Default: 60 s. At least 1 ms; together with `acquire_allowance` at most 7 days.
    ///
    /// After a crash the lock stays taken for up to this long, and for `acquire_allowance`, `clock_margin`
    /// and lease / 500 more. So choose it no larger than needed.
    pub fn max_operation(mut self, span: Duration) -> S3LockBuilder {
        self.max_operation = span;
        self
    }

    /// How long the acquire itself may take. The lease is `max_operation` plus this. Default: twice the
    /// client's `request_timeout`, so 10 s. From 1 ms to 7 days.
    ///
    /// An acquire that takes longer gives the lock back and fails with [`LockError::TooSlow`].
    pub fn acquire_allowance(mut self, span: Duration) -> S3LockBuilder {
        self.acquire_allowance = Some(span);
        self
    }

    /// How long [`S3Lock::acquire`] waits for the lock. Any duration is allowed, also `Duration::MAX`.
    ///
    /// Default: until the holder that it first saw would have expired, plus twice the client's
    /// `request_timeout`; at least twice this lock's own lease. So a dead holder alone never makes an acquire
    /// fail. A live holder that renews does: set hours to wait for one.
    ///
    /// Where others come first in the lock's queue, the default grows once by the time for which a free lock is
    /// left to them: 10 s at most, and 250 ms for each but the first, 13 s at most. So dead waiters alone never
    /// make an acquire fail either. With less than 1 s here a call takes no ticket.
    pub fn wait_limit(mut self, span: Duration) -> S3LockBuilder {
        self.wait_limit = Some(span);
        self
    }

    /// How much older than its lease a record must be before this lock takes it over, in addition to
    /// lease / 500. Default and minimum: 2 s; at most 7 days.
    ///
    /// S3 cuts dates to whole seconds, which takes 1 s of it. The clocks of S3's own nodes may differ, which
    /// takes the other. With [`without_store_clock`](S3LockBuilder::without_store_clock) the minimum is 100 ms.
    ///
    /// A lock's margin protects the holder that it takes over from, so set it for every participant.
    pub fn clock_margin(mut self, span: Duration) -> S3LockBuilder {
        self.clock_margin = span;
        self
    }

    /// The shortest and the longest pause between two looks at a lock that another owner holds. Default:
    /// 100 ms to 2 s, and 9 s once a client has watched one holding for a minute and knows of nobody else
    /// who waits. Each from 1 ms to 7 days.
    ///
    /// A pause is an eighth of the time that the client has watched this holding, more if others come first, and
    /// up to a quarter of that at random. With the default, a client that waits sends a GET every 2 s after the
    /// first 16 s. ([`RequestPrices`](crate::RequestPrices) has the cost. Without the queue each pause
    /// is random, between the shortest and three times the one before.)
    ///
    /// A longest pause that is set here is never exceeded. A ticket asks the others to leave the lock to its
    /// client for twice as long, but never for more than 10 s. So with more than 5 s here, others may come first
    /// although they came later.
    pub fn poll_interval(mut self, min: Duration, max: Duration) -> S3LockBuilder {
        self.poll = Some((min, max));
        self
    }

    /// Renews every guard of this lock in the background for as long as the guard lives, as
    /// [`LockGuard::keep_alive`](crate::LockGuard::keep_alive) does. Off by default.
    ///
    /// `max_operation` then no longer limits the main operation. It decides how soon others notice that this
    /// process is gone. Shorter is better, down to some 15 s over a network: that leaves time for two
    /// renewals in a row that get no answer.
    pub fn keep_alive(mut self) -> S3LockBuilder {
        self.keep_alive = true;
        self
    }

    /// How long after its acquisition a guard is still renewed in the background. Default: no limit. At least
    /// the lease.
    ///
    /// A main operation that hangs then loses the lock at most one lease later, and does not keep it for ever.
    /// [`LockGuard::renew`](crate::LockGuard::renew) is not limited.
    pub fn max_hold(mut self, span: Duration) -> S3LockBuilder {
        self.max_hold = Some(span);
        self
    }

    /// What the lock is wanted for. It is shown to others who find the lock held. Any text of up to 2,048
    /// bytes. Default: none.
    pub fn purpose(mut self, purpose: impl Into<String>) -> S3LockBuilder {
        self.purpose = Some(purpose.into());
        self
    }

    /// Computes the age of a record from this client's own clock alone. Use it for a store whose `Date` and
    /// `Last-Modified` do not come from one clock, as behind a proxy that stamps its own `Date`.
    ///
    /// Then only a client that has watched a dead holder's lock for a whole lease can take it over.
    pub fn without_store_clock(mut self) -> S3LockBuilder {
        self.store_clock = false;
        self
    }

    /// Takes the lock over at once if it is held under the same owner name: for fast recovery after a
    /// crash. Off by default.
    ///
    /// A program that crashed and was started again would otherwise wait until its own former lease has
    /// run out. With this it gets the lock back in two requests, with a larger fencing token. Only the
    /// lock that acquires must be built with it; the lock that held need not be.
    ///
    /// **The owner name must belong to one participant alone, and be the same after its restart.**
    /// If two have the name, each takes the lock from the other in the middle of its work. Both believe
    /// that they hold it, until the first asks the store
    /// ([`LockGuard::verify`](crate::LockGuard::verify), [`LockGuard::renew`](crate::LockGuard::renew)) and
    /// gets [`TakenOver`](crate::LostCause::TakenOver), or its deadline passes.
    ///
    /// An acquire never reclaims from a live guard of its own process, whichever client has it. It waits
    /// for that guard or gets [`Held`](LockError::Held), as with any other holder. A guard lives until it
    /// is dropped, so a forgotten one (`std::mem::forget`) blocks until it has expired. A lock kept by
    /// [`detach`](crate::LockGuard::detach) has no guard, and is reclaimed. A forked child is another
    /// process: give it another owner name. Each client of an [`InMemoryStore`](crate::InMemoryStore)
    /// stands for a process of its own.
    ///
    /// # Examples
    ///
    /// A good name is the machine and its role (`host-17/nightly-report`), or the name of a pod in a
    /// StatefulSet. No other participant has it, and it survives a crash.
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
    /// assert!(start()?.try_acquire("host-18/nightly-report").is_err()); // others wait as usual
    /// # Ok::<(), LockError>(())
    /// ```
    ///
    /// A bad name is shared by two machines or two copies of a program. Or it changes with a restart, as a
    /// process id or a random number does.
    ///
    /// ```
    /// # use s3_lock::{InMemoryStore, LockError, S3Lock};
    /// # let store = InMemoryStore::new();
    /// # let start = || {
    /// #     let lock = S3Lock::builder("my-bucket", "nightly").reclaim_same_owner();
    /// #     lock.client(store.client()).build()
    /// # };
    /// let one = start()?.acquire("worker")?; // on one machine
    /// let two = start()?.acquire("worker")?; // on another: takes it from the first
    /// assert!(one.is_held() && two.is_held()); // two holders!
    /// assert!(one.verify().is_err()); // the first learns it by asking
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

    /// Takes and gives back the lock without regard to who else waits for it. By default, clients queue for
    /// a contended lock.
    ///
    /// Threads of one client still take turns in the order of arrival. But whichever client looks first after a
    /// release takes the lock, and where all do so, one that takes it again and again keeps the others from it.
    /// It leaves others a moment by a GET before it takes its own release again: where that record says that
    /// others wait, and once a second in any case. So a loop costs one GET a second more, or one for each turn
    /// while others wait in the queue. The moment is enough for a client that is first in the queue and looks
    /// often, but rarely for one without the queue. Each release and each acquire is a write of its own: this
    /// turns off hand-overs between threads of one client. Nothing is written beside the lock's own object.
    ///
    /// Use it where that one object is all that a program may touch, or where a call must not wait for others
    /// that come first. Do not use it in programs that take one lock in a loop, beside others of that kind.
    ///
    /// This is about calls on this lock and on its guards alone. Other participants may do as they like:
    /// the order is a courtesy, and no lock's safety rests on it.
    ///
    /// # Examples
    ///
    /// ```
    /// use s3_lock::{Client, S3Lock};
    ///
    /// let lock = S3Lock::builder("my-bucket", "nightly")
    ///     .without_queue()
    ///     .client(Client::in_memory())
    ///     .build()?;
    /// let guard = lock.acquire("host-17")?;
    /// guard.release()?;
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn without_queue(mut self) -> S3LockBuilder {
        self.queue = false;
        self
    }

    /// Has `handle` watch every acquire of this lock, and end it when it is [cancelled](WaitHandle::cancel). Default:
    /// none. [`WaitHandle`] has an example.
    pub fn wait_handle(mut self, handle: &WaitHandle) -> S3LockBuilder {
        self.wait_handle = Some(handle.clone());
        self
    }

    /// The client to use. Default: a new one, from the environment ([`Client::new`]).
    ///
    /// Locks can share a client: it keeps connections, its threads queue for a lock in order, and they hand
    /// it over in one write.
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

    /// Builds the lock. Does no I/O and does not block.
    ///
    /// # Errors
    ///
    /// [`LockError::Config`] names the setting that is wrong, and why: correct it.
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
        self.check()?;
        let client = match self.client.clone() {
            Some(client) => client,
            None => Client::new()?,
        };
        client.check_bucket(&self.bucket)?;
        let session = client.session()?;
        let lease = self.lease(&client)?;
        let settings = Settings {
            max_operation: self.max_operation,
            lease,
            wait_limit: self.wait_limit,
            pace: self.pace(),
            keep_alive: self.keep_alive,
            max_hold: self.max_hold,
            purpose: self.purpose.map(String::into_boxed_str),
            reclaims: self.reclaims,
            queue: self.queue,
            waits: self.wait_handle.map(|handle| handle.waits),
            expiry_rule: ExpiryRule {
                margin: self.clock_margin,
                store_clock: self.store_clock,
            },
        };
        Ok(S3Lock::from_parts(client, session, location, settings))
    }

    /// Checks what depends on no client.
    fn check(&self) -> Result<(), ConfigError> {
        let least = if self.store_clock {
            DEFAULT_CLOCK_MARGIN
        } else {
            MIN_OWN_CLOCK_MARGIN
        };
        within("clock_margin", self.clock_margin, least, MAX_SPAN)?;
        within("max_operation", self.max_operation, MILLISECOND, MAX_SPAN)?;
        let Pace { min, max, .. } = self.pace();
        within("poll_interval", min, MILLISECOND, MAX_SPAN)?;
        within("poll_interval", max, MILLISECOND, MAX_SPAN)?;
        if min > max {
            let message =
                format!("invalid poll_interval {min:?} to {max:?}: the least comes first");
            return Err(ConfigError::new("poll_interval", message));
        }
        match &self.purpose {
            Some(purpose) => no_longer_than("purpose", purpose, MAX_PURPOSE),
            None => Ok(()),
        }
    }

    fn pace(&self) -> Pace {
        let (min, max) = self.poll.unwrap_or(DEFAULT_POLL);
        let max_alone = match self.poll {
            Some(_) => max,
            None => DEFAULT_POLL_ALONE,
        };
        Pace {
            min,
            max,
            max_alone,
        }
    }

    /// The lease, checked with the settings that depend on it.
    fn lease(&self, client: &Client) -> Result<Duration, ConfigError> {
        let allowance = self.acquire_allowance;
        let allowance = allowance.unwrap_or(2 * client.request_timeout());
        within("acquire_allowance", allowance, MILLISECOND, MAX_SPAN)?;
        let lease = whole_milliseconds(self.max_operation + allowance);
        if lease > MAX_LEASE {
            let (most, operation) = (limit(MAX_LEASE), self.max_operation);
            let message = format!(
                "invalid max_operation {operation:?}: with acquire_allowance, which is \
                 {allowance:?}, it must be at most {most}"
            );
            return Err(ConfigError::new("max_operation", message));
        }
        match self.max_hold {
            Some(max_hold) if max_hold < lease => {
                let message = format!(
                    "invalid max_hold {max_hold:?}: it must be at least the lease, {lease:?}"
                );
                Err(ConfigError::new("max_hold", message))
            }
            _ => Ok(lease),
        }
    }
}

/// Rounds up: the record counts milliseconds, and must not promise less than the holder has.
fn whole_milliseconds(span: Duration) -> Duration {
    let rest = span.subsec_nanos() % 1_000_000;
    match rest {
        0 => span,
        rest => span + Duration::from_nanos(1_000_000 - u64::from(rest)),
    }
}
