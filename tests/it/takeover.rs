//! Abandoned locks: when they fall to others, and that no clock but the right one decides.

use std::time::{Duration, Instant};

use s3_lock::{LockError, LockStatus, StorageErrorKind};

use crate::support::{DateHeader, Fault, Match, Server};
use crate::{KEY, builder, child, client, lock, lock_of, requests_of, short_lock, storage};

const LEASE: Duration = Duration::from_secs(2);
/// The default `clock_margin`, and lease / 500.
const MARGIN: Duration = Duration::from_millis(2004);
/// What a takeover by a waiter may take beyond lease and margins: less than it would take to wait for them twice.
const ALLOWANCE: Duration = Duration::from_secs(3);

/// When each write of the lock reached the server.
fn writes(server: &Server) -> Vec<Instant> {
    let requests = server.requests().into_iter();
    let writes = requests.filter(|r| r.method == "PUT" && r.key == KEY);
    writes.map(|r| r.at).collect()
}

/// Kills a holder and waits for its lock; the time between the two writes.
fn takeover_by_a_waiter(server: &Server) -> Duration {
    takeover_from(child::holder(server, LEASE), server)
}

fn takeover_from(mut holder: std::process::Child, server: &Server) -> Duration {
    holder.kill().unwrap(); // SIGKILL: nothing is cleaned up
    holder.wait().unwrap();
    let guard = short_lock(server).acquire("waiter").unwrap();
    let writes = writes(server);
    assert_eq!(writes.len(), 2, "one by the holder, one by its successor");
    guard.release().unwrap();
    writes[1] - writes[0]
}

fn assert_in_time(taken_after: Duration) {
    // The store's clock tells whole seconds, so it may be up to one ahead.
    let earliest = LEASE + MARGIN - Duration::from_secs(1);
    assert!(taken_after > earliest, "too early: {taken_after:?}");
    assert!(taken_after <= LEASE + MARGIN + ALLOWANCE, "{taken_after:?}");
}

#[test]
fn acquire_takes_over_the_lock_of_a_killed_process() {
    assert_in_time(takeover_by_a_waiter(&Server::start()));
}

#[test]
fn acquire_of_a_client_whose_clock_is_ten_minutes_behind_takes_over_just_as_well() {
    let server = Server::start();
    server.set_clock_offset(600);
    assert_in_time(takeover_by_a_waiter(&server));
}

#[test]
fn acquire_of_a_client_whose_clock_is_ten_minutes_ahead_takes_over_just_as_well() {
    let server = Server::start();
    server.set_clock_offset(-600);
    assert_in_time(takeover_by_a_waiter(&server));
}

#[test]
fn acquire_without_the_stores_clock_takes_over_by_its_own() {
    let server = Server::start();
    server.set_date(DateHeader::Absent);
    assert_in_time(takeover_by_a_waiter(&server));
}

#[test]
fn acquire_sleeps_no_longer_than_the_lock_can_last() {
    let server = Server::start();
    std::mem::forget(short_lock(&server).acquire("crashed").unwrap());
    let hour = Duration::from_secs(3600);
    let waiter = builder(&client(&server))
        .poll_interval(hour, hour)
        .build()
        .unwrap();
    let _guard = waiter.acquire("waiter").unwrap();
    let writes = writes(&server);
    assert_in_time(writes[1] - writes[0]);
}

#[test]
fn try_acquire_of_a_newcomer_takes_a_lock_that_is_long_dead_at_once() {
    let server = Server::start();
    std::mem::forget(short_lock(&server).acquire("crashed").unwrap());
    server.set_clock_offset(60);
    let newcomer = lock(&server);
    let (sent, guard) = requests_of(&server, || newcomer.try_acquire("newcomer").unwrap());
    assert_eq!(sent, ["GET", "PUT"]);
    assert_eq!(guard.owner(), "newcomer");
}

#[test]
fn try_acquire_of_a_newcomer_whose_clock_is_off_takes_a_long_dead_lock_at_once_too() {
    for offset in [-600, 540] {
        let server = Server::start();
        server.set_clock_offset(offset);
        std::mem::forget(short_lock(&server).acquire("crashed").unwrap());
        server.set_clock_offset(offset + 60);
        lock(&server)
            .try_acquire("newcomer")
            .unwrap()
            .release()
            .unwrap();
    }
}

#[test]
fn try_acquire_takes_no_lock_before_lease_and_margins_have_passed() {
    let server = Server::start();
    std::mem::forget(short_lock(&server).acquire("crashed").unwrap());
    // Older than its lease, but not by the margin, even if a second has just begun.
    server.set_clock_offset(1);
    match lock(&server).try_acquire("newcomer") {
        Err(LockError::Held(holder)) => assert_eq!(holder.owner(), "crashed"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn fencing_token_goes_on_with_a_takeover() {
    let server = Server::start();
    let crashed = short_lock(&server).acquire("crashed").unwrap().detach();
    server.set_clock_offset(60);
    let guard = lock(&server).acquire("newcomer").unwrap();
    assert_eq!(
        guard.fencing_token().get(),
        crashed.fencing_token().get() + 1
    );
}

#[test]
fn try_acquire_is_not_early_by_a_date_before_last_modified() {
    let server = Server::start();
    std::mem::forget(short_lock(&server).acquire("crashed").unwrap());
    server.set_date(DateHeader::Fixed(
        "Mon, 01 Jan 2024 00:00:00 GMT".to_owned(),
    ));
    let refused = lock(&server).try_acquire("newcomer");
    assert!(matches!(refused, Err(LockError::Held(_))), "{refused:?}");
}

#[test]
fn acquire_believes_a_date_no_longer_that_runs_ahead() {
    let server = Server::start();
    let _guard = lock(&server).acquire("alive").unwrap();
    let observer = lock(&server);
    assert!(matches!(observer.status().unwrap(), LockStatus::Held(_)));
    // A proxy's own clock, an hour ahead of the store's.
    let date = httpdate_in(3600);
    let ahead = || Fault::EditHeader {
        name: "date".to_owned(),
        value: date.clone().into_bytes(),
    };
    server.fault(Match::get().times(2), ahead());
    assert!(matches!(observer.status().unwrap(), LockStatus::Held(_)));
    assert!(matches!(
        observer.try_acquire("thief"),
        Err(LockError::Held(_))
    ));
}

#[test]
fn try_acquire_takes_no_lock_never_seen_before_by_a_date_that_ran_ahead_since_the_last_reply() {
    let server = Server::start();
    let guard = lock(&server).acquire("alive").unwrap();
    let newcomer = client(&server);
    let other = s3_lock::S3Lock::builder(crate::support::BUCKET, "other").client(newcomer.clone());
    drop(other.build().unwrap().acquire("newcomer").unwrap());
    // Behind the same name, a second proxy whose clock is ten minutes ahead.
    server.set_date(DateHeader::Ahead(600));
    let refused = lock_of(&newcomer).try_acquire("newcomer");
    assert!(matches!(refused, Err(LockError::Held(_))), "{refused:?}");
    guard.verify().unwrap();
}

#[test]
fn acquire_takes_no_lock_by_the_very_reply_that_shows_the_date_wrong() {
    let server = Server::start();
    let guard = lock(&server).acquire("alive").unwrap();
    let value = httpdate_in(3600).into_bytes();
    let ahead = Fault::EditHeader {
        name: "date".to_owned(),
        value,
    };
    server.fault(Match::get().skip(1), ahead);
    let thief = builder(&client(&server))
        .poll_interval(Duration::from_millis(10), Duration::from_millis(50))
        .build()
        .unwrap();
    let refused = thief.acquire_within("thief", Duration::from_secs(2));
    assert!(
        matches!(refused, Err(LockError::TimedOut { .. })),
        "{refused:?}"
    );
    assert_eq!(server.pending_faults(), 0, "it was seen");
    guard.verify().unwrap();
}

/// The time so many seconds from now, as HTTP writes it.
fn httpdate_in(seconds: i64) -> String {
    let then = chrono::Utc::now() + chrono::Duration::seconds(seconds);
    then.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[test]
fn without_store_clock_believes_no_date() {
    let server = Server::start();
    std::mem::forget(short_lock(&server).acquire("crashed").unwrap());
    server.set_clock_offset(60);
    let wary = builder(&client(&server))
        .without_store_clock()
        .build()
        .unwrap();
    assert!(matches!(
        wary.try_acquire("newcomer"),
        Err(LockError::Held(_))
    ));
}

#[test]
fn acquire_tells_by_how_much_a_clock_is_an_hour_off() {
    for (offset, how) in [(3600, "behind"), (-3600, "ahead")] {
        let server = Server::start();
        server.set_clock_offset(offset);
        let error = storage(lock(&server).acquire("me").unwrap_err());
        assert_eq!(error.kind(), StorageErrorKind::ClockSkewed);
        assert!(!error.is_retryable());
        let message = error.to_string();
        let told = message
            .split("clock is ")
            .nth(1)
            .expect("the message tells");
        let (seconds, rest) = told.split_once(" s ").expect("in seconds");
        let seconds: i64 = seconds.parse().unwrap();
        assert!((3590..=3610).contains(&seconds), "{message}");
        assert!(rest.starts_with(how), "{message}");
    }
}

#[test]
#[ignore = "needs the program faketime"]
fn acquire_of_a_process_whose_own_clock_is_ten_minutes_off_is_excluded_and_succeeds_like_any_other()
{
    for offset in ["+600s", "-600s"] {
        let server = Server::start();
        let guard = lock(&server).acquire("alive").unwrap();
        let shifted = || child::shifted_command("complain", &server.endpoint(), offset);
        let complaint = child::complaint(shifted());
        assert!(complaint.starts_with("Held:"), "{complaint}");
        guard.release().unwrap();
        assert_eq!(child::complaint(shifted()), "none");
    }
}

#[test]
#[ignore = "needs the program faketime"]
fn acquire_takes_over_from_a_killed_process_whose_clock_was_ten_minutes_off_just_as_well() {
    for offset in ["+600s", "-600s"] {
        let server = Server::start();
        let shifted = child::shifted_command("hold", &server.endpoint(), offset);
        let holder = child::hold_in(shifted, LEASE);
        let id = holder.id();
        assert_in_time(takeover_from(holder, &server));
        child::clean_up_after_shifted(id);
    }
}

#[test]
#[ignore = "needs the program faketime"]
fn acquire_of_a_process_whose_own_clock_is_an_hour_off_is_told_by_how_much() {
    for (offset, how) in [("+3600s", "ahead"), ("-3600s", "behind")] {
        let server = Server::start();
        let shifted = child::shifted_command("complain", &server.endpoint(), offset);
        let complaint = child::complaint(shifted);
        assert!(complaint.contains("RequestTimeTooSkewed"), "{complaint}");
        assert!(complaint.contains(how), "{complaint}");
    }
}

#[test]
fn release_can_still_give_back_a_lease_that_ran_out() {
    let server = Server::start();
    let guard = short_lock(&server).acquire("late").unwrap();
    while guard.is_held() {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(matches!(guard.check(), Err(LockError::Lost(_))));
    guard.release().unwrap();
    assert_eq!(lock(&server).status().unwrap(), LockStatus::Free);
    assert!(server.object(KEY).is_some(), "the object is never deleted");
}
