//! A command runs, and the lock is held meanwhile.

use std::ffi::OsStr;
use std::io;
use std::time::Duration;

use rustix::process::{Pid, Signal};
use s3_lock::LockGuard;

use crate::output::causes::with_causes;
use crate::output::message;
use crate::supervise::alarms::Alarm;
use crate::supervise::interrupts::{Escalation, Interrupts};
use crate::supervise::schedule::{Due, LEFT_WHEN_KILLED, Schedule};
use crate::supervise::watchdog::{Notice, Watchdog};
use crate::system::child::{self, Program};
use crate::system::clock::{self, Moment};
use crate::system::events::Waiter;
use crate::system::process::{self, Change, End};
use crate::system::signals::{ENDING, Received, Signals};
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
    /// When s3-lock itself kills the command.
    kill: Option<Moment>,
    is_stopped: bool,
    wants_terminal: bool,
    end: Option<End>,
}

/// How often to look how long the lease still runs.
const LOOK: Duration = Duration::from_secs(1);
const SHORTEST_LOOK: Duration = Duration::from_millis(10);
/// How long a command may take to stop, as its terminal's user has ordered.
const TIME_TO_STOP: Duration = Duration::from_millis(300);
/// The shortest time in which a shell's user tells a stopped job to go on.
const TIME_OF_A_STOP: Duration = Duration::from_millis(5);
/// How long the system may take to end processes that were killed.
const TIME_TO_DIE: Duration = Duration::from_secs(1);
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
    let schedule = first_schedule(guard, terms.grace)?;
    watchdog.follow(schedule);
    let waiter = Waiter::new()?;
    let introduction = watchdog.introduction(terms.dies_with_us);
    let command = child::start(program, variables, Some(introduction))?;
    let running = Running {
        guard,
        terms,
        watchdog,
        signals,
        alarm,
        waiter,
        terminal: Terminal::open(),
        command,
        schedule,
        interrupts: Interrupts::default(),
        why: None,
        kill: None,
        is_stopped: false,
        wants_terminal: false,
        end: None,
    };
    Ok(running.until_it_ends())
}

/// The schedule to begin with. If acquiring took long, or s3-lock was stopped since, the lock is renewed first.
fn first_schedule(guard: &LockGuard, grace: Duration) -> Result<Schedule, NotStarted> {
    let is_in_time = |schedule: &Schedule| schedule.due(clock::now()) == Due::Nothing;
    let at_first = schedule(guard, grace);
    if is_in_time(&at_first) {
        return Ok(at_first);
    }
    let lost = |error| NotStarted::Lost(with_causes(&error));
    guard.renew().map_err(lost)?;
    Some(schedule(guard, grace))
        .filter(is_in_time)
        .ok_or_else(|| NotStarted::Lost("the lease is too short for --kill-after".to_owned()))
}

/// When the command has to end if the lock is not renewed.
fn schedule(guard: &LockGuard, grace: Duration) -> Schedule {
    // In this order: the moment is rather too early than too late.
    let now = clock::now();
    Schedule::of_lease(now + guard.remaining(), grace)
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

    /// What of the schedule s3-lock keeps itself: the watchdog tells the command to end, if there is one. Both kill it,
    /// because the watchdog may be stopped.
    fn own_duty(&self, now: Moment) -> Due {
        match self.schedule.due(now) {
            Due::End if !self.watchdog.is_gone() => Due::Nothing,
            due => due,
        }
    }

    /// When it next has a duty.
    fn next_duty(&self) -> Moment {
        if self.watchdog.is_gone() {
            self.schedule.end
        } else {
            self.schedule.kill
        }
    }

    /// Tells the watchdog of a lease that was renewed. Ends the command if the lock is lost.
    fn look_at_lease(&mut self) {
        if self.why.is_some() {
            return;
        }
        match self.guard.check() {
            Ok(()) => {
                let schedule = schedule(self.guard, self.terms.grace);
                // It is about the same as long as nobody has renewed the lock.
                if schedule.kill.since(self.schedule.kill) > SHORTLY {
                    self.schedule = schedule;
                    self.watchdog.follow(schedule);
                }
            }
            // Another may have it already.
            Err(error) => self.end_for(with_causes(&error), LEFT_WHEN_KILLED),
        }
    }

    fn enforce(&mut self, now: Moment) {
        if self.kill.is_some_and(|kill| now >= kill) {
            self.signal(Signal::KILL);
            self.kill = None;
        }
        if self.why.is_some() {
            return;
        }
        if self.terms.latest_end.is_some_and(|latest| now >= latest) {
            self.end_for("--max-hold was reached".to_owned(), self.terms.grace);
        }
        match self.own_duty(now) {
            Due::Nothing => {}
            Due::End | Due::Kill => self.end_for(self.not_renewed(), self.terms.grace),
        }
    }

    /// Ends the command, for the first reason that there is.
    fn end_for(&mut self, why: String, grace: Duration) {
        self.signal(Signal::TERM);
        // Not later than the lease allows.
        let kill = (clock::now() + grace).min(self.schedule.kill);
        self.kill = Some(kill);
        // s3-lock is stuck if nobody reads what it says. The watchdog is not.
        self.watchdog.follow(Schedule { end: kill, kill });
        message::error(&format!("ending the command: {why}"));
        self.why = Some(why);
    }

    fn not_renewed(&self) -> String {
        let left = self.guard.remaining().as_secs_f64();
        format!("the lock could not be renewed, and its lease runs out in {left:.1} s")
    }

    fn signal(&self, signal: Signal) {
        process::signal_group(self.command, signal);
    }

    fn note_watchdog(&mut self) {
        let was_gone = self.watchdog.is_gone();
        for notice in self.watchdog.notices() {
            match notice {
                Notice::Ending | Notice::Killing if self.why.is_none() => {
                    let why = self.not_renewed();
                    // Should the watchdog be killed now.
                    self.kill = Some(self.schedule.kill);
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

    fn on_signal(&mut self, received: Received) {
        match received.signal {
            Signal::INT => self.interrupt(false),
            Signal::TSTP => self.stop_too(Signal::TSTP),
            Signal::CONT => self.go_on(),
            Signal::CHILD => {}
            signal => {
                self.signal(signal);
                if self.is_stopped && ENDING.contains(&signal) {
                    // It notices only if it goes on.
                    self.signal(Signal::CONT);
                }
            }
        }
    }

    /// Somebody wants the command to end. If the terminal has told the command itself, it is not told again.
    fn interrupt(&mut self, was_told_by_terminal: bool) {
        let now = clock::now();
        match self.interrupts.escalation(now, was_told_by_terminal) {
            Escalation::Interrupt if was_told_by_terminal => {}
            Escalation::Interrupt => self.signal(Signal::INT),
            Escalation::Terminate => {
                self.signal(Signal::TERM);
                self.kill = Some(now + self.terms.grace);
                message::note("a second interrupt: the command gets SIGTERM");
            }
            Escalation::Kill => self.signal(Signal::KILL),
        }
        if self.is_stopped {
            self.signal(Signal::CONT);
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

    fn on_stop(&mut self, signal: Signal) {
        self.is_stopped = true;
        match signal {
            Signal::TTIN | Signal::TTOU => self.give_terminal(),
            // Ctrl-Z, where the command has the terminal.
            Signal::TSTP if self.has_terminal() => self.stop_too(Signal::TSTP),
            _ => {}
        }
    }

    fn has_terminal(&self) -> bool {
        let terminal = self.terminal.as_ref();
        terminal.is_some_and(|terminal| terminal.is_of(self.command))
    }

    /// Lets the command read from the terminal, which has stopped it because it was in the background.
    fn give_terminal(&mut self) {
        let Some(terminal) = &self.terminal else {
            return;
        };
        self.wants_terminal = true;
        if terminal.is_ours() {
            terminal.give_to(self.command);
        } else if !terminal.is_of(self.command) {
            // s3-lock itself is in the background: it stops until the shell brings it into the foreground.
            return self.stop_too(Signal::TTIN);
        }
        self.signal(Signal::CONT);
        self.is_stopped = false;
    }

    /// Stops with the command, as one job of the shell.
    fn stop_too(&mut self, by: Signal) {
        if !self.is_stopped {
            self.signal(Signal::TSTP);
            let latest = clock::now() + TIME_TO_STOP;
            while !self.is_stopped && self.end.is_none() && clock::now() < latest {
                if let Some(change) = process::change_of(self.command) {
                    match change {
                        Change::Ended(end) => self.end = Some(end),
                        Change::Stopped(_) => self.is_stopped = true,
                    }
                }
                self.waiter.wait(&[], Some(clock::now() + SHORTLY));
            }
        }
        if self.end.is_none() {
            self.is_stopped = true;
            let before = clock::now();
            process::stop_as_by(by);
            let was_at_once = clock::now().since(before) < TIME_OF_A_STOP;
            let is_ours = self.terminal.as_ref().is_some_and(Terminal::is_ours);
            if by == Signal::TTIN && was_at_once && !is_ours {
                self.hang_up();
            }
            self.go_on();
        }
    }

    /// The command reads from the terminal, and no shell can bring it into the foreground. The system ends the stopped jobs of
    /// a shell that is gone in the same way.
    fn hang_up(&self) {
        self.signal(Signal::HUP);
        // If it ignores that, it will be here again.
        self.waiter.wait(&[], Some(clock::now() + TIME_TO_STOP));
    }

    /// s3-lock was stopped and goes on. Nobody has renewed the lock meanwhile.
    fn go_on(&mut self) {
        if self.guard.check().is_err() || self.schedule.due(clock::now()) == Due::Kill {
            self.signal(Signal::KILL);
            return self.look_at_lease();
        }
        if !self.is_stopped {
            return;
        }
        if let Some(terminal) = &self.terminal {
            if self.wants_terminal && terminal.is_ours() {
                terminal.give_to(self.command);
            }
        }
        self.signal(Signal::CONT);
        self.is_stopped = false;
    }

    /// The command has ended. If s3-lock has ended it, what it has started ends, too.
    fn clear_up(&mut self) {
        let was_killed = self.why.is_some() || matches!(self.end, Some(End::Killed(_)));
        if let Some(terminal) = &self.terminal {
            if terminal.take_back_from(self.command) && was_killed {
                terminal.restore();
            }
        }
        if self.why.is_some() {
            self.signal(Signal::KILL);
        }
        self.watchdog.end();
        if self.why.is_some() {
            wait_for_end_of(self.command, &self.waiter, TIME_TO_DIE);
        }
    }
}

/// Waits until a group has no process any more. Returns whether it has none.
fn wait_for_end_of(group: Pid, waiter: &Waiter, limit: Duration) -> bool {
    let latest = clock::now() + limit;
    while process::has_members(group) {
        if clock::now() >= latest {
            return false;
        }
        waiter.wait(&[], Some(clock::now() + SHORTLY));
    }
    true
}

impl Ended {
    /// Tells of what the command has left behind. Called after the lock was released: what is about to end has ended then.
    pub fn tell_of_rest(&self) {
        let rest_has_ended = Waiter::new()
            .is_ok_and(|waiter| wait_for_end_of(self.group, &waiter, TIME_TO_BE_REAPED));
        if !rest_has_ended {
            message::note(
                "the command has ended, and processes that it has started go on without the lock",
            );
        }
    }
}
