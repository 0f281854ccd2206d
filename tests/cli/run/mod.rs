//! `s3-lock run`.

mod chaos;
mod environment;
pub mod exclusion;
mod killed;
pub mod loss;
mod max_hold;
mod on_terminal;
mod once;
mod reports;
mod signals;
mod statuses;
mod stopped;
mod waiting;

use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use s3_lock::LockGuard;
use serde_json::Value;

use crate::eventually;
use crate::folder::Folder;
use crate::program::{Running, s3_lock};
use crate::store::{URL, builder, stored_state};
use crate::support::Server;

/// Options for a lease of 4 s, whose command is ended 1 s before that is over.
pub const SHORT: [&str; 6] = [
    "--request-timeout=1s",
    "--max-operation=2s",
    "--kill-after=1s",
    "--verbose",
    "--wait=50s",
    "--purpose=a test",
];

/// When a lease of [`SHORT`] runs out that nobody has renewed, in seconds since 1970: it begins when its write is sent.
pub fn deadline(server: &Server) -> f64 {
    let requests = server.requests();
    let write = requests.iter().find(|one| one.method == "PUT");
    let passed = write.expect("the lock was acquired").at.elapsed();
    now() + 4.0 - passed.as_secs_f64()
}

/// The seconds since 1970.
pub fn now() -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.expect("the clock is right").as_secs_f64()
}

/// A text for the shell that goes on, does this when it gets SIGTERM, and writes down again and again that it lives.
pub fn living(folder: &Folder, at_sigterm: &str) -> String {
    let file = folder.file("life");
    let step = format!("date +%s.%N >> {file}; sleep 0.02");
    format!("trap '{at_sigterm}' TERM; echo started; while :; do {step}; done")
}

/// Until when such a text has lived.
pub fn lived_until(folder: &Folder) -> f64 {
    let life = folder.text("life");
    // It may have been killed in the middle of a line.
    let (whole, _) = life.rsplit_once('\n').expect("it has lived");
    let last = whole.lines().last().expect("it has lived");
    last.parse().expect("a time is a number")
}

/// A text for the shell that goes on for as long as a test may take, in small steps.
pub const GO_ON: &str = "while :; do sleep 0.02; done";

/// `s3-lock run` with a text for the shell.
pub fn run_text(server: &Server, options: &[&str], text: &str) -> Command {
    let first = ["run", URL].iter().chain(options);
    s3_lock(server, first.chain(&["-c", text]))
}

/// The lock, held by the library.
pub fn held(server: &Server) -> LockGuard {
    let lock = builder(server).keep_alive().purpose("a long report");
    let lock = lock.build().expect("the settings are valid");
    lock.acquire("the-first").expect("nobody else has it")
}

/// Waits until the lock is held.
pub fn is_held(server: &Server) {
    eventually("it is held", || {
        stored_state(server).as_deref() == Some("held")
    });
}

/// Waits until the lock is released.
pub fn is_released(server: &Server) {
    eventually("it is released", || {
        stored_state(server).as_deref() == Some("released")
    });
}

/// The tickets in the lock's queue.
pub fn tickets(server: &Server) -> usize {
    let queue = server.object("locks/nightly.queue");
    let queue = queue.map(|queue| serde_json::from_slice::<Value>(&queue.body));
    let queue = queue.map(|queue| queue.expect("a queue is JSON"));
    queue.map_or(0, |queue| {
        queue["tickets"].as_array().map_or(0, std::vec::Vec::len)
    })
}

/// Waits until this many have a ticket.
pub fn are_waiting(server: &Server, count: usize) {
    eventually("they have a ticket", || tickets(server) == count);
}

/// Waits until a program and all that it has started are gone, for no longer than this.
pub fn are_gone(program: &Running, limit: Duration) {
    let start = Instant::now();
    while !program.descendants().is_empty() {
        let left = program.descendants();
        assert!(start.elapsed() < limit, "still there: {left:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The watchdog of a run whose command runs: a copy of s3-lock.
pub fn watchdog(running: &Running) -> Option<i32> {
    let is_copy = |id: &i32| {
        let program = std::fs::read_link(format!("/proc/{id}/exe"));
        program.is_ok_and(|path| path.ends_with("s3-lock"))
    };
    running.descendants().into_iter().find(is_copy)
}

/// The same command, started by another with these words in front of it.
pub fn wrapped(command: &Command, words: &[&str]) -> Command {
    let mut other = Command::new(words[0]);
    other
        .args(&words[1..])
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear()
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    for (name, value) in command.get_envs() {
        other.env(name, value.expect("only variables that are set"));
    }
    other
}
