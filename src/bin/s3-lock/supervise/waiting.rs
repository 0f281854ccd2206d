//! Waits for the lock, and for signals meanwhile.

use std::io;
use std::os::fd::AsFd;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use s3_lock::{LockError, LockGuard, WaitHandle};

use crate::output::wait_line::WaitLine;
use crate::supervise::acquire::Acquire;
use crate::system::clock;
use crate::system::events::Waiter;
use crate::system::parent::Parent;
use crate::system::pipe::{self, pipe};
use crate::system::signals::Signals;
use crate::system::wall_clock;

/// How a wait ended.
pub enum Waited {
    Acquired(LockGuard),
    Refused(LockError),
    Interrupted(Signal),
    /// The process has ended for which the lock was wanted.
    ParentEnded,
    /// The store has never answered.
    Unanswered,
}

/// How often to look at what a wait knows.
const LOOK: Duration = Duration::from_millis(250);
/// How long a store may leave everything unanswered, where a wait has no limit.
const TIME_TO_ANSWER: Duration = Duration::from_secs(30);

/// Whom a wait listens to.
pub struct Listeners<'a> {
    pub signals: &'a Signals,
    pub parent: Option<&'a Parent>,
}

/// Acquires the lock with `handle` watching, until that ends or there is a reason to end it.
///
/// Then its ticket is given back, and what was acquired at that moment is released. A second signal does not wait for
/// that.
pub fn wait(
    acquire: Acquire,
    handle: &WaitHandle,
    listeners: &Listeners<'_>,
    line: &mut WaitLine,
) -> io::Result<Waited> {
    let (start, answers) = (clock::now(), acquire.answers());
    let is_endless = acquire.is_endless();
    let (out, into) = pipe()?;
    let (send, receive) = mpsc::channel();
    thread::Builder::new().spawn(move || {
        // Nobody listens any more if a second signal has come.
        let _ = send.send(acquire.acquire());
        pipe::write(&into, &[1]);
    })?;
    let waiter = Waiter::new()?;
    let mut reason = None;
    loop {
        let pipes = [listeners.signals.fd(), out.as_fd()];
        let now = clock::now();
        waiter.wait(&pipes, Some(now + LOOK));
        for received in listeners.signals.received() {
            match reason {
                None => reason = Some(Waited::Interrupted(received.signal)),
                // A terminal that is closed sends SIGHUP twice, and nobody is impatient.
                Some(_) if received.signal == Signal::HUP => {}
                Some(_) => return Ok(Waited::Interrupted(received.signal)),
            }
        }
        if reason.is_none() && listeners.parent.is_some_and(Parent::has_ended) {
            reason = Some(Waited::ParentEnded);
        }
        // Where a store has answered once, it may do so again.
        let is_late = is_endless && now.since(start) > TIME_TO_ANSWER;
        if reason.is_none() && is_late && answers.are_missing() {
            reason = Some(Waited::Unanswered);
        }
        if reason.is_some() && !handle.is_cancelled() {
            line.clear();
            handle.cancel();
        }
        match receive.try_recv() {
            // If there is a reason to end, a guard is released here, because it is dropped.
            Ok(result) => return Ok(reason.unwrap_or_else(|| ended(result))),
            Err(mpsc::TryRecvError::Disconnected) => {
                return Err(io::Error::other(
                    "the thread that acquires the lock has panicked",
                ));
            }
            Err(_) if reason.is_some() => {}
            Err(_) => line.show(handle.status(), wall_clock::now()),
        }
    }
}

fn ended(result: Result<LockGuard, LockError>) -> Waited {
    match result {
        Ok(guard) => Waited::Acquired(guard),
        Err(error) => Waited::Refused(error),
    }
}
