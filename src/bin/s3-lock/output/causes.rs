//! Errors with their causes, in one line.

use std::error::Error;

use crate::output::wording::of_the_command;

/// An error and its causes, which do not repeat each other, in the command's own words.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    of_the_command(&text)
}
