//! What happens to a request on its way, and who decides it.

use std::time::Duration;

use super::super::dice::Dice;

/// What a proxy does to a request.
///
/// Two rules keep it an honest network, whose lies a lock can be asked to survive. What it refuses in S3's name
/// (403, 301) it has not passed on: a store that says no to what it did would mislead
/// anybody. And nothing is sent twice; but what may be said of a second copy is said (409, 429).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fate {
    // Not passed on: it never happens.
    /// The connection is closed.
    DroppedBefore,
    /// The connection is reset.
    ResetBefore,
    /// 500 `InternalError`.
    InternalError,
    /// 503 `SlowDown`.
    SlowDown,
    /// 429.
    TooManyRequests,
    /// 409 `ConditionalRequestConflict`; for writes alone.
    Conflict,
    /// 403 `AccessDenied`.
    AccessDenied,
    /// 301 `PermanentRedirect`, to where the bucket is in any case.
    Redirected,
    /// 200, with an error in the body.
    ErrorInSuccess,
    /// 200, with somebody's front page in the body.
    FrontPage,

    // Passed on, but nobody hears in time, or at all, what came of it.
    /// It arrives when its sender may have given up.
    Late,
    /// The reply arrives when the sender may have given up.
    Withheld,
    /// The connection is closed instead of a reply.
    DroppedAfter,
    /// The connection is reset instead of a reply.
    ResetAfter,
    /// The connection is reset halfway through the reply.
    ResetMidway,
    /// The connection is closed halfway through the reply.
    Truncated,
    /// 500 `InternalError`.
    InternalErrorAfter,
    /// 503 `SlowDown`.
    SlowDownAfter,
    /// 429.
    TooManyRequestsAfter,
    /// 409 `ConditionalRequestConflict`; for writes alone.
    ConflictAfter,
    /// 408, with a page of the proxy's own, which has lost its patience.
    TimeoutPageAfter,
    /// 425, 499 or 403, with such a page.
    TooEarlyPageAfter,
    ClosedPageAfter,
    ForbiddenPageAfter,
    /// 200, with an error in the body.
    ErrorInSuccessAfter,
    /// 500, with a body of 10 MB.
    HugeErrorAfter,
    /// The reply, without an ETag.
    NoEtag,
    /// The reply, with an ETag that is no text.
    UnreadableEtag,

    // Passed on, and answered as the store does but for something that should not matter.
    /// The reply comes after a while, soon enough.
    Delayed,
    /// There are headers that are not text.
    UnreadableHeaders,
    /// There is no `Date`.
    DateAbsent,
    /// `Date` is that of a clock that is behind, by another amount each time: it goes backwards.
    DateBehind,
    /// `Date` is that of a clock that is ahead, by up to an hour.
    DateAhead,
}

/// Every fate, and how often it comes compared with the others. What costs its sender the whole time
/// that it gives to a request is rare, or nothing else would ever happen.
pub const FATES: [(Fate, u64); 33] = [
    (Fate::DroppedBefore, 40),
    (Fate::ResetBefore, 40),
    (Fate::InternalError, 40),
    (Fate::SlowDown, 40),
    (Fate::TooManyRequests, 20),
    (Fate::Conflict, 40),
    (Fate::AccessDenied, 10),
    (Fate::Redirected, 10),
    (Fate::ErrorInSuccess, 20),
    (Fate::FrontPage, 20),
    (Fate::Late, 20),
    (Fate::Withheld, 20),
    (Fate::DroppedAfter, 60),
    (Fate::ResetAfter, 60),
    (Fate::ResetMidway, 40),
    (Fate::Truncated, 40),
    (Fate::InternalErrorAfter, 40),
    (Fate::SlowDownAfter, 40),
    (Fate::TooManyRequestsAfter, 20),
    (Fate::ConflictAfter, 40),
    (Fate::TimeoutPageAfter, 20),
    (Fate::TooEarlyPageAfter, 10),
    (Fate::ClosedPageAfter, 10),
    (Fate::ForbiddenPageAfter, 20),
    (Fate::ErrorInSuccessAfter, 40),
    (Fate::HugeErrorAfter, 2),
    (Fate::NoEtag, 40),
    (Fate::UnreadableEtag, 40),
    (Fate::Delayed, 80),
    (Fate::UnreadableHeaders, 20),
    (Fate::DateAbsent, 20),
    (Fate::DateBehind, 20),
    (Fate::DateAhead, 20),
];

/// What becomes of the `Date` of replies. A lock takes the age of a record from it, so not every lie
/// can be survived; this says which are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dates {
    /// It is always one second ahead, as far as a store's nodes may be apart, or absent. A client
    /// that believes it stands at the very edge of its `clock_margin`.
    Edge,
    /// It may be behind, and so go backwards and forwards: a client makes nothing of the former, and
    /// believes it no more after the latter.
    Behind,
    /// It may also be an hour ahead, so that every record looks long dead. Only for clients that
    /// do not use the store's clock: one that believes its first reply takes every lock over.
    Any,
}

/// A request as its fate depends on it.
#[derive(Clone, Copy, Debug)]
pub struct Passenger<'a> {
    pub method: &'a str,
    pub target: &'a str,
    /// How many requests about the same came before it.
    pub serial: u64,
}

/// Decides. The nth request about an object has the same fate whenever the seed is the same.
#[derive(Clone, Copy, Debug)]
pub struct Fates {
    pub seed: u64,
    /// How many requests in a thousand do not simply pass.
    pub per_mille: u64,
    pub dates: Dates,
}

impl Fates {
    /// Returns what happens to a request, and dice for how.
    pub fn of(&self, passenger: Passenger<'_>) -> (Option<Fate>, Dice) {
        let about = hash(passenger.target);
        let mut dice = Dice::new(self.seed, &[about, passenger.serial]);
        if dice.below(1_000) >= self.per_mille {
            return (None, dice);
        }
        let chances = FATES.map(|(fate, weight)| {
            if self.is_possible(fate, passenger) {
                weight
            } else {
                0
            }
        });
        let mut left = dice.below(chances.iter().sum());
        for ((fate, _), weight) in FATES.iter().zip(chances) {
            if left < weight {
                return (Some(*fate), dice);
            }
            left -= weight;
        }
        unreachable!("it was below the sum of what was taken from it")
    }

    fn is_possible(&self, fate: Fate, passenger: Passenger<'_>) -> bool {
        match fate {
            Fate::Conflict | Fate::ConflictAfter => passenger.method == "PUT",
            Fate::DateBehind => self.dates != Dates::Edge,
            Fate::DateAhead => self.dates == Dates::Any,
            _ => true,
        }
    }
}

/// FNV-1a, which is the same on every run, unlike std's.
fn hash(text: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}

/// How long what is late is late: from what is hardly noticed to well beyond a request's time, and
/// beyond a short lease.
pub const LATE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_millis(3_000));
/// How long a reply is delayed that is to arrive in time.
pub const DELAY: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(350));
