//! You want this when one program at a time may do something, on whatever machine it runs.
//! Run it with `cargo run --example ten_lines`.

mod support;

use std::time::Duration;

use s3_lock::{Client, LockError, S3Lock, default_owner};

fn nightly_report(client: Client) -> Result<(), LockError> {
    let lock = S3Lock::builder("my-bucket", "nightly-report")
        .folder("locks") // the same in every program that shares the lock
        .max_operation(Duration::from_secs(120)) // the longest time that the work may take
        .client(client)
        .build()?;
    let guard = lock.acquire(default_owner())?; // waits while another process has it
    println!("my turn, with fencing token {}", guard.fencing_token());
    guard.check()?; // before each effect that must not happen twice
    guard.release() // dropping it does the same, but cannot return an error
}

fn main() -> Result<(), LockError> {
    // On AWS: `nightly_report(Client::new()?)`. Here the server is part of the example.
    let server = support::start();
    nightly_report(support::client(&server))?;
    println!("the lock is free again, for the next one");
    nightly_report(support::client(&server))
}
