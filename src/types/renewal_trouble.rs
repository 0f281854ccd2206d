//! The report that an `on_trouble` callback gets when a background renewal fails.

use std::sync::Arc;
use std::time::Duration;

use crate::types::storage_error::StorageError;

/// A background renewal that failed while the lock is still held.
/// [`LockGuard::on_trouble`](crate::LockGuard::on_trouble) passes it to its callback.
///
/// # Examples
///
/// ```
/// use s3_lock::RenewalTrouble;
///
/// fn describe(trouble: &RenewalTrouble) -> String {
///     format!("{} for {:?} more", trouble.error(), trouble.remaining())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct RenewalTrouble {
    error: Arc<StorageError>,
    remaining: Duration,
}

impl RenewalTrouble {
    pub(crate) fn new(error: Arc<StorageError>, remaining: Duration) -> RenewalTrouble {
        RenewalTrouble { error, remaining }
    }

    /// The same after some time has passed. `None` once the lock is lost: that is `on_lost`'s news.
    pub(crate) fn after(self, passed: Duration) -> Option<RenewalTrouble> {
        let remaining = self.remaining.saturating_sub(passed);
        (!remaining.is_zero()).then_some(RenewalTrouble { remaining, ..self })
    }

    /// Why the last renewal failed. Missing credentials have the kind
    /// [`StorageErrorKind::Credentials`](crate::StorageErrorKind::Credentials) here.
    pub fn error(&self) -> &StorageError {
        &self.error
    }

    /// How long the lease still runs when the callback is called; always more than zero. The client
    /// retries renewals until then. After that the lock is lost.
    pub fn remaining(&self) -> Duration {
        self.remaining
    }
}
