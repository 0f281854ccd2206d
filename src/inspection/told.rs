//! An error for people, in two parts.

use std::error::Error;

use crate::types::errors::LockError;

/// What an error says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// What happened, with the causes that its text does not name.
    pub what: String,
    /// What to do about it.
    pub remedy: Option<String>,
}

impl Told {
    /// The parts of an error's text.
    pub fn of(error: &LockError) -> Told {
        let (what, remedy) = match error {
            LockError::Storage(error) => {
                let (what, remedy) = error.parts();
                (what.to_owned(), remedy.map(str::to_owned))
            }
            other => parted(&other.to_string()),
        };
        let mut what = what;
        let mut source = error.source();
        while let Some(cause) = source {
            what = format!("{what}: {cause}");
            source = cause.source();
        }
        Told { what, remedy }
    }
}

/// Texts of errors name the remedy after the first semicolon.
fn parted(text: &str) -> (String, Option<String>) {
    match text.split_once("; ") {
        Some((what, remedy)) => (what.to_owned(), Some(remedy.to_owned())),
        None => (text.to_owned(), None),
    }
}
