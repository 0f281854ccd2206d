//! The only file that draws random numbers: for pauses, so that many clients do not send at the same
//! moment, and for nonces in records.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the one place that may draw random numbers"
)]

use std::time::Duration;

use rand::Rng;
use rand::TryRngCore;
use rand::rngs::OsRng;

use crate::protocol::record::Nonce;

/// Decorrelated jitter: each pause is random, between the minimum and three times the last pause, and never
/// above the maximum.
///
/// After Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    min: Duration,
    max: Duration,
    last: Duration,
}

impl Backoff {
    pub(crate) fn new(min: Duration, max: Duration) -> Backoff {
        Backoff {
            min,
            max,
            last: min,
        }
    }

    pub(crate) fn next(&mut self) -> Duration {
        let ceiling = (self.last * 3).min(self.max).max(self.min);
        self.last = rand::rng().random_range(self.min..=ceiling);
        self.last
    }

    /// Starts over, after an attempt that succeeded.
    pub(crate) fn reset(&mut self) {
        self.last = self.min;
    }
}

/// `span`, give or take a tenth, so that clients that start together drift apart.
pub(crate) fn spread(span: Duration) -> Duration {
    rand::rng().random_range(span * 9 / 10..=spread_at_most(span))
}

/// The most that [`spread`] makes of `span`.
pub(crate) fn spread_at_most(span: Duration) -> Duration {
    span * 11 / 10
}

/// Random bits from the operating system. A generator in this process would repeat itself in a forked child
/// or a cloned machine. Each would then take the other's write for its own.
pub(crate) fn nonce() -> std::io::Result<Nonce> {
    let mut bits = [0; 16];
    OsRng
        .try_fill_bytes(&mut bits)
        .map_err(std::io::Error::other)?;
    Ok(Nonce(u128::from_le_bytes(bits)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_stay_within_their_limits() {
        let (min, max) = (Duration::from_millis(100), Duration::from_secs(2));
        let mut backoff = Backoff::new(min, max);
        for _ in 0..1000 {
            let wait = backoff.next();
            assert!((min..=max).contains(&wait), "{wait:?}");
        }
    }

    #[test]
    fn the_first_wait_is_at_most_three_times_the_least() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
        for _ in 0..1000 {
            backoff.reset();
            assert!(backoff.next() <= Duration::from_millis(300));
        }
    }

    #[test]
    fn a_waiter_looks_every_0_84_seconds_on_average() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
        let looks = 200_000;
        let waited: Duration = (0..looks).map(|_| backoff.next()).sum();
        let mean = waited.as_secs_f64() / f64::from(looks);
        // The mean of many such means has a spread of 0.0016 s.
        assert!((mean - 0.8377).abs() < 0.015, "{mean}");
    }

    #[test]
    fn no_two_nonces_are_alike() {
        assert_ne!(nonce().unwrap(), nonce().unwrap());
    }
}
