//! The watchdog, as s3-lock sees it.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::process::{Pid, Signal};

use crate::supervise::schedule::Schedule;
use crate::supervise::watchdog::messages::{NOTICE, Notice, order};
use crate::supervise::watchdog::watch::{Ends, Orphan, Watch};
use crate::system::introduction::Introduction;
use crate::system::pipe::{self, Read, blocking_pipe, pipe};
use crate::system::process;

/// What the system calls a watchdog. `killall s3-lock` and `pkill s3-lock` must not kill it together with s3-lock: nobody
/// would end the rest of the command's group then.
const NAME: &CStr = c"s3lock-watchdog";

/// A watchdog. It ends when this is dropped.
pub struct Watchdog {
    /// None once it was waited for.
    id: Option<Pid>,
    orders: OwnedFd,
    notices: OwnedFd,
    hello: OwnedFd,
    welcome: OwnedFd,
    is_gone: bool,
}

impl Watchdog {
    /// Makes one. There must be no other thread yet.
    pub fn start(orphan: Orphan) -> io::Result<Watchdog> {
        let (orders, into_orders) = pipe()?;
        let (out_of_notices, notices) = pipe()?;
        let (hello, into_hello) = pipe()?;
        let (out_of_welcome, welcome) = blocking_pipe()?;
        let Some(id) = process::fork()? else {
            // Or the watchdog would keep open what it waits for to close.
            drop((into_orders, out_of_notices, into_hello, out_of_welcome));
            process::detach_from_standard_streams();
            process::rename(NAME);
            let ends = Ends {
                orders,
                notices,
                hello,
                welcome,
            };
            if let Ok(watch) = Watch::new(ends, orphan) {
                watch.watch();
            }
            std::process::exit(0)
        };
        Ok(Watchdog {
            id: Some(id),
            orders: into_orders,
            notices: out_of_notices,
            hello: into_hello,
            welcome: out_of_welcome,
            is_gone: false,
        })
    }

    /// Its process. None once it was waited for.
    pub fn id(&self) -> Option<Pid> {
        self.id
    }

    /// What to wait for. None if the watchdog is gone.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        (!self.is_gone).then(|| self.notices.as_fd())
    }

    /// How the command is to introduce itself.
    pub fn introduction(&self, dies_with_parent: bool) -> Introduction<'_> {
        Introduction {
            hello: self.hello.as_fd(),
            welcome: self.welcome.as_fd(),
            dies_with_parent,
        }
    }

    /// Has it end the command then, instead of when it was told before.
    pub fn follow(&mut self, schedule: Schedule) {
        if !pipe::write(&self.orders, &order(schedule)) {
            self.is_gone = true;
        }
    }

    /// Whether it was killed, with the command or by somebody else. It is known once `notices` has been asked.
    pub fn is_gone(&self) -> bool {
        self.is_gone
    }

    /// Ends it, if it has not ended yet.
    pub fn end(&mut self) {
        self.is_gone = true;
        if let Some(id) = self.id.take() {
            // It may be stopped, so it is not asked.
            process::signal(id, Signal::KILL);
            process::reap(id);
        }
    }

    /// What it has told since the last call.
    pub fn notices(&mut self) -> Vec<Notice> {
        let mut told = Vec::new();
        let mut notice = [0; NOTICE];
        loop {
            match pipe::read(&self.notices, &mut notice) {
                Read::Bytes(_) => told.extend(Notice::of_bytes(notice)),
                Read::Nothing => return told,
                Read::Closed => {
                    self.is_gone = true;
                    return told;
                }
            }
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.end();
    }
}
