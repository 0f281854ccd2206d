//! What is left when the command has ended: processes that it has started, and the terminal.

use std::time::Duration;

use rustix::process::{Pid, Signal};

use crate::output::message;
use crate::supervise::running::{Ended, Running, SHORTLY, TIME_TO_BE_REAPED};
use crate::system::clock;
use crate::system::events::Waiter;
use crate::system::process::{self, End};
use crate::system::signals::ENDING;

/// How long the system may take to end processes that were killed.
const TIME_TO_DIE: Duration = Duration::from_secs(1);

impl Running<'_> {
    /// The command has ended. If it was ended, by s3-lock or by a signal of anybody, what it has started ends, too.
    pub(super) fn clear_up(&mut self) {
        let was_killed = matches!(self.end, Some(End::Killed(_)));
        if let Some(terminal) = &self.terminal {
            let was_ended = was_killed || self.why.is_some();
            if terminal.take_back_from(self.command) && was_ended {
                terminal.restore();
            }
        }
        if self.why.is_some() {
            self.signal(Signal::KILL);
        }
        // It is a member of the group.
        self.watchdog.end();
        if self.why.is_some() {
            wait_for_end_of(self.command, &self.waiter, TIME_TO_DIE);
        } else if was_killed {
            self.end_rest();
        }
    }

    /// The command has not come to its end by itself, and so neither has what it has started: that may be at work. It has the
    /// time that the command would have had.
    fn end_rest(&self) {
        let latest = (clock::now() + self.terms.grace).min(self.schedule.kill);
        let mut has_told = false;
        while !has_ended(self.command) {
            let is_told_again = || {
                let received = self.signals.received();
                received.iter().any(|one| ENDING.contains(&one.signal))
            };
            if clock::now() >= latest || is_told_again() {
                self.signal(Signal::KILL);
                wait_for_end_of(self.command, &self.waiter, TIME_TO_DIE);
                return;
            }
            if !has_told {
                has_told = true;
                self.signal(Signal::TERM);
            }
            self.waiter.wait(&[], Some(clock::now() + SHORTLY));
        }
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
