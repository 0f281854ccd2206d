//! Watching calls that wait for a lock, and ending them.

mod attack;

use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use s3_lock::{
    Client, LockError, LockGuard, LockStatus, S3Lock, S3LockBuilder, WaitHandle, internals,
};
use serde_json::Value;

use crate::child::{self, Home};
use crate::support::{Fault, Gate, Match, Server};
use crate::{
    KEY, builder, checking_client, client, client_builder, eventually, lock, lock_of, stored_state,
};

const QUEUE: &str = "locks/nightly.queue";
/// Longer than any test waits.
const LONG: Duration = Duration::from_secs(1000);
/// What "at once" may take on a slow machine. The requests of these tests may take far longer.
const SOON: Duration = Duration::from_secs(20);
/// The time of a request, where it must not be what ends a call.
const PATIENT: Duration = Duration::from_secs(60);

type Waiter<'a> = ScopedJoinHandle<'a, Result<LockGuard, LockError>>;

fn patient(server: &Server) -> Client {
    let client = client_builder(server).request_timeout(PATIENT);
    client.build().unwrap()
}

/// A lock that is watched by `handle`, and whose waiters look again soon.
fn watched(client: &Client, handle: &WaitHandle) -> S3LockBuilder {
    builder(client)
        .poll_interval(Duration::from_millis(5), Duration::from_millis(50))
        .wait_handle(handle)
}

fn tickets(server: &Server) -> usize {
    let queue = server.object(QUEUE).map(|queue| queue.body);
    let queue: Option<Value> = queue.map(|body| serde_json::from_slice(&body).unwrap());
    let tickets = queue.as_ref().and_then(|queue| queue["tickets"].as_array());
    tickets.map_or(0, Vec::len)
}

fn wait_for_ticket(server: &Server) {
    eventually("a ticket is taken", || tickets(server) == 1);
}

/// Waits until a request was sent that `is_it`.
fn wait_for_request(server: &Server, method: &str, key: &str) {
    let is_it = |r: &crate::support::Request| r.method == method && r.key == key;
    eventually("it is sent", || server.requests().iter().any(is_it));
}

/// Cancels the call, and returns its error, which must come soon.
fn cancel(handle: &WaitHandle, waiting: Waiter<'_>) -> LockError {
    let began = Instant::now();
    handle.cancel();
    let error = waiting.join().unwrap().unwrap_err();
    assert!(began.elapsed() < SOON, "{:?}: {error}", began.elapsed());
    error
}

/// Waits until a call that waits has seen who holds the lock.
fn has_looked(handle: &WaitHandle) {
    eventually("it has looked", || {
        let status = handle.status();
        status.is_some_and(|status| status.holder().is_some())
    });
}

fn assert_cancelled(error: &LockError) {
    assert!(matches!(error, LockError::Cancelled { .. }), "{error:?}");
}

#[test]
fn cancel_ends_a_call_that_sleeps() {
    let server = Server::start();
    let _guard = lock(&server).acquire("first").unwrap();
    let handle = WaitHandle::new();
    let waiter = builder(&client(&server)).wait_handle(&handle);
    // It sleeps for long between two looks.
    let waiter = waiter.poll_interval(LONG, LONG).build().unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| waiter.acquire_within("second", LONG));
        has_looked(&handle);
        let error = cancel(&handle, waiting);
        let LockError::Cancelled { holder, waited, .. } = &error else {
            panic!("{error:?}");
        };
        assert_eq!(holder.as_ref().unwrap().owner(), "first");
        assert!(*waited > Duration::ZERO);
    });
}

#[test]
fn cancel_has_the_ticket_given_back() {
    let server = Server::start();
    let _guard = lock(&server).acquire("first").unwrap();
    let handle = WaitHandle::new();
    let waiter = watched(&client(&server), &handle).build().unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| waiter.acquire_within("second", LONG));
        wait_for_ticket(&server);
        assert_cancelled(&cancel(&handle, waiting));
        assert_eq!(tickets(&server), 0);
    });
}

#[test]
fn cancel_ends_a_call_behind_a_guard_of_its_client() {
    let server = Server::start();
    let client = client(&server);
    let _guard = lock_of(&client).acquire("first").unwrap();
    let handle = WaitHandle::new();
    let waiter = watched(&client, &handle).build().unwrap();
    server.clear_requests();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| waiter.acquire_within("second", LONG));
        eventually("it sleeps", || internals::parked(&waiter) == 1);
        let error = cancel(&handle, waiting);
        assert_cancelled(&error);
        assert!(error.to_string().contains("\"first\""), "{error}");
    });
    assert!(server.requests().is_empty());
}

#[test]
fn cancel_of_a_call_behind_another_thread_leaves_that_thread_its_ticket() {
    let server = Server::start();
    let guard = lock(&server).acquire("first").unwrap();
    let client = client(&server);
    let handle = WaitHandle::new();
    let front = watched(&client, &WaitHandle::new()).build().unwrap();
    let behind = watched(&client, &handle).build().unwrap();
    thread::scope(|scope| {
        let in_front = scope.spawn(|| front.acquire_within("second", LONG));
        wait_for_ticket(&server);
        let queue = server.object(QUEUE).unwrap().body;
        let waiting = scope.spawn(|| behind.acquire_within("third", LONG));
        eventually("it sleeps", || internals::parked(&behind) == 1);
        assert_cancelled(&cancel(&handle, waiting));
        assert_eq!(server.object(QUEUE).unwrap().body, queue);
        drop(guard);
        drop(in_front.join().unwrap().unwrap());
    });
}

#[test]
fn cancel_of_all_threads_of_a_client_has_the_ticket_given_back() {
    let server = Server::start();
    let _guard = lock(&server).acquire("first").unwrap();
    let client = client(&server);
    let handle = WaitHandle::new();
    let waiter = watched(&client, &handle).build().unwrap();
    thread::scope(|scope| {
        let waiting = [(); 4].map(|()| scope.spawn(|| waiter.acquire_within("second", LONG)));
        wait_for_ticket(&server);
        eventually("they sleep", || internals::parked(&waiter) == 3);
        handle.cancel();
        for waiting in waiting {
            assert_cancelled(&waiting.join().unwrap().unwrap_err());
        }
    });
    assert_eq!(tickets(&server), 0);
    assert!(handle.status().is_none());
}

#[test]
fn cancel_ends_a_read_that_hangs() {
    let server = Server::start();
    let _guard = lock(&server).acquire("first").unwrap();
    let handle = WaitHandle::new();
    let waiter = watched(&patient(&server), &handle).build().unwrap();
    let gate = Gate::default();
    server.clear_requests();
    server.fault(Match::get().key(KEY), Fault::HoldAt(gate.clone()));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| waiter.acquire_within("second", LONG));
        wait_for_request(&server, "GET", KEY);
        assert_cancelled(&cancel(&handle, waiting));
        gate.open();
    });
}

#[test]
fn cancel_ends_a_read_that_hangs_in_a_call_that_does_not_wait() {
    let server = Server::start();
    let handle = WaitHandle::new();
    let waiter = watched(&patient(&server), &handle).build().unwrap();
    let gate = Gate::default();
    server.fault(Match::get().key(KEY), Fault::HoldAt(gate.clone()));
    thread::scope(|scope| {
        let trying = scope.spawn(|| waiter.try_acquire("second"));
        wait_for_request(&server, "GET", KEY);
        assert!(handle.status().is_none());
        assert_cancelled(&cancel(&handle, trying));
        gate.open();
    });
}

#[test]
fn cancel_ends_a_check_of_the_store() {
    let server = Server::start();
    let handle = WaitHandle::new();
    let waiter = watched(&checking_client(&server), &handle).build().unwrap();
    let gate = Gate::default();
    let scratch = "locks/.s3-lock-check";
    server.fault(Match::put().key(scratch), Fault::HoldAt(gate.clone()));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| waiter.acquire_within("second", LONG));
        wait_for_request(&server, "PUT", scratch);
        assert_cancelled(&cancel(&handle, waiting));
        gate.open();
    });
    assert!(server.object(KEY).is_none());
}

/// What the parts of these tests are called by.
pub const PARTS: &str = "wait handle";

/// In a process of its own, with an environment of its own.
pub fn play(part: &str) {
    assert_eq!(part, "cancel in a look-up");
    let handle = WaitHandle::new();
    let waiter = watched(&Client::new().unwrap(), &handle).build().unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| waiter.acquire_within("second", LONG));
        eventually("the command runs", || std::fs::exists("begun").unwrap());
        assert_cancelled(&cancel(&handle, waiting));
    });
    std::fs::write("end", "").unwrap();
}

#[test]
fn cancel_ends_a_look_up_of_credentials() {
    let (server, home) = (Server::start(), Home::new("cancelled"));
    // As long as a command may take.
    let command = "touch begun; for i in $(seq 550); do [ -e end ] && exit; sleep 0.1; done";
    let config = format!("[default]\ncredential_process = sh -c '{command}'\n");
    home.write("config", &config);
    let mut command = child::bare_command(&format!("{PARTS}: cancel in a look-up"));
    command.current_dir(home.path()).env("HOME", home.path());
    command.env("AWS_ENDPOINT_URL_S3", server.endpoint());
    child::ends_well(command);
    assert!(server.requests().is_empty());
}

#[test]
fn cancel_undoes_a_write_that_is_never_answered() {
    let server = Server::start();
    let handle = WaitHandle::new();
    let client = client_builder(&server).request_timeout(Duration::from_secs(5));
    let waiter = watched(&client.build().unwrap(), &handle).build().unwrap();
    let gate = Gate::default();
    server.fault(Match::put().key(KEY), Fault::HoldReplyAt(gate.clone()));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| waiter.acquire_within("second", LONG));
        eventually("it is held", || stored_state(&server).is_some());
        assert_cancelled(&cancel(&handle, waiting));
        assert!(matches!(lock(&server).status().unwrap(), LockStatus::Free));
        gate.open();
    });
}

#[test]
fn cancel_keeps_a_write_that_comes_late_from_landing() {
    let server = Server::start();
    let handle = WaitHandle::new();
    let client = client_builder(&server).request_timeout(Duration::from_secs(5));
    let waiter = watched(&client.build().unwrap(), &handle).build().unwrap();
    let gate = Gate::default();
    server.fault(Match::put().key(KEY), Fault::HoldAt(gate.clone()));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| waiter.acquire_within("second", LONG));
        wait_for_request(&server, "PUT", KEY);
        assert_cancelled(&cancel(&handle, waiting));
        let etag = server.object(KEY).unwrap().etag;
        gate.open();
        thread::sleep(Duration::from_millis(300));
        assert_eq!(server.object(KEY).unwrap().etag, etag);
        assert_eq!(stored_state(&server).unwrap(), "released");
    });
}

#[test]
fn cancel_says_that_an_outcome_is_unknown() {
    let server = Server::start();
    let handle = WaitHandle::new();
    let client = client_builder(&server).request_timeout(Duration::from_secs(1));
    let waiter = watched(&client.build().unwrap(), &handle).build().unwrap();
    let gate = Gate::default();
    server.fault(Match::put().key(KEY), Fault::HoldReplyAt(gate.clone()));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| waiter.acquire_within("second", LONG));
        eventually("it is held", || stored_state(&server).is_some());
        server.fault(Match::any().always(), Fault::HoldAt(gate.clone()));
        let error = cancel(&handle, waiting);
        assert!(crate::storage(error).is_outcome_unknown());
        gate.open();
    });
}

#[test]
fn cancel_lets_a_write_that_is_answered_soon_win() {
    let server = Server::start();
    let handle = WaitHandle::new();
    let waiter = watched(&patient(&server), &handle).build().unwrap();
    let gate = Gate::default();
    server.fault(Match::put().key(KEY), Fault::HoldReplyAt(gate.clone()));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| waiter.acquire_within("second", LONG));
        eventually("it is held", || stored_state(&server).is_some());
        handle.cancel();
        gate.open();
        waiting.join().unwrap().unwrap().release().unwrap();
    });
}

#[test]
fn cancel_before_the_call_has_it_send_nothing() {
    let server = Server::start();
    let handle = WaitHandle::new();
    let waiter = watched(&client(&server), &handle).build().unwrap();
    handle.clone().cancel();
    assert!(handle.is_cancelled());
    assert_cancelled(&waiter.acquire("second").unwrap_err());
    assert_cancelled(&waiter.acquire_within("second", LONG).unwrap_err());
    assert_cancelled(&waiter.try_acquire("second").unwrap_err());
    assert!(server.requests().is_empty());
}

#[test]
fn cancel_leaves_guards_and_other_calls_alone() {
    let server = Server::start();
    let handle = WaitHandle::new();
    let watched = watched(&client(&server), &handle).build().unwrap();
    let guard = watched.acquire("first").unwrap();
    handle.cancel();
    guard.renew().unwrap();
    guard.verify().unwrap();
    assert!(matches!(watched.status().unwrap(), LockStatus::Held(_)));
    guard.release().unwrap();
    assert!(!watched.release("first").unwrap());
}

/// Cancels a call while the write that hands the lock over to it waits at a gate. False if the lock was not handed
/// over, because the machine was slow.
fn cancel_in_a_hand_over(fault: impl FnOnce(Gate) -> Fault) -> bool {
    let server = Server::start();
    let client = client_builder(&server).request_timeout(Duration::from_secs(5));
    let client = client.build().unwrap();
    let handle = WaitHandle::new();
    let waiter = watched(&client, &handle).build().unwrap();
    let guard = lock_of(&client).acquire("first").unwrap();
    let gate = Gate::default();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| waiter.acquire_within("second", LONG));
        eventually("it sleeps", || internals::parked(&waiter) == 1);
        server.clear_requests();
        server.fault(Match::put().key(KEY), fault(gate.clone()));
        let releasing = scope.spawn(|| guard.release());
        wait_for_request(&server, "PUT", KEY);
        let handed_over = as_text(&server.requests()[0].body).contains("second");
        if handed_over {
            assert_cancelled(&cancel(&handle, waiting));
        }
        gate.open();
        releasing.join().unwrap().unwrap();
        handed_over
    })
    .then(|| assert_eq!(stored_state(&server).unwrap(), "released"))
    .is_some()
}

fn as_text(body: &[u8]) -> &str {
    std::str::from_utf8(body).unwrap()
}

#[test]
fn cancel_undoes_a_hand_over_that_is_never_answered() {
    while !cancel_in_a_hand_over(Fault::HoldReplyAt) {}
}

#[test]
fn cancel_keeps_a_hand_over_that_comes_late_from_landing() {
    while !cancel_in_a_hand_over(Fault::HoldAt) {}
}

#[test]
fn acquire_within_the_longest_limit_waits_for_the_lock() {
    let server = Server::start();
    for queue in [true, false] {
        let guard = lock(&server).acquire("first").unwrap();
        let waiter = watched(&client(&server), &WaitHandle::new());
        let waiter = if queue {
            waiter
        } else {
            waiter.without_queue()
        };
        let waiter = waiter.build().unwrap();
        server.clear_requests();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| waiter.acquire_within("second", Duration::MAX));
            eventually("it looks again", || server.count("GET") > 3);
            drop(guard);
            waiting.join().unwrap().unwrap().release().unwrap();
        });
    }
}

#[test]
fn acquire_within_the_longest_limit_waits_for_a_dead_holder_behind_dead_waiters() {
    let server = Server::start();
    let dead = crate::leased(&client(&server), 500).build().unwrap();
    std::mem::forget(dead.acquire("first").unwrap());
    put_dead_ticket(&server);
    let waiter = watched(&client(&server), &WaitHandle::new())
        .build()
        .unwrap();
    let guard = waiter.acquire_within("second", Duration::MAX).unwrap();
    assert_eq!(guard.owner(), "second");
}

#[test]
fn acquire_with_the_longest_wait_limit_and_a_check_of_the_store_takes_the_lock() {
    let server = Server::start();
    let waiter = builder(&checking_client(&server)).wait_limit(Duration::MAX);
    drop(waiter.build().unwrap().acquire("second").unwrap());
}

/// A ticket of a client that is gone.
fn put_dead_ticket(server: &Server) {
    let nonce = |n: u32| format!("{n:032x}");
    let queue = serde_json::json!({ "format": 1, "nonce": nonce(1), "next": 1001, "served": 0,
        "tickets": [{ "n": 1000, "nonce": nonce(7), "react_ms": 1000, "label": "dead" }] });
    server.put_object(QUEUE, queue.to_string());
}

#[test]
fn status_shows_the_holder_and_how_many_come_first() {
    let server = Server::start();
    let guard = lock(&server).acquire("first").unwrap();
    put_dead_ticket(&server);
    let handle = WaitHandle::new();
    assert!(handle.status().is_none());
    let waiter = watched(&client(&server), &handle).build().unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| waiter.acquire_within("second", LONG));
        eventually("it has looked at the queue", || {
            handle
                .status()
                .is_some_and(|status| status.ahead() == Some(1))
        });
        let status = handle.status().unwrap();
        let holder = status.holder().unwrap();
        assert_eq!(holder.owner(), "first");
        assert_eq!(holder.key(), KEY);
        assert_eq!(holder.fencing_token(), guard.fencing_token());
        // A lease of 70 s and what a takeover leaves beyond it.
        assert!(
            holder.remaining() <= Duration::from_millis(72_140 + 1000),
            "{holder}"
        );
        assert!(holder.remaining() > Duration::from_secs(10), "{holder}");
        assert!(status.waited() >= status.seen_ago());
        drop(guard);
        drop(waiting.join().unwrap().unwrap());
    });
    assert!(handle.status().is_none());
}

#[test]
fn status_of_a_call_behind_a_guard_of_its_client_shows_that_guard() {
    let server = Server::start();
    let client = client(&server);
    let guard = lock_of(&client).acquire("first").unwrap();
    let handle = WaitHandle::new();
    let waiter = watched(&client, &handle).build().unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| waiter.acquire_within("second", LONG));
        eventually("it sleeps", || internals::parked(&waiter) == 1);
        let status = handle.status().unwrap();
        assert_eq!(status.holder().unwrap().owner(), "first");
        assert_eq!(status.seen_ago(), Duration::ZERO);
        assert_eq!(status.ahead(), None);
        drop(guard);
        drop(waiting.join().unwrap().unwrap());
    });
}

#[test]
fn status_counts_how_long_ago_the_holder_was_seen() {
    let server = Server::start();
    let guard = lock(&server).acquire("first").unwrap();
    let handle = WaitHandle::new();
    let waiter = builder(&client(&server)).wait_handle(&handle);
    let waiter = waiter.poll_interval(LONG, LONG).build().unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| waiter.acquire_within("second", LONG));
        has_looked(&handle);
        let first = handle.status().unwrap();
        thread::sleep(Duration::from_millis(50));
        let second = handle.status().unwrap();
        assert!(second.seen_ago() >= first.seen_ago() + Duration::from_millis(50));
        assert_eq!(
            second.holder().unwrap().remaining(),
            first.holder().unwrap().remaining()
        );
        assert_cancelled(&cancel(&handle, waiting));
        drop(guard);
    });
}

#[test]
fn status_is_that_of_the_call_that_has_waited_longest() {
    let server = Server::start();
    let client = client(&server);
    let handle = WaitHandle::new();
    let names = ["one", "two"];
    let locks = names.map(|name| {
        let lock = S3Lock::builder(crate::support::BUCKET, name).client(client.clone());
        lock.wait_handle(&handle).build().unwrap()
    });
    let others = crate::client(&server);
    let _guards = names.map(|name| {
        let lock = S3Lock::builder(crate::support::BUCKET, name).client(others.clone());
        lock.build().unwrap().acquire("first").unwrap()
    });
    let shown = || Some(handle.status()?.holder()?.key().to_owned());
    thread::scope(|scope| {
        let one = scope.spawn(|| locks[0].acquire_within("second", LONG));
        eventually("the first waits", || shown().as_deref() == Some("one.lock"));
        let two = scope.spawn(|| locks[1].acquire_within("second", LONG));
        eventually("the second waits", || {
            server.requests().iter().any(|r| r.key == "two.queue")
        });
        assert_eq!(shown().as_deref(), Some("one.lock"));
        handle.cancel();
        for waiting in [one, two] {
            assert_cancelled(&waiting.join().unwrap().unwrap_err());
        }
    });
}

#[test]
fn status_tells_of_trouble_until_the_store_answers() {
    let server = Server::start();
    let guard = lock(&server).acquire("first").unwrap();
    let handle = WaitHandle::new();
    let waiter = watched(&client(&server), &handle).build().unwrap();
    let trouble = || Some(handle.status()?.trouble()?.to_string());
    thread::scope(|scope| {
        let waiting = scope.spawn(|| waiter.acquire_within("second", Duration::MAX));
        wait_for_ticket(&server);
        assert_eq!(trouble(), None);
        let hiccup = Match::get().key(KEY).always();
        server.fault(hiccup, Fault::answer(503, "SlowDown"));
        let is_told = || trouble().is_some_and(|trouble| trouble.contains("503 (SlowDown"));
        eventually("it is told", is_told);
        server.clear_faults();
        eventually("it is over", || trouble().is_none());
        drop(guard);
        drop(waiting.join().unwrap().unwrap());
    });
}

#[test]
fn cancel_is_told_with_the_holder_and_what_to_do() {
    let server = Server::start();
    let handle = WaitHandle::new();
    let waiter = watched(&client(&server), &handle).build().unwrap();
    let guard = lock(&server).acquire("first").unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| waiter.acquire_within("second", LONG));
        wait_for_ticket(&server);
        let told = cancel(&handle, waiting).to_string();
        assert!(told.starts_with("cancelled after waiting "), "{told}");
        let holder = " s for the lock: lock locks/nightly.lock is held by \"first\" (";
        assert!(told.contains(holder), "{told}");
        let advice = "; to wait again, build the lock with a new wait handle";
        assert!(told.ends_with(advice), "{told}");
    });
    drop(guard);
    assert_eq!(
        waiter.try_acquire("second").unwrap_err().to_string(),
        "cancelled after waiting 0.0 s for the lock; to wait again, build the lock with a new wait handle"
    );
}
