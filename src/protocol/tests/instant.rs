//! Time where the two readings of a point differ.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_wall_clock_set_forward_shortens_a_lease_but_makes_no_observer_early() {
    let start = Instant {
        low: SECOND,
        high: SECOND,
    };
    let later = Instant {
        low: SECOND * 2,
        high: SECOND * 3600,
    };
    assert_eq!(later.at_least_since(start), SECOND);
    assert_eq!(later.at_most_since(start), SECOND * 3599);
}

#[test]
fn a_wall_clock_set_back_does_not_lengthen_a_lease() {
    let start = Instant {
        low: SECOND,
        high: SECOND * 3600,
    };
    let later = Instant {
        low: SECOND * 5,
        high: SECOND,
    };
    assert_eq!(later.at_most_since(start), SECOND * 4);
}
