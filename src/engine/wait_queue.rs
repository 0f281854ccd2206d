//! What the threads of one client share about one lock: the queue, the live guard, and what reads showed.
//! An acquire that waits takes a place in the queue, and only the first place asks the store.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use crate::engine::time_budget::TimeBudget;
use crate::protocol::record::Record;
use crate::protocol::{ExpiryRule, Instant, Lease, Loss, Observations};
use crate::sys::clock::Clock;
use crate::sys::sync::{Mutex, MutexGuard, lock};

/// One client's queue for one lock.
#[derive(Default)]
pub(crate) struct WaitQueue {
    pub(crate) observations: Mutex<Observations>,
    turns: Mutex<Turns>,
}

/// Which guard of this client holds the lock, and which calls wait for it.
#[derive(Default)]
struct Turns {
    holder: Option<LocalHolder>,
    /// The waiting calls, in order of arrival. Only the first may ask the store.
    waiting: VecDeque<Arc<Notify>>,
}

/// A guard's lease, and what to notify when the lock is lost.
#[derive(Clone)]
struct LocalHolder {
    lease: Arc<Mutex<Lease>>,
    loss_news: Arc<Notify>,
}

/// What a client knows about the holder of a lock.
pub(crate) struct KnownHolder {
    pub(crate) record: Record,
    pub(crate) free_in: Duration,
    seen_at: Instant,
}

impl KnownHolder {
    /// Whether it was seen since `start`.
    fn is_fresh(&self, start: Instant) -> bool {
        start.at_least_since(self.seen_at).is_zero()
    }
}

/// A place in the queue; given up when dropped.
pub(crate) struct QueuePlace<'a> {
    queue: &'a WaitQueue,
    turn: Arc<Notify>,
}

impl WaitQueue {
    pub(crate) fn observations(&self) -> MutexGuard<'_, Observations> {
        lock(&self.observations)
    }

    fn turns(&self) -> MutexGuard<'_, Turns> {
        lock(&self.turns)
    }

    /// The live guard of this client, if there is one, and how much of its lease is left.
    pub(crate) fn holder(&self, now: Instant) -> Option<(Record, Duration)> {
        let lease = self.turns().holder.clone()?.lease;
        let mut lease = lock(&lease);
        let remaining = lease.remaining(now);
        (!remaining.is_zero()).then(|| (lease.record().clone(), remaining))
    }

    /// Notes that a guard of this client holds the lock.
    pub(crate) fn note_holder(&self, lease: &Arc<Mutex<Lease>>, loss_news: &Arc<Notify>) {
        self.turns().holder = Some(LocalHolder {
            lease: lease.clone(),
            loss_news: loss_news.clone(),
        });
    }

    /// Notes that this guard no longer holds the lock, and wakes the first in the queue.
    pub(crate) fn note_end(&self, lease: &Arc<Mutex<Lease>>) {
        let mut turns = self.turns();
        if turns
            .holder
            .as_ref()
            .is_some_and(|holder| Arc::ptr_eq(&holder.lease, lease))
        {
            turns.holder = None;
            turns.wake_first();
        }
    }

    /// Notes that something other than the guard ended the holding with this token. If a guard of this
    /// client has it, that guard has lost the lock.
    pub(crate) fn note_loss(&self, token: u64, loss: Loss) {
        let holder = self.turns().holder.clone();
        let Some(LocalHolder { lease, loss_news }) = holder else {
            return;
        };
        let mut held = lock(&lease);
        if held.record().fencing_token == token {
            held.lose(loss);
            drop(held);
            loss_news.notify_one();
            self.note_end(&lease);
        }
    }

    /// The known holder, and for how long it holds the lock at most: a guard of this client, else the
    /// holder that the last read showed.
    fn known_holder(&self, now: Instant, expiry_rule: &ExpiryRule) -> Option<KnownHolder> {
        if let Some((record, remaining)) = self.holder(now) {
            // A guard may be leaked (`mem::forget`). Then this client takes the lock over like any other.
            return Some(KnownHolder {
                free_in: remaining + expiry_rule.beyond(record.lease()),
                record,
                seen_at: now,
            });
        }
        let observations = self.observations();
        let seen = observations.held.as_ref()?;
        Some(KnownHolder {
            record: seen.record.clone(),
            free_in: observations.free_in(seen, expiry_rule, now),
            seen_at: seen.arrived,
        })
    }

    /// How many are in the queue.
    pub(crate) fn waiting(&self) -> usize {
        self.turns().waiting.len()
    }

    /// Joins the end of the queue.
    pub(crate) fn join(&self) -> QueuePlace<'_> {
        let turn = Arc::new(Notify::new());
        self.turns().waiting.push_back(turn.clone());
        QueuePlace { queue: self, turn }
    }
}

impl Turns {
    fn wake_first(&self) {
        if let Some(first) = self.waiting.front() {
            first.notify_one();
        }
    }

    fn is_first(&self, turn: &Arc<Notify>) -> bool {
        let first = self.waiting.front();
        first.is_some_and(|first| Arc::ptr_eq(first, turn))
    }
}

impl QueuePlace<'_> {
    /// Waits until this place is first and no guard of this client holds the lock, but no longer than
    /// `budget` allows. When the time is up, returns who holds the lock, if that is known.
    ///
    /// A guard counts until its deadline, so a leaked guard does not block the queue.
    pub(crate) async fn turn(
        &self,
        clock: &Clock,
        expiry_rule: &ExpiryRule,
        budget: &mut TimeBudget,
    ) -> Result<(), Option<KnownHolder>> {
        let mut has_waited = false;
        loop {
            let now = clock.now();
            // Keep this order: a call notes its guard before it leaves the queue.
            let is_first = self.queue.turns().is_first(&self.turn);
            let holder = self.queue.holder(now);
            if is_first && holder.is_none() {
                if has_waited && budget.is_up() {
                    budget.grant_late_try();
                }
                return Ok(());
            }
            let known = self.queue.known_holder(now, expiry_rule);
            let start = budget.start();
            if let Some(known) = &known {
                budget.see_holder(known.free_in, known.is_fresh(start));
            }
            let left = budget.left();
            if left.is_zero() {
                return Err(known.filter(|known| known.is_fresh(start)));
            }
            let nap = match holder {
                Some((_, remaining)) if is_first => remaining.min(left),
                _ => left,
            };
            has_waited = true;
            tokio::select! {
                () = self.turn.notified() => {}
                () = clock.sleep(nap) => {}
            }
        }
    }
}

impl Drop for QueuePlace<'_> {
    fn drop(&mut self) {
        let mut turns = self.queue.turns();
        let was_first = turns.is_first(&self.turn);
        turns.waiting.retain(|turn| !Arc::ptr_eq(turn, &self.turn));
        if was_first {
            turns.wake_first();
        }
    }
}
