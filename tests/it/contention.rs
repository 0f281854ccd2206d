//! Several who want the lock: waiting, giving up, and never two at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use s3_lock::{Client, InMemoryStore, LockError, LockStatus, S3Lock, internals};

use crate::support::{BUCKET, Fault, Match, Server};
use crate::{builder, child, client, eventually, lock, lock_of};

/// A file in the system's folder for such, removed when dropped.
pub struct Counter(std::path::PathBuf);

impl Counter {
    pub fn new(name: &str) -> Counter {
        let file = format!("s3-lock-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(file);
        std::fs::write(&path, "0").unwrap();
        Counter(path)
    }

    pub fn path(&self) -> &std::path::Path {
        &self.0
    }

    pub fn value(&self) -> usize {
        std::fs::read_to_string(&self.0).unwrap().parse().unwrap()
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn acquire_loses_no_increment_of_eight_processes_of_eight_threads() {
    let server = Server::start();
    let counter = Counter::new("in-process");
    let endpoint = server.endpoint();
    child::count(8, 8, 25, counter.path(), &mut || {
        child::command("count", &endpoint)
    });
    assert_eq!(counter.value(), 8 * 8 * 25);
}

#[test]
fn acquire_excludes_other_clients_of_one_process() {
    let server = Server::start();
    let busy = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let lock = builder(&client(&server))
                    .poll_interval(Duration::from_millis(1), Duration::from_millis(10))
                    .build()
                    .unwrap();
                for _ in 0..10 {
                    let _guard = lock.acquire("me").unwrap();
                    assert!(!busy.swap(true, Ordering::SeqCst), "two holders at once");
                    busy.store(false, Ordering::SeqCst);
                }
            });
        }
    });
}

#[test]
fn acquire_excludes_other_threads_of_one_client() {
    let lock = lock_of(&Client::in_memory());
    let busy = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..100 {
                    let _guard = lock.acquire("me").unwrap();
                    assert!(!busy.swap(true, Ordering::SeqCst), "two holders at once");
                    thread::yield_now();
                    busy.store(false, Ordering::SeqCst);
                }
            });
        }
    });
}

#[test]
fn try_acquire_has_exactly_one_winner_in_a_race() {
    let server = Server::start();
    for _ in 0..10 {
        server.delete_object(crate::KEY);
        let results = thread::scope(|scope| {
            let tries: Vec<_> = (0..8)
                .map(|i| {
                    let lock = lock(&server);
                    scope.spawn(move || lock.try_acquire(format!("racer-{i}")))
                })
                .collect();
            tries
                .into_iter()
                .map(|t| t.join().unwrap())
                .collect::<Vec<_>>()
        });
        let winners = results.iter().filter(|r| r.is_ok()).count();
        assert_eq!(winners, 1, "{results:?}");
        for refused in results.iter().filter_map(|r| r.as_ref().err()) {
            assert!(matches!(refused, LockError::Held(_)), "{refused:?}");
        }
    }
}

#[test]
fn fencing_token_grows_with_every_acquisition() {
    let server = Server::start();
    let locks = [lock(&server), lock(&server)];
    let mut last = 0;
    for lock in locks.iter().cycle().take(10) {
        let token = lock.acquire("me").unwrap().fencing_token().get();
        assert!(token > last, "{token} after {last}");
        last = token;
    }
}

#[test]
fn fencing_token_is_at_first_the_stores_time_in_microseconds() {
    let server = Server::start();
    let token = lock(&server).acquire("me").unwrap().fencing_token().get();
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let off = token.abs_diff(now.as_micros() as u64);
    assert!(off < 60_000_000, "{token}");
}

#[test]
fn fencing_token_is_above_all_that_its_client_has_seen_even_if_the_object_is_deleted() {
    let server = Server::start();
    let lock = lock(&server);
    server.set_clock_offset(600);
    let before = lock.acquire("me").unwrap().fencing_token();
    server.set_clock_offset(0);
    server.delete_object(crate::KEY);
    assert!(lock.acquire("me").unwrap().fencing_token() > before);
}

#[test]
fn acquire_gets_the_lock_when_its_holder_lets_go() {
    let server = Server::start();
    let guard = lock(&server).acquire("first").unwrap();
    let waiter = lock(&server);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| waiter.acquire("second").unwrap());
        while server.count("GET") < 3 {
            thread::yield_now(); // the waiter has looked and keeps looking
        }
        drop(guard);
        assert_eq!(waiting.join().unwrap().owner(), "second");
    });
}

#[test]
fn acquire_within_that_gives_up_names_the_holder_and_how_long_the_wait_was() {
    let server = Server::start();
    let _guard = lock(&server).acquire("first").unwrap();
    let limit = Duration::from_secs(2);
    let start = Instant::now();
    match lock(&server).acquire_within("second", limit) {
        Err(LockError::TimedOut {
            waited,
            holder: Some(holder),
            ..
        }) => {
            assert!(waited >= limit && waited <= start.elapsed(), "{waited:?}");
            assert_eq!(holder.owner(), "first");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn acquire_behind_a_guard_of_its_own_client_sends_nothing_until_its_turn() {
    let server = Server::start();
    let lock = lock(&server);
    let guard = lock.acquire("first").unwrap();
    server.clear_requests();
    match lock.acquire_within("second", Duration::from_millis(200)) {
        Err(LockError::TimedOut {
            holder: Some(holder),
            ..
        }) => assert_eq!(holder.owner(), "first"),
        other => panic!("{other:?}"),
    }
    let sent = server.requests();
    assert!(sent.is_empty(), "{sent:#?}");
    drop(guard);
}

#[test]
fn acquire_has_only_one_thread_of_a_client_poll() {
    let server = Server::start();
    let _guard = lock(&server).acquire("first").unwrap();
    let client = client(&server);
    let interval = Duration::from_millis(50);
    let waiter = builder(&client)
        .poll_interval(interval, interval)
        .build()
        .unwrap();
    server.clear_requests();
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let refused = waiter.acquire_within("second", Duration::from_secs(1));
                assert!(matches!(refused, Err(LockError::TimedOut { .. })));
            });
        }
    });
    // One look at the start, one an interval, and one for each who is first in line at the end.
    let most = 1 + 8 + start.elapsed().div_duration_f64(interval).ceil() as usize;
    let looks = server.count("GET");
    assert!((3..=most).contains(&looks), "{looks} of {most}");
}

#[test]
fn try_acquire_is_blocked_by_a_forgotten_guard_of_its_client_no_longer_than_others() {
    let store = InMemoryStore::new();
    let lock = lock_of(&store.client());
    std::mem::forget(lock.acquire("forgetful").unwrap());
    assert!(matches!(lock.try_acquire("me"), Err(LockError::Held(_))));
    store.advance(Duration::from_secs(80));
    lock.try_acquire("me").unwrap().release().unwrap();
}

#[test]
fn in_memory_store_advance_ends_a_wait() {
    let store = InMemoryStore::new();
    std::mem::forget(lock_of(&store.client()).acquire("crashed").unwrap());
    let waiter = lock_of(&store.client());
    thread::scope(|scope| {
        let waiting = scope.spawn(|| waiter.acquire("waiter").unwrap());
        // Early or late makes no difference: it is woken, or finds the lock expired.
        store.advance(Duration::from_secs(100));
        assert_eq!(waiting.join().unwrap().owner(), "waiter");
    });
}

/// Whether `waiter` gets the lock if one jump of the clock passes both its limit and the holder's lease.
/// If it does not sleep by then, its limit has passed before it looked, and it is right to give up.
fn gets_it_after_a_jump(store: &InMemoryStore, waiter: &S3Lock) -> bool {
    thread::scope(|scope| {
        let waiting = scope.spawn(|| waiter.acquire_within("waiter", Duration::from_secs(600)));
        eventually("it waits", || internals::waiting(waiter) > 0);
        thread::sleep(Duration::from_millis(100));
        store.advance(Duration::from_secs(4000));
        waiting.join().unwrap().is_ok()
    })
}

#[test]
fn acquire_within_that_slept_past_its_limit_still_gets_a_lock_that_has_expired_meanwhile() {
    let gets_it = |_| {
        let store = InMemoryStore::new();
        std::mem::forget(lock_of(&store.client()).acquire("crashed").unwrap());
        gets_it_after_a_jump(&store, &lock_of(&store.client()))
    };
    assert!((0..10).any(gets_it));
}

#[test]
fn acquire_within_that_slept_past_its_limit_behind_a_forgotten_guard_still_gets_the_lock() {
    let gets_it = |_| {
        let store = InMemoryStore::new();
        let lock = lock_of(&store.client());
        std::mem::forget(lock.acquire("forgetful").unwrap());
        gets_it_after_a_jump(&store, &lock)
    };
    assert!((0..10).any(gets_it));
}

#[test]
fn acquire_outlasts_a_dead_holder_for_every_waiter_of_a_client() {
    let server = Server::start();
    let holder = builder(&client(&server))
        .max_operation(Duration::from_millis(500))
        .acquire_allowance(Duration::from_millis(2500));
    std::mem::forget(holder.build().unwrap().acquire("crashed").unwrap());
    let waiter = builder(&client(&server))
        .max_operation(Duration::from_millis(100))
        .acquire_allowance(Duration::from_millis(900))
        .build()
        .unwrap();
    // Twice their own lease is 2 s, and the dead one's lock falls only after 5 s.
    let wait = || waiter.acquire("waiter").and_then(|guard| guard.release());
    thread::scope(|scope| {
        let waiters: Vec<_> = (0..3).map(|_| scope.spawn(wait)).collect();
        for waiting in waiters {
            waiting.join().unwrap().unwrap();
        }
    });
}

#[test]
fn acquire_within_that_gives_up_in_the_queue_is_told_who_holds_the_lock() {
    let server = Server::start();
    let _guard = lock(&server).acquire("first").unwrap();
    let waiter = lock(&server);
    let limit = Duration::from_secs(2);
    thread::scope(|scope| {
        let waiters: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| waiter.acquire_within("second", limit)))
            .collect();
        for waiting in waiters {
            match waiting.join().unwrap() {
                Err(LockError::TimedOut {
                    holder: Some(holder),
                    ..
                }) => assert_eq!(holder.owner(), "first"),
                other => panic!("{other:?}"),
            }
        }
    });
}

#[test]
fn status_is_free_held_and_expired_in_turn() {
    let store = InMemoryStore::new();
    let lock = lock_of(&store.client());
    assert_eq!(lock.status().unwrap(), LockStatus::Free);
    std::mem::forget(lock.acquire("me").unwrap());
    match lock.status().unwrap() {
        LockStatus::Held(info) => {
            assert_eq!(info.owner(), "me");
            assert_eq!(info.pid(), std::process::id());
            assert_eq!(info.lease(), Duration::from_secs(70));
            // Whoever waits also waits for the margins: 2 s, and lease / 500.
            let expiry = Duration::from_millis(72_140);
            assert!(info.remaining() <= expiry, "{info}");
            assert!(
                info.remaining() > expiry - Duration::from_secs(60),
                "{info}"
            );
        }
        other => panic!("{other:?}"),
    }
    store.advance(Duration::from_secs(75));
    match lock.status().unwrap() {
        LockStatus::Expired(info) => assert_eq!(info.remaining(), Duration::ZERO),
        other => panic!("{other:?}"),
    }
    lock.acquire("me").unwrap().release().unwrap();
    assert_eq!(lock.status().unwrap(), LockStatus::Free);
}

/// A lock whose next acquire takes longer than it is allowed.
fn too_slow(server: &Server) -> S3Lock {
    server.fault(Match::put(), Fault::StallAfter(Duration::from_millis(400)));
    let lock = builder(&client(server)).acquire_allowance(Duration::from_millis(200));
    lock.build().unwrap()
}

#[test]
fn acquire_that_was_too_slow_gives_the_lock_back() {
    let server = Server::start();
    let lock = too_slow(&server);
    match lock.acquire("slow") {
        Err(LockError::TooSlow {
            remaining, needed, ..
        }) => {
            assert!(remaining < needed);
            assert_eq!(needed, Duration::from_secs(60));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(lock.status().unwrap(), LockStatus::Free);
}

#[test]
fn acquire_that_was_too_slow_and_cannot_give_the_lock_back_says_so() {
    let server = Server::start();
    let lock = too_slow(&server);
    server.fault(Match::put(), Fault::answer(403, "AccessDenied"));
    match lock.acquire("slow") {
        Err(LockError::Storage(error)) => {
            assert!(error.is_outcome_unknown());
            assert!(error.to_string().contains("held in your name"), "{error}");
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(lock.status().unwrap(), LockStatus::Held(_)));
}

#[test]
fn acquire_that_was_too_slow_leaves_the_lock_to_its_own_client_at_once() {
    let server = Server::start();
    let client = client(&server);
    server.fault(Match::put(), Fault::StallAfter(Duration::from_millis(400)));
    let slow = builder(&client).acquire_allowance(Duration::from_millis(200));
    slow.build().unwrap().acquire("slow").unwrap_err();
    let next = builder(&client).build().unwrap();
    next.try_acquire("next").unwrap().release().unwrap();
}

#[test]
fn acquire_that_was_too_slow_and_left_the_lock_held_lets_its_own_client_reclaim_it() {
    let server = Server::start();
    let client = client(&server);
    server.fault(Match::put(), Fault::StallAfter(Duration::from_millis(400)));
    server.fault(Match::put(), Fault::answer(403, "AccessDenied"));
    // A process cannot tell two locks apart that have one name and one token, as those of two tests may.
    let named = || S3Lock::builder(BUCKET, "left-held").client(client.clone());
    let slow = named().acquire_allowance(Duration::from_millis(200));
    slow.build().unwrap().acquire("me").unwrap_err();
    let next = named().reclaim_same_owner().build().unwrap();
    next.try_acquire("me").unwrap().release().unwrap();
}

#[test]
fn try_acquire_does_not_meet_another_lock_of_its_folder() {
    let client = Client::in_memory();
    let named = |name: &str| {
        let lock = S3Lock::builder("my-bucket", name)
            .folder("locks")
            .client(client.clone());
        lock.build().unwrap()
    };
    let _one = named("one").try_acquire("me").unwrap();
    let _two = named("two").try_acquire("me").unwrap();
}

#[test]
fn try_acquire_does_not_give_an_owner_the_lock_twice() {
    let server = Server::start();
    let _guard = lock(&server).acquire("me").unwrap();
    assert!(matches!(
        lock(&server).try_acquire("me"),
        Err(LockError::Held(_))
    ));
}
