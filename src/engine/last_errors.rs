//! Collects the errors of a call's requests, and chooses the error that the call ends with. The driver and
//! the store check note errors here.

use std::time::Duration;

use crate::engine::session::Session;
use crate::protocol::Trouble;
use crate::types::errors::{LockError, StorageError, StorageErrorKind};
use crate::types::info::LockInfo;

/// The last errors of a call.
#[derive(Default)]
pub(crate) struct LastErrors {
    /// From the store, the network or this machine.
    real: Option<LockError>,
    /// A request got no answer in the time that was left of the caller's own limit.
    cut_short: Option<LockError>,
}

impl LastErrors {
    /// Notes an error that a retry would not fix.
    pub(crate) fn fail(&mut self, error: LockError) {
        self.real = Some(error);
    }

    /// Notes a failed request, and returns whether to try again. It was `cut_short` if it had less time
    /// than a request may take.
    pub(crate) fn note(&mut self, session: &Session, error: LockError, cut_short: bool) -> Trouble {
        let kind = kind(&error);
        if matches!(&error, LockError::Storage(e) if e.is_answer()) {
            session.note_answer();
        }
        // If nothing ever answered, a wrong endpoint is more likely than an outage. Waiting would only
        // delay the error that tells the user.
        let is_outage = kind != Some(StorageErrorKind::Unreachable) || session.has_answered();
        let trouble = if error.may_pass() && is_outage {
            if let LockError::Storage(error) = &error {
                session.note_trouble(error, cut_short);
            }
            Trouble::Transient
        } else {
            Trouble::Permanent
        };
        // The caller's own limit cut this request short, not the store. What kept it from being sent at all
        // is worth telling.
        let was_sent = !matches!(&error, LockError::Storage(e) if e.is_before_sending());
        if cut_short && was_sent && kind == Some(StorageErrorKind::NoAnswer) {
            // The first had the most time. The last may have had none.
            self.cut_short.get_or_insert(error);
        } else {
            self.real = Some(error);
        }
        trouble
    }

    /// Any error, from whatever source.
    pub(crate) fn any(self) -> Option<LockError> {
        self.real.or(self.cut_short)
    }

    /// The error of a call that changed nothing.
    pub(crate) fn failed(self, key: &str) -> LockError {
        self.any().unwrap_or_else(|| no_time(key).into())
    }

    /// The error of a call that may have changed the lock.
    pub(crate) fn unknown(self, key: &str) -> StorageError {
        let error = match self.any() {
            Some(LockError::Storage(error)) => error,
            Some(other) => no_time(key).with_source(other),
            None => no_time(key),
        };
        error.with_outcome_unknown(true)
    }

    /// The error of an acquire that has waited until its time was up.
    pub(crate) fn timed_out(
        self,
        waited: Duration,
        holder: Option<LockInfo>,
        ahead: Option<usize>,
    ) -> LockError {
        match self.real {
            // The store has not answered since, or not at all.
            Some(error) if kind(&error) != Some(StorageErrorKind::Contended) => error,
            // Others were faster, or held the lock all the time.
            _ => LockError::TimedOut {
                waited,
                holder: holder.map(Box::new),
                ahead,
            },
        }
    }
}

/// The error of a write that the store refused although its condition held.
pub(crate) fn condition_ignored(key: &str) -> LockError {
    let what = format!("the store refused a write of {key} although its condition held");
    let hint = "it does not honour If-Match and If-None-Match as S3 does; call \
                S3Lock::check_store to see what is wrong: if it is only the form of ETags, the \
                client then adapts (without assume_conditional_writes this check runs by itself)";
    let error = StorageError::new(StorageErrorKind::Unexpected, what);
    error.with_hint(hint).into()
}

fn no_time(key: &str) -> StorageError {
    let what = format!("no answer about {key} within the time given");
    StorageError::new(StorageErrorKind::NoAnswer, what)
}

fn kind(error: &LockError) -> Option<StorageErrorKind> {
    match error {
        LockError::Storage(error) => Some(error.kind()),
        _ => None,
    }
}
