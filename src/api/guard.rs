//! The guard: the lock is held until the guard is dropped, the lock is lost, or its lease runs out.

use std::sync::Arc;
use std::time::Duration;
use std::{fmt, mem};

use crate::engine::acquire::Won;
use crate::engine::held_lock::HeldLock;
use crate::engine::loss_callbacks;
use crate::engine::registry::Entry;
use crate::protocol::Ending;
use crate::sys::foreign_code::contain;
use crate::sys::logs;
use crate::types::errors::{ConfigError, LockError, LostCause};
use crate::types::info::{FencingToken, LockInfo};
use crate::types::renewal_trouble::RenewalTrouble;

/// A lock that is held. Dropping the guard releases it.
///
/// The lock is held until the guard is dropped or the lease has run out, whichever comes first. If the main
/// operation may take longer than `max_operation`, [`renew`](LockGuard::renew) the lock in time. If its
/// effects matter, [`check`](LockGuard::check) before each of them, and pass the
/// [`fencing_token`](LockGuard::fencing_token) to what it changes.
///
/// A guard owns what it needs: it can be stored, returned, and sent to other threads.
///
/// # Dropping
///
/// Drop sends the release and blocks for the reply, for up to 2 × `request_timeout`. Like
/// [`release`](LockGuard::release) it may hand the lock over to a waiting thread. It never panics. If
/// the release fails, it logs a warning, and the lease ends the holding. A panic that unwinds also releases
/// the lock; there is no poisoning. `std::process::exit`, signals, `std::mem::forget` and statics skip
/// Drop: then, too, the lease ends the holding.
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
#[must_use = "if unused, the lock is given back at once: bind it, as in `let _guard = ...`; `let _ = ...` \
              gives it back as well"]
#[clippy::has_significant_drop]
pub struct LockGuard {
    held: Arc<HeldLock>,
    /// Stops this process from reclaiming the lock from this guard.
    _entry: Option<Entry>,
    /// The lock was released, or is kept without a guard.
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

    /// The lock that this guard holds. A forked child's copy of its parent's guard holds nothing.
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

    /// The token of this holding. It is larger than the token of every earlier holding, and smaller than that
    /// of every later one. No I/O.
    ///
    /// A resource that remembers the largest token it has seen, and refuses smaller ones, is safe even from a
    /// holder that was paused beyond its lease and does not know it.
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

    /// What others see of this holding, with the rest of its lease. No I/O.
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

    /// How much of the lease is left; zero once the lock is lost. It is counted by this machine's own clock,
    /// which keeps running while the machine is suspended. No I/O.
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

    /// Whether the lock is still held, as far as this client knows: it is not lost, and its lease has not run
    /// out. To stop the main operation if it is not, [`check`](LockGuard::check) is shorter.
    ///
    /// No I/O. It takes 35 ns (Linux, release build), or 0.2 µs where it needs a system call to find out whether
    /// this process [was forked](crate#forking).
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

    /// Fails once the lease has run out or the lock is known to be lost, and keeps failing. Call it before each
    /// effect that must not happen twice. No I/O.
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

    /// Asks the store whether the lock is still held. One request; blocks for up to `request_timeout` and at
    /// most a third of the lease.
    ///
    /// Threads that ask while another thread's request is under way share the next request, which is sent after
    /// they have all asked. No renewal waits for it.
    ///
    /// It notices more than [`check`](LockGuard::check): that the lock was taken away before its time. Anything
    /// may happen between its reply and your next line; only the fencing token protects you from that.
    ///
    /// # Errors
    ///
    /// * [`LockError::Lost`]: stop the main operation.
    /// * [`LockError::Storage`]: nothing was learned. The lock is held for as long as
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

    /// Restarts the lease: from now it lasts its full term again. One request. The fencing token stays.
    ///
    /// Blocks for up to 2 × `request_timeout`, and never beyond the deadline; each request takes at most a third
    /// of the lease. Threads that ask while the guard is being renewed share the next renewal, and wait for it
    /// within that time. [Credentials that have to be looked up first](crate#how-long-a-call-can-block) come on
    /// top, within the deadline.
    ///
    /// # Errors
    ///
    /// * [`LockError::Lost`]: it is too late. Stop the main operation.
    /// * [`LockError::Storage`]: it was not renewed, or that is not known. The lock is held for as long as
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

    /// Renews the lock in the background from now on, until the guard is dropped, released or detached, or the
    /// lock is lost. This call does no I/O.
    ///
    /// One thread of the client renews all its guards, each on its own: when a third of the lease has passed,
    /// give or take a tenth of that. A renewal waits for no verification, and for another thread's renewal
    /// only to share the next one. If it fails, it is logged as a warning and repeated, with growing pauses,
    /// until the deadline. That is no loss: the lock is held until the deadline. So still
    /// [`check`](LockGuard::check) before each effect, or register a callback
    /// ([`on_lost`](LockGuard::on_lost)).
    ///
    /// A release stops a renewal under way, and recognises it if it has landed all the same. None lands after
    /// the release.
    ///
    /// A main operation that hangs keeps the lock for as long as it hangs. A forgotten guard
    /// (`std::mem::forget`) keeps it for as long as the process lives.
    /// [`max_hold`](crate::S3LockBuilder::max_hold) limits both.
    ///
    /// [`S3LockBuilder::keep_alive`](crate::S3LockBuilder::keep_alive) does this for every guard of a lock. A
    /// second call makes no difference.
    ///
    /// # Errors
    ///
    /// * [`LockError::Lost`]: it is too late. Stop the main operation.
    /// * [`LockError::Storage`]: this machine could not start a thread. The lock is held for as long as
    ///   [`remaining`](LockGuard::remaining) says: free resources and call again, or
    ///   [`renew`](LockGuard::renew) from your own thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use s3_lock::{Client, S3Lock};
    ///
    /// let lock = S3Lock::builder("my-bucket", "nightly")
    ///     .max_operation(Duration::from_secs(1)) // after a crash others wait at least so long
    ///     .acquire_allowance(Duration::from_secs(1))
    ///     .client(Client::in_memory())
    ///     .build()?;
    /// let guard = lock.acquire("host-17")?;
    /// guard.keep_alive()?;
    /// std::thread::sleep(Duration::from_secs(3)); // the main operation may take far longer
    /// guard.check()?;
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn keep_alive(&self) -> Result<(), LockError> {
        self.held().map_err(LockError::Lost)?.keep_alive()
    }

    /// Calls `callback` once, with the cause, when the lock is lost: within 100 ms of the deadline (a second, if
    /// the machine was suspended), or as soon as anything of this client learns of the loss. If the lock is lost
    /// already, it calls it at once. This call does no I/O.
    ///
    /// The callback runs on its own thread, and may block and call the client. You may register several; each is
    /// called. None is called if the guard is dropped, released or detached while the lock is held. If no thread
    /// can be started for it, the background thread logs that and tries again until one can; a call that met the
    /// loss runs the callback itself.
    ///
    /// Others can take the lock only `clock_margin` (2 s by default) after the deadline. You have that much time
    /// to stop the main operation, if this machine is not suspended meanwhile.
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

    /// Calls `callback` when the lock cannot be renewed in the background
    /// ([`keep_alive`](LockGuard::keep_alive)), with the error and with how long the lock is still held. Use it to
    /// warn people, or to finish in time. This call does no I/O.
    ///
    /// Each time that renewals begin to fail, the first failure calls it once; if they are failing already, it is
    /// called at once. It runs on its own thread, and may block and call the client. It never runs twice at
    /// once; if it was slow, it gets the latest trouble next. You may register several. If it panics, nothing
    /// else is harmed. It is dropped with the guard, or at its end if it runs then. If no thread can be started for
    /// it, that is logged, and tried again at the next failure.
    ///
    /// [`renew`](LockGuard::renew) returns its errors and calls nothing. For the loss itself, use
    /// [`on_lost`](LockGuard::on_lost).
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
            // A forked child renews nothing.
            Err(_) => drop(contain(|| drop(callback))),
        }
    }

    /// Releases the lock and returns the outcome, which Drop can only log. Blocks for up to
    /// 2 × `request_timeout`. [Credentials that have to be looked up first](crate#how-long-a-call-can-block) come on
    /// top, until the lease has run out.
    ///
    /// If another thread of the client waits for the lock, the same request gives the lock to that thread, with
    /// the next fencing token. So threads that take turns need one request for each turn. After 16 turns or
    /// a second in a row the lock is released for all clients. If nothing tells whether that request was
    /// carried out, the other thread finds out, and this call releases the lock by a request of its own.
    /// ([`without_queue`](crate::S3LockBuilder::without_queue) turns this off.)
    ///
    /// A release whose reply was lost, or that was refused, counts as done if two things hold: another owner
    /// acquired the lock before the deadline, and the record shows that nobody ended this holding by force, by
    /// reclaiming or by owner name. Then only this release can have freed it. (A proxy may send the release twice,
    /// and pass on the store's reply to the second copy.)
    ///
    /// # Errors
    ///
    /// * [`LockError::Lost`]: the lock was no longer held when it was released. Another owner may have worked
    ///   at the same time: check what the main operation did since.
    /// * [`LockError::Storage`]: the lock may stay held until its lease has run out. If the
    ///   [outcome is unknown](crate::StorageError::is_outcome_unknown), it may also have been released.
    /// * [`LockError::Config`]: the lock may stay held, as there are no credentials any more. Correct that.
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
        self.close(Ending::Released)
    }

    /// Releases the lock and marks the work as done that the guard was acquired for, by
    /// [`S3Lock::acquire_once`](crate::S3Lock::acquire_once) or its like. Both in one request: either the lock is
    /// released and the label marked, or neither.
    ///
    /// Call it when the work has had all its effects. No later `acquire_once` gets the lock for this label, as
    /// long as it is among the last 16 that were done. Calls that wait for this label end with
    /// [`AlreadyDone`](LockError::AlreadyDone); if a thread of the client waits for something else, the same request
    /// gives the lock to that thread, as [`release`](LockGuard::release) does. Dropping or releasing a guard
    /// marks nothing.
    ///
    /// Blocks as [`release`](LockGuard::release) does. If the reply is lost, it finds out: the mark carries this
    /// holding's fencing token, and only its own `complete` writes that. So `Ok` says that this holding has completed
    /// the label, and for each label at most one guard gets it. After the deadline `complete` is still tried once: if
    /// nobody has taken the lock since, it is done.
    ///
    /// # Errors
    ///
    /// * [`LockError::Lost`]: the lock was no longer held, and this holding has marked nothing. Another owner may
    ///   have done the work at the same time, or may do it again.
    /// * [`LockError::Storage`]: the work may be made again, and the lock may stay held until its lease has run out.
    ///   If the [outcome is unknown](crate::StorageError::is_outcome_unknown), the label may also have been marked:
    ///   acquire the lock for it again to find out.
    /// * [`LockError::Config`] that names `label`: the guard was acquired without a label. The lock is released, as by a
    ///   drop. Else as for [`release`](LockGuard::release).
    ///
    /// # Examples
    ///
    /// ```
    /// # use s3_lock::{Client, S3Lock};
    /// use s3_lock::LockError;
    ///
    /// # let lock = S3Lock::builder("my-bucket", "nightly").client(Client::in_memory()).build()?;
    /// let guard = lock.acquire_once("host-17", "2026-11-30")?;
    /// // ... the work ...
    /// guard.complete()?;
    ///
    /// match lock.acquire_once("host-18", "2026-11-30") {
    ///     Err(LockError::AlreadyDone { owner, .. }) => assert_eq!(owner, "host-17"),
    ///     other => panic!("{other:?}"),
    /// }
    /// let _guard = lock.acquire_once("host-18", "2026-12-01")?;
    /// # Ok::<(), LockError>(())
    /// ```
    pub fn complete(mut self) -> Result<(), LockError> {
        let held = self.held().map_err(LockError::Lost)?;
        if held.record.label.is_none() {
            let why = "the guard has no label to complete, so it only releases the lock; take the lock with \
                       acquire_once, or call release";
            return Err(ConfigError::new("label", why).into());
        }
        self.close(Ending::Completed)
    }

    /// Keeps the lock without a guard, and does not release it. The lease ends it, or
    /// [`S3Lock::release`](crate::S3Lock::release) by owner name does, here or in another process. No I/O:
    /// nothing is handed over to a waiting thread. A label stays in the record, and nothing marks it as done any more.
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

    /// Ends the holding so, unless that is done.
    fn close(&mut self, ending: Ending) -> Result<(), LockError> {
        let is_done = mem::replace(&mut self.is_done, true);
        let held = self.held().map_err(LockError::Lost)?;
        if is_done {
            return Ok(());
        }
        let closed = held.context.session.run(held.release(ending));
        held.notify_if_lost(&closed);
        closed
    }
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        if self.held.is_inherited() {
            // This reference is never dropped. To drop what the parent's threads used at the fork, the
            // child would have to wait for them, and they do not exist here.
            mem::forget(self.held.clone());
            return;
        }
        if let Err(error) = self.close(Ending::Released) {
            let key = self.held.key();
            logs::warn!("{key} may not have been released: {error}");
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
