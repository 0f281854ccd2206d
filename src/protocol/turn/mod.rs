//! Whose turn it is: what one client knows of a lock's queue, and what follows from it.
//!
//! | file | holds |
//! |---|---|
//! | [`place`] | a client's place: its ticket, who comes before it, when it must look at the queue |
//! | [`patience`] | for how long the tickets before one's own have had their opportunity |
//! | [`waiting`] | the part of a place that only a lock with a queue has |
//! | [`pace`] | when to look again |

mod pace;
mod patience;
mod place;
mod waiting;

pub use pace::Pace;
pub(in crate::protocol) use place::Vacancy;
pub use place::{Place, QueueFound, QueueTerms, Turn};
