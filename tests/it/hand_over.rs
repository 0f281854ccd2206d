//! Releases that give the lock to a waiting thread of the same client, in one write.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Mutex;
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use s3_lock::internals::{self, Time};
use s3_lock::{Client, LockError, LockGuard, LostCause, S3Lock};

use crate::support::{Fault, Gate, Match, Server};
use crate::{KEY, builder, client, client_builder, eventually, leased, lock_of, stored_state};

/// A call that waits behind a guard of its client.
type Waiter<'a> = ScopedJoinHandle<'a, Result<LockGuard, LockError>>;

/// What came of a test: the guard's end, and the waiter's.
struct Ends {
    released: Result<(), LockError>,
    got: Result<LockGuard, LockError>,
    /// The token of the guard that was released.
    token: u64,
}

impl Ends {
    /// The waiter's guard, after a release without an error.
    fn next(self) -> LockGuard {
        self.released.expect("it is released");
        let next = self.got.expect("the next call has the lock");
        assert_eq!(next.owner(), "second");
        next
    }
}

fn wait_until_parked(lock: &S3Lock, calls: usize) {
    eventually("a call sleeps", || internals::parked(lock) == calls);
}

/// Has a call of `waiter` wait behind a guard of `lock`, then calls `release` with that guard. A guard that
/// was held for a second is not handed over, so this begins anew where the machine is too slow.
fn release_before(
    lock: &S3Lock,
    waiter: &S3Lock,
    release: impl Fn(LockGuard) -> Result<(), LockError>,
) -> Ends {
    loop {
        let began = Instant::now();
        let guard = lock.acquire("first").unwrap();
        let token = guard.fencing_token().get();
        let ends = thread::scope(|scope| {
            let waiting: Waiter<'_> = scope.spawn(|| waiter.acquire("second"));
            wait_until_parked(waiter, 1);
            let is_quick = began.elapsed() < Duration::from_millis(400);
            let released = if is_quick {
                release(guard)
            } else {
                guard.release()
            };
            let got = waiting.join().unwrap();
            is_quick.then_some(Ends {
                released,
                got,
                token,
            })
        });
        if let Some(ends) = ends {
            return ends;
        }
    }
}

/// The stored records that the requests since the last clearing wrote or tried to write: owner, state, token.
fn writes(server: &Server) -> Vec<(String, String, u64)> {
    let requests = server.requests();
    let puts = requests.iter().filter(|r| r.method == "PUT");
    let fields = |body: &Vec<u8>| {
        let record: serde_json::Value = serde_json::from_slice(body).unwrap();
        let text = |name: &str| record[name].as_str().unwrap().to_owned();
        let token = record["fencing_token"].as_u64().unwrap();
        (text("owner"), text("state"), token)
    };
    puts.map(|put| fields(&put.body)).collect()
}

/// Releases after the requests so far are forgotten, so that `writes` shows what the release wrote.
fn release_logged(server: &Server) -> impl Fn(LockGuard) -> Result<(), LockError> {
    |guard| {
        server.clear_requests();
        guard.release()
    }
}

fn methods(server: &Server) -> Vec<String> {
    server.requests().into_iter().map(|r| r.method).collect()
}

fn impatient(server: &Server) -> Client {
    let client = client_builder(server).request_timeout(Duration::from_millis(500));
    client.build().unwrap()
}

#[test]
fn release_gives_the_lock_to_a_waiting_thread_in_one_write() {
    let server = Server::start();
    let lock = lock_of(&client(&server));
    let ends = release_before(&lock, &lock, release_logged(&server));
    let token = ends.token;
    let next = ends.next();
    assert_eq!(methods(&server), ["PUT"]);
    assert_eq!(
        writes(&server),
        [("second".to_owned(), "held".to_owned(), token + 1)]
    );
    assert_eq!(next.fencing_token().get(), token + 1);
    next.verify().unwrap();
    next.release().unwrap();
    assert_eq!(stored_state(&server).unwrap(), "released");
}

#[test]
fn drop_gives_the_lock_to_a_waiting_thread_in_one_write() {
    let server = Server::start();
    let lock = lock_of(&client(&server));
    let ends = release_before(&lock, &lock, |guard| {
        server.clear_requests();
        drop(guard);
        Ok(())
    });
    ends.next().verify().unwrap();
    assert_eq!(methods(&server)[..2], ["PUT", "GET"]);
}

#[test]
fn drop_by_a_panic_gives_the_lock_to_a_waiting_thread_in_one_write() {
    let server = Server::start();
    let lock = lock_of(&client(&server));
    let ends = release_before(&lock, &lock, |guard| {
        server.clear_requests();
        let unwound = panic::catch_unwind(AssertUnwindSafe(|| {
            let _guard = guard;
            panic::resume_unwind(Box::new("the main operation fails"));
        }));
        assert!(unwound.is_err());
        Ok(())
    });
    ends.next().verify().unwrap();
    assert_eq!(methods(&server)[..2], ["PUT", "GET"]);
}

#[test]
fn release_gives_the_waiting_thread_the_settings_of_its_own_lock() {
    let server = Server::start();
    let client = client(&server);
    let waiter = leased(&client, 20_000).purpose("the second's").build();
    let ends = release_before(&lock_of(&client), &waiter.unwrap(), release_logged(&server));
    let next = ends.next();
    assert!(next.remaining() <= Duration::from_secs(20));
    let record: serde_json::Value =
        serde_json::from_slice(&server.object(KEY).unwrap().body).unwrap();
    assert_eq!(record["purpose"], "the second's");
    assert_eq!(record["lease_ms"], 20_000);
}

#[test]
fn acquire_by_threads_of_one_client_comes_in_the_order_of_arrival() {
    let server = Server::start();
    let lock = lock_of(&client(&server));
    let order = Mutex::new(Vec::new());
    let guard = lock.acquire("first").unwrap();
    thread::scope(|scope| {
        for i in 0..5 {
            let (lock, order) = (&lock, &order);
            scope.spawn(move || {
                let guard = lock.acquire("next").unwrap();
                order.lock().unwrap().push((i, guard.fencing_token().get()));
            });
            wait_until_parked(lock, i + 1);
        }
        drop(guard);
    });
    let order = order.into_inner().unwrap();
    let (threads, tokens): (Vec<_>, Vec<_>) = order.into_iter().unzip();
    assert_eq!(threads, [0, 1, 2, 3, 4]);
    assert!(tokens.is_sorted_by(|a, b| a + 1 == *b), "{tokens:?}");
}

#[test]
fn release_is_for_all_clients_after_sixteen_hand_overs_in_a_row() {
    let server = Server::start();
    let lock = lock_of(&client(&server));
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..8 {
                    drop(lock.acquire("me").unwrap());
                }
            });
        }
    });
    let states: Vec<_> = writes(&server).into_iter().map(|w| w.1).collect();
    let chains = states.split(|state| state == "released").map(<[_]>::len);
    let longest = chains.max().unwrap();
    assert!((2..=17).contains(&longest), "{longest} of {states:?}");
}

#[test]
fn release_is_for_all_clients_a_second_after_the_first_of_a_row_has_acquired() {
    let (server, time) = (Server::start(), Time::default());
    let lock = lock_of(&time.of(client_builder(&server)).build().unwrap());
    let ends = release_before(&lock, &lock, |guard| {
        time.advance(Duration::from_secs(1));
        server.clear_requests();
        guard.release()
    });
    let token = ends.token;
    drop(ends.next());
    let expected = [
        ("first", "released", token),
        ("second", "held", token + 1),
        ("second", "released", token + 1),
    ];
    assert_eq!(
        writes(&server),
        expected.map(|(o, s, t)| (o.to_owned(), s.to_owned(), t))
    );
}

/// Asserts that `lock` releases with a write of its own though a call of `waiter` waits.
fn assert_releases_to_all(server: &Server, lock: &S3Lock, waiter: &S3Lock, limit: Duration) {
    let guard = lock.acquire("first").unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| waiter.acquire_within("second", limit));
        eventually("it waits", || internals::waiting(waiter) == 1);
        // It sleeps soon, or is about to.
        thread::sleep(Duration::from_millis(50));
        server.clear_requests();
        guard.release().unwrap();
        let next = waiting.join().unwrap().unwrap();
        let states: Vec<_> = writes(server).into_iter().map(|w| w.1).collect();
        assert_eq!(states, ["released", "held"]);
        next.release().unwrap();
    });
}

#[test]
fn release_gives_nothing_to_a_thread_with_less_time_than_a_request_may_take() {
    let server = Server::start();
    let lock = lock_of(&client(&server));
    let less_than_a_request = Duration::from_millis(4_900);
    assert_releases_to_all(&server, &lock, &lock, less_than_a_request);
}

#[test]
fn without_queue_a_release_gives_nothing_to_another_thread() {
    let server = Server::start();
    let client = client(&server);
    let without = builder(&client).without_queue().build().unwrap();
    let minute = Duration::from_secs(60);
    assert_releases_to_all(&server, &without, &lock_of(&client), minute);
}

#[test]
fn without_queue_an_acquire_is_given_nothing_by_another_thread() {
    let server = Server::start();
    let client = client(&server);
    let without = builder(&client).without_queue().build().unwrap();
    let minute = Duration::from_secs(60);
    assert_releases_to_all(&server, &lock_of(&client), &without, minute);
}

#[test]
fn release_by_a_client_that_may_not_read_is_for_all() {
    let server = Server::start();
    server.fault(Match::get().always(), Fault::answer(403, "AccessDenied"));
    let lock = lock_of(&client(&server));
    assert_releases_to_all(&server, &lock, &lock, Duration::from_secs(60));
}

#[test]
fn release_after_a_waiting_thread_has_given_up_is_for_all() {
    let server = Server::start();
    let lock = lock_of(&impatient(&server));
    let guard = lock.acquire("first").unwrap();
    let refused = lock.acquire_within("second", Duration::from_millis(600));
    assert!(matches!(refused, Err(LockError::TimedOut { .. })));
    server.clear_requests();
    guard.release().unwrap();
    assert_eq!(writes(&server).len(), 1);
    assert_eq!(stored_state(&server).unwrap(), "released");
}

/// Faults after which the write has happened, though its reply does not say so.
fn applied_unseen() -> [Fault; 7] {
    [
        Fault::DropAfter,
        Fault::Duplicate,
        Fault::answer_after(500, "InternalError"),
        Fault::answer_after(503, "SlowDown"),
        Fault::answer_after(409, "ConditionalRequestConflict"),
        Fault::answer_after(429, "SlowDown"),
        Fault::answer_after(403, "AccessDenied"),
    ]
}

/// Faults after which the write has not happened, whether or not the reply says so.
fn not_applied() -> [Fault; 6] {
    [
        Fault::DropBefore,
        Fault::answer(500, "InternalError"),
        Fault::answer(503, "SlowDown"),
        Fault::answer(409, "ConditionalRequestConflict"),
        Fault::answer(429, "SlowDown"),
        Fault::answer(403, "AccessDenied"),
    ]
}

#[test]
fn release_whose_hand_over_was_applied_unseen_leaves_the_lock_with_the_waiting_thread() {
    for fault in applied_unseen() {
        let server = Server::start();
        let lock = lock_of(&client(&server));
        let ends = release_before(&lock, &lock, |guard| {
            server.fault(Match::put(), fault.clone());
            guard.release()
        });
        let token = ends.token;
        let next = ends.next();
        assert_eq!(next.fencing_token().get(), token + 1, "{fault:?}");
        next.verify().unwrap();
        next.release().unwrap();
        assert_eq!(stored_state(&server).unwrap(), "released");
    }
}

#[test]
fn release_whose_hand_over_was_not_applied_lets_the_waiting_thread_acquire() {
    for fault in not_applied() {
        let server = Server::start();
        let lock = lock_of(&client(&server));
        let ends = release_before(&lock, &lock, |guard| {
            server.fault(Match::put(), fault.clone());
            guard.release()
        });
        let token = ends.token;
        let next = ends.next();
        assert_eq!(next.fencing_token().get(), token + 1, "{fault:?}");
        next.verify().unwrap();
        next.release().unwrap();
        assert_eq!(stored_state(&server).unwrap(), "released");
    }
}

#[test]
fn release_whose_hand_over_lands_after_it_was_given_up_leaves_one_holder() {
    let server = Server::start();
    let lock = lock_of(&impatient(&server));
    let gate = Gate::default();
    let ends = release_before(&lock, &lock, |guard| {
        server.fault(Match::put(), Fault::HoldAt(gate.clone()));
        guard.release()
    });
    let next = ends.next();
    gate.open();
    thread::sleep(Duration::from_millis(100));
    next.verify().unwrap();
    next.release().unwrap();
    assert_eq!(stored_state(&server).unwrap(), "released");
}

#[test]
fn release_whose_hand_over_is_answered_too_late_leaves_the_lock_with_the_waiting_thread() {
    let server = Server::start();
    let lock = lock_of(&impatient(&server));
    let ends = release_before(&lock, &lock, |guard| {
        let never = Fault::HoldReplyAt(Gate::default());
        server.fault(Match::put(), never);
        guard.release()
    });
    let token = ends.token;
    let next = ends.next();
    assert_eq!(next.fencing_token().get(), token + 1);
    next.verify().unwrap();
    assert_eq!(server.object(KEY).map(|_| ()), Some(()));
}

#[test]
fn release_of_a_lock_that_was_broken_is_a_loss_and_the_waiting_thread_waits_on() {
    let server = Server::start();
    let lock = lock_of(&client(&server));
    let operator = lock_of(&client(&server));
    let thief = Mutex::new(None);
    let ends = release_before(&lock, &lock, |guard| {
        let now = operator.status().unwrap();
        let s3_lock::LockStatus::Held(info) = now else {
            panic!("{now:?}");
        };
        assert!(operator.force_release(&info).unwrap());
        *thief.lock().unwrap() = Some(operator.acquire("thief").unwrap());
        let released = guard.release();
        // The waiting thread asks the store now.
        server.clear_requests();
        eventually("it looks", || server.count("GET") > 1);
        thief.lock().unwrap().take();
        released
    });
    match ends.released {
        Err(LockError::Lost(LostCause::Broken)) => {}
        other => panic!("{other:?}"),
    }
    let next = ends.got.unwrap();
    assert!(next.fencing_token().get() > ends.token + 1);
    next.verify().unwrap();
}

#[test]
fn release_of_a_guard_kept_alive_gives_the_lock_to_a_waiting_thread_that_keeps_it_alive() {
    let server = Server::start();
    let kept = leased(&client(&server), 3_000)
        .keep_alive()
        .build()
        .unwrap();
    let ends = release_before(&kept, &kept, release_logged(&server));
    let next = ends.next();
    assert_eq!(writes(&server)[0].1, "held");
    thread::sleep(Duration::from_secs(4));
    next.verify().unwrap();
    next.release().unwrap();
    assert_eq!(stored_state(&server).unwrap(), "released");
}

#[test]
fn acquire_that_is_given_the_lock_too_slowly_gives_it_back() {
    let server = Server::start();
    let client = client(&server);
    let slow = builder(&client)
        .acquire_allowance(Duration::from_millis(200))
        .build()
        .unwrap();
    let ends = release_before(&lock_of(&client), &slow, |guard| {
        let stall = Fault::StallAfter(Duration::from_millis(400));
        server.fault(Match::put(), stall);
        guard.release()
    });
    ends.released.unwrap();
    match ends.got {
        Err(LockError::TooSlow { .. }) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(stored_state(&server).unwrap(), "released");
}

#[test]
fn force_release_of_a_lock_that_was_handed_over_is_known_to_its_guard() {
    let server = Server::start();
    let lock = lock_of(&client(&server));
    let next = release_before(&lock, &lock, release_logged(&server)).next();
    assert!(lock.force_release(&next.info()).unwrap());
    assert!(!next.is_held());
}

#[test]
fn reclaim_same_owner_takes_nothing_that_is_being_or_was_handed_over() {
    let server = Server::start();
    let lock = lock_of(&client(&server));
    let namesake = builder(&client(&server)).reclaim_same_owner();
    let namesake = namesake.build().unwrap();
    let gate = Gate::default();
    let ends = release_before(&lock, &lock, |guard| {
        server.fault(Match::put(), Fault::HoldReplyAt(gate.clone()));
        thread::scope(|scope| {
            let released = scope.spawn(|| guard.release());
            let owner = || writes(&server).pop().map(|(owner, ..)| owner);
            eventually("it is handed over", || owner().as_deref() == Some("second"));
            let refused = namesake.try_acquire("second");
            assert!(matches!(refused, Err(LockError::Held(_))), "{refused:?}");
            gate.open();
            released.join().unwrap()
        })
    });
    let next = ends.next();
    let refused = namesake.try_acquire("second");
    assert!(matches!(refused, Err(LockError::Held(_))), "{refused:?}");
    next.verify().unwrap();
}
