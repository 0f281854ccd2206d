//! How long the tickets before one's own have had their opportunity. A client passes them over only
//! once that is long enough: they are dead, or too slow.

use std::time::Duration;

use crate::protocol::instant::Instant;

/// The opportunity of the tickets before one's own, so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Patience {
    so_far: Duration,
    last: Option<Box<Glimpse>>,
    /// The longest that the time until the next look may count.
    planned: Duration,
    /// The largest number of a ticket that was before one's own.
    newest: u64,
}

/// What one look at the record showed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Glimpse {
    arrived: Instant,
    /// The token of the holding, if it was held.
    held: Option<u64>,
}

/// How much longer than planned a pause may take and still count in full. If it took longer, the machine
/// was suspended or overloaded, and so may be the others.
const SLACK: Duration = Duration::from_secs(1);

impl Patience {
    /// Begins anew: somebody had a turn.
    pub(super) fn restart(&mut self) {
        *self = Patience {
            newest: self.newest,
            ..Patience::default()
        };
    }

    /// Forgets the last look, so that the time until the next one does not count.
    pub(super) fn forget_last_look(&mut self) {
        self.last = None;
    }

    /// Takes in the number of the last ticket before one's own. A newer one has had no opportunity yet.
    pub(super) fn saw_newest(&mut self, newest: u64) {
        if newest > self.newest {
            self.restart();
            self.newest = newest;
        }
    }

    /// Notes how long the pause until the next look is going to be.
    pub(super) fn plan(&mut self, nap: Duration) {
        self.planned = nap;
    }

    /// Takes in a look at the record. The time since the last look counts if the lock was free at some
    /// moment between, and not only at the end of it. A version that could be taken for `idle` counts that at least.
    pub(super) fn look(&mut self, arrived: Instant, held: Option<u64>, idle: Duration) {
        if let Some(last) = &self.last {
            let counts = match (last.held, held) {
                (None, _) => true,
                (Some(before), Some(now)) => before != now,
                // Maybe it was released only just now.
                (Some(_), None) => false,
            };
            if counts {
                let passed = arrived.at_least_since(last.arrived);
                self.so_far += passed.min(self.planned + SLACK);
            }
        }
        self.so_far = self.so_far.max(idle);
        self.last = Some(Box::new(Glimpse { arrived, held }));
    }

    pub(super) fn so_far(&self) -> Duration {
        self.so_far
    }

    #[cfg(feature = "internals")]
    pub(super) fn so_far_mut(&mut self) -> &mut Duration {
        &mut self.so_far
    }
}
