//! Finding out whether a store honours the conditions that the lock rests on.

pub(crate) mod attempt;
pub(crate) mod check;
mod dates;
mod pair;
pub(crate) mod scratch;
