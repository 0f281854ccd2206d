//! A command runs, and the lock is held meanwhile.

mod deadline;
mod job;
mod rest;

use std::ffi::OsStr;
use std::io;
use std::time::Duration;

use rustix::process::{Pid, Signal};
use s3_lock::LockGuard;

use crate::output::message;
use crate::supervise::alarms::Alarm;
use crate::supervise::interrupts::Interrupts;
use crate::supervise::lease_schedule::first_schedule;
use crate::supervise::schedule::Schedule;
use crate::supervise::watchdog::{Notice, Watchdog};
use crate::system::child::{self, Program};
use crate::system::clock::{self, Moment};
use crate::system::events::Waiter;
use crate::system::process::{self, Change, End};
use crate::system::signals::Signals;
use crate::system::terminal::Terminal;

/// On what terms a command runs.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// From SIGTERM to SIGKILL.
    pub grace: Duration,
    /// When the command is ended whatever happens.
    pub latest_end: Option<Moment>,
    /// Whether the kernel kills the command if s3-lock is killed.
    pub dies_with_us: bool,
}

/// How a command ended, and why if s3-lock ended it.
#[derive(Debug)]
pub struct Ended {
    pub end: End,
    pub why: Option<String>,
    /// The command's process group.
    group: Pid,
}

/// A command that runs.
pub struct Running<'a> {
    guard: &'a LockGuard,
    terms: Terms,
    watchdog: Watchdog,
    signals: &'a Signals,
    alarm: Alarm,
    waiter: Waiter,
    terminal: Option<Terminal>,
    /// The command, and its process group.
    command: Pid,
    schedule: Schedule,
    interrupts: Interrupts,
    /// Why s3-lock ends the command.
    why: Option<String>,
    /// Whether it has less time, because the lock was lost after there was a reason to end it.
    is_lost: bool,
    /// When s3-lock itself kills the command.
    kill: Option<Moment>,
    is_stopped: bool,
    wants_terminal: bool,
    end: Option<End>,
    has_told_of_rest: bool,
}

/// How often to look how long the lease still runs.
const LOOK: Duration = Duration::from_secs(1);
const SHORTEST_LOOK: Duration = Duration::from_millis(10);
/// How long it may take to forget processes that have ended.
const TIME_TO_BE_REAPED: Duration = Duration::from_millis(100);
const SHORTLY: Duration = Duration::from_millis(2);

/// Why a command was not started.
#[derive(Debug)]
pub enum NotStarted {
    /// The lock is lost, or about to be.
    Lost(String),
    /// The system says why.
    System(io::Error),
}

impl From<io::Error> for NotStarted {
    fn from(error: io::Error) -> NotStarted {
        NotStarted::System(error)
    }
}

/// Runs a program while the lock is held. It has ended when this returns, and so has all that was left of its process group
/// if s3-lock has ended it.
pub fn run<'a>(
    program: &Program,
    variables: impl IntoIterator<Item = (&'a str, &'a OsStr)>,
    guard: &LockGuard,
    terms: Terms,
    mut watchdog: Watchdog,
    signals: &Signals,
) -> Result<Ended, NotStarted> {
    signals.collect(&[Signal::TSTP, Signal::CONT, Signal::USR1, Signal::USR2])?;
    signals.collect_always(Signal::CHILD)?;
    let alarm = Alarm::of(guard)?;
    let schedule = first_schedule(guard, terms.grace).map_err(NotStarted::Lost)?;
    watchdog.follow(schedule);
    let waiter = Waiter::new()?;
    // Before the command can change its modes.
    let terminal = Terminal::open();
    let introduction = watchdog.introduction(terms.dies_with_us);
    let command = child::start(program, variables, Some(introduction))?;
    let running = Running {
        guard,
        terms,
        watchdog,
        signals,
        alarm,
        waiter,
        terminal,
        command,
        schedule,
        interrupts: Interrupts::default(),
        why: None,
        is_lost: false,
        kill: None,
        is_stopped: false,
        wants_terminal: false,
        end: None,
        has_told_of_rest: false,
    };
    Ok(running.until_it_ends())
}

impl Running<'_> {
    fn until_it_ends(mut self) -> Ended {
        let end = loop {
            self.look_at_lease();
            self.enforce(clock::now());
            self.wait();
            self.note_watchdog();
            for received in self.signals.received() {
                self.on_signal(received);
            }
            self.note_changes();
            if let Some(end) = self.end {
                break end;
            }
        };
        // The watchdog may have told the command to end a moment ago.
        self.note_end_by_watchdog();
        self.clear_up();
        Ended {
            end,
            why: self.why,
            group: self.command,
        }
    }

    fn wait(&self) {
        let now = clock::now();
        // The nearer the end, the sooner a renewal has to be known that puts it off.
        let left = match self.why {
            None => self.schedule.end.since(now),
            Some(_) => LOOK * 4,
        };
        let mut until = now + (left / 4).clamp(SHORTEST_LOOK, LOOK);
        let moments = [self.kill, self.terms.latest_end, Some(self.next_duty())];
        for moment in moments.into_iter().flatten() {
            if self.why.is_none() || Some(moment) == self.kill {
                until = until.min(moment);
            }
        }
        let mut pipes = vec![self.signals.fd(), self.alarm.fd()];
        pipes.extend(self.watchdog.fd());
        self.waiter.wait(&pipes, Some(until));
        self.alarm.reset();
    }

    fn signal(&self, signal: Signal) {
        process::signal_group(self.command, signal);
        if signal == Signal::KILL && self.end.is_none() {
            // It may have left the group.
            process::signal(self.command, signal);
        }
    }

    fn note_end_by_watchdog(&mut self) {
        let notices = self.watchdog.notices();
        let is_end = |notice: &Notice| matches!(notice, Notice::Ending | Notice::Killing);
        if self.why.is_none() && notices.iter().any(is_end) {
            self.why = Some(self.not_renewed());
            self.kill = Some(self.schedule.kill);
        }
    }

    fn note_watchdog(&mut self) {
        let was_gone = self.watchdog.is_gone();
        for notice in self.watchdog.notices() {
            match notice {
                Notice::Ending | Notice::Killing if self.why.is_none() => {
                    let why = self.not_renewed();
                    // Should the watchdog be killed now.
                    self.kill_by(self.schedule.kill);
                    message::error(&format!("ending the command: {why}"));
                    self.why = Some(why);
                }
                Notice::Ending | Notice::Killing => {}
                Notice::Terminal(Signal::INT) => self.interrupt(true),
                Notice::Terminal(Signal::TTIN | Signal::TTOU) => self.give_terminal(),
                Notice::Terminal(_) => {}
            }
        }
        let is_lost = !was_gone && self.watchdog.is_gone() && self.why.is_none();
        // Whoever kills the whole group kills it with the command.
        if is_lost && !self.ends_within(TIME_TO_BE_REAPED) {
            message::warning("the watchdog was killed; s3-lock goes on without it");
        }
    }

    fn note_changes(&mut self) {
        while let (None, Some(change)) = (self.end, process::change_of(self.command)) {
            match change {
                Change::Ended(end) => self.end = Some(end),
                Change::Stopped(signal) => self.on_stop(signal),
            }
        }
    }

    /// Whether the command ends soon.
    fn ends_within(&mut self, limit: Duration) -> bool {
        let latest = clock::now() + limit;
        loop {
            self.note_changes();
            if self.end.is_some() || clock::now() >= latest {
                return self.end.is_some();
            }
            self.waiter.wait(&[], Some(clock::now() + SHORTLY));
        }
    }
}
