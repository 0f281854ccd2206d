//! What the threads of one client share about one lock: its queue, its live guard, and what was
//! learned of the record.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;

use crate::clock::{Clock, Instant};
use crate::protocol::{Holding, Knowledge};
use crate::record::Record;
use crate::sync::lock;

/// One client's share in one lock.
#[derive(Default)]
pub(crate) struct Local {
    pub(crate) knowledge: Mutex<Knowledge>,
    line: Mutex<Line>,
}

/// Who of this client holds the lock, and who waits for it.
#[derive(Default)]
struct Line {
    holder: Option<Arc<Mutex<Holding>>>,
    /// Those who wait, in order of arrival. Only the first may ask the store.
    waiting: VecDeque<Arc<Notify>>,
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
        let holding = self.line().holder.clone()?;
        let holding = lock(&holding);
        let remaining = holding.remaining(now);
        (!remaining.is_zero()).then(|| (holding.record().clone(), remaining))
    }

    /// Notes that a guard of this client holds the lock.
    pub(crate) fn enter(&self, holding: &Arc<Mutex<Holding>>) {
        self.line().holder = Some(holding.clone());
    }

    /// Notes that it does so no longer, and calls the next in line.
    pub(crate) fn leave(&self, holding: &Arc<Mutex<Holding>>) {
        let mut line = self.line();
        if line
            .holder
            .as_ref()
            .is_some_and(|h| Arc::ptr_eq(h, holding))
        {
            line.holder = None;
            line.call_first();
        }
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
    /// longer than `limit`. Says whether it came to that.
    ///
    /// A guard counts until its deadline: one that was forgotten does not block the queue.
    pub(crate) async fn turn(&self, clock: &Clock, limit: Duration) -> bool {
        let start = clock.now();
        loop {
            let now = clock.now();
            let left = limit.saturating_sub(now.at_least_since(start));
            let nap = match (self.is_first(), self.local.holder(now)) {
                (true, None) => return true,
                (true, Some((_, remaining))) => remaining.min(left),
                (false, _) => left,
            };
            if left.is_zero() {
                return false;
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Runtime;

    /// Whether it is this place's turn right now.
    fn is_turn(place: &Place<'_>) -> bool {
        let clock = Clock::default();
        let now = Runtime::default().block_on(async { place.turn(&clock, Duration::ZERO).await });
        now.unwrap()
    }

    #[test]
    fn turns_come_in_the_order_of_arrival() {
        let local = Local::default();
        let (first, second, third) = (local.queue(), local.queue(), local.queue());
        assert_eq!([&first, &second, &third].map(is_turn), [true, false, false]);
        drop(first);
        assert_eq!([&second, &third].map(is_turn), [true, false]);
        drop(second);
        assert!(is_turn(&third));
    }

    #[test]
    fn who_leaves_from_the_middle_of_the_queue_holds_nobody_up() {
        let local = Local::default();
        let (first, second, third) = (local.queue(), local.queue(), local.queue());
        drop(second);
        drop(first);
        assert!(is_turn(&third));
    }

    #[test]
    fn who_waits_is_woken_when_its_turn_comes() {
        let local = Local::default();
        let (first, second) = (local.queue(), local.queue());
        let hour = Duration::from_secs(3600);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                let clock = Clock::default();
                Runtime::default().block_on(async { second.turn(&clock, hour).await })
            });
            drop(first);
            assert!(waiting.join().unwrap().unwrap());
        });
    }
}
