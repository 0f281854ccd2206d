//! Points in time on this process's own clock. `sys/clock.rs` reads that clock.

use std::time::Duration;

/// A point on this process's own clock. It is comparable only with points of the same process.
///
/// Two readings bound the time that really passed between two points. They differ only where the
/// operating system has no clock that counts through suspend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Instant {
    pub(crate) low: Duration,
    pub(crate) high: Duration,
}

impl Instant {
    /// A point this long after the clock's origin; for models and tests of the protocol.
    #[cfg(any(test, feature = "internals"))]
    pub const fn from_origin(elapsed: Duration) -> Instant {
        Instant {
            low: elapsed,
            high: elapsed,
        }
    }

    /// The same, where the two readings differ.
    #[cfg(test)]
    pub const fn between(low: Duration, high: Duration) -> Instant {
        Instant { low, high }
    }

    /// A lower bound for the time since `earlier`. A client that waits for another's lease to run
    /// out counts on this.
    pub fn at_least_since(self, earlier: Instant) -> Duration {
        self.low.saturating_sub(earlier.low)
    }

    /// The point that is this much later.
    pub(crate) fn later_by(self, span: Duration) -> Instant {
        Instant {
            low: self.low.saturating_add(span),
            high: self.high.saturating_add(span),
        }
    }

    /// Whether this is certainly later.
    pub fn is_after(self, other: Instant) -> bool {
        self.low > other.low
    }

    /// An upper bound for the time since `earlier`. The holder of a lease must assume this.
    pub fn at_most_since(self, earlier: Instant) -> Duration {
        let low = self.low.saturating_sub(earlier.low);
        let high = self.high.saturating_sub(earlier.high);
        low.max(high)
    }
}
