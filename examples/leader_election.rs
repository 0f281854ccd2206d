//! You want this when one of several replicas is to lead for as long as it lives, and then another one.
//! Run it with `cargo run --example leader_election`.

#![allow(clippy::disallowed_methods, reason = "a rule for the crate itself")]

mod support;

use std::thread;
use std::time::Duration;

use s3_lock::{Client, LockError, S3Lock, WaitHandle};

/// Leads whenever no other replica does, until `stop` is cancelled.
fn stand(client: Client, name: &str, stop: &WaitHandle) -> Result<(), LockError> {
    let lock = S3Lock::builder("my-bucket", "leader")
        .folder("locks")
        .keep_alive()
        .max_operation(Duration::from_secs(10)) // a leader that crashes has a successor 22 s later
        .wait_handle(stop)
        .client(client)
        .build()?;
    while !stop.is_cancelled() {
        // Waits for as long as another one leads, and through outages of the store.
        let guard = match lock.acquire_within(name, Duration::MAX) {
            Err(LockError::Cancelled { .. }) => break,
            other => other?,
        };
        println!("{name} leads, in term {}", guard.fencing_token()); // each term has a larger number
        while guard.is_held() && !stop.is_cancelled() {
            thread::sleep(Duration::from_millis(100)); // one step of what a leader does
        }
        match guard.release() {
            Ok(()) => println!("{name} steps down"),
            Err(error) => println!("{name} leads no longer: {error}"), // and stands again
        }
    }
    Ok(())
}

fn main() -> Result<(), LockError> {
    // On AWS: `stand(Client::new()?, ...)`. Here the server is part of the example, and each replica is a thread.
    let server = support::start();
    let replica = |name| {
        let (stop, client) = (WaitHandle::new(), support::client(&server));
        let handle = stop.clone();
        (stop, thread::spawn(move || stand(client, name, &handle)))
    };
    let (first, second) = (replica("replica-1"), replica("replica-2"));
    for (stop, thread) in [first, second] {
        thread::sleep(Duration::from_secs(1));
        stop.cancel(); // as its service manager would
        thread.join().expect("no replica panics")?;
    }
    Ok(())
}
