//! Labels: whom they keep from the lock, what marks them as done, and what proves that.

use super::*;
use crate::protocol::record::DoneLabel;

fn claim_for(label: &str) -> Claim {
    Claim {
        label: Some(label.into()),
        ..claim()
    }
}

/// The record of a holding of `owner` for a label, in place of `before`.
fn for_label(before: &Record, owner: &str, token: u64, label: &str) -> Record {
    let holder = Holder {
        owner: owner.to_owned(),
        lease: LEASE,
        acquired_at: stamp(),
        host: String::new(),
        pid: 1,
        purpose: None,
        label: Some(label.into()),
    };
    before.succeeded_by(holder, token, Nonce(1))
}

fn free() -> Record {
    record("somebody", 4, 0).released(Nonce(0))
}

/// This client's holding for the label `a`.
fn holding() -> Lease {
    let (etag, record) = (etag("e0"), for_label(&free(), "me", 5, "a"));
    Lease::new(StoredRecord { etag, record }, at(0))
}

/// What is stored after another has completed this label.
fn done_by_another(label: &str, token: u64) -> Record {
    let held = for_label(&free(), "you", token, label);
    held.completed().released(Nonce(2))
}

/// Who has completed the claim's label, as the end of an acquire says.
fn already_done(step: Step<Acquired>) -> DoneLabel {
    match step {
        Step::Done(Acquired::AlreadyDone(done)) => *done,
        other => panic!("{other:?}"),
    }
}

/// An acquire for `a` that is shown this.
fn shown_to_acquire(found: &Record) -> Step<Acquired> {
    let mut known = Observations::default();
    let mut acquire = Acquire::new(claim_for("a"));
    assert_eq!(
        acquire.on(Event::Resume, &turn(0, 1), &mut known),
        Step::Read
    );
    acquire.on(read(present("e0", found)), &turn(0, 2), &mut known)
}

/// A completion whose write gets this answer, and then a read this reply.
fn completed(
    holding: &mut Lease,
    millis: u64,
    answer: WriteOutcome<Trouble>,
    found: ReadOutcome,
) -> Step<Released> {
    let mut release = Release::with(Ending::Completed);
    write_of(release.on(Event::Resume, &turn(millis, 7), holding));
    let step = release.on(Event::Wrote(answer), &turn(millis, 0), holding);
    assert_eq!(step, Step::Read);
    release.on(read(found), &turn(millis, 8), holding)
}

/// Replies that do not tell whether a write was carried out.
const DOUBTS: [WriteOutcome<Trouble>; 2] = [unknown(), refused(Refusal::Condition)];

#[test]
fn acquire_for_a_label_that_is_done_ends_with_who_has_done_it() {
    let done = already_done(shown_to_acquire(&done_by_another("a", 9)));
    assert_eq!((&*done.owner, done.fencing_token), ("you", 9));
}

#[test]
fn acquire_for_a_label_that_is_done_ends_though_another_holds_the_lock() {
    let held = for_label(&done_by_another("a", 9), "third", 10, "b");
    assert_eq!(already_done(shown_to_acquire(&held)).fencing_token, 9);
}

#[test]
fn acquire_for_another_label_takes_the_lock_and_carries_the_labels_done() {
    let taken = write_of(shown_to_acquire(&done_by_another("b", 9))).record;
    assert_eq!(taken.label.as_deref(), Some("a"));
    assert_eq!(taken.done(), done_by_another("b", 9).done());
}

#[test]
fn acquire_without_a_label_takes_the_lock_whatever_is_done() {
    let mut known = Observations::default();
    let mut acquire = Acquire::new(claim());
    acquire.on(Event::Resume, &turn(0, 1), &mut known);
    let found = read(present("e0", &done_by_another("a", 9)));
    let taken = write_of(acquire.on(found, &turn(0, 2), &mut known)).record;
    assert_eq!((taken.label.as_deref(), taken.fencing_token), (None, 10));
}

#[test]
fn acquire_for_a_label_that_this_client_knows_to_be_done_asks_nobody() {
    let mut known = Observations::default();
    let stored = StoredRecord {
        etag: etag("e1"),
        record: done_by_another("a", 9),
    };
    known.note_released(stored.clone(), at(0));
    let step = Acquire::new(claim_for("a")).on(Event::Resume, &turn(0, 1), &mut known);
    already_done(step);
    // What it knew is still there for the next call: it takes the lock by one write.
    assert_eq!(known.released.as_deref(), Some(&stored));
}

#[test]
fn a_read_that_shows_what_stood_before_does_not_make_a_client_forget_what_is_done() {
    let mut known = Observations::default();
    let record = done_by_another("a", 9);
    known.note_released(
        StoredRecord {
            etag: etag("e1"),
            record,
        },
        at(0),
    );
    let _: bool = known.observe(&present("e0", &free()));
    assert!(known.done().find("a").is_some());
}

#[test]
fn acquire_that_waits_ends_once_its_label_is_done() {
    let mut known = Observations::default();
    let mut acquire = Acquire::new(claim_for("a"));
    acquire.on(Event::Resume, &turn(0, 1), &mut known);
    let held = read(present("e0", &for_label(&free(), "you", 5, "a")));
    let step = acquire.on(held, &turn(0, 2), &mut known);
    assert!(matches!(step, Step::Wait { .. }), "{step:?}");
    assert_eq!(
        acquire.on(Event::Resume, &turn(10, 3), &mut known),
        Step::Read
    );
    let done = read(present("e1", &done_by_another("a", 5)));
    already_done(acquire.on(done, &turn(10, 4), &mut known));
}

#[test]
fn complete_releases_and_marks_in_one_write() {
    let mut holding = holding();
    let mut release = Release::with(Ending::Completed);
    let write = write_of(release.on(Event::Resume, &turn(10, 7), &mut holding));
    assert_eq!(write.condition, Condition::Matches(etag("e0")));
    assert!(!write.record.is_held() && write.record.was_completed_by(5));
    let answer = Event::Wrote(applied(etag("e1")));
    let end = release.on(answer, &turn(10, 0), &mut holding);
    assert!(matches!(end, Step::Done(Released::Yes(Some(_)))), "{end:?}");
}

#[test]
fn release_marks_nothing() {
    let write = write_of(Release::default().on(Event::Resume, &turn(10, 7), &mut holding()));
    assert!(write.record.done().is_empty());
}

#[test]
fn complete_has_succeeded_where_its_mark_is_found() {
    let mine = holding().record().completed().released(Nonce(7));
    for doubt in DOUBTS {
        let later = for_label(&mine, "you", 6, "b");
        let end = completed(&mut holding(), 10, doubt, present("x", &later));
        assert_eq!(end, Step::Done(Released::Yes(None)));
    }
}

/// Another holder proves that the lock was given back, but not by whom.
#[test]
fn complete_is_a_loss_where_another_has_the_lock_and_its_mark_is_not_there() {
    for doubt in DOUBTS {
        let taken = for_label(&free(), "you", 6, "a");
        let end = completed(&mut holding(), 10, doubt, present("x", &taken));
        assert_eq!(end, Step::Done(Released::Lost));
    }
}

#[test]
fn complete_is_a_loss_where_another_has_completed_the_label() {
    for doubt in DOUBTS {
        let found = present("x", &done_by_another("a", 6));
        let end = completed(&mut holding(), 10, doubt, found);
        assert_eq!(end, Step::Done(Released::Lost));
    }
}

#[test]
fn complete_is_unknown_where_its_mark_may_have_been_forgotten() {
    let mut later = free();
    for token in 6..22 {
        later = for_label(&later, "you", token, &token.to_string());
        later = later.completed().released(Nonce(3));
    }
    for doubt in DOUBTS {
        let end = completed(&mut holding(), 10, doubt, present("x", &later));
        assert_eq!(end, Step::Done(Released::Unknown));
    }
}

#[test]
fn complete_after_the_deadline_succeeds_where_nobody_has_taken_the_lock() {
    let mut holding = holding();
    let mut release = Release::with(Ending::Completed);
    write_of(release.on(Event::Resume, &turn(200_000, 7), &mut holding));
    let answer = Event::Wrote(applied(etag("e1")));
    let end = release.on(answer, &turn(200_000, 0), &mut holding);
    assert!(matches!(end, Step::Done(Released::Yes(Some(_)))), "{end:?}");
}

#[test]
fn complete_finds_a_renewal_in_doubt_and_marks_over_it() {
    let mut holding = holding();
    let renewed = unresolved_renewal(&mut holding, 10, 3);
    let answer = refused(Refusal::Condition);
    let step = completed(&mut holding, 20, answer, present("e1", &renewed));
    let write = write_of(step);
    assert_eq!(write.condition, Condition::Matches(etag("e1")));
    assert!(write.record.was_completed_by(5));
}

fn handing_over(ending: Ending, label: &str) -> Option<Record> {
    let (mut holding, known) = (holding(), Observations::default());
    let next = claim_for(label);
    let mut hand_over = HandOver::of(&mut holding, ending, next, &known, at(0))?;
    Some(write_of(hand_over.on(Event::Resume, &turn(0, 7), &mut holding)).record)
}

#[test]
fn hand_over_marks_and_gives_the_lock_to_one_of_another_label_in_one_write() {
    let next = handing_over(Ending::Completed, "b").expect("it may be handed over");
    assert!(next.is_held() && next.was_completed_by(5));
    assert_eq!(next.label.as_deref(), Some("b"));
}

#[test]
fn hand_over_of_a_completed_label_passes_by_those_who_want_it() {
    assert_eq!(handing_over(Ending::Completed, "a"), None);
}

#[test]
fn hand_over_of_a_label_that_is_not_completed_gives_it_to_the_next() {
    let next = handing_over(Ending::Released, "a").expect("it may be handed over");
    assert!(next.done().is_empty());
    assert_eq!(next.label.as_deref(), Some("a"));
}

/// A completion after a hand-over that has marked the label as well, and whose outcome is unknown.
#[test]
fn complete_has_succeeded_where_its_hand_over_is_found_or_what_came_of_it() {
    for after in [|h: &Record| h.clone(), |h: &Record| h.released(Nonce(9))] {
        let (mut holding, known) = (holding(), Observations::default());
        let next = claim_for("b");
        let hand_over = HandOver::of(&mut holding, Ending::Completed, next, &known, at(0));
        let mut hand_over = hand_over.expect("it may be handed over");
        let write = write_of(hand_over.on(Event::Resume, &turn(0, 7), &mut holding));
        let step = hand_over.on(Event::Wrote(unknown()), &turn(0, 0), &mut holding);
        assert_eq!(step, Step::Done(HandedOver::Unknown));
        let found = present("x", &after(&write.record));
        let end = completed(&mut holding, 10, refused(Refusal::Condition), found);
        assert_eq!(end, Step::Done(Released::Yes(None)));
    }
}
