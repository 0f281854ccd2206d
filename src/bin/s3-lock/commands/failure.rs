//! Why a command could not do its work.

use std::fmt;
use std::io;

use s3_lock::{ConfigError, LockError};

use crate::output::causes::with_causes;

/// One line for people. Its causes are told in it.
#[derive(Debug)]
pub struct Failure(String);

impl Failure {
    pub fn new(text: impl Into<String>) -> Failure {
        Failure(text.into())
    }

    /// Something was done, and could not be told.
    pub fn not_told(deed: &str, error: &io::Error) -> Failure {
        Failure(format!("{deed}; cannot write to standard output: {error}"))
    }

    /// A question has got no answer.
    pub fn no_answer(error: io::Error) -> Failure {
        Failure(format!(
            "cannot ask on the terminal: {error}; give --yes to break it without being asked"
        ))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<LockError> for Failure {
    fn from(error: LockError) -> Failure {
        Failure(with_causes(&error))
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Failure {
        Failure(with_causes(&error))
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure(format!("cannot write to standard output: {error}"))
    }
}
