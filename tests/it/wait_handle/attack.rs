//! Calls that are cancelled at any moment while requests go wrong: nothing of them remains.

use std::thread;
use std::time::{Duration, Instant};

use s3_lock::{Client, LockError, LockGuard, S3Lock, StorageErrorKind, WaitHandle};

use super::{QUEUE, watched};
use crate::support::{Dice, Fault, Match, Server};
use crate::{KEY, client, client_builder, lock_of};

/// The time of a request.
const T: Duration = Duration::from_secs(1);
/// How much longer a call may take on a slow machine.
const SLACK: Duration = Duration::from_secs(2);
/// The longest that the server sits on a request.
const LONGEST_STALL: u64 = 400;

/// How many rounds a thread makes. Set this to look for longer.
fn rounds() -> u64 {
    let set = std::env::var("S3_LOCK_CANCEL_ROUNDS").ok();
    set.map_or(12, |rounds| rounds.parse().expect("it is a number"))
}

/// What came of a round.
#[derive(Debug, Default)]
struct Tally {
    cancelled: usize,
    won: usize,
    unknown: usize,
    /// Rounds after which a ticket was left, because a write of the queue went wrong and came late.
    tickets: usize,
    /// The longest that a call took after its cancel.
    longest: Duration,
}

/// One round: some calls wait, some requests go wrong, and the calls are cancelled.
struct Round {
    dice: Dice,
    server: Server,
    /// Whether a write of the queue may be carried out after its call has ended.
    queue_is_late: bool,
    longest: Duration,
}

impl Round {
    fn below(&mut self, end: u64) -> Duration {
        Duration::from_millis(self.dice.below(end))
    }

    /// Scripts up to three faults.
    fn break_requests(&mut self) {
        for _ in 0..self.dice.below(4) {
            let (is_put, is_queue) = (self.dice.one_in(2), self.dice.one_in(2));
            let rule = if is_put { Match::put() } else { Match::get() };
            let rule = rule.key(if is_queue { QUEUE } else { KEY });
            let skip = usize::try_from(self.dice.below(4)).unwrap();
            let fault = match self.dice.below(7) {
                0 => Fault::DropBefore,
                1 => Fault::DropAfter,
                2 => Fault::answer(503, "SlowDown"),
                3 => Fault::answer_after(500, "InternalError"),
                4 => Fault::StallAfter(self.below(LONGEST_STALL)),
                _ => {
                    self.queue_is_late |= is_put && is_queue;
                    Fault::Stall(self.below(LONGEST_STALL))
                }
            };
            self.server.fault(rule.skip(skip), fault);
        }
    }

    /// Has calls wait behind a holder, cancels them at some moment, and returns what they returned.
    fn run(&mut self) -> Vec<Result<LockGuard, LockError>> {
        let other = client(&self.server);
        let builder = client_builder(&self.server).request_timeout(T);
        let client = builder.build().unwrap();
        let holder = if self.dice.one_in(2) { &other } else { &client };
        let guard = lock_of(holder).acquire("holder").unwrap();
        let calls: Vec<_> = (0..=self.dice.below(3)).collect();
        let shared = WaitHandle::new();
        let handles = calls.iter().map(|_| {
            let is_shared = self.dice.one_in(2);
            let own = WaitHandle::new();
            if is_shared { shared.clone() } else { own }
        });
        let handles: Vec<_> = handles.collect();
        let locks = handles.iter().map(|handle| self.waiter(&client, handle));
        let locks: Vec<_> = locks.collect();
        let naps = [(); 4].map(|()| self.below(120));
        self.break_requests();
        thread::scope(|scope| {
            let calling = locks.iter().map(|lock| scope.spawn(|| end(lock)));
            let calling: Vec<_> = calling.collect();
            scope.spawn(|| {
                thread::sleep(naps[3]);
                // It may go wrong, as any.
                let _ = guard.release();
            });
            for (handle, nap) in handles.iter().zip(naps) {
                thread::sleep(nap / 2);
                handle.cancel();
            }
            let cancelled = Instant::now();
            let ends = calling.into_iter().map(|call| call.join().unwrap());
            let ends: Vec<_> = ends.collect();
            for (_, ended) in &ends {
                let took = ended.saturating_duration_since(cancelled);
                assert!(took < 2 * T + SLACK, "{took:?} after its cancel");
                self.longest = self.longest.max(took);
            }
            ends.into_iter().map(|(end, _)| end).collect()
        })
    }

    fn waiter(&self, client: &Client, handle: &WaitHandle) -> S3Lock {
        watched(client, handle).build().unwrap()
    }
}

fn end(lock: &S3Lock) -> (Result<LockGuard, LockError>, Instant) {
    let end = lock.acquire_within("victim", Duration::MAX);
    (end, Instant::now())
}

/// The owner in the stored record, if the lock is held.
fn held_by(server: &Server) -> Option<String> {
    let record = server.object(KEY)?.body;
    let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
    let owner = || record["owner"].as_str().unwrap().to_owned();
    (record["state"] == "held").then(owner)
}

/// How many tickets are in the queue that the record does not say are used up.
fn waiting_tickets(server: &Server) -> usize {
    let parse = |key| {
        let body = server.object(key)?.body;
        serde_json::from_slice::<serde_json::Value>(&body).ok()
    };
    let (Some(record), Some(queue)) = (parse(KEY), parse(QUEUE)) else {
        return 0;
    };
    let served = record["served"].as_u64().unwrap_or(0);
    let tickets = queue["tickets"].as_array().unwrap().iter();
    let waiting = tickets.filter(|ticket| ticket["n"].as_u64().unwrap() > served);
    waiting.count()
}

fn look(seed: u64, tally: &mut Tally) {
    let mut round = Round {
        dice: Dice::new(seed, &[]),
        server: Server::start(),
        queue_is_late: false,
        longest: Duration::ZERO,
    };
    let mut is_known = true;
    for end in round.run() {
        match end {
            Ok(guard) => {
                tally.won += 1;
                round.server.clear_faults();
                guard.release().unwrap();
            }
            Err(LockError::Cancelled { .. }) => tally.cancelled += 1,
            Err(LockError::Storage(error)) if error.is_outcome_unknown() => {
                assert_ne!(error.kind(), StorageErrorKind::Unexpected);
                tally.unknown += 1;
                is_known = false;
            }
            Err(error) => panic!("seed {seed}: {error:?}"),
        }
    }
    tally.longest = tally.longest.max(round.longest);
    // What comes late has come.
    thread::sleep(Duration::from_millis(LONGEST_STALL + 50));
    let left = held_by(&round.server).filter(|owner| owner == "victim");
    assert!(
        left.is_none() || !is_known,
        "seed {seed}: a holding is left"
    );
    // Who cannot undo an attempt has no time left for its ticket.
    if is_known && waiting_tickets(&round.server) > 0 {
        assert!(round.queue_is_late, "seed {seed}: a ticket is left");
        tally.tickets += 1;
    }
}

#[test]
fn cancel_at_any_moment_leaves_neither_a_holding_nor_a_ticket() {
    let first = std::env::var("S3_LOCK_CANCEL_SEED").ok();
    let first = first.map_or(0, |seed| seed.parse().expect("it is a number"));
    thread::scope(|scope| {
        for thread in 0..8 {
            scope.spawn(move || {
                let mut tally = Tally::default();
                for round in 0..rounds() {
                    look(first + thread * 1_000_000 + round, &mut tally);
                }
                println!("{tally:?}");
                assert!(tally.cancelled > 0, "{tally:?}");
            });
        }
    });
}
