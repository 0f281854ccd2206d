//! Labels that get done while calls of the same client wait for them: each such call ends, and no call waits for
//! ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use shuttle::future::block_on;
use shuttle::rand::{Rng, thread_rng};
use shuttle::thread;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::engine::registry::Entry;
use crate::explore;
use crate::interleavings::hand_over::claim;
use crate::interleavings::queue::{EXPIRY_RULE, lease};
use crate::protocol::record::{Nonce, Record};
use crate::protocol::{ETag, Lease, StoredRecord};
use crate::sync::{Mutex, lock};
use crate::time_budget::TimeBudget;
use crate::wait_queue::{Chain, Holding, Turn, WaitQueue};

const REQUEST: Duration = Duration::from_secs(5);
const LONG: Duration = Duration::from_secs(60);
const LABEL: &str = "x";

type Held = (Arc<Mutex<Lease>>, Arc<Notify>);

/// The state that the threads of a client share.
#[derive(Default)]
struct Client {
    queue: WaitQueue,
    clock: Clock,
    inside: AtomicUsize,
    had_the_lock: AtomicUsize,
    skipped: AtomicUsize,
}

impl Client {
    /// Waits for the lock. None if the label is done.
    fn acquire(&self, label: Option<&str>) -> Option<Held> {
        let place = self.queue.join(label);
        let looks = (Duration::from_millis(100), Duration::from_secs(2));
        let mut budget = TimeBudget::new(&self.clock, LONG, REQUEST, looks);
        let claim = claim();
        let turn = place.turn(&self.clock, &EXPIRY_RULE, &mut budget, Some(&claim));
        let held = match block_on(turn).ok().expect("there is time") {
            Turn::Done(_) => return self.skip(),
            // It has become so just now. An acquire looks again before it asks the store.
            Turn::Take if self.queue.done(label).is_some() => return self.skip(),
            Turn::Yours(Holding {
                lease, loss_news, ..
            }) => (lease, loss_news),
            Turn::Take | Turn::Resolve { .. } => {
                let held: Held = (Arc::new(Mutex::new(lease(7))), Arc::default());
                self.queue.note_holder(&held.0, &held.1);
                held
            }
        };
        assert_eq!(self.inside.fetch_add(1, Ordering::SeqCst), 0, "two at once");
        self.had_the_lock.fetch_add(1, Ordering::SeqCst);
        thread::yield_now();
        Some(held)
    }

    fn skip(&self) -> Option<Held> {
        self.skipped.fetch_add(1, Ordering::SeqCst);
        None
    }

    fn release(&self, held: &Held) {
        self.inside.fetch_sub(1, Ordering::SeqCst);
        self.queue.note_end(&held.0);
    }

    /// Completes the label of this holding, by a hand-over if it may.
    fn complete(&self, held: &Held) {
        self.inside.fetch_sub(1, Ordering::SeqCst);
        let mut record = lock(&held.0).record().clone();
        record.label = Some(LABEL.into());
        let completed = record.completed();
        let now = self.clock.now();
        let chosen = self.queue.choose(&held.0, completed.done(), REQUEST, now);
        thread::yield_now(); // the request
        match chosen {
            Some(chosen) if thread_rng().gen_range(0..3) > 0 => {
                let next = next_holding(&completed);
                self.queue.observations().note_taken(next.record(), now);
                self.queue.note_done();
                let given = chosen.give(Holding {
                    lease: Arc::new(Mutex::new(next)),
                    loss_news: Arc::default(),
                    entry: Entry,
                    chain: Chain::new(now),
                });
                assert!(given.is_none(), "it has left");
            }
            chosen => {
                drop(chosen);
                let etag = ETag("2".to_owned());
                let record = completed.released(Nonce(2));
                let released = StoredRecord { etag, record };
                self.queue.observations().note_released(released, now);
                self.queue.note_done();
            }
        }
        self.queue.note_end(&held.0);
    }
}

/// The holding after this one, which has no label.
fn next_holding(completed: &Record) -> Lease {
    let record = lease(8).record().clone();
    let done = serde_json::to_value(completed.done()).expect("it is JSON");
    let mut fields: serde_json::Value =
        serde_json::from_slice(&record.to_body()).expect("it is JSON");
    fields["done"] = done;
    let record = Record::parse(fields.to_string().as_bytes()).expect("it is a record");
    let etag = ETag("2".to_owned());
    Lease::new(StoredRecord { etag, record }, Clock::default().now())
}

#[test]
fn calls_that_wait_for_a_label_end_once_it_is_done_and_the_others_get_the_lock() {
    explore(|| {
        let client = Arc::<Client>::default();
        let held = client.acquire(Some(LABEL)).expect("it is to be done");
        let threads = [Some(LABEL), None, Some(LABEL)].map(|label| {
            let client = client.clone();
            thread::spawn(move || {
                if let Some(held) = client.acquire(label) {
                    assert_eq!(label, None, "its label is done");
                    client.release(&held);
                }
            })
        });
        client.complete(&held);
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(client.skipped.load(Ordering::SeqCst), 2);
        assert_eq!(client.had_the_lock.load(Ordering::SeqCst), 2);
    });
}

/// The other has the lock until the call for the label has ended. So that call must not wait behind it.
#[test]
fn a_call_whose_label_is_done_ends_though_another_keeps_the_lock() {
    explore(|| {
        let client = Arc::<Client>::default();
        let held = client.acquire(Some(LABEL)).expect("it is to be done");
        let waits = client.clone();
        let waits = thread::spawn(move || assert!(waits.acquire(Some(LABEL)).is_none()));
        let keeps = client.clone();
        let keeps = thread::spawn(move || {
            let held = keeps.acquire(None).expect("it has no label");
            waits.join().unwrap();
            keeps.release(&held);
        });
        client.complete(&held);
        keeps.join().unwrap();
    });
}
