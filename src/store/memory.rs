//! A store in this process's memory, for tests of programs that use locks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use crate::protocol::{Condition, ETag, Location, Refusal, StoreSeconds};
use crate::store::counters::{Counters, Kind, RequestOutcome};
use crate::store::interface::{Found, Object, Origin, Page, Pending, Put, Store};
use crate::sys::clock::Clock;
use crate::sys::forks::Process;
use crate::sys::sync::lock;
use crate::types::errors::{ConfigError, LockError, StorageError, StorageErrorKind};
use crate::types::request_counts::RequestCounts;
use crate::types::store_report::Versioning;

/// Objects in this process's memory. Clones are the same store.
#[derive(Clone, Default)]
pub(crate) struct MemoryStore {
    shared: Arc<Shared>,
}

struct Shared {
    /// The process that made the store.
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

impl MemoryStore {
    /// The clock of the store, and of all its clients.
    pub(crate) fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// Whether this is a forked child's copy of its parent's store.
    pub(crate) fn is_inherited(&self) -> bool {
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

impl Origin for MemoryStore {
    /// Fails in a forked child. Its parent would never see what it wrote into its copy, and both
    /// would hold a lock there.
    fn check(&self) -> Result<(), ConfigError> {
        if self.is_inherited() {
            Err(ConfigError::new(
                "client",
                "this client's store is in the memory of the process that made it, which this one was \
                 forked from and does not share: make a new InMemoryStore here, or use one that both \
                 can reach",
            ))
        } else {
            Ok(())
        }
    }

    fn connect(&self, _: &Clock) -> Box<dyn Store> {
        Box::new(Connection {
            store: self.clone(),
            counters: Counters::default(),
        })
    }
}

/// One client's connection to the store, with its own counters.
struct Connection {
    store: MemoryStore,
    counters: Counters,
}

impl Store for Connection {
    fn must_be_checked<'a>(&'a self, _: Duration) -> Pending<'a, Result<bool, LockError>> {
        Box::pin(async { Ok(false) })
    }

    fn read<'a>(&'a self, at: &'a Location, _: Duration) -> Pending<'a, Result<Found, LockError>> {
        Box::pin(async move {
            let found = self.store.get(at);
            let outcome = match &found {
                Found::Object(_) => RequestOutcome::Succeeded,
                Found::Absent { .. } | Found::Hidden { .. } => RequestOutcome::Refused,
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
        go: Option<Pending<'a, ()>>,
    ) -> Pending<'a, Put> {
        Box::pin(async move {
            if let Some(go) = go {
                go.await;
            }
            let put = self.store.put(at, body, condition);
            let outcome = match &put {
                Put::Refused(..) => RequestOutcome::Refused,
                _ => RequestOutcome::Succeeded,
            };
            self.counters.count(Kind::Write, outcome);
            put
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
            self.counters.count(Kind::List, RequestOutcome::Succeeded);
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
