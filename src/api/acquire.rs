//! Acquiring a lock.

use std::time::Duration;

use crate::api::guard::LockGuard;
use crate::api::lock::S3Lock;
use crate::engine::acquire::Wait;
use crate::types::errors::LockError;

impl S3Lock {
    /// Takes the lock. If another owner holds it, or others came first, waits for it.
    ///
    /// A call that waits takes a ticket in the lock's queue, one for all threads of its client. Clients get
    /// the lock in the order of the tickets, [with some exceptions](crate::performance_and_fairness). A call
    /// that ends without the lock gives the ticket back as a rule, unless another thread of the client still
    /// waits. (It does not if it may not read the lock, if the object is foreign, if the outcome is unknown, or
    /// if its time is up first. Then the client's next call uses the ticket, or others pass it over.) A call
    /// whose [`wait_limit`](crate::S3LockBuilder::wait_limit) is less than 1 s takes no ticket: it lets others
    /// go first.
    ///
    /// `owner` is for people and for [`release`](S3Lock::release): any text of up to 512 bytes without control
    /// characters.
    ///
    /// Blocks for up to the [`wait_limit`](crate::S3LockBuilder::wait_limit), and 2 × `request_timeout` more
    /// if it then has to undo an attempt or to give its ticket back. Without contention it sends one request
    /// if this client released the lock last, else two. Where [others seem to
    /// want it](crate#how-long-a-call-can-block), it also reads the queue. A client with a custom endpoint
    /// [checks the store](S3Lock::check_store) before its first acquire in a bucket, within the limit.
    ///
    /// It retries trouble with the store within the limit, with one exception. If no store has ever answered
    /// this client and no connection can be made, it fails at once: a wrong endpoint is likelier than an outage.
    ///
    /// A thread that has the lock and acquires it again waits like any other caller: until its own first lease
    /// has run out, or its limit is up.
    ///
    /// # Errors
    ///
    /// * [`LockError::TimedOut`]: another owner still has it, others come first, or the limit was too short
    ///   for a request. Wait longer, or ask the holder that it names. It says how many come first.
    /// * [`LockError::Cancelled`]: the lock's [`WaitHandle`](crate::WaitHandle) was cancelled. To wait again, build
    ///   the lock with a new one.
    /// * [`LockError::TooSlow`]: raise `acquire_allowance`, or find out why the store is slow.
    /// * [`LockError::Storage`]: do as its message advises. If the outcome is unknown, the lock may be held in
    ///   this owner's name until the lease has run out.
    /// * [`LockError::UnsafeStore`]: the store would break the lock. Keep locks in another one.
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
        let owner = owner.as_ref();
        let context = self.context_for(owner)?;
        let won = context
            .session
            .run(context.acquire(owner, None, Wait::AsSet))?;
        Ok(LockGuard::new(won))
    }

    /// Takes the lock, waiting for it no longer than `limit`.
    ///
    /// Blocks for up to `limit`, requests included, and 2 × `request_timeout` more if it then has to undo an
    /// attempt or to give its ticket back. A limit shorter than a request cannot succeed: use
    /// [`try_acquire`](S3Lock::try_acquire). A call with a limit of less than 1 s takes no ticket: it lets
    /// others go first. With [`Duration::MAX`] it waits for ever: a [`WaitHandle`](crate::WaitHandle) can end it. A
    /// longer limit may end while the lock is free, if others come first and are dead
    /// or slow: they are given 4 s as a rule, and never more than 23 s.
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
        let owner = owner.as_ref();
        let context = self.context_for(owner)?;
        let won = context
            .session
            .run(context.acquire(owner, None, Wait::Within(limit)))?;
        Ok(LockGuard::new(won))
    }

    /// Takes the lock if it is free, in one attempt. It never sleeps and does not queue: it takes a free lock
    /// even if others wait for it.
    ///
    /// Blocks for a request or two. While the store does not answer, it blocks for up to 4 × `request_timeout`,
    /// and 2 × more if it then has to undo an attempt. If a guard of the same client holds the lock, it sends
    /// no request.
    ///
    /// At a custom endpoint the client first [checks the store](S3Lock::check_store), once, or waits for
    /// another thread that does. That may sleep, and takes up to 6 × `request_timeout` more.
    /// [Credentials that have to be looked up first](crate#how-long-a-call-can-block) come on top.
    ///
    /// # Errors
    ///
    /// * [`LockError::Cancelled`]: the lock's [`WaitHandle`](crate::WaitHandle) was cancelled, before the call or
    ///   during it.
    /// * [`LockError::Held`]: another owner has it. Try later, or wait with [`acquire`](S3Lock::acquire).
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
        let owner = owner.as_ref();
        let context = self.context_for(owner)?;
        let won = context
            .session
            .run(context.acquire(owner, None, Wait::No))?;
        Ok(LockGuard::new(won))
    }
}
