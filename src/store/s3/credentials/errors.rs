//! Errors of a look-up of credentials. Nothing has been sent to S3 by then.

use std::io;

use crate::types::errors::{ConfigError, LockError, StorageError, StorageErrorKind};

/// What to check if nothing came of a file in time.
pub(super) const HANGING_FILE: &str =
    "if a file that it reads is on another machine or is a pipe, check whether that hangs";

/// The user has to correct a setting.
pub(super) fn misconfigured(message: impl Into<String>) -> LockError {
    ConfigError::new("credentials", message).into()
}

/// A provider was asked and gave nothing. The kind tells whether it may do so later.
pub(super) fn failed(kind: StorageErrorKind, what: impl Into<String>) -> LockError {
    StorageError::new(kind, what).before_sending().into()
}

pub(super) fn no_thread(error: io::Error) -> LockError {
    LockError::of_this_machine(error).before_sending()
}
