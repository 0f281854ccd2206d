//! The lock against a real S3 server in this process: real HTTP, real signatures, real processes.

#![allow(
    clippy::disallowed_methods,
    reason = "a test may wait and look at the clock as it likes"
)]

mod alpn;
mod auto_traits;
mod bad_input;
mod bounds;
mod by_hand;
mod certificates;
mod check_store;
mod child;
mod conformance;
mod contention;
mod credentials;
mod drops;
mod endpoints;
mod environment;
mod fenced_publish;
mod force_release;
mod forks;
mod hand_over;
mod holding;
mod keep_alive;
mod listing;
mod logs;
mod lost_replies;
mod names;
mod nginx;
mod on_lost;
mod on_trouble;
mod once;
mod properties;
mod proxies;
mod proxy;
mod queue;
mod race_store;
mod reclaim;
mod redirects;
mod request_counts;
mod requests;
mod shared_guard;
mod signals;
mod takeover;
mod wait_handle;

#[path = "../support/mod.rs"]
mod support;

use std::time::Duration;

use s3_lock::{Client, ClientBuilder, LockError, S3Lock, S3LockBuilder};
use support::{ACCESS_KEY, BUCKET, REGION, SECRET_KEY, Server};

/// The name of the lock in tests that need only one, and the key of its object.
const NAME: &str = "nightly";
const KEY: &str = "locks/nightly.lock";

/// The settings of a client that checks the store before it locks anything, as clients with an
/// endpoint do.
fn checking_builder(server: &Server) -> ClientBuilder {
    checking_builder_at(&server.endpoint())
}

fn checking_builder_at(endpoint: &str) -> ClientBuilder {
    Client::builder()
        .endpoint(endpoint)
        .region(REGION)
        .credentials(ACCESS_KEY, SECRET_KEY, None)
}

fn checking_client(server: &Server) -> Client {
    checking_builder(server)
        .build()
        .expect("the settings are valid")
}

/// The same without the check, for tests that count requests or script faults.
fn client_builder(server: &Server) -> ClientBuilder {
    client_builder_at(&server.endpoint())
}

fn client_builder_at(endpoint: &str) -> ClientBuilder {
    checking_builder_at(endpoint).assume_conditional_writes()
}

/// A client of its own, as another process would have.
fn client(server: &Server) -> Client {
    client_builder(server)
        .build()
        .expect("the settings are valid")
}

fn builder(client: &Client) -> S3LockBuilder {
    S3Lock::builder(BUCKET, NAME)
        .folder("locks")
        .client(client.clone())
}

fn lock_of(client: &Client) -> S3Lock {
    builder(client).build().expect("the settings are valid")
}

/// A lock with a client of its own.
fn lock(server: &Server) -> S3Lock {
    lock_of(&client(server))
}

/// A lock with a lease of this many milliseconds.
fn leased(client: &Client, millis: u64) -> S3LockBuilder {
    builder(client)
        .max_operation(Duration::from_millis(millis / 10))
        .acquire_allowance(Duration::from_millis(millis - millis / 10))
}

/// Waits until something is so, for as long as a test may take.
fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let start = std::time::Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A lock with a client of its own and a lease of 2 s, so that tests need not wait long.
fn short_lock(server: &Server) -> S3Lock {
    builder(&client(server))
        .max_operation(Duration::from_millis(100))
        .acquire_allowance(Duration::from_millis(1900))
        .build()
        .expect("the settings are valid")
}

/// The methods of the requests that `call` makes, in order.
fn requests_of<T>(server: &Server, call: impl FnOnce() -> T) -> (Vec<String>, T) {
    server.clear_requests();
    let result = call();
    let methods = server.requests().into_iter().map(|r| r.method).collect();
    (methods, result)
}

/// The `state` in the stored record.
fn stored_state(server: &Server) -> Option<String> {
    let body = server.object(KEY)?.body;
    let record: serde_json::Value = serde_json::from_slice(&body).expect("a record is JSON");
    Some(
        record["state"]
            .as_str()
            .expect("a record has a state")
            .to_owned(),
    )
}

fn storage(error: LockError) -> s3_lock::StorageError {
    match error {
        LockError::Storage(error) => error,
        other => panic!("not a storage error: {other:?}"),
    }
}

#[test]
fn client_lock_guard_and_errors_can_be_shared_between_threads() {
    fn shared<T: Send + Sync + std::fmt::Debug>() {}
    shared::<S3Lock>();
    shared::<S3LockBuilder>();
    shared::<Client>();
    shared::<ClientBuilder>();
    shared::<s3_lock::LockGuard>();
    shared::<LockError>();
    shared::<s3_lock::InMemoryStore>();
}
