//! Waits for the lock, and for signals meanwhile.

use std::io;
use std::os::fd::AsFd;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use s3_lock::{LockError, LockGuard, WaitHandle};

use crate::output::wait_line::WaitLine;
use crate::system::clock;
use crate::system::events::Waiter;
use crate::system::parent::Parent;
use crate::system::pipe::{self, pipe};
use crate::system::signals::Signals;

/// How a wait ended.
pub enum Waited {
    Acquired(LockGuard),
    Refused(LockError),
    Interrupted(Signal),
    /// The process has ended for which the lock was wanted.
    ParentEnded,
}

/// How often to look at what a wait knows.
const LOOK: Duration = Duration::from_millis(250);

/// Runs `acquire`, which waits with `handle`, until it ends or a signal comes.
///
/// A signal ends the wait: its ticket is given back, and what was acquired at that moment is released. A second signal
/// does not wait for that.
pub fn wait(
    acquire: impl FnOnce() -> Result<LockGuard, LockError> + Send + 'static,
    handle: &WaitHandle,
    signals: &Signals,
    parent: Option<&Parent>,
    line: &mut WaitLine,
) -> io::Result<Waited> {
    let (out, into) = pipe()?;
    let (send, receive) = mpsc::channel();
    thread::Builder::new().spawn(move || {
        // Nobody listens any more if a second signal has come.
        let _ = send.send(acquire());
        pipe::write(&into, &[1]);
    })?;
    let waiter = Waiter::new()?;
    let mut told = None;
    loop {
        let pipes = [signals.fd(), out.as_fd()];
        waiter.wait(&pipes, Some(clock::now() + LOOK));
        for received in signals.received() {
            if told.is_some() {
                return Ok(Waited::Interrupted(received.signal));
            }
            told = Some(Waited::Interrupted(received.signal));
        }
        if told.is_none() && parent.is_some_and(Parent::has_ended) {
            told = Some(Waited::ParentEnded);
        }
        if told.is_some() && !handle.is_cancelled() {
            line.clear();
            handle.cancel();
        }
        match receive.try_recv() {
            // Once s3-lock was told to end, a guard is released here, because it is dropped.
            Ok(result) => return Ok(told.unwrap_or_else(|| ended(result))),
            Err(_) if told.is_some() => {}
            Err(_) => line.show(handle.status(), clock::wall()),
        }
    }
}

fn ended(result: Result<LockGuard, LockError>) -> Waited {
    match result {
        Ok(guard) => Waited::Acquired(guard),
        Err(error) => Waited::Refused(error),
    }
}
