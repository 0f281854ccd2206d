//! Whoever wants to know of a loss is told, once, and where it can do no harm.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use s3_lock::{InMemoryStore, LockGuard, LostCause, S3Lock};
use serde_json::json;

use crate::by_hand::{self, DUE, LEASE};
use crate::support::{Fault, Match, Server};
use crate::{KEY, client, leased, lock_of};

/// Long enough for anything that is to happen, and not waited for where it does.
const LONG: Duration = Duration::from_secs(60);

/// Where the causes that a guard's callback is called with arrive.
fn told(guard: &LockGuard) -> Receiver<LostCause> {
    let (tell, told) = mpsc::channel();
    guard.on_lost(move |cause| tell.send(cause.clone()).unwrap());
    told
}

/// Why a guard is lost whose renewals are denied, and what it told its callback.
fn denied(server: &Server) -> (LockGuard, LostCause) {
    let (time, guard) = by_hand::kept(server);
    let told = told(&guard);
    let (tell, troubled) = mpsc::channel();
    guard.on_trouble(move |_| tell.send(()).unwrap());
    server.fault(Match::put().always(), Fault::answer(403, "AccessDenied"));
    time.advance(DUE);
    troubled.recv_timeout(LONG).unwrap();
    time.advance(LEASE);
    let cause = told.recv_timeout(LONG).unwrap();
    (guard, cause)
}

#[test]
fn on_lost_tells_of_a_lease_that_runs_out_though_nothing_is_renewed() {
    let store = InMemoryStore::new();
    let guard = lock_of(&store.client()).acquire("me").unwrap();
    let told = told(&guard);
    store.advance(Duration::from_secs(3600));
    let cause = told.recv_timeout(LONG).unwrap();
    assert!(
        matches!(
            cause,
            LostCause::Expired {
                last_error: None,
                ..
            }
        ),
        "{cause:?}"
    );
}

#[test]
fn on_lost_tells_the_error_that_kept_the_lease_from_being_renewed() {
    let server = Server::start();
    match denied(&server).1 {
        LostCause::Expired {
            last_error: Some(error),
            ..
        } => assert_eq!(error.code(), Some("AccessDenied")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn on_lost_has_a_message_that_says_once_why_the_lease_could_not_be_renewed() {
    let server = Server::start();
    let (guard, cause) = denied(&server);
    let message = cause.to_string();
    let start = "the lock is lost: its lease ran out (it could not be renewed: ";
    assert!(message.starts_with(start), "{message}");
    assert!(
        message.ends_with("; stop the main operation: another holder may have started it"),
        "{message}"
    );
    let debugged = format!("{:?}", guard.check().unwrap_err());
    for text in [message, debugged] {
        assert_eq!(text.matches("AccessDenied").count(), 1, "{text}");
    }
}

#[test]
fn on_lost_tells_of_a_takeover_with_the_successor_and_its_token() {
    let server = Server::start();
    let (time, guard) = by_hand::kept(&server);
    let told = told(&guard);
    let token = guard.fencing_token().get() + 1;
    let mut record: serde_json::Value =
        serde_json::from_slice(&server.object(KEY).unwrap().body).unwrap();
    record["owner"] = json!("you");
    record["fencing_token"] = json!(token);
    record["nonce"] = json!("1");
    server.put_object(KEY, record.to_string());
    time.advance(DUE);
    match told.recv_timeout(LONG).unwrap() {
        LostCause::TakenOver(info) => {
            assert_eq!(info.owner(), "you");
            assert_eq!(info.fencing_token().get(), token);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn on_lost_tells_of_a_record_that_is_gone() {
    let server = Server::start();
    let (time, guard) = by_hand::kept(&server);
    let told = told(&guard);
    server.delete_object(KEY);
    time.advance(DUE);
    let cause = told.recv_timeout(LONG).unwrap();
    assert!(matches!(cause, LostCause::Vanished), "{cause:?}");
}

#[test]
fn on_lost_tells_of_a_lock_broken_by_force() {
    let server = Server::start();
    let (time, guard) = by_hand::kept(&server);
    let told = told(&guard);
    let operator = lock_of(&client(&server));
    assert!(operator.force_release(&guard.info()).unwrap());
    time.advance(DUE);
    let cause = told.recv_timeout(LONG).unwrap();
    assert!(matches!(cause, LostCause::Broken), "{cause:?}");
}

#[test]
fn on_lost_tells_what_a_verification_learns() {
    let store = InMemoryStore::new();
    let guard = lock_of(&store.client()).acquire("me").unwrap();
    let told = told(&guard);
    assert!(lock_of(&store.client()).release("me").unwrap());
    guard.verify().unwrap_err();
    let cause = told.recv_timeout(LONG).unwrap();
    assert!(matches!(cause, LostCause::Vanished), "{cause:?}");
}

#[test]
fn on_lost_tells_what_a_release_by_name_of_the_same_client_did() {
    let store = InMemoryStore::new();
    let lock = lock_of(&store.client());
    let guard = lock.acquire("me").unwrap();
    let told = told(&guard);
    assert!(lock.release("me").unwrap());
    told.recv_timeout(LONG).unwrap();
}

#[test]
fn on_lost_tells_what_the_release_itself_learns() {
    let store = InMemoryStore::new();
    let guard = lock_of(&store.client()).acquire("me").unwrap();
    let told = told(&guard);
    assert!(lock_of(&store.client()).release("me").unwrap());
    guard.release().unwrap_err();
    told.recv_timeout(LONG).unwrap();
}

#[test]
fn on_lost_calls_every_callback_though_one_blocks_and_one_panics() {
    let store = InMemoryStore::new();
    let guard = lock_of(&store.client()).acquire("me").unwrap();
    let (unblock, blocked) = mpsc::channel::<()>();
    guard.on_lost(move |_| {
        let _ = blocked.recv();
    });
    guard.on_lost(|_| panic!("on purpose"));
    let told = [told(&guard), told(&guard)];
    store.advance(Duration::from_secs(3600));
    for told in told {
        told.recv_timeout(LONG).unwrap();
    }
    drop(unblock);
}

#[test]
fn on_lost_may_call_the_client() {
    let server = Server::start();
    let (time, client) = by_hand::timed_client(&server);
    let lock = lock_of(&client);
    let guard = lock.acquire("me").unwrap();
    let (tell, told) = mpsc::channel();
    guard.on_lost(move |_| tell.send(lock.status().map(drop)).unwrap());
    time.advance(Duration::from_secs(3600));
    told.recv_timeout(LONG).unwrap().unwrap();
}

#[test]
fn on_lost_set_after_the_loss_is_called_at_once() {
    let store = InMemoryStore::new();
    let guard = lock_of(&store.client()).acquire("me").unwrap();
    store.advance(Duration::from_secs(3600));
    for _ in 0..2 {
        told(&guard).recv_timeout(LONG).unwrap();
    }
}

#[test]
fn on_lost_is_called_once() {
    let store = InMemoryStore::new();
    let guard = lock_of(&store.client()).acquire("me").unwrap();
    let told = told(&guard);
    store.advance(Duration::from_secs(3600));
    told.recv_timeout(LONG).unwrap();
    guard.check().unwrap_err();
    drop(guard);
    assert_eq!(
        told.recv_timeout(LONG).unwrap_err(),
        RecvTimeoutError::Disconnected
    );
}

#[test]
fn on_lost_is_never_called_for_a_guard_given_back_in_time() {
    let store = InMemoryStore::new();
    let lock = lock_of(&store.client());
    let dropped = lock.acquire("me").unwrap();
    let first = told(&dropped);
    drop(dropped);
    let released = lock.acquire("me").unwrap();
    let second = told(&released);
    released.release().unwrap();
    let detached = lock.acquire("me").unwrap();
    let third = told(&detached);
    let _ = detached.detach();
    store.advance(Duration::from_secs(3600));
    for told in [first, second, third] {
        assert_eq!(
            told.recv_timeout(LONG).unwrap_err(),
            RecvTimeoutError::Disconnected
        );
    }
}

#[test]
fn on_lost_that_is_dropped_may_give_back_another_lock() {
    let server = Server::start();
    let client = client(&server);
    let guard = leased(&client, 60_000).keep_alive().build().unwrap();
    let guard = guard.acquire("me").unwrap();
    let other = s3_lock::S3Lock::builder(crate::support::BUCKET, "other").client(client);
    let other = other.build().unwrap();
    let inner = other.acquire("me").unwrap();
    guard.on_lost(move |_| drop(inner));
    guard.release().unwrap();
    other.try_acquire("you").unwrap().release().unwrap();
}

#[test]
fn on_lost_drops_what_it_owns_with_the_guard_and_not_in_the_background() {
    struct Where(mpsc::Sender<ThreadId>);
    impl Drop for Where {
        fn drop(&mut self) {
            let _ = self.0.send(thread::current().id());
        }
    }
    let server = Server::start();
    let lock = leased(&client(&server), 60_000)
        .keep_alive()
        .build()
        .unwrap();
    for _ in 0..50 {
        let guard = lock.acquire("me").unwrap();
        let (tell, told) = mpsc::channel();
        let owned = Where(tell);
        guard.on_lost(move |_| drop(owned));
        drop(guard);
        assert_eq!(told.try_recv(), Ok(thread::current().id()));
    }
}

#[test]
fn on_lost_owns_what_may_take_the_same_lock_when_it_is_dropped() {
    struct Taker(S3Lock);
    impl Drop for Taker {
        fn drop(&mut self) {
            self.0.try_acquire("taker").unwrap().release().unwrap();
        }
    }
    let store = InMemoryStore::new();
    let lock = lock_of(&store.client());
    let guard = lock.acquire("me").unwrap();
    let taker = Taker(lock);
    guard.on_lost(move |_| drop(taker));
    guard.release().unwrap();
}

#[test]
fn on_lost_owns_what_may_panic_when_it_is_dropped() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("on purpose");
        }
    }
    let store = InMemoryStore::new();
    let lock = lock_of(&store.client());
    let guard = lock.acquire("me").unwrap();
    let bomb = Bomb;
    guard.on_lost(move |_| drop(bomb));
    drop(guard);
    lock.try_acquire("you").unwrap().release().unwrap();
}

#[test]
fn on_lost_tells_of_a_loss_that_its_client_has_brought_about_at_once() {
    let store = InMemoryStore::new();
    let lock = lock_of(&store.client());
    let told_at_once = || {
        let guard = lock.acquire("me").unwrap();
        let told = told(&guard);
        // The background thread is at rest, for up to a second: unwoken, it would be late each time.
        thread::sleep(Duration::from_millis(100));
        let start = Instant::now();
        assert!(lock.force_release(&guard.info()).unwrap());
        told.recv_timeout(LONG).unwrap();
        start.elapsed() < Duration::from_millis(500)
    };
    assert!((0..10).any(|_| told_at_once()), "never told at once");
}

#[test]
fn on_lost_is_put_off_by_a_renewal() {
    let store = InMemoryStore::new();
    let guard = lock_of(&store.client()).acquire("me").unwrap();
    let told = told(&guard);
    for _ in 0..3 {
        store.advance(Duration::from_secs(50));
        guard.renew().unwrap();
    }
    // A slow machine may overlook a loss here, and sees none that is not there.
    assert_eq!(
        told.recv_timeout(Duration::from_millis(300)).unwrap_err(),
        RecvTimeoutError::Timeout
    );
    store.advance(Duration::from_secs(100));
    told.recv_timeout(LONG).unwrap();
}
