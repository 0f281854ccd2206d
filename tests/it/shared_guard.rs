//! One guard that many threads use at once.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use s3_lock::internals::Time;
use s3_lock::{LockError, LockGuard};

use crate::by_hand::{self, DUE, is_renewed};
use crate::support::{Fault, Gate, Match, Server};
use crate::{KEY, client_builder, eventually, leased};

const THREADS: usize = 64;
/// Longer than any test.
const FOR_EVER: Duration = Duration::from_secs(600);

/// A guard of a client that gives each request a minute, for tests in which nothing is to time out.
fn patient(server: &Server) -> LockGuard {
    let client = client_builder(server).request_timeout(Duration::from_secs(60));
    let lock = leased(&client.build().unwrap(), 600_000).build().unwrap();
    lock.acquire("me").unwrap()
}

/// Has all threads make a call at the same moment, and says what each came to and how long it took.
fn all_at_once<T: Send>(call: impl Fn() -> T + Sync) -> Vec<(T, Duration)> {
    let start = Barrier::new(THREADS);
    thread::scope(|scope| {
        let one = || {
            start.wait();
            let began = Instant::now();
            let outcome = call();
            (outcome, began.elapsed())
        };
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(one)).collect();
        let ended = threads.into_iter().map(|thread| thread.join().unwrap());
        ended.collect()
    })
}

#[test]
fn verify_from_many_threads_shares_its_reads() {
    let server = Server::start();
    let guard = patient(&server);
    server.clear_requests();
    // All the others come while the first is under way.
    server.fault(Match::get(), Fault::Stall(Duration::from_secs(3)));
    for (outcome, _) in all_at_once(|| guard.verify()) {
        outcome.unwrap();
    }
    let reads = server.count("GET");
    assert!(reads <= 4, "{reads} reads for {THREADS} threads");
}

#[test]
fn verify_never_relies_on_a_read_that_was_sent_before_it_was_called() {
    let server = Server::start();
    let guard = patient(&server);
    server.clear_requests();
    thread::scope(|scope| {
        // It has been carried out, and its answer is on the way.
        let late = Fault::StallAfter(Duration::from_secs(3));
        server.fault(Match::get(), late);
        let first = scope.spawn(|| guard.verify());
        eventually("it looks", || {
            server.count("GET") == 1 && server.pending_faults() == 0
        });
        thread::sleep(Duration::from_millis(200));
        server.delete_object(KEY);
        let second = guard.verify();
        assert!(matches!(second, Err(LockError::Lost(_))), "{second:?}");
        let _ = first.join().unwrap();
    });
}

#[test]
fn renew_from_many_threads_shares_its_writes() {
    let server = Server::start();
    let guard = patient(&server);
    server.clear_requests();
    server.fault(Match::put(), Fault::Stall(Duration::from_secs(3)));
    for (outcome, _) in all_at_once(|| guard.renew()) {
        outcome.unwrap();
    }
    let writes = server.count("PUT");
    assert!(writes <= 4, "{writes} writes for {THREADS} threads");
}

#[test]
fn renew_makes_the_lease_last_its_full_term_from_the_call_though_another_made_it() {
    let server = Server::start();
    let guard = patient(&server);
    let lease = Duration::from_secs(600);
    server.fault(Match::put(), Fault::StallAfter(Duration::from_secs(1)));
    let least = all_at_once(|| {
        let called = Instant::now();
        guard.renew().unwrap();
        guard.remaining() + called.elapsed()
    });
    for (counted, _) in least {
        assert!(counted >= lease, "{counted:?}");
    }
}

#[test]
fn keep_alive_goes_on_while_64_threads_verify_without_a_pause() {
    let server = Server::start();
    let time = Time::default();
    // No look that is under way when the clock is moved is to be given up.
    let client = client_builder(&server).request_timeout(Duration::from_secs(300));
    let client = time.of(client).build().unwrap();
    let guard = by_hand::kept_lock(&client).build().unwrap();
    let guard = guard.acquire("me").unwrap();
    // Long enough for the machine to have time for other tests.
    server.set_latency(Duration::from_millis(100));
    let (stop, looks) = (AtomicBool::new(false), AtomicUsize::new(0));
    server.clear_requests();
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let looked = guard.verify();
                    looks.fetch_add(1, Ordering::Relaxed);
                    if looked.is_err() {
                        return;
                    }
                }
            });
        }
        for _ in 0..10 {
            time.advance(DUE);
            is_renewed(&guard);
        }
        stop.store(true, Ordering::Relaxed);
    });
    guard.check().unwrap();
    let (looks, reads) = (looks.into_inner(), server.count("GET"));
    assert!(reads * 4 < looks, "{reads} reads for {looks} looks");
}

/// The calls of many threads at a guard, and how long they take where nothing is ever answered.
fn slowest(call: fn(&LockGuard) -> Result<(), LockError>) -> Duration {
    let server = Server::start();
    let client = client_builder(&server).request_timeout(Duration::from_secs(1));
    let lock = leased(&client.build().unwrap(), 600_000).build().unwrap();
    let guard = lock.acquire("me").unwrap();
    server.fault(Match::any().always(), Fault::Stall(FOR_EVER));
    let ended = all_at_once(|| call(&guard));
    let slowest = ended.into_iter().map(|(outcome, took)| {
        outcome.unwrap_err();
        took
    });
    let slowest = slowest.max().unwrap();
    server.clear_faults();
    slowest
}

#[test]
fn verify_from_many_threads_takes_no_longer_than_a_request_though_none_is_answered() {
    let took = slowest(LockGuard::verify);
    assert!(took < Duration::from_secs(1) + SLACK, "{took:?}");
}

#[test]
fn renew_from_many_threads_takes_no_longer_than_two_requests_though_none_is_answered() {
    let took = slowest(LockGuard::renew);
    assert!(took < Duration::from_secs(2) + SLACK, "{took:?}");
}

/// What a busy machine may need besides.
const SLACK: Duration = Duration::from_secs(5);

#[test]
fn renew_does_not_wait_for_a_look_that_hangs() {
    let server = Server::start();
    let guard = patient(&server);
    let gate = Gate::default();
    server.fault(Match::get(), Fault::HoldAt(gate.clone()));
    thread::scope(|scope| {
        let looks = scope.spawn(|| guard.verify());
        eventually("it looks", || server.pending_faults() == 0);
        guard.renew().unwrap();
        assert!(!looks.is_finished(), "it waited");
        gate.open();
        looks.join().unwrap().unwrap();
    });
}
