//! When a client that waits looks again.

use std::time::Duration;

/// What a client's pauses between two looks are made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pace {
    /// The shortest pause.
    pub min: Duration,
    /// The longest pause.
    pub max: Duration,
    /// The longest pause once one holding was watched for a minute, if nobody else waits.
    pub max_alone: Duration,
}

/// One holding was watched for long after this.
const LONG: Duration = Duration::from_secs(60);

impl Pace {
    /// Whether a client that has `watched` one holding for so long looks seldom, if nobody else waits.
    pub(super) fn becomes_slow(&self, watched: Duration) -> bool {
        watched >= LONG && self.max_alone > self.max
    }

    /// The pause before the next look at a lock that this client has `watched` in one state for so long,
    /// with `before` tickets before its own and `round_trip` for a request.
    ///
    /// Who is first looks often: after an eighth of the time that it has watched already. Each ticket before
    /// one's own adds half the time of a turn, which is about what is watched. Up to a quarter more is `random`:
    /// else a client could keep step with somebody who takes the lock again and again, and never see it free.
    pub fn pause(
        &self,
        watched: Duration,
        before: u32,
        round_trip: Duration,
        is_alone: bool,
        random: u16,
    ) -> Duration {
        let turn = 2 * round_trip + self.min + watched;
        let pause = (watched / 8).saturating_add(turn.saturating_mul(before) / 2);
        let max = if is_alone && self.becomes_slow(watched) {
            self.max_alone
        } else {
            self.max
        };
        let pause = pause.max(self.min);
        pause
            .saturating_add(share_of(pause / 4, random))
            .min(max.max(self.min))
    }
}

/// A random share of `span`.
pub(super) fn share_of(span: Duration, random: u16) -> Duration {
    span.saturating_mul(u32::from(random)) / u32::from(u16::MAX)
}
