//! The time of day, for people to read.

use std::time::SystemTime;

/// What this machine's clock shows. It can be set: nothing but texts may depend on it.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the file where the command reads it"
)]
pub fn now() -> SystemTime {
    SystemTime::now()
}
