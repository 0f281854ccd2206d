//! The guard: proof that the lock is held, until dropped, lost or out of time.

use std::sync::Arc;
use std::time::Duration;
use std::{fmt, mem};

use crate::engine::acquire::Won;
use crate::engine::held_lock::HeldLock;
use crate::engine::loss_callbacks;
use crate::engine::registry::Entry;
use crate::sys::foreign_code::contain;
use crate::sys::logs;
use crate::types::errors::{LockError, LostCause};
use crate::types::info::{FencingToken, LockInfo};
use crate::types::renewal_trouble::RenewalTrouble;

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
    held: Arc<HeldLock>,
    /// Keeps this process from reclaiming the lock from this guard.
    _entry: Option<Entry>,
    /// Whether the lock was given back, or is to be kept without a guard.
    is_done: bool,
}

impl LockGuard {
    pub(crate) fn new(won: Won) -> LockGuard {
        LockGuard {
            held: won.held,
            _entry: won.entry,
            is_done: false,
        }
    }

    /// What is held, unless this is a forked child's copy of its parent's guard: that holds nothing.
    fn held(&self) -> Result<&Arc<HeldLock>, LostCause> {
        if self.held.is_inherited() {
            Err(LostCause::Vanished)
        } else {
            Ok(&self.held)
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
        &self.held.record.owner
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
        FencingToken::new(self.held.record.fencing_token)
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
        let held = &self.held;
        held.context.info(held.record.clone(), self.remaining())
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
        self.held().map_or(Duration::ZERO, |held| held.remaining())
    }

    /// Whether the lock is still held, as far as is known here: not lost, and the lease not run
    /// out. No I/O: it takes 35 ns (Linux, release build), and 0.2 µs where a system call has to tell
    /// whether this process [was forked](crate#forking). To stop when it is not,
    /// [`check`](LockGuard::check) is shorter.
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
        let held = self.held().map_err(LockError::Lost)?;
        let checked = held.check();
        held.notify_if_lost(&checked);
        checked
    }

    /// Asks the store whether the lock is still held: one request, up to `request_timeout` and a third
    /// of the lease.
    ///
    /// Threads that ask while another's request is under way share the next one, which is sent after
    /// they have all asked. No renewal waits for it.
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
        let held = &self.held;
        let verified = held.context.session.run(held.verify());
        held.notify_if_lost(&verified);
        verified
    }

    /// Makes the lease last its full term again from now: one request.
    ///
    /// The fencing token stays. Blocks up to 2 × `request_timeout`, and never beyond the deadline;
    /// each request up to a third of the lease. Threads that ask while the guard is being renewed share the
    /// next renewal, and wait for it within that time.
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
        let held = &self.held;
        let session = &held.context.session;
        let renewed = session.run(held.renew(2 * session.request_timeout()));
        held.notify_if_lost(&renewed);
        renewed
    }

    /// Renews the lock in the background from now on, until the guard is dropped, released or
    /// detached, or the lock is lost. No I/O here: the first renewal comes when a third of the lease
    /// has passed.
    ///
    /// One thread of the client renews all its guards, each on its own: when a third of the lease
    /// has passed, give or take a tenth of that; a renewal that fails is repeated until the
    /// deadline. A failed renewal is logged as a warning and is no loss; the deadline is. So still
    /// [`check`](LockGuard::check) before each effect, or ask to be told
    /// ([`on_lost`](LockGuard::on_lost)). No renewal lands after the release.
    ///
    /// A main operation that hangs keeps the lock for as long as it hangs, and a guard that is
    /// forgotten (`std::mem::forget`) for as long as the process lives:
    /// [`max_hold`](crate::S3LockBuilder::max_hold) sets an end to that.
    /// [`S3LockBuilder::keep_alive`](crate::S3LockBuilder::keep_alive) asks the same for every guard
    /// of a lock. To ask twice makes no difference.
    ///
    /// # Errors
    ///
    /// * [`LockError::Lost`]: too late; stop the main operation.
    /// * [`LockError::Storage`]: this machine could not start a thread. The lock is held for as long
    ///   as [`remaining`](LockGuard::remaining) says: free resources and ask again, or
    ///   [`renew`](LockGuard::renew) from your own thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use s3_lock::{Client, S3Lock};
    ///
    /// let lock = S3Lock::builder("my-bucket", "nightly")
    ///     .max_operation(Duration::from_millis(200)) // so long after a crash it is free again
    ///     .acquire_allowance(Duration::from_millis(100))
    ///     .client(Client::in_memory())
    ///     .build()?;
    /// let guard = lock.acquire("host-17")?;
    /// guard.keep_alive()?;
    /// std::thread::sleep(Duration::from_millis(700)); // the main operation may take far longer
    /// guard.check()?;
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn keep_alive(&self) -> Result<(), LockError> {
        self.held().map_err(LockError::Lost)?.keep_alive()
    }

    /// Has `callback` called once when the lock is lost, with the cause: within 100 ms of the
    /// deadline (a second, where the machine was suspended), or as soon as anything of this client
    /// learns of it. No I/O.
    ///
    /// It runs on a thread of its own, and may block and call the client. Several may be set; each
    /// is called. If the lock is lost already, it is called at once. If the guard is dropped,
    /// released or detached while the lock is held, it never is. Should no thread be had for it, that
    /// is logged, and tried again until one is.
    ///
    /// Others can take the lock only `clock_margin` after the deadline (2 s by default): so much time
    /// there is to stop the main operation, if this machine is not suspended meanwhile.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use std::time::Duration;
    /// use s3_lock::{InMemoryStore, S3Lock};
    ///
    /// let store = InMemoryStore::new();
    /// let lock = S3Lock::builder("my-bucket", "nightly").client(store.client()).build()?;
    /// let guard = lock.acquire("host-17")?;
    /// let (stop, stopped) = mpsc::channel();
    /// guard.on_lost(move |cause| {
    ///     eprintln!("{cause}"); // the lock is lost: its lease ran out; stop the main operation ...
    ///     let _ = stop.send(());
    /// });
    /// store.advance(Duration::from_secs(3600)); // the main operation takes too long
    /// stopped.recv().unwrap();
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn on_lost(&self, callback: impl FnOnce(&LostCause) + Send + 'static) {
        match self.held() {
            Ok(held) => held.on_lost(Box::new(callback)),
            Err(cause) => loss_callbacks::call_at_once(Box::new(callback), &cause),
        }
    }

    /// Has `callback` called when the lock cannot be renewed in the background
    /// ([`keep_alive`](LockGuard::keep_alive)), with the error and with how long the lock is still held:
    /// to warn somebody, or to come to an end in time. No I/O.
    ///
    /// It is called once for each time that renewals begin to fail, at the first that does; if they are
    /// failing already, at once. It runs on a thread of its own, and may block and call the client; it
    /// never runs twice at once, and is told the latest trouble when it was slow. Several may be set.
    /// If it panics, nothing else is harmed. It is dropped with the guard, or when it has ended if it
    /// runs then. Should no thread be had for it, that is logged, and tried again at the next failure.
    ///
    /// [`renew`](LockGuard::renew) returns its errors and calls nobody. A loss is told to those who ask
    /// for that ([`on_lost`](LockGuard::on_lost)).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use s3_lock::S3Lock;
    ///
    /// let lock = S3Lock::new("my-bucket", "locks", "nightly-report", Duration::from_secs(120))?;
    /// let guard = lock.acquire("host-17")?;
    /// guard.on_trouble(|trouble| {
    ///     eprintln!("{}; the lock is held for {:?} more", trouble.error(), trouble.remaining());
    /// });
    /// guard.keep_alive()?;
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn on_trouble(&self, callback: impl FnMut(&RenewalTrouble) + Send + 'static) {
        match self.held() {
            Ok(held) => held.on_trouble(Box::new(callback)),
            // Nothing is renewed here.
            Err(_) => drop(contain(|| drop(callback))),
        }
    }

    /// Gives the lock back and says how that went, which Drop can only log.
    ///
    /// Blocks up to 2 × `request_timeout`.
    ///
    /// A release whose answer was lost, or that was refused, counts as done where another is found to
    /// have acquired the lock before the deadline and the record shows that nobody ended this holding
    /// by force, by reclaiming or by owner name: the other could not have it otherwise. (A proxy
    /// may send the release twice, and pass on what the store says to the second copy.)
    ///
    /// # Errors
    ///
    /// * [`LockError::Lost`]: the lock was no longer held when it was given back. What the main
    ///   operation did meanwhile may have met somebody else's work.
    /// * [`LockError::Storage`]: the lock may stay held until its lease has run out. If the
    ///   [outcome is unknown](crate::StorageError::is_outcome_unknown), it may also have been given
    ///   back.
    /// * [`LockError::Config`]: the lock may stay held, as there are no credentials any more.
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
    pub fn release(mut self) -> Result<(), LockError> {
        self.close()
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
        self.is_done = true;
        self.info()
    }

    /// Gives the lock back, if that is not done.
    fn close(&mut self) -> Result<(), LockError> {
        let is_done = mem::replace(&mut self.is_done, true);
        let held = self.held().map_err(LockError::Lost)?;
        if is_done {
            return Ok(());
        }
        let closed = held.context.session.run(held.close());
        held.notify_if_lost(&closed);
        closed
    }
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        if self.held.is_inherited() {
            // A reference that is never given back: to take apart what the parent's threads were
            // using when it forked, one would have to wait for them, and they are not here.
            mem::forget(self.held.clone());
            return;
        }
        if let Err(error) = self.close() {
            let key = self.held.key();
            logs::warn!("{key} is not known to be given back: {error}");
        }
        self.held.end();
    }
}

impl fmt::Debug for LockGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockGuard")
            .field("key", &self.held.key())
            .field("owner", &self.owner())
            .field("fencing_token", &self.fencing_token())
            .field("remaining", &self.remaining())
            .finish_non_exhaustive()
    }
}
