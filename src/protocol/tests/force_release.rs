//! Breaking a holding by force.

use super::*;

fn force() -> Free {
    let mut free = Free::by_force("me".to_owned(), 5);
    assert_eq!(on(&mut free, Event::Resume), Step::Read);
    free
}

fn on(free: &mut Free, event: Event) -> Step<Freed> {
    free.on(event, &turn(0, 99), &mut Observations::default())
}

/// A call that has seen the holding, and got this reply to its write.
fn answered(answer: WriteOutcome<Trouble>) -> (Free, Write) {
    let mut free = force();
    let write = write_of(on(&mut free, read(present("e", &record("me", 5, 2)))));
    assert_eq!(on(&mut free, Event::Wrote(answer)), Step::Read);
    (free, write)
}

fn unanswered() -> (Free, Write) {
    answered(unknown())
}

/// The holding after this one, with its mark of one broken before.
fn next(broken: Option<u64>) -> ReadOutcome {
    let mut next = record("you", 6, 4);
    next.broken = broken;
    present("f", &next)
}

#[test]
fn the_holding_is_released_under_its_version_with_a_mark() {
    let mut free = force();
    let write = write_of(on(&mut free, read(present("e", &record("me", 5, 2)))));
    assert_eq!(write.condition, Condition::Matches(etag("e")));
    assert!(!write.record.is_held());
    assert_eq!(
        (write.record.fencing_token, write.record.broken),
        (5, Some(5))
    );
    let end = on(&mut free, Event::Wrote(applied(etag("f"))));
    let record = write.record;
    let etag = etag("f");
    assert_eq!(end, Step::Done(Freed::Yes(StoredRecord { etag, record })));
}

#[test]
fn any_other_holding_and_none_at_all_are_left_alone() {
    let others = [
        present("e", &record("me", 6, 2)),
        present("e", &record("me", 4, 2)),
        present("e", &record("you", 5, 2)),
        present("e", &record("me", 5, 2).released(Nonce(3))),
        ReadOutcome::Absent { date: None },
    ];
    for found in others {
        assert_eq!(on(&mut force(), read(found)), Step::Done(Freed::No));
    }
}

#[test]
fn what_cannot_be_read_or_is_no_lock_is_not_broken() {
    for found in [ReadOutcome::Hidden { date: None }, ReadOutcome::Foreign] {
        assert_eq!(on(&mut force(), read(found)), Step::Done(Freed::Failed));
    }
}

#[test]
fn a_renewal_in_between_is_the_same_holding_and_broken_too() {
    for answer in [unknown(), refused(Refusal::Condition)] {
        let (mut free, _) = answered(answer);
        let write = write_of(on(&mut free, read(present("f", &record("me", 5, 4)))));
        assert_eq!(write.condition, Condition::Matches(etag("f")));
        assert_eq!(write.record.broken, Some(5));
    }
}

#[test]
fn a_lost_reply_is_read_back_as_applied() {
    let (mut free, write) = unanswered();
    let end = on(&mut free, read(present("f", &write.record)));
    assert!(matches!(end, Step::Done(Freed::Yes(known)) if known.etag == etag("f")));
}

#[test]
fn a_write_that_may_yet_land_is_sent_again() {
    let (mut free, write) = unanswered();
    let standing = read(present("e", &record("me", 5, 2)));
    assert_eq!(on(&mut free, standing), Step::Pause(PauseReason::Trouble));
    assert_eq!(on(&mut free, Event::Resume), Step::Write(write));
}

#[test]
fn a_write_that_may_yet_land_when_the_time_is_up_is_unknown() {
    let (mut free, _) = unanswered();
    on(&mut free, read(present("e", &record("me", 5, 2))));
    assert_eq!(on(&mut free, Event::GiveUp), Step::Done(Freed::Unknown));
}

#[test]
fn a_next_holding_without_a_mark_shows_that_nobody_broke_this_one() {
    for earlier in [None, Some(4)] {
        let (mut free, _) = unanswered();
        assert_eq!(on(&mut free, read(next(earlier))), Step::Done(Freed::No));
    }
}

#[test]
fn a_next_holding_with_a_mark_after_a_lost_reply_is_undecidable() {
    // Another operator may have broken this one as well, or a later one.
    for mark in [5, 6] {
        let (mut free, _) = unanswered();
        let end = on(&mut free, read(next(Some(mark))));
        assert_eq!(end, Step::Done(Freed::Unknown));
    }
}

#[test]
fn a_write_refused_because_another_ended_the_holding_did_nothing() {
    let endings = [
        present("f", &record("me", 5, 2).released(Nonce(7))),
        present("f", &record("me", 5, 2).broken(Nonce(7))),
    ];
    for found in endings {
        let (mut free, _) = answered(refused(Refusal::Condition));
        assert_eq!(on(&mut free, read(found)), Step::Done(Freed::No));
    }
}

#[test]
fn a_refused_write_may_be_a_second_copy_of_one_that_left_its_mark_or_is_gone() {
    for found in [next(Some(5)), ReadOutcome::Absent { date: None }] {
        let (mut free, _) = answered(refused(Refusal::Condition));
        assert_eq!(on(&mut free, read(found)), Step::Done(Freed::Unknown));
    }
}

#[test]
fn the_holder_broken_first_of_two_in_a_row_finds_the_lock_taken_over() {
    let first = StoredRecord {
        etag: etag("e"),
        record: record("me", 5, 2),
    };
    let mut holding = Lease::new(first.clone(), at(0));
    let mut force = force();
    let broken = write_of(on(&mut force, read(present("e", &first.record)))).record;
    let mut known = Observations::default();
    let mut acquire = Acquire::new(claim());
    acquire.on(Event::Resume, &turn(0, 1), &mut known);
    let step = acquire.on(read(present("f", &broken)), &turn(0, 7), &mut known);
    let second = write_of(step).record;
    assert_eq!((second.fencing_token, second.broken), (6, Some(5)));
    let mut again = Free::by_force("me".to_owned(), 6);
    on(&mut again, Event::Resume);
    let broken = write_of(on(&mut again, read(present("g", &second)))).record;
    // Of the two marks, the last is on record.
    assert_eq!(broken.broken, Some(6));
    holding.learn(&present("h", &broken), at(1));
    assert!(matches!(holding.check(at(1)), Some(Loss::TakenOver(_))));
    // So its release must not take the later holder for a sign of its own success.
    let mut holding = Lease::new(first, at(0));
    let mut release = Release::default();
    write_of(release.on(Event::Resume, &turn(0, 8), &mut holding));
    let refused = Event::Wrote(refused(Refusal::Condition));
    release.on(refused, &turn(0, 9), &mut holding);
    let end = release.on(read(present("h", &broken)), &turn(0, 9), &mut holding);
    assert_eq!(end, Step::Done(Released::Lost));
}

#[test]
fn the_same_holding_ended_by_another_after_a_lost_reply_was_not_ended_by_this_call() {
    let (mut free, _) = unanswered();
    let ended = read(present("f", &record("me", 5, 2).broken(Nonce(7))));
    assert_eq!(on(&mut free, ended), Step::Done(Freed::No));
}

#[test]
fn an_object_that_is_gone_after_a_lost_reply_is_undecidable() {
    let (mut free, _) = unanswered();
    let gone = read(ReadOutcome::Absent { date: None });
    assert_eq!(on(&mut free, gone), Step::Done(Freed::Unknown));
}
