//! The guard: proof that the lock is held, until dropped, lost or out of time.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::drive::Outcome;
use crate::error::{LockError, LostCause, StorageError};
use crate::info::{FencingToken, LockInfo};
use crate::living::Living;
use crate::lock_core::Core;
use crate::protocol::holding::Learned;
use crate::protocol::{Holding, Loss, Release, Released, Renew, Renewed, Sight};
use crate::record::Record;
use crate::sync::lock;

/// A lock that is held. Dropping it gives the lock back.
///
/// It is held until the guard is dropped or its lease has run out, whichever comes first. So a main
/// operation that may outlast `max_operation` must [`renew`](LockGuard::renew) in time, and one
/// whose effects matter should [`check`](LockGuard::check) before each of them and hand its
/// [`fencing_token`](LockGuard::fencing_token) to what it changes.
///
/// It owns what it needs: it can be stored, returned, and sent to other threads.
///
/// # Dropping
///
/// Drop sends the release and blocks for it, for up to 2 × `request_timeout`. It never panics; a
/// release that fails is logged as a warning, and the lease ends the holding. The lock is also
/// given back while a panic unwinds: there is no poisoning. `std::process::exit`, signals,
/// `std::mem::forget` and statics skip Drop: then, too, the lease ends it.
///
/// # Examples
///
/// ```
/// use s3_lock::{Client, LockStatus, S3Lock};
///
/// let lock = S3Lock::builder("my-bucket", "nightly").client(Client::in_memory()).build()?;
/// let guard = lock.acquire("host-17")?;
/// assert!(guard.is_held());
/// drop(guard);
/// assert!(matches!(lock.status()?, LockStatus::Free));
/// # Ok::<(), s3_lock::LockError>(())
/// ```
#[must_use = "if unused, the lock is given back at once"]
#[clippy::has_significant_drop]
pub struct LockGuard {
    core: Arc<Core>,
    /// The record as it was acquired. What renewals change in it, nobody is shown.
    record: Record,
    holding: Arc<Mutex<Holding>>,
    /// Why the last renewal failed.
    last_error: Mutex<Option<Arc<StorageError>>>,
    /// Held while a renewal is under way: two at once could not tell whose write a read shows.
    renewing: tokio::sync::Mutex<()>,
    /// The process that acquired it.
    process: u32,
    /// Keeps this process from reclaiming the lock from this guard.
    _living: Living,
    /// Nothing is left to do when it is dropped.
    done: bool,
}

impl LockGuard {
    pub(crate) fn new(core: Arc<Core>, holding: Holding) -> LockGuard {
        let record = holding.record().clone();
        let holding = Arc::new(Mutex::new(holding));
        core.local.enter(&holding);
        let living = core
            .client
            .registry()
            .enter(&core.location, record.fencing_token);
        LockGuard {
            core,
            record,
            holding,
            last_error: Mutex::default(),
            renewing: tokio::sync::Mutex::default(),
            process: std::process::id(),
            _living: living,
            done: false,
        }
    }

    /// The owner name that the lock was acquired under. No I/O.
    ///
    /// # Examples
    ///
    /// ```
    /// # use s3_lock::{Client, S3Lock};
    /// # let lock = S3Lock::builder("my-bucket", "nightly").client(Client::in_memory()).build()?;
    /// assert_eq!(lock.acquire("host-17")?.owner(), "host-17");
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn owner(&self) -> &str {
        &self.record.owner
    }

    /// The token of this holding: larger than that of every holding before it, smaller than that
    /// of every one after it. No I/O.
    ///
    /// A resource that remembers the largest token it has seen, and refuses smaller ones, is safe
    /// even from a holder that was paused beyond its lease and does not know.
    ///
    /// # Examples
    ///
    /// ```
    /// # use s3_lock::{Client, S3Lock};
    /// # let lock = S3Lock::builder("my-bucket", "nightly").client(Client::in_memory()).build()?;
    /// let guard = lock.acquire("host-17")?;
    /// let statement = format!(
    ///     "UPDATE report SET body = $1, token = {0} WHERE token <= {0}",
    ///     guard.fencing_token()
    /// );
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn fencing_token(&self) -> FencingToken {
        FencingToken::new(self.record.fencing_token)
    }

    /// What others see of this holding, with what is left of its lease. No I/O.
    ///
    /// # Examples
    ///
    /// ```
    /// # use s3_lock::{Client, S3Lock};
    /// # let lock = S3Lock::builder("my-bucket", "nightly").client(Client::in_memory()).build()?;
    /// let guard = lock.acquire("host-17")?;
    /// println!("{}", guard.info()); // lock nightly.lock is held by "host-17" ...
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn info(&self) -> LockInfo {
        self.core.info(self.record.clone(), self.remaining())
    }

    /// How much of the lease is left, by this machine's own clock, which goes on while the machine
    /// is suspended; zero once the lock is lost. No I/O.
    ///
    /// # Examples
    ///
    /// ```
    /// # use s3_lock::{Client, S3Lock};
    /// use std::time::Duration;
    ///
    /// # let lock = S3Lock::builder("my-bucket", "nightly").client(Client::in_memory()).build()?;
    /// let guard = lock.acquire("host-17")?;
    /// if guard.remaining() < Duration::from_secs(10) {
    ///     guard.renew()?;
    /// }
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn remaining(&self) -> Duration {
        if self.is_inherited() {
            return Duration::ZERO;
        }
        let now = self.core.client.clock().now();
        lock(&self.holding).remaining(now)
    }

    /// Whether the lock is still held, as far as is known here: not lost, and the lease not run
    /// out. No I/O. To stop when it is not, [`check`](LockGuard::check) is shorter.
    ///
    /// # Examples
    ///
    /// ```
    /// # use s3_lock::{InMemoryStore, S3Lock};
    /// use std::time::Duration;
    ///
    /// # let store = InMemoryStore::new();
    /// # let lock = S3Lock::builder("my-bucket", "nightly").client(store.client()).build()?;
    /// let guard = lock.acquire("host-17")?;
    /// assert!(guard.is_held());
    /// store.advance(Duration::from_secs(3600));
    /// assert!(!guard.is_held());
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn is_held(&self) -> bool {
        !self.remaining().is_zero()
    }

    /// Fails once the lease has run out or the lock is known to be lost, and for ever after. No
    /// I/O: call it before each effect that must not happen twice.
    ///
    /// # Errors
    ///
    /// [`LockError::Lost`]: stop the main operation.
    ///
    /// # Examples
    ///
    /// ```
    /// # use s3_lock::{Client, S3Lock};
    /// # let lock = S3Lock::builder("my-bucket", "nightly").client(Client::in_memory()).build()?;
    /// let guard = lock.acquire("host-17")?;
    /// for page in ["one", "two", "three"] {
    ///     guard.check()?;
    ///     println!("sending page {page}");
    /// }
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn check(&self) -> Result<(), LockError> {
        if self.is_inherited() {
            return Err(LockError::Lost(LostCause::Vanished));
        }
        let now = self.core.client.clock().now();
        let loss = lock(&self.holding).check(now).cloned();
        match loss {
            None => Ok(()),
            Some(loss) => Err(LockError::Lost(self.cause(loss))),
        }
    }

    /// Asks the store whether the lock is still held: one request, up to `request_timeout`.
    ///
    /// Between its answer and your next line anything may happen; the fencing token alone protects
    /// from that. What it adds to [`check`](LockGuard::check): it learns that the lock was taken
    /// away before its time.
    ///
    /// # Errors
    ///
    /// * [`LockError::Lost`]: stop the main operation.
    /// * [`LockError::Storage`]: nothing was learned; the lock is held for as long as
    ///   [`check`](LockGuard::check) says.
    /// * [`LockError::Config`]: there are no credentials any more. Correct that.
    ///
    /// # Examples
    ///
    /// ```
    /// # use s3_lock::{Client, S3Lock};
    /// # let lock = S3Lock::builder("my-bucket", "nightly").client(Client::in_memory()).build()?;
    /// let guard = lock.acquire("host-17")?;
    /// guard.verify()?;
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn verify(&self) -> Result<(), LockError> {
        self.check()?;
        self.core.client.run(async {
            let _serial = self.renewing.lock().await;
            let Outcome { end, errors, .. } = self.core.look().await?;
            let sight = match end {
                Some(Sight::Hidden { .. }) | None => return Err(self.core.failed(errors)),
                Some(sight) => sight,
            };
            let now = self.core.client.clock().now();
            // What there is to learn from it, `check` tells.
            let _: Learned = lock(&self.holding).learn(&sight, now);
            Ok(())
        })?;
        self.settled()
    }

    /// Makes the lease last its full term again from now: one request.
    ///
    /// The fencing token stays. Blocks up to 2 × `request_timeout`, and never beyond the deadline;
    /// each request up to a third of the lease. Where another thread renews or verifies the same
    /// guard, it waits for that first.
    ///
    /// # Errors
    ///
    /// * [`LockError::Lost`]: too late; stop the main operation.
    /// * [`LockError::Storage`]: not renewed, or not known to be. The lock is held for as long as
    ///   [`remaining`](LockGuard::remaining) says: renew again before that.
    /// * [`LockError::Config`]: there are no credentials any more. Correct that, and renew again.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use s3_lock::{InMemoryStore, S3Lock};
    ///
    /// let store = InMemoryStore::new();
    /// let lock = S3Lock::builder("my-bucket", "nightly")
    ///     .max_operation(Duration::from_secs(60))
    ///     .client(store.client())
    ///     .build()?;
    /// let guard = lock.acquire("host-17")?;
    /// for _step in 0..10 {
    ///     store.advance(Duration::from_secs(45)); // a long step of the main operation
    ///     guard.renew()?;
    /// }
    /// assert!(guard.is_held());
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn renew(&self) -> Result<(), LockError> {
        self.check()?;
        let core = &self.core;
        let renewed = core.client.run(async {
            let _serial = self.renewing.lock().await;
            let lease = lock(&self.holding).record().lease();
            let total = 2 * core.client.request_timeout();
            let mut limits = core.limits(total.min(self.remaining()));
            limits.attempt = limits.attempt.min(lease / 3);
            let drive = core.drive(limits, core.client.clock().now());
            drive.run(Renew::default(), &self.holding).await
        });
        let Outcome { end, errors, .. } = renewed?;
        let error = match end {
            Renewed::Yes => {
                *lock(&self.last_error) = None;
                return Ok(());
            }
            Renewed::Lost => {
                self.remember(errors.any().as_ref());
                return self.settled();
            }
            Renewed::Failed => core.failed(errors),
            Renewed::Defied => core.defied(),
            Renewed::Unknown => core.unknown(errors).into(),
        };
        self.remember(Some(&error));
        // It may have taken until the deadline.
        self.settled()?;
        Err(error)
    }

    /// Keeps the error of a renewal: it may turn out to be why the lock is lost.
    fn remember(&self, error: Option<&LockError>) {
        if let Some(LockError::Storage(error)) = error {
            *lock(&self.last_error) = Some(Arc::new(error.clone()));
        }
    }

    /// [`check`](LockGuard::check), after something was learned: if it was the loss of the lock,
    /// whoever of this client waits for it has its turn.
    fn settled(&self) -> Result<(), LockError> {
        let checked = self.check();
        if lock(&self.holding).is_gone() {
            self.core.local.leave(&self.holding);
        }
        checked
    }

    /// Gives the lock back and says how that went, which Drop can only log.
    ///
    /// Blocks up to 2 × `request_timeout`.
    ///
    /// # Errors
    ///
    /// * [`LockError::Lost`]: the lock was no longer held when it was given back. What the main
    ///   operation did meanwhile may have met somebody else's work.
    /// * [`LockError::Storage`]: the lock may stay held until its lease has run out.
    /// * [`LockError::Config`]: the same, as there are no credentials any more.
    ///
    /// # Examples
    ///
    /// ```
    /// # use s3_lock::{Client, S3Lock};
    /// # let lock = S3Lock::builder("my-bucket", "nightly").client(Client::in_memory()).build()?;
    /// let guard = lock.acquire("host-17")?;
    /// guard.release()?;
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn release(self) -> Result<(), LockError> {
        if self.is_inherited() {
            return self.check();
        }
        let core = self.core.clone();
        core.client.run(self.give_back())
    }

    /// Keeps the lock without a guard, and does not release it: the lease ends it, or
    /// [`S3Lock::release`](crate::S3Lock::release) by owner name, here or in another process. No
    /// I/O.
    ///
    /// # Examples
    ///
    /// ```
    /// # use s3_lock::{Client, S3Lock};
    /// # let lock = S3Lock::builder("my-bucket", "nightly").client(Client::in_memory()).build()?;
    /// let info = lock.acquire("deploy-4711")?.detach();
    /// println!("kept until released: {info}");
    /// assert!(lock.release("deploy-4711")?);
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn detach(mut self) -> LockInfo {
        self.done = true;
        self.info()
    }

    /// [`release`](LockGuard::release), for whoever is on the client's runtime already.
    pub(crate) async fn give_back(mut self) -> Result<(), LockError> {
        self.done = true;
        self.settle().await
    }

    /// The one way that a lock is given back.
    async fn settle(&self) -> Result<(), LockError> {
        let core = &self.core;
        let limits = core.limits(2 * core.client.request_timeout());
        let drive = core.drive(limits, core.client.clock().now());
        let Outcome { end, errors, .. } = drive.run(Release::default(), &self.holding).await?;
        match end {
            Released::Yes(stored) => {
                if let Some(stored) = stored {
                    core.local.knowledge().note_released(stored);
                }
                Ok(())
            }
            Released::Lost => self.check(),
            Released::Failed => Err(core.failed(errors)),
            Released::Defied => Err(core.defied()),
            Released::Unknown => Err(core
                .unknown(errors)
                .with_hint("its lease ends it at the latest")
                .into()),
        }
    }

    /// Whether this is a forked child's copy of its parent's guard, which is none of its business.
    /// Asked before any mutex is touched: it may be locked there for ever.
    fn is_inherited(&self) -> bool {
        std::process::id() != self.process
    }

    fn cause(&self, loss: Loss) -> LostCause {
        match loss {
            Loss::Expired => LostCause::Expired {
                last_error: lock(&self.last_error).clone(),
            },
            Loss::TakenOver(seen) => {
                let info = self.core.describe(&seen);
                LostCause::TakenOver(Box::new(info))
            }
            Loss::Vanished => LostCause::Vanished,
            Loss::Broken => LostCause::Broken,
        }
    }
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        if self.is_inherited() {
            return;
        }
        if !self.done {
            if let Err(error) = self.core.client.run(self.settle()) {
                log::warn!(
                    "{} is not known to be given back: {error}",
                    self.core.location.key
                );
            }
        }
        self.core.local.leave(&self.holding);
    }
}

impl fmt::Debug for LockGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockGuard")
            .field("key", &self.core.location.key)
            .field("owner", &self.owner())
            .field("fencing_token", &self.fencing_token())
            .field("remaining", &self.remaining())
            .finish_non_exhaustive()
    }
}
