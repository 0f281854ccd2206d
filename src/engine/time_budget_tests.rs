//! Tests of `TimeBudget`: how much time a call has left for requests, waits and undoing.

use std::time::Duration;

use crate::engine::time_budget::TimeBudget;
use crate::sys::clock::Clock;

const SECOND: Duration = Duration::from_secs(1);
const REQUEST: Duration = Duration::from_secs(5);
/// How much real time may pass between two lines of a test.
const SLACK: Duration = Duration::from_secs(2);

fn budget(clock: &Clock, total: Duration) -> TimeBudget {
    let looks = (Duration::from_millis(100), SECOND * 2);
    TimeBudget::new(clock, total, REQUEST, looks)
}

/// Whether `span` is `expected` or at most `SLACK` less.
fn is_about(span: Duration, expected: Duration) -> bool {
    span <= expected && span + SLACK >= expected
}

#[test]
fn a_request_gets_no_more_time_than_is_left() {
    let clock = Clock::adjustable();
    let budget = budget(&clock, SECOND * 60);
    assert_eq!(budget.next_request(), Some(REQUEST));
    clock.advance(SECOND * 57);
    let limit = budget.next_request().expect("three seconds are left");
    assert!(is_about(limit, SECOND * 3) && budget.cuts_short(limit));
    clock.advance(SECOND * 3);
    assert_eq!(budget.next_request(), None);
}

#[test]
fn the_first_of_two_requests_gets_half_of_what_is_left() {
    let budget = budget(&Clock::adjustable(), SECOND * 6);
    let limit = budget.next_of_two_requests().expect("six seconds are left");
    assert!(is_about(limit, SECOND * 3), "{limit:?}");
}

#[test]
fn only_the_first_dead_holder_extends_the_time() {
    let clock = Clock::adjustable();
    let mut budget = budget(&clock, SECOND * 60).or_until_expiry(SECOND * 10);
    budget.see_holder(SECOND * 100, true);
    assert!(is_about(budget.left(), SECOND * 110));
    budget.see_holder(SECOND * 500, true);
    assert!(is_about(budget.left(), SECOND * 110));
}

#[test]
fn a_holder_seen_before_the_call_counts_until_the_call_sees_one() {
    let mut budget = budget(&Clock::adjustable(), SECOND * 60).or_until_expiry(SECOND * 10);
    budget.see_holder(SECOND * 100, false);
    budget.see_holder(SECOND * 200, true);
    assert!(is_about(budget.left(), SECOND * 210));
}

#[test]
fn a_call_with_a_limit_never_waits_beyond_it() {
    let mut budget = budget(&Clock::adjustable(), SECOND * 60);
    budget.see_holder(SECOND * 100, true);
    assert!(is_about(budget.left(), SECOND * 60));
}

#[test]
fn undoing_gets_the_time_of_two_requests_once() {
    let clock = Clock::adjustable();
    let mut budget = budget(&clock, SECOND);
    clock.advance(SECOND * 9);
    budget.give_up();
    assert!(budget.gave_up() && is_about(budget.left(), REQUEST * 2));
    clock.advance(REQUEST * 3);
    budget.give_up();
    assert!(budget.is_up());
}

#[test]
fn undoing_a_late_try_gets_the_time_of_one_request() {
    let clock = Clock::adjustable();
    let mut budget = budget(&clock, SECOND);
    clock.advance(SECOND * 9);
    budget.grant_late_try();
    assert!(is_about(budget.left(), REQUEST));
    budget.give_up();
    assert!(is_about(budget.left(), REQUEST));
}

#[test]
fn excluded_time_does_not_count() {
    let clock = Clock::adjustable();
    let mut budget = budget(&clock, SECOND * 20);
    let then = clock.now();
    clock.advance(SECOND * 30);
    budget.exclude_since(then);
    assert!(is_about(budget.left(), SECOND * 20));
}
