//! The lock's rules, and nothing else. What a client saw and what time it is go in; the next step
//! comes out. There is no I/O, no clock, no randomness and no runtime here. So a model checker can
//! run the same code that runs in production.
//!
//! # Why two holders cannot overlap
//!
//! 1. Every write is conditional. It replaces exactly the version that its writer has read or
//!    written, or it creates an object where there is none; else it changes nothing. Every body has
//!    a fresh nonce, so no two versions have the same ETag, and a condition on a version that has failed
//!    once fails for ever. The same holds for creating, as nobody deletes the object.
//! 2. A holder counts its lease on its own clock, from before it sent the write that the store
//!    accepted ([`Lease`]). The store stamps the write only after that moment. Once the lease has run
//!    out, the holder holds nothing, for good.
//! 3. Another client replaces a held record only once the record is older than its lease and a
//!    margin ([`Observations`]). It has two measures of that age. Each can only be too small, beyond what the
//!    margin covers, so the larger is safe: the time
//!    since it first saw this version, by its own clock; and `Date` less `Last-Modified` of one
//!    reply, both by the store's clock, with the time since that reply. No reading of one computer's
//!    clock is ever compared with one of another's. The margin covers dates cut to seconds, nodes of
//!    the store that are 1 s apart, and clocks whose rates differ by 0.2 %.
//! 4. So a takeover is sent only after the former holder's own deadline. If the former holder
//!    renewed or released in the meantime, the condition of the takeover fails.
//! 5. A write whose reply was lost is neither "done" nor "not done". It stays unresolved until the
//!    store has shown which ([`cas`]).
//!
//! There are exceptions, which the user of this crate asks for and answers for: reclaiming a holding
//! under a unique owner name, releasing by owner name, and breaking a holding by force.
//!
//! # Map
//!
//! | file | holds |
//! |---|---|
//! | [`operation`] | the shape of every operation: events in, steps out |
//! | [`cas`] | one compare-and-swap, from its first send to its outcome |
//! | [`observations`] | what a client knows of a lock: highest token, how old the record is |
//! | [`acquire`] | taking the lock, and undoing an attempt that was given up |
//! | [`lease`] | a holder's deadline, its unresolved writes and its loss |
//! | [`renew`], [`release`] | extending the lease, giving the lock back |
//! | [`hand_over`] | giving the lock back and to the next holder, in one write |
//! | [`free`] | releasing by owner name or by force, without a guard |
//! | [`look`] | reading the record, for status and verify |
//! | [`queue`] | the stored bytes of the fair queue beside the lock |
//! | [`turn`] | what a client knows of that queue, and whose turn it is |
//! | `quote` | other programs' words, made fit for a record's reason or an error |
//! | [`record`] | the stored bytes |
//! | [`snapshot`], [`object`], [`instant`] | what a read shows, what a store is asked, points in time |

pub mod acquire;
pub mod cas;
pub mod free;
pub mod hand_over;
pub mod instant;
pub mod lease;
pub mod look;
pub mod object;
pub mod observations;
pub mod operation;
pub mod queue;
pub(crate) mod quote;
pub mod record;
pub mod release;
pub mod renew;
pub mod snapshot;
#[cfg(test)]
mod tests;
pub mod turn;

pub use acquire::{Acquire, Acquired, Claim};
pub use cas::Cas;
pub use free::{Free, Freed};
pub use hand_over::{HandOver, HandedOver};
pub use instant::Instant;
pub use lease::{Lease, Loss};
pub use look::{Look, Verified, Verify};
pub use object::{Condition, ETag, Location, Refusal, StoreSeconds, WriteOutcome};
pub use observations::{DateSample, ExpiryRule, Observations};
pub use operation::{Event, Inputs, Operation, PauseReason, QueueEvent, Step, Trouble, Write};
pub use queue::{Queue, QueueWrite};
pub use release::{Ending, Release, Released};
pub use renew::{Renew, Renewed};
#[cfg(any(test, feature = "internals"))]
pub use snapshot::StoredRecord;
pub use snapshot::{ReadOutcome, Snapshot};
#[cfg(any(test, feature = "internals"))]
pub use turn::Place;
pub use turn::{Pace, QueueFound, QueueTerms};
