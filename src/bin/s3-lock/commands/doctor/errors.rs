//! What errors say, as findings.

use s3_lock::inspection::Told;
use s3_lock::{LockError, StorageErrorKind};

use crate::arguments::as_options;
use crate::output::doctor::{Finding, Status};

impl Finding {
    /// What an error says of something that locks need.
    pub fn failed(error: &LockError) -> Finding {
        Finding::of_error(gravity(error), error)
    }

    pub fn of_error(status: Status, error: &LockError) -> Finding {
        let Told { what, remedy } = Told::of(error);
        Finding {
            status,
            found: as_options(&what),
            remedy: remedy.map(|remedy| as_options(&remedy)),
        }
    }
}

/// Whether an error keeps locks from working, or hides whether they do: another try may bring an answer.
fn gravity(error: &LockError) -> Status {
    use StorageErrorKind::{Contended, Local, Unavailable};
    match error {
        LockError::Storage(error) => match error.kind() {
            Contended | Local | Unavailable => Status::Unknown,
            _ => Status::Fail,
        },
        _ => Status::Fail,
    }
}
