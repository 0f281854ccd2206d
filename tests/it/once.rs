//! Work that is to be completed once: who gets the lock for a label, what marks it as done, and what is told.

use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use s3_lock::internals;
use s3_lock::{Client, InMemoryStore, LockError, LockGuard, LockStatus, LostCause, S3Lock};
use serde_json::Value;

use crate::lost_replies::{applied_unseen, not_applied_unseen};
use crate::support::{Fault, Gate, Match, Server};
use crate::{
    KEY, builder, client, client_builder, eventually, lock, lock_of, requests_of, storage,
    stored_state,
};

const TODAY: &str = "2026-11-30";
const QUEUE: &str = "locks/nightly.queue";
/// Longer than any test waits.
const LONG: Duration = Duration::from_secs(100);

fn record(server: &Server) -> Value {
    let body = server.object(KEY).expect("the lock was used").body;
    serde_json::from_slice(&body).expect("a record is JSON")
}

/// The labels that the stored record has as done, and by whom.
fn done(server: &Server) -> Vec<(String, String)> {
    let record = record(server);
    let entries = record["done"].as_array().cloned().unwrap_or_default();
    let text = |entry: &Value, name: &str| entry[name].as_str().expect("a text").to_owned();
    let entries = entries.iter();
    entries
        .map(|entry| (text(entry, "label"), text(entry, "owner")))
        .collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let expected = expected.iter();
    expected
        .map(|(label, owner)| ((*label).to_owned(), (*owner).to_owned()))
        .collect()
}

/// How many tickets are in the lock's queue, if there is one.
fn tickets(server: &Server) -> Option<usize> {
    let queue = server.object(QUEUE).map(|object| object.body);
    let queue: Value = serde_json::from_slice(&queue?).expect("a queue is JSON");
    queue["tickets"].as_array().map(Vec::len)
}

/// By whom the label was completed, as an acquire says.
#[track_caller]
fn already_done(got: Result<LockGuard, LockError>) -> String {
    match got {
        Err(LockError::AlreadyDone { owner, .. }) => owner,
        other => panic!("{other:?}"),
    }
}

/// A lock whose label has just been completed.
fn with_today_done(server: &Server) -> S3Lock {
    let lock = lock(server);
    let guard = lock.acquire_once("first", TODAY).unwrap();
    guard.complete().unwrap();
    lock
}

fn impatient(server: &Server) -> Client {
    let client = client_builder(server).request_timeout(Duration::from_millis(500));
    client.build().unwrap()
}

#[test]
fn acquire_once_costs_what_an_acquire_costs_and_complete_one_write() {
    let server = Server::start();
    let lock = lock(&server);
    for (label, expected) in [("a", &["GET", "PUT"][..]), ("b", &["PUT"])] {
        let (sent, guard) = requests_of(&server, || lock.acquire_once("me", label).unwrap());
        assert_eq!(sent, expected);
        assert_eq!(record(&server)["label"], label);
        assert_eq!(guard.info().label(), Some(label));
        let (sent, completed) = requests_of(&server, || guard.complete());
        completed.unwrap();
        assert_eq!(sent, ["PUT"]);
        assert_eq!(stored_state(&server).unwrap(), "released");
    }
    assert_eq!(done(&server), pairs(&[("a", "me"), ("b", "me")]));
}

#[test]
fn acquire_once_of_a_label_that_is_done_costs_one_read_and_later_none() {
    let server = Server::start();
    with_today_done(&server);
    let other = lock(&server);
    let calls: [&dyn Fn() -> Result<LockGuard, LockError>; 3] = [
        &|| other.acquire_once("second", TODAY),
        &|| other.try_acquire_once("second", TODAY),
        &|| other.acquire_once_within("second", TODAY, LONG),
    ];
    for (call, expected) in calls.into_iter().zip([&["GET"][..], &[], &[]]) {
        let (sent, got) = requests_of(&server, call);
        assert_eq!(already_done(got), "first");
        assert_eq!(sent, expected);
    }
}

#[test]
fn acquire_once_by_the_client_that_has_completed_the_label_sends_nothing_and_stays_warm() {
    let server = Server::start();
    let lock = with_today_done(&server);
    let (sent, got) = requests_of(&server, || lock.acquire_once("again", TODAY));
    assert_eq!((already_done(got).as_str(), sent.len()), ("first", 0));
    let (sent, _guard) = requests_of(&server, || lock.acquire("again").unwrap());
    assert_eq!(sent, ["PUT"]);
}

#[test]
fn acquire_once_of_a_label_that_is_done_tells_by_whom_and_when_in_one_line() {
    let server = Server::start();
    let before = SystemTime::now() - Duration::from_secs(1);
    let lock = lock(&server);
    let guard = lock.acquire_once("first\u{2028}one", TODAY).unwrap();
    let token = guard.fencing_token();
    guard.complete().unwrap();
    let refused = lock.try_acquire_once("me", TODAY).unwrap_err();
    let told = refused.to_string();
    let LockError::AlreadyDone {
        key,
        label,
        owner,
        acquired_at,
        fencing_token,
        ..
    } = refused
    else {
        panic!("{refused:?}");
    };
    assert_eq!((key.as_str(), label.as_str()), (KEY, TODAY));
    assert_eq!((owner.as_str(), fencing_token), ("first\u{2028}one", token));
    assert!(acquired_at >= before && acquired_at <= SystemTime::now());
    let start = r#"the label "2026-11-30" is done: "first\u{2028}one" completed it under lock locks/nightly.lock, which it had acquired at 20"#;
    assert!(told.starts_with(start), "{told}");
    assert!(!told.contains(char::is_control), "{told}");
}

#[test]
fn acquire_once_of_a_label_that_is_done_is_told_though_another_has_the_lock() {
    let server = Server::start();
    let lock = with_today_done(&server);
    let _guard = lock.acquire_once("other", "2026-12-01").unwrap();
    // By a guard of the same client, and by another client.
    for lock in [&lock, &lock_of(&client(&server))] {
        assert_eq!(already_done(lock.try_acquire_once("me", TODAY)), "first");
        assert_eq!(already_done(lock.acquire_once("me", TODAY)), "first");
        let held = lock.try_acquire_once("me", "2026-12-01");
        let Err(LockError::Held(holder)) = held else {
            panic!("{held:?}");
        };
        assert_eq!(holder.label(), Some("2026-12-01"));
        assert!(holder.to_string().contains(r#"label "2026-12-01""#));
    }
}

#[test]
fn acquire_once_within_its_limit_names_the_holder_that_is_at_work() {
    let server = Server::start();
    let _guard = lock(&server).acquire_once("first", TODAY).unwrap();
    let got = lock(&server).acquire_once_within("second", TODAY, Duration::from_millis(300));
    match got {
        Err(LockError::TimedOut {
            holder: Some(holder),
            ..
        }) => assert_eq!(holder.owner(), "first"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn acquire_once_takes_labels_of_1_to_128_bytes_and_refuses_others_before_any_request() {
    let server = Server::start();
    let lock = lock(&server);
    let long = "é".repeat(64);
    for label in ["x", &long, "\"\\/ 🔒"] {
        let guard = lock.acquire_once("me", label).unwrap();
        guard.complete().unwrap();
        assert_eq!(already_done(lock.acquire_once("me", label)), "me");
    }
    server.clear_requests();
    let too_long = format!("{long}x");
    let cases = [
        (
            "",
            "invalid label \"\": it is empty; name the work that is to be completed once, such as today's date",
        ),
        (
            &too_long,
            "it is longer than 128 bytes; use a shorter name, or a digest of this one",
        ),
        (
            "2026-11-30\n",
            "invalid label \"2026-11-30\\n\": it holds a control character; leave that out (a line break at its end, \
             for example)",
        ),
    ];
    for (label, told) in cases {
        let refused = [
            lock.acquire_once("me", label),
            lock.try_acquire_once("me", label),
            lock.acquire_once_within("me", label, LONG),
        ];
        for refused in refused {
            let Err(LockError::Config(error)) = refused else {
                panic!("{refused:?}");
            };
            assert_eq!(error.field(), "label");
            assert!(error.to_string().ends_with(told), "{error}");
        }
    }
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn complete_of_a_guard_without_a_label_is_refused_and_releases_the_lock() {
    let server = Server::start();
    let guard = lock(&server).acquire("me").unwrap();
    let (sent, refused) = requests_of(&server, || guard.complete());
    let Err(LockError::Config(error)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(
        (error.field(), error.to_string().as_str()),
        (
            "label",
            "the guard has no label to complete, so it only releases the lock; take the lock with acquire_once, or \
             call release"
        )
    );
    assert_eq!(sent, ["PUT"]);
    assert_eq!(stored_state(&server).unwrap(), "released");
}

#[test]
fn only_complete_marks_a_label() {
    let server = Server::start();
    let lock = lock(&server);
    let ends: [fn(&S3Lock, LockGuard); 5] = [
        |_, guard| drop(guard),
        |_, guard| guard.release().unwrap(),
        |lock, guard| {
            let label = guard.detach().label().map(str::to_owned);
            assert_eq!(label.as_deref(), Some(TODAY));
            assert!(lock.release("me").unwrap());
        },
        |lock, guard| assert!(lock.release(guard.owner()).unwrap()),
        |lock, guard| assert!(lock.force_release(&guard.info()).unwrap()),
    ];
    for end in ends {
        end(&lock, lock.acquire_once("me", TODAY).unwrap());
        assert_eq!(done(&server), []);
        assert!(record(&server)["label"].is_null());
    }
    lock.acquire_once("me", TODAY).unwrap().complete().unwrap();
    assert_eq!(done(&server).len(), 1);
}

#[test]
fn detach_keeps_the_label_in_the_record() {
    let server = Server::start();
    lock(&server).acquire_once("me", TODAY).unwrap().detach();
    let LockStatus::Held(info) = lock(&server).status().unwrap() else {
        panic!("it is kept");
    };
    assert_eq!(info.label(), Some(TODAY));
}

#[test]
fn every_write_of_the_record_carries_the_labels_done() {
    let server = Server::start();
    let lock = with_today_done(&server);
    let expected = pairs(&[(TODAY, "first")]);
    let has = |what: &str| assert_eq!(done(&server), expected, "{what}");
    let guard = lock.acquire("me").unwrap();
    has("an acquire");
    guard.renew().unwrap();
    has("a renewal");
    // Nobody reclaims from a live guard of its own process.
    guard.detach();
    let reclaiming = builder(&client(&server)).reclaim_same_owner();
    let reclaimed = reclaiming.build().unwrap().acquire("me").unwrap();
    has("a reclaim");
    reclaimed.release().unwrap();
    has("a release");
    let other = lock_of(&client(&server));
    let guard = other.acquire("me").unwrap();
    assert!(lock.release("me").unwrap());
    has("a release by owner name");
    drop(guard);
    let guard = other.acquire("me").unwrap();
    assert!(lock.force_release(&guard.info()).unwrap());
    has("a release by force");
}

#[test]
fn acquire_that_is_undone_leaves_the_labels_done() {
    for fault in [Fault::DropAfter, Fault::DropBefore] {
        let server = Server::start();
        with_today_done(&server);
        let impatient = lock_of(&impatient(&server));
        // Its write has no reply, and then it may not read: it gives up, and undoes what it may have done.
        server.fault(Match::put().key(KEY), fault);
        let silent = Fault::Stall(Duration::from_secs(3));
        server.fault(Match::get().key(KEY).skip(1), silent);
        let got = impatient.acquire_within("second", Duration::from_millis(400));
        assert!(got.is_err(), "{got:?}");
        assert_eq!(stored_state(&server).unwrap(), "released");
        assert_eq!(record(&server)["owner"], "second");
        assert_eq!(done(&server), pairs(&[(TODAY, "first")]));
        assert_eq!(already_done(impatient.acquire_once("me", TODAY)), "first");
    }
}

#[test]
fn the_seventeenth_label_makes_the_lock_forget_the_first() {
    let server = Server::start();
    let lock = lock(&server);
    let labels: Vec<_> = (1..=17).map(|day| format!("2026-11-{day:02}")).collect();
    for label in &labels {
        lock.acquire_once("me", label).unwrap().complete().unwrap();
    }
    let fresh = lock_of(&client(&server));
    for label in &labels[1..] {
        assert_eq!(already_done(fresh.acquire_once("me", label)), "me");
    }
    let (last, first) = (&labels[16], &labels[0]);
    fresh.acquire_once("me", first).unwrap().complete().unwrap();
    assert_eq!(done(&server).len(), 16);
    assert_eq!(already_done(fresh.acquire_once("me", last)), "me");
}

#[test]
fn complete_that_was_applied_unseen_is_found_by_reading_back() {
    for fault in applied_unseen() {
        let server = Server::start();
        let guard = lock(&server).acquire_once("me", TODAY).unwrap();
        server.fault(Match::put(), fault.clone());
        let (sent, completed) = requests_of(&server, || guard.complete());
        completed.unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        assert_eq!(sent, ["PUT", "GET"], "{fault:?}");
        assert_eq!(done(&server), pairs(&[(TODAY, "me")]));
    }
}

#[test]
fn complete_that_was_not_applied_unseen_is_sent_again() {
    for fault in not_applied_unseen() {
        let server = Server::start();
        let guard = lock(&server).acquire_once("me", TODAY).unwrap();
        server.fault(Match::put(), fault.clone());
        let (sent, completed) = requests_of(&server, || guard.complete());
        completed.unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        assert_eq!(sent, ["PUT", "GET", "PUT"], "{fault:?}");
        assert_eq!(done(&server), pairs(&[(TODAY, "me")]));
    }
}

#[test]
fn complete_that_a_proxy_sends_twice_is_done_once() {
    let server = Server::start();
    let guard = lock(&server).acquire_once("me", TODAY).unwrap();
    server.fault(Match::put(), Fault::Duplicate);
    guard.complete().unwrap();
    assert_eq!(done(&server), pairs(&[(TODAY, "me")]));
}

#[test]
fn complete_without_any_reply_is_unknown_and_says_how_to_find_out() {
    for (fault, is_done) in [(Fault::DropAfter, true), (Fault::DropBefore, false)] {
        let server = Server::start();
        let guard = lock_of(&impatient(&server))
            .acquire_once("me", TODAY)
            .unwrap();
        server.fault(Match::put().times(1), fault);
        server.fault(Match::any().always(), Fault::DropBefore);
        let error = storage(guard.complete().unwrap_err());
        assert!(error.is_outcome_unknown(), "{error}");
        assert!(
            error.to_string().contains("acquire_once for it again"),
            "{error}"
        );
        server.clear_faults();
        assert_eq!(done(&server).len(), usize::from(is_done));
    }
}

#[test]
fn complete_that_was_denied_is_told_and_marks_nothing() {
    let server = Server::start();
    let guard = lock(&server).acquire_once("me", TODAY).unwrap();
    server.fault(Match::put(), Fault::answer(403, "AccessDenied"));
    let error = storage(guard.complete().unwrap_err());
    assert!(!error.is_outcome_unknown(), "{error}");
    assert_eq!(done(&server), []);
}

/// The reply to a completion comes to nothing, and before it looks others have completed labels of their own.
fn completed_after(server: &Server, others: usize) -> Result<(), LockError> {
    let guard = lock_of(&client(server)).acquire_once("me", TODAY).unwrap();
    let gate = Gate::default();
    server.fault(Match::put(), Fault::DropAfter);
    server.fault(Match::get(), Fault::HoldAt(gate.clone()));
    let other = lock_of(&client(server));
    thread::scope(|scope| {
        let completed = scope.spawn(|| guard.complete());
        eventually("it looks", || server.count("GET") > 1);
        for n in 0..others {
            let label = format!("other {n}");
            other
                .acquire_once("you", &label)
                .unwrap()
                .complete()
                .unwrap();
        }
        gate.open();
        completed.join().unwrap()
    })
}

#[test]
fn complete_whose_reply_was_lost_is_proved_by_its_mark_though_others_have_had_the_lock_since() {
    for others in [1, 15] {
        completed_after(&Server::start(), others).unwrap();
    }
}

#[test]
fn complete_whose_mark_may_have_been_forgotten_meanwhile_is_unknown() {
    let error = storage(completed_after(&Server::start(), 16).unwrap_err());
    assert!(error.is_outcome_unknown(), "{error}");
}

#[test]
fn complete_of_a_holding_that_was_broken_is_a_loss_though_the_next_holder_completes_the_label() {
    let server = Server::start();
    let guard = lock(&server).acquire_once("first", TODAY).unwrap();
    let operator = lock(&server);
    assert!(operator.force_release(&guard.info()).unwrap());
    let next = operator.acquire_once("second", TODAY).unwrap();
    next.complete().unwrap();
    match guard.complete() {
        Err(LockError::Lost(LostCause::Broken)) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(done(&server), pairs(&[(TODAY, "second")]));
}

#[test]
fn complete_after_another_has_taken_over_and_completed_the_label_is_a_loss() {
    let store = InMemoryStore::new();
    let lock_of = |client| {
        S3Lock::builder("my-bucket", "nightly")
            .client(client)
            .build()
    };
    let (first, second) = (
        lock_of(store.client()).unwrap(),
        lock_of(store.client()).unwrap(),
    );
    for completes in [true, false] {
        let label = format!("completes: {completes}");
        let slow = first.acquire_once("first", &label).unwrap();
        store.advance(Duration::from_secs(3600));
        let next = second.acquire_once("second", &label).unwrap();
        if completes {
            next.complete().unwrap();
            assert!(matches!(slow.complete(), Err(LockError::Lost(_))));
        } else {
            assert!(matches!(slow.complete(), Err(LockError::Lost(_))));
            next.complete().unwrap();
        }
        assert_eq!(already_done(first.acquire_once("me", &label)), "second");
    }
}

#[test]
fn complete_after_the_deadline_is_done_where_nobody_has_taken_the_lock() {
    let store = InMemoryStore::new();
    let lock = S3Lock::builder("my-bucket", "nightly").client(store.client());
    let lock = lock.build().unwrap();
    let slow = lock.acquire_once("first", TODAY).unwrap();
    store.advance(Duration::from_secs(3600));
    assert!(!slow.is_held());
    slow.complete().unwrap();
    assert_eq!(already_done(lock.acquire_once("me", TODAY)), "first");
}

#[test]
fn acquire_once_that_waits_ends_once_another_client_has_completed_the_label() {
    let server = Server::start();
    let guard = lock(&server).acquire_once("first", TODAY).unwrap();
    let quick = Duration::from_millis(5);
    let waiter = builder(&client(&server)).poll_interval(quick, 10 * quick);
    let waiter = waiter.build().unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| waiter.acquire_once_within("second", TODAY, LONG));
        eventually("it has a ticket", || tickets(&server) == Some(1));
        guard.complete().unwrap();
        assert_eq!(already_done(waiting.join().unwrap()), "first");
    });
    assert_eq!(tickets(&server), Some(0), "it gives its ticket back");
    assert_eq!(stored_state(&server).unwrap(), "released");
}

#[test]
fn acquire_once_by_many_threads_that_wait_gives_their_ticket_back_once_the_label_is_done() {
    let server = Server::start();
    let guard = lock(&server).acquire_once("first", TODAY).unwrap();
    let quick = Duration::from_millis(5);
    let waiter = builder(&client(&server)).poll_interval(quick, 10 * quick);
    let waiter = waiter.build().unwrap();
    thread::scope(|scope| {
        let wait = || waiter.acquire_once_within("next", TODAY, LONG);
        let waiting = [(); 4].map(|()| scope.spawn(wait));
        eventually("they wait", || internals::parked(&waiter) == 3);
        eventually("they have a ticket", || tickets(&server) == Some(1));
        guard.complete().unwrap();
        for waiting in waiting {
            assert_eq!(already_done(waiting.join().unwrap()), "first");
        }
    });
    assert_eq!(tickets(&server), Some(0));
}

#[test]
fn acquire_once_that_waits_ends_though_another_has_the_lock_by_then() {
    let server = Server::start();
    let holder = lock(&server);
    let guard = holder.acquire_once("first", TODAY).unwrap();
    let waiter = lock(&server);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| waiter.acquire_once_within("second", TODAY, LONG));
        eventually("it waits", || server.count("GET") > 2);
        guard.complete().unwrap();
        let _other = holder.try_acquire("other");
        assert_eq!(already_done(waiting.join().unwrap()), "first");
    });
}

/// Has calls of one client wait, each for its label, behind a guard for today's. Ends that with `end`, and
/// returns what became of it and of the calls.
fn with_waiters(
    lock: &S3Lock,
    labels: &[Option<&str>],
    end: impl Fn(LockGuard) -> Result<(), LockError>,
) -> (Result<(), LockError>, Vec<Result<LockGuard, LockError>>) {
    loop {
        let began = Instant::now();
        let guard = lock.acquire_once("first", TODAY).unwrap();
        let ends = thread::scope(|scope| {
            let mut waiting = Vec::new();
            for (n, label) in labels.iter().enumerate() {
                waiting.push(scope.spawn(move || match label {
                    Some(label) => lock.acquire_once_within("next", label, LONG),
                    None => lock.acquire_within("next", LONG),
                }));
                eventually("it sleeps", || internals::parked(lock) == n + 1);
            }
            // A guard that was held for a second is not handed over.
            let is_quick = began.elapsed() < Duration::from_millis(400);
            let ended = if is_quick {
                end(guard)
            } else {
                guard.release()
            };
            let got: Vec<_> = waiting.into_iter().map(|w| w.join().unwrap()).collect();
            is_quick.then_some((ended, got))
        });
        if let Some(ends) = ends {
            return ends;
        }
    }
}

#[test]
fn complete_before_a_waiting_thread_of_the_same_label_releases_and_that_thread_ends() {
    let server = Server::start();
    let lock = lock_of(&client(&server));
    let (completed, mut got) = with_waiters(&lock, &[Some(TODAY)], |guard| {
        server.clear_requests();
        guard.complete()
    });
    completed.unwrap();
    assert_eq!(already_done(got.remove(0)), "first");
    let sent: Vec<_> = server.requests().into_iter().map(|r| r.method).collect();
    assert_eq!(sent, ["PUT"]);
    assert_eq!(stored_state(&server).unwrap(), "released");
}

#[test]
fn complete_gives_the_lock_past_a_thread_of_the_same_label_to_the_next_in_one_write() {
    for next in [Some("another"), None] {
        let server = Server::start();
        let lock = lock_of(&client(&server));
        let (completed, mut got) = with_waiters(&lock, &[Some(TODAY), next], |guard| {
            server.clear_requests();
            guard.complete()
        });
        completed.unwrap();
        let held = got.pop().unwrap().unwrap();
        // This one has ended while the other holds the lock.
        assert_eq!(already_done(got.remove(0)), "first");
        let sent: Vec<_> = server.requests().into_iter().map(|r| r.method).collect();
        assert_eq!(sent, ["PUT"]);
        assert_eq!(done(&server), pairs(&[(TODAY, "first")]));
        assert_eq!(held.info().label(), next);
        held.verify().unwrap();
    }
}

#[test]
fn complete_ends_every_waiting_thread_of_its_label_wherever_it_is_in_the_queue() {
    let server = Server::start();
    let lock = lock_of(&client(&server));
    let held = Mutex::new(None);
    thread::scope(|scope| {
        let guard = lock.acquire_once("first", TODAY).unwrap();
        let (lock, held) = (&lock, &held);
        scope.spawn(move || *held.lock().unwrap() = Some(lock.acquire("other").unwrap()));
        eventually("it sleeps", || internals::parked(lock) == 1);
        let waiting = scope.spawn(|| lock.acquire_once_within("last", TODAY, LONG));
        eventually("they sleep", || internals::parked(lock) == 2);
        guard.complete().unwrap();
        // The one before it has the lock, and keeps it.
        assert_eq!(already_done(waiting.join().unwrap()), "first");
    });
    held.into_inner().unwrap().unwrap().verify().unwrap();
}

#[test]
fn release_without_completing_gives_the_lock_to_a_waiting_thread_of_the_same_label() {
    let server = Server::start();
    let lock = lock_of(&client(&server));
    let (released, mut got) = with_waiters(&lock, &[Some(TODAY)], |guard| {
        server.clear_requests();
        guard.release()
    });
    released.unwrap();
    let next = got.remove(0).unwrap();
    assert_eq!(server.count("PUT"), 1);
    assert_eq!(next.info().label(), Some(TODAY));
    assert_eq!(done(&server), []);
    next.complete().unwrap();
    assert_eq!(done(&server), pairs(&[(TODAY, "next")]));
}

#[test]
fn complete_whose_hand_over_had_no_reply_marks_the_label_and_the_next_thread_has_the_lock() {
    for fault in applied_unseen().into_iter().chain(not_applied_unseen()) {
        let server = Server::start();
        let lock = lock_of(&client(&server));
        let (completed, mut got) = with_waiters(&lock, &[Some("another")], |guard| {
            server.fault(Match::put(), fault.clone());
            guard.complete()
        });
        completed.unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        let next = got.remove(0).unwrap();
        next.verify().unwrap();
        assert_eq!(done(&server), pairs(&[(TODAY, "first")]), "{fault:?}");
        next.complete().unwrap();
        let both = pairs(&[(TODAY, "first"), ("another", "next")]);
        assert_eq!(done(&server), both, "{fault:?}");
    }
}

#[test]
fn without_queue_a_waiting_thread_ends_once_its_label_is_done() {
    let server = Server::start();
    let lock = builder(&client(&server)).without_queue().build().unwrap();
    let guard = lock.acquire_once("first", TODAY).unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| lock.acquire_once_within("second", TODAY, LONG));
        eventually("it waits", || internals::waiting(&lock) == 1);
        guard.complete().unwrap();
        assert_eq!(already_done(waiting.join().unwrap()), "first");
    });
}

#[test]
fn acquire_once_by_ten_hosts_gives_one_completed_run() {
    let server = Server::start();
    let runs = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for host in 0..10 {
            let (server, runs) = (&server, &runs);
            scope.spawn(move || {
                let lock = lock_of(&client(server));
                let owner = format!("host-{host}");
                match lock.acquire_once(&owner, TODAY) {
                    Ok(guard) => {
                        guard.complete().unwrap();
                        runs.lock().unwrap().push(owner);
                    }
                    Err(LockError::AlreadyDone { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            });
        }
    });
    let runs = runs.into_inner().unwrap();
    assert_eq!(runs.len(), 1, "{runs:?}");
    assert_eq!(done(&server), pairs(&[(TODAY, &runs[0])]));
}

#[test]
fn acquire_once_over_a_list_that_cannot_be_leaves_the_lock_alone() {
    let server = Server::start();
    with_today_done(&server);
    let mut damaged = record(&server);
    damaged["done"][0]["label"] = Value::Null;
    server.put_object(KEY, damaged.to_string());
    match lock(&server).acquire_once("me", TODAY) {
        Err(LockError::Foreign {
            reason, is_lock, ..
        }) => {
            assert!(
                is_lock && reason.contains("list of labels done"),
                "{reason}"
            );
        }
        other => panic!("{other:?}"),
    }
}
