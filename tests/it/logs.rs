//! What is logged, and what never is.

use std::process::Stdio;
use std::sync::OnceLock;
use std::time::Duration;

use log::{Level, LevelFilter, Log, Metadata, Record};
use s3_lock::internals::Time;
use s3_lock::{Client, LockError};

use crate::by_hand::{self, DUE, is_renewed};
use crate::support::{
    Certificate, ConnectProxy, Fault, Match, Message, SECRET_KEY, Server, TlsFront, Verdict,
};
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
    let lock = || leased(&Client::new().unwrap(), 2000).build().unwrap();
    let (mine, yours) = (lock(), lock());
    let guard = mine.acquire_within("me", Duration::from_secs(60)).unwrap();
    guard.renew().unwrap();
    let waited = yours.acquire_within("you", Duration::from_millis(300));
    assert!(
        matches!(waited, Err(LockError::TimedOut { .. })),
        "{waited:?}"
    );
    let again = mine.acquire_within("me", Duration::from_millis(10));
    assert!(
        matches!(again, Err(LockError::TimedOut { .. })),
        "{again:?}"
    );
    guard.release().unwrap();
    let guard = mine.acquire("me").unwrap();
    eventually("its lease runs out", || guard.check().is_err());
    drop(yours.acquire("you").unwrap());
    guard.release().unwrap_err();
    // Nobody takes this one over, and nobody asks before it is released.
    let guard = mine.acquire("late").unwrap();
    eventually("its lease runs out", || guard.remaining().is_zero());
    guard.release().unwrap();
    assert!(!mine.release("nobody").unwrap());
    mine.acquire_once("me", "2026-11-30")
        .unwrap()
        .release()
        .unwrap();
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
    let time = Time::default();
    let client = time.of(Client::builder()).build().unwrap();
    let lock = by_hand::kept_lock(&client).build().unwrap();
    let guard = lock.acquire("me").unwrap();
    for _ in 0..3 {
        time.advance(DUE);
        is_renewed(&guard);
    }
    println!("complaint: {:?}", guard.verify());
}

#[test]
fn keep_alive_goes_on_with_a_logger_that_panics() {
    let server = Server::start();
    // The first renewal fails, and that is logged.
    let renewal = Match::put().key(KEY).skip(1);
    server.fault(renewal, Fault::answer(403, "AccessDenied"));
    let command = child::command("log-panics", &server.endpoint());
    assert_eq!(child::complaint(command), "Ok(())");
    assert_eq!(server.pending_faults(), 0);
}

/// Panics at every line, with something that panics again when it is dropped.
struct AlwaysPanics;

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("on purpose, again");
    }
}

impl Log for AlwaysPanics {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        if record.target().starts_with("s3_lock") {
            std::panic::panic_any(Bomb);
        }
    }

    fn flush(&self) {}
}

/// Everything that a guard can live through, each step of which must go as it does without a logger.
fn whole_life() {
    let time = Time::default();
    let client = time.of(Client::builder()).build().unwrap();
    let lock = leased(&client, 60_000).build().unwrap();
    let guard = lock.acquire("me").unwrap();
    guard.renew().unwrap();
    guard.keep_alive().unwrap();
    for _ in 0..3 {
        time.advance(DUE);
        is_renewed(&guard);
    }
    guard.verify().unwrap();
    drop(guard);
    let lock = leased(&client, 2_000).build().unwrap();
    // The client's own queue went on, and the lock is free.
    lock.try_acquire("me").unwrap().release().unwrap();
    let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _guard = lock.acquire("me").unwrap();
        panic!("on purpose");
    }));
    assert!(unwound.is_err());
    let guard = lock.try_acquire("me").unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    guard.on_lost(|_| std::panic::panic_any(Bomb));
    guard.on_lost(move |_| tell.send(()).unwrap());
    told.recv_timeout(Duration::from_secs(60)).unwrap();
    guard.check().unwrap_err();
    guard.detach();
    let other = leased(&Client::new().unwrap(), 2_000).build().unwrap();
    // A takeover, and a release by name.
    other.acquire("you").unwrap().detach();
    assert!(other.release("you").unwrap());
    let seen = other.acquire("you").unwrap();
    assert!(lock.force_release(&seen.info()).unwrap());
    drop(seen);
    drop(lock.try_acquire("me").unwrap());
}

/// What a child does whose logger panics at every line.
pub fn in_child_that_always_panics() {
    log::set_logger(&AlwaysPanics).unwrap();
    log::set_max_level(LevelFilter::Trace);
    whole_life();
    println!("complaint: none");
}

/// What a child does that logs to an output which nobody reads any more.
pub fn in_child_without_an_output() {
    log::set_logger(&Everything).unwrap();
    log::set_max_level(LevelFilter::Trace);
    close_the_output();
    let printed = std::panic::catch_unwind(|| println!("to nobody"));
    assert!(printed.is_err());
    whole_life();
    eprintln!("complaint: none");
    // The harness would fail to print how it went.
    std::process::exit(0);
}

/// Puts a pipe that nobody reads in the place of standard output.
fn close_the_output() {
    let mut ends = [0; 2];
    // SAFETY: `ends` has room for the two descriptors, and only those are closed.
    unsafe {
        assert_eq!(libc::pipe(ends.as_mut_ptr()), 0);
        assert_eq!(libc::dup2(ends[1], 1), 1);
        assert_eq!(libc::close(ends[0]) + libc::close(ends[1]), 0);
    }
}

#[test]
fn client_calls_neither_panic_nor_fail_with_a_logger_that_panics_at_every_line() {
    let server = Server::start();
    let command = child::command("log-panics-always", &server.endpoint());
    assert_eq!(child::complaint(command), "none");
}

#[test]
fn client_calls_neither_panic_nor_fail_with_a_logger_that_prints_to_a_closed_pipe() {
    let server = Server::start();
    let mut command = child::command("log-closed-pipe", &server.endpoint());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("complaint: none"), "{said}");
}

/// Asks for the lock's status at every line of the lock's own.
struct Calls;

static ASKED: OnceLock<s3_lock::S3Lock> = OnceLock::new();
static ANSWERS: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);

thread_local! {
    static ASKING: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

impl Log for Calls {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        if let Some(lock) = ASKED
            .get()
            .filter(|_| record.target().starts_with("s3_lock"))
        {
            if !ASKING.replace(true) {
                // The clock that the test moves may have cut its time short.
                let _ = lock.status();
                ANSWERS.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                ASKING.set(false);
            }
        }
    }

    fn flush(&self) {}
}

/// What a child does whose logger calls the client.
pub fn in_child_that_calls() {
    log::set_logger(&Calls).unwrap();
    log::set_max_level(LevelFilter::Trace);
    let time = Time::default();
    let client = time.of(Client::builder()).build().unwrap();
    let lock = leased(&client, 60_000).build().unwrap();
    ASKED.set(lock.clone()).unwrap();
    let guard = lock.acquire("me").unwrap();
    guard.renew().unwrap();
    guard.keep_alive().unwrap();
    for _ in 0..5 {
        time.advance(DUE);
        is_renewed(&guard);
    }
    let waited = lock.acquire_within("you", Duration::from_millis(300));
    assert!(matches!(waited, Err(LockError::TimedOut { .. })));
    guard.release().unwrap();
    let answers = ANSWERS.load(std::sync::atomic::Ordering::SeqCst);
    assert!(answers >= 4, "{answers}");
    println!("complaint: none");
}

#[test]
fn client_may_be_called_by_the_logger_that_it_logs_to() {
    let server = Server::start();
    let mut command = child::command("log-calls", &server.endpoint());
    let mut child = command.spawn().unwrap();
    let start = std::time::Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("it waits for itself");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(child.wait().unwrap().success());
}

/// The lines that a child logs; the same for all tests.
fn lines() -> &'static [String] {
    static LINES: OnceLock<Vec<String>> = OnceLock::new();
    LINES.get_or_init(|| {
        let server = Server::start();
        server.fault(Match::get().key(KEY).times(4), Fault::DropBefore);
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
fn acquire_is_logged_with_its_token() {
    assert_logged(
        Level::Info,
        "acquired locks/nightly.lock as \"me\" with fencing token ",
    );
}

#[test]
fn acquire_that_gets_no_answer_is_logged_while_it_tries_again() {
    assert_logged(Level::Warn, "no answer yet: GET http://");
}

#[test]
fn acquire_that_waits_for_its_own_client_is_logged_with_what_helps() {
    let text = "; a guard of this client has it: if it is this thread's own, drop it first";
    assert_logged(Level::Info, text);
}

#[test]
fn release_after_the_lease_is_logged_as_a_loss_though_the_store_has_taken_it() {
    let mut lines = lines().iter();
    lines.find(|line| line.contains("acquired locks/nightly.lock as \"late\""));
    assert!(lines.any(|line| line.contains("its lease ran out")));
}

#[test]
fn release_by_a_name_that_has_nothing_is_logged() {
    let text = "nothing to release: locks/nightly.lock is free, or held otherwise";
    assert_logged(Level::Info, text);
}

#[test]
fn release_of_a_label_that_is_not_done_is_logged_as_such() {
    let text = "released locks/nightly.lock as \"me\"; \"2026-11-30\" is not marked as done";
    assert_logged(Level::Info, text);
}

#[test]
fn renew_is_logged() {
    assert_logged(Level::Debug, "renewed locks/nightly.lock");
}

#[test]
fn acquire_that_waits_is_logged_with_the_holder_and_the_time_left() {
    assert_logged(
        Level::Info,
        "waiting: lock locks/nightly.lock is held by \"me\"",
    );
    assert_logged(Level::Info, " more, unless it is renewed");
}

#[test]
fn release_is_logged() {
    assert_logged(Level::Info, "released locks/nightly.lock as \"me\"");
}

#[test]
fn guard_that_is_lost_is_logged_with_the_cause() {
    assert_logged(
        Level::Error,
        "locks/nightly.lock: the lock is lost: its lease ran out",
    );
}

#[test]
fn acquire_that_takes_over_is_logged_with_whom_it_took_it_from() {
    assert_logged(
        Level::Warn,
        "took over locks/nightly.lock, which \"me\" did not give back",
    );
}

#[test]
fn client_logs_no_secret_at_any_level_from_any_crate() {
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

/// The password of a proxy, plain and as Basic authentication has it.
const PASSWORD: [&str; 2] = ["hunter2", "bWU6aHVudGVyMg"];

#[test]
fn client_logs_no_password_of_a_proxy_at_any_level_from_any_crate() {
    let (server, certificate) = (Server::start(), Certificate::make("logs"));
    let door = TlsFront::start(&server.endpoint(), &certificate);
    let asks = |request: &Message| Verdict::for_password(request, "bWU6aHVudGVyMg==");
    for endpoint in [server.endpoint(), door.endpoint()] {
        let proxy = ConnectProxy::with(asks);
        let mut command = child::command("log", &endpoint);
        command
            .env("AWS_SESSION_TOKEN", SESSION_TOKEN)
            .env("AWS_CA_BUNDLE", certificate.file())
            .env("ALL_PROXY", proxy.endpoint_for("me:hunter2"))
            .stderr(Stdio::piped());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let told = format!("{output:?}");
        for secret in PASSWORD.into_iter().chain([SECRET_KEY, SESSION_TOKEN]) {
            assert!(!told.contains(secret), "{told}");
        }
        assert!(!proxy.methods().is_empty());
    }
}
