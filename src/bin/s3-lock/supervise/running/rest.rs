//! What is left when the command has ended: processes that it has started, and the terminal.

use std::time::Duration;

use rustix::process::{Pid, Signal};

use crate::output::message;
use crate::supervise::running::{Ended, Running, SHORTLY, TIME_TO_BE_REAPED};
use crate::supervise::schedule::Schedule;
use crate::system::clock::{self, Moment};
use crate::system::events::Waiter;
use crate::system::process::{self, End};
use crate::system::signals::{ENDING, Received};

/// How long the system may take to end processes that were killed.
const TIME_TO_DIE: Duration = Duration::from_secs(1);
/// How often to look whether they have.
const LOOK_AT_REST: Duration = Duration::from_millis(20);

impl Running<'_> {
    /// The command has ended. If it was ended, by s3-lock or by a signal of anybody, what it has started ends, too.
    pub(super) fn clear_up(&mut self) {
        let was_killed = matches!(self.end, Some(End::Killed(_)));
        let was_ended = was_killed || self.why.is_some();
        if was_ended {
            self.end_rest();
        }
        self.watchdog.end();
        if let Some(terminal) = &self.terminal {
            if terminal.take_back_from(self.command) && was_ended {
                terminal.restore();
            }
        }
    }

    /// The command has not come to its end by itself, and so neither has what it has started: that may be at work. It has the
    /// time that the command would have had.
    fn end_rest(&mut self) {
        let latest = self.latest_end_of_rest();
        // Should s3-lock be stopped or killed now.
        self.watchdog.follow(Schedule {
            end: latest,
            kill: latest,
        });
        if self.why.is_none() && self.has_rest() {
            self.signal(Signal::TERM);
        }
        let mut killed = None;
        while self.has_rest() {
            let now = clock::now();
            match killed {
                None if now >= latest || self.must_hurry() => {
                    self.signal(Signal::KILL);
                    killed = Some(now);
                }
                Some(then) if now.since(then) > TIME_TO_DIE && !self.waits_for_rest() => return,
                _ => {}
            }
            self.waiter.wait(&[], Some(now + LOOK_AT_REST));
        }
    }

    fn latest_end_of_rest(&self) -> Moment {
        let now = clock::now();
        let latest = match (&self.why, self.kill) {
            (Some(_), Some(kill)) => kill,
            // It was killed already.
            (Some(_), None) => now,
            (None, _) => now + self.terms.grace,
        };
        latest.min(self.schedule.kill)
    }

    /// Whether the lock is lost, or somebody wants the rest to end. (A terminal that is closed sends SIGHUP twice.)
    fn must_hurry(&self) -> bool {
        let is_told = |one: &Received| ENDING.contains(&one.signal) && one.signal != Signal::HUP;
        self.signals.received().iter().any(is_told) || self.guard.check().is_err()
    }

    /// Whether something of the command's group lives, besides the watchdog.
    fn has_rest(&mut self) -> bool {
        process::reap_orphans(self.command);
        match process::living_members(self.command) {
            Some(members) => members.iter().any(|one| Some(*one) != self.watchdog.id()),
            None => {
                // It cannot be told from others.
                self.watchdog.end();
                process::has_members(self.command)
            }
        }
    }

    /// Whether to wait for processes that do not die: as long as the lock is held for them, if it is certain that they live.
    fn waits_for_rest(&mut self) -> bool {
        let is_certain = process::living_members(self.command).is_some();
        if is_certain && !self.has_told_of_rest {
            self.has_told_of_rest = true;
            message::warning(
                "processes of the command do not die; the lock is held until they do, or is lost",
            );
        }
        is_certain && self.guard.check().is_ok()
    }
}

/// Waits until a group has no process any more. Returns whether it has none.
fn wait_for_end_of(group: Pid, waiter: &Waiter, limit: Duration) -> bool {
    let latest = clock::now() + limit;
    while !has_ended(group) {
        if clock::now() >= latest {
            return false;
        }
        waiter.wait(&[], Some(clock::now() + SHORTLY));
    }
    true
}

/// Whether a group has no process any more. The command and the watchdog have been waited for.
fn has_ended(group: Pid) -> bool {
    process::reap_orphans(group);
    !process::has_members(group)
}

impl Ended {
    /// Tells of what the command has left behind. Called after the lock was released: what is about to end has ended then.
    pub fn tell_of_rest(&self) {
        let rest_has_ended = Waiter::new()
            .is_ok_and(|waiter| wait_for_end_of(self.group, &waiter, TIME_TO_BE_REAPED));
        if !rest_has_ended {
            message::warning(
                "the command has ended, and processes that it has started go on without the lock",
            );
        }
    }
}
