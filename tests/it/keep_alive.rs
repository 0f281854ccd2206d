//! Guards that are renewed in the background.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use s3_lock::internals::{self, Time};
use s3_lock::{Client, InMemoryStore, LockError, LostCause, S3Lock};

use crate::by_hand::{self, DUE, LEASE, is_renewed};
use crate::support::{BUCKET, Cable, Fault, Gate, Match, Server, StoredObject};
use crate::{KEY, child, client, client_builder, eventually, leased, lock_of};
use crate::{requests_of, stored_state};

fn sleep(millis: u64) {
    thread::sleep(Duration::from_millis(millis));
}

/// A client that waits a second for an answer, and the time that it lives by.
fn impatient(server: &Server) -> (Time, Client) {
    let time = Time::default();
    let client = client_builder(server).request_timeout(Duration::from_secs(1));
    let client = time.of(client).build().unwrap();
    (time, client)
}

/// What is sent while `span` passes. A slow machine may overlook something, and sees nothing that is not so.
fn sent_within(server: &Server, time: &Time, span: Duration) -> Vec<String> {
    let (sent, ()) = requests_of(server, || {
        time.advance(span);
        sleep(200);
    });
    sent
}

#[test]
fn keep_alive_holds_a_lock_beyond_its_lease() {
    let server = Server::start();
    let (time, guard) = by_hand::kept(&server);
    for _ in 0..8 {
        time.advance(DUE);
        is_renewed(&guard);
    }
    guard.check().unwrap();
    guard.verify().unwrap();
}

#[test]
fn keep_alive_may_begin_late_in_a_lease() {
    let server = Server::start();
    let (time, client) = by_hand::timed_client(&server);
    let guard = leased(&client, 60_000).build().unwrap();
    let guard = guard.acquire("me").unwrap();
    time.advance(DUE);
    guard.keep_alive().unwrap();
    is_renewed(&guard);
    time.advance(DUE);
    is_renewed(&guard);
    guard.verify().unwrap();
}

#[test]
fn keep_alive_renews_at_a_third_of_the_lease() {
    let store = InMemoryStore::new();
    let lock = leased(&store.client(), 9_000_000).keep_alive();
    let guard = lock.build().unwrap().acquire("me").unwrap();
    // A tenth of that third early or late makes no difference.
    store.advance(Duration::from_secs(2_600));
    sleep(200);
    let left = Duration::from_secs(6_400);
    assert!(guard.remaining() <= left, "renewed early");
    store.advance(Duration::from_secs(800));
    eventually("renewed", || guard.remaining() > left);
}

#[test]
fn keep_alive_holds_over_twenty_leases_through_errors_resets_and_stalls() {
    const RENEWALS: u32 = 51;
    assert!(RENEWALS * DUE > 20 * LEASE);
    let server = Server::start();
    let (time, guard) = by_hand::kept(&server);
    let token = guard.fencing_token();
    let stall = Duration::from_millis(100);
    let troubles = [
        Fault::answer(503, "SlowDown"),
        Fault::DropBefore,
        Fault::Stall(stall),
        Fault::DropAfter,
        Fault::answer_after(500, "InternalError"),
        Fault::StallAfter(stall),
    ];
    for (trouble, _) in troubles.iter().cycle().zip(0..RENEWALS) {
        server.fault(Match::put(), trouble.clone());
        time.advance(DUE);
        eventually("a renewal meets the trouble", || {
            server.pending_faults() == 0
        });
        is_renewed(&guard);
        guard.check().unwrap();
    }
    guard.verify().unwrap();
    assert_eq!(guard.fencing_token(), token);
    guard.release().unwrap();
    assert_eq!(stored_state(&server).as_deref(), Some("released"));
}

#[test]
fn on_lost_tells_an_owner_cut_off_for_good_at_the_deadline_and_before_another_process_has_the_lock()
{
    // A machine that was busy just then is given two more chances.
    let bound = Duration::from_millis(100);
    assert!((0..3).any(|_| told_late_when_cut_off() <= bound));
}

/// How long after the deadline an owner is told that is cut off for good. Not before it, and before another
/// process has the lock.
fn told_late_when_cut_off() -> Duration {
    let server = Server::start();
    let cable = Cable::to(&server.endpoint());
    let client = client_builder(&server).endpoint(cable.endpoint());
    let client = client.build().unwrap();
    let lock = leased(&client, 3_000).keep_alive().build().unwrap();
    let guard = lock.acquire("me").unwrap();
    let (tell, told) = mpsc::channel();
    guard.on_lost(move |cause| tell.send((child::micros(), cause.clone())).unwrap());
    let other = child::command("hold", &server.endpoint());
    let mut other = child::waiter_in(other, Duration::from_secs(30));
    eventually("it has been renewed", || server.count("PUT") > 1);
    cable.cut();
    let deadline = child::micros() + guard.remaining().as_micros();

    let (told, cause) = told.recv().unwrap();
    let granted = child::held_since(&mut other);
    other.kill().unwrap();
    other.wait().unwrap();
    assert!(
        told + 1_000 >= deadline,
        "told {} us early",
        deadline - told
    );
    assert!(told < granted, "told {} us after the grant", told - granted);
    assert!(
        matches!(
            &cause,
            LostCause::Expired {
                last_error: Some(_),
                ..
            }
        ),
        "{cause:?}"
    );
    assert!(guard.check().is_err());
    Duration::from_micros(u64::try_from(told.saturating_sub(deadline)).unwrap())
}

#[test]
fn keep_alive_delays_no_guard_when_the_renewal_of_another_hangs() {
    let server = Server::start();
    let (time, client) = by_hand::timed_client(&server);
    let acquire = |name: &str| {
        let lock = S3Lock::builder(BUCKET, name)
            .client(client.clone())
            .keep_alive()
            .max_operation(LEASE / 10)
            .acquire_allowance(LEASE * 9 / 10);
        lock.build().unwrap().acquire("me").unwrap()
    };
    let (hangs, goes_on) = (acquire("hangs"), acquire("goes-on"));
    let hour = Fault::Stall(Duration::from_secs(3600));
    server.fault(Match::any().key("hangs.lock").always(), hour);
    for _ in 0..3 {
        time.advance(DUE);
        is_renewed(&goes_on);
    }
    eventually("the one that hangs is lost", || !hangs.is_held());
    server.clear_faults();
    goes_on.release().unwrap();
}

#[test]
fn keep_alive_takes_a_renewal_that_fails_for_no_loss() {
    let server = Server::start();
    let (time, guard) = by_hand::kept(&server);
    let denied = Fault::answer(403, "AccessDenied");
    server.fault(Match::put().times(3), denied);
    time.advance(DUE);
    eventually("three renewals have failed", || {
        server.pending_faults() == 0
    });
    guard.check().unwrap();
    is_renewed(&guard);
    guard.verify().unwrap();
}

#[test]
fn release_ends_keep_alive_and_nothing_more_is_sent() {
    let server = Server::start();
    let (time, guard) = by_hand::kept(&server);
    time.advance(DUE);
    is_renewed(&guard);
    guard.release().unwrap();
    let sent = sent_within(&server, &time, DUE * 2);
    assert!(sent.is_empty(), "{sent:?}");
}

#[test]
fn detach_ends_keep_alive_and_nothing_more_is_sent() {
    let server = Server::start();
    let (time, guard) = by_hand::kept(&server);
    let _ = guard.detach();
    let sent = sent_within(&server, &time, DUE * 2);
    assert!(sent.is_empty(), "{sent:?}");
}

#[test]
fn release_is_not_hindered_by_a_renewal_whose_reply_was_lost() {
    let server = Server::start();
    let (time, guard) = by_hand::kept(&server);
    // It lands, and its reply is held back for longer than the release waits for it.
    let late = Fault::StallAfter(Duration::from_secs(3600));
    server.fault(Match::put(), late);
    time.advance(DUE);
    eventually("a renewal is under way", || server.pending_faults() == 0);
    guard.release().unwrap();
    assert_eq!(stored_state(&server).as_deref(), Some("released"));
}

#[test]
fn release_is_not_undone_by_a_renewal_that_lands_late() {
    let server = Server::start();
    let (time, guard) = by_hand::kept(&server);
    let gate = Gate::default();
    server.fault(Match::put(), Fault::HoldAt(gate.clone()));
    time.advance(DUE);
    eventually("a renewal is under way", || server.pending_faults() == 0);
    guard.release().unwrap();
    let released = server.object(KEY).unwrap();
    gate.open();
    eventually("it has landed", || {
        server.requests().iter().any(|r| r.status == Some(412))
    });
    assert_eq!(server.object(KEY).unwrap(), released);
}

#[test]
fn release_does_not_wait_for_a_renewal_that_hangs() {
    let server = Server::start();
    let time = Time::default();
    let patient = client_builder(&server).request_timeout(Duration::from_secs(60));
    let client = time.of(patient).build().unwrap();
    let lock = leased(&client, 600_000).keep_alive().build().unwrap();
    let guard = lock.acquire("me").unwrap();
    let hangs = Fault::StallAfter(Duration::from_secs(3600));
    server.fault(Match::put(), hangs);
    time.advance(Duration::from_secs(240));
    eventually("a renewal is under way", || server.pending_faults() == 0);
    let start = Instant::now();
    guard.release().unwrap();
    // The renewal is given a minute.
    let took = start.elapsed();
    assert!(took < Duration::from_secs(30), "{took:?}");
    assert_eq!(stored_state(&server).as_deref(), Some("released"));
}

#[test]
fn keep_alive_goes_on_while_a_look_hangs() {
    let server = Server::start();
    let (time, client) = impatient(&server);
    let lock = by_hand::kept_lock(&client).build().unwrap();
    let guard = lock.acquire("me").unwrap();
    let hangs = Fault::StallAfter(Duration::from_secs(3600));
    server.fault(Match::get(), hangs);
    thread::scope(|scope| {
        let looks = scope.spawn(|| guard.verify());
        eventually("it looks", || {
            server.count("GET") > 0 && server.pending_faults() == 0
        });
        time.advance(DUE);
        is_renewed(&guard);
        looks.join().unwrap().unwrap_err();
    });
    guard.verify().unwrap();
}

#[test]
fn keep_alive_holds_where_every_write_is_answered_too_late() {
    let server = Server::start();
    let (time, client) = impatient(&server);
    let lock = by_hand::kept_lock(&client).build().unwrap();
    let guard = lock.acquire("me").unwrap();
    let late = Fault::StallAfter(Duration::from_secs(3600));
    server.fault(Match::put().always(), late);
    for _ in 0..3 {
        time.advance(DUE);
        is_renewed(&guard);
    }
    guard.check().unwrap();
    server.clear_faults();
}

/// A guard is kept alive for two leases and more after this became of a renewal, where no read is ever
/// answered again.
fn outlasts_hanging_reads(lost: Fault) {
    let server = Server::start();
    let (time, client) = impatient(&server);
    let lock = by_hand::kept_lock(&client).build().unwrap();
    let guard = lock.acquire("me").unwrap();
    let hour = Duration::from_secs(3600);
    server.fault(Match::get().always(), Fault::StallAfter(hour));
    server.fault(Match::put(), lost);
    for _ in 0..8 {
        time.advance(DUE);
        is_renewed(&guard);
    }
    guard.check().unwrap();
    server.clear_faults();
    guard.release().unwrap();
}

#[test]
fn keep_alive_holds_where_reads_hang_after_a_renewal_whose_connection_was_cut() {
    outlasts_hanging_reads(Fault::DropBefore);
}

#[test]
fn keep_alive_holds_where_reads_hang_after_a_renewal_that_hung() {
    outlasts_hanging_reads(Fault::Stall(Duration::from_secs(3600)));
}

#[test]
fn verify_that_is_answered_late_is_no_loss_though_the_lock_was_renewed_meanwhile() {
    let server = Server::start();
    let guard = leased(&client(&server), 60_000).build().unwrap();
    let guard = guard.acquire("me").unwrap();
    let gate = Gate::default();
    server.fault(Match::get(), Fault::HoldReplyAt(gate.clone()));
    thread::scope(|scope| {
        let looks = scope.spawn(|| guard.verify());
        eventually("it looks", || server.pending_faults() == 0);
        sleep(100); // so that it is read by now; it is no loss in any case
        guard.renew().unwrap();
        gate.open();
        looks.join().unwrap().unwrap();
    });
}

#[test]
fn on_lost_looks_after_a_guard_that_comes_while_the_thread_goes() {
    let store = InMemoryStore::new();
    let client = store.client();
    let lock = |name| {
        S3Lock::builder(BUCKET, name)
            .client(client.clone())
            .build()
            .unwrap()
    };
    let (mine, other, stop) = (lock("mine"), lock("other"), AtomicUsize::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            // The only other guard leaves again and again.
            while stop.load(Ordering::SeqCst) == 0 {
                let _ = other.try_acquire("you").map(|guard| guard.keep_alive());
            }
        });
        let _stop = scopeguard(&stop);
        for _ in 0..500 {
            let guard = mine.acquire("me").unwrap();
            let (tell, told) = mpsc::channel();
            guard.on_lost(move |_| tell.send(()).unwrap());
            store.advance(Duration::from_secs(3600));
            told.recv_timeout(Duration::from_secs(20)).unwrap();
        }
    });
}

/// Stops the threads that look at `stop`, also when a test fails.
fn scopeguard(stop: &AtomicUsize) -> impl Drop + '_ {
    struct Stop<'a>(&'a AtomicUsize);
    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.store(1, Ordering::SeqCst);
        }
    }
    Stop(stop)
}

#[test]
fn renew_by_hand_goes_on_beside_keep_alive() {
    let server = Server::start();
    let (time, guard) = by_hand::kept(&server);
    for _ in 0..30 {
        guard.renew().unwrap();
        guard.verify().unwrap();
        // The one in the background is due, and meets the next.
        time.advance(DUE);
    }
    guard.release().unwrap();
}

#[test]
fn max_hold_ends_keep_alive() {
    let server = Server::start();
    let (time, client) = by_hand::timed_client(&server);
    let lock = by_hand::kept_lock(&client).max_hold(7 * DUE - DUE / 3);
    let guard = lock.build().unwrap().acquire("me").unwrap();
    for _ in 0..6 {
        time.advance(DUE);
        is_renewed(&guard);
    }
    time.advance(DUE);
    time.advance(LEASE);
    eventually("it is lost", || !guard.is_held());
    assert!(matches!(
        guard.check(),
        Err(LockError::Lost(LostCause::Expired {
            last_error: None,
            ..
        }))
    ));
}

#[test]
fn max_hold_is_named_by_the_loss_that_it_leads_to() {
    let server = Server::start();
    let (time, client) = by_hand::timed_client(&server);
    let lock = by_hand::kept_lock(&client).max_hold(LEASE);
    let guard = lock.build().unwrap().acquire("me").unwrap();
    for _ in 0..2 {
        time.advance(DUE);
        is_renewed(&guard);
    }
    time.advance(2 * LEASE);
    assert_eq!(
        guard.check().unwrap_err().to_string(),
        "the lock is lost: its lease ran out (it was renewed no longer, as it had been held for max_hold, 60.0 s); \
         stop the main operation: another holder may have started it"
    );
}

#[test]
fn max_hold_is_not_named_by_a_loss_before_that() {
    let server = Server::start();
    let (time, client) = by_hand::timed_client(&server);
    let lock = by_hand::kept_lock(&client).max_hold(10 * LEASE);
    let guard = lock.build().unwrap().acquire("me").unwrap();
    time.advance(11 * LEASE); // as if all of this process had been stopped
    assert_eq!(
        guard.check().unwrap_err().to_string(),
        "the lock is lost: its lease ran out although it was kept alive (this process or its machine stood still, or \
         waited for credentials); stop the main operation: another holder may have started it"
    );
}

#[test]
fn max_hold_is_not_named_by_the_loss_of_a_lock_that_was_renewed_by_hand_after_it() {
    let server = Server::start();
    let (time, client) = by_hand::timed_client(&server);
    let lock = by_hand::kept_lock(&client).max_hold(LEASE);
    let guard = lock.build().unwrap().acquire("me").unwrap();
    for _ in 0..3 {
        time.advance(DUE);
        guard.renew().unwrap();
    }
    time.advance(2 * LEASE);
    assert!(matches!(
        guard.check(),
        Err(LockError::Lost(LostCause::Expired {
            max_hold: None,
            kept_alive: false,
            ..
        }))
    ));
}

#[test]
fn max_hold_shorter_than_the_lease_is_refused() {
    let refused = leased(&s3_lock::Client::in_memory(), 1_000)
        .max_hold(Duration::from_millis(999))
        .build();
    assert_eq!(
        refused.unwrap_err().to_string(),
        "invalid max_hold 999ms: it must be at least the lease, 1s"
    );
}

#[test]
fn keep_alive_of_a_lost_guard_is_refused() {
    let store = InMemoryStore::new();
    let guard = lock_of(&store.client()).acquire("me").unwrap();
    store.advance(Duration::from_secs(3600));
    assert!(matches!(guard.keep_alive(), Err(LockError::Lost(_))));
}

#[test]
fn keep_alive_has_one_background_thread_from_the_first_guard_that_asks_to_the_last() {
    let server = Server::start();
    let complaint = child::complaint(child::command("threads", &server.endpoint()));
    assert_eq!(complaint, "[0, 1, 1]");
}

#[test]
fn release_of_a_guard_kept_alive_lets_the_queue_of_its_client_go_on() {
    let server = Server::start();
    let (time, client) = by_hand::timed_client(&server);
    let lock = by_hand::kept_lock(&client).wait_limit(Duration::from_secs(600));
    let lock = lock.build().unwrap();
    let guard = lock.acquire("me").unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| lock.acquire("you").map(drop));
        eventually("somebody waits", || internals::waiting(&lock) > 0);
        for _ in 0..4 {
            time.advance(DUE);
            is_renewed(&guard);
        }
        guard.release().unwrap();
        waiting.join().unwrap().unwrap();
    });
}

#[test]
fn keep_alive_works_inside_an_async_program() {
    let server = Server::start();
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().unwrap();
    runtime.block_on(async {
        let (time, guard) = by_hand::kept(&server);
        for _ in 0..4 {
            time.advance(DUE);
            tokio::time::sleep(Duration::from_millis(1)).await;
            is_renewed(&guard);
        }
        guard.verify().unwrap();
        drop(guard);
    });
    assert_eq!(stored_state(&server).as_deref(), Some("released"));
}

#[test]
fn acquire_of_another_client_waits_for_as_long_as_a_guard_is_kept_alive() {
    let store = InMemoryStore::new();
    let guard = by_hand::kept_lock(&store.client()).build().unwrap();
    let guard = guard.acquire("me").unwrap();
    let other = lock_of(&store.client());
    thread::scope(|scope| {
        let waiting = scope.spawn(|| other.acquire_within("you", LEASE * 4));
        eventually("it waits", || internals::waiting(&other) > 0);
        while !waiting.is_finished() {
            store.advance(DUE);
            is_renewed(&guard);
        }
        let waited = waiting.join().unwrap();
        assert!(
            matches!(waited, Err(LockError::TimedOut { .. })),
            "{waited:?}"
        );
    });
    guard.release().unwrap();
    other.try_acquire("you").unwrap().release().unwrap();
}

/// How many releases race a renewal; `S3_LOCK_TEST_RACES` asks for more.
fn races() -> usize {
    let asked = std::env::var("S3_LOCK_TEST_RACES").ok();
    asked.map_or(320, |n| n.parse().expect("S3_LOCK_TEST_RACES is a number"))
}

/// A whole number below `end`, as good as random.
fn below(end: u64) -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0) % end
}

/// Acquires and releases a lock again and again, each time about when a renewal is due.
fn race(server: &Server, client: &Client, name: &str, rounds: usize) {
    let lock = S3Lock::builder(BUCKET, name)
        .max_operation(Duration::from_millis(1))
        .acquire_allowance(Duration::from_millis(299))
        .wait_limit(Duration::from_secs(60))
        .keep_alive()
        .client(client.clone());
    let lock = lock.build().unwrap();
    let mut released: Option<StoredObject> = None;
    // Seldom does none of them meet a renewal; then some more do.
    for round in 0..rounds * 10 {
        if round >= rounds && refusals(server) > 0 {
            break;
        }
        assert_eq!(stored(server, name), released, "written after the release");
        // On a machine that is busy it may take too long.
        let guard = match lock.acquire("me") {
            Err(LockError::TooSlow { .. }) => {
                released = stored(server, name);
                continue;
            }
            guard => guard.unwrap(),
        };
        sleep(85 + below(35));
        guard.release().unwrap();
        released = stored(server, name);
        let body = released.clone().unwrap().body;
        let record: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(record["state"], "released");
    }
    sleep(200);
    assert_eq!(stored(server, name), released, "written after the release");
}

/// How many writes came too late.
fn refusals(server: &Server) -> usize {
    let requests = server.requests();
    requests.iter().filter(|r| r.status == Some(412)).count()
}

fn stored(server: &Server, name: &str) -> Option<StoredObject> {
    server.object(&format!("{name}.lock"))
}

#[test]
fn release_that_races_a_renewal_is_the_last_write_and_leaves_the_lock_free() {
    const LOCKS: usize = 32;
    let server = Server::start();
    let client = client(&server);
    let (races, running) = (races(), AtomicUsize::new(LOCKS));
    thread::scope(|scope| {
        for number in 0..LOCKS {
            let (server, client, running) = (&server, &client, &running);
            scope.spawn(move || {
                let _done = Countdown(running);
                race(
                    server,
                    client,
                    &format!("race-{number}"),
                    races.div_ceil(LOCKS),
                );
            });
        }
        // Some requests land late, some replies come late, a few too late for a renewal.
        while running.load(Ordering::Relaxed) > 0 {
            let delay = Duration::from_millis(below(20) * below(8));
            let fault = [Fault::Stall(delay), Fault::StallAfter(delay)];
            server.fault(Match::put(), fault[usize::from(below(2) == 0)].clone());
            sleep(2);
        }
    });
    let refused = refusals(&server);
    println!("{refused} of about {races} releases and renewals were refused");
    assert!(refused > 0, "no release met a renewal");
}

struct Countdown<'a>(&'a AtomicUsize);

impl Drop for Countdown<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[test]
#[ignore = "takes half a minute, and a machine that does little else"]
fn keep_alive_of_a_thousand_guards_takes_one_thread() {
    let server = Server::start();
    let complaint = child::complaint(child::command("thousand", &server.endpoint()));
    println!("{complaint}");
    assert!(complaint.starts_with("0 lost, 1 thread"), "{complaint}");
}
