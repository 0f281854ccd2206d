//! Whose turn it is.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use s3_lock::internals::{Raw, Time};
use s3_lock::{Client, InMemoryStore, S3Lock};
use serde_json::Value;

use super::{
    LONG, QUEUE, ahead, edit_record, forged, put_dead_ticket, queue_requests, quick, record,
    tickets, timed_client, wait_for_tickets, while_time_passes,
};
use crate::support::{BUCKET, Server};
use crate::{builder, child, client, eventually, lock, requests_of};

/// A lock whose ticket tells others to give it the longest time, so that a slow machine does not have them
/// pass it over.
fn patient(client: &Client) -> S3Lock {
    let lock = builder(client).poll_interval(Duration::from_millis(5), Duration::from_secs(5));
    lock.build().unwrap()
}

#[test]
fn acquire_by_several_clients_comes_in_the_order_of_arrival() {
    let server = Server::start();
    let guard = lock(&server).acquire("first").unwrap();
    let waiters: Vec<_> = (0..4).map(|_| patient(&client(&server))).collect();
    let tokens: Vec<_> = thread::scope(|scope| {
        let mut waiting = Vec::new();
        for (i, waiter) in waiters.iter().enumerate() {
            waiting.push(scope.spawn(|| {
                let guard = waiter.acquire_within("next", LONG).unwrap();
                guard.fencing_token().get()
            }));
            wait_for_tickets(&server, i + 1);
        }
        drop(guard);
        waiting.into_iter().map(|w| w.join().unwrap()).collect()
    });
    assert!(tokens.is_sorted_by(|a, b| a < b), "{tokens:?}");
}

#[test]
fn acquire_in_a_loop_leaves_the_lock_to_a_waiter() {
    let server = Server::start();
    let greedy = lock(&server);
    let guard = greedy.acquire("greedy").unwrap();
    let waiter = patient(&client(&server));
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let got = waiter.acquire_within("waiter", LONG);
            is_over.store(true, Ordering::SeqCst);
            got.map(drop)
        });
        wait_for_tickets(&server, 1);
        drop(guard);
        while !is_over.load(Ordering::SeqCst) {
            let guard = greedy.acquire("greedy").unwrap();
            // Long beside the moment between a release and the next acquire.
            thread::sleep(Duration::from_millis(100));
            guard.release().unwrap();
        }
        waiting.join().unwrap().unwrap();
    });
}

#[test]
fn acquire_in_a_loop_waits_as_soon_as_it_has_seen_a_ticket() {
    let (server, time) = (Server::start(), Time::default());
    let greedy = quick(&timed_client(&server, &time)).build().unwrap();
    drop(greedy.acquire("greedy").unwrap());
    put_dead_ticket(&server);
    // It looks once a second, and finds the ticket.
    let mut cycles = 0;
    let refused = loop {
        time.advance(Duration::from_millis(250));
        let limit = Duration::from_secs(5);
        match while_time_passes(&time, || greedy.acquire_within("greedy", limit)) {
            Ok(guard) => guard.release().unwrap(),
            refused => break refused,
        }
        cycles += 1;
        assert!(cycles < 40, "it never looks");
    };
    assert_eq!(ahead(refused), Some(1));
}

#[test]
fn acquire_passes_a_dead_ticket_over_after_its_time_and_no_earlier() {
    let (server, time) = (Server::start(), Time::default());
    lock(&server).acquire("first").unwrap().release().unwrap();
    put_dead_ticket(&server);
    let waiter = quick(&timed_client(&server, &time)).without_store_clock();
    let waiter = waiter.build().unwrap();
    let early = while_time_passes(&time, || {
        waiter.acquire_within("second", Duration::from_secs(9))
    });
    assert_eq!(ahead(early), Some(1));
    let late = while_time_passes(&time, || {
        waiter.acquire_within("second", Duration::from_secs(30))
    });
    late.unwrap().release().unwrap();
    // Its ticket came later, so the dead one had its turn.
    assert!(record(&server)["served"].as_u64() > Some(1000));
}

#[test]
fn acquire_pays_for_many_dead_tickets_only_once() {
    let (server, time) = (Server::start(), Time::default());
    let guard = lock(&server).acquire("first").unwrap();
    server.put_object(QUEUE, forged(0, (1..=60).map(|n| (n, 10_000))).to_string());
    let waiter = quick(&timed_client(&server, &time)).without_store_clock();
    let waiter = waiter.build().unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| waiter.acquire_within("second", 10 * LONG).unwrap());
        wait_for_tickets(&server, 61);
        guard.release().unwrap();
        // 10 s for all of them, and a quarter of a second for each but one.
        let mut moved = Duration::ZERO;
        while !waiting.is_finished() {
            time.advance(Duration::from_millis(95));
            moved += Duration::from_millis(95);
            thread::sleep(Duration::from_millis(5));
        }
        assert!(moved < Duration::from_secs(60), "{moved:?}");
        drop(waiting.join().unwrap());
    });
    time.advance(Duration::from_secs(3));
    drop(waiter.acquire_within("second", LONG).unwrap());
    let other = quick(&client(&server)).build().unwrap();
    let (sent, guard) = requests_of(&server, || other.acquire("third").unwrap());
    assert_eq!(sent, ["GET", "GET", "PUT"]);
    drop(guard);
}

#[test]
fn acquire_is_delayed_by_a_killed_waiter_no_longer_than_its_ticket_says() {
    let server = Server::start();
    let guard = lock(&server).acquire("first").unwrap();
    let command = child::command("hold", &server.endpoint());
    let mut killed = child::waiter_in(command, Duration::from_secs(60));
    wait_for_tickets(&server, 1);
    killed.kill().unwrap();
    killed.wait().unwrap();
    // It looked every 50 ms at the latest.
    let react = Duration::from_millis(tickets(&server)[0]["react_ms"].as_u64().unwrap());
    assert!(react <= Duration::from_secs(2), "{react:?}");
    let waiter = quick(&client(&server)).build().unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| waiter.acquire_within("second", LONG).unwrap());
        wait_for_tickets(&server, 2);
        let start = Instant::now();
        guard.release().unwrap();
        drop(waiting.join().unwrap());
        let delayed = start.elapsed();
        assert!(delayed < react + Duration::from_secs(10), "{delayed:?}");
    });
}

#[test]
fn try_acquire_takes_a_free_lock_although_others_wait() {
    let server = Server::start();
    lock(&server).acquire("first").unwrap().release().unwrap();
    edit_record(&server, |record| record["queued"] = true.into());
    put_dead_ticket(&server);
    let other = lock(&server);
    let (sent, guard) = requests_of(&server, || other.try_acquire("second").unwrap());
    assert_eq!(sent, ["GET", "PUT"]);
    // The others wait still.
    assert_eq!(record(&server)["queued"], true);
    assert_eq!(record(&server).get("served"), None);
    guard.release().unwrap();
}

#[test]
fn acquire_without_queue_takes_a_free_lock_although_others_wait() {
    let server = Server::start();
    lock(&server).acquire("first").unwrap().release().unwrap();
    edit_record(&server, |record| record["queued"] = true.into());
    put_dead_ticket(&server);
    let other = builder(&client(&server)).without_queue().build().unwrap();
    drop(other.acquire_within("second", LONG).unwrap());
    assert!(queue_requests(&server).is_empty());
}

#[test]
fn acquire_that_was_passed_over_takes_another_ticket() {
    let server = Server::start();
    let guard = lock(&server).acquire("first").unwrap();
    let waiter = quick(&client(&server)).build().unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| waiter.acquire_within("second", LONG).unwrap());
        wait_for_tickets(&server, 1);
        let passed = tickets(&server)[0].clone();
        edit_record(&server, |record| record["served"] = passed["n"].clone());
        eventually("it has another", || {
            let tickets = tickets(&server);
            tickets.len() == 1 && tickets[0]["n"].as_u64() > passed["n"].as_u64()
        });
        let (before, now) = (&passed["react_ms"], &tickets(&server)[0]["react_ms"]);
        assert!(now.as_u64() > before.as_u64(), "{before} {now}");
        server.delete_object(crate::KEY);
        let _ = guard.release();
        drop(waiting.join().unwrap());
    });
}

/// The queue of a lock in a store in memory.
fn queue_in(store: &InMemoryStore) -> Option<Value> {
    let raw = Raw::new(store.client(), BUCKET, QUEUE);
    let (_, body) = raw.get().unwrap()?;
    Some(serde_json::from_slice(&body).unwrap())
}

fn wait_for_tickets_in(store: &InMemoryStore, count: usize) {
    eventually("that many wait", || {
        let tickets = queue_in(store).map(|queue| queue["tickets"].as_array().unwrap().len());
        tickets == Some(count)
    });
}

#[test]
fn acquire_from_a_store_in_memory_comes_in_the_order_of_arrival() {
    let store = InMemoryStore::new();
    let guard = quick(&store.client())
        .build()
        .unwrap()
        .acquire("first")
        .unwrap();
    let (second, third) = (patient(&store.client()), patient(&store.client()));
    thread::scope(|scope| {
        let second = scope.spawn(|| second.acquire_within("second", LONG).unwrap());
        wait_for_tickets_in(&store, 1);
        let third = scope.spawn(|| third.acquire_within("third", LONG).unwrap());
        wait_for_tickets_in(&store, 2);
        guard.release().unwrap();
        let second = second.join().unwrap();
        assert!(second.info().has_waiters());
        let token = second.fencing_token();
        second.release().unwrap();
        assert!(third.join().unwrap().fencing_token() > token);
    });
}

#[test]
fn in_memory_store_advance_passes_over_waiters_that_have_gone() {
    let store = InMemoryStore::new();
    quick(&store.client())
        .build()
        .unwrap()
        .acquire("first")
        .unwrap()
        .release()
        .unwrap();
    let raw = Raw::new(store.client(), BUCKET, QUEUE);
    raw.put(forged(0, [(1000, 10_000)]).to_string().into_bytes(), None)
        .unwrap();
    let waiter = quick(&store.client()).build().unwrap();
    let early = waiter.acquire_within("second", Duration::from_millis(500));
    assert_eq!(ahead(early), Some(1));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| waiter.acquire_within("second", 10 * LONG).unwrap());
        while !waiting.is_finished() {
            store.advance(Duration::from_secs(1));
            thread::sleep(Duration::from_millis(5));
        }
        drop(waiting.join().unwrap());
    });
}

#[test]
fn list_leaves_out_queues() {
    let server = Server::start();
    let guard = lock(&server).acquire("first").unwrap();
    let waiter = quick(&client(&server)).build().unwrap();
    waiter
        .acquire_within("second", Duration::from_secs(1))
        .unwrap_err();
    assert!(server.object(QUEUE).is_some());
    server.clear_requests();
    let listed = client(&server).list(BUCKET, "locks").unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].name(), crate::NAME);
    assert_eq!(server.requests().len(), 2);
    assert!(queue_requests(&server).is_empty());
    drop(guard);
}

#[test]
fn acquire_that_has_waited_alone_for_long_is_not_passed_over_by_one_that_comes_later() {
    let (server, time) = (Server::start(), Time::default());
    let holder = crate::leased(&client(&server), 900_000).build().unwrap();
    let guard = holder.acquire("first").unwrap();
    let by_default = |_| {
        let client = timed_client(&server, &time);
        builder(&client).without_store_clock().build().unwrap()
    };
    let waiters = [0, 1].map(by_default);
    let [early, late] = &waiters;
    let looks = || server.count("GET");
    thread::scope(|scope| {
        let early = scope.spawn(|| early.acquire_within("early", 10 * LONG).unwrap());
        wait_for_tickets(&server, 1);
        // Until it looks once in 15 s.
        for _ in 0..1_900 {
            time.advance(Duration::from_millis(95));
            thread::sleep(Duration::from_millis(2));
        }
        let before = looks();
        while looks() == before {
            time.advance(Duration::from_millis(95));
            thread::sleep(Duration::from_millis(5));
        }
        let late = scope.spawn(|| late.acquire_within("late", 10 * LONG).unwrap());
        wait_for_tickets(&server, 2);
        guard.release().unwrap();
        while !early.is_finished() && !late.is_finished() {
            time.advance(Duration::from_millis(95));
            thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(record(&server)["owner"], "early");
        drop(early.join().unwrap());
        time.advance(Duration::from_secs(20));
        drop(late.join().unwrap());
    });
}
