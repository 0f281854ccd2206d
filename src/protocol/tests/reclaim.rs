//! Taking over what another holds under the same owner name.

use super::*;

fn reclaiming() -> Acquire {
    Acquire::new(Claim {
        reclaims: true,
        ..claim()
    })
}

/// What an acquire does about a held record of that look that has not expired.
fn first_step(mut acquire: Acquire, seen: Snapshot) -> Step<Acquired> {
    let mut known = Observations::default();
    acquire.on(Event::Resume, &turn(0, 1), &mut known);
    let found = ReadOutcome::Present(seen);
    let _ = known.observe(&found);
    acquire.on(read(found), &turn(0, 2), &mut known)
}

fn held_by(owner: &str) -> Snapshot {
    seen("e", &record(owner, 5, 9), 0)
}

#[test]
fn a_namesakes_record_is_taken_over_at_once_with_a_larger_token() {
    let write = write_of(first_step(reclaiming(), held_by("me")));
    assert_eq!(write.condition, Condition::Matches(etag("e")));
    assert!(write.record.is_held());
    assert_eq!(write.record.fencing_token, 6);
}

#[test]
fn a_record_of_another_owner_is_waited_for() {
    for owner in ["you", "ME", "me ", "m"] {
        let step = first_step(reclaiming(), held_by(owner));
        assert!(matches!(step, Step::Wait { .. }), "{owner}: {step:?}");
    }
}

#[test]
fn nothing_is_reclaimed_unless_asked_for() {
    let step = first_step(Acquire::new(claim()), held_by("me"));
    assert!(matches!(step, Step::Wait { .. }), "{step:?}");
}

#[test]
fn nothing_is_reclaimed_from_a_living_namesake_in_this_process() {
    let alive = Snapshot {
        live_here: true,
        ..held_by("me")
    };
    let step = first_step(reclaiming(), alive);
    assert!(matches!(step, Step::Wait { .. }), "{step:?}");
}

#[test]
fn a_living_namesake_that_has_expired_is_taken_over_like_any_holder() {
    let expired = Snapshot {
        live_here: true,
        date: Some(1103),
        modified: Some(1000),
        ..held_by("me")
    };
    write_of(first_step(reclaiming(), expired));
}

#[test]
fn a_namesake_that_landed_in_between_is_reclaimed_too() {
    let (mut acquire, mut known) = (reclaiming(), Observations::default());
    acquire.on(Event::Resume, &turn(0, 1), &mut known);
    let free = record("me", 4, 8).released(Nonce(9));
    write_of(acquire.on(read(present("e", &free)), &turn(0, 2), &mut known));
    let refused = Event::Wrote(refused(Refusal::Condition));
    acquire.on(refused, &turn(0, 3), &mut known);
    let landed = read(present("f", &record("me", 5, 9)));
    let write = write_of(acquire.on(landed, &turn(0, 4), &mut known));
    assert_eq!(write.condition, Condition::Matches(etag("f")));
}

#[test]
fn namesakes_that_keep_reclaiming_from_each_other_pause() {
    let (mut acquire, mut known) = (reclaiming(), Observations::default());
    acquire.on(Event::Resume, &turn(0, 1), &mut known);
    for round in 0..3u32 {
        let held = record("me", u64::from(round) + 1, 50);
        let name = format!("e{round}");
        write_of(acquire.on(read(present(&name, &held)), &turn(0, 2), &mut known));
        let refused = Event::Wrote(refused(Refusal::Condition));
        assert_eq!(acquire.on(refused, &turn(0, 3), &mut known), Step::Read);
    }
    let held = read(present("e9", &record("me", 9, 50)));
    let step = acquire.on(held, &turn(0, 4), &mut known);
    assert_eq!(step, Step::Pause(PauseReason::Contended));
}

#[test]
fn a_reclaimed_holding_leaves_its_mark() {
    let write = write_of(first_step(reclaiming(), held_by("me")));
    assert_eq!(write.record.reclaimed, Some(5));
}

#[test]
fn a_takeover_in_time_leaves_no_mark_and_keeps_an_earlier_one() {
    for mark in [None, Some(3)] {
        let mut before = record("me", 5, 9);
        before.reclaimed = mark;
        let free = seen("e", &before.released(Nonce(10)), 0);
        let write = write_of(first_step(reclaiming(), free));
        assert_eq!(write.record.reclaimed, mark);
    }
}
