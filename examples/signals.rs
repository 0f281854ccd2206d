//! You want this when Ctrl-C, or the SIGTERM of a service manager, must not leave the lock taken.
//! Run it with `cargo run --example signals`.
#![allow(clippy::disallowed_methods, reason = "a rule for the crate itself")]

mod support;
use s3_lock::{Client, LockError, S3Lock, WaitHandle};
use std::{io, thread, time::Duration};

/// Has SIGTERM and Ctrl-C cancel `stop`. The second one ends the program at once.
#[cfg(unix)]
fn cancel_on_signals(stop: WaitHandle) -> io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])?;
    thread::spawn(move || {
        for signal in signals.forever() {
            if stop.is_cancelled() {
                let _ = signal_hook::low_level::emulate_default_handler(signal);
            }
            stop.cancel();
        }
    });
    Ok(())
}

/// Works until `stop` is cancelled.
fn work(client: Client, owner: &str, stop: &WaitHandle) -> Result<(), LockError> {
    let lock = S3Lock::builder("my-bucket", "import").wait_handle(stop);
    let guard = lock.client(client).build()?.acquire(owner)?; // `stop` ends this wait, too
    while !stop.is_cancelled() {
        guard.check()?;
        thread::sleep(Duration::from_millis(50)); // one step of the work
    }
    guard.release()
}

#[cfg(unix)]
fn main() -> io::Result<()> {
    let server = support::start(); // on AWS: no server, and `Client::new()?` below
    let stop = WaitHandle::new();
    cancel_on_signals(stop.clone())?;
    let run = |owner| {
        let ended = work(support::client(&server), owner, &stop);
        println!("{owner} has ended with {ended:?}");
    };
    let works = || server.count("PUT") > 0 && stop.status().is_none();
    let waits = || stop.status().is_some_and(|wait| wait.holder().is_some());
    thread::scope(|scope| {
        scope.spawn(|| run("host-17"));
        support::until(|| stop.is_cancelled() || works());
        scope.spawn(|| run("host-18"));
        support::until(|| stop.is_cancelled() || waits());
        if stop.is_cancelled() {
            return Ok(()); // you were faster
        }
        println!("host-17 works, host-18 waits for it, and SIGTERM comes");
        signal_hook::low_level::raise(signal_hook::consts::SIGTERM)
    })
}
#[cfg(not(unix))]
fn main() {}
