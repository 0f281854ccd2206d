//! What went wrong during a call, and the error that it ends with.

use std::time::Duration;

use crate::engine::session::Session;
use crate::protocol::Trouble;
use crate::types::errors::{LockError, StorageError, StorageErrorKind};
use crate::types::info::LockInfo;

/// What went wrong last.
#[derive(Default)]
pub(crate) struct LastErrors {
    /// Said by the store, the network or this machine.
    real: Option<LockError>,
    /// A request that had no answer within what was left of the caller's own limit.
    cut_short: Option<LockError>,
}

impl LastErrors {
    /// Notes an error that asking again would not mend.
    pub(crate) fn fail(&mut self, error: LockError) {
        self.real = Some(error);
    }

    /// Notes a request that came to nothing, and says whether to try again. It was `cut_short` if it had
    /// less time than a request may take.
    pub(crate) fn note(&mut self, session: &Session, error: LockError, cut_short: bool) -> Trouble {
        let kind = kind(&error);
        if matches!(&error, LockError::Storage(e) if e.is_answer()) {
            session.note_answer();
        }
        // Where nothing ever answered, a wrong endpoint is likelier than an outage, and waiting
        // would only keep the news from whoever can correct it.
        let is_outage = kind != Some(StorageErrorKind::Unreachable) || session.has_answered();
        let trouble = if error.may_pass() && is_outage {
            Trouble::Transient
        } else {
            Trouble::Permanent
        };
        // What the caller's own limit cut short is no fault of the store's.
        if cut_short && kind == Some(StorageErrorKind::NoAnswer) {
            self.cut_short = Some(error);
        } else {
            self.real = Some(error);
        }
        trouble
    }

    /// The error, whatever it came from.
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

    /// The error of an acquire that has waited for so long.
    pub(crate) fn timed_out(self, waited: Duration, holder: Option<LockInfo>) -> LockError {
        match self.real {
            // The store has not answered since, or not at all.
            Some(error) if kind(&error) != Some(StorageErrorKind::Contended) => error,
            // Others were faster, or had it all the time.
            _ => LockError::TimedOut {
                waited,
                holder: holder.map(Box::new),
            },
        }
    }
}

/// The error of a write that the store refused although its condition held.
pub(crate) fn condition_ignored(key: &str) -> LockError {
    let what = format!("the store refused a write of {key} although its condition held");
    let hint = "it does not honour If-Match and If-None-Match as S3 does; S3Lock::check_store \
                tells in what, and sees to it where that is only the form of an ETag (without \
                assume_conditional_writes it runs by itself)";
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
