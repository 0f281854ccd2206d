//! A lock that could be taken: for how long it could, and whether others are likely to want it.

use std::time::Duration;

/// For how long a lock is known to have been free, and how it became so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(in crate::protocol) struct Vacancy {
    /// At least so long.
    pub idle: Duration,
    /// Another client released it, or was due to, a few seconds ago.
    pub is_busy: bool,
}

impl Vacancy {
    /// Others are likely to wait for a lock that was released, or has expired, so recently.
    pub(in crate::protocol) const BUSY: Duration = Duration::from_secs(5);
}
