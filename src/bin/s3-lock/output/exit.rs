//! Exit statuses.

/// The command was ended by s3-lock, as timeout(1) has it.
pub const ENDED: u8 = 124;
/// s3-lock itself failed, as timeout(1) and env(1) have it.
pub const OWN_FAILURE: u8 = 125;
/// The command was found and could not be run.
pub const NOT_EXECUTABLE: u8 = 126;
/// The command was not found.
pub const NOT_FOUND: u8 = 127;
/// What is added to the number of a signal that ended something.
pub const SIGNALLED: u8 = 128;
