//! Releasing by owner name.

use super::*;

/// A release by name that has seen holding 5 of `me` and sent its write.
fn sent() -> (Free, Write) {
    let mut free = Free::by_name("me".to_owned());
    let mut known = Observations::default();
    assert_eq!(free.on(Event::Resume, &turn(0, 1), &mut known), Step::Read);
    let held = read(present("e", &record("me", 5, 2)));
    let write = write_of(free.on(held, &turn(0, 3), &mut known));
    (free, write)
}

fn on(free: &mut Free, event: Event) -> Step<Freed> {
    free.on(event, &turn(0, 99), &mut Observations::default())
}

#[test]
fn a_later_holding_of_the_same_owner_is_left_alone_and_hides_how_the_first_ended() {
    // A proxy may have repeated the request: then the second copy was refused.
    for answer in [refused(Refusal::Condition), unknown()] {
        let (mut free, _) = sent();
        on(&mut free, Event::Wrote(answer));
        let later = read(present("f", &record("me", 6, 4)));
        assert_eq!(on(&mut free, later), Step::Done(Freed::Unknown));
    }
}

#[test]
fn a_release_by_name_leaves_a_mark_that_the_next_holding_keeps() {
    let (_, write) = sent();
    assert_eq!(write.record.reclaimed, Some(5));
    let mut acquire = Acquire::new(claim());
    let mut known = Observations::default();
    acquire.on(Event::Resume, &turn(0, 1), &mut known);
    let freed = read(present("f", &write.record));
    let next = write_of(acquire.on(freed, &turn(0, 7), &mut known));
    assert_eq!(next.record.reclaimed, Some(5));
}

#[test]
fn a_renewal_in_between_is_released_too() {
    let (mut free, _) = sent();
    on(&mut free, Event::Wrote(refused(Refusal::Condition)));
    let renewed = read(present("f", &record("me", 5, 4)));
    let write = write_of(on(&mut free, renewed));
    assert_eq!(write.condition, Condition::Matches(etag("f")));
}

#[test]
fn a_release_by_somebody_else_in_between_is_not_this_calls() {
    let (mut free, _) = sent();
    on(&mut free, Event::Wrote(unknown()));
    let freed = read(present("f", &record("me", 5, 2).released(Nonce(77))));
    assert_eq!(on(&mut free, freed), Step::Done(Freed::No));
}
