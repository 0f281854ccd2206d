//! Racing a store: several writes at the same moment, of which it may do one.

pub(crate) mod race;
mod rounds;
pub(crate) mod story;
