//! What one step of the examination found.

use serde::Serialize;

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
}
