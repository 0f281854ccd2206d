//! Queues that cannot be used, that others change, and writes of which nobody knows what became. Locks go on.

use std::thread;
use std::time::Duration;

use s3_lock::S3Lock;
use s3_lock::internals::Time;
use serde_json::json;

use super::{
    LONG, QUEUE, ahead, edit_record, forged, listen, named, queue_requests, quick, record, tickets,
    timed_client, wait_for_tickets, warnings, while_time_passes,
};
use crate::support::{Fault, Gate, Match, Server};
use crate::{client, eventually, lock, requests_of};

/// Has one client wait behind another twice, and returns the warnings about the queue of the lock of this name.
fn life(server: &Server, name: &str) -> Vec<String> {
    listen();
    let (mine, yours) = (client(server), client(server));
    let lock = |client| named(client, name).build().unwrap();
    let (mine, yours) = (lock(&mine), lock(&yours));
    let looks = |count: usize| {
        eventually("it looks", || {
            let key = format!("locks/{name}.lock");
            let gets = server.requests().into_iter();
            gets.filter(|r| r.method == "GET" && r.key == key).count() >= count
        });
    };
    for _ in 0..2 {
        let guard = mine.acquire("mine").unwrap();
        server.clear_requests();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| yours.acquire_within("yours", LONG).unwrap());
            looks(4);
            guard.release().unwrap();
            waiting.join().unwrap().release().unwrap();
        });
    }
    warnings(&format!("locks/{name}.queue"))
}

/// A life beside this object.
fn life_beside(name: &str, object: impl Into<Vec<u8>>) -> Vec<String> {
    let (server, key) = (Server::start(), format!("locks/{name}.queue"));
    let object = object.into();
    server.put_object(&key, object.clone());
    let warnings = life(&server, name);
    let after = server.object(&key).unwrap().body;
    assert!(after == object, "{}", String::from_utf8_lossy(&after));
    warnings
}

#[track_caller]
fn assert_one_warning_of_one_client(warnings: &[String], why: &str) {
    // The other client may have looked as well.
    assert!((1..=2).contains(&warnings.len()), "{warnings:#?}");
    for line in warnings {
        assert!(
            line.contains("s3:GetObject and s3:PutObject on *.queue"),
            "{line}"
        );
        assert!(line.contains(why), "{line}");
    }
}

#[test]
fn acquire_beside_another_programs_object_warns_once_and_leaves_it_alone() {
    let warnings = life_beside("foreign", "hello");
    assert_one_warning_of_one_client(&warnings, "no queue that this version knows");
}

#[test]
fn acquire_beside_an_empty_object_warns_once_and_leaves_it_alone() {
    let warnings = life_beside("empty", "");
    assert_one_warning_of_one_client(&warnings, "no queue that this version knows");
}

#[test]
fn acquire_beside_an_object_that_is_too_long_warns_once_and_leaves_it_alone() {
    let mut queue = forged(0, []);
    queue["note"] = "x".repeat(65 * 1024).into();
    let warnings = life_beside("long", queue.to_string());
    assert_one_warning_of_one_client(&warnings, "it is too long");
}

#[test]
fn acquire_beside_an_object_of_megabytes_warns_once_and_leaves_it_alone() {
    let warnings = life_beside("megabytes", vec![b'x'; 8 << 20]);
    assert_one_warning_of_one_client(&warnings, "");
}

#[test]
fn acquire_beside_a_queue_of_a_newer_format_warns_once_and_leaves_it_alone() {
    let mut queue = forged(0, []);
    queue["format"] = 2.into();
    let warnings = life_beside("newer", queue.to_string());
    assert_one_warning_of_one_client(&warnings, "a format that this version does not know");
}

#[test]
fn acquire_beside_a_queue_of_a_newer_format_with_other_fields_leaves_it_alone() {
    let warnings = life_beside(
        "newer-fields",
        json!({ "format": 2, "line": [] }).to_string(),
    );
    assert_one_warning_of_one_client(&warnings, "");
}

#[test]
fn acquire_beside_a_queue_with_numbers_too_large_warns_once_and_leaves_it_alone() {
    const TOO_LARGE: u64 = (1 << 52) + 1;
    let with = |field: &str| {
        let mut queue = forged(0, []);
        queue[field] = TOO_LARGE.into();
        queue
    };
    for (name, queue) in [
        ("large-next", with("next")),
        ("large-served", with("served")),
        ("large-ticket", forged(0, [(TOO_LARGE, 1000)])),
    ] {
        let warnings = life_beside(name, queue.to_string());
        assert_one_warning_of_one_client(&warnings, "a number in it is too large");
    }
}

#[test]
fn acquire_beside_a_queue_with_too_many_tickets_warns_once_and_leaves_it_alone() {
    let queue = forged(0, (1..=257).map(|n| (n, 1000)));
    let warnings = life_beside("too-many", queue.to_string());
    assert_one_warning_of_one_client(&warnings, "too many tickets");
}

/// The warnings of a life in which some requests for the queue are denied.
fn life_denied(name: &str, gets: bool, puts: bool) -> Vec<String> {
    let (server, key) = (Server::start(), format!("locks/{name}.queue"));
    for (is_denied, rule) in [(gets, Match::get()), (puts, Match::put())] {
        if is_denied {
            server.fault(rule.key(&key).always(), Fault::answer(403, "AccessDenied"));
        }
    }
    life(&server, name)
}

#[test]
fn acquire_beside_a_queue_that_may_not_be_touched_warns_once() {
    let warnings = life_denied("untouchable", true, true);
    assert_one_warning_of_one_client(&warnings, "");
}

#[test]
fn acquire_beside_a_queue_that_may_not_be_written_warns_once() {
    let warnings = life_denied("unwritable", false, true);
    assert_one_warning_of_one_client(&warnings, "");
}

#[test]
fn acquire_beside_a_queue_that_may_not_be_read_warns_once() {
    let warnings = life_denied("unreadable", true, false);
    assert_one_warning_of_one_client(&warnings, "");
}

#[test]
fn acquire_leaves_a_queue_alone_for_a_minute_that_it_could_not_use() {
    let (server, time) = (Server::start(), Time::default());
    // Longer than the test lasts by the clock that is moved.
    let holder = crate::leased(&client(&server), 600_000).build().unwrap();
    let guard = holder.acquire("first").unwrap();
    server.put_object(QUEUE, "hello");
    let waiter = quick(&timed_client(&server, &time)).build().unwrap();
    let wait = |seconds| {
        server.clear_requests();
        let limit = Duration::from_secs(seconds);
        while_time_passes(&time, || waiter.acquire_within("second", limit)).unwrap_err();
        queue_requests(&server)
    };
    assert_eq!(wait(5), ["GET"]);
    assert!(wait(5).is_empty());
    server.put_object(QUEUE, forged(0, []).to_string());
    time.advance(Duration::from_secs(60));
    // It is usable again: a ticket is taken, and given back.
    assert_eq!(wait(5), ["GET", "PUT", "GET", "PUT"]);
    drop(guard);
}

/// The warnings of a life in which every request for the queue is answered so.
fn life_amid(name: &str, fault: &Fault) -> Vec<String> {
    let (server, key) = (Server::start(), format!("locks/{name}.queue"));
    server.fault(Match::any().key(&key).always(), fault.clone());
    life(&server, name)
}

#[test]
fn acquire_does_not_take_a_store_that_is_busy_for_one_without_a_queue() {
    for (name, fault) in [
        ("busy-429", Fault::answer(429, "TooManyRequests")),
        ("busy-503", Fault::answer(503, "SlowDown")),
        ("busy-500", Fault::answer(500, "InternalError")),
        ("busy-dropped", Fault::DropBefore),
    ] {
        let warnings = life_amid(name, &fault);
        assert!(warnings.is_empty(), "{warnings:#?}");
    }
}

#[test]
fn acquire_tries_again_for_a_ticket_when_the_store_was_asked_too_often() {
    let server = Server::start();
    let guard = lock(&server).acquire("first").unwrap();
    let put = Match::put().key(QUEUE).times(2);
    server.fault(put, Fault::answer(429, "TooManyRequests"));
    let waiter = quick(&client(&server)).build().unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| waiter.acquire_within("second", LONG).unwrap());
        wait_for_tickets(&server, 1);
        drop(guard);
        drop(waiting.join().unwrap());
    });
}

/// Has two clients wait, does `mischief` to the queue, and returns the server once both have had the lock.
fn amid(mischief: impl FnOnce(&Server)) -> Server {
    let server = Server::start();
    let guard = lock(&server).acquire("first").unwrap();
    let waiter = || quick(&client(&server)).build().unwrap();
    let (second, third) = (waiter(), waiter());
    let get = |lock: &S3Lock| drop(lock.acquire_within("next", LONG).unwrap());
    thread::scope(|scope| {
        let second = scope.spawn(|| get(&second));
        wait_for_tickets(&server, 1);
        let third = scope.spawn(|| get(&third));
        wait_for_tickets(&server, 2);
        mischief(&server);
        guard.release().unwrap();
        second.join().unwrap();
        third.join().unwrap();
    });
    server
}

#[test]
fn acquire_goes_on_when_its_queue_is_deleted() {
    amid(|server| server.delete_object(QUEUE));
}

#[test]
fn acquire_goes_on_when_its_queue_is_overwritten_by_another_program() {
    let server = amid(|server| {
        server.put_object(QUEUE, "hello");
    });
    assert_eq!(server.object(QUEUE).unwrap().body, b"hello");
}

#[test]
fn acquire_goes_on_when_its_queue_says_that_all_tickets_had_their_turn() {
    amid(|server| {
        server.put_object(QUEUE, forged((1 << 51) + 7, []).to_string());
    });
}

#[test]
fn acquire_goes_on_when_strange_tickets_come_before_its_own() {
    amid(|server| {
        server.put_object(QUEUE, forged(0, (1..5).map(|n| (n, 1))).to_string());
    });
}

#[test]
fn acquire_does_not_wait_for_the_tickets_of_an_older_queue_that_was_restored() {
    let (server, time) = (Server::start(), Time::default());
    let guard = lock(&server).acquire("first").unwrap();
    let waiter = quick(&timed_client(&server, &time)).build().unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| waiter.acquire_within("second", LONG).unwrap());
        wait_for_tickets(&server, 1);
        guard.release().unwrap();
        waiting.join().unwrap().release().unwrap();
    });
    let served = record(&server)["served"].as_u64().unwrap();
    let old = forged(0, [(served - 2, 10_000), (served - 1, 10_000)]);
    server.put_object(QUEUE, old.to_string());
    for client in [client(&server), client(&server)] {
        // The record says that they had their turn.
        let lock = quick(&client).build().unwrap();
        let (sent, guard) = requests_of(&server, || lock.acquire("third").unwrap());
        assert_eq!(sent, ["GET", "GET", "PUT"]);
        drop(guard);
    }
}

#[test]
fn acquire_takes_a_larger_number_than_any_that_the_record_says_had_its_turn() {
    let server = Server::start();
    let guard = lock(&server).acquire("first").unwrap();
    let served: u64 = 1 << 51;
    edit_record(&server, |record| record["served"] = served.into());
    let waiter = quick(&client(&server)).build().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| waiter.acquire_within("second", LONG));
        wait_for_tickets(&server, 1);
        assert_eq!(tickets(&server)[0]["n"], served + 1);
        server.delete_object(crate::KEY);
        let _ = guard.release();
    });
}

#[test]
fn acquire_does_not_believe_a_record_that_a_ticket_beyond_all_numbers_had_its_turn() {
    let server = Server::start();
    let guard = lock(&server).acquire("first").unwrap();
    let served: u64 = (1 << 52) + 1;
    edit_record(&server, |record| record["served"] = served.into());
    let waiter = quick(&client(&server)).build().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| waiter.acquire_within("second", LONG));
        wait_for_tickets(&server, 1);
        assert!(tickets(&server)[0]["n"].as_u64() < Some(1 << 52));
        server.delete_object(crate::KEY);
        let _ = guard.release();
    });
}

/// What goes wrong with a write that is carried out, and with one that is not.
fn unseen() -> [Fault; 5] {
    [
        Fault::DropAfter,
        Fault::answer_after(500, "InternalError"),
        Fault::answer_after(409, "ConditionalRequestConflict"),
        Fault::DropBefore,
        Fault::answer(409, "ConditionalRequestConflict"),
    ]
}

/// Has the queue's requests of one kind hang for ever.
fn hang(server: &Server, which: Match) -> Gate {
    let gate = Gate::default();
    let hung = Fault::HoldAt(gate.clone());
    server.fault(which.key(QUEUE).always(), hung);
    gate
}

#[test]
fn acquire_asks_less_often_for_a_queue_that_does_not_answer() {
    let server = Server::start();
    let gate = hang(&server, Match::get());
    let (one, other) = (lock(&server), lock(&server));
    drop(other.acquire("other").unwrap());
    server.clear_requests();
    for _ in 0..3 {
        // Another has just released it, so this client wants to see the queue.
        drop(one.acquire("one").unwrap());
        drop(other.try_acquire("other").unwrap());
    }
    let asked = queue_requests(&server).len();
    assert!((1..=2).contains(&asked), "{asked}");
    gate.open();
}

#[test]
fn acquire_within_gets_a_lock_that_is_released_while_a_write_of_the_queue_hangs() {
    let server = Server::start();
    let guard = lock(&server).acquire("first").unwrap();
    let gate = hang(&server, Match::put());
    let waiter = quick(&client(&server)).build().unwrap();
    // As long as a request may take.
    let limit = Duration::from_secs(5);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| waiter.acquire_within("second", limit).map(drop));
        eventually("it registers", || queue_requests(&server).len() == 2);
        guard.release().unwrap();
        waiting.join().unwrap().unwrap();
    });
    gate.open();
}

#[test]
fn acquire_has_one_ticket_whatever_became_of_the_reply_to_its_write() {
    for fault in unseen() {
        let server = Server::start();
        let guard = lock(&server).acquire("first").unwrap();
        server.fault(Match::put().key(QUEUE), fault.clone());
        let waiter = quick(&client(&server)).build().unwrap();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| waiter.acquire_within("second", LONG).unwrap());
            // It has looked once more, and so has its ticket.
            eventually("it looks again", || {
                tickets(&server).len() == 1 && queue_requests(&server).len() >= 3
            });
            let looks_on = server.requests().len() + 2;
            eventually("it looks on", || server.requests().len() > looks_on);
            guard.release().unwrap();
            let guard = waiting.join().unwrap();
            let served = &record(&server)["served"];
            let left = tickets(&server);
            assert!(
                left.iter()
                    .all(|ticket| ticket["n"].as_u64() <= served.as_u64()),
                "{fault:?}: {served} {left:?}"
            );
            drop(guard);
        });
    }
}

#[test]
fn acquire_is_delayed_by_a_ticket_that_its_owner_does_not_know_of_only_for_its_time() {
    let server = Server::start();
    let guard = lock(&server).acquire("first").unwrap();
    // The write is carried out, and from then on the queue cannot be asked for.
    server.fault(Match::put().key(QUEUE), Fault::DropAfter);
    server.fault(
        Match::get().key(QUEUE).skip(1).times(1000),
        Fault::DropBefore,
    );
    let waiter = quick(&client(&server)).build().unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| waiter.acquire_within("second", LONG).unwrap());
        wait_for_tickets(&server, 1);
        guard.release().unwrap();
        drop(waiting.join().unwrap());
    });
    server.clear_faults();
    assert_eq!(tickets(&server).len(), 1);
    // It is a second at most, however slow the machine.
    let other = quick(&client(&server)).build().unwrap();
    drop(other.acquire_within("third", LONG).unwrap());
}

#[test]
fn acquire_gets_the_lock_behind_a_full_queue_of_the_dead() {
    let (server, time) = (Server::start(), Time::default());
    lock(&server).acquire("first").unwrap().release().unwrap();
    server.put_object(QUEUE, forged(0, (1..=256).map(|n| (n, 1000))).to_string());
    let waiter = quick(&timed_client(&server, &time)).without_store_clock();
    let waiter = waiter.build().unwrap();
    let early = while_time_passes(&time, || {
        waiter.acquire_within("second", Duration::from_secs(5))
    });
    assert_eq!(ahead(early), Some(256));
    let late = while_time_passes(&time, || waiter.acquire_within("second", 2 * LONG));
    late.unwrap().release().unwrap();
}

#[test]
fn acquire_behind_a_full_queue_of_the_dead_waits_only_once_for_all_clients() {
    let (server, time) = (Server::start(), Time::default());
    lock(&server).acquire("first").unwrap().release().unwrap();
    server.put_object(QUEUE, forged(0, (1..=256).map(|n| (n, 1000))).to_string());
    let new_client = || {
        let lock = quick(&timed_client(&server, &time)).without_store_clock();
        lock.build().unwrap()
    };
    let first = new_client();
    let got = while_time_passes(&time, || first.acquire_within("second", 2 * LONG));
    got.unwrap().release().unwrap();
    let next = new_client();
    let got = while_time_passes(&time, || {
        next.acquire_within("third", Duration::from_secs(10))
    });
    got.unwrap().release().unwrap();
}

/// Takes a lock that others are said to wait for, while each read of its queue takes so long.
fn taken_beside_a_slow_queue(slow: Duration) {
    let server = Server::start();
    lock(&server).acquire("first").unwrap().release().unwrap();
    edit_record(&server, |record| record["queued"] = true.into());
    server.fault(Match::get().key(QUEUE).always(), Fault::Stall(slow));
    let client = crate::client_builder(&server).request_timeout(Duration::from_secs(2));
    let waiter = quick(&client.build().unwrap()).build().unwrap();
    drop(
        waiter
            .acquire_within("second", Duration::from_secs(30))
            .unwrap(),
    );
    assert!(queue_requests(&server).len() <= 2);
}

#[test]
fn acquire_takes_a_free_lock_whose_queue_answers_slowly() {
    taken_beside_a_slow_queue(Duration::from_millis(1_300));
}

#[test]
fn acquire_takes_a_free_lock_whose_queue_does_not_answer() {
    taken_beside_a_slow_queue(Duration::from_secs(3));
}

#[test]
fn acquire_beside_a_queue_whose_numbers_are_used_up_leaves_it_alone() {
    let mut queue = forged(0, []);
    queue["next"] = (1_u64 << 52).into();
    let warnings = life_beside("used-up", queue.to_string());
    assert!(warnings.is_empty(), "{warnings:#?}");
}

#[test]
fn acquire_that_gives_up_looks_for_its_ticket_again_where_that_fails() {
    let server = Server::start();
    let guard = lock(&server).acquire("first").unwrap();
    let waiter = quick(&client(&server)).build().unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| waiter.acquire_within("second", Duration::from_secs(3)));
        wait_for_tickets(&server, 1);
        let broken = Match::get().key(QUEUE).times(2);
        server.fault(broken, Fault::answer(503, "SlowDown"));
        waiting.join().unwrap().unwrap_err();
        assert!(tickets(&server).is_empty());
    });
    drop(guard);
}
