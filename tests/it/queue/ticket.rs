//! What a waiter writes: its ticket, and what the record says of the queue.

use std::thread;
use std::time::Duration;

use s3_lock::internals::{self, Time};
use s3_lock::{LockError, LockGuard, LockStatus, S3Lock};
use serde_json::Value;

use super::{
    LONG, QUEUE, ahead, as_text, edit_record, forged, object, put_dead_ticket, queue_requests,
    quick, record, requests, tickets, timed_client, wait_for_tickets, while_time_passes,
};
use crate::support::{BUCKET, Fault, Gate, Match, Server};
use crate::{KEY, client, client_builder, eventually, lock, requests_of};

/// Has `waiter` take a ticket behind `guard`, and the lock when that is released. Returns the number of the
/// ticket, and the waiter's guard.
fn taken_with_a_ticket(server: &Server, guard: LockGuard, waiter: &S3Lock) -> (u64, LockGuard) {
    thread::scope(|scope| {
        let waiting = scope.spawn(|| waiter.acquire_within("second", LONG).unwrap());
        wait_for_tickets(server, 1);
        let number = tickets(server)[0]["n"].as_u64().unwrap();
        guard.release().unwrap();
        (number, waiting.join().unwrap())
    })
}

/// The keys of an object, in order.
fn keys(value: &Value) -> Vec<&str> {
    let fields = value.as_object().expect("it is an object");
    fields.keys().map(String::as_str).collect()
}

#[test]
fn acquire_that_waits_takes_a_ticket_at_its_second_look() {
    let server = Server::start();
    let guard = lock(&server).acquire("first").unwrap();
    let waiter = quick(&client(&server)).build().unwrap();
    server.clear_requests();
    thread::scope(|scope| {
        scope.spawn(|| waiter.acquire_within("second", LONG).unwrap());
        wait_for_tickets(&server, 1);
        let sent = requests(&server);
        assert_eq!(
            as_text(&sent[..4]),
            [
                ("GET", "lock"),
                ("GET", "lock"),
                ("GET", "queue"),
                ("PUT", "queue")
            ]
        );
        drop(guard);
    });
}

#[test]
fn acquire_that_sees_that_others_wait_takes_a_ticket_at_its_first_look() {
    let server = Server::start();
    let guard = lock(&server).acquire("first").unwrap();
    edit_record(&server, |record| record["queued"] = true.into());
    let waiter = quick(&client(&server)).build().unwrap();
    server.clear_requests();
    thread::scope(|scope| {
        scope.spawn(|| waiter.acquire_within("second", LONG).unwrap());
        wait_for_tickets(&server, 1);
        let sent = requests(&server);
        assert_eq!(
            as_text(&sent[..3]),
            [("GET", "lock"), ("GET", "queue"), ("PUT", "queue")]
        );
        server.delete_object(KEY);
        drop(guard);
    });
}

#[test]
fn acquire_writes_a_queue_of_the_documented_fields() {
    let server = Server::start();
    let guard = lock(&server).acquire("first").unwrap();
    let waiter = quick(&client(&server)).build().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| waiter.acquire_within("zweite ü", LONG).unwrap());
        wait_for_tickets(&server, 1);
        let queue = object(&server, QUEUE).unwrap();
        assert_eq!(
            keys(&queue),
            ["format", "next", "nonce", "served", "tickets"]
        );
        assert_eq!((&queue["format"], &queue["served"]), (&1.into(), &0.into()));
        let ticket = &queue["tickets"][0];
        assert_eq!(keys(ticket), ["label", "n", "nonce", "react_ms"]);
        let number = ticket["n"].as_u64().unwrap();
        assert_eq!(queue["next"].as_u64(), Some(number + 1));
        // A new queue begins at the store's time in microseconds.
        let now = u64::try_from(crate::child::micros()).unwrap();
        assert!(now.abs_diff(number) < 600_000_000, "{number}");
        assert_eq!(ticket["nonce"].as_str().unwrap().len(), 32);
        let react = ticket["react_ms"].as_u64().unwrap();
        assert!((1_000..=10_000).contains(&react), "{react}");
        let label = ticket["label"].as_str().unwrap();
        assert!(label.starts_with("zweite ü ("), "{label}");
        drop(guard);
    });
}

#[test]
fn acquire_cuts_a_long_owner_name_to_sixty_four_bytes_of_label() {
    let server = Server::start();
    let guard = lock(&server).acquire("first").unwrap();
    let waiter = quick(&client(&server)).build().unwrap();
    let owner = format!("x{}", "ü".repeat(255));
    thread::scope(|scope| {
        scope.spawn(|| waiter.acquire_within(owner.clone(), LONG).unwrap());
        wait_for_tickets(&server, 1);
        let label = tickets(&server)[0]["label"].as_str().unwrap().to_owned();
        assert_eq!(label.len(), 63);
        assert!(owner.starts_with(&label), "{label}");
        drop(guard);
    });
}

#[test]
fn acquire_says_that_it_may_react_slowly_if_it_may_look_rarely() {
    let server = Server::start();
    let guard = lock(&server).acquire("first").unwrap();
    let waiter = quick(&client(&server)).poll_interval(Duration::from_millis(5), LONG);
    let waiter = waiter.build().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| waiter.acquire_within("second", LONG).unwrap());
        wait_for_tickets(&server, 1);
        assert_eq!(tickets(&server)[0]["react_ms"], 10_000);
        drop(guard);
    });
}

#[test]
fn acquire_with_a_ticket_uses_it_up_by_its_own_write() {
    let server = Server::start();
    let guard = lock(&server).acquire("first").unwrap();
    let waiter = quick(&client(&server)).build().unwrap();
    let (number, guard) = taken_with_a_ticket(&server, guard, &waiter);
    let record = record(&server);
    assert_eq!(record["served"].as_u64(), Some(number));
    assert_eq!(record["queued"], true);
    // The ticket itself is left to the next who writes the queue.
    let writes = queue_requests(&server).into_iter().filter(|m| m == "PUT");
    assert_eq!(writes.count(), 1);
    drop(guard);
}

#[test]
fn renew_and_release_carry_what_the_record_says_of_the_queue() {
    let (server, time) = (Server::start(), Time::default());
    let guard = lock(&server).acquire("first").unwrap();
    let waiter = quick(&timed_client(&server, &time)).build().unwrap();
    let (number, guard) = taken_with_a_ticket(&server, guard, &waiter);
    // What it has seen of the queue is no longer fresh.
    time.advance(Duration::from_secs(2));
    guard.renew().unwrap();
    let renewed = record(&server);
    guard.release().unwrap();
    for record in [renewed, record(&server)] {
        assert_eq!(record["served"].as_u64(), Some(number));
        assert_eq!(record["queued"], true);
    }
}

#[test]
fn acquire_that_sees_that_nobody_waits_any_more_says_so_in_the_record() {
    let (server, time) = (Server::start(), Time::default());
    let guard = lock(&server).acquire("first").unwrap();
    let waiter = quick(&timed_client(&server, &time)).build().unwrap();
    let (number, guard) = taken_with_a_ticket(&server, guard, &waiter);
    time.advance(Duration::from_secs(2));
    guard.release().unwrap();
    assert_eq!(record(&server)["queued"], true);
    server.clear_requests();
    let guard = lock(&server).acquire("third").unwrap();
    assert_eq!(queue_requests(&server), ["GET"]);
    let after = record(&server);
    assert_eq!(after["served"].as_u64(), Some(number));
    assert_eq!(after.get("queued"), None);
    drop(guard);
}

#[test]
fn acquire_does_not_say_that_nobody_waits_if_it_could_not_look() {
    let server = Server::start();
    lock(&server).acquire("first").unwrap().release().unwrap();
    edit_record(&server, |record| record["queued"] = true.into());
    server.fault(
        Match::get().key(QUEUE).always(),
        Fault::answer(503, "SlowDown"),
    );
    let guard = lock(&server).acquire("second").unwrap();
    assert_eq!(record(&server)["queued"], true);
    drop(guard);
}

#[test]
fn status_and_guard_say_that_others_wait() {
    let server = Server::start();
    let first = lock(&server).acquire("first").unwrap();
    assert!(!first.info().has_waiters());
    let waiter = quick(&client(&server)).build().unwrap();
    let (_, second) = taken_with_a_ticket(&server, first, &waiter);
    assert!(second.info().has_waiters());
    match lock(&server).status().unwrap() {
        LockStatus::Held(info) => assert!(info.has_waiters()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn status_sends_nothing_to_the_queue_and_changes_nothing() {
    let server = Server::start();
    let _guard = lock(&server).acquire("first").unwrap();
    edit_record(&server, |record| record["queued"] = true.into());
    put_dead_ticket(&server);
    let (before, asks) = (record(&server), lock(&server));
    let (sent, status) = requests_of(&server, || asks.status().unwrap());
    assert!(matches!(status, LockStatus::Held(_)));
    assert_eq!(sent, ["GET"]);
    assert_eq!(record(&server), before);
    assert!(queue_requests(&server).is_empty());
}

/// What the record says of the queue after `free` has ended a holding.
fn advice_after(free: impl FnOnce(&S3Lock)) -> (Option<u64>, Value) {
    let server = Server::start();
    let guard = lock(&server).acquire("first").unwrap();
    edit_record(&server, |record| {
        record["queued"] = true.into();
        record["served"] = 77.into();
    });
    guard.detach();
    free(&lock(&server));
    let record = record(&server);
    assert_eq!(record["state"], "released");
    (record["served"].as_u64(), record["queued"].clone())
}

#[test]
fn release_by_owner_name_keeps_what_the_record_says_of_the_queue() {
    let kept = advice_after(|lock| assert!(lock.release("first").unwrap()));
    assert_eq!(kept, (Some(77), true.into()));
}

#[test]
fn force_release_keeps_what_the_record_says_of_the_queue() {
    let kept = advice_after(|lock| match lock.status().unwrap() {
        LockStatus::Held(seen) => assert!(lock.force_release(&seen).unwrap()),
        other => panic!("{other:?}"),
    });
    assert_eq!(kept, (Some(77), true.into()));
}

#[test]
fn acquire_within_that_gives_up_takes_its_ticket_out() {
    let server = Server::start();
    let _guard = lock(&server).acquire("first").unwrap();
    let waiter = quick(&client(&server)).build().unwrap();
    let limit = Duration::from_secs(1);
    waiter.acquire_within("second", limit).unwrap_err();
    assert_eq!(queue_requests(&server), ["GET", "PUT", "GET", "PUT"]);
    assert!(tickets(&server).is_empty());
}

#[test]
fn acquire_within_that_gives_up_tries_again_to_take_its_ticket_out() {
    let server = Server::start();
    let _guard = lock(&server).acquire("first").unwrap();
    let waiter = quick(&client(&server)).build().unwrap();
    let resignation = Match::put().key(QUEUE).skip(1);
    server.fault(
        resignation,
        Fault::answer(409, "ConditionalRequestConflict"),
    );
    let limit = Duration::from_secs(1);
    waiter.acquire_within("second", limit).unwrap_err();
    assert!(tickets(&server).is_empty());
}

#[test]
fn acquire_within_that_waits_for_less_than_a_second_takes_no_ticket() {
    let server = Server::start();
    let _guard = lock(&server).acquire("first").unwrap();
    let waiter = quick(&client(&server)).build().unwrap();
    let limit = Duration::from_millis(900);
    waiter.acquire_within("second", limit).unwrap_err();
    assert!(!queue_requests(&server).contains(&"PUT".to_owned()));
}

#[test]
fn acquire_within_that_gives_up_leaves_the_ticket_to_another_thread_of_its_client() {
    let server = Server::start();
    let guard = lock(&server).acquire("first").unwrap();
    let waiter = quick(&client(&server)).build().unwrap();
    let limit = Duration::from_secs(5);
    thread::scope(|scope| {
        let leaves = scope.spawn(|| waiter.acquire_within("second", limit));
        wait_for_tickets(&server, 1);
        let ticket = tickets(&server);
        let stays = scope.spawn(|| waiter.acquire_within("third", LONG).unwrap());
        eventually("both wait", || internals::waiting(&waiter) == 2);
        leaves.join().unwrap().unwrap_err();
        assert_eq!(tickets(&server), ticket);
        drop(guard);
        let got = stays.join().unwrap();
        assert_eq!(record(&server)["served"], ticket[0]["n"]);
        drop(got);
    });
}

#[test]
fn acquire_within_that_gives_up_leaves_no_ticket_to_a_thread_that_does_not_use_the_queue() {
    let server = Server::start();
    let _guard = lock(&server).acquire("first").unwrap();
    let client = client(&server);
    let waiter = quick(&client).build().unwrap();
    let other = quick(&client).without_queue().build().unwrap();
    let limit = Duration::from_secs(2);
    thread::scope(|scope| {
        let leaves = scope.spawn(|| waiter.acquire_within("second", limit));
        wait_for_tickets(&server, 1);
        scope.spawn(|| other.acquire_within("third", 2 * limit));
        eventually("both wait", || internals::waiting(&waiter) == 2);
        leaves.join().unwrap().unwrap_err();
        assert!(tickets(&server).is_empty());
    });
}

#[test]
fn acquire_within_that_gives_up_leaves_no_ticket_to_threads_that_give_up_as_well() {
    let server = Server::start();
    let _guard = lock(&server).acquire("first").unwrap();
    let waiter = quick(&client(&server)).build().unwrap();
    let limit = Duration::from_secs(2);
    thread::scope(|scope| {
        let call = || waiter.acquire_within("waiter", limit).unwrap_err();
        let calls: Vec<_> = (0..4).map(|_| scope.spawn(call)).collect();
        wait_for_tickets(&server, 1);
        for call in calls {
            call.join().unwrap();
        }
    });
    assert!(tickets(&server).is_empty());
}

#[test]
fn acquire_within_that_gives_up_takes_its_ticket_out_although_others_are_faster_five_times() {
    let server = Server::start();
    let _guard = lock(&server).acquire("first").unwrap();
    let waiter = quick(&client(&server)).build().unwrap();
    let resignation = Match::put().key(QUEUE).skip(1).times(5);
    server.fault(resignation, Fault::answer(412, "PreconditionFailed"));
    let limit = Duration::from_secs(1);
    waiter.acquire_within("second", limit).unwrap_err();
    assert_eq!(server.pending_faults(), 0);
    assert!(tickets(&server).is_empty());
}

#[test]
fn acquire_within_that_cannot_take_its_ticket_out_still_ends_in_time() {
    let (server, time) = (Server::start(), Time::default());
    let _guard = lock(&server).acquire("first").unwrap();
    let request = Duration::from_secs(20);
    let client = time.of(client_builder(&server).request_timeout(request));
    let waiter = quick(&client.build().unwrap()).build().unwrap();
    let gate = Gate::default();
    let limit = Duration::from_secs(30);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| waiter.acquire_within("second", limit));
        wait_for_tickets(&server, 1);
        server.clear_requests();
        server.fault(
            Match::get().key(QUEUE).always(),
            Fault::HoldAt(gate.clone()),
        );
        time.advance(limit);
        eventually("it asks for the queue", || {
            !queue_requests(&server).is_empty()
        });
        time.advance(2 * request);
        // No request is answered any more, and none has to be.
        assert_eq!(ahead(waiting.join().unwrap()), Some(0));
        gate.open();
    });
}

#[test]
fn acquire_that_has_given_up_and_kept_its_ticket_uses_it_the_next_time() {
    let server = Server::start();
    let guard = lock(&server).acquire("first").unwrap();
    let waiter = quick(&client(&server)).build().unwrap();
    // The registration passes, and no write after it.
    let resignation = Match::put().key(QUEUE).skip(1);
    server.fault(resignation.always(), Fault::answer(503, "SlowDown"));
    let limit = Duration::from_secs(1);
    waiter.acquire_within("second", limit).unwrap_err();
    let kept = tickets(&server);
    assert_eq!(kept.len(), 1);
    server.clear_faults();
    drop(guard);
    let _guard = waiter.acquire("second").unwrap();
    assert_eq!(record(&server)["served"], kept[0]["n"]);
}

#[test]
fn acquire_within_that_gives_up_says_how_many_came_first() {
    let server = Server::start();
    let _guard = lock(&server).acquire("first").unwrap();
    put_dead_ticket(&server);
    let waiter = quick(&client(&server)).build().unwrap();
    let limit = Duration::from_secs(1);
    match waiter.acquire_within("second", limit) {
        Err(error @ LockError::TimedOut { ahead: Some(1), .. }) => {
            let said = error.to_string();
            assert!(
                said.starts_with("gave up waiting for the lock after 1"),
                "{said}"
            );
            assert!(
                said.contains("lock locks/nightly.lock is held by \"first\""),
                "{said}"
            );
            assert!(said.ends_with("; 1 other comes first"), "{said}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn acquire_within_that_gives_up_does_not_count_those_that_came_after_it() {
    let server = Server::start();
    let guard = lock(&server).acquire("first").unwrap();
    let (early, late) = (client(&server), client(&server));
    let (early, late) = (
        quick(&early).build().unwrap(),
        quick(&late).build().unwrap(),
    );
    let limit = Duration::from_secs(5);
    thread::scope(|scope| {
        let leaves = scope.spawn(|| early.acquire_within("second", limit));
        wait_for_tickets(&server, 1);
        let stays = scope.spawn(|| late.acquire_within("third", LONG).unwrap());
        wait_for_tickets(&server, 2);
        assert_eq!(ahead(leaves.join().unwrap()), Some(0));
        drop(guard);
        drop(stays.join().unwrap());
    });
}

#[test]
fn acquire_after_giving_up_does_not_wait_for_the_ticket_that_it_has_given_back() {
    let server = Server::start();
    let guard = lock(&server).acquire("first").unwrap();
    let waiter = quick(&client(&server)).build().unwrap();
    let limit = Duration::from_secs(1);
    waiter.acquire_within("second", limit).unwrap_err();
    guard.release().unwrap();
    server.clear_requests();
    drop(waiter.acquire_within("second", LONG).unwrap());
    // It takes the lock at its first look, and needs no other ticket.
    assert!(!queue_requests(&server).contains(&"PUT".to_owned()));
    assert_eq!(record(&server).get("queued"), None);
}

#[test]
fn acquire_within_that_leaves_a_free_lock_to_others_says_so() {
    let (server, time) = (Server::start(), Time::default());
    lock(&server).acquire("first").unwrap().release().unwrap();
    server.put_object(
        QUEUE,
        forged(0, [(1000, 10_000), (1001, 10_000)]).to_string(),
    );
    let waiter = quick(&timed_client(&server, &time)).build().unwrap();
    let limit = Duration::from_secs(3);
    match while_time_passes(&time, || waiter.acquire_within("second", limit)) {
        Err(
            error @ LockError::TimedOut {
                holder: None,
                ahead: Some(2),
                ..
            },
        ) => {
            let said = error.to_string();
            assert!(
                said.ends_with(": it is free; 2 others come first"),
                "{said}"
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn acquire_waits_in_the_queue_of_a_lock_with_the_longest_name() {
    let server = Server::start();
    let name = "n".repeat(1024 - "locks/.queue".len());
    let lock = |server: &Server| {
        let lock = S3Lock::builder(BUCKET, name.as_str()).folder("locks");
        let lock = lock.poll_interval(Duration::from_millis(5), Duration::from_millis(50));
        lock.client(client(server)).build().unwrap()
    };
    let key = format!("locks/{name}.queue");
    let (guard, waiter) = (lock(&server).acquire("first").unwrap(), lock(&server));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| waiter.acquire_within("second", LONG).unwrap());
        eventually("it has a ticket", || {
            super::tickets_in(&server, &key).len() == 1
        });
        drop(guard);
        drop(waiting.join().unwrap());
    });
    let longer = S3Lock::builder(BUCKET, format!("{name}n")).folder("locks");
    longer.client(client(&server)).build().unwrap_err();
}

#[test]
fn acquire_that_gives_up_behind_another_thread_leaves_that_thread_its_ticket() {
    let server = Server::start();
    let guard = lock(&server).acquire("first").unwrap();
    let waiter = quick(&client(&server)).build().unwrap();
    thread::scope(|scope| {
        let in_front = scope.spawn(|| waiter.acquire_within("second", LONG));
        wait_for_tickets(&server, 1);
        let queue = object(&server, QUEUE);
        let limit = Duration::from_millis(100);
        waiter.acquire_within("third", limit).unwrap_err();
        assert_eq!(object(&server, QUEUE), queue);
        drop(guard);
        drop(in_front.join().unwrap().unwrap());
    });
}
