//! You want this when one process begins the work and another one ends it, as the steps of a CI pipeline do.
//! Run it with `cargo run --example acquire_here_release_there`.

mod support;

use std::time::Duration;

use s3_lock::{Client, LockError, LockStatus, S3Lock};

fn lock(client: Client) -> Result<S3Lock, LockError> {
    S3Lock::builder("my-bucket", "deploy")
        .folder("locks")
        .max_operation(Duration::from_secs(3600)) // all steps together: nothing renews a lock without a guard
        .purpose("deploys to production")
        .client(client)
        .build()
}

/// The first step. The owner name is the run's alone, because whoever knows it may release the lock.
fn begin(lock: &S3Lock, run: &str) -> Result<(), LockError> {
    let info = lock.acquire(run)?.detach(); // from here on there is no guard
    println!(
        "begin: {run} has the lock, with fencing token {}",
        info.fencing_token()
    );
    Ok(())
}

/// What a person, or a step in between, can ask.
fn show(lock: &S3Lock) -> Result<LockStatus, LockError> {
    let status = lock.status()?;
    println!("show:  {status}");
    Ok(status)
}

/// The last step, and a step that runs on failure. Says whether this call has released the lock.
fn end(lock: &S3Lock, run: &str) -> Result<bool, LockError> {
    let is_released = lock.release(run)?;
    let what = if is_released { "released" } else { "not held" };
    println!("end:   {what} by {run}");
    Ok(is_released)
}

fn main() -> Result<(), LockError> {
    // On AWS: `lock(Client::new()?)`. Here the server is part of the example, and each client stands for a process.
    let server = support::start();
    let process = || lock(support::client(&server));

    begin(&process()?, "deploy-4711")?;
    assert!(matches!(show(&process()?)?, LockStatus::Held(info) if info.owner() == "deploy-4711"));
    assert!(!end(&process()?, "deploy-4712")?);
    assert!(end(&process()?, "deploy-4711")?);
    assert_eq!(show(&process()?)?, LockStatus::Free);
    Ok(())
}
