//! A store in memory, for tests that need no server.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use crate::api::client::{Client, DEFAULT_REQUEST_TIMEOUT};
use crate::engine::check_cache::Vetting;
use crate::engine::registry::Registry;
use crate::engine::session::Recipe;
use crate::protocol::{Condition, ETag, Location, Refusal, StoreSeconds};
use crate::store::interface::{Found, Object, Origin, Page, Pending, Put, Store, Versioning};
use crate::sys::clock::Clock;
use crate::sys::forks::Process;
use crate::sys::sync::lock;
use crate::types::errors::{ConfigError, LockError, StorageError, StorageErrorKind};
use crate::types::request_counts::{Counters, Kind, Outcome, RequestCounts};

/// A store in this process's memory, for unit tests of code that takes locks.
///
/// It follows the same protocol and gives the same errors as S3, without a network. Every bucket
/// exists. A forked child cannot use its parent's. Its clock, and that of its clients, is the system's until [`advance`] moves it, so that a
/// test can let a lease run out without waiting for it.
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
/// std::mem::forget(crashed.acquire("host-17")?);
///
/// let successor = lock_of(store.client())?;
/// assert!(matches!(successor.try_acquire("host-18"), Err(LockError::Held(_))));
/// store.advance(Duration::from_secs(3600));
/// let _guard = successor.try_acquire("host-18")?;
/// # Ok::<(), LockError>(())
/// ```
#[derive(Clone, Default)]
pub struct InMemoryStore {
    shared: Arc<Shared>,
}

struct Shared {
    /// The process whose memory it is in.
    process: Process,
    clock: Clock,
    objects: Mutex<Objects>,
}

impl Default for Shared {
    fn default() -> Shared {
        Shared {
            process: Process::own(),
            clock: Clock::adjustable(),
            objects: Mutex::default(),
        }
    }
}

#[derive(Default)]
struct Objects {
    by_location: HashMap<Location, Stored>,
    versions: u64,
}

struct Stored {
    etag: ETag,
    body: Vec<u8>,
    modified: StoreSeconds,
}

impl InMemoryStore {
    /// A store that holds nothing.
    pub fn new() -> InMemoryStore {
        InMemoryStore::default()
    }

    /// A client of this store. Each call gives an independent one, as if in a process of its own;
    /// clones of one client are the same client.
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
            origin: Box::new(self.clone()),
            clock: self.shared.clock.clone(),
            request_timeout: DEFAULT_REQUEST_TIMEOUT,
            vetting: Vetting::default,
            // It stands for a process of its own.
            registry: Registry::own,
        })
    }

    /// Moves the clock of the store and of all its clients forward by `span`, and wakes those that
    /// wait for a lease to run out. Returns at once; a guard that is kept alive has a moment's time
    /// between two moves to be renewed, or runs out if they are larger than its lease together.
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
        // Its forked child has nobody to wake, and may not wait for what was locked when it forked.
        if !self.is_inherited() {
            self.shared.clock.advance(span);
        }
    }

    fn is_inherited(&self) -> bool {
        !self.shared.process.is_own()
    }

    fn objects(&self) -> MutexGuard<'_, Objects> {
        lock(&self.shared.objects)
    }

    fn date(&self) -> StoreSeconds {
        let wall = self.shared.clock.wall();
        let since = wall.duration_since(SystemTime::UNIX_EPOCH);
        since.map_or(0, |s| {
            StoreSeconds::try_from(s.as_secs()).unwrap_or(StoreSeconds::MAX)
        })
    }

    fn get(&self, at: &Location) -> Found {
        let date = Some(self.date());
        match self.objects().by_location.get(at) {
            None => Found::Absent { date },
            Some(stored) => Found::Object(Object {
                etag: stored.etag.clone(),
                body: stored.body.clone(),
                date,
                modified: Some(stored.modified),
            }),
        }
    }

    fn put(&self, at: &Location, body: Vec<u8>, condition: &Condition) -> Put {
        let modified = self.date();
        let mut objects = self.objects();
        let holds = match (condition, objects.by_location.get(at)) {
            (Condition::Absent, None) => true,
            (Condition::Matches(etag), Some(stored)) => stored.etag == *etag,
            _ => false,
        };
        if !holds {
            let what = format!("the condition of a write to {} does not hold", at.key);
            let error = StorageError::new(StorageErrorKind::Contended, what);
            return Put::Refused(Refusal::Condition, LockError::Storage(error));
        }
        objects.versions += 1;
        let etag = ETag(format!("\"{}\"", objects.versions));
        let stored = Stored {
            etag: etag.clone(),
            body,
            modified,
        };
        objects.by_location.insert(at.clone(), stored);
        Put::Applied {
            etag,
            date: Some(modified),
        }
    }
}

impl Origin for InMemoryStore {
    /// Fails in a forked child: whatever it wrote into its copy, its parent would never see, and a
    /// lock there would be held by both.
    fn check(&self) -> Result<(), ConfigError> {
        match self.is_inherited() {
            false => Ok(()),
            true => Err(ConfigError::new(
                "client",
                "this client's store is in the memory of the process that made it, which this one was \
                 forked from and does not share: make a new InMemoryStore here, or use one that both \
                 can reach",
            )),
        }
    }

    fn connect(&self, _: &Clock) -> Box<dyn Store> {
        Box::new(Connection {
            store: self.clone(),
            counters: Counters::default(),
        })
    }
}

/// What one client has of the store: the way to it, and counters of its own.
struct Connection {
    store: InMemoryStore,
    counters: Counters,
}

impl Store for Connection {
    fn read<'a>(&'a self, at: &'a Location, _: Duration) -> Pending<'a, Result<Found, LockError>> {
        Box::pin(async move {
            let found = self.store.get(at);
            let outcome = match &found {
                Found::Object(_) => Outcome::Succeeded,
                Found::Absent { .. } | Found::Hidden { .. } => Outcome::Refused,
            };
            self.counters.count(Kind::Read, outcome);
            Ok(found)
        })
    }

    fn write<'a>(
        &'a self,
        at: &'a Location,
        body: Vec<u8>,
        condition: &'a Condition,
        _: Duration,
    ) -> Pending<'a, Put> {
        Box::pin(async move {
            let put = self.store.put(at, body, condition);
            let outcome = match &put {
                Put::Refused(..) => Outcome::Refused,
                _ => Outcome::Succeeded,
            };
            self.counters.count(Kind::Write, outcome);
            put
        })
    }

    fn write_held_back<'a>(
        &'a self,
        at: &'a Location,
        body: Vec<u8>,
        condition: &'a Condition,
        limit: Duration,
        go: Pending<'a, ()>,
    ) -> Pending<'a, Put> {
        Box::pin(async move {
            go.await;
            self.write(at, body, condition, limit).await
        })
    }

    fn remove<'a>(&'a self, at: &'a Location, _: Duration) -> Pending<'a, bool> {
        Box::pin(async move {
            self.store.objects().by_location.remove(at);
            true
        })
    }

    fn versioning<'a>(&'a self, _: &'a str, _: Duration) -> Pending<'a, Option<Versioning>> {
        Box::pin(async { None })
    }

    fn list<'a>(
        &'a self,
        bucket: &'a str,
        prefix: &'a str,
        _: Option<String>,
        _: Duration,
    ) -> Pending<'a, Result<Page, LockError>> {
        Box::pin(async move {
            self.counters.count(Kind::List, Outcome::Succeeded);
            let objects = self.store.objects();
            let here = objects.by_location.keys().filter(|at| at.bucket == bucket);
            let direct = |key: &str| key.strip_prefix(prefix).is_some_and(|k| !k.contains('/'));
            let mut keys: Vec<_> = here
                .map(|at| at.key.clone())
                .filter(|k| direct(k))
                .collect();
            keys.sort();
            Ok(Page { keys, next: None })
        })
    }

    fn request_counts(&self) -> RequestCounts {
        self.counters.snapshot()
    }
}

impl fmt::Debug for InMemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InMemoryStore").finish_non_exhaustive()
    }
}
