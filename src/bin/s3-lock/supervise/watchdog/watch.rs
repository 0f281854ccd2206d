//! What the watchdog does, in its own process.

use std::os::fd::{AsFd, OwnedFd};

use rustix::process::{Pid, Signal};

use crate::supervise::schedule::{Due, Schedule};
use crate::supervise::watchdog::messages::{Notice, ORDER, ordered};
use crate::system::clock::{self, Moment};
use crate::system::events::Waiter;
use crate::system::pipe::{self, Read};
use crate::system::process;
use crate::system::signals::Signals;
use crate::system::terminal::Terminal;

/// The watchdog's ends of the pipes.
pub struct Ends {
    /// From s3-lock. When it closes, s3-lock is gone.
    pub orders: OwnedFd,
    /// To s3-lock.
    pub notices: OwnedFd,
    /// From the command, before it begins.
    pub hello: OwnedFd,
    /// To the command. If it is closed without a word, the command does not begin.
    pub welcome: OwnedFd,
}

/// What becomes of the command if s3-lock is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Orphan {
    Dies,
    GoesOn,
}

impl Orphan {
    pub fn of(goes_on: bool) -> Orphan {
        if goes_on {
            Orphan::GoesOn
        } else {
            Orphan::Dies
        }
    }
}

pub struct Watch {
    orders: OwnedFd,
    notices: OwnedFd,
    /// Both are closed once the command has been heard of.
    door: Option<(OwnedFd, OwnedFd)>,
    orphan: Orphan,
    signals: Signals,
    waiter: Waiter,
    terminal: Option<Terminal>,
    /// The group of the command, which has the command's id.
    group: Option<Pid>,
    schedule: Option<Schedule>,
    has_been_told_to_end: bool,
}

impl Watch {
    pub fn new(ends: Ends, orphan: Orphan) -> std::io::Result<Watch> {
        let signals = Signals::new()?;
        // Whatever the command's group gets is for the command. The watchdog goes on.
        signals.collect(&[
            Signal::INT,
            Signal::TERM,
            Signal::HUP,
            Signal::QUIT,
            Signal::TSTP,
            Signal::TTIN,
            Signal::TTOU,
            Signal::USR1,
            Signal::USR2,
            Signal::ALARM,
        ])?;
        Ok(Watch {
            orders: ends.orders,
            notices: ends.notices,
            door: Some((ends.hello, ends.welcome)),
            orphan,
            signals,
            waiter: Waiter::new()?,
            terminal: Terminal::open(),
            group: None,
            schedule: None,
            has_been_told_to_end: false,
        })
    }

    /// Watches until s3-lock is gone, or the command has been killed.
    pub fn watch(mut self) {
        loop {
            let mut pipes = vec![self.orders.as_fd(), self.signals.fd()];
            pipes.extend(self.door.iter().map(|(hello, _)| hello.as_fd()));
            self.waiter.wait(&pipes, self.next_moment());
            if !self.follow_orders() {
                return self.outlive();
            }
            self.report_signals();
            self.welcome();
            self.enforce(clock::now());
        }
    }

    fn next_moment(&self) -> Option<Moment> {
        let schedule = self.schedule.filter(|_| self.group.is_some())?;
        Some(if self.has_been_told_to_end {
            schedule.kill
        } else {
            schedule.end
        })
    }

    /// False if s3-lock is gone.
    fn follow_orders(&mut self) -> bool {
        let mut order = [0; ORDER];
        loop {
            match pipe::read(&self.orders, &mut order) {
                Read::Bytes(_) => self.schedule = Some(ordered(order)),
                Read::Nothing => return true,
                Read::Closed => return false,
            }
        }
    }

    /// Lets a command begin that has said its number.
    fn welcome(&mut self) {
        let Some((hello, welcome)) = &self.door else {
            return;
        };
        let mut number = [0; 4];
        match pipe::read(hello, &mut number) {
            Read::Nothing => return,
            Read::Closed => {}
            Read::Bytes(_) => {
                let command = Pid::from_raw(i32::from_ne_bytes(number));
                // It has made the group. Where it cannot be joined, or is to end already, the command does not begin.
                self.group = command.filter(|command| process::join_group(*command).is_ok());
                let is_due = self
                    .schedule
                    .is_none_or(|schedule| schedule.due(clock::now()) != Due::Nothing);
                if self.group.is_some() && !is_due {
                    pipe::write(welcome, &[1]);
                }
            }
        }
        self.door = None;
    }

    /// What came before the watchdog was in the command's group, s3-lock has got itself.
    fn report_signals(&self) {
        for received in self.signals.received() {
            if received.by_system && self.group.is_some() {
                self.tell(Notice::Terminal(received.signal));
            }
        }
    }

    fn enforce(&mut self, now: Moment) {
        let (Some(group), Some(schedule)) = (self.group, self.schedule) else {
            return;
        };
        match schedule.due(now) {
            Due::Nothing => {}
            Due::End if self.has_been_told_to_end => {}
            Due::End => {
                self.has_been_told_to_end = true;
                self.tell(Notice::Ending);
                process::signal_group(group, Signal::TERM);
            }
            Due::Kill => self.kill(group),
        }
    }

    fn tell(&self, notice: Notice) {
        // If s3-lock is gone, the orders are closed, too.
        pipe::write(&self.notices, &notice.to_bytes());
    }

    /// Kills the group, and with it the watchdog.
    fn kill(&self, group: Pid) {
        self.tell(Notice::Killing);
        process::signal_group(group, Signal::KILL);
    }

    /// s3-lock was killed.
    fn outlive(&self) {
        if let (Some(group), Orphan::Dies) = (self.group, self.orphan) {
            if let Some(terminal) = &self.terminal {
                terminal.take_back_from(group);
            }
            self.kill(group);
        }
    }
}
