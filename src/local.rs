//! What the threads of one client share about one lock: its queue, its live guard, and what was
//! learned of the record.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use crate::clock::{Clock, Instant};
use crate::drive::Limits;
use crate::protocol::knowledge::Patience;
use crate::protocol::{Holding, Knowledge, Loss};
use crate::record::Record;
use crate::sync::{Mutex, MutexGuard, lock};

/// One client's share in one lock.
#[derive(Default)]
pub(crate) struct Local {
    pub(crate) knowledge: Mutex<Knowledge>,
    line: Mutex<Line>,
}

/// Who of this client holds the lock, and who waits for it.
#[derive(Default)]
struct Line {
    holder: Option<Holder>,
    /// Those who wait, in order of arrival. Only the first may ask the store.
    waiting: VecDeque<Arc<Notify>>,
}

/// A guard's holding, and whom to wake when it is lost.
#[derive(Clone)]
struct Holder {
    holding: Arc<Mutex<Holding>>,
    news: Arc<Notify>,
}

/// What a client knows of who holds a lock.
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
pub(crate) struct Place<'a> {
    local: &'a Local,
    turn: Arc<Notify>,
}

impl Local {
    pub(crate) fn knowledge(&self) -> MutexGuard<'_, Knowledge> {
        lock(&self.knowledge)
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        lock(&self.line)
    }

    /// The live guard of this client, if there is one, and what is left of its lease.
    pub(crate) fn holder(&self, now: Instant) -> Option<(Record, Duration)> {
        let holding = self.line().holder.clone()?.holding;
        let mut holding = lock(&holding);
        let remaining = holding.remaining(now);
        (!remaining.is_zero()).then(|| (holding.record().clone(), remaining))
    }

    /// Notes that a guard of this client holds the lock.
    pub(crate) fn enter(&self, holding: &Arc<Mutex<Holding>>, news: &Arc<Notify>) {
        self.line().holder = Some(Holder {
            holding: holding.clone(),
            news: news.clone(),
        });
    }

    /// Notes that it does so no longer, and calls the next in line.
    pub(crate) fn leave(&self, holding: &Arc<Mutex<Holding>>) {
        let mut line = self.line();
        if line
            .holder
            .as_ref()
            .is_some_and(|h| Arc::ptr_eq(&h.holding, holding))
        {
            line.holder = None;
            line.call_first();
        }
    }

    /// Notes that the holding with this token was ended by somebody else than its guard: if that is
    /// one of this client, it has the lock no longer.
    pub(crate) fn lose(&self, token: u64, loss: Loss) {
        let holder = self.line().holder.clone();
        let Some(Holder { holding, news }) = holder else {
            return;
        };
        let mut held = lock(&holding);
        if held.record().fencing_token == token {
            held.lose(loss);
            drop(held);
            news.notify_one();
            self.leave(&holding);
        }
    }

    /// Who is known to hold the lock, and for how long at the most: a guard of this client, else
    /// whom its last look showed.
    fn known_holder(&self, now: Instant, patience: &Patience) -> Option<KnownHolder> {
        if let Some((record, remaining)) = self.holder(now) {
            // A guard may be forgotten: then its record falls to this client like any other's.
            return Some(KnownHolder {
                free_in: remaining + patience.beyond(record.lease()),
                record,
                seen_at: now,
            });
        }
        let known = self.knowledge();
        let seen = known.held.as_ref()?;
        Some(KnownHolder {
            record: seen.record.clone(),
            free_in: known.free_in(seen, patience, now),
            seen_at: seen.arrived,
        })
    }

    /// How many are in the queue.
    #[cfg(feature = "internals")]
    pub(crate) fn waiting(&self) -> usize {
        self.line().waiting.len()
    }

    /// Joins the end of the queue.
    pub(crate) fn queue(&self) -> Place<'_> {
        let turn = Arc::new(Notify::new());
        self.line().waiting.push_back(turn.clone());
        Place { local: self, turn }
    }
}

impl Line {
    fn call_first(&self) {
        if let Some(first) = self.waiting.front() {
            first.notify_one();
        }
    }
}

impl Place<'_> {
    fn is_first(&self) -> bool {
        let line = self.local.line();
        line.waiting
            .front()
            .is_some_and(|t| Arc::ptr_eq(t, &self.turn))
    }

    /// Waits until it is this place's turn and no guard of this client holds the lock, but no
    /// longer than `limits` allow. Says who held it when the time was up, if that is known.
    ///
    /// A guard counts until its deadline: one that was forgotten does not block the queue.
    pub(crate) async fn turn(
        &self,
        clock: &Clock,
        patience: &Patience,
        limits: &mut Limits,
    ) -> Result<(), Option<KnownHolder>> {
        let start = clock.now();
        let mut waited = false;
        loop {
            let now = clock.now();
            // In this order: whoever was first before has noted its guard before it left the queue.
            let is_first = self.is_first();
            let holder = self.local.holder(now);
            let so_far = now.at_most_since(start);
            if is_first && holder.is_none() {
                if waited && so_far >= limits.total {
                    limits.try_late(so_far);
                }
                return Ok(());
            }
            let known = self.local.known_holder(now, patience);
            if let Some(known) = &known {
                limits.see_holder(so_far, known.free_in, known.is_fresh(start));
            }
            let left = limits.total.saturating_sub(so_far);
            if left.is_zero() {
                return Err(known.filter(|known| known.is_fresh(start)));
            }
            let nap = match holder {
                Some((_, remaining)) if is_first => remaining.min(left),
                _ => left,
            };
            waited = true;
            tokio::select! {
                () = self.turn.notified() => {}
                () = clock.sleep(nap) => {}
            }
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut line = self.local.line();
        let was_first = line
            .waiting
            .front()
            .is_some_and(|t| Arc::ptr_eq(t, &self.turn));
        line.waiting.retain(|t| !Arc::ptr_eq(t, &self.turn));
        if was_first {
            line.call_first();
        }
    }
}
