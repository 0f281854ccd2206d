//! One named lock: taking it, looking at it, releasing it by name.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::backoff::Backoff;
use crate::builder::S3LockBuilder;
use crate::checks::check_owner;
use crate::client::Client;
use crate::clock::Instant;
use crate::drive::{Drive, Errors, Limits, Outcome};
use crate::error::{LockError, StorageError, StorageErrorKind};
use crate::guard::LockGuard;
use crate::host::host_name;
use crate::info::{LockInfo, LockStatus};
use crate::local::Local;
use crate::protocol::knowledge::Patience;
use crate::protocol::{Acquire, Acquired, Claim, Free, Freed, Holding, Look, Seen, Sight};
use crate::store::Location;

/// A named lock in a bucket.
///
/// Making one does no I/O and takes nothing; [`acquire`](S3Lock::acquire) does. Clones are the
/// same lock and share its client. All handles to one lock that share a client queue in order of
/// arrival; between clients there is no order.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use s3_lock::{Client, S3Lock};
///
/// fn report(lock: &S3Lock) -> Result<(), s3_lock::LockError> {
///     let _guard = lock.acquire("host-17")?;
///     // ... main operation: nobody else is at it ...
///     Ok(())
/// } // released here
///
/// let lock = S3Lock::builder("my-bucket", "nightly-report")
///     .folder("locks")
///     .max_operation(Duration::from_secs(120))
///     .client(Client::in_memory())
///     .build()?;
/// report(&lock)?;
/// # Ok::<(), s3_lock::LockError>(())
/// ```
#[derive(Clone)]
pub struct S3Lock {
    core: Arc<Core>,
}

/// What a lock and its guards share.
pub(crate) struct Core {
    pub(crate) client: Client,
    pub(crate) location: Location,
    pub(crate) local: Arc<Local>,
    settings: Settings,
}

/// The settings of a lock, checked.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub max_operation: Duration,
    pub lease: Duration,
    pub wait_limit: Option<Duration>,
    pub poll: (Duration, Duration),
    pub purpose: Option<String>,
    pub patience: Patience,
}

const MAY_REMAIN: &str = "if it was, it is held in your name until its lease has run out, or until \
                          you release it by owner name";
const RELEASE_AGAIN: &str = "look at its status, or release it again";
/// How many requests an attempt that does not wait is given time for.
const TRY_REQUESTS: u32 = 4;

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

    pub(crate) fn from_parts(client: Client, location: Location, settings: Settings) -> S3Lock {
        S3Lock {
            core: Arc::new(Core {
                local: client.local(&location),
                client,
                location,
                settings,
            }),
        }
    }

    /// Takes the lock, waiting for it if somebody else has it.
    ///
    /// `owner` is for people and for [`release`](S3Lock::release): up to 512 bytes of any text
    /// without control characters.
    ///
    /// Blocks up to the [`wait_limit`](S3LockBuilder::wait_limit), and 2 × `request_timeout` more
    /// if an attempt has then to be undone. Uncontended it sends one request if this client
    /// released the lock last, else two.
    ///
    /// Trouble with the store is waited out within the limit, with one exception: if no store has
    /// ever answered this client and no connection can be made, it fails at once, as a wrong
    /// endpoint is likelier than an outage.
    ///
    /// A thread that has the lock and acquires it again waits like anybody else: for its own first
    /// lease to run out.
    ///
    /// # Errors
    ///
    /// * [`LockError::TimedOut`]: somebody has it still, or the limit was too short for a request.
    ///   Wait longer, or ask the holder that it names.
    /// * [`LockError::TooSlow`]: raise `acquire_allowance`, or find out why the store is slow.
    /// * [`LockError::Storage`]: as its message advises. If its outcome is unknown, the lock may
    ///   be held in this owner's name until the lease has run out.
    /// * [`LockError::Foreign`]: choose another name.
    /// * [`LockError::Config`]: correct the owner, the settings or the environment.
    ///
    /// # Examples
    ///
    /// ```
    /// # use s3_lock::{Client, S3Lock};
    /// # let lock = S3Lock::builder("my-bucket", "nightly").client(Client::in_memory()).build()?;
    /// let _guard = lock.acquire("host-17")?;
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    ///
    /// Bind the guard to a name: `let _ = lock.acquire(..)?` releases the lock at once.
    pub fn acquire(&self, owner: impl AsRef<str>) -> Result<LockGuard, LockError> {
        self.wait_for(owner.as_ref(), self.core.settings.wait_limit)
    }

    /// Takes the lock, waiting for it no longer than `limit`.
    ///
    /// Blocks up to `limit`, its requests included, and 2 × `request_timeout` more if an attempt
    /// has then to be undone. A limit shorter than a request cannot succeed: use
    /// [`try_acquire`](S3Lock::try_acquire).
    ///
    /// # Errors
    ///
    /// As for [`acquire`](S3Lock::acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// # use s3_lock::{Client, S3Lock};
    /// use std::time::Duration;
    /// use s3_lock::LockError;
    ///
    /// # let lock = S3Lock::builder("my-bucket", "nightly").client(Client::in_memory()).build()?;
    /// let _guard = lock.acquire("host-17")?;
    /// match lock.acquire_within("host-18", Duration::from_millis(50)) {
    ///     Err(LockError::TimedOut { holder: Some(holder), .. }) => println!("{holder}"),
    ///     other => panic!("{other:?}"),
    /// }
    /// # Ok::<(), LockError>(())
    /// ```
    pub fn acquire_within(
        &self,
        owner: impl AsRef<str>,
        limit: Duration,
    ) -> Result<LockGuard, LockError> {
        self.wait_for(owner.as_ref(), Some(limit))
    }

    /// Takes the lock if it is free, in one attempt that never sleeps and does not queue.
    ///
    /// Blocks for a request or two; while the store does not answer, for up to 4 ×
    /// `request_timeout`, and 2 × more if an attempt has then to be undone. If a guard of the same
    /// client holds the lock, no request is sent.
    ///
    /// # Errors
    ///
    /// * [`LockError::Held`]: somebody has it. Try later, or wait with
    ///   [`acquire`](S3Lock::acquire).
    /// * All others as for [`acquire`](S3Lock::acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// # use s3_lock::{Client, S3Lock};
    /// use s3_lock::LockError;
    ///
    /// # let lock = S3Lock::builder("my-bucket", "nightly").client(Client::in_memory()).build()?;
    /// match lock.try_acquire("host-17") {
    ///     Ok(_guard) => println!("my turn"),
    ///     Err(LockError::Held(holder)) => println!("skipping this run: {holder}"),
    ///     Err(error) => return Err(error),
    /// }
    /// # Ok::<(), LockError>(())
    /// ```
    pub fn try_acquire(&self, owner: impl AsRef<str>) -> Result<LockGuard, LockError> {
        check_owner(owner.as_ref())?;
        let core = &self.core;
        core.client.check_process()?;
        if let Some(info) = core.local_holder() {
            return Err(LockError::Held(Box::new(info)));
        }
        let mut limits = core.limits(TRY_REQUESTS * core.client.request_timeout());
        limits.waits = false;
        let start = core.client.clock().now();
        core.client.run(core.take(owner.as_ref(), limits, start))
    }

    fn wait_for(&self, owner: &str, limit: Option<Duration>) -> Result<LockGuard, LockError> {
        check_owner(owner)?;
        let core = &self.core;
        let mut limits = core.limits(limit.unwrap_or(2 * core.settings.lease));
        if limit.is_none() {
            limits.beyond_expiry = Some(2 * core.client.request_timeout());
        }
        core.client.run(async {
            let start = core.client.clock().now();
            let clock = core.client.clock();
            let place = core.local.queue();
            match place.turn(clock, &core.patience(), &mut limits).await {
                Ok(()) => core.take(owner, limits, start).await,
                Err(held) => {
                    let holder = held.map(|known| core.info(known.record, known.free_in));
                    Err(core.timed_out(start, holder))
                }
            }
        })
    }

    /// Looks at the lock: one request.
    ///
    /// What it says may have changed by the time you read it; only a guard is certain. Blocks up
    /// to `request_timeout`.
    ///
    /// # Errors
    ///
    /// [`LockError::Storage`], [`LockError::Foreign`] and [`LockError::Config`], as for
    /// [`acquire`](S3Lock::acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// # use s3_lock::{Client, S3Lock};
    /// use s3_lock::LockStatus;
    ///
    /// # let lock = S3Lock::builder("my-bucket", "nightly").client(Client::in_memory()).build()?;
    /// match lock.status()? {
    ///     LockStatus::Free => println!("free"),
    ///     LockStatus::Held(info) => println!("{info}"),
    ///     LockStatus::Expired(info) => println!("abandoned by {}", info.owner()),
    ///     _ => unreachable!("no other status in this version"),
    /// }
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn status(&self) -> Result<LockStatus, LockError> {
        let core = &self.core;
        core.client.run(async {
            let Outcome { end, errors, .. } = core.look().await?;
            match end {
                Some(Sight::Present(seen)) if seen.record.is_held() => {
                    let info = core.describe(&seen);
                    Ok(match info.remaining().is_zero() {
                        true => LockStatus::Expired(info),
                        false => LockStatus::Held(info),
                    })
                }
                Some(Sight::Present(_) | Sight::Absent { .. }) => Ok(LockStatus::Free),
                Some(Sight::Hidden { .. } | Sight::Foreign) | None => Err(core.failed(errors)),
            }
        })
    }

    /// Releases the lock if `owner` holds it: for code that acquires in one place or process and
    /// releases in another. Two requests. Says whether this call released it.
    ///
    /// A lock that is free, or held under another name, is left as it is. Where two participants
    /// use the same owner name, each can release the other's lock: make them unique. A guard that
    /// had the lock is lost by it: one of the same client at once, any other when it next asks the
    /// store ([`LockGuard::verify`], [`LockGuard::renew`]).
    ///
    /// Blocks up to 2 × `request_timeout`.
    ///
    /// # Errors
    ///
    /// [`LockError::Storage`], [`LockError::Foreign`] and [`LockError::Config`], as for
    /// [`acquire`](S3Lock::acquire). If the outcome is unknown, look with
    /// [`status`](S3Lock::status), or call again.
    ///
    /// # Examples
    ///
    /// ```
    /// # use s3_lock::{Client, S3Lock};
    /// # let lock = S3Lock::builder("my-bucket", "nightly").client(Client::in_memory()).build()?;
    /// lock.acquire("deploy-4711")?.detach();
    /// // ... later, elsewhere ...
    /// assert!(!lock.release("deploy-4712")?);
    /// assert!(lock.release("deploy-4711")?);
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn release(&self, owner: impl AsRef<str>) -> Result<bool, LockError> {
        check_owner(owner.as_ref())?;
        let core = &self.core;
        let limits = core.limits(2 * core.client.request_timeout());
        let free = Free::new(owner.as_ref().to_owned());
        core.client.run(async {
            let drive = core.drive(limits, core.client.clock().now());
            let Outcome { end, errors, .. } = drive.run(free, &core.local.knowledge).await?;
            match end {
                Freed::Yes(released) => {
                    let token = released.record.fencing_token;
                    core.local.knowledge().note_released(released);
                    core.local.vanish(token);
                    Ok(true)
                }
                Freed::No => Ok(false),
                Freed::Failed => Err(core.failed(errors)),
                Freed::Defied => Err(core.defied()),
                Freed::Unknown => Err(core.unknown(errors).with_hint(RELEASE_AGAIN).into()),
            }
        })
    }
}

impl Core {
    /// One bounded attempt, or series of attempts, to take the lock.
    async fn take(
        self: &Arc<Core>,
        owner: &str,
        limits: Limits,
        start: Instant,
    ) -> Result<LockGuard, LockError> {
        let waits = limits.waits;
        let acquire = Acquire::new(self.claim(owner));
        let drive = self.drive(limits, start);
        let outcome = drive.run(acquire, &self.local.knowledge).await?;
        let Outcome {
            end,
            errors,
            gave_up,
        } = outcome;
        match end {
            Acquired::Won(holding) => self.hand_out(holding).await,
            Acquired::Held(seen) if waits => {
                let holder = Some(self.describe(&seen));
                Err(self.in_vain(start, errors, holder))
            }
            Acquired::Held(seen) => Err(LockError::Held(Box::new(self.describe(&seen)))),
            Acquired::Failed if waits && gave_up => {
                let holder = self.seen_since(start);
                Err(self.in_vain(start, errors, holder))
            }
            Acquired::Defied => Err(self.defied()),
            Acquired::Failed => Err(self.failed(errors)),
            Acquired::MayRemain => Err(self.unknown(errors).with_hint(MAY_REMAIN).into()),
        }
    }

    /// Hands out a guard, unless acquiring took so long that too little of the lease is left.
    async fn hand_out(self: &Arc<Core>, holding: Holding) -> Result<LockGuard, LockError> {
        let remaining = holding.remaining(self.client.clock().now());
        let needed = self.settings.max_operation;
        let guard = LockGuard::new(self.clone(), holding);
        if remaining >= needed {
            return Ok(guard);
        }
        match guard.give_back().await {
            Ok(()) | Err(LockError::Lost(_)) => Err(LockError::TooSlow { remaining, needed }),
            Err(LockError::Storage(error)) => Err(error
                .with_outcome_unknown(true)
                .with_hint(MAY_REMAIN)
                .into()),
            Err(error) => Err(error),
        }
    }

    fn claim(&self, owner: &str) -> Claim {
        Claim {
            owner: owner.to_owned(),
            lease: self.settings.lease,
            host: host_name(),
            pid: std::process::id(),
            purpose: self.settings.purpose.clone(),
            patience: self.patience(),
        }
    }

    fn patience(&self) -> Patience {
        let Patience {
            margin,
            store_clock,
        } = self.settings.patience;
        Patience {
            margin,
            store_clock: store_clock && self.client.trusts_date(),
        }
    }

    /// One look at the record.
    pub(crate) async fn look(&self) -> Result<Outcome<Option<Sight>>, LockError> {
        let limits = self.limits(self.client.request_timeout());
        let drive = self.drive(limits, self.client.clock().now());
        drive.run(Look, &self.local.knowledge).await
    }

    pub(crate) fn drive(&self, limits: Limits, start: Instant) -> Drive<'_> {
        Drive::new(&self.client, &self.location, &self.local, limits, start)
    }

    pub(crate) fn limits(&self, total: Duration) -> Limits {
        let (min, max) = self.settings.poll;
        Limits {
            waits: true,
            total,
            beyond_expiry: None,
            attempt: self.client.request_timeout(),
            late: false,
            poll: Backoff::new(min, max),
        }
    }

    /// What another holder's record says, and how long it still keeps this lock from it.
    pub(crate) fn describe(&self, seen: &Seen) -> LockInfo {
        let now = self.client.clock().now();
        let free_in = match seen.record.is_held() {
            true => self.local.knowledge().free_in(seen, &self.patience(), now),
            false => Duration::ZERO,
        };
        self.info(seen.record.clone(), free_in)
    }

    pub(crate) fn info(&self, record: crate::record::Record, remaining: Duration) -> LockInfo {
        LockInfo::new(&self.location.key, record, remaining)
    }

    /// The guard of this same client that holds the lock, if there is one.
    fn local_holder(&self) -> Option<LockInfo> {
        let (record, remaining) = self.local.holder(self.client.clock().now())?;
        // To whoever waits for it, it is held until its record has expired.
        let lease = record.lease();
        let after = self.patience().expiry(lease).saturating_sub(lease);
        Some(self.info(record, remaining + after))
    }

    /// Another's holding, if a look of this client's since `start` showed one.
    fn seen_since(&self, start: Instant) -> Option<LockInfo> {
        let held = self.local.knowledge().held.clone();
        let fresh = held.filter(|seen| start.at_least_since(seen.arrived).is_zero());
        fresh.map(|seen| self.describe(&seen))
    }

    /// The error of an acquire whose time was up.
    fn in_vain(&self, start: Instant, errors: Errors, holder: Option<LockInfo>) -> LockError {
        match errors.real() {
            // Others were faster, or had it all the time.
            None => self.timed_out(start, holder),
            Some(LockError::Storage(e)) if e.kind() == StorageErrorKind::Contended => {
                self.timed_out(start, holder)
            }
            // The store has not answered since, or not at all.
            Some(error) => error,
        }
    }

    fn timed_out(&self, start: Instant, holder: Option<LockInfo>) -> LockError {
        LockError::TimedOut {
            waited: self.client.clock().now().at_least_since(start),
            holder: holder.map(Box::new),
        }
    }

    /// The error of a call that changed nothing.
    pub(crate) fn failed(&self, errors: Errors) -> LockError {
        errors.any().unwrap_or_else(|| self.no_time().into())
    }

    /// The error of a call that may have changed the lock.
    pub(crate) fn unknown(&self, errors: Errors) -> StorageError {
        let error = match errors.any() {
            Some(LockError::Storage(error)) => error,
            Some(other) => self.no_time().with_source(other),
            None => self.no_time(),
        };
        error.with_outcome_unknown(true)
    }

    /// The error of a write that the store refused although its condition held.
    pub(crate) fn defied(&self) -> LockError {
        let key = &self.location.key;
        let what = format!("the store refused a write of {key} although its condition held");
        let hint =
            "it does not honour If-Match and If-None-Match as S3 does: no lock can be kept there";
        let error = StorageError::new(StorageErrorKind::Unexpected, what);
        error.with_hint(hint).into()
    }

    fn no_time(&self) -> StorageError {
        let key = &self.location.key;
        let what = format!("no answer about {key} within the time given");
        StorageError::new(StorageErrorKind::NoAnswer, what)
    }
}

impl fmt::Debug for S3Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Lock")
            .field("bucket", &self.core.location.bucket)
            .field("key", &self.core.location.key)
            .field("settings", &self.core.settings)
            .finish_non_exhaustive()
    }
}
