//! You want this when ten hosts have the same crontab, and the work is to be completed once a day.
//! Run it with `cargo run --example once_a_day`.

mod support;

use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use s3_lock::{Client, LockError, S3Lock};

type Outcome = Result<(), Box<dyn Error>>;

/// Does the work for `today`, unless another host has completed it.
fn once_a_day(client: Client, host: &str, today: &str, work: impl Fn() -> Outcome) -> Outcome {
    let lock = S3Lock::builder("my-bucket", "report").folder("locks");
    let lock = lock.client(client).build()?;
    let guard = match lock.acquire_once(host, today) {
        Ok(guard) => guard,
        Err(LockError::AlreadyDone { owner, .. }) => {
            println!("  {host} skips it: {owner} has done it");
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    work()?; // if it fails, the guard is dropped, nothing is marked, and another host does the work
    guard.complete()?; // marks the work as done, and releases the lock
    println!("  {host} has done it");
    Ok(())
}

/// Ten hosts, from the same crontab. The first `failing` runs fail.
fn one_night(server: &support::Server, today: &str, failing: usize) {
    println!("{today}");
    let runs = AtomicUsize::new(0);
    let work = || match runs.fetch_add(1, Ordering::SeqCst) {
        run if run < failing => Err("the disk is full".into()),
        _ => Ok(()),
    };
    let run = |host: &str| {
        // On AWS: `Client::new()?`. Here the server is part of the example, and each host is a thread.
        let client = support::client(server);
        if let Err(error) = once_a_day(client, host, today, work) {
            println!("  {host} fails: {error}");
        }
    };
    thread::scope(|scope| {
        for number in 1..=10 {
            scope.spawn(move || run(&format!("host-{number}")));
        }
    });
    assert_eq!(runs.into_inner(), failing + 1);
}

fn main() {
    let server = support::start();
    one_night(&server, "2026-11-30", 0); // as `date -u +%F` prints it
    one_night(&server, "2026-12-01", 1);
}
