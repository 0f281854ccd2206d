//! A holding: its deadline, what a read tells of it, and how it is lost.

use super::*;

#[test]
fn a_lease_ends_at_its_deadline_and_not_a_tick_later() {
    let mut holding = held();
    assert_eq!(holding.check(at(99_999)), None);
    assert_eq!(holding.check(at(100_000)), Some(&Loss::Expired));
}

#[test]
fn time_that_may_have_passed_counts_against_the_holder() {
    let mut holding = held();
    assert_eq!(holding.check(after_sleep(1_000, 98_999)), None);
    let slept = after_sleep(1_000, 99_000);
    assert_eq!(holding.check(slept), Some(&Loss::Expired));
}

#[test]
fn remaining_that_was_zero_stays_zero_though_the_wall_clock_is_set_back() {
    let (mut holding, [forward, back]) = (held(), jumps());
    assert_eq!(holding.remaining(forward), Duration::ZERO);
    assert_eq!(holding.remaining(back), Duration::ZERO);
    assert_eq!(holding.check(back), Some(&Loss::Expired));
}

#[test]
fn a_jump_of_the_wall_clock_that_no_call_saw_costs_no_remaining_time() {
    let (mut holding, [_, back]) = (held(), jumps());
    assert_eq!(holding.remaining(back), LEASE - Duration::from_secs(2));
}

#[test]
fn what_stands_instead_tells_how_the_lock_was_lost() {
    let taken = record("you", 6, 8);
    let freed = record("me", 5, 8).released(Nonce(9));
    let mut broken = record("me", 5, 8).released(Nonce(9));
    broken.broken = Some(5);
    let mut broken_and_taken = record("you", 6, 9);
    broken_and_taken.broken = Some(5);
    // Only the last holding that was broken is on record.
    let broken_again = record("you", 6, 9).broken(Nonce(10));
    let cases = [
        (
            present("x", &taken),
            Loss::TakenOver(Box::new(seen("x", &taken, 0))),
        ),
        (present("x", &freed), Loss::Vanished),
        (present("x", &broken), Loss::Broken),
        (present("x", &broken_and_taken), Loss::Broken),
        (
            present("x", &broken_again),
            Loss::TakenOver(Box::new(seen("x", &broken_again, 0))),
        ),
        (present("x", &record("me", 4, 1)), Loss::Vanished),
        (ReadOutcome::Absent { date: None }, Loss::Vanished),
        (ReadOutcome::Foreign, Loss::Vanished),
    ];
    for (found, loss) in cases {
        let mut holding = held();
        assert_eq!(holding.learn(&found, at(1)), Learned::Lost);
        assert_eq!(holding.check(at(1)), Some(&loss));
    }
}

#[test]
fn the_first_cause_of_a_loss_stands_but_for_an_expiry() {
    let mut holding = held();
    holding.check(at(100_000));
    holding.learn(&present("x", &record("you", 6, 8)), at(100_001));
    assert!(matches!(
        holding.check(at(100_002)),
        Some(Loss::TakenOver(_))
    ));
    holding.learn(&ReadOutcome::Absent { date: None }, at(100_003));
    assert!(matches!(
        holding.check(at(100_004)),
        Some(Loss::TakenOver(_))
    ));
}

#[test]
fn the_same_record_under_another_etag_is_still_the_own_one() {
    let mut holding = held();
    let own = holding.record().clone();
    assert_eq!(
        holding.learn(&present("e9", &own), at(1)),
        Learned::Unchanged
    );
    let release = Release::default().on(Event::Resume, &turn(2, 4), &mut holding);
    assert_eq!(write_of(release).condition, Condition::Matches(etag("e9")));
}
