//! Checks whether a store honours the conditional writes that the lock relies on. `engine/check_first.rs` runs
//! a check before the first lock in a bucket; `S3Lock::race_store` runs the races.
//!
//! | file | what it does |
//! |---|---|
//! | `check` | runs one check, from its first request to a report |
//! | `attempt` | sends one write and one read of a check |
//! | `dates`, `pair` | parts of a check: compares the store's dates; races two writers |
//! | `race` | has several writers write at the same moment, and judges the result |
//! | `rounds` | runs many races, round after round |
//! | `story` | describes for people a race that refutes a store |
//! | `scratch` | makes the objects that checks and races write to |

pub(crate) mod attempt;
pub(crate) mod check;
mod dates;
mod pair;
mod race;
mod rounds;
pub(crate) mod scratch;
mod story;
