//! The limits of a record: its format, its size, the longest lease and the largest token.

use std::time::Duration;

/// The version of the record that this crate writes, and the newest that it reads. A change
/// raises it if older versions would misread the record, or must not copy a new field.
pub(crate) const FORMAT: u32 = 1;
/// A record is a few hundred bytes. Anything larger than this is another program's object.
pub const MAX_BODY: usize = 64 * 1024;
/// The longest lease that is written or believed: 7 days.
pub const MAX_LEASE: Duration = Duration::from_secs(7 * 24 * 3600);
/// The largest fencing token. Tokens stay below 2^53, so that no JSON tool rounds them.
pub const MAX_TOKEN: u64 = (1 << 53) - 1;
/// The longest owner name, in bytes of UTF-8.
pub(crate) const MAX_OWNER: usize = 512;
/// The longest label, in bytes of UTF-8.
pub(crate) const MAX_LABEL: usize = 128;
/// How many labels done a record keeps. A name and a label take twice their length in JSON at most, as they have no control
/// characters; so these take less than 23 KiB, with one more for the moment at which the oldest is forgotten.
pub const MAX_DONE: usize = 16;
/// The largest number that is believed of a ticket. Larger ones would leave no room to count on, and are taken for
/// damage.
pub(in crate::protocol) const MAX_ADVISORY: u64 = 1 << 52;
