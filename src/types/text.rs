//! Formats values for people, in error messages and log lines.

use std::time::Duration;

/// A duration as a person reads it: `43.2 s`.
pub(crate) fn seconds(span: &Duration) -> String {
    match span.as_secs_f64() {
        s if s >= 100.0 => format!("{s:.0} s"),
        s => format!("{s:.1} s"),
    }
}
