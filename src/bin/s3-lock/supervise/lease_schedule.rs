//! When a command has to end, by the lease of its lock.

use std::time::Duration;

use s3_lock::LockGuard;

use crate::output::causes::with_causes;
use crate::supervise::schedule::{Due, Schedule};
use crate::system::clock;

/// The schedule to begin with. If acquiring took long, or s3-lock was stopped since, the lock is renewed first.
pub fn first_schedule(guard: &LockGuard, grace: Duration) -> Result<Schedule, String> {
    let is_in_time = |schedule: &Schedule| schedule.due(clock::now()) == Due::Nothing;
    let at_first = schedule(guard, grace);
    if is_in_time(&at_first) {
        return Ok(at_first);
    }
    guard.renew().map_err(|error| with_causes(&error))?;
    Some(schedule(guard, grace))
        .filter(is_in_time)
        .ok_or_else(|| "the lease is too short for --kill-after".to_owned())
}

/// When the command has to end if the lock is not renewed.
pub fn schedule(guard: &LockGuard, grace: Duration) -> Schedule {
    // In this order: the moment is rather too early than too late.
    let now = clock::now();
    Schedule::of_lease(now + guard.remaining(), grace)
}
