//! What the command and s3-lock do as one job of a shell: signals, and the terminal.

use std::time::Duration;

use rustix::process::Signal;

use crate::output::message;
use crate::supervise::interrupts::Escalation;
use crate::supervise::running::{Running, SHORTLY};
use crate::supervise::schedule::Due;
use crate::system::clock;
use crate::system::process::{self, Change};
use crate::system::signals::{ENDING, Received};
use crate::system::terminal::Terminal;

/// How long a command may take to stop, as its terminal's user has ordered.
const TIME_TO_STOP: Duration = Duration::from_millis(300);
/// The shortest time in which a shell's user tells a stopped job to go on.
const TIME_OF_A_STOP: Duration = Duration::from_millis(5);

impl Running<'_> {
    pub(super) fn on_signal(&mut self, received: Received) {
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
    pub(super) fn interrupt(&mut self, was_told_by_terminal: bool) {
        let now = clock::now();
        match self.interrupts.escalation(now, was_told_by_terminal) {
            Escalation::Interrupt if was_told_by_terminal => {}
            Escalation::Interrupt => self.signal(Signal::INT),
            Escalation::Terminate => {
                self.signal(Signal::TERM);
                self.kill_by(now + self.terms.grace);
                message::note("a second interrupt: the command gets SIGTERM");
            }
            Escalation::Kill => self.signal(Signal::KILL),
        }
        if self.is_stopped {
            self.signal(Signal::CONT);
        }
    }

    pub(super) fn on_stop(&mut self, signal: Signal) {
        self.is_stopped = true;
        match signal {
            Signal::TTIN | Signal::TTOU => self.give_terminal(),
            // Ctrl-Z, where the command has the terminal.
            Signal::TSTP if self.has_terminal() || self.has_passed_terminal_on() => {
                self.stop_too(Signal::TSTP);
            }
            _ => {}
        }
    }

    fn has_terminal(&self) -> bool {
        let terminal = self.terminal.as_ref();
        terminal.is_some_and(|terminal| terminal.is_of(self.command))
    }

    /// Whether the command may have given the terminal to a group of its own, as a run within this one does. (Or the user has
    /// told the shell to go on without it.)
    fn has_passed_terminal_on(&self) -> bool {
        let terminal = self.terminal.as_ref();
        self.wants_terminal && terminal.is_some_and(|terminal| !terminal.is_ours())
    }

    /// Lets the command read from the terminal, which has stopped it because it was in the background.
    pub(super) fn give_terminal(&mut self) {
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
        // Another may have told a stopped command to go on.
        self.signal(Signal::TSTP);
        if !self.is_stopped {
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
            self.look_at_lease();
            if self.why.is_none() {
                self.why = Some(self.not_renewed());
            }
            return;
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
}
