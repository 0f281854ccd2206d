//! The queue of one client: no call waits for ever, and only one at a time has its turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use shuttle::future::block_on;
use shuttle::thread;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::explore;
use crate::protocol::record::Record;
use crate::protocol::{ETag, Lease, Loss};
use crate::protocol::{ExpiryRule, StoredRecord};
use crate::sync::Mutex;
use crate::time_budget::TimeBudget;
use crate::wait_queue::{QueuePlace, WaitQueue};

pub(super) const EXPIRY_RULE: ExpiryRule = ExpiryRule {
    margin: Duration::from_secs(2),
    store_clock: true,
};

/// The state that the threads of a client share.
#[derive(Default)]
struct Client {
    queue: WaitQueue,
    /// How many threads have their turn or hold the lock.
    inside: AtomicUsize,
    turns: AtomicUsize,
}

pub(super) fn lease(fencing_token: u64) -> Lease {
    let record = format!(
        r#"{{"format":1,"state":"held","owner":"a","fencing_token":{fencing_token},"lease_ms":30000,
        "nonce":"{:032x}","acquired_at":"2026-01-01T00:00:00.000Z","host":"h","pid":1}}"#,
        1
    );
    let known = StoredRecord {
        etag: ETag("1".to_owned()),
        record: Record::parse(record.as_bytes()).expect("a record"),
    };
    Lease::new(known, Clock::default().now())
}

fn wait(place: &QueuePlace<'_>, total: Duration) -> bool {
    let clock = Clock::default();
    let looks = (Duration::from_millis(100), Duration::from_secs(2));
    let mut budget = TimeBudget::new(&clock, total, Duration::from_secs(5), looks);
    block_on(place.turn(&clock, &EXPIRY_RULE, &mut budget, None)).is_ok()
}

impl Client {
    fn come_in(&self) {
        assert_eq!(self.inside.fetch_add(1, Ordering::SeqCst), 0, "two at once");
        self.turns.fetch_add(1, Ordering::SeqCst);
        thread::yield_now();
    }

    fn go_out(&self) {
        self.inside.fetch_sub(1, Ordering::SeqCst);
    }

    /// Acquires, and returns the guard's lease and its notification of a loss.
    fn acquire(&self, token: u64) -> (Arc<Mutex<Lease>>, Arc<Notify>) {
        let place = self.queue.join(None);
        assert!(wait(&place, Duration::from_secs(60)));
        self.come_in();
        let (lease, news) = (Arc::new(Mutex::new(lease(token))), Arc::default());
        self.queue.note_holder(&lease, &news);
        (lease, news)
    }

    /// Acquires and releases.
    fn cycle(&self, token: u64) {
        let (lease, _) = self.acquire(token);
        thread::yield_now();
        self.go_out();
        self.queue.note_end(&lease);
    }
}

#[test]
fn all_threads_get_a_turn_one_at_a_time() {
    explore(|| {
        let client = Arc::<Client>::default();
        let threads = [1, 2, 3].map(|token| {
            let client = client.clone();
            thread::spawn(move || client.cycle(token))
        });
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(client.turns.load(Ordering::SeqCst), 3);
    });
}

#[test]
fn threads_behind_one_that_gives_up_get_their_turn() {
    explore(|| {
        let client = Arc::<Client>::default();
        let threads = [1, 2].map(|token| {
            let client = client.clone();
            thread::spawn(move || client.cycle(token))
        });
        let gives_up = client.clone();
        let gives_up = thread::spawn(move || {
            let place = gives_up.queue.join(None);
            if wait(&place, Duration::ZERO) {
                gives_up.come_in();
                gives_up.go_out();
            }
        });
        for thread in threads {
            thread.join().unwrap();
        }
        gives_up.join().unwrap();
    });
}

#[test]
fn note_loss_wakes_the_next_in_the_queue_and_notifies_the_guard() {
    explore(|| {
        let client = Arc::<Client>::default();
        let (_holding, news) = client.acquire(1);
        let next = client.clone();
        let next = thread::spawn(move || next.cycle(2));
        let watches = thread::spawn(move || block_on(news.notified()));
        client.go_out();
        client.queue.note_loss(1, Loss::Broken);
        next.join().unwrap();
        watches.join().unwrap();
    });
}

#[test]
fn turns_come_in_the_order_of_arrival() {
    let scenario = || {
        let queue = WaitQueue::default();
        let (first, second, third) = (queue.join(None), queue.join(None), queue.join(None));
        let is_turn = |place: &QueuePlace<'_>| wait(place, Duration::ZERO);
        assert_eq!([&first, &second, &third].map(is_turn), [true, false, false]);
        drop(first);
        assert_eq!([&second, &third].map(is_turn), [true, false]);
        drop(second);
        assert!(is_turn(&third));
    };
    // One thread: there is one schedule.
    shuttle::check_random(scenario, 1);
}

#[test]
fn a_thread_that_leaves_the_middle_of_the_queue_blocks_nobody() {
    let scenario = || {
        let queue = WaitQueue::default();
        let (first, second, third) = (queue.join(None), queue.join(None), queue.join(None));
        drop(second);
        drop(first);
        assert!(wait(&third, Duration::ZERO));
    };
    // One thread: there is one schedule.
    shuttle::check_random(scenario, 1);
}
