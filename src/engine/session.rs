//! What a client is in one process: its connections, credentials and runtime, and what it has learned.
//!
//! A forked child has a copy of its parent's, and must neither use it nor take it apart. The sockets
//! and the event queue are the parent's, too: to deregister from that queue, as closing a connection
//! does, makes the parent's next request hang. And whatever a thread of the parent had locked when it
//! forked is locked in the child for ever. So there the client begins another session, from what never
//! changes (the [`Recipe`]), and the parent's is left alone for as long as the child lives.

use std::collections::HashMap;
use std::future::Future;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{io, mem, thread};

use crate::engine::check_cache::CheckCache;
use crate::engine::registry::Registry;
use crate::engine::wait_queue::WaitQueue;
use crate::protocol::{Condition, DateSample, Instant, Location, StoreSeconds, WriteOutcome};
use crate::store::interface::{Found, Origin, Pending, Put, Store};
use crate::sys::background::{Background, Task};
use crate::sys::clock::Clock;
use crate::sys::forks::Process;
use crate::sys::log_line::CallLines;
use crate::sys::runtime::Runtime;
use crate::sys::sync::lock;
use crate::sys::{call, logs};
use crate::types::errors::LockError;

/// What sessions are made from. Nothing of it ever changes, and nothing of it is ever locked: a
/// forked child can read it whatever its parent was doing.
pub(crate) struct Recipe {
    pub origin: Box<dyn Origin>,
    pub clock: Clock,
    pub request_timeout: Duration,
    pub check_cache: fn() -> CheckCache,
    pub registry: fn() -> Registry,
}

/// A client as it is in one process; clones are the same.
#[derive(Clone)]
pub(crate) struct Session {
    inner: Arc<Inner>,
}

struct Inner {
    /// The process that it belongs to.
    process: Process,
    store: Box<dyn Store>,
    clock: Clock,
    request_timeout: Duration,
    /// Whether the store has ever answered.
    has_answered: AtomicBool,
    /// What was found out about the stores behind its buckets.
    check_cache: CheckCache,
    /// Whether the store's `Date` was seen not to be its own clock's.
    date_distrusted: AtomicBool,
    /// What the store's clock showed last.
    last_date: Mutex<Option<DateSample>>,
    /// Which holdings are alive in this process.
    registry: Registry,
    /// What its threads share about each lock that it has touched.
    queues: Mutex<HashMap<Location, Arc<WaitQueue>>>,
    background: Background,
    // Last, so that connections are gone before what drives them.
    runtime: Runtime,
}

// A panic leaves nothing of these half done. No foreign code runs while one of this crate's mutexes is
// locked, each change under one is a whole step, and poison is ignored for that reason (`sync.rs`). A call
// that unwinds drops its request as one that is stopped does: what it may have done stays known as
// unresolved. Tokio hands the runtime on to the next thread that drives it.
impl UnwindSafe for Recipe {}
impl RefUnwindSafe for Recipe {}
impl UnwindSafe for Inner {}
impl RefUnwindSafe for Inner {}

/// Why the store's clock is not to be trusted.
pub(crate) const RAN_AHEAD: &str = "the store's Date advances faster than this machine's clock";
/// Above this many locks, those that nobody uses are forgotten: that costs them one read each.
const MAX_IDLE_QUEUES: usize = 10_000;

impl Session {
    /// A session of this process.
    pub(crate) fn new(recipe: &Recipe) -> Session {
        Session {
            inner: Arc::new(Inner {
                process: Process::own(),
                store: recipe.origin.connect(&recipe.clock),
                clock: recipe.clock.clone(),
                request_timeout: recipe.request_timeout,
                has_answered: AtomicBool::new(false),
                check_cache: (recipe.check_cache)(),
                date_distrusted: AtomicBool::new(false),
                last_date: Mutex::default(),
                registry: (recipe.registry)(),
                queues: Mutex::default(),
                background: Background::default(),
                runtime: Runtime::default(),
            }),
        }
    }

    /// Whether this is a forked child's copy of its parent's session. Asked before any mutex is
    /// touched.
    pub(crate) fn is_inherited(&self) -> bool {
        !self.inner.process.is_own()
    }

    pub(crate) fn store(&self) -> &dyn Store {
        self.inner.store.as_ref()
    }

    /// Reads, and takes notice of the store's clock before anything is concluded from the reply.
    pub(crate) async fn read(&self, at: &Location, limit: Duration) -> Result<Found, LockError> {
        let sent = self.clock().now();
        let found = self.store().read(at, limit).await?;
        self.note_answer();
        self.see_date(found.date(), sent);
        Ok(found)
    }

    /// A condition as the bucket's store takes it: with an ETag in the form that it was found to take,
    /// else as the store gave it.
    pub(crate) fn spelled(&self, at: &Location, condition: &Condition) -> Condition {
        let checks = self.check_cache();
        debug_assert!(
            checks.allows_writes(&at.bucket),
            "what writes a lock asks first whether the store may be trusted"
        );
        match (condition, checks.etag_form(&at.bucket)) {
            (Condition::Matches(etag), Some(form)) => Condition::Matches(form.spell(etag)),
            _ => condition.clone(),
        }
    }

    /// Writes under a condition, in this very form, and takes notice of the store's clock. If there is
    /// something to wait for (`go`), the last byte of the body leaves only then.
    pub(crate) async fn write(
        &self,
        at: &Location,
        body: Vec<u8>,
        condition: &Condition,
        limit: Duration,
        go: Option<Pending<'_, ()>>,
    ) -> Put {
        let sent = self.clock().now();
        let put = self.store().write(at, body, condition, limit, go).await;
        if let WriteOutcome::Applied { date, .. } = &put {
            self.see_date(*date, sent);
        }
        put
    }

    /// Compares the `Date` of the reply that has just arrived with that of the one before: behind
    /// one name there may be several proxies with clocks of their own.
    fn see_date(&self, date: Option<StoreSeconds>, sent: Instant) {
        let Some(date) = date else {
            return;
        };
        let arrived = self.clock().now();
        let before = lock(&self.inner.last_date).replace(DateSample { sent, date });
        if before.is_some_and(|before| before.is_outrun_by(date, arrived)) {
            self.distrust_date(RAN_AHEAD);
        }
    }

    pub(crate) fn check_cache(&self) -> &CheckCache {
        &self.inner.check_cache
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    pub(crate) fn request_timeout(&self) -> Duration {
        self.inner.request_timeout
    }

    pub(crate) fn registry(&self) -> Registry {
        self.inner.registry
    }

    /// Notes that the store has answered.
    pub(crate) fn note_answer(&self) {
        self.inner.has_answered.store(true, Ordering::Relaxed);
    }

    /// Whether the store has ever answered this client.
    pub(crate) fn has_answered(&self) -> bool {
        self.inner.has_answered.load(Ordering::Relaxed)
    }

    /// From now on, no record's age is told by the store's clock.
    pub(crate) fn distrust_date(&self, why: &str) {
        if !self.inner.date_distrusted.swap(true, Ordering::Relaxed) {
            logs::warn!(
                "{why} (does a proxy stamp its own Date?): abandoned locks are now found by this \
                 machine's clock alone, which takes a whole lease"
            );
        }
    }

    /// Whether the store's clock may tell a record's age.
    pub(crate) fn trusts_date(&self) -> bool {
        !self.inner.date_distrusted.load(Ordering::Relaxed)
    }

    /// What the threads of this client share about the lock at `location`.
    pub(crate) fn queue(&self, location: &Location) -> Arc<WaitQueue> {
        let mut queues = lock(&self.inner.queues);
        if let Some(queue) = queues.get(location) {
            return queue.clone();
        }
        if queues.len() >= MAX_IDLE_QUEUES {
            queues.retain(|_, queue| Arc::strong_count(queue) > 1);
        }
        let queue = Arc::<WaitQueue>::default();
        queues.insert(location.clone(), queue.clone());
        queue
    }

    /// Runs a call to its end on the caller's thread.
    pub(crate) fn run<T: Send>(
        &self,
        call: impl Future<Output = Result<T, LockError>> + Send,
    ) -> Result<T, LockError> {
        let lines = Arc::<CallLines>::default();
        let call = call::within(self.clock().now(), lines.clone(), call);
        let outcome = self.inner.runtime.block_on(call);
        lines.write();
        outcome.map_err(LockError::of_this_machine)?
    }

    /// Has this client's background thread run a task.
    pub(crate) fn run_in_background(&self, task: Task) -> io::Result<()> {
        self.inner.background.add(task, |arrivals| {
            // The thread owns a reference, so that the runtime outlives every task on it.
            let session = self.clone();
            let run = move || {
                let Inner {
                    background,
                    runtime,
                    clock,
                    ..
                } = &*session.inner;
                if let Err(error) = runtime.block_on(background.run(arrivals, clock)) {
                    logs::error!("locks are no longer looked after in the background: {error}");
                }
            };
            let thread = thread::Builder::new().name("s3-lock-watch".to_owned());
            thread.spawn(run).map(drop)
        })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.is_inherited() {
            // A reference that is never given back, so that nothing of the parent's is torn down.
            mem::forget(self.inner.clone());
        }
    }
}
