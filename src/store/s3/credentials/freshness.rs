//! Decides how long credentials are used, and when to look for newer ones. Pure.

use std::time::{Duration, SystemTime};

use rusoto_core::credential::AwsCredentials;

use crate::protocol::Instant;

/// Credentials that were found, and when to look again.
pub(super) struct CachedCredentials {
    credentials: AwsCredentials,
    /// When they expire, if they do. Another computer's clock said so. An error of minutes does no
    /// harm: S3 decides, and credentials that it rejects are forgotten.
    expiry: Option<SystemTime>,
    /// How long before the expiry newer ones are looked for.
    early: Duration,
    /// When the last look-up was, and for how long after that no other begins.
    looked: Instant,
    rest: Duration,
}

/// What to do with the credentials.
pub(super) enum Freshness {
    /// Use these.
    Good(AwsCredentials),
    /// Look for newer ones, and use these if there are none.
    Ageing(AwsCredentials),
    /// Look for some.
    Missing,
}

/// How long before the expiry newer ones are looked for. AWS has them ready by then.
const EARLY: Duration = Duration::from_secs(5 * 60);
/// The longest pause between two attempts to renew credentials that are still valid.
const LONGEST_REST: Duration = Duration::from_secs(60);

impl CachedCredentials {
    /// Credentials that were found just now.
    pub(super) fn new(
        credentials: AwsCredentials,
        now: Instant,
        wall: SystemTime,
    ) -> CachedCredentials {
        let expiry = credentials.expires_at().map(SystemTime::from);
        let left = expiry.map_or(Duration::MAX, |e| left(e, wall));
        // A source may hand out expired credentials, while it has no others or because its clock
        // differs. They are tried, and the source is not asked again with every request.
        let rest = if left.is_zero() {
            LONGEST_REST
        } else {
            Duration::ZERO
        };
        CachedCredentials {
            credentials,
            expiry,
            early: EARLY.min(left / 2),
            looked: now,
            rest,
        }
    }

    pub(super) fn freshness(&self, now: Instant, wall: SystemTime) -> Freshness {
        let credentials = self.credentials.clone();
        let Some(expiry) = self.expiry else {
            return Freshness::Good(credentials);
        };
        let left = left(expiry, wall);
        if left > self.early || now.at_least_since(self.looked) < self.rest {
            return Freshness::Good(credentials);
        }
        if left.is_zero() {
            Freshness::Missing
        } else {
            Freshness::Ageing(credentials)
        }
    }

    /// Notes that there were no newer ones just now. The pause is short compared with the time
    /// left.
    pub(super) fn leave_alone(&mut self, now: Instant, wall: SystemTime) {
        let left = self.expiry.map_or(Duration::ZERO, |e| left(e, wall));
        self.looked = now;
        self.rest = LONGEST_REST.min(left / 4);
    }

    /// Whether these are the same credentials.
    pub(super) fn are(&self, other: &AwsCredentials) -> bool {
        are_same(&self.credentials, other)
    }
}

/// Whether they are the same, no matter what expiry they have.
pub(super) fn are_same(one: &AwsCredentials, other: &AwsCredentials) -> bool {
    one.aws_access_key_id() == other.aws_access_key_id()
        && one.aws_secret_access_key() == other.aws_secret_access_key()
        && one.token() == other.token()
}

/// The time left until `expiry`.
fn left(expiry: SystemTime, wall: SystemTime) -> Duration {
    expiry.duration_since(wall).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const HOUR: Duration = Duration::from_secs(3600);

    /// Credentials good for `span`, as they stand after `later`.
    fn after(span: Duration, later: Duration) -> &'static str {
        let cached = CachedCredentials::new(
            expiring(span),
            instant(Duration::ZERO),
            wall(Duration::ZERO),
        );
        freshness(&cached, later)
    }

    fn freshness(cached: &CachedCredentials, later: Duration) -> &'static str {
        match cached.freshness(instant(later), wall(later)) {
            Freshness::Good(_) => "good",
            Freshness::Ageing(_) => "ageing",
            Freshness::Missing => "missing",
        }
    }

    fn expiring(span: Duration) -> AwsCredentials {
        AwsCredentials::new("key", "secret", None, Some(wall(span).into()))
    }

    fn instant(since: Duration) -> Instant {
        Instant::from_origin(since)
    }

    fn wall(since: Duration) -> SystemTime {
        SystemTime::UNIX_EPOCH + HOUR * 24 + since
    }

    #[test]
    fn what_has_no_expiry_is_good_for_ever() {
        let fixed = AwsCredentials::new("key", "secret", None, None);
        let cached = CachedCredentials::new(fixed, instant(Duration::ZERO), wall(Duration::ZERO));
        assert_eq!(freshness(&cached, HOUR * 24 * 365), "good");
    }

    #[test]
    fn newer_ones_are_looked_for_five_minutes_before_the_expiry() {
        assert_eq!(after(HOUR, HOUR - EARLY - SECOND), "good");
        assert_eq!(after(HOUR, HOUR - EARLY), "ageing");
        assert_eq!(after(HOUR, HOUR - SECOND), "ageing");
        assert_eq!(after(HOUR, HOUR), "missing");
    }

    #[test]
    fn short_lived_ones_are_used_for_half_of_their_life() {
        assert_eq!(after(SECOND * 4, SECOND), "good");
        assert_eq!(after(SECOND * 4, SECOND * 2), "ageing");
    }

    #[test]
    fn what_had_expired_when_it_was_found_is_tried_for_a_minute() {
        assert_eq!(after(Duration::ZERO, Duration::ZERO), "good");
        assert_eq!(after(Duration::ZERO, SECOND * 59), "good");
        assert_eq!(after(Duration::ZERO, SECOND * 60), "missing");
    }

    #[test]
    fn a_source_that_has_nothing_newer_is_left_alone_for_a_while() {
        let start = Duration::ZERO;
        let mut cached = CachedCredentials::new(expiring(HOUR), instant(start), wall(start));
        let failed = HOUR - SECOND * 200;
        cached.leave_alone(instant(failed), wall(failed));
        assert_eq!(freshness(&cached, failed + SECOND * 49), "good");
        assert_eq!(freshness(&cached, failed + SECOND * 50), "ageing");
        assert_eq!(freshness(&cached, HOUR), "missing");
    }

    #[test]
    fn a_wall_clock_set_forward_ages_them() {
        let start = Duration::ZERO;
        let cached = CachedCredentials::new(expiring(HOUR), instant(start), wall(start));
        assert!(matches!(
            cached.freshness(instant(SECOND), wall(HOUR * 2)),
            Freshness::Missing
        ));
    }
}
