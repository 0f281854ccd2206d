//! The only file that reads a clock. Leases, timeouts and pauses all use it.
//!
//! A lease must run out even while the machine is suspended, so its clock must not stand still then. Linux
//! has such a clock (`CLOCK_BOOTTIME`). Other systems have only a monotonic clock that may stop and a wall
//! clock that may jump. There, each reader takes the one of the two that errs on the safe side: see
//! [`Instant`].

#![expect(
    clippy::disallowed_methods,
    reason = "the one place that may ask for the time"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;

use crate::protocol::Instant;

/// A source of time: the system's clock, or the system's clock moved forward by a test.
#[derive(Clone, Default)]
pub(crate) struct Clock {
    shift: Option<Arc<Shift>>,
}

/// How far a test has moved the clocks of an in-memory store and its clients.
#[derive(Default)]
struct Shift {
    nanos: AtomicU64,
    moved: Notify,
}

impl Clock {
    /// A clock that [`Clock::advance`] can move. Its clones move with it.
    pub(crate) fn adjustable() -> Clock {
        Clock {
            shift: Some(Arc::default()),
        }
    }

    /// Moves an adjustable clock forward and wakes all sleepers.
    pub(crate) fn advance(&self, by: Duration) {
        if let Some(shift) = &self.shift {
            let nanos = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
            let add = |moved: u64| Some(moved.saturating_add(nanos));
            // Never fails: `add` always returns `Some`.
            let _ = shift
                .nanos
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, add);
            shift.moved.notify_waiters();
        }
    }

    fn shifted(&self) -> Duration {
        let nanos = |s: &Arc<Shift>| s.nanos.load(Ordering::SeqCst);
        Duration::from_nanos(self.shift.as_ref().map_or(0, nanos))
    }

    pub(crate) fn now(&self) -> Instant {
        let (low, high) = raw();
        let shifted = self.shifted();
        Instant {
            low: low + shifted,
            high: high + shifted,
        }
    }

    /// The wall clock, for people and for signatures. It is never compared with another machine's.
    pub(crate) fn wall(&self) -> SystemTime {
        SystemTime::now() + self.shifted()
    }

    /// Runs `future` for at most `span`. `None` if the time is up first.
    pub(crate) async fn within<F: Future>(&self, span: Duration, future: F) -> Option<F::Output> {
        tokio::select! {
            biased;
            output = future => Some(output),
            () = self.sleep(span) => None,
        }
    }

    /// Sleeps for `span` by this clock.
    pub(crate) async fn sleep(&self, span: Duration) {
        let start = self.now();
        loop {
            let moved = self.shift.as_ref().map(|s| s.moved.notified());
            tokio::pin!(moved);
            if let Some(moved) = moved.as_mut().as_pin_mut() {
                // Register before reading the clock, or a move in between is missed.
                moved.enable();
            }
            let left = span.saturating_sub(self.now().at_least_since(start));
            if left.is_zero() {
                return;
            }
            // Tokio's timers stand still while the machine is suspended; this clock does not stop.
            let nap = left.min(LONGEST_NAP);
            match moved.as_pin_mut() {
                Some(moved) => {
                    let _ = tokio::time::timeout(nap, moved).await;
                }
                None => tokio::time::sleep(nap).await,
            }
        }
    }
}

/// The longest sleep before reading the clock again.
const LONGEST_NAP: Duration = Duration::from_secs(1);

#[cfg(any(target_os = "linux", target_os = "android"))]
fn raw() -> (Duration, Duration) {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let secs = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanos = u32::try_from(now.tv_nsec).unwrap_or(0);
    let now = Duration::new(secs, nanos);
    (now, now)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn raw() -> (Duration, Duration) {
    use std::sync::OnceLock;
    use std::time;
    static ORIGIN: OnceLock<time::Instant> = OnceLock::new();
    let monotonic = ORIGIN.get_or_init(time::Instant::now).elapsed();
    let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    (monotonic, wall.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn an_adjustable_clock_moves_with_its_clones() {
        let clock = Clock::adjustable();
        let start = clock.clone().now();
        clock.advance(SECOND * 60);
        assert!(clock.now().at_least_since(start) >= SECOND * 60);
    }

    #[test]
    fn the_system_clock_does_not_run_backwards() {
        let clock = Clock::default();
        let start = clock.now();
        assert!(clock.now().at_least_since(start) < SECOND * 60);
        assert_eq!(start.at_least_since(clock.now()), Duration::ZERO);
    }
}
