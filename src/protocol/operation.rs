//! The shape of every operation: events go in, the next step comes out.

use std::time::Duration;

use crate::protocol::instant::Instant;
use crate::protocol::object::{Condition, WriteOutcome};
use crate::protocol::record::{Nonce, Record, Stamp};
use crate::protocol::snapshot::ReadOutcome;

/// One logical write. Its body and condition are the same each time it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Write {
    pub record: Record,
    pub condition: Condition,
}

/// Whether sending again may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trouble {
    Transient,
    Permanent,
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
    /// The caller's time is up: end with what is known.
    GiveUp,
    Read(Result<ReadOutcome, Trouble>),
    Wrote(WriteOutcome<Trouble>),
}

/// What an operation gets with each event: the time, whether the store's clock is trusted, and random
/// bits for a write's nonce.
#[derive(Clone, Copy, Debug)]
pub struct Inputs {
    pub now: Instant,
    pub nonce: Nonce,
    pub wall: Stamp,
    /// False once the store's `Date` was seen to run ahead.
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
    /// Read, in at most half of the time that is left. A write follows, whether or not there is a reply.
    Peek,
    Write(Write),
    /// The lock is held. Unless its holder acts, the observer may take it over in `free_in`. Look
    /// again by then.
    Wait {
        free_in: Duration,
    },
    /// Pause, for longer each time, then go on.
    Pause(PauseReason),
    Done(End),
}

/// Why to pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PauseReason {
    /// Another changed the record first: the lock may well be free.
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

    fn on(&mut self, event: Event, inputs: &Inputs, memory: &mut Self::Memory) -> Step<Self::End>;
}
