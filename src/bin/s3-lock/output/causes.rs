//! Errors with their causes, in one line.

use std::error::Error;

use crate::arguments::as_options;

/// An error and its causes, which do not repeat each other, in the words of the command line.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    as_options(&text)
}
