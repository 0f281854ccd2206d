//! Racing a store: a store that compares and then writes is found out, and no other.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use std::{env, thread};

use s3_lock::{Client, InMemoryStore, LockError, StorageErrorKind, StoreReport};

use crate::support::{BUCKET, Fault, FileStore, Match, Quirk, Server};
use crate::{
    checking_builder, checking_builder_at, checking_client, lock, lock_of, requests_of, storage,
};

fn race(server: &Server, rounds: u32) -> Result<StoreReport, LockError> {
    lock_of(&checking_client(server)).race_store(rounds)
}

fn refuted(raced: Result<StoreReport, LockError>) -> String {
    match raced {
        Err(LockError::UnsafeStore(report)) => report.to_string(),
        other => panic!("not an unsafe store: {other:?}"),
    }
}

fn server(quirk: Quirk) -> Server {
    let server = Server::start();
    server.set_quirk(quirk);
    server
}

fn race_keys(server: &Server) -> Vec<String> {
    let keys = server.requests().into_iter().map(|r| r.key);
    let mut keys: Vec<_> = keys.filter(|k| k.contains("-race-")).collect();
    keys.sort();
    keys.dedup();
    keys
}

/// How many rounds an honest store is raced in.
const ROUNDS: &str = "S3_LOCK_TEST_ROUNDS";

#[test]
fn race_store_decides_two_races_in_each_round_of_an_honest_store() {
    let server = Server::start();
    let rounds = env::var(ROUNDS).map_or(5, |n| n.parse().expect("a number of rounds"));
    let report = race(&server, rounds).unwrap();
    assert!(report.is_safe());
    let races = 1 + 2 * rounds;
    assert_eq!(report.races(), races);
    let told = format!("not refuted in {races} races");
    assert!(report.to_string().contains(&told), "{report}");
}

#[test]
fn race_store_decides_its_races_in_memory_too() {
    let rounds = env::var(ROUNDS).map_or(5, |n| n.parse().expect("a number of rounds"));
    let report = lock_of(&Client::in_memory()).race_store(rounds).unwrap();
    assert_eq!(report.races(), 1 + 2 * rounds);
}

#[test]
fn race_store_with_several_clients_deals_the_writers_out() {
    let server = Server::start();
    let clients: Vec<_> = (0..3).map(|_| checking_client(&server)).collect();
    let lock = lock_of(&checking_client(&server));
    assert_eq!(lock.race_store_with(2, &clients).unwrap().races(), 1 + 4);
    let sent: Vec<_> = clients
        .iter()
        .map(|client| client.request_counts().writes().total())
        .collect();
    assert_eq!(sent, [2 * 2 * 2, 2 * 2 * 3, 2 * 2 * 3]);
    let store = InMemoryStore::new();
    let report = lock_of(&store.client()).race_store_with(1, &[store.client(), store.client()]);
    assert_eq!(report.unwrap().races(), 3);
}

#[test]
fn race_store_takes_nineteen_requests_a_round_beside_its_check() {
    let server = Server::start();
    let (sent, _) = requests_of(&server, || race(&server, 3).unwrap());
    assert_eq!(sent.len(), 14 + 3 * 19);
}

#[test]
fn race_store_leaves_no_key_behind() {
    let server = Server::start();
    race(&server, 2).unwrap();
    let keys = race_keys(&server);
    assert_eq!(keys.len(), 2);
    assert!(keys.iter().all(|k| k.starts_with("locks/.s3-lock-race-")));
    assert!(keys.iter().all(|k| server.object(k).is_none()));
}

#[test]
fn race_store_does_without_the_permission_to_remove_its_keys() {
    let server = Server::start();
    let denied = Fault::answer(403, "AccessDenied");
    server.fault(Match::delete().always(), denied);
    let client = checking_client(&server);
    assert_eq!(lock_of(&client).race_store(3).unwrap().races(), 7);
    assert_eq!(server.count("DELETE"), 1, "it is not asked for again");
    let left = race_keys(&server);
    assert!(left.iter().all(|k| server.object(k).is_some()));
    assert_eq!(client.list(BUCKET, "locks").unwrap(), []);
}

#[test]
fn race_store_tells_one_broken_race_of_creates_step_by_step() {
    let told = refuted(race(&server(Quirk::TwoStepsToCreate), 1));
    for step in [
        "more than one of the creates",
        "in round 1 (1) locks/.s3-lock-race-",
        "did not exist; (2) 8 writers sent a PUT with If-None-Match: * at the same moment; (3) writer ",
        " was answered 200 with ETag \"",
    ] {
        assert!(told.contains(step), "{step}: {told}");
    }
}

#[test]
fn race_store_tells_one_broken_race_of_replacements_step_by_step() {
    let told = refuted(race(&server(Quirk::TwoStepsToReplaceSome), 1));
    for step in [
        "more than one of the replacements",
        "in round 1 (1) locks/.s3-lock-race-",
        " had the ETag \"",
        "; (2) 8 writers sent a PUT with If-Match: \"",
    ] {
        assert!(told.contains(step), "{step}: {told}");
    }
}

#[test]
fn race_store_refuses_the_store_to_every_later_call_of_the_client() {
    let server = server(Quirk::TwoStepsToCreate);
    let lock = lock_of(&checking_client(&server));
    refuted(lock.race_store(1));
    let (sent, refused) = requests_of(&server, || lock.try_acquire("me"));
    assert!(matches!(refused, Err(LockError::UnsafeStore(_))));
    assert!(sent.is_empty(), "{sent:?}");
}

#[test]
fn race_store_of_a_store_that_its_check_refuses_races_nothing() {
    let server = server(Quirk::IgnoresIfMatch);
    refuted(race(&server, 1));
    assert!(race_keys(&server).is_empty());
}

#[test]
fn race_store_sends_etags_as_the_store_takes_them() {
    let report = race(&server(Quirk::UnquotedIfMatchOnly), 2).unwrap();
    assert_eq!(report.races(), 5);
}

#[test]
fn race_store_does_not_count_races_whose_losers_are_told_of_errors() {
    let report = race(&server(Quirk::ErrorsForLosers), 2).unwrap();
    // That of the check has one loser, and only every other is told of one.
    assert!(report.is_safe() && report.races() <= 1, "{report}");
}

/// What makes a race show nothing, and never a store unsafe.
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

#[test]
fn race_store_refutes_nobody_for_trouble_on_the_way() {
    for trouble in troubles() {
        let server = Server::start();
        // A round is sixteen PUTs, and seven are of the check before.
        for skip in (7..7 + 2 * 16).step_by(3) {
            server.fault(Match::put().skip(skip), trouble.clone());
            let report = race(&server, 2).unwrap();
            assert!(
                report.is_safe() && report.races() < 6,
                "{trouble:?}: {report}"
            );
            server.clear_faults();
        }
    }
}

#[test]
fn race_store_ends_with_an_error_when_nobody_answers() {
    let server = Server::start();
    let client = checking_builder(&server).request_timeout(Duration::from_millis(100));
    let lock = lock_of(&client.build().unwrap());
    // The check passes.
    let race = Match::any().key_prefix("locks/.s3-lock-race-").always();
    server.fault(race, Fault::DropBefore);
    let error = storage(lock.race_store(1_000).unwrap_err());
    assert_eq!(error.kind(), StorageErrorKind::NoAnswer);
}

#[test]
fn race_store_tells_of_a_missing_permission_for_its_keys() {
    for (rule, permission) in [
        (Match::put(), "s3:PutObject"),
        (Match::get(), "s3:GetObject"),
    ] {
        let server = Server::start();
        let rule = rule.key_prefix("locks/.s3-lock-race-").always();
        server.fault(rule, Fault::answer(403, "AccessDenied"));
        let error = storage(race(&server, 1).unwrap_err());
        assert_eq!(error.kind(), StorageErrorKind::AccessDenied);
        let message = error.to_string();
        assert!(message.contains(permission), "{message}");
        assert!(message.contains(".s3-lock-race-"), "{message}");
    }
}

#[test]
fn race_store_says_how_many_rounds_and_clients_there_may_be() {
    let store = InMemoryStore::new();
    let lock = lock_of(&store.client());
    let clients = |number: usize| -> Vec<_> { (0..number).map(|_| store.client()).collect() };
    for (rounds, number, field) in [
        (0, 1, "rounds"),
        (1_001, 1, "rounds"),
        (1, 0, "clients"),
        (1, 9, "clients"),
    ] {
        match lock.race_store_with(rounds, &clients(number)) {
            Err(LockError::Config(error)) => assert_eq!(error.field(), field),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(store.client().request_counts().total(), 0);
}

#[test]
fn race_store_can_be_called_inside_an_async_runtime() {
    let server = Server::start();
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let report = runtime.unwrap().block_on(async { race(&server, 1) });
    assert_eq!(report.unwrap().races(), 3);
}

#[test]
fn race_store_refutes_s3s_fs_each_time() {
    let store = FileStore::start();
    let client = || checking_builder_at(&store.endpoint()).assume_conditional_writes();
    for _ in 0..3 {
        // The check of it need not pass, and mostly does not.
        refuted(lock_of(&client().build().unwrap()).race_store(20));
    }
}

/// How often s3s-fs passes a check, of so many.
fn passes_of_s3s_fs(checks: u32) -> u32 {
    let store = FileStore::start();
    let passes = (0..checks).filter(|_| {
        let client = checking_builder_at(&store.endpoint()).build().unwrap();
        match lock_of(&client).check_store() {
            Ok(_) => true,
            Err(LockError::UnsafeStore(_)) => false,
            Err(error) => panic!("{error:?}"),
        }
    });
    u32::try_from(passes.count()).unwrap()
}

#[test]
fn check_store_mostly_refutes_s3s_fs() {
    let passes = passes_of_s3s_fs(40);
    println!("s3s-fs passed {passes} of 40 checks");
    assert!(passes < 20, "{passes} of 40");
}

/// How many runs of [`check_store_refuses_no_honest_store_with_twenty_checkers_at_once`].
const RUNS: &str = "S3_LOCK_TEST_CHECKS";

#[test]
fn check_store_refuses_no_honest_store_with_twenty_checkers_at_once() {
    let runs: u32 = env::var(RUNS).map_or(60, |n| n.parse().expect("a number of runs"));
    let server = Server::start();
    let memory = InMemoryStore::new();
    let (left, races) = (AtomicU32::new(runs), AtomicU32::new(0));
    let start = Barrier::new(20);
    thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                start.wait();
                let take = |n: u32| n.checked_sub(1);
                while left
                    .fetch_update(Ordering::SeqCst, Ordering::SeqCst, take)
                    .is_ok()
                {
                    let report = lock_of(&checking_client(&server)).check_store().unwrap();
                    races.fetch_add(report.races(), Ordering::SeqCst);
                    lock_of(&memory.client()).check_store().unwrap();
                }
            });
        }
    });
    println!("{runs} runs, {} races decided", races.into_inner());
}

#[test]
fn race_store_disturbs_no_lock_and_no_other_race() {
    let server = Server::start();
    let guard = lock(&server).acquire("me").unwrap();
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| assert!(race(&server, 2).unwrap().races() >= 4));
        }
    });
    guard.verify().unwrap();
}
