//! When a command has to end, so that it is dead before anybody else can have the lock.

use std::time::Duration;

use crate::system::clock::Moment;

/// How much of the lease is left when the command is killed.
pub const LEFT_WHEN_KILLED: Duration = Duration::from_millis(500);

/// With less, commands would be killed whose lock is about to be renewed.
pub const SHORTEST_LEASE: Duration = Duration::from_secs(2);

/// When a command is ended unless the lock is renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// It gets SIGTERM.
    pub end: Moment,
    /// It gets SIGKILL.
    pub kill: Moment,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Due {
    Nothing,
    End,
    Kill,
}

impl Schedule {
    /// For a lease that runs out at `deadline`: SIGTERM comes `grace` before, but no later than SIGKILL.
    pub fn of_lease(deadline: Moment, grace: Duration) -> Schedule {
        Schedule {
            end: deadline - grace.max(LEFT_WHEN_KILLED),
            kill: deadline - LEFT_WHEN_KILLED,
        }
    }

    pub fn due(self, now: Moment) -> Due {
        if now >= self.kill {
            Due::Kill
        } else if now >= self.end {
            Due::End
        } else {
            Due::Nothing
        }
    }
}

/// The longest grace with a lease. A lock is renewed after a third of its lease, and that may fail for a while: the command
/// must not be ended before.
pub fn longest_grace(lease: Duration) -> Duration {
    lease / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> Moment {
        Moment(Duration::from_secs_f64(seconds))
    }

    #[test]
    fn command_is_told_to_end_before_it_is_killed_and_that_before_the_deadline() {
        let schedule = Schedule::of_lease(at(100.0), Duration::from_secs(5));
        assert_eq!(schedule.due(at(94.9)), Due::Nothing);
        assert_eq!(schedule.due(at(95.0)), Due::End);
        assert_eq!(schedule.due(at(99.4)), Due::End);
        assert_eq!(schedule.due(at(99.5)), Due::Kill);
    }

    #[test]
    fn command_without_grace_is_killed_at_once() {
        let schedule = Schedule::of_lease(at(100.0), Duration::ZERO);
        assert_eq!(schedule.due(at(99.4)), Due::Nothing);
        assert_eq!(schedule.due(at(99.5)), Due::Kill);
    }

    #[test]
    fn lease_that_is_over_leaves_no_time() {
        let schedule = Schedule::of_lease(at(0.1), Duration::from_secs(5));
        assert_eq!(schedule.due(at(0.1)), Due::Kill);
    }
}
