//! Acquiring a lock.

use std::time::Duration;

use crate::api::guard::LockGuard;
use crate::api::lock::S3Lock;
use crate::engine::acquire::Wait;
use crate::types::errors::LockError;

impl S3Lock {
    /// Takes the lock, waiting for it if somebody else has it.
    ///
    /// `owner` is for people and for [`release`](S3Lock::release): up to 512 bytes of any text
    /// without control characters.
    ///
    /// Blocks up to the [`wait_limit`](S3LockBuilder::wait_limit), and 2 × `request_timeout` more
    /// if an attempt has then to be undone. Uncontended it sends one request if this client
    /// released the lock last, else two. A client with an endpoint of its own checks the store before
    /// its first acquire in a bucket ([`check_store`](S3Lock::check_store)), which counts within the
    /// limit.
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
    /// * [`LockError::UnsafeStore`]: the store would break the lock. Keep locks elsewhere.
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
        let context = self.context()?;
        let won = context
            .session
            .run(context.acquire(owner.as_ref(), Wait::AsSet))?;
        Ok(LockGuard::new(won))
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
        let context = self.context()?;
        let won = context
            .session
            .run(context.acquire(owner.as_ref(), Wait::Within(limit)))?;
        Ok(LockGuard::new(won))
    }

    /// Takes the lock if it is free, in one attempt that never sleeps and does not queue.
    ///
    /// Blocks for a request or two; while the store does not answer, for up to 4 ×
    /// `request_timeout`, and 2 × more if an attempt has then to be undone. If a guard of the same
    /// client holds the lock, no request is sent.
    ///
    /// The first time at an endpoint of its own, the client [checks the store](S3Lock::check_store)
    /// before that, or waits for another thread that does: that may sleep, and takes up to 6 ×
    /// `request_timeout` more.
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
        let context = self.context()?;
        let won = context
            .session
            .run(context.acquire(owner.as_ref(), Wait::No))?;
        Ok(LockGuard::new(won))
    }
}
