//! What one step of the examination found.

use s3_lock::inspection::Told;
use s3_lock::{LockError, StorageErrorKind};
use serde::Serialize;

use crate::commands::wording;

/// What was found, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub status: Status,
    pub found: String,
    pub remedy: Option<String>,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Ok,
    /// Locks work in spite of it.
    Warn,
    /// It keeps a lock from working.
    Fail,
    /// It matters, and could not be found out.
    Unknown,
    NotTried,
}

impl Finding {
    pub fn ok(found: impl Into<String>) -> Finding {
        Finding::new(Status::Ok, found)
    }

    pub fn new(status: Status, found: impl Into<String>) -> Finding {
        Finding {
            status,
            found: found.into(),
            remedy: None,
        }
    }

    pub fn not_tried(why: &str) -> Finding {
        Finding::new(Status::NotTried, format!("not tried: {why}"))
    }

    pub fn with_remedy(mut self, remedy: impl Into<String>) -> Finding {
        self.remedy = Some(remedy.into());
        self
    }

    /// The same, saying what it is about.
    pub fn about(self, what: &str) -> Finding {
        Finding {
            found: format!("{what}: {}", self.found),
            ..self
        }
    }

    /// What an error says of something that locks need.
    pub fn failed(error: &LockError) -> Finding {
        Finding::of_error(gravity(error), error)
    }

    pub fn of_error(status: Status, error: &LockError) -> Finding {
        let Told { what, remedy } = Told::of(error);
        Finding {
            status,
            found: wording::of_the_command(&what),
            remedy: remedy.map(|remedy| wording::of_the_command(&remedy)),
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
