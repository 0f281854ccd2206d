//! Replies that never come, or say what is not so: every outcome is found out, not guessed.

use std::thread;
use std::time::{Duration, Instant};

use s3_lock::{LockError, LockGuard, LockStatus, S3Lock, StorageErrorKind};

use crate::stored_state;
use crate::support::{Fault, Gate, Match, Server};
use crate::{KEY, builder, client_builder, eventually, lock, lock_of, requests_of, storage};

const SHORT: Duration = Duration::from_millis(800);

/// A lock whose requests time out soon.
fn impatient(server: &Server) -> S3Lock {
    let client = client_builder(server).request_timeout(SHORT).build();
    builder(&client.unwrap())
        .acquire_allowance(Duration::from_secs(10))
        .build()
        .unwrap()
}

/// Faults after which the write has happened, though its reply does not say so.
pub(crate) fn applied_unseen() -> [Fault; 14] {
    [
        Fault::DropAfter,
        Fault::answer_after(500, "InternalError"),
        Fault::answer_after(503, "SlowDown"),
        Fault::StripEtag,
        // A proxy has sent it twice, and the second copy came too soon after the first.
        Fault::answer_after(409, "ConditionalRequestConflict"),
        Fault::answer_after(429, "SlowDown"),
        // A proxy has passed it on whole, and does not speak for the store.
        Fault::PageAfter(408),
        Fault::PageAfter(425),
        Fault::PageAfter(499),
        Fault::PageAfter(403),
        Fault::PageAfter(302),
        Fault::answer_after(408, "RequestTimeout"),
        // Codes that S3 does not document as a decision before a write.
        Fault::answer_after(409, "SomethingNew"),
        Fault::answer_after(400, "SomethingNew"),
    ]
}

/// Faults after which the write has not happened, though its reply does not say so.
pub(crate) fn not_applied_unseen() -> [Fault; 4] {
    [
        Fault::DropBefore,
        Fault::answer(500, "InternalError"),
        Fault::answer(503, "SlowDown"),
        Fault::answer(408, "RequestTimeout"),
    ]
}

fn status(server: &Server) -> LockStatus {
    lock(server).status().unwrap()
}

#[test]
fn renew_that_was_carried_out_and_then_denied_is_no_loss() {
    let server = Server::start();
    let lock = lock(&server);
    let guard = lock.acquire("me").unwrap();
    let denied = Fault::answer_after(403, "AccessDenied");
    server.fault(Match::put().key(KEY), denied);
    guard.renew().unwrap_err();
    guard.verify().unwrap();
    guard.renew().unwrap();
    guard.release().unwrap();
}

#[test]
fn acquire_that_was_applied_unseen_is_found_by_reading_back() {
    for fault in applied_unseen() {
        let server = Server::start();
        let lock = lock(&server);
        server.fault(Match::put(), fault);
        let (sent, guard) = requests_of(&server, || lock.acquire("me").unwrap());
        assert_eq!(sent, ["GET", "PUT", "GET"]);
        guard.verify().unwrap();
        guard.release().unwrap();
    }
}

/// A proxy's own page, for every write.
fn page(status: u16) -> Fault {
    Fault::RawAnswer {
        status,
        headers: Vec::new(),
        body: b"<html><body>Not today.</body></html>".to_vec(),
    }
}

#[test]
fn acquire_whose_writes_a_proxy_turns_away_is_told_soon_that_its_outcome_is_unknown() {
    for status in [403, 405, 302] {
        let server = Server::start();
        let lock = lock(&server);
        server.fault(Match::put().always(), page(status));
        let (sent, refused) = requests_of(&server, || lock.acquire("me"));
        let error = storage(refused.unwrap_err());
        assert!(
            error.is_outcome_unknown() && !error.is_retryable(),
            "{error}"
        );
        assert!(error.to_string().contains("proxy"), "{error}");
        // It may wait for four minutes, and knows better.
        assert!(sent.len() < 20, "{sent:?}");
        assert!(server.object(KEY).is_none());
    }
}

#[test]
fn renew_and_release_that_a_proxy_turns_away_are_told_soon() {
    let server = Server::start();
    let lock = lock(&server);
    let guard = lock.acquire("me").unwrap();
    server.fault(Match::put().always(), page(403));
    let (sent, refused) = requests_of(&server, || guard.renew());
    let error = storage(refused.unwrap_err());
    assert_eq!(error.kind(), StorageErrorKind::AccessDenied);
    assert!(error.is_outcome_unknown() && sent.len() < 10, "{sent:?}");
    guard.check().unwrap();
    let (sent, refused) = requests_of(&server, || guard.release());
    let error = storage(refused.unwrap_err());
    assert!(error.is_outcome_unknown() && sent.len() < 10, "{sent:?}");
}

#[test]
fn acquire_whose_write_the_store_itself_denies_is_told_at_once_and_not_undone() {
    let server = Server::start();
    let lock = lock(&server);
    server.fault(Match::put().always(), Fault::answer(403, "AccessDenied"));
    let (sent, refused) = requests_of(&server, || lock.acquire("me"));
    assert_eq!(sent, ["GET", "PUT"]);
    assert!(!storage(refused.unwrap_err()).is_outcome_unknown());
}

#[test]
fn acquire_does_not_send_a_write_to_another_region_that_a_proxy_names() {
    let server = Server::start();
    let lock = lock(&server);
    let elsewhere = Fault::RawAnswer {
        status: 307,
        headers: vec![("x-amz-bucket-region".to_owned(), "ap-south-1".to_owned())],
        body: Vec::new(),
    };
    server.fault(Match::put(), elsewhere);
    let (sent, guard) = requests_of(&server, || lock.acquire("me").unwrap());
    // It may have been passed on, so it is looked for first.
    assert_eq!(sent, ["GET", "PUT", "GET", "PUT"]);
    guard.release().unwrap();
}

#[test]
fn acquire_does_not_follow_a_temporary_redirect_of_a_store_that_is_not_aws() {
    let server = Server::start();
    let lock = lock(&server);
    let body = "<Error><Code>TemporaryRedirect</Code><Endpoint>s3.amazonaws.com</Endpoint></Error>";
    let redirect = Fault::RawAnswer {
        status: 307,
        headers: Vec::new(),
        body: body.into(),
    };
    server.fault(Match::put(), redirect);
    let (sent, refused) = requests_of(&server, || lock.acquire("me"));
    assert_eq!(sent, ["GET", "PUT"]);
    let error = storage(refused.unwrap_err());
    assert_eq!(error.code(), Some("TemporaryRedirect"));
}

#[test]
fn try_acquire_that_was_applied_unseen_is_found_by_reading_back() {
    for fault in applied_unseen() {
        let server = Server::start();
        let lock = lock(&server);
        server.fault(Match::put(), fault);
        lock.try_acquire("me").unwrap().verify().unwrap();
    }
}

#[test]
fn acquire_that_was_not_applied_is_sent_again() {
    for fault in not_applied_unseen() {
        let server = Server::start();
        let lock = lock(&server);
        server.fault(Match::put(), fault);
        let (sent, guard) = requests_of(&server, || lock.acquire("me").unwrap());
        assert_eq!(sent, ["GET", "PUT", "GET", "PUT"]);
        guard.verify().unwrap();
    }
}

#[test]
fn try_acquire_that_was_not_applied_is_undone_and_leaves_the_lock_free() {
    for fault in not_applied_unseen() {
        let server = Server::start();
        let lock = lock(&server);
        server.fault(Match::put(), fault);
        let error = storage(lock.try_acquire("me").unwrap_err());
        assert!(
            error.is_retryable() && !error.is_outcome_unknown(),
            "{error}"
        );
        // Why it failed is told, although undoing it went well.
        let causes = [StorageErrorKind::NoAnswer, StorageErrorKind::Unavailable];
        assert!(causes.contains(&error.kind()), "{error}");
        assert!(error.to_string().contains("PUT"), "{error}");
        // The door is closed on the late write: whatever its condition was no longer holds.
        assert_eq!(stored_state(&server).as_deref(), Some("released"));
        lock.try_acquire("me").unwrap().release().unwrap();
    }
}

#[test]
fn acquire_that_stalls_and_lands_later_leaves_no_ghost() {
    let server = Server::start();
    let lock = impatient(&server);
    server.fault(Match::put(), Fault::Stall(4 * SHORT));
    let error = storage(lock.try_acquire("ghost").unwrap_err());
    assert!(!error.is_outcome_unknown(), "{error}");
    let stalled = || {
        let mut requests = server.requests().into_iter();
        requests.find(|r| r.method == "PUT").unwrap().status
    };
    while stalled().is_none() {
        thread::sleep(SHORT / 10); // it has yet to come to its end
    }
    assert_eq!(
        stalled(),
        Some(412),
        "it arrived, and its condition was gone"
    );
    assert_eq!(status(&server), LockStatus::Free);
}

#[test]
fn acquire_given_up_that_has_landed_is_released() {
    let server = Server::start();
    let lock = impatient(&server);
    // Applied, but nothing is heard of it until the time is up.
    server.fault(Match::put(), Fault::StallAfter(3 * SHORT));
    server.fault(Match::get().skip(1).times(1), Fault::Stall(2 * SHORT));
    match lock.acquire_within("ghost", SHORT * 2) {
        Err(s3_lock::LockError::TimedOut { holder: None, .. }) => {}
        Err(s3_lock::LockError::Storage(error)) => assert!(!error.is_outcome_unknown()),
        other => panic!("{other:?}"),
    }
    assert_eq!(stored_state(&server).as_deref(), Some("released"));
}

#[test]
fn acquire_that_cannot_be_undone_says_what_may_remain() {
    let server = Server::start();
    let lock = impatient(&server);
    server.fault(Match::put(), Fault::DropAfter);
    server.fault(
        Match::get().skip(1).always(),
        Fault::answer(503, "SlowDown"),
    );
    let start = Instant::now();
    let error = storage(lock.try_acquire("ghost").unwrap_err());
    assert!(error.is_outcome_unknown());
    assert!(
        error.to_string().contains("release it by owner name"),
        "{error}"
    );
    assert!(start.elapsed() < 6 * SHORT + Duration::from_secs(1));
    // And that it does remain, and can be released by name.
    server.clear_faults();
    assert!(matches!(status(&server), LockStatus::Held(_)));
    assert!(lock.release("ghost").unwrap());
}

#[test]
fn acquire_that_a_proxy_repeats_is_recognised_as_applied() {
    let server = Server::start();
    let lock = lock(&server);
    server.fault(Match::put(), Fault::Duplicate);
    let (sent, guard) = requests_of(&server, || lock.acquire("me").unwrap());
    assert_eq!(sent, ["GET", "PUT", "GET"]);
    guard.verify().unwrap();
    server.fault(Match::put(), Fault::Duplicate);
    guard.renew().unwrap();
    server.fault(Match::put(), Fault::Duplicate);
    guard.release().unwrap();
    assert_eq!(stored_state(&server).as_deref(), Some("released"));
}

/// Releases while this happens to the request, and does something else in the midst of it: when the
/// request has come, and what `is_so` waits for is so.
fn release_amid(
    server: &Server,
    guard: LockGuard,
    fault: impl FnOnce(Gate) -> Fault,
    is_so: impl Fn() -> bool,
    amid: impl FnOnce(),
) -> Result<(), LockError> {
    let gate = Gate::default();
    server.fault(Match::put(), fault(gate.clone()));
    thread::scope(|scope| {
        let releasing = scope.spawn(|| guard.release());
        eventually("the release is under way", || {
            server.pending_faults() == 0 && is_so()
        });
        amid();
        gate.open();
        releasing.join().unwrap()
    })
}

#[test]
fn release_that_a_proxy_repeats_is_done_though_another_acquires_in_between() {
    let server = Server::start();
    let patient = client_builder(&server).request_timeout(Duration::from_secs(60));
    let guard = lock_of(&patient.build().unwrap()).acquire("me").unwrap();
    let next = lock(&server);
    let released = || stored_state(&server).as_deref() == Some("released");
    let mut other = None;
    let outcome = release_amid(&server, guard, Fault::RepeatAt, released, || {
        other = Some(next.acquire("you").unwrap());
    });
    outcome.unwrap();
    other.unwrap().verify().unwrap();
}

#[test]
fn release_is_a_loss_where_the_object_was_deleted_and_another_has_made_it_anew() {
    let server = Server::start();
    let patient = client_builder(&server).request_timeout(Duration::from_secs(60));
    let guard = lock_of(&patient.build().unwrap()).acquire("me").unwrap();
    let next = lock(&server);
    let mut other = None;
    let outcome = release_amid(
        &server,
        guard,
        Fault::HoldAt,
        || true,
        || {
            server.delete_object(KEY);
            server.set_clock_offset(1); // so that its token is larger
            other = Some(next.acquire("you").unwrap());
        },
    );
    assert!(
        matches!(
            outcome,
            Err(LockError::Lost(s3_lock::LostCause::TakenOver(_)))
        ),
        "{outcome:?}"
    );
    other.unwrap().verify().unwrap();
}

#[test]
fn release_is_a_loss_where_another_released_by_owner_name_and_a_third_has_the_lock() {
    let server = Server::start();
    let guard = lock(&server).acquire("me").unwrap();
    assert!(lock(&server).release("me").unwrap());
    let other = lock(&server).acquire("you").unwrap();
    let outcome = guard.release();
    assert!(
        matches!(
            outcome,
            Err(LockError::Lost(s3_lock::LostCause::TakenOver(_)))
        ),
        "{outcome:?}"
    );
    other.verify().unwrap();
}

#[test]
fn acquire_takes_a_conflict_for_no_refusal() {
    let server = Server::start();
    let lock = lock(&server);
    let conflict = || Fault::answer(409, "ConditionalRequestConflict");
    server.fault(Match::put(), conflict());
    let guard = lock.try_acquire("me").unwrap();
    server.fault(Match::put(), conflict());
    guard.renew().unwrap();
    server.fault(Match::put(), conflict());
    guard.release().unwrap();
    assert_eq!(status(&server), LockStatus::Free);
}

/// Renews, although the first write meets each of the faults.
fn renew_despite(faults: impl IntoIterator<Item = Fault>) {
    for fault in faults {
        let server = Server::start();
        let guard = lock(&server).acquire("me").unwrap();
        server.fault(Match::put(), fault);
        guard.renew().unwrap();
        guard.verify().unwrap();
        guard.release().unwrap();
    }
}

#[test]
fn renew_that_was_applied_unseen_is_found_by_reading_back() {
    renew_despite(applied_unseen());
}

#[test]
fn renew_that_was_not_applied_is_sent_again() {
    renew_despite(not_applied_unseen());
}

#[test]
fn renew_whose_outcome_stays_unknown_is_no_loss_and_is_found_later() {
    let server = Server::start();
    let guard = impatient(&server).acquire("me").unwrap();
    server.fault(Match::put().times(1), Fault::DropAfter);
    server.fault(Match::get().always(), Fault::answer(503, "SlowDown"));
    let error = storage(guard.renew().unwrap_err());
    assert!(error.is_outcome_unknown());
    guard.check().unwrap();
    server.clear_faults();
    // The record is the renewal's, not the one that this guard knew: still its own.
    guard.verify().unwrap();
    guard.renew().unwrap();
    guard.release().unwrap();
    assert_eq!(status(&server), LockStatus::Free);
}

#[test]
fn release_finds_a_renewal_whose_outcome_was_unknown() {
    let server = Server::start();
    let guard = impatient(&server).acquire("me").unwrap();
    server.fault(Match::put().times(1), Fault::DropAfter);
    server.fault(Match::get().always(), Fault::answer(503, "SlowDown"));
    guard.renew().unwrap_err();
    server.clear_faults();
    guard.release().unwrap();
    assert_eq!(status(&server), LockStatus::Free);
}

#[test]
fn release_that_was_applied_unseen_is_found_by_reading_back() {
    for fault in applied_unseen() {
        let server = Server::start();
        let guard = lock(&server).acquire("me").unwrap();
        server.fault(Match::put(), fault);
        let (sent, released) = requests_of(&server, || guard.release());
        released.unwrap();
        assert_eq!(sent, ["PUT", "GET"]);
    }
}

#[test]
fn release_that_was_not_applied_is_sent_again() {
    for fault in not_applied_unseen() {
        let server = Server::start();
        let guard = lock(&server).acquire("me").unwrap();
        server.fault(Match::put(), fault);
        guard.release().unwrap();
        assert_eq!(status(&server), LockStatus::Free);
    }
}

#[test]
fn drop_survives_an_overloaded_store() {
    let server = Server::start();
    let guard = lock(&server).acquire("me").unwrap();
    server.fault(Match::put().times(2), Fault::answer(503, "SlowDown"));
    drop(guard);
    assert_eq!(status(&server), LockStatus::Free);
}

#[test]
fn release_whose_lock_was_taken_since_has_succeeded() {
    let server = Server::start();
    let guard = lock(&server).acquire("me").unwrap();
    server.fault(Match::put(), Fault::DropAfter);
    server.fault(Match::get(), Fault::Stall(Duration::from_millis(500)));
    server.clear_requests();
    thread::scope(|scope| {
        let releasing = scope.spawn(|| guard.release());
        while server.count("GET") == 0 {
            thread::yield_now(); // its reading back is under way, and stalls
        }
        let next = lock(&server).acquire("you").unwrap();
        releasing.join().unwrap().unwrap();
        next.verify().unwrap();
    });
}

#[test]
fn acquire_tells_at_once_of_a_store_that_refuses_a_condition_which_holds() {
    let server = Server::start();
    server.fault(
        Match::put().always(),
        Fault::answer(412, "PreconditionFailed"),
    );
    for refused in [lock(&server).acquire("me"), lock(&server).try_acquire("me")] {
        let error = storage(refused.unwrap_err());
        assert_eq!(error.kind(), StorageErrorKind::Unexpected);
        assert!(
            error.to_string().contains("although its condition held"),
            "{error}"
        );
    }
}

#[test]
fn acquire_tells_of_an_outage_that_outlasts_the_wait_and_not_of_the_holder_before_it() {
    let server = Server::start();
    let _guard = lock(&server).acquire("alive").unwrap();
    server.fault(
        Match::get().skip(1).always(),
        Fault::answer(503, "SlowDown"),
    );
    let limit = Duration::from_secs(3);
    let error = storage(lock(&server).acquire_within("me", limit).unwrap_err());
    assert_eq!(error.kind(), StorageErrorKind::Unavailable);
}

#[test]
fn acquire_does_not_blame_a_conflict_that_others_cause_on_the_store() {
    let server = Server::start();
    let guard = crate::short_lock(&server).acquire("late").unwrap();
    while guard.is_held() {
        thread::sleep(SHORT / 10);
    }
    let conflict = Fault::answer(409, "ConditionalRequestConflict");
    server.fault(Match::put(), conflict);
    let error = storage(guard.release().unwrap_err());
    assert_eq!(error.kind(), StorageErrorKind::Contended);
}

#[test]
fn acquire_sends_writes_that_keep_failing_more_and_more_rarely() {
    let server = Server::start();
    server.fault(Match::put().always(), Fault::answer(503, "SlowDown"));
    let limit = Duration::from_secs(2);
    let error = storage(lock(&server).acquire_within("me", limit).unwrap_err());
    assert_eq!(error.kind(), StorageErrorKind::Unavailable);
    let writes = server.count("PUT");
    assert!((2..=38).contains(&writes), "{writes} writes in {limit:?}");
}

#[test]
fn acquire_tells_what_stands_in_the_way_of_reading_back_with_what_may_remain() {
    let server = Server::start();
    server.fault(Match::put(), Fault::DropAfter);
    server.fault(
        Match::get().skip(1).always(),
        Fault::answer(403, "AccessDenied"),
    );
    let error = storage(lock(&server).acquire("me").unwrap_err());
    assert!(error.is_outcome_unknown());
    for part in ["grant s3:GetObject", "release it by owner name"] {
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn renew_that_fails_until_the_deadline_is_a_loss_with_that_cause() {
    let server = Server::start();
    let guard = crate::short_lock(&server).acquire("me").unwrap();
    server.fault(Match::any().always(), Fault::answer(503, "SlowDown"));
    match guard.renew() {
        Err(s3_lock::LockError::Lost(s3_lock::LostCause::Expired {
            last_error: Some(error),
            ..
        })) => {
            assert_eq!(error.kind(), StorageErrorKind::Unavailable);
        }
        other => panic!("{other:?}"),
    }
    assert!(!guard.is_held());
}

#[test]
fn drop_gives_up_within_its_bound_when_nothing_answers() {
    let server = Server::start();
    let guard = impatient(&server).acquire("me").unwrap();
    server.fault(Match::any().always(), Fault::Stall(Duration::from_secs(60)));
    let start = Instant::now();
    drop(guard);
    assert!(start.elapsed() < 2 * SHORT + Duration::from_secs(1));
}

#[test]
fn release_that_nothing_answers_says_that_its_outcome_is_unknown() {
    let server = Server::start();
    let guard = impatient(&server).acquire("me").unwrap();
    server.fault(Match::any().always(), Fault::Stall(Duration::from_secs(60)));
    let error = storage(guard.release().unwrap_err());
    assert_eq!(error.kind(), StorageErrorKind::NoAnswer);
    assert!(error.is_outcome_unknown());
}

/// Releases by name, although the first write meets each of the faults.
fn release_by_name_despite(faults: impl IntoIterator<Item = Fault>) {
    for fault in faults {
        let server = Server::start();
        let lock = lock(&server);
        let _ = lock.acquire("me").unwrap().detach();
        server.fault(Match::put(), fault);
        assert!(lock.release("me").unwrap());
        assert_eq!(status(&server), LockStatus::Free);
    }
}

#[test]
fn release_by_name_that_was_applied_unseen_is_found_by_reading_back() {
    release_by_name_despite(applied_unseen());
}

#[test]
fn release_by_name_that_was_not_applied_is_sent_again() {
    release_by_name_despite(not_applied_unseen());
}

#[test]
fn acquire_repeats_a_read_that_fails() {
    for fault in not_applied_unseen() {
        let server = Server::start();
        let lock = lock(&server);
        server.fault(Match::get(), fault);
        lock.acquire("me").unwrap().release().unwrap();
        assert!(server.object(KEY).is_some());
    }
}
