//! When a client that waits looks again.

use std::time::Duration;

/// What a client's pauses between two looks are made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pace {
    /// The shortest pause.
    pub min: Duration,
    /// The longest pause.
    pub max: Duration,
    /// The longest pause once one holding was watched for long, if nobody else waits.
    pub max_alone: Duration,
}

/// One holding was watched for long after this.
const LONG: Duration = Duration::from_secs(120);

impl Pace {
    /// The pause before the next look at a lock that this client has `watched` in one state for so long,
    /// with `before` tickets before its own and `round_trip` for a request.
    ///
    /// Who is first looks often: after an eighth of the time that it has watched already. Each ticket before
    /// one's own adds half the time of a turn, which is about what is watched.
    pub fn pause(
        &self,
        watched: Duration,
        before: u32,
        round_trip: Duration,
        is_alone: bool,
    ) -> Duration {
        let turn = 2 * round_trip + self.min + watched;
        let pause = (watched / 8).saturating_add(turn.saturating_mul(before) / 2);
        let max = if is_alone && watched >= LONG {
            self.max_alone
        } else {
            self.max
        };
        pause.clamp(self.min, max.max(self.min))
    }
}
