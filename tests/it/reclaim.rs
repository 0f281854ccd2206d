//! Reclaiming under the same owner name: at once from who crashed, never from who lives here.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use s3_lock::{
    Client, InMemoryStore, LockError, LockGuard, LostCause, S3Lock, S3LockBuilder, internals,
};

use crate::support::{BUCKET, Fault, Gate, Match, Server};
use crate::{builder, child, client, eventually, lock_of, requests_of, storage};

const LEASE: Duration = Duration::from_secs(60);

/// A lock of that name, so that no other test of this process has a live guard of the same holding:
/// the first tokens of one second are alike on all servers.
fn named(client: &Client, name: &str) -> S3LockBuilder {
    S3Lock::builder(BUCKET, name)
        .folder("reclaim")
        .poll_interval(Duration::from_millis(1), Duration::from_millis(10))
        .reclaim_same_owner()
        .client(client.clone())
}

/// A lock with a client of its own in memory, as if in a process of its own.
fn reclaiming(store: &InMemoryStore) -> S3Lock {
    let lock = builder(&store.client()).reclaim_same_owner();
    lock.build().unwrap()
}

fn assert_held(refused: Result<LockGuard, LockError>) {
    assert!(matches!(refused, Err(LockError::Held(_))), "{refused:?}");
}

fn assert_taken_over(lost: Result<(), LockError>, successor: &LockGuard) {
    match lost {
        Err(LockError::Lost(LostCause::TakenOver(info))) => {
            assert_eq!(info.owner(), successor.owner());
            assert_eq!(info.fencing_token(), successor.fencing_token());
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn reclaim_same_owner_gets_the_lock_of_a_killed_process_at_once() {
    let server = Server::start();
    // A time of its own gives it tokens of its own.
    server.set_clock_offset(-317);
    let mut killed = child::holder(&server, LEASE);
    killed.kill().unwrap();
    killed.wait().unwrap();
    let lock = builder(&client(&server)).reclaim_same_owner();
    let lock = lock.build().unwrap();
    let (sent, guard) = requests_of(&server, || lock.acquire("child").unwrap());
    assert_eq!(sent, ["GET", "PUT"]);
    guard.verify().unwrap();
}

#[test]
fn reclaim_same_owner_works_with_a_try_as_well() {
    let store = InMemoryStore::new();
    std::mem::forget(reclaiming(&store).acquire("me").unwrap());
    let guard = reclaiming(&store).try_acquire("me").unwrap();
    guard.release().unwrap();
}

#[test]
fn reclaim_same_owner_makes_the_fencing_token_grow() {
    let store = InMemoryStore::new();
    let crashed = reclaiming(&store).acquire("me").unwrap();
    let guard = reclaiming(&store).acquire("me").unwrap();
    assert_eq!(
        guard.fencing_token().get(),
        crashed.fencing_token().get() + 1
    );
}

#[test]
fn reclaim_same_owner_need_not_have_been_asked_for_by_the_holder() {
    let store = InMemoryStore::new();
    std::mem::forget(lock_of(&store.client()).acquire("me").unwrap());
    let lock = reclaiming(&store);
    lock.try_acquire("me").unwrap().release().unwrap();
}

#[test]
fn reclaim_same_owner_lets_a_namesake_that_was_alive_learn_that_it_was_taken_over() {
    let calls: [fn(LockGuard) -> Result<(), LockError>; 3] =
        [|g| g.verify(), |g| g.renew(), |g| g.release()];
    for call in calls {
        let store = InMemoryStore::new();
        let alive = reclaiming(&store).acquire("me").unwrap();
        let successor = reclaiming(&store).acquire("me").unwrap();
        assert!(alive.is_held(), "it has not asked yet");
        assert_taken_over(call(alive), &successor);
        successor.verify().unwrap();
    }
}

#[test]
fn reclaim_same_owner_takes_nothing_from_another_owner() {
    let store = InMemoryStore::new();
    std::mem::forget(reclaiming(&store).acquire("me").unwrap());
    assert_held(reclaiming(&store).try_acquire("you"));
}

#[test]
fn reclaim_same_owner_is_not_done_unless_the_lock_was_built_for_it() {
    let store = InMemoryStore::new();
    std::mem::forget(reclaiming(&store).acquire("me").unwrap());
    assert_held(lock_of(&store.client()).try_acquire("me"));
}

#[test]
fn reclaim_same_owner_by_a_try_against_a_live_guard_of_its_client_is_refused_without_a_request() {
    let server = Server::start();
    let lock = named(&client(&server), "same-client").build().unwrap();
    let guard = lock.acquire("me").unwrap();
    let (sent, refused) = requests_of(&server, || lock.try_acquire("me"));
    assert_held(refused);
    assert!(sent.is_empty(), "{sent:?}");
    guard.verify().unwrap();
}

/// Acquires while `guard` lives, and has its turn when that is released.
fn waits_for(guard: LockGuard, lock: &S3Lock) {
    let first = guard.fencing_token();
    let released = AtomicUsize::new(0);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let guard = lock.acquire("me").unwrap();
            assert_eq!(released.load(Ordering::SeqCst), 1, "two holders at once");
            guard
        });
        eventually("it waits", || internals::waiting(lock) > 0);
        guard.verify().unwrap();
        released.store(1, Ordering::SeqCst);
        guard.release().unwrap();
        assert!(waiting.join().unwrap().fencing_token() > first);
    });
}

#[test]
fn reclaim_same_owner_waits_for_a_live_guard_of_its_client() {
    let server = Server::start();
    let lock = named(&client(&server), "same-queue").build().unwrap();
    waits_for(lock.acquire("me").unwrap(), &lock);
}

#[test]
fn reclaim_same_owner_waits_for_a_live_guard_of_another_client_of_its_process() {
    let server = Server::start();
    let lock = || named(&client(&server), "two-clients").build().unwrap();
    waits_for(lock().acquire("me").unwrap(), &lock());
}

#[test]
fn reclaim_same_owner_by_a_try_against_a_live_guard_of_another_client_of_its_process_is_refused() {
    let server = Server::start();
    let lock = || named(&client(&server), "two-tries").build().unwrap();
    let guard = lock().acquire("me").unwrap();
    assert_held(lock().try_acquire("me"));
    guard.renew().unwrap();
    assert_held(lock().try_acquire("me"));
    guard.release().unwrap();
    lock().try_acquire("me").unwrap().release().unwrap();
}

/// Threads that try again and again for a lock whose writes are answered late; each makes its lock.
fn race(name: &str, lock: impl Fn() -> S3Lock + Sync) {
    const WINS: usize = 40;
    let (holders, wins) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let contend = || {
        let lock = lock();
        while wins.load(Ordering::SeqCst) < WINS {
            match lock.try_acquire("me") {
                Ok(guard) => {
                    let others = holders.fetch_add(1, Ordering::SeqCst);
                    assert_eq!(others, 0, "{name}: two holders at once");
                    thread::yield_now();
                    guard.verify().unwrap();
                    holders.fetch_sub(1, Ordering::SeqCst);
                    wins.fetch_add(1, Ordering::SeqCst);
                    guard.release().unwrap();
                }
                Err(LockError::Held(_)) => thread::sleep(Duration::from_millis(1)),
                // The third to be overtaken in a row gives up.
                Err(LockError::Storage(error)) if error.is_retryable() => {}
                Err(error) => panic!("{name}: {error:?}"),
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(contend);
        }
    });
}

fn slow_server() -> Server {
    let server = Server::start();
    let late = Fault::StallAfter(Duration::from_millis(5));
    server.fault(Match::put().always(), late);
    server
}

#[test]
fn reclaim_same_owner_never_takes_from_another_thread_of_its_client() {
    let server = slow_server();
    let client = client(&server);
    race("one client", || named(&client, "race-one").build().unwrap());
}

#[test]
fn reclaim_same_owner_never_takes_from_another_client_of_its_process() {
    let server = slow_server();
    race("many clients", || {
        named(&client(&server), "race-many").build().unwrap()
    });
}

#[test]
fn reclaim_same_owner_waits_for_a_guard_that_is_out_of_time_but_not_dropped_until_it_has_expired() {
    let store = InMemoryStore::new();
    let lock = reclaiming(&store);
    let paused = lock.acquire("me").unwrap();
    // Its lease is 70 s, and 2.14 s later it has expired for others.
    store.advance(Duration::from_secs(71));
    assert!(!paused.is_held());
    assert_held(lock.try_acquire("me"));
    store.advance(Duration::from_secs(2));
    let successor = lock.try_acquire("me").unwrap();
    assert_taken_over(paused.release(), &successor);
}

#[test]
fn reclaim_same_owner_behind_a_guard_that_is_out_of_time_gets_the_lock_when_it_has_expired() {
    let store = InMemoryStore::new();
    let lock = reclaiming(&store);
    let paused = lock.acquire("me").unwrap();
    store.advance(Duration::from_secs(71));
    let refused = lock.acquire_within("me", Duration::from_millis(100));
    assert!(
        matches!(refused, Err(LockError::TimedOut { .. })),
        "{refused:?}"
    );
    let successor = lock.acquire("me").unwrap();
    assert_taken_over(paused.release(), &successor);
}

#[test]
fn reclaim_same_owner_counts_a_forgotten_guard_as_alive_until_it_has_expired() {
    let store = InMemoryStore::new();
    let lock = reclaiming(&store);
    std::mem::forget(lock.acquire("me").unwrap());
    assert_held(lock.try_acquire("me"));
    store.advance(Duration::from_secs(73));
    lock.try_acquire("me").unwrap().release().unwrap();
}

#[test]
fn reclaim_same_owner_gets_a_detached_lock_even_here() {
    let server = Server::start();
    let lock = named(&client(&server), "detached").build().unwrap();
    let _ = lock.acquire("me").unwrap().detach();
    let (sent, guard) = requests_of(&server, || lock.acquire("me").unwrap());
    assert_eq!(sent, ["GET", "PUT"]);
    guard.release().unwrap();
}

#[test]
fn reclaim_same_owner_gets_a_lock_that_could_not_be_given_back_even_here() {
    let server = Server::start();
    let lock = named(&client(&server), "not-given-back").build().unwrap();
    let guard = lock.acquire("me").unwrap();
    server.fault(Match::put(), Fault::answer(403, "AccessDenied"));
    guard.release().unwrap_err();
    lock.try_acquire("me").unwrap().release().unwrap();
}

#[test]
fn reclaim_same_owner_gets_what_may_remain_of_an_acquire_given_up_even_here() {
    let server = Server::start();
    let lock = named(&client(&server), "may-remain").build().unwrap();
    server.fault(Match::put(), Fault::DropAfter);
    let denied = Fault::answer(403, "AccessDenied");
    server.fault(Match::get().skip(1).always(), denied);
    let error = storage(lock.acquire("me").unwrap_err());
    assert!(error.is_outcome_unknown(), "{error}");
    server.clear_faults();
    lock.try_acquire("me").unwrap().release().unwrap();
}

#[test]
fn reclaim_same_owner_gets_a_late_write_of_a_crashed_namesake_though_it_has_the_very_token_tried_for()
 {
    let server = Server::start();
    let key = "reclaim/landed-late.lock";
    let lock = || named(&client(&server), "landed-late").build().unwrap();
    lock().acquire("me").unwrap().release().unwrap();
    let mut landing: serde_json::Value =
        serde_json::from_slice(&server.object(key).unwrap().body).unwrap();
    let token = landing["fencing_token"].as_u64().unwrap() + 1;
    landing["fencing_token"] = token.into();
    landing["state"] = "held".into();
    // The lock is seen free, and by the time it is written to it is so no longer.
    let gate = Gate::default();
    server.fault(Match::put(), Fault::HoldAt(gate.clone()));
    server.clear_requests();
    thread::scope(|scope| {
        let trying = scope.spawn(|| lock().try_acquire("me").unwrap());
        eventually("it writes", || server.pending_faults() == 0);
        server.put_object(key, landing.to_string());
        gate.open();
        let guard = trying.join().unwrap();
        assert_eq!(guard.fencing_token().get(), token + 1);
        let sent: Vec<_> = server.requests().into_iter().map(|r| r.method).collect();
        assert_eq!(sent, ["GET", "PUT", "GET", "PUT"]);
        guard.release().unwrap();
    });
}
