//! Judges from outside whether a lock did what it promises.
//!
//! What it rests on, for one lock:
//!
//! * A guard that says at some moment that it has the lock had it at every moment before, back to
//!   its first such word: once it says no, it says no for ever. The clock is read before the guard
//!   is asked. So a holder that was stopped in between, and is told yes, still had it when the clock was
//!   read. So the first and the last of these moments bound a span in which the holder could have
//!   acted, and might have been anywhere in its main operation.
//! * No two such spans of different holdings may touch, and the later one has the larger token.
//! * A guard that has said no must never say yes again, as the above rests on that. Nor may one say yes
//!   whose loss a listener was told. For these the clock is read when they have said so, so that a yes
//!   of a later moment was asked for later, even by another thread.
//! * A listener is told at most once, and it is told if its guard has said no.
//! * A value that is written under the lock is the one that was read plus one. If it is not the
//!   successor of what stands, somebody's acknowledged increment is lost.
//!
//! Entries of one holding come in order; those of two may not, because a process can be stopped
//! between the clock and the journal. So spans are compared, not the order of entries.

use std::collections::BTreeMap;
use std::fmt;

use super::journal::{Entry, Holding, State, What};
use super::worker::{FAILURES, Failure};

/// What is known of one lock.
#[derive(Default)]
pub struct Oracle {
    /// By token, which is by time if all is well.
    holdings: BTreeMap<u64, Span>,
    state: State,
    pub tally: Tally,
}

/// What was seen of one holding.
#[derive(Clone, Copy, Debug)]
struct Span {
    id: u64,
    /// Its first and last valid moment, if any.
    valid: Option<(u64, u64)>,
    /// The first moment at which its guard, or a listener, is known to have been told that it is lost.
    lost: Option<u64>,
    told: bool,
}

/// How often what happened.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub acquired: u64,
    pub taken_over: u64,
    pub valid: u64,
    pub wrote: u64,
    pub refused: u64,
    pub lost: u64,
    pub told: u64,
    pub shared: u64,
    pub forked: u64,
    pub passed: u64,
    pub worst_wait: u64,
    pub failed: [u64; FAILURES.len()],
}

/// What must never be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// Two had the lock at the same moment.
    Overlap(Holding, Holding),
    /// A holding has no larger token than one that was over before it.
    TokenOrder(Holding, Holding),
    /// Two holdings have the same token.
    SameToken(Holding, Holding),
    /// A guard that had said that it is lost said that it is not.
    Revived(Holding),
    /// A value was written that is not the successor of the one before.
    LostIncrement(Holding, State),
    /// A listener was told twice of one loss.
    ToldTwice(Holding),
    /// A listener was not told of a loss.
    Untold(Holding),
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Violation::Overlap(a, b) => write!(f, "two had it at the same moment: {a} and {b}"),
            Violation::TokenOrder(a, b) => write!(f, "{b} came before {a}"),
            Violation::SameToken(a, b) => write!(f, "the same token twice: {a} and {b}"),
            Violation::Revived(a) => write!(f, "{a} was lost, and came back"),
            Violation::LostIncrement(a, state) => {
                write!(f, "{a} wrote {} over what it had not read", state.value)
            }
            Violation::ToldTwice(a) => write!(f, "the loss of {a} was told twice"),
            Violation::Untold(a) => write!(f, "the loss of {a} was not told"),
        }
    }
}

impl fmt::Display for Holding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "holding {:x} with token {}", self.id, self.token)
    }
}

impl Oracle {
    /// Takes in an entry, in the order of the journal.
    pub fn hear(&mut self, entry: &Entry) -> Result<(), Violation> {
        let before = std::mem::replace(&mut self.state, entry.state);
        let holding = entry.holding;
        match entry.what {
            What::Acquired => {
                self.tally.acquired += 1;
                self.tally.worst_wait = self.tally.worst_wait.max(entry.detail);
                self.span(holding).map(|_| ())
            }
            What::Valid => {
                self.tally.valid += 1;
                self.was_valid(holding, entry.at)
            }
            What::Entered => Ok(()),
            What::Wrote => {
                self.tally.wrote += 1;
                if entry.state.value == before.value + 1 {
                    Ok(())
                } else {
                    Err(Violation::LostIncrement(holding, entry.state))
                }
            }
            What::Refused => {
                self.tally.refused += 1;
                Ok(())
            }
            What::Lost => {
                self.tally.lost += u64::from(self.span(holding)?.lost.is_none());
                self.was_lost(holding, entry.at)
            }
            What::Told => {
                self.tally.told += 1;
                if std::mem::replace(&mut self.span(holding)?.told, true) {
                    Err(Violation::ToldTwice(holding))
                } else {
                    self.was_lost(holding, entry.at)
                }
            }
            What::Untold => Err(Violation::Untold(holding)),
            What::Shared => {
                self.tally.shared += 1;
                Ok(())
            }
            What::Forked => {
                self.tally.forked += 1;
                Ok(())
            }
            What::Passed => {
                self.tally.passed += 1;
                Ok(())
            }
            What::TookOver => {
                self.tally.taken_over += 1;
                Ok(())
            }
            What::Failed => {
                let place = usize::try_from(entry.detail).expect("it was an enum");
                self.tally.failed[place] += 1;
                Ok(())
            }
        }
    }

    fn span(&mut self, holding: Holding) -> Result<&mut Span, Violation> {
        let Holding { id, token } = holding;
        let span = self.holdings.entry(token).or_insert(Span {
            id,
            valid: None,
            lost: None,
            told: false,
        });
        if span.id == id {
            Ok(span)
        } else {
            let other = Holding { id: span.id, token };
            Err(Violation::SameToken(other, holding))
        }
    }

    fn was_lost(&mut self, holding: Holding, at: u64) -> Result<(), Violation> {
        let span = self.span(holding)?;
        let lost = span.lost.map_or(at, |before| before.min(at));
        span.lost = Some(lost);
        match span.valid {
            Some((_, last)) if last > lost => Err(Violation::Revived(holding)),
            _ => Ok(()),
        }
    }

    fn was_valid(&mut self, holding: Holding, at: u64) -> Result<(), Violation> {
        let span = self.span(holding)?;
        if span.lost.is_some_and(|lost| at > lost) {
            return Err(Violation::Revived(holding));
        }
        let (first, last) = span.valid.unwrap_or((at, at));
        let (first, last) = (first.min(at), last.max(at));
        span.valid = Some((first, last));
        // The spans that were valid, in the order of their tokens, must be in the order of time:
        // each need only be compared with its neighbours, again whenever it grows.
        let valid = |(token, span): (&u64, &Span)| {
            let (first, last) = span.valid?;
            let (id, token) = (span.id, *token);
            Some((Holding { id, token }, first, last))
        };
        let Holding { token, .. } = holding;
        let before = self.holdings.range(..token).rev().find_map(valid);
        let after = self.holdings.range(token + 1..).find_map(valid);
        match before {
            Some((other, other_first, other_last)) if other_last >= first => {
                return Err(if other_first <= last {
                    Violation::Overlap(other, holding)
                } else {
                    Violation::TokenOrder(other, holding)
                });
            }
            _ => {}
        }
        match after {
            Some((other, other_first, other_last)) if other_first <= last => {
                Err(if first <= other_last {
                    Violation::Overlap(holding, other)
                } else {
                    Violation::TokenOrder(holding, other)
                })
            }
            _ => Ok(()),
        }
    }

    /// The largest token that anybody had.
    pub fn highest_token(&self) -> u64 {
        self.holdings.keys().next_back().copied().unwrap_or(0)
    }

    /// How many increments stand.
    pub fn value(&self) -> u64 {
        self.state.value
    }
}

/// What an oracle says if each of these journals had gone wrong in one more way: a holding was valid once more
/// when the next one was, a token was had twice, or a write was lost. It must find every one of them.
pub fn words_on_mutants(entries: &[Entry]) -> Vec<(&'static str, Result<(), Violation>)> {
    let mut oracle = Oracle::default();
    for entry in entries {
        oracle.hear(entry).expect("it was right");
    }
    let mut valid = oracle.holdings.iter().filter_map(|(token, span)| {
        let (id, token) = (span.id, *token);
        span.valid.map(|(first, _)| (Holding { id, token }, first))
    });
    let (Some((one, _)), Some((two, at))) = (valid.next(), valid.next()) else {
        return Vec::new();
    };
    let more = |what, holding| Entry {
        what,
        holding,
        at,
        detail: 0,
        state: oracle.state,
    };
    let twice = Holding {
        id: one.id,
        token: two.token,
    };
    [
        ("an overlap", more(What::Valid, one)),
        ("a token had twice", more(What::Acquired, twice)),
        ("a lost increment", more(What::Wrote, two)),
    ]
    .map(|(name, mutant)| {
        let mut again = Oracle::default();
        let entries = entries.iter().chain([&mutant]);
        let word = entries.into_iter().try_for_each(|entry| again.hear(entry));
        (name, word)
    })
    .into()
}

impl Tally {
    pub fn add(&mut self, other: &Tally) {
        self.acquired += other.acquired;
        self.taken_over += other.taken_over;
        self.valid += other.valid;
        self.wrote += other.wrote;
        self.refused += other.refused;
        self.lost += other.lost;
        self.told += other.told;
        self.shared += other.shared;
        self.forked += other.forked;
        self.passed += other.passed;
        self.worst_wait = self.worst_wait.max(other.worst_wait);
        for (sum, more) in self.failed.iter_mut().zip(other.failed) {
            *sum += more;
        }
    }

    pub fn failures(&self) -> impl Iterator<Item = (Failure, u64)> {
        FAILURES.into_iter().zip(self.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Holding = Holding { id: 1, token: 10 };
    const TWO: Holding = Holding { id: 2, token: 11 };

    fn valid(holding: Holding, at: u64) -> Entry {
        Entry {
            what: What::Valid,
            holding,
            at,
            detail: 0,
            state: State::default(),
        }
    }

    fn heard(entries: &[Entry]) -> Result<(), Violation> {
        let mut oracle = Oracle::default();
        entries.iter().try_for_each(|entry| oracle.hear(entry))
    }

    #[test]
    fn holdings_that_follow_one_another_are_fine_in_whatever_order_they_are_heard_of() {
        let mut entries = [valid(ONE, 1), valid(ONE, 3), valid(TWO, 4), valid(TWO, 5)];
        assert_eq!(heard(&entries), Ok(()));
        entries.swap(1, 3);
        assert_eq!(heard(&entries), Ok(()));
    }

    #[test]
    fn two_at_the_same_moment_are_seen_whoever_is_heard_of_last() {
        let overlap = Err(Violation::Overlap(ONE, TWO));
        assert_eq!(
            heard(&[valid(ONE, 1), valid(TWO, 2), valid(ONE, 3)]),
            overlap
        );
        assert_eq!(
            heard(&[valid(ONE, 1), valid(ONE, 3), valid(TWO, 2)]),
            overlap
        );
        assert_eq!(
            heard(&[valid(TWO, 2), valid(ONE, 1), valid(ONE, 3)]),
            overlap
        );
    }

    #[test]
    fn a_smaller_token_after_a_larger_one_is_seen() {
        let wrong = Err(Violation::TokenOrder(ONE, TWO));
        assert_eq!(heard(&[valid(TWO, 1), valid(ONE, 2)]), wrong);
        assert_eq!(heard(&[valid(ONE, 2), valid(TWO, 1)]), wrong);
    }

    #[test]
    fn a_token_that_two_have_is_seen() {
        let same = Holding { id: 2, token: 10 };
        let wrong = Err(Violation::SameToken(ONE, same));
        assert_eq!(heard(&[valid(ONE, 1), valid(same, 2)]), wrong);
    }

    #[test]
    fn a_guard_that_comes_back_is_seen() {
        let lost = Entry {
            what: What::Lost,
            ..valid(ONE, 2)
        };
        let back = Err(Violation::Revived(ONE));
        assert_eq!(heard(&[valid(ONE, 1), lost, lost]), Ok(()));
        assert_eq!(heard(&[valid(ONE, 1), lost, valid(ONE, 3)]), back);
    }

    #[test]
    fn what_was_asked_before_a_loss_was_told_may_be_heard_of_after_it() {
        let told = Entry {
            what: What::Told,
            ..valid(ONE, 3)
        };
        assert_eq!(heard(&[told, valid(ONE, 2)]), Ok(()));
        let back = Err(Violation::Revived(ONE));
        assert_eq!(heard(&[told, valid(ONE, 4)]), back);
        assert_eq!(heard(&[valid(ONE, 4), told]), back);
    }

    #[test]
    fn a_loss_that_is_told_twice_or_not_at_all_is_seen() {
        let entry = |what| Entry {
            what,
            ..valid(ONE, 3)
        };
        let twice = heard(&[entry(What::Told), entry(What::Told)]);
        assert_eq!(twice, Err(Violation::ToldTwice(ONE)));
        let never = heard(&[entry(What::Untold)]);
        assert_eq!(never, Err(Violation::Untold(ONE)));
    }

    #[test]
    fn an_increment_that_is_lost_is_seen() {
        let wrote = |holding: Holding, value| Entry {
            what: What::Wrote,
            state: State {
                highest_token: holding.token,
                value,
            },
            ..valid(holding, 1)
        };
        assert_eq!(heard(&[wrote(ONE, 1), wrote(TWO, 2)]), Ok(()));
        let lost = heard(&[wrote(ONE, 1), wrote(TWO, 1)]);
        assert!(
            matches!(lost, Err(Violation::LostIncrement(TWO, _))),
            "{lost:?}"
        );
    }
}
