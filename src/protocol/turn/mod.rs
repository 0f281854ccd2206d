//! Whose turn it is: what one client knows of a lock's queue, and what follows from it.
//!
//! | file | holds |
//! |---|---|
//! | [`place`] | a client's place: who comes before it, whether it is its turn, when it must look at the queue |
//! | [`ticket`] | its ticket: when it takes one, changes it or gives it back |
//! | [`vacancy`] | for how long a lock could be taken |
//! | [`patience`] | for how long the tickets before one's own have had their opportunity |
//! | [`waiting`] | the part of a place that only a lock with a queue has |
//! | [`pace`] | when to look again |

mod pace;
mod patience;
mod place;
mod ticket;
mod vacancy;
mod waiting;

pub use pace::Pace;
pub use place::{Place, QueueFound, QueueTerms, Turn};
pub(in crate::protocol) use vacancy::Vacancy;
