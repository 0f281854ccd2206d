//! A holding, as its guard and the client's background thread share it: looking at it, renewing it,
//! giving it back, and noticing its loss.

use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use crate::engine::driver::{Errors, Outcome};
use crate::engine::lock_context::Core;
use crate::engine::loss_callbacks::{Callback, Listeners};
use crate::engine::renewal::{PACE, retry_pauses};
use crate::engine::shared_call::{Asked, Shared};
use crate::engine::trouble_callbacks::Troubles;
use crate::engine::{loss_callbacks, trouble_callbacks};
use crate::protocol::record::Record;
use crate::protocol::{Instant, Lease, Loss, Release, Released, Renew, Renewed, Verified, Verify};
use crate::sys::forks::Process;
use crate::sys::logs;
use crate::sys::sync::lock;
use crate::types::errors::{LockError, LostCause, StorageError, StorageErrorKind};

/// What a guard and the background thread share.
pub(crate) struct Held {
    pub(crate) core: Arc<Core>,
    /// The record as it was acquired. What renewals change in it, nobody is shown.
    pub(crate) record: Record,
    /// When it was acquired.
    pub(crate) since: Instant,
    pub(crate) listeners: Listeners,
    pub(crate) troubles: Troubles,
    holding: Arc<Mutex<Lease>>,
    /// Why the last renewal failed.
    last_error: Mutex<Option<Arc<StorageError>>>,
    /// Held while a renewal is under way, and by whoever gives the lock back.
    renewing: tokio::sync::Mutex<()>,
    renewals: Shared<Renewal>,
    /// Held by a look that is under way, unless that takes long.
    looking: tokio::sync::Mutex<()>,
    looks: Shared<Result<(), LockError>>,
    wishes: watch::Sender<Wishes>,
    /// Wakes whoever watches for its loss.
    news: Arc<Notify>,
    /// Whether the background thread looks after it.
    watched: Mutex<bool>,
    /// Whether its loss has been logged.
    mourned: AtomicBool,
    /// The process that acquired it.
    process: Process,
}

// For the reasons given at the session. A renewal or look that unwinds gives its place free when it is
// dropped, and who has joined it asks anew.
impl UnwindSafe for Held {}
impl RefUnwindSafe for Held {}

/// A look waits for the one before it, so that many can share it, but for no more than this part of
/// the time that it has itself.
const PATIENCE: u32 = 8;

/// How a renewal went, for all who have asked for it.
#[derive(Clone)]
struct Renewal {
    outcome: Result<(), LockError>,
    /// Whether it has failed because the time of whoever made it was up.
    gave_up: bool,
}

impl Renewal {
    fn failed(error: LockError) -> Renewal {
        Renewal {
            outcome: Err(error),
            gave_up: false,
        }
    }
}

/// What the guard wants of the background thread.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wishes {
    /// To renew it in time, again and again.
    pub keep_alive: bool,
    /// To let go of it: it is being given back.
    pub let_go: bool,
}

impl Held {
    pub(crate) fn new(core: Arc<Core>, holding: Lease) -> Held {
        let record = holding.record().clone();
        let since = holding.since();
        let holding = Arc::new(Mutex::new(holding));
        let news = Arc::<Notify>::default();
        core.local.enter(&holding, &news);
        Held {
            core,
            record,
            since,
            listeners: Listeners::default(),
            troubles: Troubles::default(),
            holding,
            last_error: Mutex::default(),
            renewing: tokio::sync::Mutex::default(),
            renewals: Shared::default(),
            looking: tokio::sync::Mutex::default(),
            looks: Shared::default(),
            wishes: watch::Sender::default(),
            news,
            watched: Mutex::new(false),
            mourned: AtomicBool::new(false),
            process: Process::own(),
        }
    }

    /// Whether this is a forked child's copy of its parent's holding, which is none of its business.
    /// Asked before any mutex is touched: it may be locked there for ever.
    pub(crate) fn is_inherited(&self) -> bool {
        !self.process.is_own()
    }

    pub(crate) fn remaining(&self) -> Duration {
        if self.is_inherited() {
            return Duration::ZERO;
        }
        let now = self.core.client.clock().now();
        lock(&self.holding).remaining(now)
    }

    /// Whether it is lost, and how. Once lost, it stays lost.
    pub(crate) fn loss(&self) -> Option<LostCause> {
        if self.is_inherited() {
            return Some(LostCause::Vanished);
        }
        let now = self.core.client.clock().now();
        let loss = lock(&self.holding).check(now).cloned();
        Some(self.cause(loss?))
    }

    /// Logs a loss, once.
    pub(crate) fn mourn(&self, cause: &LostCause) {
        if !self.is_inherited() && !self.mourned.swap(true, Ordering::Relaxed) {
            logs::error!("{}: {cause}", self.core.location.key);
        }
    }

    pub(crate) fn check(&self) -> Result<(), LockError> {
        match self.loss() {
            None => Ok(()),
            Some(cause) => {
                self.mourn(&cause);
                Err(LockError::Lost(cause))
            }
        }
    }

    /// Tells those who want to know of a loss that a call of the guard's has met, if nobody else
    /// does. Not for a thread that drives the runtime.
    pub(crate) fn heed(&self, outcome: Result<(), LockError>) -> Result<(), LockError> {
        if let Err(LockError::Lost(cause)) = &outcome {
            if !self.is_inherited() && !*lock(&self.watched) {
                self.listeners.tell_at_once(cause);
            }
        }
        outcome
    }

    /// The same after the release, when nobody else does any longer.
    pub(crate) fn heed_last(&self, outcome: &Result<(), LockError>) {
        if let Err(LockError::Lost(cause)) = outcome {
            self.listeners.tell_at_once(cause);
        }
    }

    fn cause(&self, loss: Loss) -> LostCause {
        match loss {
            Loss::Expired => LostCause::Expired {
                last_error: lock(&self.last_error).clone(),
            },
            Loss::TakenOver(seen) => {
                let info = self.core.describe(&seen);
                LostCause::TakenOver(Box::new(info))
            }
            Loss::Vanished => LostCause::Vanished,
            Loss::Broken => LostCause::Broken,
        }
    }

    /// [`check`](Held::check), after something was learned: if it was the loss of the lock, whoever
    /// waits to be told is told, and whoever of this client waits for it has its turn.
    fn settled(&self) -> Result<(), LockError> {
        let checked = self.check();
        if checked.is_err() {
            self.news.notify_one();
        }
        if lock(&self.holding).is_gone() {
            self.leave();
        }
        checked
    }

    /// Lets the next of this client's queue have its turn.
    pub(crate) fn leave(&self) {
        self.core.local.leave(&self.holding);
    }

    /// Asks the store whether it still stands, within a request's time. Those who ask while a look is
    /// under way share the next one; where that one hangs, they do not wait for its end.
    pub(crate) async fn verify(&self) -> Result<(), LockError> {
        let clock = self.core.client.clock();
        let limit = self.record.lease() / PACE;
        let limit = limit.min(self.core.client.request_timeout());
        let start = clock.now();
        loop {
            self.check()?;
            let left = limit.saturating_sub(clock.now().at_most_since(start));
            if left.is_zero() {
                return Err(self.core.failed(Errors::default()));
            }
            match self.looks.ask() {
                Asked::Join(joined) => {
                    if let Some(Some(outcome)) = clock.within(left, joined.outcome()).await {
                        return outcome;
                    }
                }
                Asked::Lead(lead) => {
                    let turn = self.looking.lock();
                    let _turn = clock.within(left.min(limit / PATIENCE), turn).await;
                    lead.begin();
                    let left = limit.saturating_sub(clock.now().at_most_since(start));
                    let outcome = self.look(left).await;
                    lead.end(outcome.clone());
                    return outcome;
                }
            }
        }
    }

    async fn look(&self, limit: Duration) -> Result<(), LockError> {
        let core = &self.core;
        let drive = core.drive(core.limits(limit), core.client.clock().now());
        let Outcome { end, errors, .. } = drive.run(Verify::default(), &self.holding).await?;
        // It may have taken until the deadline.
        self.settled()?;
        match end {
            Verified::Failed => Err(core.failed(errors)),
            Verified::Held => Ok(()),
            Verified::Lost => self.check(),
        }
    }

    /// How long a renewal in the background may take, where a request may take so long.
    pub(crate) fn renewal_limit(&self, request: Duration) -> Duration {
        lock(&self.holding).renewal_limit(request)
    }

    /// Makes the lease last its full term again, or fails within `limit` and before the deadline.
    ///
    /// Those who ask while a renewal is under way share the next one, the background thread among them:
    /// so it never has to wait in a queue.
    pub(crate) async fn renew(&self, limit: Duration) -> Result<(), LockError> {
        let clock = self.core.client.clock();
        let start = clock.now();
        let limit = limit.min(self.remaining());
        loop {
            self.settled()?;
            let left = limit.saturating_sub(clock.now().at_most_since(start));
            if left.is_zero() {
                return Err(self.core.failed(Errors::default()));
            }
            match self.renewals.ask() {
                Asked::Join(joined) => match clock.within(left, joined.outcome()).await {
                    // Who made it may have had less time than there is here.
                    Some(Some(Renewal { gave_up: true, .. })) | Some(None) | None => {}
                    Some(Some(Renewal { outcome, .. })) => return outcome,
                },
                Asked::Lead(lead) => {
                    let Some(serial) = clock.within(left, self.renewing.lock()).await else {
                        continue;
                    };
                    lead.begin();
                    let left = limit.saturating_sub(clock.now().at_most_since(start));
                    let renewal = self.renew_now(left).await;
                    drop(serial);
                    lead.end(renewal.clone());
                    if renewal.outcome.is_ok() {
                        logs::debug!("renewed {}", self.core.location.key);
                    }
                    return renewal.outcome;
                }
            }
        }
    }

    /// One renewal, within `limit`. May be dropped at any point: a write under way is known to whatever
    /// comes after.
    async fn renew_now(&self, limit: Duration) -> Renewal {
        let core = &self.core;
        let lease = self.record.lease();
        let mut limits = core.limits(limit);
        limits.attempt = limits.attempt.min(lease / PACE);
        limits.pauses = retry_pauses(lease);
        let drive = core.drive(limits, core.client.clock().now());
        let driven = match drive.run(Renew::default(), &self.holding).await {
            Ok(driven) => driven,
            Err(error) => return Renewal::failed(error),
        };
        let Outcome {
            end,
            errors,
            gave_up,
            ..
        } = driven;
        let error = match end {
            Renewed::Yes => {
                *lock(&self.last_error) = None;
                self.troubles.over();
                return Renewal {
                    outcome: Ok(()),
                    gave_up: false,
                };
            }
            Renewed::Lost => {
                self.remember(errors.any().as_ref());
                return Renewal {
                    outcome: self.settled(),
                    gave_up: false,
                };
            }
            Renewed::Failed => core.failed(errors),
            Renewed::ConditionIgnored => core.defied(),
            Renewed::Unknown => core.unknown(errors).into(),
        };
        self.remember(Some(&error));
        // It may have taken until the deadline.
        let outcome = self.settled().and(Err(error));
        Renewal { outcome, gave_up }
    }

    /// Keeps the error of a renewal: it may turn out to be why the lock is lost.
    fn remember(&self, error: Option<&LockError>) {
        if let Some(error) = error.and_then(as_storage) {
            *lock(&self.last_error) = Some(Arc::new(error));
        }
    }

    /// Tells those who want to know that a renewal in the background has failed.
    pub(crate) fn trouble(&self, error: &LockError) {
        if let Some(error) = as_storage(error) {
            let clock = self.core.client.clock();
            self.troubles
                .failed(Arc::new(error), self.remaining(), clock);
        }
    }

    /// Wishes that `callback` be called when renewals in the background fail.
    pub(crate) fn on_trouble(&self, callback: trouble_callbacks::Callback) {
        if self.is_inherited() {
            // Nothing is renewed here.
            logs::contain(|| drop(callback));
        } else {
            let clock = self.core.client.clock();
            self.troubles.add(callback, self.remaining(), clock);
        }
    }

    /// The one way that a lock is given back.
    pub(crate) async fn give_back(&self) -> Result<(), LockError> {
        let core = &self.core;
        let start = core.client.clock().now();
        // Stops a renewal under way, which holds what is awaited here.
        self.let_go();
        let _serial = self.renewing.lock().await;
        let limits = core.limits(2 * core.client.request_timeout());
        let drive = core.drive(limits, start);
        let Outcome { end, errors, .. } = drive.run(Release::default(), &self.holding).await?;
        match end {
            Released::Yes(stored) => {
                if let Some(stored) = stored {
                    core.local.knowledge().note_released(stored);
                }
                logs::info!("released {} as {:?}", core.location.key, self.record.owner);
                Ok(())
            }
            Released::Lost => {
                // Those who want to know are told by the guard, once it is off the runtime.
                self.check()
            }
            Released::Failed => Err(core.failed(errors)),
            Released::ConditionIgnored => Err(core.defied()),
            Released::Unknown => Err(core
                .unknown(errors)
                .with_hint("its lease ends it at the latest")
                .into()),
        }
    }

    /// Has the background thread look after it, if it does not already.
    pub(crate) fn watch(self: &Arc<Held>) -> Result<(), LockError> {
        let mut watched = lock(&self.watched);
        if !*watched {
            let client = &self.core.client;
            client
                .look_after(self.clone())
                .map_err(LockError::of_this_machine)?;
            *watched = true;
        }
        Ok(())
    }

    /// Wishes that it be renewed in time, again and again.
    pub(crate) fn keep_alive(self: &Arc<Held>) -> Result<(), LockError> {
        self.check()?;
        self.watch()?;
        self.wishes.send_modify(|w| w.keep_alive = true);
        Ok(())
    }

    /// Wishes that `callback` be called when it is lost.
    pub(crate) fn on_lost(self: &Arc<Held>, callback: Callback) {
        if self.is_inherited() {
            return loss_callbacks::call_at_once(callback, &LostCause::Vanished);
        }
        self.listeners.add(callback);
        match self.loss() {
            Some(cause) => self.listeners.tell_at_once(&cause),
            None => {
                if let Err(error) = self.watch() {
                    let key = &self.core.location.key;
                    logs::error!("{key}: its loss may go unnoticed: {error}");
                }
            }
        }
    }

    /// Wishes that nobody look after it any longer.
    pub(crate) fn let_go(&self) {
        self.wishes.send_modify(|w| w.let_go = true);
    }

    /// Whether it was held for as long as the settings let it be kept alive.
    pub(crate) fn is_kept_long_enough(&self) -> bool {
        let held_for = self.core.client.clock().now().at_most_since(self.since);
        self.core
            .settings
            .max_hold
            .is_some_and(|max| held_for >= max)
    }

    pub(crate) fn wishes(&self) -> watch::Receiver<Wishes> {
        self.wishes.subscribe()
    }

    /// Ends when there may be something to learn about its loss.
    pub(crate) async fn news(&self) {
        self.news.notified().await;
    }
}

/// The error of a renewal, as those are told who want to know.
fn as_storage(error: &LockError) -> Option<StorageError> {
    match error {
        LockError::Storage(error) => Some(error.clone()),
        LockError::Config(error) => Some(StorageError::new(
            StorageErrorKind::Credentials,
            error.to_string(),
        )),
        _ => None,
    }
}
