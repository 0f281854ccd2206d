//! The queue beside a lock, over HTTP: what it costs, what is written, whose turn it is, and what becomes of
//! locks where it cannot be used.

mod cost;
mod order;
mod ticket;
mod trouble;

use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use log::{LevelFilter, Log, Metadata, Record};
use s3_lock::internals::Time;
use s3_lock::{Client, LockError, LockGuard, S3Lock, S3LockBuilder};
use serde_json::{Value, json};

use crate::support::{BUCKET, Server};
use crate::{KEY, builder, client_builder, eventually};

/// The key of the queue of the lock that most tests use.
const QUEUE: &str = "locks/nightly.queue";
/// Longer than any test waits.
const LONG: Duration = Duration::from_secs(100);

/// A lock whose waiters look again soon.
fn quick(client: &Client) -> S3LockBuilder {
    builder(client).poll_interval(Duration::from_millis(5), Duration::from_millis(50))
}

/// The same by this name, so that its log lines are those of one test.
fn named(client: &Client, name: &str) -> S3LockBuilder {
    let lock = S3Lock::builder(BUCKET, name).folder("locks");
    lock.client(client.clone())
        .poll_interval(Duration::from_millis(5), Duration::from_millis(50))
}

/// A client whose requests have all the time that a clock may take which is moved by hand.
fn timed_client(server: &Server, time: &Time) -> Client {
    let client = time.of(client_builder(server).request_timeout(Duration::from_secs(60)));
    client.build().unwrap()
}

/// Makes a call while the clock moves on, twenty times as fast as it does by itself.
fn while_time_passes<T: Send>(time: &Time, call: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let calling = scope.spawn(call);
        while !calling.is_finished() {
            time.advance(Duration::from_millis(95));
            thread::sleep(Duration::from_millis(5));
        }
        calling.join().unwrap()
    })
}

fn object(server: &Server, key: &str) -> Option<Value> {
    let stored = server.object(key)?;
    Some(serde_json::from_slice(&stored.body).expect("it is JSON"))
}

/// The stored record.
fn record(server: &Server) -> Value {
    object(server, KEY).expect("the lock was used")
}

/// The tickets in the stored queue.
fn tickets_in(server: &Server, key: &str) -> Vec<Value> {
    let queue = object(server, key);
    let tickets = queue.as_ref().and_then(|queue| queue["tickets"].as_array());
    tickets.cloned().unwrap_or_default()
}

fn tickets(server: &Server) -> Vec<Value> {
    tickets_in(server, QUEUE)
}

fn wait_for_tickets(server: &Server, count: usize) {
    eventually("that many wait", || tickets(server).len() == count);
}

/// The bytes of a queue with these tickets, each with its number and its `react_ms`.
fn forged(served: u64, tickets: impl IntoIterator<Item = (u64, u64)>) -> Value {
    let ticket = |(n, react_ms): (u64, u64)| json!({ "n": n, "nonce": format!("{:032x}", 7000 + n), "react_ms": react_ms, "label": "dead" });
    let tickets: Vec<_> = tickets.into_iter().map(ticket).collect();
    let last = tickets.iter().filter_map(|ticket| ticket["n"].as_u64());
    let next = last.max().unwrap_or(served) + 1;
    json!({
        "format": 1,
        "nonce": format!("{:032x}", 1),
        "next": next,
        "served": served,
        "tickets": tickets,
    })
}

/// Puts a dead client's ticket into the queue, which the others may give as long as any.
fn put_dead_ticket(server: &Server) {
    server.put_object(QUEUE, forged(0, [(1000, 10_000)]).to_string());
}

/// Changes the stored record.
fn edit_record(server: &Server, edit: impl FnOnce(&mut Value)) {
    let mut record = record(server);
    edit(&mut record);
    server.put_object(KEY, record.to_string());
}

/// The requests for the queue, by their methods.
fn queue_requests(server: &Server) -> Vec<String> {
    let requests = server.requests().into_iter();
    let of_queue = requests.filter(|request| request.key == QUEUE);
    of_queue.map(|request| request.method).collect()
}

/// All requests: the method, and whether it is for the lock or the queue.
fn requests(server: &Server) -> Vec<(String, &'static str)> {
    let what = |key: &str| match key {
        KEY => "lock",
        QUEUE => "queue",
        other => panic!("a request for {other}"),
    };
    let requests = server.requests().into_iter();
    requests.map(|r| (r.method, what(&r.key))).collect()
}

fn as_text<'a>(requests: &'a [(String, &'static str)]) -> Vec<(&'a str, &'static str)> {
    requests.iter().map(|(m, k)| (m.as_str(), *k)).collect()
}

/// How many came first, as an acquire says that has given up.
fn ahead(got: Result<LockGuard, LockError>) -> Option<usize> {
    match got {
        Err(LockError::TimedOut { ahead, .. }) => ahead,
        other => panic!("{other:?}"),
    }
}

/// Keeps the warnings of this process.
struct Ear;

static WARNINGS: Mutex<Vec<String>> = Mutex::new(Vec::new());

impl Log for Ear {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= LevelFilter::Warn && metadata.target().starts_with("s3_lock")
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let line = record.args().to_string();
            WARNINGS.lock().unwrap().push(line);
        }
    }

    fn flush(&self) {}
}

/// Has the warnings kept from now on.
fn listen() {
    static SET: OnceLock<()> = OnceLock::new();
    SET.get_or_init(|| {
        log::set_logger(&Ear).expect("only this test binary's children have another");
        log::set_max_level(LevelFilter::Warn);
    });
}

/// The warnings so far about this queue.
fn warnings(key: &str) -> Vec<String> {
    let all = WARNINGS.lock().unwrap();
    all.iter().filter(|l| l.contains(key)).cloned().collect()
}
