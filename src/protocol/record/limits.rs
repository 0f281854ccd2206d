//! What a record may hold at the most.

use std::time::Duration;

/// The version of the record that this crate writes, and the newest that it reads. A change that older
/// versions cannot live with makes it larger: a field that they know and that gets another meaning or
/// type, or one that they must not merely carry on.
pub(crate) const FORMAT: u32 = 1;
/// A record is a few hundred bytes; anything above this is somebody else's object.
pub const MAX_BODY: usize = 64 * 1024;
/// The longest lease that is written or believed: 7 days.
pub const MAX_LEASE: Duration = Duration::from_secs(7 * 24 * 3600);
/// The largest fencing token: they stay below 2^53, so that no JSON tool rounds them.
pub const MAX_TOKEN: u64 = (1 << 53) - 1;
