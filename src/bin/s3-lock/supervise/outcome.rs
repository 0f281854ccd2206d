//! How a run ended, and with which status s3-lock then exits.

use rustix::process::Signal;

use crate::output::exit;
use crate::system::process::End;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The command came to its end, and the lock was released.
    Ran(End),
    /// The label was completed before.
    AlreadyDone(String),
    /// Others have the lock.
    NotAcquired(String),
    /// A signal ended the wait.
    Interrupted(Signal),
    /// The process has ended for which the lock was wanted.
    ParentEnded,
    /// There is no such command.
    NotFound(String),
    /// The command cannot be run.
    NotExecutable(String),
    /// s3-lock ended the command, for this reason.
    Ended(End, String),
    /// The lock was lost before the command could begin.
    LostBefore(String),
    /// The command came to its end, and then the lock turned out to be lost.
    LostAtRelease(End, String),
    /// The command exited with 0, and nobody knows whether its label is marked.
    NotMarked(End, String),
    /// s3-lock itself failed.
    Failed(String),
}

impl Outcome {
    /// What to exit with, where `conflict` stands for a lock that was not acquired.
    pub fn status(&self, conflict: u8) -> u8 {
        match self {
            Outcome::Ran(end) => status_of(*end),
            Outcome::AlreadyDone(_) | Outcome::ParentEnded => 0,
            Outcome::NotAcquired(_) => conflict,
            Outcome::Interrupted(signal) => signalled(signal.as_raw()),
            Outcome::NotFound(_) => exit::NOT_FOUND,
            Outcome::NotExecutable(_) => exit::NOT_EXECUTABLE,
            Outcome::Ended(..) | Outcome::LostBefore(_) | Outcome::LostAtRelease(..) => exit::ENDED,
            Outcome::NotMarked(..) | Outcome::Failed(_) => exit::OWN_FAILURE,
        }
    }

    /// Its name in a report.
    pub fn name(&self) -> &'static str {
        match self {
            Outcome::Ran(_) => "ran",
            Outcome::AlreadyDone(_) => "already_done",
            Outcome::NotAcquired(_) => "not_acquired",
            Outcome::Interrupted(_) => "interrupted",
            Outcome::ParentEnded => "parent_ended",
            Outcome::NotFound(_) | Outcome::NotExecutable(_) => "not_started",
            Outcome::Ended(..) => "ended",
            Outcome::LostBefore(_) | Outcome::LostAtRelease(..) => "lost",
            Outcome::NotMarked(..) => "not_marked",
            Outcome::Failed(_) => "failed",
        }
    }

    /// How the command ended, if it was started.
    pub fn end(&self) -> Option<End> {
        match self {
            Outcome::Ran(end)
            | Outcome::Ended(end, _)
            | Outcome::LostAtRelease(end, _)
            | Outcome::NotMarked(end, _) => Some(*end),
            _ => None,
        }
    }

    /// What there is to say about it.
    pub fn cause(&self) -> Option<String> {
        match self {
            Outcome::Ran(_) | Outcome::ParentEnded => None,
            Outcome::Interrupted(signal) => {
                Some(format!("signal {} ended the wait", signal.as_raw()))
            }
            Outcome::AlreadyDone(why)
            | Outcome::NotAcquired(why)
            | Outcome::NotFound(why)
            | Outcome::NotExecutable(why)
            | Outcome::Ended(_, why)
            | Outcome::LostBefore(why)
            | Outcome::LostAtRelease(_, why)
            | Outcome::NotMarked(_, why)
            | Outcome::Failed(why) => Some(why.clone()),
        }
    }
}

/// A process's end as a shell tells it.
pub fn status_of(end: End) -> u8 {
    match end {
        End::Exited(code) => code,
        End::Killed(signal) => signalled(signal),
    }
}

fn signalled(signal: i32) -> u8 {
    exit::SIGNALLED.saturating_add(u8::try_from(signal).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_s_own_end_is_passed_on() {
        assert_eq!(Outcome::Ran(End::Exited(7)).status(75), 7);
        assert_eq!(Outcome::Ran(End::Killed(9)).status(75), 137);
    }

    #[test]
    fn command_that_was_ended_is_told_by_124_whatever_its_own_end() {
        let ended = Outcome::Ended(End::Exited(0), String::new());
        assert_eq!(ended.status(75), 124);
    }

    #[test]
    fn only_a_lock_that_was_not_acquired_has_a_status_of_choice() {
        assert_eq!(Outcome::NotAcquired(String::new()).status(3), 3);
        assert_eq!(Outcome::Failed(String::new()).status(3), 125);
    }
}
