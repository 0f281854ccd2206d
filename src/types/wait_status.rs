//! What a call that waits for a lock knows of its wait.

use std::time::Duration;

use crate::types::errors::StorageError;
use crate::types::info::LockInfo;

/// What a call that waits for a lock knows: for how long it has waited, for whom, and how many come first. From
/// [`WaitHandle::status`](crate::WaitHandle::status), which has an example.
#[derive(Clone, Debug)]
pub struct WaitStatus {
    pub(crate) waited: Duration,
    /// The holder, and how long ago it was seen.
    pub(crate) holder: Option<(LockInfo, Duration)>,
    pub(crate) ahead: Option<usize>,
    pub(crate) trouble: Option<StorageError>,
}

impl WaitStatus {
    /// How long the call has waited so far, its requests included.
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// Who held the lock when the client last looked. None if it has not looked since the call began, or the lock
    /// was free.
    ///
    /// [`remaining`](LockInfo::remaining) is as of that look, which was [`seen_ago`](WaitStatus::seen_ago). So
    /// `remaining - seen_ago` counts down until the lock may be taken over, unless its holder renews it.
    pub fn holder(&self) -> Option<&LockInfo> {
        self.holder.as_ref().map(|(info, _)| info)
    }

    /// How long ago the client saw the holder. Zero if that is a guard of the same client, and if there is no
    /// holder.
    pub fn seen_ago(&self) -> Duration {
        let seen_ago = self.holder.as_ref().map(|(_, seen_ago)| *seen_ago);
        seen_ago.unwrap_or_default()
    }

    /// How many others came before this client in the lock's queue when it last looked there; none if it has not
    /// looked. Other threads of the client are not counted.
    pub fn ahead(&self) -> Option<usize> {
        self.ahead
    }

    /// Why the client's last request failed, if the store has answered none since. The call tries again, until its
    /// limit: with an endless one, for as long as the store does not answer.
    pub fn trouble(&self) -> Option<&StorageError> {
        self.trouble.as_ref()
    }
}
