//! Waits for what comes first: something to read, or a moment.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::system::clock::{self, Moment};

/// Waits by a clock that goes on while the machine is suspended, where there is one: what is due when it wakes up, is done
/// then. (Elsewhere it looks ten times a second.)
pub struct Waiter {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    timer: OwnedFd,
}

#[cfg(any(target_os = "linux", target_os = "android"))]
impl Waiter {
    pub fn new() -> io::Result<Waiter> {
        use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = timerfd_create(TimerfdClockId::Boottime, flags)?;
        Ok(Waiter { timer })
    }

    /// Waits until one of these can be read, or `until` has come.
    pub fn wait(&self, pipes: &[BorrowedFd<'_>], until: Option<Moment>) {
        use std::os::fd::AsFd;
        if self.set(until) {
            let mut all = pipes.to_vec();
            all.push(self.timer.as_fd());
            ready(&all, None);
        }
    }

    /// Sets the timer. False if the moment has come already.
    fn set(&self, until: Option<Moment>) -> bool {
        use rustix::time::{Itimerspec, TimerfdTimerFlags, timerfd_settime};
        if until.is_some_and(|until| until <= clock::now()) {
            return false;
        }
        let at = until.map_or(std::time::Duration::ZERO, |Moment(at)| at);
        let never = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let value = Timespec {
            tv_sec: i64::try_from(at.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(at.subsec_nanos()),
        };
        let times = Itimerspec {
            it_interval: never,
            it_value: value,
        };
        // It fails for times that do not exist alone.
        timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &times).is_ok()
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
impl Waiter {
    pub fn new() -> io::Result<Waiter> {
        Ok(Waiter {})
    }

    /// Waits until one of these can be read, or `until` has come.
    pub fn wait(&self, pipes: &[BorrowedFd<'_>], until: Option<Moment>) {
        const NAP: std::time::Duration = std::time::Duration::from_millis(100);
        loop {
            let left = until.map(|until| until.since(clock::now()));
            let nap = left.map_or(NAP, |left| left.min(NAP));
            let timeout = Timespec {
                tv_sec: 0,
                tv_nsec: i64::from(nap.subsec_nanos()),
            };
            let ready = ready(pipes, Some(&timeout));
            if ready.contains(&true) || until.is_some_and(|until| until <= clock::now()) {
                return;
            }
        }
    }
}

/// Whether there is something to read, or never will be again.
pub fn can_be_read(pipe: BorrowedFd<'_>) -> bool {
    let at_once = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    ready(&[pipe], Some(&at_once))[0]
}

/// Waits until a little can be written, for a second at the most. False if nobody reads what is there.
pub fn can_be_written(pipe: BorrowedFd<'_>) -> bool {
    let second = Timespec {
        tv_sec: 1,
        tv_nsec: 0,
    };
    let mut polled = [PollFd::from_borrowed_fd(pipe, PollFlags::OUT)];
    // A signal may come meanwhile: then the caller tries.
    !matches!(poll(&mut polled, Some(&second)), Ok(0))
}

fn ready(pipes: &[BorrowedFd<'_>], timeout: Option<&Timespec>) -> Vec<bool> {
    let mut polled: Vec<_> = pipes
        .iter()
        .map(|pipe| PollFd::from_borrowed_fd(*pipe, PollFlags::IN))
        .collect();
    match poll(&mut polled, timeout) {
        Ok(_) | Err(Errno::INTR) => {}
        // There is no memory: the caller looks for itself.
        Err(_) => return vec![true; pipes.len()],
    }
    let ready = polled.iter().map(|pipe| !pipe.revents().is_empty());
    ready.collect()
}
