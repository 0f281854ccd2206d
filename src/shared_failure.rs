//! A failure that many were waiting for, told to all of them at once.

use std::sync::Mutex;

use crate::clock::Instant;
use crate::error::{ConfigError, LockError};
use crate::sync::lock;

/// The last time that it failed for a reason that each of those who were waiting would find for
/// itself, one after another, and as slowly: that there are no credentials, above all. Whoever asks
/// later finds out anew.
#[derive(Default)]
pub(crate) struct SharedFailure(Mutex<Option<(Instant, ConfigError)>>);

impl SharedFailure {
    /// Takes in why somebody's turn failed; before the next one's begins.
    pub(crate) fn note(&self, error: Option<&LockError>, now: Instant) {
        if let Some(LockError::Config(error)) = error {
            *lock(&self.0) = Some((now, error.clone()));
        }
    }

    /// The failure, if it was found out after `start`.
    pub(crate) fn since(&self, start: Instant) -> Option<ConfigError> {
        let failure = lock(&self.0);
        let (found, error) = failure.as_ref()?;
        let later = !found.at_least_since(start).is_zero();
        later.then(|| error.clone())
    }
}
