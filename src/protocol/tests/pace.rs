//! How often a client that waits looks at the lock, with the default pauses. The documentation of
//! `RequestPrices` has these numbers.

use std::time::Duration;

use crate::protocol::Pace;

const PACE: Pace = Pace {
    min: Duration::from_millis(100),
    max: Duration::from_secs(2),
    max_alone: Duration::from_secs(9),
};
const HOUR: Duration = Duration::from_secs(3600);

/// How many looks there are at most while one holding lasts, if answers take no time.
fn looks(lasts: Duration, before: u32, is_alone: bool) -> u32 {
    let mut watched = Duration::ZERO;
    let mut looks = 1;
    while watched < lasts {
        watched += PACE.pause(watched, before, Duration::ZERO, is_alone, 0);
        looks += 1;
    }
    looks
}

#[test]
fn who_waits_alone_looks_at_most_460_times_in_the_first_hour_and_9_700_times_a_day() {
    let (hour, day) = (looks(HOUR, 0, true), looks(24 * HOUR, 0, true));
    assert!((440..=460).contains(&hour), "{hour}");
    assert!((9_600..=9_700).contains(&day), "{day}");
}

#[test]
fn one_of_several_looks_at_most_1_830_times_an_hour_and_43_300_times_a_day() {
    for before in [0, 1, 5, 100] {
        let (hour, day) = (looks(HOUR, before, false), looks(24 * HOUR, before, false));
        assert!((1_800..=1_830).contains(&hour), "{hour}");
        assert!((43_200..=43_300).contains(&day), "{day}");
    }
}

#[test]
fn who_waits_alone_behind_a_holding_of_ten_minutes_looks_some_110_times() {
    let looks = looks(HOUR / 6, 0, true);
    assert!((105..=120).contains(&looks), "{looks}");
}
