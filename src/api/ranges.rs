//! The allowed ranges of durations in settings.

use std::time::Duration;

use crate::types::errors::ConfigError;

/// Refuses a duration that is less than `least` or more than `most`.
pub(crate) fn within(
    field: &'static str,
    span: Duration,
    least: Duration,
    most: Duration,
) -> Result<(), ConfigError> {
    if (least..=most).contains(&span) {
        return Ok(());
    }
    Err(out_of_range(field, span, least, &limit(most)))
}

pub(crate) fn out_of_range(
    field: &'static str,
    span: Duration,
    least: Duration,
    most: &str,
) -> ConfigError {
    let message = format!("invalid {field} {span:?}: it must be from {least:?} to {most}");
    ConfigError::new(field, message)
}

/// A limit in a form for people.
pub(crate) fn limit(most: Duration) -> String {
    const DAY: u64 = 24 * 3600;
    match most.as_secs() {
        seconds if seconds >= DAY && seconds % DAY == 0 => format!("{} days", seconds / DAY),
        _ => format!("{most:?}"),
    }
}
