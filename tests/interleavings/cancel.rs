//! Calls in the queue of one client that are cancelled from another thread: none sleeps on, and none leaves with
//! what it was told.

use std::sync::Arc;
use std::time::Duration;

use shuttle::future::block_on;
use shuttle::thread;
use tokio::sync::Notify;

use crate::cancellation::Cancellation;
use crate::clock::Clock;
use crate::engine::registry::Entry;
use crate::explore;
use crate::interleavings::hand_over::{LONG, REQUEST, claim};
use crate::interleavings::queue::{EXPIRY_RULE, lease};
use crate::protocol::Lease;
use crate::protocol::record::DoneLabels;
use crate::sync::Mutex;
use crate::time_budget::TimeBudget;
use crate::wait_queue::{Chain, Holding, Turn, WaitQueue};

/// What threads share.
#[derive(Default)]
struct Client {
    queue: WaitQueue,
    clock: Clock,
    cancellation: Cancellation,
}

impl Client {
    /// Waits for its turn until that comes, or the call is cancelled.
    fn wait(&self) -> Option<Turn> {
        let place = self.queue.join(None);
        let looks = (Duration::from_millis(100), Duration::from_secs(2));
        let budget = TimeBudget::new(&self.clock, LONG, REQUEST, looks);
        let mut budget = budget.cancelled_by(Some(self.cancellation.clone()));
        let claim = claim();
        let turn = place.turn(&self.clock, &EXPIRY_RULE, &mut budget, Some(&claim));
        block_on(turn).ok()
    }

    fn hold(&self) -> Arc<Mutex<Lease>> {
        let lease = Arc::new(Mutex::new(lease(1)));
        self.queue.note_holder(&lease, &Arc::<Notify>::default());
        lease
    }
}

#[test]
fn all_calls_behind_a_guard_end_when_they_are_cancelled() {
    explore(|| {
        let client = Arc::<Client>::default();
        let _held = client.hold();
        let calls = [(); 2].map(|()| {
            let client = client.clone();
            thread::spawn(move || assert!(client.wait().is_none(), "the lock is held"))
        });
        thread::yield_now();
        client.cancellation.cancel();
        for call in calls {
            call.join().unwrap();
        }
    });
}

#[test]
fn a_call_cancelled_as_its_turn_comes_does_not_keep_the_next_from_its_own() {
    explore(|| {
        let client = Arc::<Client>::default();
        let held = client.hold();
        let cancelled = client.clone();
        let cancelled = thread::spawn(move || cancelled.wait().is_some());
        let behind = client.clone();
        let behind = thread::spawn(move || {
            let place = behind.queue.join(None);
            let looks = (Duration::from_millis(100), Duration::from_secs(2));
            let mut budget = TimeBudget::new(&behind.clock, LONG, REQUEST, looks);
            let turn = place.turn(&behind.clock, &EXPIRY_RULE, &mut budget, None);
            assert!(block_on(turn).is_ok(), "it was not cancelled");
        });
        let cancels = client.clone();
        let cancels = thread::spawn(move || cancels.cancellation.cancel());
        client.queue.note_end(&held);
        for thread in [behind, cancels] {
            thread.join().unwrap();
        }
        cancelled.join().unwrap();
    });
}

#[test]
fn a_chosen_call_that_is_cancelled_hears_what_came_of_it() {
    explore(|| {
        let client = Arc::<Client>::default();
        let held = client.hold();
        let waits = client.clone();
        let waits = thread::spawn(move || matches!(waits.wait(), Some(Turn::Yours(_))));
        let cancels = client.clone();
        let cancels = thread::spawn(move || cancels.cancellation.cancel());
        let now = client.clock.now();
        let chosen = client
            .queue
            .choose(&held, &DoneLabels::default(), REQUEST, now);
        let given = chosen.is_some_and(|chosen| {
            thread::yield_now();
            let holding = Holding {
                lease: Arc::new(Mutex::new(lease(2))),
                loss_news: Arc::default(),
                entry: Entry,
                chain: Chain::new(now),
            };
            assert!(chosen.give(holding).is_none(), "it has left");
            true
        });
        cancels.join().unwrap();
        assert_eq!(waits.join().unwrap(), given);
    });
}
