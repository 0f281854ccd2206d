//! Finding out whether a store honours the conditions that the lock rests on.
//!
//! | file | holds |
//! |---|---|
//! | `check` | one check, from its first request to a report |
//! | `attempt` | one write and one read of a check |
//! | `dates`, `pair` | parts of a check: the store's clock, and two writers at the same moment |
//! | `race` | several writers at the same moment, and judging them |
//! | `rounds` | racing a store in earnest, round after round |
//! | `story` | a race that refutes a store, told for people |
//! | `scratch` | the objects that all this is tried on |

pub(crate) mod attempt;
pub(crate) mod check;
mod dates;
mod pair;
mod race;
mod rounds;
mod scratch;
mod story;
