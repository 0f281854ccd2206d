//! While the lock is held: renewing, verifying, losing, releasing by name.

use std::time::Duration;

use s3_lock::{InMemoryStore, LockError, LockGuard, LockStatus, LostCause, S3Lock};

use crate::support::{Fault, Match, Server};
use crate::{KEY, lock, lock_of, requests_of, storage};

fn lost(result: Result<(), LockError>) -> LostCause {
    match result {
        Err(LockError::Lost(cause)) => cause,
        other => panic!("not lost: {other:?}"),
    }
}

/// A store, a guard on it, and a lock of another client.
fn held_in_memory() -> (InMemoryStore, LockGuard, S3Lock) {
    let store = InMemoryStore::new();
    let guard = lock_of(&store.client()).acquire("me").unwrap();
    let other = lock_of(&store.client());
    (store, guard, other)
}

#[test]
fn renew_gives_a_full_lease_and_keeps_the_token() {
    let (store, guard, other) = held_in_memory();
    let token = guard.fencing_token();
    for _ in 0..5 {
        store.advance(Duration::from_secs(50));
        guard.renew().unwrap();
        assert!(guard.remaining() > Duration::from_secs(60));
    }
    assert_eq!(guard.fencing_token(), token);
    assert!(matches!(other.try_acquire("you"), Err(LockError::Held(_))));
}

#[test]
fn renew_after_the_deadline_sends_nothing_and_revives_nothing() {
    let server = Server::start();
    let guard = crate::short_lock(&server).acquire("me").unwrap();
    while guard.is_held() {
        std::thread::sleep(Duration::from_millis(20));
    }
    let (sent, renewed) = requests_of(&server, || guard.renew());
    assert!(matches!(
        lost(renewed),
        LostCause::Expired {
            last_error: None,
            ..
        }
    ));
    assert!(sent.is_empty(), "{sent:?}");
}

#[test]
fn guard_knows_by_itself_when_its_time_is_up_and_stays_lost() {
    let (store, guard, _) = held_in_memory();
    guard.check().unwrap();
    store.advance(Duration::from_secs(70));
    assert!(!guard.is_held());
    assert_eq!(guard.remaining(), Duration::ZERO);
    for _ in 0..2 {
        assert!(matches!(
            lost(guard.check()),
            LostCause::Expired {
                last_error: None,
                ..
            }
        ));
    }
}

#[test]
fn verify_tells_of_a_takeover_with_the_successor_and_its_token() {
    let (store, guard, other) = held_in_memory();
    store.advance(Duration::from_secs(80));
    let successor = other.acquire("you").unwrap();
    match lost(guard.release()) {
        LostCause::TakenOver(info) => {
            assert_eq!(info.owner(), "you");
            assert_eq!(info.fencing_token(), successor.fencing_token());
            assert!(info.remaining() > Duration::from_secs(60), "{info}");
        }
        other => panic!("{other:?}"),
    }
    successor.verify().unwrap();
}

#[test]
fn release_that_is_late_does_not_touch_a_successor() {
    let (store, guard, other) = held_in_memory();
    store.advance(Duration::from_secs(80));
    let successor = other.acquire("you").unwrap();
    drop(guard);
    successor.verify().unwrap();
    assert!(matches!(other.status().unwrap(), LockStatus::Held(_)));
}

#[test]
fn verify_learns_of_a_release_by_name_elsewhere() {
    let (_store, guard, other) = held_in_memory();
    guard.verify().unwrap();
    assert!(other.release("me").unwrap());
    assert!(matches!(lost(guard.verify()), LostCause::Vanished));
    assert!(matches!(lost(guard.check()), LostCause::Vanished));
    assert!(!guard.is_held());
}

#[test]
fn verify_learns_that_the_object_was_deleted() {
    let server = Server::start();
    let guard = lock(&server).acquire("me").unwrap();
    server.delete_object(KEY);
    assert!(matches!(lost(guard.verify()), LostCause::Vanished));
}

#[test]
fn verify_learns_that_the_object_was_overwritten() {
    let server = Server::start();
    let guard = lock(&server).acquire("me").unwrap();
    server.put_object(KEY, "hello");
    assert!(matches!(lost(guard.verify()), LostCause::Vanished));
    drop(guard);
    assert_eq!(server.object(KEY).unwrap().body, b"hello");
}

#[test]
fn release_by_name_ends_a_guard_of_the_same_client_at_once() {
    let store = InMemoryStore::new();
    let lock = lock_of(&store.client());
    let guard = lock.acquire("me").unwrap();
    assert!(lock.release("me").unwrap());
    assert!(matches!(lost(guard.check()), LostCause::Vanished));
    let next = lock.try_acquire("you").unwrap();
    drop(guard);
    next.verify().unwrap();
}

#[test]
fn verify_that_learns_of_a_loss_lets_the_next_of_the_same_client_in() {
    let store = InMemoryStore::new();
    let lock = lock_of(&store.client());
    let guard = lock.acquire("me").unwrap();
    assert!(lock_of(&store.client()).release("me").unwrap());
    lost(guard.verify());
    lock.try_acquire("you").unwrap().release().unwrap();
}

#[test]
fn renew_does_not_bring_back_a_deleted_object() {
    let server = Server::start();
    let guard = lock(&server).acquire("me").unwrap();
    server.delete_object(KEY);
    assert!(matches!(lost(guard.renew()), LostCause::Vanished));
    assert!(server.object(KEY).is_none());
}

#[test]
fn release_of_a_lost_lock_sends_no_request() {
    let server = Server::start();
    let guard = lock(&server).acquire("me").unwrap();
    server.delete_object(KEY);
    lost(guard.verify());
    let (sent, released) = requests_of(&server, || guard.release());
    assert!(matches!(lost(released), LostCause::Vanished));
    assert!(sent.is_empty(), "{sent:?}");
}

#[test]
fn renew_that_is_refused_is_not_a_loss() {
    let server = Server::start();
    let guard = lock(&server).acquire("me").unwrap();
    server.fault(Match::put(), Fault::answer(403, "AccessDenied"));
    let error = storage(guard.renew().unwrap_err());
    assert_eq!(error.code(), Some("AccessDenied"));
    assert!(!error.is_outcome_unknown());
    guard.check().unwrap();
    guard.renew().unwrap();
}

#[test]
fn renew_that_failed_is_told_with_the_loss_of_the_lease() {
    let server = Server::start();
    let guard = crate::short_lock(&server).acquire("me").unwrap();
    server.fault(Match::put(), Fault::answer(403, "AccessDenied"));
    guard.renew().unwrap_err();
    while guard.is_held() {
        std::thread::sleep(Duration::from_millis(20));
    }
    match lost(guard.check()) {
        LostCause::Expired {
            last_error: Some(error),
            ..
        } => {
            assert_eq!(error.code(), Some("AccessDenied"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn release_by_another_name_changes_nothing() {
    let (_store, guard, other) = held_in_memory();
    assert!(!other.release("you").unwrap());
    guard.verify().unwrap();
}

#[test]
fn release_by_name_of_a_free_lock_changes_nothing() {
    let store = InMemoryStore::new();
    let lock = lock_of(&store.client());
    assert!(!lock.release("me").unwrap());
    drop(lock.acquire("me").unwrap());
    assert!(!lock.release("me").unwrap());
}

#[test]
fn detach_keeps_a_lock_held_until_it_is_released_by_name() {
    let (_store, guard, other) = held_in_memory();
    let info = guard.detach();
    assert_eq!(info.owner(), "me");
    assert!(matches!(other.try_acquire("you"), Err(LockError::Held(_))));
    assert!(other.release("me").unwrap());
    other.try_acquire("you").unwrap().release().unwrap();
}

#[test]
fn purpose_says_what_a_lock_is_wanted_for() {
    let store = InMemoryStore::new();
    let lock = crate::builder(&store.client())
        .purpose("the nightly report")
        .build()
        .unwrap();
    let _guard = lock.acquire("me").unwrap();
    match crate::lock_of(&store.client()).try_acquire("you") {
        Err(LockError::Held(holder)) => {
            assert_eq!(holder.purpose(), Some("the nightly report"));
            assert!(
                holder.to_string().contains("for \"the nightly report\""),
                "{holder}"
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn guard_can_be_stored_and_returned() {
    struct Job {
        guard: LockGuard,
    }
    fn begin(lock: &S3Lock) -> Result<Job, LockError> {
        Ok(Job {
            guard: lock.acquire("me")?,
        })
    }
    let store = InMemoryStore::new();
    let job = begin(&lock_of(&store.client())).unwrap();
    assert!(job.guard.is_held());
}
