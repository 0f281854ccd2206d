//! One named lock: taking it, looking at it, releasing it by name.

use std::fmt;
use std::sync::Arc;

use crate::api::client::Client;
use crate::engine::lock_context::{LockContext, Settings};
use crate::engine::session::Session;
use crate::protocol::{Free, Location, Loss};
use crate::types::errors::{ConfigError, LockError};
use crate::types::info::{LockInfo, LockStatus};
use crate::types::names::check_owner;

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
    pub(crate) client: Client,
    /// What it is in the process that built it.
    context: Arc<LockContext>,
}

impl S3Lock {
    pub(crate) fn from_parts(
        client: Client,
        session: Session,
        location: Location,
        settings: Settings,
    ) -> S3Lock {
        S3Lock {
            client,
            context: Arc::new(LockContext::new(session, location, settings)),
        }
    }

    /// What it is in this process.
    pub(crate) fn context(&self) -> Result<Arc<LockContext>, ConfigError> {
        let context = &self.context;
        if !context.session.is_inherited() {
            return Ok(context.clone());
        }
        let (location, settings) = (context.location.clone(), context.settings.clone());
        let session = self.client.session()?;
        Ok(Arc::new(LockContext::new(session, location, settings)))
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
        let context = self.context()?;
        context.session.run(context.status())
    }

    /// Releases the lock if `owner` holds it: for code that acquires in one place or process and
    /// releases in another. Two requests, or one if there is nothing to release. Says whether this call released it.
    ///
    /// A lock that is free, or held under another name, is left as it is. Where two participants
    /// use the same owner name, each can release the other's lock: make them unique. A guard that
    /// had the lock is lost by it: one of the same client at once, any other when it next asks the
    /// store ([`LockGuard::verify`], [`LockGuard::renew`]).
    ///
    /// Blocks up to 2 × `request_timeout`. A client at an endpoint of its own that has not asked yet
    /// [checks the store](S3Lock::check_store) before that, once for each bucket, which takes up to 6 ×
    /// `request_timeout` more and its permissions.
    ///
    /// # Errors
    ///
    /// [`LockError::Storage`], [`LockError::UnsafeStore`], [`LockError::Foreign`] and
    /// [`LockError::Config`], as for [`acquire`](S3Lock::acquire). If the outcome is unknown, look with
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
        let free = Free::by_name(owner.as_ref().to_owned());
        let context = self.context()?;
        context.session.run(context.free(free, Loss::Vanished))
    }

    /// Breaks a lock that somebody else holds, for an operator who knows better: the holder is dead
    /// or stuck, and there is no time to wait for its lease to run out. Two requests.
    ///
    /// It ends exactly the holding that `seen` describes, by owner and fencing token, whether that
    /// was renewed in between or has expired, and no other. `seen` comes from
    /// [`status`](S3Lock::status), [`Client::list`], or an error that names the holder.
    /// `Ok(true)`: this call ended it. `Ok(false)`: it was over already. The next holding's fencing
    /// token is larger, as always.
    ///
    /// **This ends the exclusion: whoever acquires the lock next is not alone until the old holder
    /// asks the store ([`LockGuard::verify`], [`LockGuard::renew`]) or its deadline passes.**
    /// [`LockGuard::check`] and [`LockGuard::is_held`] send nothing, and know nothing of it before.
    /// So make sure first that the old holder has stopped, or that what it writes to refuses smaller
    /// fencing tokens. It then learns [`LostCause::Broken`](crate::LostCause::Broken); a guard of
    /// this same client learns it at once.
    ///
    /// Blocks up to 2 × `request_timeout`. A client at an endpoint of its own that has not asked yet
    /// [checks the store](S3Lock::check_store) before that, once for each bucket, which takes up to 6 ×
    /// `request_timeout` more and its permissions.
    ///
    /// # Errors
    ///
    /// * [`LockError::Config`] that names `seen`: it describes another lock; nothing was sent. Call
    ///   this on the lock that it describes. All others as for [`acquire`](S3Lock::acquire).
    /// * [`LockError::Storage`]: as its message advises. If the outcome is unknown, look with
    ///   [`status`](S3Lock::status), or call again with the same `seen`.
    /// * [`LockError::Foreign`]: there is no lock to break.
    ///
    /// # Examples
    ///
    /// ```
    /// use s3_lock::{InMemoryStore, LockError, LockStatus, LostCause, S3Lock};
    ///
    /// let store = InMemoryStore::new();
    /// let lock_of = |client| S3Lock::builder("my-bucket", "nightly").client(client).build();
    /// let stuck = lock_of(store.client())?.acquire("host-17")?;
    ///
    /// // The operator, elsewhere: looks, makes sure that it is stuck, and breaks what was seen.
    /// let lock = lock_of(store.client())?;
    /// if let LockStatus::Held(seen) = lock.status()? {
    ///     println!("breaking: {seen}");
    ///     assert!(lock.force_release(&seen)?);
    /// }
    /// let next = lock.try_acquire("host-18")?;
    /// assert!(next.fencing_token() > stuck.fencing_token());
    ///
    /// assert!(stuck.is_held()); // it does not know yet ...
    /// match stuck.verify() {
    ///     Err(LockError::Lost(LostCause::Broken)) => {} // ... until it asks
    ///     other => panic!("{other:?}"),
    /// }
    /// # Ok::<(), LockError>(())
    /// ```
    pub fn force_release(&self, seen: &LockInfo) -> Result<bool, LockError> {
        let context = self.context()?;
        if *seen.location() != context.location {
            let (there, here) = (seen.location(), &context.location);
            let reason = format!(
                "it is of bucket {}, and this lock is {} of bucket {}",
                there.bucket, here.key, here.bucket
            );
            return Err(ConfigError::invalid("seen", &there.key, &reason).into());
        }
        let free = Free::by_force(seen.owner().to_owned(), seen.fencing_token().get());
        context.session.run(context.free(free, Loss::Broken))
    }
}

impl fmt::Debug for S3Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Lock")
            .field("bucket", &self.context.location.bucket)
            .field("key", &self.context.location.key)
            .field("settings", &self.context.settings)
            .finish_non_exhaustive()
    }
}
