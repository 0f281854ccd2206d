//! Texts for people.

use std::time::Duration;

/// A span in whole seconds, as `1m 30s`.
pub fn span(span: Duration) -> String {
    humantime::format_duration(Duration::from_secs(span.as_secs())).to_string()
}

/// Text from elsewhere, with what could steer a terminal shown as escapes.
pub fn plain(text: &str) -> String {
    let escaped = text.chars().map(|char| match char {
        char if char.is_control() => char.escape_default().to_string(),
        char => char.to_string(),
    });
    escaped.collect()
}

/// An error and its causes, which do not repeat each other.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
