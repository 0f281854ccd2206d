//! What the queue costs where nobody waits.

use std::time::{Duration, Instant};

use s3_lock::internals::Time;

use super::{QUEUE, as_text, queue_requests, requests, timed_client};
use crate::support::Server;
use crate::{KEY, builder, client, lock, lock_of, requests_of};

/// More than the time after which a lock that was released counts as quiet.
const QUIET: Duration = Duration::from_secs(6);

#[test]
fn acquire_and_release_of_a_quiet_lock_send_nothing_to_its_queue() {
    let (server, time) = (Server::start(), Time::default());
    let lock = lock_of(&timed_client(&server, &time));
    let (cold, guard) = requests_of(&server, || lock.acquire("me").unwrap());
    let (given_back, ()) = requests_of(&server, || guard.release().unwrap());
    time.advance(QUIET);
    let (warm, guard) = requests_of(&server, || lock.acquire("me").unwrap());
    let (again, ()) = requests_of(&server, || guard.release().unwrap());
    assert_eq!(
        [&cold[..], &given_back, &warm, &again],
        [&["GET", "PUT"][..], &["PUT"], &["PUT"], &["PUT"]]
    );
    assert!(server.object(QUEUE).is_none());
}

#[test]
fn acquire_of_a_quiet_lock_by_a_new_client_is_a_get_and_a_put() {
    let server = Server::start();
    lock(&server).acquire("first").unwrap().release().unwrap();
    server.set_clock_offset(10);
    let next = lock(&server);
    let (sent, guard) = requests_of(&server, || next.acquire("second").unwrap());
    assert_eq!(sent, ["GET", "PUT"]);
    drop(guard);
    assert!(server.object(QUEUE).is_none());
}

#[test]
fn acquire_of_a_lock_that_another_has_just_released_looks_at_the_queue_once() {
    let server = Server::start();
    lock(&server).acquire("first").unwrap().release().unwrap();
    server.clear_requests();
    drop(lock(&server).acquire("second").unwrap());
    let sent = requests(&server);
    assert_eq!(
        as_text(&sent),
        [
            ("GET", "lock"),
            ("GET", "queue"),
            ("PUT", "lock"),
            ("PUT", "lock")
        ]
    );
    assert!(server.object(QUEUE).is_none());
}

#[test]
fn acquire_again_at_once_is_one_put() {
    let server = Server::start();
    let lock = lock_of(&client(&server));
    drop(lock.acquire("me").unwrap());
    let (sent, ()) = requests_of(&server, || drop(lock.acquire("me").unwrap()));
    assert_eq!(sent, ["PUT", "PUT"]);
}

#[test]
fn acquire_in_a_loop_looks_at_the_queue_at_most_once_a_second() {
    const CYCLE: Duration = Duration::from_millis(250);
    let (server, time) = (Server::start(), Time::default());
    let lock = lock_of(&timed_client(&server, &time));
    drop(lock.acquire("me").unwrap());
    server.clear_requests();
    let start = Instant::now();
    for _ in 0..40 {
        time.advance(CYCLE);
        drop(lock.acquire("me").unwrap());
    }
    let seconds = (start.elapsed() + 40 * CYCLE).as_secs_f64().ceil() as usize;
    let looks = queue_requests(&server);
    assert!(looks.iter().all(|method| method == "GET"), "{looks:?}");
    assert!((1..=seconds).contains(&looks.len()), "{looks:?}");
    // And nothing else is sent but the writes of the lock.
    let others = server.requests().into_iter().filter(|r| r.key == KEY);
    assert!(others.map(|r| r.method).all(|method| method == "PUT"));
    assert!(server.object(QUEUE).is_none());
}

#[test]
fn acquire_without_waiting_makes_no_queue_of_a_lock_that_is_held() {
    let server = Server::start();
    let _guard = lock(&server).acquire("first").unwrap();
    for _ in 0..3 {
        lock(&server).try_acquire("second").unwrap_err();
    }
    assert!(server.object(QUEUE).is_none());
}

#[test]
fn acquire_without_queue_never_touches_the_queue() {
    let (server, time) = (Server::start(), Time::default());
    let client = timed_client(&server, &time);
    let lock = builder(&client).without_queue().build().unwrap();
    super::put_dead_ticket(&server);
    for _ in 0..20 {
        time.advance(Duration::from_millis(250));
        drop(lock.acquire("me").unwrap());
    }
    super::edit_record(&server, |record| record["queued"] = true.into());
    let guard = lock.acquire("me").unwrap();
    let other = builder(&super::timed_client(&server, &time)).without_queue();
    let waited = super::while_time_passes(&time, || {
        let limit = Duration::from_secs(5);
        other.build().unwrap().acquire_within("other", limit)
    });
    waited.unwrap_err();
    guard.release().unwrap();
    assert!(queue_requests(&server).is_empty());
}
