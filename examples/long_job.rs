//! You want this when the work takes minutes or hours, and a crash is to free the lock within seconds.
//! Run it with `cargo run --example long_job`.

#![allow(clippy::disallowed_methods, reason = "a rule for the crate itself")]

mod support;

use std::time::Duration;
use std::{process, thread};

use s3_lock::{Client, LockError, RenewalTrouble, S3Lock, default_owner};

fn lock(client: Client) -> Result<S3Lock, LockError> {
    S3Lock::builder("my-bucket", "films")
        .keep_alive() // renews the lock in the background, every third of its lease
        .max_operation(Duration::from_secs(4)) // short for this example; rather 20 s
        .acquire_allowance(Duration::from_secs(4)) // short, too; leave it out
        .max_hold(Duration::from_secs(4 * 3600)) // a job that hangs does not keep the lock for ever
        .client(client)
        .build()
}

fn convert(
    lock: &S3Lock,
    films: impl Iterator<Item = u32>,
    warn: impl FnMut(&RenewalTrouble) + Send + 'static,
) -> Result<(), LockError> {
    let guard = lock.acquire(default_owner())?;
    guard.on_trouble(warn); // renewals fail, but the lock is still held
    guard.on_lost(|cause| {
        eprintln!("{cause}"); // another owner may take the lock 2 s later
        process::exit(1);
    });
    for film in films {
        thread::sleep(Duration::from_secs(1)); // the film is converted
        guard.check()?; // before each effect that must not happen twice
        println!("film {film} is stored");
    }
    guard.release()
}

fn main() -> Result<(), LockError> {
    // On AWS: `lock(Client::new()?)`. Here the server is part of the example, and refuses writes for a while.
    let server = support::start();
    let (warned, warnings) = std::sync::mpsc::channel();
    let films = (1..=12).inspect(|film| match warnings.try_recv() {
        Ok(()) => support::allow_writes(&server),
        Err(_) if *film == 2 => support::refuse_writes(&server),
        Err(_) => (),
    });
    convert(&lock(support::client(&server))?, films, move |trouble| {
        let (left, why) = (trouble.remaining().as_secs_f32(), trouble.error());
        println!("  warning, {left:.1} s of the lease are left: {why}");
        let _ = warned.send(());
    })?;
    println!("12 s of work, on a lease of 8 s");
    assert_eq!(server.pending_faults(), 0, "no renewal has failed");
    Ok(())
}
