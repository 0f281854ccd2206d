//! The shape of every operation: events go in, the next step comes out.

use std::time::Duration;

use crate::protocol::instant::Instant;
use crate::protocol::object::{Condition, WriteOutcome};
use crate::protocol::queue::QueueWrite;
use crate::protocol::record::{Advice, Nonce, Record, Stamp};
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
    /// What became of the queue's part of the last step.
    Queue(QueueEvent),
}

/// What became of a request for the lock's queue.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum QueueEvent {
    /// It was read, and the client's place has taken in what was found.
    Seen,
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
    /// What a write of the record is to say of the queue.
    pub advice: Advice,
    /// Whether other calls of this client wait for the lock as well, and could use its ticket.
    pub others_wait: bool,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step<End> {
    Read,
    /// Read, in at most half of the time that is left. A write follows, whether or not there is a reply.
    Peek,
    Write(Write),
    /// Write, and see the queue at the same time.
    WriteAndSeeQueue(Write),
    /// Read the queue, and have the client's place take in what was found.
    SeeQueue,
    WriteQueue(QueueWrite),
    /// The lock is held, or others come first. Unless somebody acts, this client may take it in
    /// `free_in`. Look again by then, after `pause` if so said.
    Wait {
        free_in: Duration,
        pause: Option<Duration>,
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
