//! Releasing by guard: what counts as given back, as lost, and as unknown.

use super::*;

#[test]
fn release_is_late_once_remaining_was_zero_though_the_wall_clock_is_set_back() {
    let (mut holding, [forward, back]) = (held(), jumps());
    holding.remaining(forward);
    let now = Inputs {
        now: back,
        ..turn(0, 7)
    };
    let mut release = Release::default();
    write_of(release.on(Event::Resume, &now, &mut holding));
    release.on(Event::Wrote(unknown()), &now, &mut holding);
    let taken = read(present("x", &record("you", 6, 8)));
    let end = release.on(taken, &now, &mut holding);
    assert_eq!(end, Step::Done(Released::Lost));
}

/// Replies that do not tell whether a release was carried out: none, or a refusal that may be of a
/// second copy.
const DOUBTS: [WriteOutcome<Trouble>; 2] = [unknown(), refused(Refusal::Condition)];

#[test]
fn release_has_succeeded_where_another_is_found_to_have_the_lock_before_the_deadline() {
    for doubt in DOUBTS {
        let taken = present("x", &record("you", 6, 8));
        let end = refused_release(&mut held(), 1_000, doubt, taken);
        assert_eq!(end, Step::Done(Released::Yes(None)));
    }
}

#[test]
fn release_has_succeeded_where_others_had_the_lock_and_gave_it_back_before_the_deadline() {
    for doubt in DOUBTS {
        let gone = present("x", &record("you", 9, 8).released(Nonce(9)));
        let end = refused_release(&mut held(), 1_000, doubt, gone);
        assert_eq!(end, Step::Done(Released::Yes(None)));
    }
}

#[test]
fn release_proves_nothing_by_another_holder_of_an_object_that_was_made_anew() {
    for origin in [Some(0xfe), None] {
        for doubt in DOUBTS {
            let anew = of_object(origin, record("you", 6, 8));
            let end = refused_release(&mut held(), 1_000, doubt, present("x", &anew));
            assert_eq!(end, Step::Done(Released::Lost), "{origin:?}");
        }
    }
}

#[test]
fn release_proves_nothing_where_its_own_record_does_not_say_who_made_the_object() {
    for doubt in DOUBTS {
        let nameless = |owner, token, nonce| of_object(None, record(owner, token, nonce));
        let (etag, record) = (etag("e0"), nameless("me", 5, 1));
        let mut holding = Lease::new(StoredRecord { etag, record }, at(0));
        let taken = present("x", &nameless("you", 6, 8));
        let end = refused_release(&mut holding, 1_000, doubt, taken);
        assert_eq!(end, Step::Done(Released::Lost));
    }
}

#[test]
fn release_refused_is_a_loss_where_the_next_may_have_waited_for_the_deadline() {
    let mut holding = held();
    let mut release = Release::default();
    write_of(release.on(Event::Resume, &turn(99_999, 7), &mut holding));
    let refused = Event::Wrote(refused(Refusal::Condition));
    let step = release.on(refused, &turn(99_999, 0), &mut holding);
    assert_eq!(step, Step::Read);
    let taken = read(present("x", &record("you", 6, 8)));
    let end = release.on(taken, &turn(103_000, 8), &mut holding);
    assert_eq!(end, Step::Done(Released::Lost));
}

#[test]
fn a_release_of_unknown_outcome_stays_unknown_where_the_next_may_have_waited_for_the_deadline() {
    let mut holding = held();
    let mut release = Release::default();
    write_of(release.on(Event::Resume, &turn(99_999, 7), &mut holding));
    let unknown = Event::Wrote(unknown());
    let step = release.on(unknown, &turn(99_999, 0), &mut holding);
    assert_eq!(step, Step::Read);
    let taken = read(present("x", &record("you", 6, 8)));
    let end = release.on(taken, &turn(103_000, 8), &mut holding);
    assert_eq!(end, Step::Done(Released::Unknown));
}

#[test]
fn release_is_a_loss_where_a_namesake_may_have_ended_the_holding() {
    // The mark of a later holding may have replaced that of this one.
    for (mark, doubt) in [5, 6].into_iter().flat_map(|m| DOUBTS.map(|d| (m, d))) {
        let mut successor = record("me", mark + 1, 8);
        successor.reclaimed = Some(mark);
        let taken = present("x", &successor);
        let end = refused_release(&mut held(), 1_000, doubt, taken);
        assert_eq!(end, Step::Done(Released::Lost));
    }
}

#[test]
fn release_is_a_loss_where_this_holding_or_a_later_one_was_broken() {
    for (mark, doubt) in [5, 6].into_iter().flat_map(|m| DOUBTS.map(|d| (m, d))) {
        let mut successor = record("you", 7, 8);
        successor.broken = Some(mark);
        let taken = present("x", &successor);
        let end = refused_release(&mut held(), 1_000, doubt, taken);
        assert_eq!(end, Step::Done(Released::Lost));
    }
}

#[test]
fn release_has_succeeded_although_an_earlier_holding_was_cut_short() {
    for doubt in DOUBTS {
        let mut successor = record("you", 6, 8);
        (successor.broken, successor.reclaimed) = (Some(4), Some(3));
        let taken = present("x", &successor);
        let end = refused_release(&mut held(), 1_000, doubt, taken);
        assert_eq!(end, Step::Done(Released::Yes(None)));
    }
}

#[test]
fn a_release_that_finds_its_lock_broken_is_a_loss_with_any_answer() {
    for answer in [unknown(), refused(Refusal::Condition)] {
        let mut holding = held();
        let broken = present("x", &record("me", 5, 1).broken(Nonce(8)));
        let end = refused_release(&mut holding, 1_000, answer, broken);
        assert_eq!(end, Step::Done(Released::Lost));
        assert_eq!(holding.check(at(1_001)), Some(&Loss::Broken));
    }
}

#[test]
fn release_after_the_deadline_proves_nothing_by_another_holder() {
    for doubt in DOUBTS {
        let taken = present("x", &record("you", 6, 8));
        let end = refused_release(&mut held(), 100_001, doubt, taken);
        assert_eq!(end, Step::Done(Released::Lost));
    }
}

#[test]
fn a_release_after_the_deadline_is_tried_once() {
    let mut holding = held();
    let standing = present("e0", &holding.record().clone());
    let mut release = Release::default();
    write_of(release.on(Event::Resume, &turn(100_001, 7), &mut holding));
    release.on(Event::Wrote(unknown()), &turn(100_002, 0), &mut holding);
    let pause = release.on(read(standing), &turn(100_003, 0), &mut holding);
    assert_eq!(pause, Step::Pause(PauseReason::Trouble));
    let end = release.on(Event::Resume, &turn(100_004, 8), &mut holding);
    assert_eq!(end, Step::Done(Released::Unknown));
}

#[test]
fn a_release_follows_a_renewal_that_had_landed_unseen() {
    let mut holding = held();
    let renewal = unresolved_renewal(&mut holding, 10_000, 2);
    let refused = refused(Refusal::Condition);
    let again = refused_release(&mut holding, 20_000, refused, present("e1", &renewal));
    assert_eq!(write_of(again).condition, Condition::Matches(etag("e1")));
}
