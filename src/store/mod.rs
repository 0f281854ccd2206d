//! Where locks are kept.

pub(crate) mod interface;
pub(crate) mod memory;
pub(crate) mod s3;
