//! Guards that are renewed in the background.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use s3_lock::{Client, InMemoryStore, LockError, LockGuard, LostCause, S3Lock};

use crate::support::{BUCKET, Cable, Fault, Match, Server, StoredObject};
use crate::{KEY, builder, child, client, client_builder, eventually, leased, lock, lock_of};
use crate::{requests_of, stored_state};

/// A guard with a lease of this many milliseconds that is kept alive.
fn kept(server: &Server, millis: u64) -> LockGuard {
    let lock = leased(&client(server), millis)
        .keep_alive()
        .build()
        .unwrap();
    lock.acquire("me").unwrap()
}

fn sleep(millis: u64) {
    thread::sleep(Duration::from_millis(millis));
}

#[test]
fn a_guard_kept_alive_outlasts_its_lease() {
    let server = Server::start();
    let guard = kept(&server, 1_000);
    sleep(3_500);
    guard.check().unwrap();
    guard.verify().unwrap();
}

#[test]
fn a_guard_can_be_kept_alive_from_some_moment_on() {
    let server = Server::start();
    let guard = leased(&client(&server), 1_000).build().unwrap();
    let guard = guard.acquire("me").unwrap();
    sleep(500);
    guard.keep_alive().unwrap();
    sleep(1_500);
    guard.verify().unwrap();
}

#[test]
fn it_is_renewed_at_a_third_of_its_lease() {
    let store = InMemoryStore::new();
    let lock = leased(&store.client(), 90_000)
        .keep_alive()
        .build()
        .unwrap();
    let guard = lock.acquire("me").unwrap();
    store.advance(Duration::from_secs(25));
    sleep(200);
    assert!(guard.remaining() < Duration::from_secs(66), "renewed early");
    store.advance(Duration::from_secs(10));
    eventually("renewed", || guard.remaining() > Duration::from_secs(80));
}

#[test]
fn over_twenty_leases_it_stays_held_through_errors_resets_and_stalls() {
    let server = Server::start();
    let guard = kept(&server, 1_000);
    let token = guard.fencing_token();
    let start = Instant::now();
    let stall = Duration::from_millis(300);
    let troubles = [
        Fault::answer(503, "SlowDown"),
        Fault::DropBefore,
        Fault::Stall(stall),
        Fault::DropAfter,
        Fault::answer_after(500, "InternalError"),
        Fault::StallAfter(stall),
    ];
    let mut hit = 0;
    for trouble in troubles.iter().cycle() {
        if start.elapsed() > Duration::from_secs(20) {
            break;
        }
        server.fault(Match::put(), trouble.clone());
        eventually("a renewal meets the trouble", || {
            server.pending_faults() == 0
        });
        guard.check().unwrap();
        hit += 1;
    }
    assert!(hit >= 20, "only {hit} renewals met any trouble");
    server.clear_faults();
    guard.verify().unwrap();
    assert_eq!(guard.fencing_token(), token);
    guard.release().unwrap();
    assert_eq!(stored_state(&server).as_deref(), Some("released"));
}

#[test]
fn cut_off_for_good_its_owner_is_told_at_the_deadline_and_before_another_process_has_the_lock() {
    let server = Server::start();
    let cable = Cable::to(&server.endpoint());
    let client = client_builder(&server).endpoint(cable.endpoint());
    let client = client.build().unwrap();
    let lock = leased(&client, 1_500).keep_alive().build().unwrap();
    let guard = lock.acquire("me").unwrap();
    let (tell, told) = mpsc::channel();
    guard.on_lost(move |cause| tell.send((child::micros(), cause.clone())).unwrap());
    let other = child::command("hold", &server.endpoint());
    let mut other = child::waiter_in(other, Duration::from_secs(30));
    sleep(2_000);
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
    assert!(
        told <= deadline + 100_000,
        "told {} us late",
        told - deadline
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
}

#[test]
fn a_renewal_that_hangs_delays_no_other() {
    let server = Server::start();
    let client = client(&server);
    let acquire = |name: &str| {
        let lock = S3Lock::builder(BUCKET, name)
            .client(client.clone())
            .keep_alive();
        let lock = lock
            .max_operation(Duration::from_millis(100))
            .acquire_allowance(Duration::from_millis(900));
        lock.build().unwrap().acquire("me").unwrap()
    };
    let (hangs, goes_on) = (acquire("hangs"), acquire("goes-on"));
    let hour = Fault::Stall(Duration::from_secs(3600));
    server.fault(Match::any().key("hangs.lock").always(), hour);
    eventually("the one that hangs is lost", || !hangs.is_held());
    sleep(1_000);
    goes_on.check().unwrap();
    server.clear_faults();
    goes_on.release().unwrap();
}

#[test]
fn a_renewal_that_fails_is_no_loss() {
    let server = Server::start();
    let guard = kept(&server, 1_000);
    let denied = Fault::answer(403, "AccessDenied");
    server.fault(Match::put().times(3), denied);
    eventually("three renewals have failed", || {
        server.pending_faults() == 0
    });
    guard.check().unwrap();
    sleep(1_500);
    guard.verify().unwrap();
}

#[test]
fn nothing_is_sent_after_the_release() {
    let server = Server::start();
    let guard = kept(&server, 600);
    sleep(800);
    guard.release().unwrap();
    let (sent, ()) = requests_of(&server, || sleep(800));
    assert!(sent.is_empty(), "{sent:?}");
}

#[test]
fn a_detached_lock_is_kept_alive_no_longer() {
    let server = Server::start();
    let _ = kept(&server, 600).detach();
    let (sent, ()) = requests_of(&server, || sleep(800));
    assert!(sent.is_empty(), "{sent:?}");
}

#[test]
fn a_renewal_whose_reply_was_lost_does_not_hinder_the_release() {
    let server = Server::start();
    let guard = kept(&server, 1_500);
    // It lands, and its reply is held back for longer than the release waits for it.
    let late = Fault::StallAfter(Duration::from_secs(3600));
    server.fault(Match::put(), late);
    eventually("a renewal is under way", || server.pending_faults() == 0);
    guard.release().unwrap();
    assert_eq!(stored_state(&server).as_deref(), Some("released"));
}

#[test]
fn a_renewal_that_lands_late_does_not_undo_the_release() {
    let server = Server::start();
    let guard = kept(&server, 1_500);
    server.fault(Match::put(), Fault::Stall(Duration::from_millis(500)));
    eventually("a renewal is under way", || server.pending_faults() == 0);
    guard.release().unwrap();
    let released = server.object(KEY).unwrap();
    sleep(1_000);
    assert_eq!(server.object(KEY).unwrap(), released);
}

#[test]
fn a_release_does_not_wait_for_a_renewal_that_hangs() {
    let server = Server::start();
    let guard = kept(&server, 9_000);
    let hangs = Fault::StallAfter(Duration::from_secs(3600));
    server.fault(Match::put(), hangs);
    eventually("a renewal is under way", || server.pending_faults() == 0);
    let start = Instant::now();
    guard.release().unwrap();
    // A renewal is given a third of the lease.
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(stored_state(&server).as_deref(), Some("released"));
}

#[test]
fn a_look_that_hangs_does_not_keep_it_from_being_renewed() {
    let server = Server::start();
    let guard = kept(&server, 3_000);
    let hangs = Fault::StallAfter(Duration::from_secs(3600));
    server.fault(Match::get(), hangs);
    guard.verify().unwrap_err();
    sleep(3_000);
    guard.verify().unwrap();
}

#[test]
fn it_stays_held_where_every_write_is_answered_too_late() {
    let server = Server::start();
    let guard = kept(&server, 3_000);
    let late = Fault::StallAfter(Duration::from_millis(1_300));
    server.fault(Match::put().always(), late);
    sleep(8_000);
    guard.check().unwrap();
    server.clear_faults();
}

/// A guard is kept alive for two leases and more after this became of a renewal, where no read is ever
/// answered again.
fn outlasts_hanging_reads(lost: Fault) {
    let server = Server::start();
    let guard = kept(&server, 5_000);
    let hour = Duration::from_secs(3600);
    server.fault(Match::get().always(), Fault::StallAfter(hour));
    server.fault(Match::put(), lost);
    // One every third of a lease, but for the one that is lost.
    let renewals = 8;
    eventually("it is renewed so often", || {
        guard.check().unwrap();
        server.count("PUT") > 1 + renewals
    });
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
fn a_look_that_is_answered_late_is_no_loss_though_the_lock_was_renewed_meanwhile() {
    let server = Server::start();
    let guard = leased(&client(&server), 30_000).build().unwrap();
    let guard = guard.acquire("me").unwrap();
    server.clear_requests();
    server.fault(Match::get(), Fault::StallAfter(Duration::from_millis(500)));
    thread::scope(|scope| {
        let looks = scope.spawn(|| guard.verify());
        eventually("it looks", || {
            server.count("GET") == 1 && server.pending_faults() == 0
        });
        sleep(100);
        guard.renew().unwrap();
        looks.join().unwrap().unwrap();
    });
}

#[test]
fn a_guard_that_comes_while_the_thread_goes_is_looked_after() {
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

/// Stops whoever looks at `stop`, also when a test fails.
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
fn renewal_by_hand_goes_on_beside_it() {
    let server = Server::start();
    let guard = kept(&server, 3_000);
    for _ in 0..50 {
        guard.renew().unwrap();
        guard.verify().unwrap();
        sleep(50);
    }
    guard.release().unwrap();
}

#[test]
fn held_for_max_hold_it_is_renewed_no_more() {
    let server = Server::start();
    let lock = leased(&client(&server), 500)
        .keep_alive()
        .max_hold(Duration::from_millis(1_200))
        .build()
        .unwrap();
    let guard = lock.acquire("me").unwrap();
    let start = Instant::now();
    eventually("it is lost", || !guard.is_held());
    assert!(start.elapsed() > Duration::from_millis(1_200));
    assert!(matches!(
        guard.check(),
        Err(LockError::Lost(LostCause::Expired {
            last_error: None,
            ..
        }))
    ));
}

#[test]
fn a_max_hold_shorter_than_the_lease_is_refused() {
    let refused = leased(&s3_lock::Client::in_memory(), 1_000)
        .max_hold(Duration::from_millis(999))
        .build();
    assert_eq!(
        refused.unwrap_err().to_string(),
        "invalid max_hold 999ms: it must be at least the lease, 1s"
    );
}

#[test]
fn a_lost_guard_cannot_be_kept_alive() {
    let store = InMemoryStore::new();
    let guard = lock_of(&store.client()).acquire("me").unwrap();
    store.advance(Duration::from_secs(3600));
    assert!(matches!(guard.keep_alive(), Err(LockError::Lost(_))));
}

#[test]
fn there_is_one_background_thread_from_the_first_guard_that_asks_to_the_last() {
    let server = Server::start();
    let complaint = child::complaint(child::command("threads", &server.endpoint()));
    assert_eq!(complaint, "[0, 1, 1]");
}

#[test]
fn the_queue_of_a_client_goes_on_when_a_guard_kept_alive_is_released() {
    let server = Server::start();
    let lock = leased(&client(&server), 1_000).keep_alive();
    let lock = lock.wait_limit(Duration::from_secs(60)).build().unwrap();
    let guard = lock.acquire("me").unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| lock.acquire("you").map(drop));
        sleep(1_500);
        guard.release().unwrap();
        waiting.join().unwrap().unwrap();
    });
}

#[test]
fn inside_an_async_program_it_is_kept_alive_just_as_well() {
    let server = Server::start();
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().unwrap();
    runtime.block_on(async {
        let guard = kept(&server, 600);
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        guard.verify().unwrap();
        drop(guard);
    });
    assert_eq!(stored_state(&server).as_deref(), Some("released"));
}

#[test]
fn another_client_waits_for_as_long_as_it_is_kept_alive() {
    let server = Server::start();
    let guard = kept(&server, 600);
    let waited = lock(&server).acquire_within("you", Duration::from_secs(4));
    assert!(
        matches!(waited, Err(LockError::TimedOut { .. })),
        "{waited:?}"
    );
    guard.release().unwrap();
    builder(&client(&server))
        .build()
        .unwrap()
        .try_acquire("you")
        .unwrap()
        .release()
        .unwrap();
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
    for _ in 0..rounds {
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

fn stored(server: &Server, name: &str) -> Option<StoredObject> {
    server.object(&format!("{name}.lock"))
}

#[test]
fn a_release_that_races_a_renewal_is_the_last_write_and_leaves_the_lock_free() {
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
    let refused = server
        .requests()
        .iter()
        .filter(|r| r.status == Some(412))
        .count();
    println!("{refused} of {races} releases and renewals were refused");
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
fn a_thousand_guards_are_kept_alive_by_one_thread() {
    let server = Server::start();
    let complaint = child::complaint(child::command("thousand", &server.endpoint()));
    println!("{complaint}");
    assert!(complaint.starts_with("0 lost, 1 thread"), "{complaint}");
}
