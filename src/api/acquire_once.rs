//! Acquiring a lock for work that is to be completed once.

use std::time::Duration;

use crate::api::guard::LockGuard;
use crate::api::lock::S3Lock;
use crate::engine::acquire::Wait;
use crate::types::errors::LockError;
use crate::types::names::check_label;

impl S3Lock {
    /// Takes the lock for work that is to be completed once, and that `label` names. If the work is done, there is
    /// nothing to acquire: [`LockError::AlreadyDone`].
    ///
    /// Work is done once a guard that was acquired for its label has called [`LockGuard::complete`]. A guard that is
    /// dropped or released, or that loses the lock, marks nothing: then the next caller does the work. So at most one
    /// run is *completed* for each label. A run that ends between its last effect and `complete` is made again. If
    /// that matters, let what the work changes refuse smaller [fencing tokens](LockGuard::fencing_token), or
    /// let the work find out what is there already.
    ///
    /// A call that waits stops waiting once its label is done: at its next look, and at once if a guard of the same
    /// client has done it. That label is done is learned whether the lock is free or held. No clock is involved.
    ///
    /// `label` is any text of 1 to 128 bytes without control characters. Labels belong to one lock. Its object keeps
    /// the last 16: **the seventeenth that is done makes the lock forget the first, which would run again.** So use
    /// labels that nobody asks for any more by then, such as dates. Whoever deletes the object makes the lock forget
    /// them all (and must [stop all participants first](crate::operations#the-bucket)). To do work again, use another
    /// label for it.
    ///
    /// Otherwise it is as [`acquire`](S3Lock::acquire), which also tells how long it blocks and what it sends. If
    /// this client knows that the label is done, from any earlier reply, it sends no request. Guards for labels
    /// and others exclude each other: there is one lock.
    ///
    /// # Errors
    ///
    /// * [`LockError::AlreadyDone`]: there is nothing to do. It says who completed the work, and when that run began.
    /// * [`LockError::Config`] that names `label`: give it 1 to 128 bytes without control characters.
    /// * All others as for [`acquire`](S3Lock::acquire).
    ///
    /// # Examples
    ///
    /// Ten hosts start this from their crontabs each night. One completes it; the others skip, at once or when that
    /// one is done. If its run fails, another host makes it.
    ///
    /// ```
    /// use s3_lock::{Client, LockError, S3Lock, default_owner};
    ///
    /// fn nightly(lock: &S3Lock, today: &str) -> Result<(), Box<dyn std::error::Error>> {
    ///     let guard = match lock.acquire_once(default_owner(), today) {
    ///         Ok(guard) => guard,
    ///         Err(skipped @ LockError::AlreadyDone { .. }) => {
    ///             println!("{skipped}");
    ///             return Ok(());
    ///         }
    ///         Err(error) => return Err(error.into()),
    ///     };
    ///     // ... the report; if it fails, `?` drops the guard, and nothing is marked ...
    ///     guard.complete()?;
    ///     Ok(())
    /// }
    ///
    /// let lock = S3Lock::builder("my-bucket", "nightly-report").client(Client::in_memory()).build()?;
    /// for _host in 0..10 {
    ///     nightly(&lock, "2026-11-30")?;
    /// }
    /// # let again = lock.try_acquire_once("host-17", "2026-11-30");
    /// # assert!(matches!(again, Err(LockError::AlreadyDone { .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn acquire_once(
        &self,
        owner: impl AsRef<str>,
        label: impl AsRef<str>,
    ) -> Result<LockGuard, LockError> {
        self.once(owner.as_ref(), label.as_ref(), Wait::AsSet)
    }

    /// Takes the lock for work that is to be completed once, waiting for it no longer than `limit`. It is as
    /// [`acquire_once`](S3Lock::acquire_once), with the limit of [`acquire_within`](S3Lock::acquire_within).
    ///
    /// # Errors
    ///
    /// As for [`acquire_once`](S3Lock::acquire_once).
    ///
    /// # Examples
    ///
    /// ```
    /// # use s3_lock::{Client, S3Lock};
    /// use std::time::Duration;
    /// use s3_lock::LockError;
    ///
    /// # let lock = S3Lock::builder("my-bucket", "nightly").client(Client::in_memory()).build()?;
    /// let guard = lock.acquire_once("host-17", "2026-11-30")?;
    /// match lock.acquire_once_within("host-18", "2026-11-30", Duration::from_millis(50)) {
    ///     Err(LockError::TimedOut { holder: Some(holder), .. }) => println!("still at work: {holder}"),
    ///     other => panic!("{other:?}"),
    /// }
    /// guard.complete()?;
    /// match lock.acquire_once_within("host-18", "2026-11-30", Duration::from_millis(50)) {
    ///     Err(LockError::AlreadyDone { owner, .. }) => assert_eq!(owner, "host-17"),
    ///     other => panic!("{other:?}"),
    /// }
    /// # Ok::<(), LockError>(())
    /// ```
    pub fn acquire_once_within(
        &self,
        owner: impl AsRef<str>,
        label: impl AsRef<str>,
        limit: Duration,
    ) -> Result<LockGuard, LockError> {
        self.once(owner.as_ref(), label.as_ref(), Wait::Within(limit))
    }

    /// Takes the lock for work that is to be completed once, if it is free, in one attempt. It is as
    /// [`acquire_once`](S3Lock::acquire_once), and as [`try_acquire`](S3Lock::try_acquire) never sleeps and does not
    /// queue.
    ///
    /// # Errors
    ///
    /// * [`LockError::Held`]: another owner has the lock, for this label or for something else. Try later, or
    ///   wait with [`acquire_once`](S3Lock::acquire_once).
    /// * All others as for [`acquire_once`](S3Lock::acquire_once). A label that is done is
    ///   [`AlreadyDone`](LockError::AlreadyDone), held or not.
    ///
    /// # Examples
    ///
    /// ```
    /// # use s3_lock::{Client, S3Lock};
    /// use s3_lock::LockError;
    ///
    /// # let lock = S3Lock::builder("my-bucket", "nightly").client(Client::in_memory()).build()?;
    /// match lock.try_acquire_once("host-17", "2026-11-30") {
    ///     Ok(guard) => guard.complete()?,
    ///     Err(LockError::AlreadyDone { .. }) => println!("done"),
    ///     Err(LockError::Held(holder)) => println!("under way: {holder}"),
    ///     Err(error) => return Err(error),
    /// }
    /// # Ok::<(), LockError>(())
    /// ```
    pub fn try_acquire_once(
        &self,
        owner: impl AsRef<str>,
        label: impl AsRef<str>,
    ) -> Result<LockGuard, LockError> {
        self.once(owner.as_ref(), label.as_ref(), Wait::No)
    }

    fn once(&self, owner: &str, label: &str, wait: Wait) -> Result<LockGuard, LockError> {
        check_label(label)?;
        let context = self.context_for(owner)?;
        let acquired = context.acquire(owner, Some(label), wait);
        Ok(LockGuard::new(context.session.run(acquired)?))
    }
}
