//! What a further Ctrl-C means.

use std::time::Duration;

use crate::system::clock::Moment;

/// What the command gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escalation {
    Interrupt,
    Terminate,
    Kill,
}

/// The interrupts so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Interrupts {
    count: u32,
    last: Option<Moment>,
}

/// A command that reads from the terminal may use Ctrl-C for its own purposes, as a Python prompt does. There, only those
/// count together that follow each other within this time.
const TOGETHER: Duration = Duration::from_secs(2);

impl Interrupts {
    /// Counts one more.
    pub fn escalation(&mut self, now: Moment, by_terminal_of_command: bool) -> Escalation {
        let is_late = self.last.is_some_and(|last| now.since(last) > TOGETHER);
        if by_terminal_of_command && is_late {
            self.count = 0;
        }
        self.last = Some(now);
        self.count = self.count.saturating_add(1);
        match self.count {
            1 => Escalation::Interrupt,
            2 => Escalation::Terminate,
            _ => Escalation::Kill,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment(Duration::from_secs(seconds))
    }

    #[test]
    fn each_interrupt_is_stronger_than_the_last() {
        let mut interrupts = Interrupts::default();
        assert_eq!(interrupts.escalation(at(1), false), Escalation::Interrupt);
        assert_eq!(interrupts.escalation(at(99), false), Escalation::Terminate);
        assert_eq!(interrupts.escalation(at(99), false), Escalation::Kill);
        assert_eq!(interrupts.escalation(at(99), false), Escalation::Kill);
    }

    #[test]
    fn command_with_the_terminal_may_be_interrupted_often_but_not_in_a_row() {
        let mut interrupts = Interrupts::default();
        assert_eq!(interrupts.escalation(at(1), true), Escalation::Interrupt);
        assert_eq!(interrupts.escalation(at(10), true), Escalation::Interrupt);
        assert_eq!(interrupts.escalation(at(12), true), Escalation::Terminate);
    }
}
