//! Keeps the command within the lease.

use std::time::Duration;

use rustix::process::Signal;

use crate::output::causes::with_causes;
use crate::output::message;
use crate::supervise::lease_schedule::schedule;
use crate::supervise::running::{Running, SHORTLY};
use crate::supervise::schedule::{Due, LEFT_WHEN_KILLED, Schedule};
use crate::system::clock::{self, Moment};

impl Running<'_> {
    /// What of the schedule s3-lock keeps itself: the watchdog tells the command to end, if there is one. Both kill it,
    /// because the watchdog may be stopped.
    fn own_duty(&self, now: Moment) -> Due {
        match self.schedule.due(now) {
            Due::End if !self.watchdog.is_gone() => Due::Nothing,
            due => due,
        }
    }

    /// When it next has a duty.
    pub(super) fn next_duty(&self) -> Moment {
        if self.watchdog.is_gone() {
            self.schedule.end
        } else {
            self.schedule.kill
        }
    }

    /// Tells the watchdog of a lease that was renewed. Ends the command if the lock is lost.
    pub(super) fn look_at_lease(&mut self) {
        if self.why.is_some() {
            return self.hurry_if_lost();
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

    /// A command that is being ended has less time if the lock is lost meanwhile.
    fn hurry_if_lost(&mut self) {
        if !self.is_lost && self.guard.check().is_err() {
            self.is_lost = true;
            let kill = self.kill_by(clock::now() + LEFT_WHEN_KILLED);
            self.watchdog.follow(Schedule { end: kill, kill });
        }
    }

    /// Has s3-lock kill the command at this moment, unless it is to do so earlier. Returns when it does.
    pub(super) fn kill_by(&mut self, latest: Moment) -> Moment {
        let kill = self.kill.map_or(latest, |kill| kill.min(latest));
        self.kill = Some(kill);
        kill
    }

    pub(super) fn enforce(&mut self, now: Moment) {
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
        let kill = self.kill_by((clock::now() + grace).min(self.schedule.kill));
        // s3-lock is stuck if nobody reads what it says. The watchdog is not.
        self.watchdog.follow(Schedule { end: kill, kill });
        message::error(&format!("ending the command: {why}"));
        self.why = Some(why);
    }

    pub(super) fn not_renewed(&self) -> String {
        let left = self.guard.remaining().as_secs_f64();
        format!("the lock could not be renewed, and its lease runs out in {left:.1} s")
    }
}
