//! Breaking a lock by force: exactly the holding that was seen, and its holder learns of it.

use std::time::Duration;

use s3_lock::{
    Client, InMemoryStore, LockError, LockGuard, LockInfo, LockStatus, LostCause, S3Lock,
};

use crate::support::{BUCKET, Fault, Match, Server};
use crate::{KEY, client, lock, lock_of, requests_of, storage, stored_state};

/// What an operator sees of a lock that somebody holds or held.
fn look(lock: &S3Lock) -> LockInfo {
    match lock.status().unwrap() {
        LockStatus::Held(info) | LockStatus::Expired(info) => info,
        other => panic!("nobody holds it: {other:?}"),
    }
}

/// A store, a guard on it, and a lock of another client.
fn held_in_memory() -> (InMemoryStore, LockGuard, S3Lock) {
    let store = InMemoryStore::new();
    let guard = lock_of(&store.client()).acquire("stuck").unwrap();
    let operator = lock_of(&store.client());
    (store, guard, operator)
}

fn assert_broken(lost: Result<(), LockError>) {
    assert!(
        matches!(lost, Err(LockError::Lost(LostCause::Broken))),
        "{lost:?}"
    );
}

#[test]
fn force_release_is_one_read_and_one_write_that_leave_a_mark() {
    let server = Server::start();
    let guard = lock(&server).acquire("stuck").unwrap();
    let operator = lock(&server);
    let seen = look(&operator);
    let (sent, broken) = requests_of(&server, || operator.force_release(&seen).unwrap());
    assert!(broken);
    assert_eq!(sent, ["GET", "PUT"]);
    assert_eq!(stored_state(&server).as_deref(), Some("released"));
    let record: serde_json::Value =
        serde_json::from_slice(&server.object(KEY).unwrap().body).unwrap();
    assert_eq!(record["broken"], guard.fencing_token().get());
}

#[test]
fn force_release_lets_the_next_in_at_once_with_a_larger_token() {
    let (_store, guard, operator) = held_in_memory();
    assert!(operator.force_release(&look(&operator)).unwrap());
    let next = operator.try_acquire("next").unwrap();
    assert!(next.fencing_token() > guard.fencing_token());
}

#[test]
fn force_release_is_learned_of_by_a_holder_that_asks_the_store_whether_or_not_another_has_it_since()
{
    let calls: [fn(LockGuard) -> Result<(), LockError>; 3] =
        [|g| g.verify(), |g| g.renew(), |g| g.release()];
    for (call, taken) in calls.into_iter().flat_map(|c| [(c, false), (c, true)]) {
        let (_store, guard, operator) = held_in_memory();
        assert!(operator.force_release(&look(&operator)).unwrap());
        assert!(guard.is_held(), "it has not asked yet");
        let next = taken.then(|| operator.try_acquire("next").unwrap());
        assert_broken(call(guard));
        if let Some(next) = next {
            next.release().unwrap();
        }
    }
}

#[test]
fn drop_of_a_broken_guard_does_not_touch_a_successor() {
    let (_store, guard, operator) = held_in_memory();
    assert!(operator.force_release(&look(&operator)).unwrap());
    let next = operator.try_acquire("next").unwrap();
    drop(guard);
    next.verify().unwrap();
}

#[test]
fn force_release_stays_the_loss_that_it_was() {
    let (_store, guard, operator) = held_in_memory();
    assert!(operator.force_release(&look(&operator)).unwrap());
    assert_broken(guard.verify());
    assert_broken(guard.check());
    assert!(!guard.is_held());
}

#[test]
fn force_release_of_two_in_a_row_tells_the_first_that_it_was_taken_over() {
    let (_store, guard, operator) = held_in_memory();
    assert!(operator.force_release(&look(&operator)).unwrap());
    let next = operator.try_acquire("next").unwrap();
    assert!(operator.force_release(&look(&operator)).unwrap());
    assert_broken(next.verify());
    match guard.verify() {
        Err(LockError::Lost(LostCause::TakenOver(info))) => assert_eq!(info.owner(), "next"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn force_release_is_learned_of_at_once_by_a_guard_of_the_same_client() {
    let lock = lock_of(&Client::in_memory());
    let guard = lock.acquire("stuck").unwrap();
    assert!(lock.force_release(&guard.info()).unwrap());
    assert_broken(guard.check());
    let next = lock.try_acquire("next").unwrap();
    drop(guard);
    next.verify().unwrap();
}

#[test]
fn force_release_takes_a_holding_renewed_in_between_for_no_other() {
    let (_store, guard, operator) = held_in_memory();
    let seen = look(&operator);
    guard.renew().unwrap();
    assert!(operator.force_release(&seen).unwrap());
    assert_broken(guard.verify());
}

#[test]
fn force_release_leaves_a_later_holding_of_the_same_owner_alone() {
    let (_store, guard, operator) = held_in_memory();
    let seen = look(&operator);
    guard.release().unwrap();
    assert!(!operator.force_release(&seen).unwrap(), "it is free");
    let again = operator.acquire("stuck").unwrap();
    assert!(!operator.force_release(&seen).unwrap(), "it is another one");
    again.verify().unwrap();
}

#[test]
fn force_release_does_not_break_again_what_is_broken_already() {
    let (_store, _guard, operator) = held_in_memory();
    let seen = look(&operator);
    assert!(operator.force_release(&seen).unwrap());
    assert!(!operator.force_release(&seen).unwrap());
}

#[test]
fn force_release_has_nothing_to_break_where_the_object_is_gone() {
    let server = Server::start();
    let operator = lock(&server);
    let seen = operator.acquire("stuck").unwrap().detach();
    server.delete_object(KEY);
    assert!(!operator.force_release(&seen).unwrap());
    assert!(server.object(KEY).is_none());
}

#[test]
fn force_release_breaks_an_expired_holding_too() {
    let (store, guard, operator) = held_in_memory();
    store.advance(Duration::from_secs(3600));
    let seen = look(&operator);
    assert!(operator.force_release(&seen).unwrap());
    assert_eq!(operator.status().unwrap(), LockStatus::Free);
    assert_broken(guard.release());
}

#[test]
fn force_release_breaks_whom_the_error_or_the_list_names() {
    let (store, _guard, operator) = held_in_memory();
    let Err(LockError::Held(seen)) = operator.try_acquire("me") else {
        panic!("two holders at once");
    };
    assert!(operator.force_release(&seen).unwrap());
    let _guard = operator.acquire("me").unwrap();
    let listed = store.client().list(BUCKET, "locks").unwrap();
    let LockStatus::Held(seen) = listed[0].status() else {
        panic!("{listed:?}");
    };
    assert!(operator.force_release(seen).unwrap());
}

#[test]
fn force_release_with_what_was_seen_of_another_lock_breaks_nothing_and_sends_nothing() {
    let server = Server::start();
    let client = client(&server);
    let guard = lock_of(&client).acquire("stuck").unwrap();
    let elsewhere = [(BUCKET, "other"), ("other-bucket", crate::NAME)];
    for (bucket, name) in elsewhere {
        let other = S3Lock::builder(bucket, name)
            .folder("locks")
            .client(client.clone());
        let other = other.build().unwrap();
        let (sent, refused) = requests_of(&server, || other.force_release(&guard.info()));
        match refused {
            Err(LockError::Config(error)) => {
                assert_eq!(error.field(), "seen");
                assert!(error.to_string().contains(KEY), "{error}");
                assert!(error.to_string().contains(bucket), "{error}");
            }
            other => panic!("{other:?}"),
        }
        assert!(sent.is_empty(), "{sent:?}");
    }
    guard.verify().unwrap();
}

#[test]
fn force_release_does_not_break_a_foreign_object() {
    let server = Server::start();
    let operator = lock(&server);
    let seen = operator.acquire("stuck").unwrap().detach();
    server.put_object(KEY, "hello");
    let refused = operator.force_release(&seen);
    assert!(
        matches!(refused, Err(LockError::Foreign { .. })),
        "{refused:?}"
    );
    assert_eq!(server.object(KEY).unwrap().body, b"hello");
}

#[test]
fn force_release_finds_out_a_lost_reply() {
    let faults = [
        Fault::DropAfter,
        Fault::answer_after(500, "InternalError"),
        Fault::DropBefore,
        Fault::answer(503, "SlowDown"),
    ];
    for fault in faults {
        let server = Server::start();
        let guard = lock(&server).acquire("stuck").unwrap();
        let operator = lock(&server);
        let seen = look(&operator);
        server.fault(Match::put(), fault);
        assert!(operator.force_release(&seen).unwrap());
        assert_broken(guard.verify());
    }
}

#[test]
fn force_release_tells_of_an_outcome_that_cannot_be_found_out_with_what_to_do() {
    let server = Server::start();
    let _guard = lock(&server).acquire("stuck").unwrap();
    let operator = lock(&server);
    let seen = look(&operator);
    server.fault(Match::put(), Fault::DropAfter);
    let denied = Fault::answer(403, "AccessDenied");
    server.fault(Match::get().skip(1).always(), denied);
    let error = storage(operator.force_release(&seen).unwrap_err());
    assert!(error.is_outcome_unknown());
    assert!(error.to_string().contains("look at its status"), "{error}");
    server.clear_faults();
    assert!(!operator.force_release(&seen).unwrap(), "it had landed");
}

#[test]
fn force_release_changes_nothing_with_a_refused_write() {
    let server = Server::start();
    let guard = lock(&server).acquire("stuck").unwrap();
    let operator = lock(&server);
    let seen = look(&operator);
    server.fault(Match::put(), Fault::answer(403, "AccessDenied"));
    let error = storage(operator.force_release(&seen).unwrap_err());
    assert!(!error.is_outcome_unknown(), "{error}");
    guard.verify().unwrap();
}
