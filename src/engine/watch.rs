//! What a client's background thread does for a lock that is held: it renews it in time, and notices
//! when it is lost.
//!
//! Each lock has a task of its own, and so its own timer and its own request under way: one that hangs
//! delays no other. Nobody's callback runs here (see [`loss_callbacks`]): it would stall them all.
//!
//! [`loss_callbacks`]: crate::engine::loss_callbacks

use std::convert::Infallible;
use std::future;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::held_lock::HeldLock;
use crate::engine::loss_callbacks::LossCallback;
use crate::engine::renew::{PACE, as_storage_error, retry_pauses};
use crate::engine::trouble_callbacks::TroubleCallback;
use crate::sys::logs;
use crate::sys::random::spread;
use crate::sys::sync::lock;
use crate::types::errors::{LockError, LostCause};
use crate::types::text::seconds;

/// How long a task sleeps without asking the clock what is left of the lease: where the machine may
/// be suspended unnoticed, a long sleep would miss the deadline.
const LONGEST_NAP: Duration = Duration::from_secs(1);
/// How long to keep away after no thread could be started.
const NO_THREAD: Duration = Duration::from_millis(100);

impl HeldLock {
    /// Has it renewed in time, again and again.
    pub(crate) fn keep_alive(self: &Arc<HeldLock>) -> Result<(), LockError> {
        self.check()?;
        self.watch()?;
        self.orders.send_modify(|orders| orders.renew = true);
        Ok(())
    }

    /// Has `callback` called when it is lost.
    pub(crate) fn on_lost(self: &Arc<HeldLock>, callback: LossCallback) {
        self.loss_callbacks.add(callback);
        if let Some(cause) = self.loss() {
            self.loss_callbacks.tell_at_once(&cause);
        } else if let Err(error) = self.watch() {
            let key = self.key();
            logs::error!("{key}: its loss may go unnoticed: {error}");
        }
    }

    /// Has `callback` called when it cannot be renewed in the background.
    pub(crate) fn on_trouble(&self, callback: TroubleCallback) {
        let clock = self.context.session.clock();
        self.trouble_callbacks
            .add(callback, self.remaining(), clock);
    }

    /// Has the background thread look after it, if it does not already.
    fn watch(self: &Arc<HeldLock>) -> Result<(), LockError> {
        let mut is_watched = lock(&self.is_watched);
        if !*is_watched {
            let held = self.clone();
            let task = Arc::new(move || Box::pin(look_after(held.clone())) as _);
            let session = &self.context.session;
            let started = session.run_in_background(task);
            started.map_err(LockError::of_this_machine)?;
            *is_watched = true;
        }
        Ok(())
    }
}

/// Looks after one lock until it is given back or lost. A renewal under way is dropped with the
/// rest; the call that gives the lock back knows of it.
async fn look_after(held: Arc<HeldLock>) {
    tokio::select! {
        biased;
        () = given_back(&held) => {}
        cause = lost(&held) => {
            // Before it is logged: nobody knows how long a logger takes.
            tell(&held, &cause).await;
            held.log_loss(&cause);
        }
        never = keep_renewing(&held) => match never {},
    }
}

async fn given_back(held: &HeldLock) {
    let mut orders = held.orders.subscribe();
    // An error would mean that there is nobody left to give orders.
    let _ = orders.wait_for(|orders| orders.stop).await;
}

/// Ends when the lock is lost: at its deadline, whatever a renewal under way is waiting for, or
/// as soon as it is known to be.
async fn lost(held: &HeldLock) -> LostCause {
    let clock = held.context.session.clock();
    loop {
        if let Some(cause) = held.loss() {
            return cause;
        }
        let nap = held.remaining().min(LONGEST_NAP);
        // Either way, another look is due.
        let _ = clock.within(nap, held.loss_news.notified()).await;
    }
}

async fn tell(held: &HeldLock, cause: &LostCause) {
    let mut has_complained = false;
    while let Err(error) = held.loss_callbacks.tell(cause) {
        if !has_complained {
            let key = held.key();
            logs::error!("{key}: no thread to tell of its loss on, for now: {error}");
        }
        has_complained = true;
        held.context.session.clock().sleep(NO_THREAD).await;
    }
}

/// Renews a lock in time, once its guard wants that, for as long as its settings allow.
async fn keep_renewing(held: &HeldLock) -> Infallible {
    let mut orders = held.orders.subscribe();
    let _ = orders.wait_for(|orders| orders.renew).await;
    let lease = held.record.lease();
    let clock = held.context.session.clock();
    let mut pauses = retry_pauses(lease);
    let mut pace = spread(lease / PACE);
    loop {
        until_due(held, pace).await;
        if is_held_long_enough(held) {
            let key = held.key();
            logs::warn!("{key} was held for max_hold, and is not renewed any more");
            return future::pending().await;
        }
        // No longer than its requests may take, so that its error is known before the deadline.
        let request = held.context.session.request_timeout().min(lease / PACE);
        let limit = lock(&held.lease).renewal_limit(request);
        match held.renew(limit).await {
            Ok(()) => {
                pauses.reset();
                pace = spread(lease / PACE);
            }
            Err(error) => {
                report_failure(held, &error);
                clock.sleep(pauses.next()).await;
            }
        }
    }
}

/// Waits until `pace` of the lease has passed since it was last renewed, by whatever call.
async fn until_due(held: &HeldLock, pace: Duration) {
    loop {
        let passed = held.record.lease().saturating_sub(held.remaining());
        let left = pace.saturating_sub(passed);
        if left.is_zero() {
            return;
        }
        let clock = held.context.session.clock();
        clock.sleep(left.min(LONGEST_NAP)).await;
    }
}

/// Whether it was held for as long as the settings let it be kept alive.
fn is_held_long_enough(held: &HeldLock) -> bool {
    let context = &held.context;
    let held_for = context.session.clock().now().at_most_since(held.since);
    context.settings.max_hold.is_some_and(|max| held_for >= max)
}

/// Tells of a renewal that failed. A loss is told elsewhere.
fn report_failure(held: &HeldLock, error: &LockError) {
    if let Some(told) = as_storage_error(error) {
        let clock = held.context.session.clock();
        let callbacks = &held.trouble_callbacks;
        callbacks.note_failure(Arc::new(told), held.remaining(), clock);
    }
    if !matches!(error, LockError::Lost(_)) {
        let (key, left) = (held.key(), seconds(&held.remaining()));
        logs::warn!("{key} could not be renewed, and is held for {left} more: {error}");
    }
}
