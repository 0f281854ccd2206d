//! When a holding may be taken over.

use super::*;

/// What the store's clock says of a record's age.
fn dated(date: i64, modified: i64) -> Snapshot {
    Snapshot {
        date: Some(date),
        modified: Some(modified),
        ..seen("e", &record("other", 1, 1), 1_000)
    }
}

fn free_in(seen: &Snapshot, now: u64) -> Duration {
    Observations::default().free_in(seen, &EXPIRY_RULE, at(now))
}

#[test]
fn by_the_stores_clock_a_record_expires_after_lease_margin_and_the_share_for_rates() {
    // 100 s + 2 s + 0.2 s, of which the store's clock shows 102.
    assert_eq!(
        free_in(&dated(1102, 1000), 1_000),
        Duration::from_millis(200)
    );
    assert!(
        !free_in(&dated(1102, 1000), 1_200).is_zero(),
        "as old as is not older than"
    );
    assert!(free_in(&dated(1102, 1000), 1_201).is_zero());
    assert!(free_in(&dated(1103, 1000), 1_000).is_zero());
}

#[test]
fn time_that_may_not_have_passed_makes_no_observer_early() {
    let slept = after_sleep(1_000, 3_600_000);
    let mut known = Observations::default();
    let seen = dated(1000, 1000);
    assert!(!known.observe(&ReadOutcome::Present(seen.clone())));
    let left = known.free_in(&seen, &EXPIRY_RULE, slept);
    assert_eq!(left, known.free_in(&seen, &EXPIRY_RULE, at(1_000)));
}

#[test]
fn a_date_before_last_modified_counts_for_nothing() {
    let fresh = free_in(&dated(1000, 1000), 1_000);
    assert_eq!(free_in(&dated(0, 1000), 1_000), fresh);
    assert_eq!(free_in(&dated(i64::MIN, i64::MAX), 1_000), fresh);
}

#[test]
fn without_the_stores_clock_no_date_counts() {
    let own = ExpiryRule {
        store_clock: false,
        ..EXPIRY_RULE
    };
    let left = Observations::default().free_in(&dated(9000, 1000), &own, at(1_000));
    assert_eq!(left, Duration::from_millis(102_200));
}

#[test]
fn by_its_own_clock_an_observer_counts_from_the_first_arrival_of_this_version() {
    let mut known = Observations::default();
    let first = seen("e", &record("other", 1, 1), 1_000);
    assert!(!known.observe(&ReadOutcome::Present(first)));
    let again = seen("e", &record("other", 1, 1), 60_000);
    assert!(!known.observe(&ReadOutcome::Present(again.clone())));
    let left = |now| known.free_in(&again, &EXPIRY_RULE, at(now));
    assert_eq!(left(60_000), Duration::from_millis(43_200));
    assert!(!left(103_200).is_zero());
    assert!(left(103_201).is_zero());
}

#[test]
fn a_look_that_shows_nothing_does_not_begin_anew() {
    let mut known = Observations::default();
    let first = seen("e", &record("other", 1, 1), 0);
    let _ = known.observe(&ReadOutcome::Present(first.clone()));
    let _ = known.observe(&ReadOutcome::Hidden { date: None });
    assert!(known.free_in(&first, &EXPIRY_RULE, at(103_000)).is_zero());
}

#[test]
fn another_version_begins_anew() {
    let mut known = Observations::default();
    let _ = known.observe(&ReadOutcome::Present(seen("e", &record("other", 1, 1), 0)));
    let renewed = seen("f", &record("other", 1, 2), 90_000);
    let _ = known.observe(&ReadOutcome::Present(renewed.clone()));
    let left = known.free_in(&renewed, &EXPIRY_RULE, at(110_000));
    assert_eq!(left, Duration::from_millis(82_200));
}

#[test]
fn a_date_that_advances_over_two_seconds_more_than_the_own_clock_is_caught() {
    for (advance, caught) in [(60, false), (62, false), (63, true), (3600, true)] {
        let mut known = Observations::default();
        let then = Snapshot {
            sent: at(0),
            arrived: at(3_000), // a slow reply proves nothing
            ..dated(1000, 1000)
        };
        let now = Snapshot {
            arrived: at(60_000),
            ..dated(1000 + advance, 1000)
        };
        assert!(!known.observe(&ReadOutcome::Present(then)));
        assert_eq!(
            known.observe(&ReadOutcome::Present(now)),
            caught,
            "{advance}"
        );
    }
}

/// An honest store of two nodes. One is ahead by as much as is assumed. It answers as fast as
/// possible, at each moment of a second.
#[test]
fn dates_of_two_nodes_that_differ_by_a_second_are_never_caught() {
    let seconds = |millis: u64| StoreSeconds::try_from(millis / 1000).unwrap();
    for (phase, skew) in (0..1000).flat_map(|phase| [(phase, 300), (phase, 900), (phase, 1000)]) {
        for between in [0, 1, 700, 60_000] {
            let mut known = Observations::default();
            let (sent, arrived) = (at(phase), at(phase + between));
            let first = Snapshot {
                sent,
                arrived: sent,
                ..dated(seconds(phase), 0)
            };
            let second = Snapshot {
                sent: arrived,
                arrived,
                ..dated(seconds(phase + between + skew), 0)
            };
            assert!(!known.observe(&ReadOutcome::Present(first)));
            let caught = known.observe(&ReadOutcome::Present(second));
            assert!(!caught, "phase {phase}, skew {skew}, between {between}");
        }
    }
}

#[test]
fn tokens_grow_beyond_everything_seen() {
    let mut known = Observations::default();
    let first = known.first_token(1_795_399_200);
    assert_eq!(first, Some(1_795_399_200_000_000));
    known.saw_token(2_000_000_000_000_000);
    let first = known.first_token(1_795_399_200);
    assert_eq!(first, Some(2_000_000_000_000_001));
    assert_eq!(known.next_token(7), Some(2_000_000_000_000_001));
    assert_eq!(
        known.next_token(3_000_000_000_000_000),
        Some(3_000_000_000_000_001)
    );
}

#[test]
fn tokens_end_with_the_last_that_a_reader_takes() {
    let known = Observations::default();
    assert_eq!(known.next_token(MAX_TOKEN - 1), Some(MAX_TOKEN));
    assert_eq!(known.next_token(MAX_TOKEN), None);
    assert_eq!(known.next_token(u64::MAX), None);
    let mut known = Observations::default();
    known.saw_token(MAX_TOKEN);
    assert_eq!(known.next_token(7), None);
    assert_eq!(known.first_token(1_795_399_200), None);
}

#[test]
fn the_first_token_fits_in_53_bits_whatever_the_date() {
    for date in [i64::MIN, -1, 0, i64::MAX] {
        let token = Observations::default().first_token(date);
        let fits = token.is_some_and(|token| (1..MAX_TOKEN).contains(&token));
        assert!(fits, "{date}: {token:?}");
    }
}
