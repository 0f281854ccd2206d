//! Stores that honour conditions and stores that do not: a check tells them apart, even while other clients
//! check and requests go wrong.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use s3_lock::{Client, EtagForm, LockError, S3Lock, StorageErrorKind, StoreReport};

use crate::support::{BUCKET, DateHeader, Fault, Gate, Match, Quirk, Request, Server};
use crate::{
    KEY, builder, checking_builder, checking_client, client, eventually, lock, lock_of,
    requests_of, short_lock, storage,
};

/// Where a store is checked for the lock of these tests.
const SCRATCH: &str = "locks/.s3-lock-check";

/// Stores that no lock can be kept in, and what gives each away.
const UNSAFE: [(Quirk, &str); 5] = [
    (Quirk::IgnoresIfNoneMatch, "accepted a create"),
    (Quirk::IgnoresIfMatch, "replaced before"),
    (Quirk::TakesWrongEtagsOnly, "the object's own ETag"),
    (Quirk::SameEtagForAll, "replaced before"),
    (Quirk::WeakEtagsForWriters, "two ETags"),
];

/// Stores that differ from S3 and are safe all the same.
const SAFE: [Option<Quirk>; 4] = [
    None,
    Some(Quirk::UnquotedIfMatchOnly),
    Some(Quirk::QuotedIfMatchOnly),
    Some(Quirk::ErrorsForLosers),
];

fn server(quirk: impl Into<Option<Quirk>>) -> Server {
    let server = Server::start();
    server.set_quirk(quirk);
    server
}

/// A lock whose client checks the store by itself.
fn checking_lock(server: &Server) -> S3Lock {
    lock_of(&checking_client(server))
}

fn check(server: &Server) -> Result<StoreReport, LockError> {
    checking_lock(server).check_store()
}

fn unsafe_report(error: LockError) -> StoreReport {
    match error {
        LockError::UnsafeStore(report) => *report,
        other => panic!("not an unsafe store: {other:?}"),
    }
}

fn scratch_requests(server: &Server) -> Vec<Request> {
    let requests = server.requests().into_iter();
    requests.filter(|r| r.key == SCRATCH).collect()
}

#[test]
fn check_store_takes_no_deletion_at_a_bad_moment_for_a_create_that_was_ignored() {
    let server = Server::start();
    let client = checking_client(&server);
    lock_of(&client).check_store().unwrap();
    server.clear_requests();
    let gate = Gate::default();
    let create = Match::put().key(SCRATCH);
    server.fault(create, Fault::HoldAt(gate.clone()));
    let report = thread::scope(|scope| {
        let check = scope.spawn(|| lock_of(&client).check_store());
        eventually("the create is under way", || server.count("PUT") > 0);
        server.delete_object(SCRATCH);
        gate.open();
        check.join().unwrap()
    });
    assert!(report.unwrap().is_safe());
}

#[test]
fn check_store_finds_a_store_like_s3_safe() {
    let report = check(&server(None)).unwrap();
    assert!(report.is_safe() && report.honours_create_if_absent());
    assert_eq!(report.honours_replace_if_match(), Some(true));
    assert_eq!(report.etag_form(), Some(EtagForm::Quoted));
    assert!(report.uses_store_clock());
    assert_eq!((report.bucket(), report.key()), (BUCKET, SCRATCH));
}

#[test]
fn check_store_tells_of_stores_that_would_break_the_lock_with_what_they_did() {
    for (quirk, what) in UNSAFE {
        let report = unsafe_report(check(&server(quirk)).unwrap_err());
        assert!(
            !report.is_safe() && report.etag_form().is_none(),
            "{quirk:?}"
        );
        assert!(report.to_string().contains(what), "{quirk:?}: {report}");
    }
}

#[test]
fn check_store_finds_a_store_that_takes_no_quotes_safe_and_knows_it_by_that() {
    let report = check(&server(Quirk::UnquotedIfMatchOnly)).unwrap();
    assert_eq!(report.etag_form(), Some(EtagForm::Unquoted));
}

#[test]
fn check_store_finds_a_store_that_insists_on_quotes_safe_and_knows_it_by_that() {
    let report = check(&server(Quirk::QuotedIfMatchOnly)).unwrap();
    assert_eq!(report.etag_form(), Some(EtagForm::Quoted));
}

#[test]
fn acquire_renew_and_release_work_where_etags_go_without_quotes() {
    let server = server(Quirk::UnquotedIfMatchOnly);
    let (mine, yours) = (checking_lock(&server), checking_lock(&server));
    let guard = mine.acquire("me").unwrap();
    assert!(matches!(yours.try_acquire("you"), Err(LockError::Held(_))));
    guard.renew().unwrap();
    guard.verify().unwrap();
    guard.release().unwrap();
    let first = mine.acquire("me").unwrap().detach();
    assert!(yours.release("me").unwrap());
    let second = mine.acquire_within("me", Duration::from_secs(5)).unwrap();
    assert_eq!(
        second.fencing_token().get(),
        first.fencing_token().get() + 1
    );
}

#[test]
fn acquire_succeeds_a_dead_holder_where_etags_go_without_quotes() {
    let server = server(Quirk::UnquotedIfMatchOnly);
    std::mem::forget(checking_lock(&server).acquire("crashed").unwrap());
    server.set_clock_offset(600);
    drop(checking_lock(&server).try_acquire("newcomer").unwrap());
}

#[test]
fn check_store_by_twenty_at_once_confuses_none_of_them() {
    for quirk in SAFE {
        let server = server(quirk);
        at_once(20, || drop(check(&server).unwrap()));
    }
}

#[test]
fn check_store_by_twenty_at_once_refuses_an_unsafe_store_to_all() {
    for (quirk, _) in UNSAFE {
        let server = server(quirk);
        at_once(20, || drop(unsafe_report(check(&server).unwrap_err())));
    }
}

fn at_once(threads: usize, call: impl Fn() + Sync) {
    let start = Barrier::new(threads);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                start.wait();
                call();
            });
        }
    });
}

/// What can go wrong with a request without anybody being told an untruth.
fn troubles() -> Vec<Fault> {
    vec![
        Fault::DropBefore,
        Fault::DropAfter,
        Fault::Duplicate,
        Fault::StripEtag,
        Fault::answer(503, "SlowDown"),
        Fault::answer(429, "TooManyRequests"),
        Fault::answer(409, "ConditionalRequestConflict"),
        Fault::answer_after(500, "InternalError"),
    ]
}

/// Which requests a trouble is for: a read without an ETag would be none that passes.
fn hit_by(trouble: &Fault) -> Match {
    match trouble {
        Fault::StripEtag => Match::put(),
        _ => Match::any(),
    }
}

/// Checks a store with each trouble at each request of the check.
fn check_in_trouble(quirk: Option<Quirk>, verdict: impl Fn(Result<StoreReport, LockError>) + Sync) {
    thread::scope(|scope| {
        for trouble in troubles() {
            let verdict = &verdict;
            scope.spawn(move || {
                let server = server(quirk);
                for skip in 0..10 {
                    let rule = hit_by(&trouble).skip(skip).times(2);
                    server.fault(rule, trouble.clone());
                    verdict(check(&server));
                    server.clear_faults();
                }
            });
        }
    });
}

#[test]
fn check_store_finds_no_safe_store_unsafe_for_trouble_on_the_way() {
    check_in_trouble(None, |checked| assert!(checked.unwrap().is_safe()));
}

#[test]
fn check_store_takes_a_store_without_quotes_for_no_other_for_trouble_on_the_way() {
    check_in_trouble(Some(Quirk::UnquotedIfMatchOnly), |checked| {
        assert_eq!(checked.unwrap().etag_form(), Some(EtagForm::Unquoted));
    });
}

#[test]
fn check_store_finds_no_unsafe_store_safe_for_trouble_on_the_way() {
    for (quirk, _) in UNSAFE {
        check_in_trouble(Some(quirk), |checked| {
            unsafe_report(checked.unwrap_err());
        });
    }
}

#[test]
fn check_store_by_ten_in_all_kinds_of_trouble_comes_to_the_one_verdict() {
    for quirk in [None, Some(Quirk::IgnoresIfMatch)] {
        let server = server(quirk);
        for (number, trouble) in troubles().into_iter().cycle().take(40).enumerate() {
            server.fault(hit_by(&trouble).skip(3 * number), trouble);
        }
        at_once(10, || match check(&server) {
            Ok(_) => assert_eq!(quirk, None),
            Err(error) => {
                unsafe_report(error);
                assert!(quirk.is_some());
            }
        });
    }
}

#[test]
fn check_store_bears_trouble_at_the_first_check_of_a_folder_too() {
    for trouble in troubles() {
        for skip in 0..3 {
            let server = server(None);
            server.fault(Match::put().skip(skip), trouble.clone());
            check(&server).unwrap();
        }
    }
}

#[test]
fn check_store_sends_only_conditional_writes_each_with_a_new_body() {
    let server = server(None);
    check(&server).unwrap();
    check(&server).unwrap();
    let mut writes = scratch_requests(&server);
    writes.retain(|r| r.method == "PUT");
    let conditional = |r: &Request| r.if_none_match.is_some() != r.if_match.is_some();
    assert!(writes.iter().all(conditional));
    let count = writes.len();
    writes.sort_by(|a, b| a.body.cmp(&b.body));
    writes.dedup_by(|a, b| a.body == b.body);
    assert_eq!(writes.len(), count);
}

#[test]
fn check_store_takes_twelve_requests_undisturbed_and_two_more_the_first_time() {
    // On a busy machine a race of two writes may tell nothing, and is run again.
    let takes = |_| {
        let server = server(None);
        let count = || requests_of(&server, || check(&server).unwrap()).0.len();
        (count(), count()) == (14, 12)
    };
    assert!((0..10).any(takes));
}

#[test]
fn check_store_races_the_replacement_on_the_object_that_it_has() {
    let server = server(None);
    assert_eq!(check(&server).unwrap().races(), 1);
    assert!(server.requests().iter().all(|r| r.key == SCRATCH));
}

#[test]
fn check_store_refuses_a_store_that_compares_and_then_writes_each_time() {
    let server = server(Quirk::TwoSteps);
    for _ in 0..3 {
        let report = unsafe_report(check(&server).unwrap_err());
        assert!(!report.is_safe() && report.honours_create_if_absent());
        assert_eq!(report.honours_replace_if_match(), Some(false));
        let message = report.to_string();
        for step in [
            "two steps: (1) ",
            "(2) 2 writers sent a PUT with If-Match: ",
            "(3) writer 1 was answered 200 with ETag ",
        ] {
            assert!(message.contains(step), "{message}");
        }
    }
}

#[test]
fn check_store_leaves_its_object_where_it_is() {
    let server = server(None);
    check(&server).unwrap();
    assert!(server.object(SCRATCH).is_some());
    assert_eq!(server.count("DELETE"), 0);
}

#[test]
fn check_store_of_a_lock_in_the_root_of_a_bucket_is_done_in_the_root() {
    let server = server(None);
    let lock = S3Lock::builder(BUCKET, "n").client(checking_client(&server));
    let report = lock.build().unwrap().check_store().unwrap();
    assert_eq!(report.key(), ".s3-lock-check");
    assert!(server.object(".s3-lock-check").is_some());
}

#[test]
fn check_store_overwrites_nothing_that_is_not_of_a_check() {
    let server = server(None);
    server.put_object(SCRATCH, "somebody else's");
    let refused = check(&server);
    assert!(
        matches!(&refused, Err(LockError::Foreign { key, .. }) if key == SCRATCH),
        "{refused:?}"
    );
    assert_eq!(server.count("PUT"), 0);
}

#[test]
fn acquire_locks_nothing_in_an_unsafe_store() {
    type Call = fn(&S3Lock) -> Result<s3_lock::LockGuard, LockError>;
    let calls: [Call; 3] = [
        |lock| lock.acquire("me"),
        |lock| lock.acquire_within("me", Duration::from_secs(5)),
        |lock| lock.try_acquire("me"),
    ];
    for (quirk, _) in UNSAFE {
        for call in calls {
            let server = server(quirk);
            unsafe_report(call(&checking_lock(&server)).unwrap_err());
            assert!(server.requests().iter().all(is_of_a_check));
            assert!(server.object(KEY).is_none());
        }
    }
}

/// About its object, or about the whole bucket, of which it may ask whether it keeps versions.
fn is_of_a_check(request: &Request) -> bool {
    request.key == SCRATCH || request.key.is_empty()
}

#[test]
fn release_by_name_or_by_force_does_nothing_in_an_unsafe_store() {
    for (quirk, _) in UNSAFE {
        let server = server(None);
        let held = lock(&server).acquire("me").unwrap().detach();
        server.set_quirk(quirk);
        let before = server.object(KEY);
        server.clear_requests();
        unsafe_report(checking_lock(&server).release("me").unwrap_err());
        let forced = checking_lock(&server).force_release(&held);
        unsafe_report(forced.unwrap_err());
        assert!(server.requests().iter().all(is_of_a_check));
        assert_eq!(server.object(KEY), before);
    }
}

#[test]
fn release_by_name_or_by_force_needs_no_acquire_where_etags_go_without_quotes() {
    let server = server(Quirk::UnquotedIfMatchOnly);
    let _ = checking_lock(&server).acquire("me").unwrap().detach();
    assert!(checking_lock(&server).release("me").unwrap());
    let held = checking_lock(&server).acquire("me").unwrap().detach();
    assert!(checking_lock(&server).force_release(&held).unwrap());
}

#[test]
fn release_by_name_or_by_force_checks_the_store_first_and_once() {
    let server = server(None);
    let held = lock(&server).acquire("me").unwrap().detach();
    let client = checking_client(&server);
    let (sent, released) = requests_of(&server, || lock_of(&client).force_release(&held).unwrap());
    assert!(released);
    assert_eq!(sent.len(), 14 + 2);
    let (sent, released) = requests_of(&server, || lock_of(&client).release("me").unwrap());
    assert!(!released);
    assert_eq!(sent, ["GET"]);
}

#[test]
fn release_by_name_or_by_force_without_permission_for_the_check_is_refused_as_an_acquire_is() {
    let server = server(None);
    let held = lock(&server).acquire("me").unwrap().detach();
    let denied = Match::put().key(SCRATCH).always();
    server.fault(denied, Fault::answer(403, "AccessDenied"));
    let refused = [
        checking_lock(&server).acquire("you").map(drop),
        checking_lock(&server).release("me").map(drop),
        checking_lock(&server).force_release(&held).map(drop),
    ];
    for refused in refused {
        let error = storage(refused.unwrap_err());
        assert_eq!(error.kind(), StorageErrorKind::AccessDenied);
        let message = error.to_string();
        assert!(message.contains("assume_conditional_writes()"), "{message}");
    }
}

#[test]
fn release_by_name_or_by_force_has_its_own_time_besides_that_of_the_check() {
    let server = server(None);
    let held = lock(&server).acquire("me").unwrap().detach();
    // The check takes longer than the two requests of a release may.
    let slow = Match::any().key(SCRATCH).always();
    server.fault(slow, Fault::Stall(Duration::from_millis(250)));
    let client = || {
        let client = checking_builder(&server).request_timeout(Duration::from_secs(1));
        client.build().unwrap()
    };
    assert!(lock_of(&client()).force_release(&held).unwrap());
    assert!(!lock_of(&client()).release("me").unwrap());
}

#[test]
fn acquire_is_refused_by_an_unsafe_store_ever_after_without_a_request() {
    let server = server(Quirk::IgnoresIfMatch);
    let lock = checking_lock(&server);
    unsafe_report(lock.acquire("me").unwrap_err());
    let (sent, refused) = requests_of(&server, || {
        [
            lock.acquire("me"),
            lock.acquire_within("me", Duration::ZERO),
            lock.try_acquire("me"),
        ]
    });
    for refused in refused {
        unsafe_report(refused.unwrap_err());
    }
    assert!(sent.is_empty(), "{sent:?}");
}

#[test]
fn check_store_lets_a_store_that_was_mended_be_used() {
    let server = server(Quirk::IgnoresIfMatch);
    let lock = checking_lock(&server);
    unsafe_report(lock.acquire("me").unwrap_err());
    server.set_quirk(None);
    lock.check_store().unwrap();
    drop(lock.acquire("me").unwrap());
}

#[test]
fn acquire_checks_a_store_once_for_each_client_and_bucket() {
    let server = server(None);
    server.create_bucket("another-bucket");
    let client = checking_client(&server);
    drop(lock_of(&client).acquire("me").unwrap());
    assert!(server.object(SCRATCH).is_some());
    let elsewhere = |bucket: &str| {
        let lock = S3Lock::builder(bucket, "n").folder("elsewhere");
        lock.client(client.clone()).build().unwrap()
    };
    let (sent, _) = requests_of(&server, || {
        elsewhere(BUCKET).acquire("me").unwrap().detach()
    });
    assert_eq!(sent, ["GET", "PUT"]);
    drop(elsewhere("another-bucket").acquire("me").unwrap());
    let checked = |r: &Request| r.bucket == "another-bucket" && r.key == "elsewhere/.s3-lock-check";
    assert!(server.requests().iter().any(checked));
}

#[test]
fn acquire_shares_one_check_among_the_first_of_several_threads() {
    let server = server(None);
    let client = checking_client(&server);
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let start = Barrier::new(names.len());
    thread::scope(|scope| {
        for name in names {
            let (client, start) = (&client, &start);
            scope.spawn(move || {
                let lock = S3Lock::builder(BUCKET, name).folder("locks");
                let lock = lock.client(client.clone()).build().unwrap();
                start.wait();
                drop(lock.try_acquire("me").unwrap());
            });
        }
    });
    assert_eq!(scratch_requests(&server).len(), 14);
}

#[test]
fn client_calls_that_write_nothing_check_nothing() {
    let server = server(Quirk::IgnoresIfMatch);
    let client = checking_client(&server);
    let (sent, ()) = requests_of(&server, || {
        lock_of(&client).status().unwrap();
        assert!(client.list(BUCKET, "locks").unwrap().is_empty());
    });
    assert_eq!(sent, ["GET", "GET"]);
}

#[test]
fn client_that_assumes_conditional_writes_checks_nothing() {
    let server = server(Quirk::IgnoresIfMatch);
    let (sent, guard) = requests_of(&server, || lock(&server).acquire("me"));
    guard.unwrap().release().unwrap();
    assert_eq!(sent, ["GET", "PUT"]);
    assert!(server.object(SCRATCH).is_none());
}

#[test]
fn client_that_assumes_too_much_of_a_store_without_quotes_is_told_to_check() {
    let server = server(Quirk::UnquotedIfMatchOnly);
    let lock = lock(&server);
    let lost = lock.acquire("me").unwrap().release().unwrap_err();
    assert!(lost.to_string().contains("check_store"), "{lost}");
    lock.check_store().unwrap();
    assert!(lock.release("me").unwrap());
    drop(lock.acquire("me").unwrap());
}

#[test]
fn list_shows_no_objects_of_checks() {
    let server = server(None);
    let client = checking_client(&server);
    drop(lock_of(&client).acquire("me").unwrap());
    let locks = client.list(BUCKET, "locks").unwrap();
    assert_eq!(
        locks.iter().map(|l| l.name()).collect::<Vec<_>>(),
        ["nightly"]
    );
}

#[test]
fn check_store_finds_a_store_in_memory_safe() {
    let report = lock_of(&Client::in_memory()).check_store().unwrap();
    assert!(report.is_safe() && report.uses_store_clock());
}

#[test]
fn check_store_tells_of_a_missing_permission_with_key_and_alternative() {
    for (rule, permission) in [
        (Match::put(), "s3:PutObject"),
        (Match::get(), "s3:GetObject"),
    ] {
        let server = server(None);
        server.fault(
            rule.key(SCRATCH).always(),
            Fault::answer(403, "AccessDenied"),
        );
        let error = storage(checking_lock(&server).acquire("me").unwrap_err());
        assert_eq!(error.kind(), StorageErrorKind::AccessDenied);
        let message = error.to_string();
        let grant = format!("grant {permission} on arn:aws:s3:::{BUCKET}/{SCRATCH}");
        assert!(message.contains(&grant), "{message}");
        assert!(message.contains("assume_conditional_writes()"), "{message}");
        assert!(server.object(KEY).is_none());
    }
}

#[test]
fn check_store_checks_a_store_that_answers_403_for_what_is_not_there_all_the_same() {
    let server = server(None);
    server.fault(
        Match::get().key(SCRATCH),
        Fault::answer(403, "AccessDenied"),
    );
    assert!(check(&server).unwrap().is_safe());
}

#[test]
fn check_store_that_found_out_nothing_is_done_again() {
    let server = server(None);
    let lock = checking_lock(&server);
    let denied = Match::put().key(SCRATCH);
    server.fault(denied, Fault::answer(403, "AccessDenied"));
    storage(lock.acquire("me").unwrap_err());
    drop(lock.acquire("me").unwrap());
    assert!(scratch_requests(&server).len() >= 9);
}

#[test]
fn check_store_of_a_store_that_does_not_know_if_match_is_an_error_and_no_verdict() {
    let server = server(Quirk::NoIfMatchAtAll);
    let error = storage(check(&server).unwrap_err());
    assert_eq!(error.kind(), StorageErrorKind::Unexpected);
    assert!(!error.is_retryable());
}

#[test]
fn check_store_finds_a_store_unsafe_where_a_condition_is_not_implemented_after_a_few_tries() {
    let server = server(None);
    let rule = Match::put().always();
    server.fault(rule, Fault::answer(501, "NotImplemented"));
    let report = unsafe_report(check(&server).unwrap_err());
    assert!(!report.honours_create_if_absent());
    let message = report.to_string();
    assert!(message.contains("501 NotImplemented"), "{message}");
    assert_eq!(server.count("PUT"), 3);
}

#[test]
fn check_store_finds_a_store_unsafe_where_a_replacement_is_not_implemented() {
    let server = server(None);
    // The first create and the one that is refused pass.
    let rule = Match::put().skip(2).always();
    server.fault(rule, Fault::answer(501, "NotImplemented"));
    let report = unsafe_report(check(&server).unwrap_err());
    assert!(report.honours_create_if_absent());
    assert_eq!(report.honours_replace_if_match(), Some(false));
}

#[test]
fn check_store_tries_a_condition_again_that_was_once_said_not_to_be_implemented() {
    let server = server(None);
    let rule = Match::put().times(2);
    server.fault(rule, Fault::answer(501, "NotImplemented"));
    assert!(check(&server).unwrap().is_safe());
}

#[test]
fn check_store_finds_no_store_unsafe_for_a_proxy_that_answers_501_in_its_place() {
    let server = server(None);
    let answer = Fault::RawAnswer {
        status: 501,
        headers: Vec::new(),
        body: b"<html>not here</html>".to_vec(),
    };
    server.fault(Match::put().always(), answer);
    storage(check(&server).unwrap_err());
}

/// Has a store that ignores creates say this of the bucket's versions.
fn told_of_versions(server: &Server, status: u16, body: &str) -> String {
    let answer = Fault::RawAnswer {
        status,
        headers: Vec::new(),
        body: body.as_bytes().to_vec(),
    };
    server.fault(Match::list().always(), answer);
    let report = unsafe_report(check(server).unwrap_err());
    server.clear_faults();
    report.to_string()
}

#[test]
fn check_store_names_a_bucket_with_versions_or_suspended_ones_as_such() {
    for quirk in [Quirk::IgnoresIfNoneMatch, Quirk::TakesWrongEtagsOnly] {
        names_versions(&server(quirk));
    }
}

fn names_versions(server: &Server) {
    let said = |status| {
        format!("<VersioningConfiguration><Status>{status}</Status></VersioningConfiguration>")
    };
    let suspended = told_of_versions(server, 200, &said("Suspended"));
    assert!(suspended.contains("versioning is suspended"), "{suspended}");
    let enabled = told_of_versions(server, 200, &said("Enabled"));
    assert!(enabled.contains("the bucket keeps versions"), "{enabled}");
    for (status, body) in [
        (403, "<Error><Code>AccessDenied</Code></Error>"),
        (200, "{}"),
    ] {
        let unknown = told_of_versions(server, status, body);
        assert!(
            unknown.contains("try a bucket without versions"),
            "{unknown}"
        );
    }
}

#[test]
fn check_store_ends_when_nobody_answers() {
    let server = server(None);
    server.fault(Match::any().always(), Fault::Stall(Duration::from_secs(60)));
    let client = checking_builder(&server).request_timeout(Duration::from_millis(50));
    let lock = lock_of(&client.build().unwrap());
    for refused in [
        lock.check_store().map(drop),
        lock.try_acquire("me").map(drop),
    ] {
        let error = storage(refused.unwrap_err());
        assert_eq!(error.kind(), StorageErrorKind::NoAnswer);
        assert!(error.is_retryable());
    }
}

#[test]
fn acquire_within_counts_the_time_of_a_check_within_its_limit() {
    let server = server(None);
    server.set_latency(Duration::from_millis(200));
    let lock = checking_lock(&server);
    let refused = lock.acquire_within("me", Duration::from_secs(1));
    assert!(
        matches!(refused, Err(LockError::TimedOut { holder: None, .. })),
        "{refused:?}"
    );
    assert!(server.requests().iter().all(|r| r.key == SCRATCH));
    server.set_latency(Duration::ZERO);
    drop(lock.acquire_within("me", Duration::from_secs(20)).unwrap());
}

#[test]
fn acquire_waits_out_trouble_with_the_store_at_its_first_check() {
    let server = server(None);
    server.fault(Match::any().times(6), Fault::answer(503, "SlowDown"));
    drop(checking_lock(&server).acquire("me").unwrap());
}

#[test]
fn check_store_has_a_date_of_a_proxys_own_that_is_ahead_not_used() {
    for date in [
        DateHeader::Ahead(2),
        DateHeader::Ahead(600),
        DateHeader::Absent,
    ] {
        let server = server(None);
        server.set_date(date);
        let report = check(&server).unwrap();
        assert!(report.is_safe() && !report.uses_store_clock());
        let message = report.to_string();
        assert!(message.contains("each client's own clock"), "{message}");
    }
}

#[test]
fn check_store_has_a_date_not_used_that_is_ahead_in_replies_to_reads_or_to_writes_alone() {
    for date in [
        DateHeader::AheadOnReads(1),
        DateHeader::AheadOnReads(80),
        DateHeader::AheadOnWrites(1),
        DateHeader::AheadOnWrites(80),
    ] {
        let server = server(None);
        server.set_date(date.clone());
        assert!(!check(&server).unwrap().uses_store_clock(), "{date:?}");
    }
}

#[test]
fn acquire_takes_over_no_live_lock_behind_a_front_that_stamps_reads_alone() {
    let server = server(None);
    let guard = short_lock(&server).acquire("alive").unwrap();
    guard.keep_alive().unwrap();
    server.set_date(DateHeader::AheadOnReads(80));
    let refused = checking_lock(&server).try_acquire("newcomer");
    assert!(matches!(refused, Err(LockError::Held(_))), "{refused:?}");
    guard.verify().unwrap();
}

#[test]
fn check_store_convicts_a_clock_at_once_by_one_reply_that_no_honest_store_gives() {
    // The first replacement, and the read after it.
    for hit in [Match::put().skip(1), Match::get().skip(2)] {
        let server = server(None);
        check(&server).unwrap();
        server.fault(hit, Fault::DateAhead(80));
        let (sent, report) = requests_of(&server, || check(&server).unwrap());
        assert!(!report.uses_store_clock());
        assert_eq!(sent.len(), 12, "nothing is tried again");
    }
}

#[test]
fn check_store_convicts_a_clock_that_is_far_ahead_in_every_reply_without_another_try() {
    let server = server(None);
    check(&server).unwrap();
    server.set_date(DateHeader::Ahead(80));
    let (sent, report) = requests_of(&server, || check(&server).unwrap());
    assert!(!report.uses_store_clock());
    assert_eq!(sent.len(), 12);
}

#[test]
fn client_that_checks_nothing_learns_of_reads_dated_ahead_from_a_write_of_its_own() {
    let server = server(None);
    let client = client(&server);
    // It has written, to whichever lock.
    drop(builder(&client).build().unwrap().acquire("me").unwrap());
    let guard = S3Lock::builder(BUCKET, "other").folder("locks");
    let guard = guard.client(crate::client(&server)).build().unwrap();
    let guard = guard.acquire("alive").unwrap();
    server.set_date(DateHeader::AheadOnReads(600));
    let other = S3Lock::builder(BUCKET, "other")
        .folder("locks")
        .client(client);
    let refused = other.build().unwrap().try_acquire("newcomer");
    assert!(matches!(refused, Err(LockError::Held(_))), "{refused:?}");
    guard.verify().unwrap();
}

#[test]
fn acquire_uses_a_date_that_is_behind_and_is_not_early() {
    let server = server(None);
    server.set_date(DateHeader::Ahead(-600));
    assert!(check(&server).unwrap().uses_store_clock());
}

#[test]
fn check_store_lets_a_store_be_slow_up_to_four_times_before_it_gives_its_clock_up() {
    for (late, used) in [(4, true), (5, false)] {
        let server = server(None);
        // The first create, the create that is refused, and between the first replacement and the next
        // the two that are refused and the two of a race.
        let replaced = Match::put().skip(2);
        server.fault(replaced.times(late + 4), Fault::DateAhead(1));
        assert_eq!(check(&server).unwrap().uses_store_clock(), used, "{late}");
    }
}

#[test]
fn acquire_takes_nothing_over_by_the_clock_of_a_proxy() {
    let server = server(None);
    std::mem::forget(short_lock(&server).acquire("crashed").unwrap());
    server.set_date(DateHeader::Ahead(600));
    let newcomer = checking_lock(&server).try_acquire("newcomer");
    assert!(matches!(newcomer, Err(LockError::Held(_))), "{newcomer:?}");
    // A client that assumes all is well is early, which is why the others check.
    let fooled = builder(&client(&server)).build().unwrap();
    drop(fooled.try_acquire("fooled").unwrap());
}

#[test]
fn acquire_behind_a_proxy_with_a_clock_of_its_own_takes_over_from_a_dead_holder_watched_for_a_lease()
 {
    let server = server(None);
    std::mem::forget(short_lock(&server).acquire("crashed").unwrap());
    server.set_date(DateHeader::Ahead(600));
    let watcher = checking_lock(&server);
    let start = std::time::Instant::now();
    let _guard = watcher.acquire("watcher").unwrap();
    let lease_and_margin = Duration::from_millis(4004);
    assert!(start.elapsed() > lease_and_margin, "{:?}", start.elapsed());
}

#[test]
fn check_store_has_a_store_that_never_names_the_version_written_used_without_its_clock() {
    let server = server(None);
    server.fault(Match::put().always(), Fault::StripEtag);
    let lock = checking_lock(&server);
    let report = lock.check_store().unwrap();
    assert!(!report.uses_store_clock());
    assert!(scratch_requests(&server).len() < 50);
    lock.try_acquire("me").unwrap().release().unwrap();
}

#[test]
fn check_store_counts_for_a_client_that_would_not_have_asked() {
    let server = server(Quirk::IgnoresIfMatch);
    let lock = lock(&server);
    unsafe_report(lock.check_store().unwrap_err());
    unsafe_report(lock.try_acquire("me").unwrap_err());
}
