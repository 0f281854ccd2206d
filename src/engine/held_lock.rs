//! A lock that is held, as its guard and the client's background thread share it: how long it is still
//! held, noticing its loss, and giving it back.

use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use crate::engine::driver::Driven;
use crate::engine::last_errors::condition_ignored;
use crate::engine::lock_context::LockContext;
use crate::engine::loss_callbacks::LossCallbacks;
use crate::engine::shared_call::SharedCall;
use crate::engine::trouble_callbacks::TroubleCallbacks;
use crate::protocol::record::Record;
use crate::protocol::{Instant, Lease, Loss, Release, Released};
use crate::sys::forks::Process;
use crate::sys::logs;
use crate::sys::sync::lock;
use crate::types::errors::{LockError, LostCause, StorageError};

/// What a guard and the background thread share. In a forked child, only [`is_inherited`] may be called.
///
/// [`is_inherited`]: HeldLock::is_inherited
pub(crate) struct HeldLock {
    pub(crate) context: Arc<LockContext>,
    /// The record as it was acquired. What renewals change in it, nobody is shown.
    pub(crate) record: Record,
    /// When it was acquired.
    pub(super) since: Instant,
    pub(crate) loss_callbacks: LossCallbacks,
    pub(crate) trouble_callbacks: TroubleCallbacks,
    pub(super) lease: Arc<Mutex<Lease>>,
    /// Why the last renewal failed.
    pub(super) last_error: Mutex<Option<Arc<StorageError>>>,
    /// Held while a renewal is under way, and by the call that gives the lock back.
    pub(super) renewing: tokio::sync::Mutex<()>,
    pub(super) renewals: SharedCall<Renewal>,
    /// Held by a look that is under way, unless that takes long.
    pub(super) looking: tokio::sync::Mutex<()>,
    pub(super) looks: SharedCall<Result<(), LockError>>,
    pub(super) orders: watch::Sender<Orders>,
    /// Wakes the task that watches for its loss.
    pub(super) loss_news: Arc<Notify>,
    /// Whether the background thread watches it.
    pub(super) is_watched: Mutex<bool>,
    is_loss_logged: AtomicBool,
    /// The process that acquired it.
    process: Process,
}

// For the reasons given at the session. A renewal or look that unwinds gives its place free when it is
// dropped, and who has joined it asks anew.
impl UnwindSafe for HeldLock {}
impl RefUnwindSafe for HeldLock {}

/// How a renewal went, for all who have asked for it.
#[derive(Clone)]
pub(super) struct Renewal {
    pub outcome: Result<(), LockError>,
    /// Whether it has failed because the time of the call that made it was up.
    pub gave_up: bool,
}

/// What the guard wants of the background thread.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Orders {
    /// To renew it in time, again and again.
    pub renew: bool,
    /// To leave it alone: it is being given back.
    pub stop: bool,
}

impl HeldLock {
    pub(crate) fn new(context: Arc<LockContext>, lease: Lease) -> HeldLock {
        let record = lease.record().clone();
        let since = lease.since();
        let lease = Arc::new(Mutex::new(lease));
        let loss_news = Arc::<Notify>::default();
        context.queue.note_holder(&lease, &loss_news);
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
            process: Process::own(),
        }
    }

    /// Whether this is a forked child's copy of what its parent holds. Asked before any mutex is
    /// touched: it may be locked there for ever.
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

    /// How long the lease still runs; nothing once the lock is lost.
    pub(crate) fn remaining(&self) -> Duration {
        let now = self.now();
        lock(&self.lease).remaining(now)
    }

    /// Whether it is lost, and how. Once lost, it stays lost.
    pub(crate) fn loss(&self) -> Option<LostCause> {
        let now = self.now();
        let loss = lock(&self.lease).check(now).cloned();
        Some(match loss? {
            Loss::Expired => LostCause::Expired {
                last_error: lock(&self.last_error).clone(),
            },
            Loss::TakenOver(seen) => LostCause::TakenOver(Box::new(self.context.describe(&seen))),
            Loss::Vanished => LostCause::Vanished,
            Loss::Broken => LostCause::Broken,
        })
    }

    /// Fails if it is lost, and logs that once.
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

    /// [`check`](HeldLock::check), after something was learned. If it was the loss of the lock, those
    /// who wait to be told are told, and the next of this client's queue has its turn.
    pub(super) fn check_and_spread(&self) -> Result<(), LockError> {
        let checked = self.check();
        if checked.is_err() {
            self.loss_news.notify_one();
        }
        if lock(&self.lease).is_gone() {
            self.call_next();
        }
        checked
    }

    /// Tells those who want to know of a loss that a call of the guard's has met, unless the background
    /// thread does. Not for a thread that drives the runtime.
    pub(crate) fn notify_if_lost(&self, outcome: &Result<(), LockError>) {
        let is_watched = *lock(&self.is_watched) && !self.orders.borrow().stop;
        if let (Err(LockError::Lost(cause)), false) = (outcome, is_watched) {
            self.loss_callbacks.tell_at_once(cause);
        }
    }

    /// The one way that a lock is given back. Ends a renewal under way first.
    pub(crate) async fn close(&self) -> Result<(), LockError> {
        let context = &self.context;
        let mut budget = context.budget(2 * context.session.request_timeout());
        // Stops a renewal under way, which holds what is awaited here.
        self.stop_background();
        let _serial = self.renewing.lock().await;
        let driver = context.driver(&mut budget);
        let Driven { end, errors, .. } = driver.run(Release::default(), &self.lease).await?;
        match end {
            Released::Yes(stored) => {
                if let Some(stored) = stored {
                    context.queue.observations().note_released(stored);
                }
                logs::info!("released {} as {:?}", self.key(), self.record.owner);
                Ok(())
            }
            // The callbacks are called by the guard, once it is off the runtime.
            Released::Lost => self.check(),
            Released::Failed => Err(errors.failed(self.key())),
            Released::ConditionIgnored => Err(condition_ignored(self.key())),
            Released::Unknown => Err(errors
                .unknown(self.key())
                .with_hint("its lease ends it at the latest")
                .into()),
        }
    }

    /// Has the background thread leave it alone from now on.
    pub(super) fn stop_background(&self) {
        self.orders.send_modify(|orders| orders.stop = true);
    }

    /// Lets the next of this client's queue have its turn.
    pub(super) fn call_next(&self) {
        self.context.queue.note_end(&self.lease);
    }

    /// The end of the guard, whether or not the lock was given back before. Not for a thread that drives
    /// the runtime: what the callbacks own may do as it likes when it is dropped, and wait for this very
    /// lock.
    pub(crate) fn end(&self) {
        self.stop_background();
        self.call_next();
        self.loss_callbacks.dismiss();
        self.trouble_callbacks.dismiss();
    }
}
