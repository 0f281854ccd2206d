//! What is logged, and what never is.

use std::sync::OnceLock;
use std::time::Duration;

use log::{Level, LevelFilter, Log, Metadata, Record};
use s3_lock::{Client, LockError};

use crate::support::{Fault, Match, SECRET_KEY, Server};
use crate::{KEY, child, eventually, leased};

/// A token that no log may hold.
const SESSION_TOKEN: &str = "session-token-of-the-tests";

/// Writes everything that anybody logs to standard output.
struct Everything;

impl Log for Everything {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let (level, target) = (record.level(), record.target());
        println!("log: {level} {target}: {}", record.args());
    }

    fn flush(&self) {}
}

/// What a child does that logs: every event of a lock's life.
pub fn in_child() {
    // What the test harness has begun to write is no part of the first line.
    println!();
    log::set_logger(&Everything).unwrap();
    log::set_max_level(LevelFilter::Trace);
    let lock = || leased(&Client::new().unwrap(), 900).build().unwrap();
    let (mine, yours) = (lock(), lock());
    let guard = mine.acquire("me").unwrap();
    guard.renew().unwrap();
    let waited = yours.acquire_within("you", Duration::from_millis(300));
    assert!(
        matches!(waited, Err(LockError::TimedOut { .. })),
        "{waited:?}"
    );
    guard.release().unwrap();
    let guard = mine.acquire("me").unwrap();
    eventually("its lease runs out", || guard.check().is_err());
    drop(yours.acquire("you").unwrap());
    guard.release().unwrap_err();
}

/// Panics where others write: a logger may find its output closed.
struct Panics;

impl Log for Panics {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        assert!(record.level() > Level::Warn, "on purpose");
    }

    fn flush(&self) {}
}

/// What a child does whose logger panics in the background.
pub fn in_child_that_panics() {
    log::set_logger(&Panics).unwrap();
    log::set_max_level(LevelFilter::Warn);
    let lock = leased(&Client::new().unwrap(), 3_000).keep_alive();
    let guard = lock.build().unwrap().acquire("me").unwrap();
    std::thread::sleep(Duration::from_secs(6));
    println!("complaint: {:?}", guard.verify());
}

#[test]
fn a_logger_that_panics_keeps_no_lock_from_being_renewed() {
    let server = Server::start();
    // The first renewal fails, and that is logged.
    let renewal = Match::put().key(KEY).skip(1);
    server.fault(renewal, Fault::answer(403, "AccessDenied"));
    let command = child::command("log-panics", &server.endpoint());
    assert_eq!(child::complaint(command), "Ok(())");
    assert_eq!(server.pending_faults(), 0);
}

/// The lines that a child logs; the same for all tests.
fn lines() -> &'static [String] {
    static LINES: OnceLock<Vec<String>> = OnceLock::new();
    LINES.get_or_init(|| {
        let server = Server::start();
        let mut command = child::command("log", &server.endpoint());
        command.env("AWS_SESSION_TOKEN", SESSION_TOKEN);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let output = String::from_utf8(output.stdout).unwrap();
        let lines = output.lines().filter_map(|l| l.strip_prefix("log: "));
        lines.map(str::to_owned).collect()
    })
}

fn assert_logged(level: Level, text: &str) {
    let start = format!("{level} s3_lock");
    let is_it = |line: &&String| line.starts_with(&start) && line.contains(text);
    let lines = lines();
    assert!(lines.iter().any(|line| is_it(&line)), "{lines:#?}");
}

#[test]
fn an_acquisition_with_its_token() {
    assert_logged(
        Level::Info,
        "acquired locks/nightly.lock as \"me\" with fencing token ",
    );
}

#[test]
fn a_renewal() {
    assert_logged(Level::Debug, "renewed locks/nightly.lock");
}

#[test]
fn a_wait_with_the_holder_and_the_time_left() {
    assert_logged(
        Level::Info,
        "waiting: lock locks/nightly.lock is held by \"me\"",
    );
    assert_logged(Level::Info, " more, unless it is renewed");
}

#[test]
fn a_release() {
    assert_logged(Level::Info, "released locks/nightly.lock as \"me\"");
}

#[test]
fn a_loss_with_its_cause() {
    assert_logged(
        Level::Error,
        "locks/nightly.lock: the lock is lost: its lease ran out",
    );
}

#[test]
fn a_takeover_with_whom_it_was_taken_from() {
    assert_logged(
        Level::Warn,
        "took over locks/nightly.lock, which \"me\" did not give back",
    );
}

#[test]
fn no_secret_ever_at_any_level_from_any_crate() {
    let lines = lines();
    assert!(
        lines.iter().any(|line| line.starts_with("DEBUG")),
        "{lines:#?}"
    );
    for secret in [SECRET_KEY, SESSION_TOKEN, "Signature="] {
        let told = lines.iter().find(|line| line.contains(secret));
        assert!(told.is_none(), "{told:?}");
    }
}
