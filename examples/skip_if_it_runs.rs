//! You want this when a second run is of no use while the first is still at work, as with a cache to be warmed.
//! Run it with `cargo run --example skip_if_it_runs`.

mod support;

use s3_lock::{Client, LockError, S3Lock};

/// Does the work unless another owner is at it, and says whether it did.
fn unless_it_runs(lock: &S3Lock, owner: &str, work: impl FnOnce()) -> Result<bool, LockError> {
    let guard = match lock.try_acquire(owner) {
        Ok(guard) => guard,
        Err(LockError::Held(holder)) => {
            println!("{owner} skips it: {holder}");
            return Ok(false);
        }
        Err(error) => return Err(error),
    };
    println!("{owner} warms the cache");
    work();
    guard.release()?;
    println!("{owner} is done");
    Ok(true)
}

fn lock(client: Client) -> Result<S3Lock, LockError> {
    S3Lock::builder("my-bucket", "warm-cache")
        .folder("locks")
        .purpose("warms the cache") // shown to those who skip
        .client(client)
        .build()
}

fn main() -> Result<(), LockError> {
    // On AWS: `lock(Client::new()?)`. Here the server is part of the example, and two clients stand for two hosts.
    let server = support::start();
    let (one, other) = (
        lock(support::client(&server))?,
        lock(support::client(&server))?,
    );

    let has_run = unless_it_runs(&one, "host-17", || {
        let has_run = unless_it_runs(&other, "host-18", || unreachable!("host-17 is at it"));
        assert!(!has_run.expect("a lock that is held is no failure"));
    })?;
    assert!(has_run);
    assert!(unless_it_runs(&other, "host-18", || ())?);
    Ok(())
}
