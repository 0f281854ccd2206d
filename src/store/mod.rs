//! Where locks are kept: what the engine needs of a store ([`interface`]), and the two stores.

mod counters;
pub(crate) mod interface;
pub(crate) mod memory;
pub(crate) mod s3;
