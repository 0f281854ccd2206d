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
/// Making one does no I/O and does not take the lock; [`acquire`](S3Lock::acquire) does. Clones are the
/// same lock and share its client. Calls that share a client queue for a lock in order of arrival. Clients
/// queue in the order in which they [registered](crate::performance_and_fairness).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use s3_lock::{Client, S3Lock};
///
/// fn report(lock: &S3Lock) -> Result<(), s3_lock::LockError> {
///     let _guard = lock.acquire("host-17")?;
///     // ... main operation: no other process is in it ...
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
    /// The context of the process that built it.
    pub(crate) context: Arc<LockContext>,
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
            context: Arc::new(LockContext::new(session, Arc::new(location), settings)),
        }
    }

    /// The context of this process. A forked child gets a new one.
    pub(crate) fn context(&self) -> Result<Arc<LockContext>, ConfigError> {
        let context = &self.context;
        if !context.session.is_inherited() {
            return Ok(context.clone());
        }
        let (location, settings) = (context.location.clone(), context.settings.clone());
        let session = self.client.session()?;
        Ok(Arc::new(LockContext::new(session, location, settings)))
    }

    /// The same for a call under an owner name, which is checked first: in a forked child the client may be
    /// of no use.
    pub(crate) fn context_for(&self, owner: &str) -> Result<Arc<LockContext>, ConfigError> {
        check_owner(owner)?;
        self.context()
    }

    /// Looks at the lock, with one request. Blocks for up to `request_timeout`.
    /// [Credentials that have to be looked up first](crate#how-long-a-call-can-block) come on top.
    ///
    /// The status may have changed by the time you read it. Only a guard is certain.
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

    /// Releases the lock if `owner` holds it, and says whether this call released it. Use it to acquire in one
    /// place or process and release in another. Two requests, or one if there is nothing to release.
    ///
    /// The lock is released for all: it is not handed over to a waiting thread, as by
    /// [`LockGuard::release`](crate::LockGuard::release). A lock that is free, or held under another name,
    /// stays as it is. If two participants use the same owner name, each can release the other's lock: make
    /// the names unique. A guard that had the lock loses it. One of the same client learns that at once, any
    /// other when it next asks the store ([`LockGuard::verify`](crate::LockGuard::verify),
    /// [`LockGuard::renew`](crate::LockGuard::renew)).
    ///
    /// Blocks for up to 2 × `request_timeout`. A client with a custom endpoint first
    /// [checks the store](S3Lock::check_store), once for each bucket, if it has not done so yet. That takes up to
    /// 6 × `request_timeout` more, and the permissions of a check.
    /// [Credentials that have to be looked up first](crate#how-long-a-call-can-block) come on top.
    ///
    /// # Errors
    ///
    /// [`LockError::Storage`], [`LockError::UnsafeStore`], [`LockError::Foreign`] and [`LockError::Config`], as
    /// for [`acquire`](S3Lock::acquire). If the outcome is unknown, look with [`status`](S3Lock::status), or call
    /// again.
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
        let context = self.context_for(owner.as_ref())?;
        let free = Free::by_name(owner.as_ref().to_owned());
        context.session.run(context.free(free, Loss::Vanished))
    }

    /// Breaks a lock that another owner holds. It is for an operator who knows that the holder is dead or stuck,
    /// and cannot wait until its lease has run out. Two requests.
    ///
    /// It ends exactly the holding that `seen` describes, by owner and fencing token, even if that was renewed
    /// since or has expired. It ends no other. `seen` comes from [`status`](S3Lock::status), [`Client::list`], or
    /// an error that names the holder. `Ok(true)`: this call ended it. `Ok(false)`: it was over already. The next
    /// holding's fencing token is larger, as always.
    ///
    /// **This ends the exclusion: the next holder is not alone until the old holder asks the store
    /// ([`LockGuard::verify`](crate::LockGuard::verify), [`LockGuard::renew`](crate::LockGuard::renew)) or
    /// its deadline passes.** [`LockGuard::check`](crate::LockGuard::check) and
    /// [`LockGuard::is_held`](crate::LockGuard::is_held) send nothing, so they do not notice before. First
    /// make sure that the old holder has stopped, or that what it writes to refuses smaller fencing tokens.
    /// The old holder then gets [`LostCause::Broken`](crate::LostCause::Broken); a guard of this same client
    /// gets it at once.
    ///
    /// Blocks for up to 2 × `request_timeout`. A client with a custom endpoint first
    /// [checks the store](S3Lock::check_store), once for each bucket, if it has not done so yet. That takes up to
    /// 6 × `request_timeout` more, and the permissions of a check.
    /// [Credentials that have to be looked up first](crate#how-long-a-call-can-block) come on top.
    ///
    /// # Errors
    ///
    /// * [`LockError::Config`] that names `seen`: it describes another lock, and nothing was sent. Call this on
    ///   that lock. All others as for [`acquire`](S3Lock::acquire).
    /// * [`LockError::Storage`]: do as its message advises. If the outcome is unknown, look with
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
        if *seen.location() != *context.location {
            let (there, here) = (seen.location(), &context.location);
            let message = format!(
                "the holding to break is of lock {} in bucket {}, and this is lock {} in bucket {}",
                there.key, there.bucket, here.key, here.bucket
            );
            return Err(ConfigError::new("seen", message).into());
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
