//! Hand-overs between the calls of one client: one at a time has the lock, and each call that is chosen hears
//! what came of it.

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
use crate::interleavings::queue::{EXPIRY_RULE, lease};
use crate::protocol::record::{DoneLabels, Nonce};
use crate::protocol::{Cas, Claim, Condition, ETag, Lease, Loss, Write};
use crate::sync::{Mutex, lock};
use crate::time_budget::TimeBudget;
use crate::wait_queue::{Chain, Chosen, Holding, QueuePlace, Turn, WaitQueue};

pub(super) const REQUEST: Duration = Duration::from_secs(5);
/// A time limit that is never reached.
pub(super) const LONG: Duration = Duration::from_secs(60);

/// The state that the threads of a client share.
#[derive(Default)]
struct Client {
    queue: WaitQueue,
    clock: Clock,
    /// How many threads believe that they hold the lock.
    inside: AtomicUsize,
    turns: AtomicUsize,
    handed_over: AtomicUsize,
    token: AtomicUsize,
}

type Held = (Arc<Mutex<Lease>>, Arc<Notify>);

pub(super) fn claim() -> Claim {
    Claim {
        owner: "a".to_owned(),
        lease: Duration::from_secs(30),
        host: "h".to_owned(),
        pid: 1,
        purpose: None,
        label: None,
        expiry_rule: EXPIRY_RULE,
        reclaims: false,
        queue: None,
    }
}

impl Client {
    fn new_lease(&self) -> Held {
        let token = 1 + self.token.fetch_add(1, Ordering::SeqCst);
        let lease = lease(u64::try_from(token).unwrap());
        (Arc::new(Mutex::new(lease)), Arc::default())
    }

    async fn turn(&self, place: &QueuePlace<'_>, total: Duration) -> Option<Turn> {
        let looks = (Duration::from_millis(100), Duration::from_secs(2));
        let mut budget = TimeBudget::new(&self.clock, total, REQUEST, looks);
        let claim = claim();
        let turn = place.turn(&self.clock, &EXPIRY_RULE, &mut budget, Some(&claim));
        turn.await.ok()
    }

    /// Takes the lock as its turn says. A write in doubt is resolved by asking the store, as any acquire.
    fn take(&self, turn: Turn) -> Held {
        self.come_in();
        match turn {
            Turn::Yours(Holding {
                lease, loss_news, ..
            }) => (lease, loss_news),
            Turn::Take | Turn::Resolve { .. } => {
                let held = self.new_lease();
                self.queue.note_holder(&held.0, &held.1);
                held
            }
            Turn::Done(_) => panic!("nobody here has a label"),
        }
    }

    fn come_in(&self) {
        assert_eq!(self.inside.fetch_add(1, Ordering::SeqCst), 0, "two at once");
        self.turns.fetch_add(1, Ordering::SeqCst);
        thread::yield_now();
    }

    fn go_out(&self) {
        thread::yield_now();
        self.inside.fetch_sub(1, Ordering::SeqCst);
    }

    fn acquire(&self) -> Held {
        let place = self.queue.join(None);
        let turn = block_on(self.turn(&place, LONG));
        self.take(turn.expect("there is time"))
    }

    fn choose(&self, held: &Held) -> Option<Chosen<'_>> {
        self.queue
            .choose(&held.0, &DoneLabels::default(), REQUEST, self.clock.now())
    }

    /// Gives the lock to the chosen call. Returns whether that call is still there.
    fn give(&self, chosen: Chosen<'_>) -> bool {
        let (lease, loss_news) = self.new_lease();
        let chain = Chain::new(self.clock.now());
        let given = chosen.give(Holding {
            lease,
            loss_news,
            entry: Entry,
            chain,
        });
        self.handed_over.fetch_add(1, Ordering::SeqCst);
        given.is_none()
    }

    /// Releases the lock with a hand-over that ends in one of the four ways.
    fn release(&self, held: &Held) {
        self.go_out();
        let Some(chosen) = self.choose(held) else {
            self.queue.note_end(&held.0);
            return;
        };
        thread::yield_now(); // the request
        match thread_rng().gen_range(0..4) {
            0 => drop(chosen),
            1 => {
                let told = chosen.leave_in_doubt(write(&held.0), Entry);
                assert!(told.is_none(), "it has left");
            }
            _ => assert!(self.give(chosen), "it has left"),
        }
        thread::yield_now(); // a release, if need be
        self.queue.note_end(&held.0);
    }
}

/// A write in doubt.
fn write(from: &Arc<Mutex<Lease>>) -> Box<Cas> {
    let record = lock(from).record().renewed(Nonce(2));
    let condition = Condition::Matches(ETag("1".to_owned()));
    let now = Clock::default().now();
    Box::new(Cas::new(Write { record, condition }, now))
}

#[test]
fn all_threads_get_the_lock_one_at_a_time_however_hand_overs_end() {
    explore(|| {
        let client = Arc::<Client>::default();
        let threads = [(); 3].map(|()| {
            let client = client.clone();
            thread::spawn(move || {
                let held = client.acquire();
                client.release(&held);
            })
        });
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(client.turns.load(Ordering::SeqCst), 3);
    });
}

#[test]
fn a_thread_whose_time_is_up_meanwhile_leaves_or_gets_the_lock_and_never_both() {
    explore(|| {
        let client = Arc::<Client>::default();
        let held = client.acquire();
        let waits = client.clone();
        let waits = thread::spawn(move || {
            let place = waits.queue.join(None);
            let turn = block_on(waits.turn(&place, Duration::from_secs(10)));
            let is_given = matches!(turn, Some(Turn::Yours(_)));
            if let Some(turn) = turn {
                waits.take(turn);
                waits.go_out();
            }
            is_given
        });
        // It may be old when it is used.
        let now = client.clock.now();
        let time = client.clone();
        let time = thread::spawn(move || time.clock.advance(10));
        client.go_out();
        let chosen = client
            .queue
            .choose(&held.0, &DoneLabels::default(), REQUEST, now);
        let given = chosen.is_some_and(|chosen| {
            thread::yield_now();
            client.give(chosen)
        });
        client.queue.note_end(&held.0);
        time.join().unwrap();
        assert_eq!(waits.join().unwrap(), given);
        let handed_over = client.handed_over.load(Ordering::SeqCst);
        assert_eq!(handed_over, usize::from(given), "a chosen call has left");
    });
}

#[test]
fn a_holding_given_to_a_thread_that_unwinds_is_left_with_one_of_the_two() {
    explore(|| {
        let client = Arc::<Client>::default();
        let held = client.acquire();
        let unwinds = client.clone();
        let unwinds = thread::spawn(move || {
            let place = unwinds.queue.join(None);
            let turn = block_on(async {
                tokio::select! {
                    biased;
                    turn = unwinds.turn(&place, LONG) => turn,
                    () = std::future::ready(()) => None,
                }
            });
            thread::yield_now();
            let unheard = place.leave();
            let given = |turn: Option<Turn>| usize::from(matches!(turn, Some(Turn::Yours(_))));
            given(turn) + given(unheard)
        });
        client.go_out();
        let chosen = client.choose(&held);
        let was_chosen = chosen.is_some();
        thread::yield_now();
        let kept = chosen.is_some_and(|chosen| !client.give(chosen));
        client.queue.note_end(&held.0);
        let with_it = unwinds.join().unwrap();
        assert_eq!(with_it + usize::from(kept), usize::from(was_chosen));
    });
}

#[test]
fn the_thread_behind_a_chosen_one_gets_its_turn_after_it() {
    explore(|| {
        let client = Arc::<Client>::default();
        let held = client.acquire();
        let threads = [(); 2].map(|()| {
            let client = client.clone();
            thread::spawn(move || {
                let held = client.acquire();
                client.go_out();
                client.queue.note_end(&held.0);
            })
        });
        client.release(&held);
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(client.turns.load(Ordering::SeqCst), 3);
    });
}

#[test]
fn a_lock_broken_during_its_hand_over_is_nobodys_until_that_has_ended() {
    explore(|| {
        let client = Arc::<Client>::default();
        let held = client.acquire();
        let token = lock(&held.0).record().fencing_token;
        client.go_out();
        let next = client.clone();
        let next = thread::spawn(move || {
            let held = next.acquire();
            next.go_out();
            next.queue.note_end(&held.0);
        });
        let breaks = client.clone();
        let breaks = thread::spawn(move || breaks.queue.note_loss(token, Loss::Broken));
        if let Some(chosen) = client.choose(&held) {
            let before = client.turns.load(Ordering::SeqCst);
            thread::yield_now();
            assert_eq!(
                client.turns.load(Ordering::SeqCst),
                before,
                "it did not wait"
            );
            drop(chosen);
        }
        client.queue.note_end(&held.0);
        for thread in [next, breaks] {
            thread.join().unwrap();
        }
        assert_eq!(client.turns.load(Ordering::SeqCst), 2);
    });
}

#[test]
fn choose_takes_nobody_that_asks_the_store() {
    let scenario = || {
        let client = Client::default();
        let place = client.queue.join(None);
        assert!(matches!(
            block_on(client.turn(&place, LONG)),
            Some(Turn::Take)
        ));
        // A try without a place in the queue was faster.
        let held = client.new_lease();
        client.queue.note_holder(&held.0, &held.1);
        assert!(client.choose(&held).is_none());
    };
    // One thread: there is one schedule.
    shuttle::check_random(scenario, 1);
}

#[test]
fn choose_takes_nobody_with_less_time_than_a_request_may_take() {
    explore(|| {
        let client = Arc::<Client>::default();
        let held = client.acquire();
        let waits = client.clone();
        let waits = thread::spawn(move || {
            let place = waits.queue.join(None);
            let turn = block_on(waits.turn(&place, REQUEST - Duration::from_millis(1)));
            assert!(matches!(turn, Some(Turn::Take)));
        });
        assert!(client.choose(&held).is_none());
        client.queue.note_end(&held.0);
        waits.join().unwrap();
    });
}

#[test]
fn choose_takes_only_the_first_in_the_queue() {
    explore(|| {
        let client = Arc::<Client>::default();
        let held = client.acquire();
        // It has just come, and is busy.
        let first = client.queue.join(None);
        let second = client.clone();
        let second = thread::spawn(move || {
            let held = second.acquire();
            second.queue.note_end(&held.0);
        });
        assert!(client.choose(&held).is_none());
        client.go_out();
        client.queue.note_end(&held.0);
        drop(first);
        second.join().unwrap();
    });
}
