//! A lock that is held, shared by its guard and the client's background thread. It knows how much of the
//! lease is left, notices when the lock is lost, and gives the lock back. `LockGuard` in `api/` calls it.

use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use crate::engine::driver::Driven;
use crate::engine::last_errors::condition_ignored;
use crate::engine::lock_context::LockContext;
use crate::engine::loss_callbacks::LossCallbacks;
use crate::engine::registry::Entry;
use crate::engine::shared_call::SharedCall;
use crate::engine::time_budget::TimeBudget;
use crate::engine::trouble_callbacks::TroubleCallbacks;
use crate::engine::wait_queue::{Chain, Holding};
use crate::protocol::record::Record;
use crate::protocol::{Ending, Instant, Lease, Loss, Release, Released};
use crate::sys::forks::Process;
use crate::sys::logs;
use crate::sys::sync::lock;
use crate::types::errors::{LockError, LostCause, StorageError};

/// A held lock. In a forked child, only [`is_inherited`] may be called.
///
/// [`is_inherited`]: HeldLock::is_inherited
pub(crate) struct HeldLock {
    pub(crate) context: Arc<LockContext>,
    /// The record as it was acquired. Renewals change only its nonce.
    pub(crate) record: Record,
    /// When the lock was acquired.
    pub(super) since: Instant,
    pub(crate) loss_callbacks: LossCallbacks,
    pub(crate) trouble_callbacks: TroubleCallbacks,
    pub(super) lease: Arc<Mutex<Lease>>,
    /// Why the last renewal failed.
    pub(super) last_error: Mutex<Option<Arc<StorageError>>>,
    /// Locked during a renewal, and by the call that gives the lock back.
    pub(super) renewing: tokio::sync::Mutex<()>,
    pub(super) renewals: SharedCall<Renewal>,
    /// Locked during a look at the store. A look that hangs does not keep the next one out for long.
    pub(super) looking: tokio::sync::Mutex<()>,
    pub(super) looks: SharedCall<Result<(), LockError>>,
    pub(super) orders: watch::Sender<Orders>,
    /// Wakes the task that watches for the loss of the lock.
    pub(super) loss_news: Arc<Notify>,
    /// Whether the background thread watches this lock.
    pub(super) is_watched: Mutex<bool>,
    is_loss_logged: AtomicBool,
    /// How the lock came here from guard to guard.
    pub(super) chain: Chain,
    /// The process that acquired the lock.
    process: Process,
}

// For the reasons given in `session.rs`. If a renewal or look unwinds, dropping it frees its place, and
// the callers that joined it ask again.
impl UnwindSafe for HeldLock {}
impl RefUnwindSafe for HeldLock {}

/// The outcome of a renewal, for all callers that share it.
#[derive(Clone)]
pub(super) struct Renewal {
    pub outcome: Result<(), LockError>,
    /// Whether it failed because the call that made it ran out of time.
    pub gave_up: bool,
}

/// What the guard tells the background thread to do.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Orders {
    /// Renew the lock in time, again and again.
    pub renew: bool,
    /// Leave the lock alone: the guard is giving it back.
    pub stop: bool,
}

const FREE_LATER: &str = "if it is still held, it becomes free when its lease runs out";
const DONE_PERHAPS: &str = "the label may be done: call acquire_once for it again, which tells, or gives you the lock to do \
                            the work again";

impl HeldLock {
    pub(crate) fn new(context: Arc<LockContext>, lease: Lease) -> HeldLock {
        let chain = Chain::new(lease.since());
        let lease = Arc::new(Mutex::new(lease));
        let loss_news = Arc::<Notify>::default();
        context.queue.note_holder(&lease, &loss_news);
        HeldLock::of_parts(context, lease, loss_news, chain)
    }

    /// A lock that was handed over. Its client has noted that already.
    pub(super) fn handed_over(context: Arc<LockContext>, holding: Holding) -> (HeldLock, Entry) {
        let Holding {
            lease,
            loss_news,
            entry,
            chain,
        } = holding;
        (HeldLock::of_parts(context, lease, loss_news, chain), entry)
    }

    fn of_parts(
        context: Arc<LockContext>,
        lease: Arc<Mutex<Lease>>,
        loss_news: Arc<Notify>,
        chain: Chain,
    ) -> HeldLock {
        let (record, since) = {
            let lease = lock(&lease);
            (lease.record().clone(), lease.since())
        };
        HeldLock {
            context,
            record,
            since,
            loss_callbacks: LossCallbacks::default(),
            trouble_callbacks: TroubleCallbacks::default(),
            lease,
            last_error: Mutex::default(),
            renewing: tokio::sync::Mutex::default(),
            renewals: SharedCall::default(),
            looking: tokio::sync::Mutex::default(),
            looks: SharedCall::default(),
            orders: watch::Sender::default(),
            loss_news,
            is_watched: Mutex::new(false),
            is_loss_logged: AtomicBool::new(false),
            chain,
            process: Process::own(),
        }
    }

    /// Whether this is a forked child's copy of the parent's lock. Call this before touching any mutex:
    /// in the child it may stay locked for ever.
    pub(crate) fn is_inherited(&self) -> bool {
        !self.process.is_own()
    }

    /// The key of the lock's object.
    pub(crate) fn key(&self) -> &str {
        self.context.key()
    }

    fn now(&self) -> Instant {
        self.context.session.clock().now()
    }

    /// How long the lease still runs; zero once the lock is lost.
    pub(crate) fn remaining(&self) -> Duration {
        let now = self.now();
        lock(&self.lease).remaining(now)
    }

    /// Why the lock is lost, if it is. Once lost, it stays lost.
    pub(crate) fn loss(&self) -> Option<LostCause> {
        let now = self.now();
        let loss = lock(&self.lease).check(now).cloned();
        Some(match loss? {
            Loss::Expired => self.expired(),
            Loss::TakenOver(seen) => LostCause::TakenOver(Box::new(self.context.describe(&seen))),
            Loss::Vanished => LostCause::Vanished,
            Loss::Broken => LostCause::Broken,
        })
    }

    /// Fails if the lock is lost. Logs the loss once.
    pub(crate) fn check(&self) -> Result<(), LockError> {
        match self.loss() {
            None => Ok(()),
            Some(cause) => {
                self.log_loss(&cause);
                Err(LockError::Lost(cause))
            }
        }
    }

    pub(super) fn log_loss(&self, cause: &LostCause) {
        if !self.is_loss_logged.swap(true, Ordering::Relaxed) {
            logs::error!("{}: {cause}", self.key());
        }
    }

    /// [`check`](HeldLock::check) after a reply. If the lock is lost, this wakes the task that watches it
    /// and lets the next caller in this client's queue go on.
    pub(super) fn check_and_notify(&self) -> Result<(), LockError> {
        let checked = self.check();
        if checked.is_err() {
            self.loss_news.notify_one();
        }
        if lock(&self.lease).is_gone() {
            self.call_next();
        }
        checked
    }

    /// Calls the loss callbacks if a call of the guard found the lock lost, unless the background thread
    /// does that. Do not call this on a thread that drives the runtime.
    pub(crate) fn notify_if_lost(&self, outcome: &Result<(), LockError>) {
        let is_watched = *lock(&self.is_watched) && !self.orders.borrow().stop;
        if let (Err(LockError::Lost(cause)), false) = (outcome, is_watched) {
            self.loss_callbacks.tell_at_once(cause);
        }
    }

    /// Gives the lock back: to the next call of this client, if one waits that takes it, else to all. Ends a
    /// renewal under way first.
    pub(crate) async fn release(&self, ending: Ending) -> Result<(), LockError> {
        let mut budget = self.time_to_close().await;
        let _serial = self.end_renewals().await;
        if self.hand_over(ending, budget.left()).await {
            return Ok(());
        }
        self.release_to_all(ending, &mut budget).await
    }

    /// Gives the lock back to all. Ends a renewal under way first.
    pub(crate) async fn close(&self) -> Result<(), LockError> {
        let mut budget = self.time_to_close().await;
        let _serial = self.end_renewals().await;
        self.release_to_all(Ending::Released, &mut budget).await
    }

    /// Leaves no renewal to the background from here on: it could come after the release. Credentials that
    /// have to be looked up first have their own time, but none after the lease.
    async fn time_to_close(&self) -> TimeBudget {
        self.stop_background();
        if let Some(cause) = self.loss() {
            // The store may still take the release, and then nothing else tells that the work took too long.
            self.log_loss(&cause);
        }
        let context = &self.context;
        context.session.ready(self.remaining()).await;
        context.budget(2 * context.session.request_timeout())
    }

    async fn end_renewals(&self) -> tokio::sync::MutexGuard<'_, ()> {
        // A renewal of the background, which holds this, was stopped.
        self.renewing.lock().await
    }

    async fn release_to_all(
        &self,
        ending: Ending,
        budget: &mut TimeBudget,
    ) -> Result<(), LockError> {
        let driver = self.context.driver(budget);
        let driven = driver.run(Release::with(ending), &self.lease).await;
        let closed = driven.and_then(|driven| self.end_of_release(ending, driven));
        // Only now: the next acquire replaces what was just released, without a read.
        self.call_next();
        closed
    }

    fn end_of_release(&self, ending: Ending, driven: Driven<Released>) -> Result<(), LockError> {
        let Driven { end, errors, .. } = driven;
        match end {
            Released::Yes(stored) => {
                if let Some(stored) = stored {
                    let now = self.now();
                    let mut observations = self.context.queue.observations();
                    observations.note_released(stored, now);
                }
                self.context.queue.note_done();
                self.log_end(ending);
                Ok(())
            }
            // The guard calls the callbacks once it is off the runtime.
            Released::Lost => self.check(),
            Released::Failed => Err(errors.failed(self.key())),
            Released::ConditionIgnored => Err(condition_ignored(self.key())),
            Released::Unknown => Err(errors
                .unknown(self.key())
                .with_hint(match ending {
                    Ending::Released => FREE_LATER,
                    Ending::Completed => DONE_PERHAPS,
                })
                .into()),
        }
    }

    pub(super) fn log_end(&self, ending: Ending) {
        let (key, owner) = (self.key(), &self.record.owner);
        match (ending, &self.record.label) {
            (Ending::Completed, Some(label)) => {
                logs::info!("completed {label:?} and released {key} as {owner:?}");
            }
            (Ending::Released, Some(label)) => {
                logs::info!("released {key} as {owner:?}; {label:?} is not marked as done");
            }
            _ => logs::info!("released {key} as {owner:?}"),
        }
    }

    /// Makes the background thread leave this lock alone from now on.
    pub(super) fn stop_background(&self) {
        self.orders.send_modify(|orders| orders.stop = true);
    }

    /// Lets the next caller in this client's queue go on.
    pub(super) fn call_next(&self) {
        self.context.queue.note_end(&self.lease);
    }

    /// Ends the guard's use of the lock, given back or not. Do not call this on a thread that drives the
    /// runtime: it drops the callbacks, and what they own may do anything in its `drop`, such as wait for
    /// this same lock.
    pub(crate) fn end(&self) {
        self.stop_background();
        self.call_next();
        self.loss_callbacks.dismiss();
        self.trouble_callbacks.dismiss();
    }
}
