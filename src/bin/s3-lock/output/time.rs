//! Points in time, as people and programs read them.

use std::time::SystemTime;

/// `2026-11-23T02:00:00Z`
pub fn rfc3339(at: SystemTime) -> String {
    humantime::format_rfc3339_seconds(at).to_string()
}
