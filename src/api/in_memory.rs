//! A store in memory, for unit tests of programs that use this crate.

use std::fmt;
use std::time::Duration;

use crate::api::client::{Client, DEFAULT_REQUEST_TIMEOUT};
use crate::engine::check_cache::CheckCache;
use crate::engine::registry::Registry;
use crate::engine::session::Recipe;
use crate::store::memory::MemoryStore;

/// A store in this process's memory, for unit tests of code that takes locks.
///
/// It follows the same protocol and gives the same errors as S3, without a network, and has the same queue
/// beside each lock. Every bucket exists. A forked child cannot use its parent's.
///
/// It and its clients use the system's clock until [`advance`] moves it. So a test can let a lease run out
/// without waiting for it.
///
/// [`advance`]: InMemoryStore::advance
///
/// # Examples
///
/// A holder that crashed, and its successor an hour later:
///
/// ```
/// use std::time::Duration;
/// use s3_lock::{InMemoryStore, LockError, S3Lock};
///
/// let store = InMemoryStore::new();
/// let lock_of = |client| {
///     S3Lock::builder("my-bucket", "nightly-report")
///         .max_operation(Duration::from_secs(60))
///         .client(client)
///         .build()
/// };
/// let crashed = lock_of(store.client())?;
/// crashed.acquire("host-17")?.detach(); // the lock stays held, and nobody renews it
///
/// let successor = lock_of(store.client())?;
/// assert!(matches!(successor.try_acquire("host-18"), Err(LockError::Held(_))));
/// store.advance(Duration::from_secs(3600));
/// let _guard = successor.try_acquire("host-18")?;
/// # Ok::<(), LockError>(())
/// ```
///
/// A guard that is forgotten instead (`std::mem::forget`) plays no crash if it is kept alive: its client goes on renewing
/// it. To test when a lock becomes free, look 2 s before that moment and 2 s after it: the store cuts its dates to
/// seconds, as S3 does.
#[derive(Clone, Default)]
pub struct InMemoryStore {
    store: MemoryStore,
}

impl InMemoryStore {
    /// An empty store.
    pub fn new() -> InMemoryStore {
        InMemoryStore::default()
    }

    /// A client of this store. Each call makes an independent one, as if in another process. Clones of
    /// one client are the same client.
    ///
    /// # Examples
    ///
    /// ```
    /// use s3_lock::{InMemoryStore, S3Lock};
    ///
    /// let store = InMemoryStore::new();
    /// let mine = S3Lock::builder("my-bucket", "nightly").client(store.client()).build()?;
    /// let yours = S3Lock::builder("my-bucket", "nightly").client(store.client()).build()?;
    /// let _guard = mine.acquire("me")?;
    /// assert!(yours.try_acquire("you").is_err());
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn client(&self) -> Client {
        Client::from_recipe(Recipe {
            origin: Box::new(self.store.clone()),
            clock: self.store.clock().clone(),
            request_timeout: DEFAULT_REQUEST_TIMEOUT,
            check_cache: CheckCache::of_known_store,
            // Each client stands for another process.
            registry: Registry::own,
        })
    }

    /// Moves the clock of the store and of all its clients forward by `span`, and wakes the calls that
    /// wait for a lease to run out.
    ///
    /// Returns at once. A guard that is kept alive needs a moment between two moves for its renewal. Without
    /// it, two moves that together exceed the lease make it run out.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use s3_lock::{InMemoryStore, S3Lock};
    ///
    /// let store = InMemoryStore::new();
    /// let lock = S3Lock::builder("my-bucket", "nightly").client(store.client()).build()?;
    /// let guard = lock.acquire("me")?;
    /// store.advance(Duration::from_secs(60));
    /// guard.renew()?;
    /// store.advance(Duration::from_secs(60));
    /// guard.check()?;
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn advance(&self, span: Duration) {
        // A forked child has no waiting calls to wake. It must not wait for what was locked at the fork.
        if !self.store.is_inherited() {
            self.store.clock().advance(span);
        }
    }
}

impl Client {
    /// A client of a new store in memory, for unit tests: short for
    /// `InMemoryStore::new().client()`. Each call makes another store. For two clients of one store,
    /// see [`InMemoryStore`].
    ///
    /// # Examples
    ///
    /// ```
    /// use s3_lock::{Client, S3Lock};
    ///
    /// let lock = S3Lock::builder("any-bucket", "test").client(Client::in_memory()).build()?;
    /// let _guard = lock.acquire("me")?;
    /// # Ok::<(), s3_lock::LockError>(())
    /// ```
    pub fn in_memory() -> Client {
        InMemoryStore::new().client()
    }
}

impl fmt::Debug for InMemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InMemoryStore").finish_non_exhaustive()
    }
}
