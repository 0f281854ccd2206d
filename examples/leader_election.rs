//! You want this when one of several replicas is to lead for as long as it lives, and then another one.
//! Run it with `cargo run --example leader_election`.

#![allow(clippy::disallowed_methods, reason = "a rule for the crate itself")]

mod support;

use std::{sync::mpsc, thread, time::Duration};

use s3_lock::{Client, LockError, S3Lock, WaitHandle};

/// Leads whenever no other replica does, until `stop` is cancelled.
fn run(client: Client, name: &str, stop: &WaitHandle, lead: impl Fn()) -> Result<(), LockError> {
    let lock = S3Lock::builder("my-bucket", "leader")
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
            lead(); // one step
        }
        match guard.release() {
            Ok(()) => println!("{name} steps down"),
            Err(error) => println!("{name} leads no longer: {error}"), // and tries again
        }
    }
    Ok(())
}

fn main() {
    // On AWS: `Client::new()?`. Here the server is part of the example, and each replica is a thread.
    let server = support::start();
    let replica = |name| {
        let (client, stop) = (support::client(&server), WaitHandle::new());
        let (handle, (step, steps)) = (stop.clone(), mpsc::channel());
        let lead = move || {
            let _ = step.send(());
            thread::sleep(Duration::from_millis(100));
        };
        let thread = thread::spawn(move || run(client, name, &handle, lead).unwrap());
        (stop, steps, thread)
    };
    let first = replica("replica-1");
    first.1.recv().expect("it leads");
    let second = replica("replica-2");
    for (stop, steps, thread) in [first, second] {
        steps.recv().expect("it leads in its turn");
        stop.cancel(); // on a signal, as in the example `signals`
        thread.join().expect("it does not fail");
    }
}
