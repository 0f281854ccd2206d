//! What a client's background thread does for a held lock: it renews the lock in time, and notices when
//! the lock is lost.
//!
//! Each lock has its own task, with its own timer and its own request under way. One that hangs delays no
//! other. No callback runs on this thread (see [`loss_callbacks`]): it would stall all the tasks.
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

/// The longest sleep of a task before it asks the clock again how much of the lease is left. The timer may
/// stand still while the machine is suspended, so a longer sleep could miss the deadline.
const LONGEST_NAP: Duration = Duration::from_secs(1);
/// The pause after a thread could not be started.
const THREAD_RETRY: Duration = Duration::from_millis(100);

impl HeldLock {
    /// Has the background thread renew the lock in time, again and again.
    pub(crate) fn keep_alive(self: &Arc<HeldLock>) -> Result<(), LockError> {
        self.check()?;
        self.watch()?;
        self.orders.send_modify(|orders| orders.renew = true);
        Ok(())
    }

    /// Adds a callback for the loss of the lock.
    pub(crate) fn on_lost(self: &Arc<HeldLock>, callback: LossCallback) {
        self.loss_callbacks.add(callback);
        if let Some(cause) = self.loss() {
            self.loss_callbacks.tell_at_once(&cause);
        } else if let Err(error) = self.watch() {
            let key = self.key();
            logs::error!("{key}: on_lost may not be called when the lock is lost: {error}");
        }
    }

    /// Adds a callback for failing renewals in the background.
    pub(crate) fn on_trouble(&self, callback: TroubleCallback) {
        let clock = self.context.session.clock();
        self.trouble_callbacks
            .add(callback, self.remaining(), clock);
    }

    /// Has the background thread watch the lock, if it does not already.
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

/// Watches and renews one lock until it is given back or lost. Then this drops a renewal under way; the
/// call that gives the lock back knows about it.
async fn look_after(held: Arc<HeldLock>) {
    tokio::select! {
        biased;
        () = given_back(&held) => {}
        cause = lost(&held) => {
            // Before the loss is logged: a logger may take any time.
            tell(&held, &cause).await;
            held.log_loss(&cause);
        }
        never = keep_renewing(&held) => match never {},
    }
}

async fn given_back(held: &HeldLock) {
    let mut orders = held.orders.subscribe();
    // It fails only if the sender is gone, and `held` owns it.
    let _ = orders.wait_for(|orders| orders.stop).await;
}

/// Ends when the lock is lost: at its deadline, even during a renewal, or as soon as the loss is known.
async fn lost(held: &HeldLock) -> LostCause {
    let clock = held.context.session.clock();
    loop {
        if let Some(cause) = held.loss() {
            return cause;
        }
        let nap = held.remaining().min(LONGEST_NAP);
        // Either way, check again.
        let _ = clock.within(nap, held.loss_news.notified()).await;
    }
}

async fn tell(held: &HeldLock, cause: &LostCause) {
    let mut has_complained = false;
    while let Err(error) = held.loss_callbacks.tell(cause) {
        if !has_complained {
            let key = held.key();
            logs::error!("{key}: no thread for on_lost, retrying: {error}");
        }
        has_complained = true;
        held.context.session.clock().sleep(THREAD_RETRY).await;
    }
}

/// Renews a lock in time once its guard orders it, for as long as the settings allow.
async fn keep_renewing(held: &HeldLock) -> Infallible {
    let mut orders = held.orders.subscribe();
    let _ = orders.wait_for(|orders| orders.renew).await;
    let lease = held.record.lease();
    let clock = held.context.session.clock();
    let mut pauses = retry_pauses(lease);
    let mut pace = spread(lease / PACE);
    loop {
        until_due(held, pace).await;
        if has_reached_max_hold(held) {
            let key = held.key();
            logs::warn!("{key} was held for max_hold, and is no longer renewed");
            return future::pending().await;
        }
        // No longer than one request may take, so that the error is known before the deadline.
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

/// Waits until `pace` has passed since the last renewal by any call.
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

/// Whether the lock has been held for `max_hold`.
fn has_reached_max_hold(held: &HeldLock) -> bool {
    let context = &held.context;
    let held_for = context.session.clock().now().at_most_since(held.since);
    context.settings.max_hold.is_some_and(|max| held_for >= max)
}

/// Reports a failed renewal to the callbacks and the log. `look_after` reports a loss.
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
