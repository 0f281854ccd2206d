//! What one read of a lock's object showed.

use crate::protocol::instant::Instant;
use crate::protocol::object::{ETag, StoreSeconds};
use crate::protocol::record::Record;

/// What a read found.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::large_enum_variant,
    reason = "lives for one step, one at a time"
)]
pub enum ReadOutcome {
    Absent {
        date: Option<StoreSeconds>,
    },
    /// Reading is not permitted, or the key is absent and listing is not permitted. S3 answers both
    /// with the same 403.
    Hidden {
        date: Option<StoreSeconds>,
    },
    /// The object is not a record that this version can use.
    Foreign,
    Present(Snapshot),
}

/// A record as one read showed it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Snapshot {
    pub etag: ETag,
    pub record: Record,
    /// The reply's `Date`.
    pub date: Option<StoreSeconds>,
    /// The reply's `Last-Modified`.
    pub modified: Option<StoreSeconds>,
    /// When the request was about to be sent.
    pub sent: Instant,
    /// When the reply had arrived.
    pub arrived: Instant,
    /// Whether a guard in this process has the holding, or an acquire is about to return one.
    pub live_here: bool,
}

/// A record and the version that it is stored as.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StoredRecord {
    pub etag: ETag,
    pub record: Record,
}
