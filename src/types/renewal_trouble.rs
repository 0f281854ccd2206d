//! What a guard tells of renewals that fail.

use std::sync::Arc;
use std::time::Duration;

use crate::types::storage_error::StorageError;

/// A lock that could not be renewed in the background, and is still held: what
/// [`LockGuard::on_trouble`](crate::LockGuard::on_trouble) tells.
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

    /// The same after some time has passed; nothing once the lock is lost, which is told otherwise.
    pub(crate) fn after(self, passed: Duration) -> Option<RenewalTrouble> {
        let remaining = self.remaining.saturating_sub(passed);
        (!remaining.is_zero()).then_some(RenewalTrouble { remaining, ..self })
    }

    /// Why the last renewal failed. Credentials that are missing are
    /// [`StorageErrorKind::Credentials`](crate::StorageErrorKind::Credentials) here.
    pub fn error(&self) -> &StorageError {
        &self.error
    }

    /// How long the lease still runs as the callback is called, which is more than nothing: renewals are
    /// tried again until then, and then the lock is lost.
    pub fn remaining(&self) -> Duration {
        self.remaining
    }
}
