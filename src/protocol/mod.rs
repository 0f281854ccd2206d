//! The lock's rules, and nothing else. What a client saw and what time it is go in; the next step
//! comes out. There is no I/O, no clock, no randomness and no runtime here. So a model checker can
//! run the same code that runs in production.
//!
//! # Why two holders cannot overlap
//!
//! 1. Every write is conditional. It replaces exactly the version that its writer looked at, or it
//!    changes nothing. Every body has a fresh nonce, so no two versions have the same ETag.
//! 2. A holder counts its lease on its own clock, from before it sent the write that the store
//!    accepted ([`Lease`]). The store stamps that write later than it was sent.
//! 3. Another client replaces a held record only once the record is older than its lease and a
//!    margin. It measures that age by the store's clock alone or by its own clock alone
//!    ([`Observations`]). Two computers' clocks are never compared. There are exceptions that a
//!    user has to ask for and answers for: a client may reclaim a holding under an owner name that
//!    is unique, a call may release by owner name, and an operator may break a holding.
//! 4. So a takeover is sent only after the former holder's own deadline. If the former holder
//!    renewed or released in the meantime, the condition of the takeover fails.
//! 5. A write whose reply was lost is neither "done" nor "not done". It stays unresolved until the
//!    store has shown which ([`cas`]).
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
//! | [`free`] | releasing by owner name or by force, without a guard |
//! | [`look`] | reading the record, for status and verify |
//! | [`record`] | the stored bytes |
//! | [`snapshot`], [`object`], [`instant`] | what a read shows, what a store is asked, points in time |
//! | [`quote`] | quoting another program's text in one line |

pub mod acquire;
pub mod cas;
pub mod free;
pub mod instant;
pub mod lease;
pub mod look;
pub mod object;
pub mod observations;
pub mod operation;
pub(crate) mod quote;
pub mod record;
pub mod release;
pub mod renew;
pub mod snapshot;
#[cfg(test)]
mod tests;

pub use acquire::{Acquire, Acquired, Claim};
pub use free::{Free, Freed};
pub use instant::Instant;
pub use lease::{Lease, Loss};
pub use look::{Look, Verified, Verify};
pub use object::{Condition, ETag, Location, Refusal, StoreSeconds, WriteOutcome};
pub use observations::{DateSample, ExpiryRule, Observations};
pub use operation::{Event, Inputs, Operation, PauseReason, Step, Trouble, Write};
pub use release::{Release, Released};
pub use renew::{Renew, Renewed};
#[cfg(any(test, feature = "internals"))]
pub use snapshot::StoredRecord;
pub use snapshot::{ReadOutcome, Snapshot};
