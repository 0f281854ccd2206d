//! Taking the lock, and undoing an attempt.

use super::*;

pub(super) fn acquire() -> Acquire {
    Acquire::new(claim())
}

#[test]
fn the_lease_counts_from_the_first_send_however_long_the_answer_took() {
    let (mut acquire, mut known) = (acquire(), Observations::default());
    acquire.on(Event::Resume, &turn(0, 1), &mut known);
    let absent = read(ReadOutcome::Absent { date: Some(1) });
    let write = write_of(acquire.on(absent, &turn(1_000, 2), &mut known));
    assert_eq!(write.condition, Condition::Absent);
    acquire.on(Event::Wrote(unknown()), &turn(6_000, 3), &mut known);
    let own = read(present("new", &write.record));
    match acquire.on(own, &turn(9_000, 4), &mut known) {
        Step::Done(Acquired::Won { mut lease, .. }) => {
            assert_eq!(lease.remaining(at(9_000)), LEASE - Duration::from_secs(8));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_very_reply_that_shows_the_date_wrong_takes_no_lock() {
    let (mut acquire, mut known) = (acquire(), Observations::default());
    acquire.on(Event::Resume, &turn(0, 1), &mut known);
    let ancient = ReadOutcome::Present(Snapshot {
        date: Some(9_000),
        modified: Some(0),
        ..seen("e", &record("alive", 1, 1), 0)
    });
    let distrusting = Inputs {
        trusts_date: false,
        ..turn(0, 2)
    };
    let step = acquire.on(read(ancient), &distrusting, &mut known);
    assert!(matches!(step, Step::Wait { .. }), "{step:?}");
}

#[test]
fn every_record_after_a_create_says_which_create_that_was() {
    let (mut acquire, mut known) = (acquire(), Observations::default());
    acquire.on(Event::Resume, &turn(0, 1), &mut known);
    let absent = read(ReadOutcome::Absent { date: None });
    let made = write_of(acquire.on(absent, &turn(0, 2), &mut known)).record;
    assert_eq!(made.origin, Some(Nonce(2)));
    let passed_on = [
        made.renewed(Nonce(3)),
        made.released(Nonce(4)),
        made.broken(Nonce(5)),
    ];
    assert!(passed_on.iter().all(|r| r.origin == made.origin));
    let mut next = super::acquire::acquire();
    next.on(Event::Resume, &turn(0, 6), &mut known);
    let free = read(present("e", &made.released(Nonce(4))));
    let taken = write_of(next.on(free, &turn(0, 7), &mut known)).record;
    assert_eq!(taken.origin, made.origin);
}

#[test]
fn an_object_that_does_not_say_who_made_it_counts_as_made_by_the_next_holder() {
    let (mut acquire, mut known) = (acquire(), Observations::default());
    acquire.on(Event::Resume, &turn(0, 1), &mut known);
    let nameless = of_object(None, record("other", 5, 9).released(Nonce(10)));
    let step = acquire.on(read(present("e", &nameless)), &turn(0, 2), &mut known);
    assert_eq!(write_of(step).record.origin, Some(Nonce(2)));
}

#[test]
fn an_operators_mark_is_kept() {
    let (mut acquire, mut known) = (acquire(), Observations::default());
    acquire.on(Event::Resume, &turn(0, 1), &mut known);
    let mut broken = record("other", 5, 9).released(Nonce(10));
    broken.broken = Some(5);
    let step = acquire.on(read(present("e", &broken)), &turn(0, 2), &mut known);
    assert_eq!(write_of(step).record.broken, Some(5));
}

#[test]
fn a_lock_that_others_keep_taking_first_is_paused_for() {
    let (mut acquire, mut known) = (acquire(), Observations::default());
    acquire.on(Event::Resume, &turn(0, 1), &mut known);
    for round in 0..3u32 {
        let free = record("other", u64::from(round) + 1, 50).released(Nonce(60));
        let name = format!("e{round}");
        write_of(acquire.on(read(present(&name, &free)), &turn(0, 2), &mut known));
        let refused = Event::Wrote(refused(Refusal::Condition));
        assert_eq!(acquire.on(refused, &turn(0, 3), &mut known), Step::Read);
    }
    let free = record("other", 9, 50).released(Nonce(61));
    let step = acquire.on(read(present("e9", &free)), &turn(0, 4), &mut known);
    assert_eq!(step, Step::Pause(PauseReason::Contended));
}

#[test]
fn a_write_given_up_is_undone_under_its_own_condition() {
    let (mut acquire, mut known) = (acquire(), Observations::default());
    acquire.on(Event::Resume, &turn(0, 1), &mut known);
    let free = record("other", 4, 8).released(Nonce(9));
    let taking = write_of(acquire.on(read(present("e", &free)), &turn(0, 2), &mut known));
    acquire.on(Event::Wrote(unknown()), &turn(0, 3), &mut known);
    assert_eq!(
        acquire.on(Event::GiveUp, &turn(0, 4), &mut known),
        Step::Read
    );
    let undoing = write_of(acquire.on(read(present("e", &free)), &turn(0, 5), &mut known));
    assert_eq!(undoing.condition, taking.condition);
    assert!(!undoing.record.is_held());
    assert_ne!(undoing.record.nonce, taking.record.nonce);
    let applied = Event::Wrote(applied(etag("f")));
    let end = acquire.on(applied, &turn(0, 6), &mut known);
    assert_eq!(end, Step::Done(Acquired::Failed));
}

#[test]
fn an_undo_that_finds_the_write_landed_releases_that() {
    let (mut acquire, mut known) = (acquire(), Observations::default());
    acquire.on(Event::Resume, &turn(0, 1), &mut known);
    let absent = read(ReadOutcome::Absent { date: None });
    let taking = write_of(acquire.on(absent, &turn(0, 2), &mut known));
    acquire.on(Event::Wrote(unknown()), &turn(0, 3), &mut known);
    acquire.on(Event::GiveUp, &turn(0, 4), &mut known);
    let landed = read(present("mine", &taking.record));
    let undoing = write_of(acquire.on(landed, &turn(0, 5), &mut known));
    assert_eq!(undoing.condition, Condition::Matches(etag("mine")));
    assert!(!undoing.record.is_held());
}

#[test]
fn an_undo_that_cannot_read_says_what_may_remain() {
    let (mut acquire, mut known) = (acquire(), Observations::default());
    acquire.on(Event::Resume, &turn(0, 1), &mut known);
    let absent = read(ReadOutcome::Absent { date: None });
    acquire.on(absent, &turn(0, 2), &mut known);
    acquire.on(Event::Wrote(unknown()), &turn(0, 3), &mut known);
    acquire.on(Event::GiveUp, &turn(0, 4), &mut known);
    let failed = Event::Read(Err(Trouble::Transient));
    let end = acquire.on(failed, &turn(0, 5), &mut known);
    assert_eq!(end, Step::Done(Acquired::MayRemain));
}
