//! Stores that honour conditions and stores that do not: each is known for what it is, whoever else
//! checks and whatever goes wrong on the way.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use s3_lock::{Client, EtagForm, LockError, S3Lock, StorageErrorKind, StoreReport};

use crate::support::{BUCKET, DateHeader, Fault, Match, Quirk, Request, Server};
use crate::{
    KEY, builder, checking_builder, checking_client, client, lock, lock_of, requests_of,
    short_lock, storage,
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
fn a_store_like_s3_is_safe() {
    let report = check(&server(None)).unwrap();
    assert!(report.is_safe() && report.honours_create_if_absent());
    assert_eq!(report.honours_replace_if_match(), Some(true));
    assert_eq!(report.etag_form(), Some(EtagForm::Quoted));
    assert!(report.uses_store_clock());
    assert_eq!((report.bucket(), report.key()), (BUCKET, SCRATCH));
}

#[test]
fn stores_that_would_break_the_lock_are_told_with_what_they_did() {
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
fn a_store_that_takes_no_quotes_is_safe_and_known_by_it() {
    let report = check(&server(Quirk::UnquotedIfMatchOnly)).unwrap();
    assert_eq!(report.etag_form(), Some(EtagForm::Unquoted));
}

#[test]
fn a_store_that_insists_on_quotes_is_safe_and_known_by_it() {
    let report = check(&server(Quirk::QuotedIfMatchOnly)).unwrap();
    assert_eq!(report.etag_form(), Some(EtagForm::Quoted));
}

#[test]
fn a_lock_works_where_etags_go_without_quotes() {
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
fn a_dead_holder_has_a_successor_where_etags_go_without_quotes() {
    let server = server(Quirk::UnquotedIfMatchOnly);
    std::mem::forget(checking_lock(&server).acquire("crashed").unwrap());
    server.set_clock_offset(600);
    drop(checking_lock(&server).try_acquire("newcomer").unwrap());
}

#[test]
fn twenty_checkers_at_once_do_not_confuse_each_other() {
    for quirk in SAFE {
        let server = server(quirk);
        at_once(20, || drop(check(&server).unwrap()));
    }
}

#[test]
fn twenty_checkers_at_once_all_refuse_an_unsafe_store() {
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
fn no_trouble_on_the_way_makes_a_safe_store_unsafe() {
    check_in_trouble(None, |checked| assert!(checked.unwrap().is_safe()));
}

#[test]
fn no_trouble_on_the_way_makes_a_store_without_quotes_another() {
    check_in_trouble(Some(Quirk::UnquotedIfMatchOnly), |checked| {
        assert_eq!(checked.unwrap().etag_form(), Some(EtagForm::Unquoted));
    });
}

#[test]
fn no_trouble_on_the_way_makes_an_unsafe_store_safe() {
    for (quirk, _) in UNSAFE {
        check_in_trouble(Some(quirk), |checked| {
            unsafe_report(checked.unwrap_err());
        });
    }
}

#[test]
fn ten_checkers_in_all_kinds_of_trouble_come_to_the_one_verdict() {
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
fn the_first_check_of_a_folder_bears_trouble_too() {
    for trouble in troubles() {
        for skip in 0..3 {
            let server = server(None);
            server.fault(Match::put().skip(skip), trouble.clone());
            check(&server).unwrap();
        }
    }
}

#[test]
fn every_write_of_a_check_is_conditional_and_its_body_new() {
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
fn an_undisturbed_check_takes_nine_requests_and_two_more_the_first_time() {
    let server = server(None);
    assert_eq!(requests_of(&server, || check(&server).unwrap()).0.len(), 11);
    assert_eq!(requests_of(&server, || check(&server).unwrap()).0.len(), 9);
}

#[test]
fn the_object_of_the_check_is_left_where_it_is() {
    let server = server(None);
    check(&server).unwrap();
    assert!(server.object(SCRATCH).is_some());
    assert_eq!(server.count("DELETE"), 0);
}

#[test]
fn a_lock_in_the_root_of_a_bucket_is_checked_in_the_root() {
    let server = server(None);
    let lock = S3Lock::builder(BUCKET, "n").client(checking_client(&server));
    let report = lock.build().unwrap().check_store().unwrap();
    assert_eq!(report.key(), ".s3-lock-check");
    assert!(server.object(".s3-lock-check").is_some());
}

#[test]
fn what_is_not_of_a_check_is_not_overwritten() {
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
fn nothing_is_locked_in_an_unsafe_store() {
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
            assert!(server.requests().iter().all(|r| r.key == SCRATCH));
            assert!(server.object(KEY).is_none());
        }
    }
}

#[test]
fn an_unsafe_store_is_refused_ever_after_without_a_request() {
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
fn a_store_that_was_mended_is_used_after_a_new_check() {
    let server = server(Quirk::IgnoresIfMatch);
    let lock = checking_lock(&server);
    unsafe_report(lock.acquire("me").unwrap_err());
    server.set_quirk(None);
    lock.check_store().unwrap();
    drop(lock.acquire("me").unwrap());
}

#[test]
fn a_store_is_checked_once_for_each_client_and_bucket() {
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
fn first_acquires_of_several_threads_share_one_check() {
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
    assert_eq!(scratch_requests(&server).len(), 11);
}

#[test]
fn what_locks_nothing_checks_nothing() {
    let server = server(Quirk::IgnoresIfMatch);
    let client = checking_client(&server);
    let (sent, ()) = requests_of(&server, || {
        lock_of(&client).status().unwrap();
        assert!(!lock_of(&client).release("me").unwrap());
        assert!(client.list(BUCKET, "locks").unwrap().is_empty());
    });
    assert_eq!(sent, ["GET", "GET", "GET"]);
}

#[test]
fn a_client_that_assumes_conditional_writes_checks_nothing() {
    let server = server(Quirk::IgnoresIfMatch);
    let (sent, guard) = requests_of(&server, || lock(&server).acquire("me"));
    guard.unwrap().release().unwrap();
    assert_eq!(sent, ["GET", "PUT"]);
    assert!(server.object(SCRATCH).is_none());
}

#[test]
fn a_client_that_assumes_too_much_of_a_store_without_quotes_is_told_to_check() {
    let server = server(Quirk::UnquotedIfMatchOnly);
    let lock = lock(&server);
    let lost = lock.acquire("me").unwrap().release().unwrap_err();
    assert!(lost.to_string().contains("check_store"), "{lost}");
    lock.check_store().unwrap();
    assert!(lock.release("me").unwrap());
    drop(lock.acquire("me").unwrap());
}

#[test]
fn the_objects_of_checks_are_in_no_list_of_locks() {
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
fn a_store_in_memory_passes() {
    let report = lock_of(&Client::in_memory()).check_store().unwrap();
    assert!(report.is_safe() && report.uses_store_clock());
}

#[test]
fn a_missing_permission_is_told_with_key_and_alternative() {
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
fn a_store_that_answers_403_for_what_is_not_there_is_checked_all_the_same() {
    let server = server(None);
    server.fault(
        Match::get().key(SCRATCH),
        Fault::answer(403, "AccessDenied"),
    );
    assert!(check(&server).unwrap().is_safe());
}

#[test]
fn a_check_that_found_out_nothing_is_done_again() {
    let server = server(None);
    let lock = checking_lock(&server);
    let denied = Match::put().key(SCRATCH);
    server.fault(denied, Fault::answer(403, "AccessDenied"));
    storage(lock.acquire("me").unwrap_err());
    drop(lock.acquire("me").unwrap());
    assert!(scratch_requests(&server).len() >= 9);
}

#[test]
fn a_store_that_does_not_know_if_match_is_an_error_and_no_verdict() {
    let server = server(Quirk::NoIfMatchAtAll);
    let error = storage(check(&server).unwrap_err());
    assert_eq!(error.kind(), StorageErrorKind::Unexpected);
    assert!(!error.is_retryable());
}

#[test]
fn a_header_that_is_not_implemented_is_told_after_a_few_tries() {
    let server = server(None);
    let rule = Match::put().always();
    server.fault(rule, Fault::answer(501, "NotImplemented"));
    let error = storage(check(&server).unwrap_err());
    assert_eq!(error.code(), Some("NotImplemented"));
    assert_eq!(server.count("PUT"), 3);
}

#[test]
fn a_check_ends_when_nobody_answers() {
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
fn the_time_of_a_check_counts_within_the_callers_limit() {
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
fn a_first_acquire_waits_out_trouble_with_the_store() {
    let server = server(None);
    server.fault(Match::any().times(6), Fault::answer(503, "SlowDown"));
    drop(checking_lock(&server).acquire("me").unwrap());
}

#[test]
fn a_date_of_a_proxys_own_that_is_ahead_is_not_used() {
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
fn a_date_that_is_behind_makes_nobody_early_and_is_used() {
    let server = server(None);
    server.set_date(DateHeader::Ahead(-600));
    assert!(check(&server).unwrap().uses_store_clock());
}

#[test]
fn a_store_is_slow_up_to_four_times_before_its_clock_is_given_up() {
    for (late, used) in [(4, true), (5, false)] {
        let server = server(None);
        let date = (chrono::Utc::now() + chrono::Duration::seconds(60))
            .format("%a, %d %b %Y %H:%M:%S GMT")
            .to_string();
        let ahead = Fault::EditHeader {
            name: "date".to_owned(),
            value: date.into_bytes(),
        };
        // The first create, the create that is refused, and between the first replacement and the
        // next the two that are refused.
        let replaced = Match::put().skip(2);
        server.fault(replaced.times(late + 2), ahead);
        assert_eq!(check(&server).unwrap().uses_store_clock(), used, "{late}");
    }
}

#[test]
fn behind_a_proxy_with_a_clock_of_its_own_nobody_takes_over_by_it() {
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
fn behind_a_proxy_with_a_clock_of_its_own_a_dead_holder_falls_to_who_watched_for_a_lease() {
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
fn a_store_that_never_names_the_version_written_is_used_without_its_clock() {
    let server = server(None);
    server.fault(Match::put().always(), Fault::StripEtag);
    let lock = checking_lock(&server);
    let report = lock.check_store().unwrap();
    assert!(!report.uses_store_clock());
    assert!(scratch_requests(&server).len() < 50);
    lock.try_acquire("me").unwrap().release().unwrap();
}

#[test]
fn what_a_check_found_counts_for_a_client_that_would_not_have_asked() {
    let server = server(Quirk::IgnoresIfMatch);
    let lock = lock(&server);
    unsafe_report(lock.check_store().unwrap_err());
    unsafe_report(lock.try_acquire("me").unwrap_err());
}
