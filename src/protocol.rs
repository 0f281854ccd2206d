//! The lock's rules, and nothing else: what was seen and what time it is go in, the next step
//! comes out. No I/O, no clock, no randomness, no runtime, so that the very code that runs can be
//! handed to a model checker.
//!
//! # Why two holders cannot overlap
//!
//! 1. Every write is conditional: it replaces exactly the version that its writer looked at, or it
//!    changes nothing. Every body carries a fresh nonce, so no two versions have the same ETag.
//! 2. A holder counts its lease from before it sent the write that the store accepted, on its own
//!    clock ([`Holding`]). The store stamps that write later than it was sent.
//! 3. Another client replaces a held record only once it is older than the lease and a margin, by
//!    the store's clock alone or by that client's own clock alone ([`Knowledge`]). Two computers'
//!    clocks are never compared. Where its users ask for exceptions, they answer for them: an owner
//!    name that is unique may be reclaimed, and an operator may break a holding.
//! 4. So a takeover is sent only after the former holder's own deadline; and if the former holder
//!    renewed or released in the meantime, the condition of the takeover fails.
//! 5. A write whose answer was lost is neither "done" nor "not done". It stays unresolved until
//!    the store has shown which ([`cas`]).
//!
//! # Map
//!
//! | file | holds |
//! |---|---|
//! | [`cas`] | one compare-and-swap from its first send to a certain outcome |
//! | [`knowledge`] | what a client knows of a lock: ETag, highest token, how old the record is |
//! | [`acquire`] | taking the lock, and undoing an attempt given up |
//! | [`holding`] | a holder's deadline, unresolved writes and loss; in its folder, renewing and releasing |
//! | [`free`] | releasing by owner name or by force, for whoever has no guard |
//! | [`look`] | one look, for status and verify |

pub mod acquire;
pub mod cas;
pub mod free;
pub mod holding;
pub mod knowledge;
pub mod look;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::clock::Instant;
use crate::record::{Nonce, Record, Stamp};

pub use acquire::{Acquire, Acquired, Claim};
pub use free::{Free, Freed};
pub use holding::{Holding, Loss, Release, Released, Renew, Renewed};
pub use knowledge::{Knowledge, Known};
pub use look::{Look, Verified, Verify};

/// The version of an object, as the store names it (quotes included).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ETag(pub String);

/// What must be true of the stored object for a write to happen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Condition {
    /// There is no object: `If-None-Match: *`.
    Absent,
    /// The object is this version: `If-Match`.
    Matches(ETag),
}

/// One logical write. However often it is sent, its body and condition are the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Write {
    pub record: Record,
    pub condition: Condition,
}

/// Whole seconds since the epoch on the store's clock.
pub type StoreSeconds = i64;

/// What a read found.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::large_enum_variant,
    reason = "lives for one step, one at a time"
)]
pub enum Sight {
    Absent {
        date: Option<StoreSeconds>,
    },
    /// Reading is not permitted, or the key is absent and listing is not permitted: S3 answers
    /// both with the same 403.
    Hidden {
        date: Option<StoreSeconds>,
    },
    /// The object is not a lock of ours.
    Foreign,
    Present(Seen),
}

/// A record as one read showed it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Seen {
    pub etag: ETag,
    pub record: Record,
    /// The reply's `Date`.
    pub date: Option<StoreSeconds>,
    /// The reply's `Last-Modified`.
    pub modified: Option<StoreSeconds>,
    /// When the request was about to be sent.
    pub sent: Instant,
    /// When the reply had arrived.
    pub arrived: Instant,
    /// Whether a guard of this very process has the holding, or an acquire is about to hand one
    /// out.
    pub live_here: bool,
}

/// Whether sending again may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trouble {
    Passing,
    Lasting,
}

/// What is known of one attempt to write. There is no fourth case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// It happened, and this is the version that it made.
    Applied(ETag),
    /// The store says no to this attempt, and speaks for this attempt alone.
    Refused(Refusal),
    /// Nothing was written to the network.
    NotSent(Trouble),
    /// It may have happened, or may yet happen.
    Unknown,
}

/// How the store says no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The condition does not hold (412, or 404 for a key that is gone).
    Condition,
    /// Another write is under way (409 `ConditionalRequestConflict`), which may be a copy of this
    /// one: ask again.
    Conflict,
    /// Asked too often (429, `SlowDown` below 500), maybe by a copy of this one: ask again later.
    Busy,
    /// Something that asking again does not mend.
    Denied,
}

/// What happened since the last step.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::large_enum_variant,
    reason = "lives for one step, one at a time"
)]
pub enum Event {
    /// Begin, or go on after a wait or pause.
    Resume,
    /// The caller's time is up: come to an end with what is known.
    GiveUp,
    Read(Result<Sight, Trouble>),
    Wrote(Answer),
}

/// What an operation gets with each event from the world: a time, and bits for a write's nonce.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    pub now: Instant,
    pub nonce: Nonce,
    pub wall: Stamp,
    /// Whether the store's `Date` has not been caught running ahead.
    pub trusts_date: bool,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::large_enum_variant,
    reason = "lives for one step, one at a time"
)]
pub enum Step<End> {
    Read,
    /// Read, in half of the time that is left: a write is to follow, whether there is an answer or not.
    Peek,
    Write(Write),
    /// The lock is held, and falls to the observer in `free_in` unless its holder acts. Look
    /// again by then.
    Wait {
        free_in: Duration,
    },
    /// Pause, for longer each time, then go on.
    Pause(Why),
    Done(End),
}

/// Why to pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// Somebody else changed the record first: the lock may well be free.
    Contended,
    /// The store did not answer, or answered that it cannot now.
    Trouble,
}

/// One call on a lock, driven by events until it is done.
pub trait Operation {
    /// What outlives the call.
    type Memory;
    /// How the call can end.
    type End;

    fn on(&mut self, event: Event, turn: &Turn, memory: &mut Self::Memory) -> Step<Self::End>;
}
