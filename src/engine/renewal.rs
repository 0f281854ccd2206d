//! The background thread of a client: it renews the holdings that are to be kept alive, and notices
//! when one is lost.
//!
//! There is none until a guard asks for it, at most one for each client, and it goes when the last
//! guard that it looks after has gone. Each holding has a task of its own on the client's runtime,
//! which this thread drives: so each has its own timer and its own request under way, and one that
//! hangs delays no other. Nobody's callback runs here (see [`listeners`](crate::listeners)): it
//! would stall them all.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use std::{future, io};

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::{JoinError, JoinSet};

use crate::engine::driver::PAUSE;
use crate::engine::held_lock::Held;
use crate::sys::arrivals::Arrivals;
use crate::sys::logs;
use crate::sys::random::{Backoff, spread};
use crate::types::errors::{LockError, LostCause, seconds};

/// The way to a client's background thread.
#[derive(Default)]
pub(crate) struct Background {
    arrivals: Arrivals<Arc<Held>>,
}

/// A holding is renewed when this part of its lease has passed, give or take a tenth of that: time
/// for one more attempt, should it have no answer.
pub(crate) const PACE: u32 = 3;
/// How long a task sleeps without asking the clock what is left of the lease: where the machine may
/// be suspended unnoticed, a long sleep would miss the deadline.
const LONGEST_NAP: Duration = Duration::from_secs(1);
/// The longest pause between two renewals that fail, however long the lease.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long to keep away after no thread could be started.
const NO_THREAD: Duration = Duration::from_millis(100);

impl Background {
    /// Has the thread look after a holding; `start` is asked to run it if there is none.
    pub(crate) fn look_after(
        &self,
        held: Arc<Held>,
        start: impl FnOnce(UnboundedReceiver<Arc<Held>>) -> io::Result<()>,
    ) -> io::Result<()> {
        self.arrivals.hand_over(held, start)
    }

    /// What the thread does: looks after all that arrive, until none is left.
    pub(crate) async fn run(&self, mut arrivals: UnboundedReceiver<Arc<Held>>) {
        let mut tasks = JoinSet::new();
        let mut holdings = HashMap::new();
        loop {
            tokio::select! {
                Some(held) = arrivals.recv() => {
                    let task = tasks.spawn(look_after(held.clone()));
                    holdings.insert(task.id(), held);
                }
                Some(ended) = tasks.join_next_with_id() => {
                    let id = ended.as_ref().map_or_else(JoinError::id, |(id, ())| *id);
                    let held = holdings.remove(&id);
                    // It panicked, which nothing of it should; what it looked after is still held.
                    if let (Err(_), Some(held)) = (ended, held) {
                        let task = tasks.spawn(look_after_again(held.clone()));
                        holdings.insert(task.id(), held);
                    }
                    if tasks.is_empty() && self.arrivals.end(&arrivals) {
                        return;
                    }
                }
                else => return,
            }
        }
    }
}

/// Looks after one holding until it is given back or lost. A renewal under way is dropped with the
/// rest; whoever gives the lock back knows of it.
async fn look_after(held: Arc<Held>) {
    tokio::select! {
        biased;
        () = given_back(&held) => {}
        cause = lost(&held) => {
            // Before it is logged: nobody knows how long a logger takes.
            tell(&held, &cause).await;
            held.mourn(&cause);
        }
        never = keep_renewing(&held) => match never {},
    }
}

/// The same, after it has panicked once: not in a hurry to do so again.
async fn look_after_again(held: Arc<Held>) {
    held.core.client.clock().sleep(NO_THREAD).await;
    look_after(held).await;
}

async fn given_back(held: &Held) {
    // An error would mean that there is nobody left to wish for anything.
    let _ = held.wishes().wait_for(|wishes| wishes.let_go).await;
}

/// Ends when the holding is lost: at its deadline, whatever a renewal under way is waiting for, or
/// as soon as it is known to be.
async fn lost(held: &Held) -> LostCause {
    let clock = held.core.client.clock();
    loop {
        if let Some(cause) = held.loss() {
            return cause;
        }
        tokio::select! {
            () = clock.sleep(held.remaining().min(LONGEST_NAP)) => {}
            () = held.news() => {}
        }
    }
}

async fn tell(held: &Held, cause: &LostCause) {
    let mut complained = false;
    while let Err(error) = held.listeners.tell(cause) {
        if !complained {
            let key = &held.core.location.key;
            logs::error!("{key}: no thread to tell of its loss on, for now: {error}");
        }
        complained = true;
        held.core.client.clock().sleep(NO_THREAD).await;
    }
}

/// Renews a holding in time, once its guard wishes so, for as long as its settings allow.
async fn keep_renewing(held: &Held) -> Infallible {
    let _ = held.wishes().wait_for(|wishes| wishes.keep_alive).await;
    let lease = held.record.lease();
    let mut pauses = retry_pauses(lease);
    let mut pace = spread(lease / PACE);
    loop {
        until_due(held, pace).await;
        if held.is_kept_long_enough() {
            let key = &held.core.location.key;
            logs::warn!("{key} was held for max_hold, and is not renewed any more");
            return future::pending().await;
        }
        // No longer than its requests may take, so that its error is known before the deadline.
        let request = held.core.client.request_timeout().min(lease / PACE);
        match held.renew(held.renewal_limit(request)).await {
            Ok(()) => {
                pauses.reset();
                pace = spread(lease / PACE);
            }
            Err(error) => {
                held.trouble(&error);
                warn(held, &error);
                held.core.client.clock().sleep(pauses.next()).await;
            }
        }
    }
}

/// Waits until `pace` of the lease has passed, whoever renewed it last.
async fn until_due(held: &Held, pace: Duration) {
    loop {
        let passed = held.record.lease().saturating_sub(held.remaining());
        let left = pace.saturating_sub(passed);
        if left.is_zero() {
            return;
        }
        held.core.client.clock().sleep(left.min(LONGEST_NAP)).await;
    }
}

fn warn(held: &Held, error: &LockError) {
    // A loss is told elsewhere.
    if !matches!(error, LockError::Lost(_)) {
        let (key, left) = (&held.core.location.key, seconds(&held.remaining()));
        logs::warn!("{key} could not be renewed, and is held for {left} more: {error}");
    }
}

/// How long to keep away after a renewal that failed: a running lease is too short for the usual
/// pauses.
pub(crate) fn retry_pauses(lease: Duration) -> Backoff {
    let (min, max) = PAUSE;
    let longest = (lease / 30).clamp(max.min(lease / 10), LONGEST_PAUSE);
    Backoff::new(min.min(lease / 50), longest)
}
