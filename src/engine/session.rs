//! A session is one client in one process: its connections, credentials and runtime, and what it has
//! learned about the store. Every call runs through `Session::run`, and every read and
//! write of an object through `Session::read` or `Session::write`.
//!
//! A forked child has a copy of its parent's session and must neither use it nor drop it. The child
//! shares the sockets and the event queue with its parent. Closing a connection in the child deregisters
//! it from that queue, and then the parent's next request hangs. A mutex that another thread of the
//! parent had locked at the fork stays locked in the child for ever. So the client makes a new session in
//! the child, from the [`Recipe`], which never changes. It leaves the parent's session alone for as long
//! as the child lives.

use std::collections::HashMap;
use std::future::Future;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
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
use crate::types::errors::{LockError, StorageError};

/// What sessions are made from. It never changes and is never locked, so a forked child can always read
/// it.
pub(crate) struct Recipe {
    pub origin: Box<dyn Origin>,
    pub clock: Clock,
    pub request_timeout: Duration,
    pub check_cache: fn() -> CheckCache,
    pub registry: fn() -> Registry,
}

/// A client in one process. Clones are the same session.
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
    /// How many requests in a row had no answer.
    unanswered: AtomicU32,
    /// Why the last request failed, and when, if the store has answered none since.
    trouble: Mutex<Option<(StorageError, Instant)>>,
    /// The results of store checks, by bucket.
    check_cache: CheckCache,
    /// Whether the store's `Date` turned out not to come from the store's own clock.
    date_distrusted: AtomicBool,
    /// What the store's clock showed last.
    last_date: Mutex<Option<DateSample>>,
    /// Which holdings are alive in this process.
    registry: Registry,
    /// What this client's threads share about each lock that they have used.
    queues: Mutex<HashMap<Arc<Location>, Arc<WaitQueue>>>,
    background: Background,
    // Last, so that the connections are dropped before the runtime that drives them.
    runtime: Runtime,
}

// A panic leaves none of these half changed. No foreign code runs while one of this crate's mutexes is
// locked, and each change under one is a whole step, so poison is ignored (`sync.rs`). A call that unwinds
// drops its request, as a stopped call does; what the request may have done stays noted as unresolved.
// Tokio hands the runtime on to the next thread that drives it.
impl UnwindSafe for Recipe {}
impl RefUnwindSafe for Recipe {}
impl UnwindSafe for Inner {}
impl RefUnwindSafe for Inner {}

/// A reason not to trust the store's clock.
pub(crate) const RAN_AHEAD: &str = "the store's Date advances faster than this machine's clock";
/// How long a call waits for credentials to be looked up, in addition to its own time. A helper command
/// has as long (`COMMAND` in `store/s3/credentials/process.rs`).
const LONGEST_LOOK_UP: Duration = Duration::from_secs(60);
/// Above this many locks, the session forgets unused ones. That costs each of them one read.
const MAX_IDLE_QUEUES: usize = 10_000;

impl Session {
    /// A new session for this process.
    pub(crate) fn new(recipe: &Recipe) -> Session {
        Session {
            inner: Arc::new(Inner {
                process: Process::own(),
                store: recipe.origin.connect(&recipe.clock),
                clock: recipe.clock.clone(),
                request_timeout: recipe.request_timeout,
                has_answered: AtomicBool::new(false),
                unanswered: AtomicU32::new(0),
                trouble: Mutex::default(),
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

    /// Whether this is a forked child's copy of its parent's session. Call this before touching any
    /// mutex.
    pub(crate) fn is_inherited(&self) -> bool {
        !self.inner.process.is_own()
    }

    pub(crate) fn store(&self) -> &dyn Store {
        self.inner.store.as_ref()
    }

    /// Waits until requests have what they need besides their own time, for `limit` at most.
    /// Returns an error if the time was too short.
    pub(crate) async fn ready(&self, limit: Duration) -> Option<LockError> {
        self.store().ready(limit.min(LONGEST_LOOK_UP)).await
    }

    /// Reads the object. Checks the store's clock before anything is concluded from the reply.
    pub(crate) async fn read(&self, at: &Location, limit: Duration) -> Result<Found, LockError> {
        let sent = self.clock().now();
        let found = self.store().read(at, limit).await?;
        self.note_answer();
        self.check_date(found.date(), sent);
        Ok(found)
    }

    /// The condition in the form that the bucket's store takes. If the form is not known, the ETag stays
    /// as the store gave it.
    pub(crate) fn spelled(&self, at: &Location, condition: &Condition) -> Condition {
        let checks = self.check_cache();
        debug_assert!(
            checks.allows_writes(&at.bucket),
            "the store is checked before a lock is written to it"
        );
        match (condition, checks.etag_form(&at.bucket)) {
            (Condition::Matches(etag), Some(form)) => Condition::Matches(form.spell(etag)),
            _ => condition.clone(),
        }
    }

    /// Writes under `condition`, sent exactly as given, and checks the store's clock. With `go`, the last
    /// byte of the body is sent only when `go` has ended.
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
            self.check_date(*date, sent);
        }
        put
    }

    /// Compares the reply's `Date` with that of the previous reply. Several proxies behind one name may
    /// each have their own clock.
    fn check_date(&self, date: Option<StoreSeconds>, sent: Instant) {
        let Some(date) = date else {
            return;
        };
        let arrived = self.clock().now();
        let before = lock(&self.inner.last_date).replace(DateSample { sent, date });
        if before.is_some_and(|before| before.is_outrun_by(date, arrived)) {
            self.distrust_date(RAN_AHEAD);
        }
    }

    /// Asks the store whether it must be checked before anything is locked in it, and remembers that.
    pub(crate) async fn ask_whether_check_is_due(
        &self,
        limit: Duration,
    ) -> Result<bool, LockError> {
        let is_due = self.store().must_be_checked(limit).await?;
        self.check_cache().note_check_due(is_due);
        Ok(is_due)
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
        self.inner.unanswered.store(0, Ordering::Relaxed);
        *lock(&self.inner.trouble) = None;
    }

    /// Notes that a request failed in a way that may pass. It was `cut_short` if the caller's own limit left it less time
    /// than a request may take.
    ///
    /// Logs the second in a row that had no answer: a call that waits may go on for minutes before it returns an error.
    pub(crate) fn note_trouble(&self, error: &StorageError, cut_short: bool) {
        *lock(&self.inner.trouble) = Some((error.clone(), self.clock().now()));
        if error.is_answer() || cut_short {
            return;
        }
        if self.inner.unanswered.fetch_add(1, Ordering::Relaxed) == 1 {
            logs::warn!("no answer yet: {error}");
            logs::flush();
        }
    }

    /// Why requests have failed since `start`, if none was answered after that.
    pub(crate) fn trouble_since(&self, start: Instant) -> Option<StorageError> {
        let trouble = lock(&self.inner.trouble).clone();
        let (error, at) = trouble?;
        start.at_least_since(at).is_zero().then_some(error)
    }

    /// Whether the store has ever answered this client.
    pub(crate) fn has_answered(&self) -> bool {
        self.inner.has_answered.load(Ordering::Relaxed)
    }

    /// Stops using the store's clock to tell a record's age.
    pub(crate) fn distrust_date(&self, why: &str) {
        if !self.inner.date_distrusted.swap(true, Ordering::Relaxed) {
            logs::warn!(
                "{why} (does a proxy stamp its own Date?): from now on this client finds abandoned \
                 locks by this machine's clock alone, which takes a whole lease"
            );
        }
    }

    /// Whether the client may use the store's clock to tell a record's age.
    pub(crate) fn trusts_date(&self) -> bool {
        !self.inner.date_distrusted.load(Ordering::Relaxed)
    }

    /// What the threads of this client share about the lock at `location`.
    pub(crate) fn queue(&self, location: &Arc<Location>) -> Arc<WaitQueue> {
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

    /// Runs a call to its end on the caller's thread, then writes its log lines.
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

    /// Hands a task to this client's background thread.
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
                    logs::error!("the background thread cannot renew or watch locks: {error}");
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
            // Leaks a reference, so that the child never drops the parent's session.
            mem::forget(self.inner.clone());
        }
    }
}
