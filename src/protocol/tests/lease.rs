//! Holding the lock: renewing, verifying, releasing, losing it.

use super::*;

fn held() -> Lease {
    let record = record("me", 5, 1);
    Lease::new(
        StoredRecord {
            etag: etag("e0"),
            record,
        },
        at(0),
    )
}

/// A renewal first sent at `millis` whose answer never came; what it wrote.
fn unresolved_renewal(holding: &mut Lease, millis: u64, nonce: u128) -> Record {
    let mut renew = Renew::default();
    let mut step = renew.on(Event::Resume, &turn(millis, nonce), holding);
    if step == Step::Peek {
        // Where an earlier one went is not to be seen yet.
        let still = present("e0", &holding.record().clone());
        step = renew.on(read(still), &turn(millis, nonce), holding);
    }
    let write = write_of(step);
    renew.on(Event::Wrote(unknown()), &turn(millis, 0), holding);
    let end = renew.on(Event::GiveUp, &turn(millis, 0), holding);
    assert_eq!(end, Step::Done(Renewed::Unknown));
    write.record
}

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

/// The wall clock of a machine whose other clock stops in suspend: set forward, then back again.
fn jumps() -> [Instant; 2] {
    [after_sleep(1_000, 99_000), after_sleep(2_000, 0)]
}

#[test]
fn remaining_that_was_zero_stays_zero_though_the_wall_clock_is_set_back() {
    let (mut holding, [forward, back]) = (held(), jumps());
    assert_eq!(holding.remaining(forward), Duration::ZERO);
    assert_eq!(holding.remaining(back), Duration::ZERO);
    assert_eq!(holding.check(back), Some(&Loss::Expired));
}

#[test]
fn remaining_counts_a_jump_of_the_wall_clock_that_nobody_has_met_for_nothing() {
    let (mut holding, [_, back]) = (held(), jumps());
    assert_eq!(holding.remaining(back), LEASE - Duration::from_secs(2));
}

#[test]
fn renew_sends_nothing_once_remaining_was_zero_though_the_wall_clock_is_set_back() {
    let (mut holding, [forward, back]) = (held(), jumps());
    holding.remaining(forward);
    let now = Inputs {
        now: back,
        ..turn(0, 2)
    };
    let step = Renew::default().on(Event::Resume, &now, &mut holding);
    assert_eq!(step, Step::Done(Renewed::Lost));
}

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

#[test]
fn an_answer_that_comes_at_a_jump_of_the_wall_clock_does_not_revive_its_holding() {
    let (mut holding, [forward, back]) = (held(), jumps());
    let mut renew = Renew::default();
    write_of(renew.on(Event::Resume, &turn(500, 2), &mut holding));
    holding.remaining(forward);
    let now = Inputs {
        now: back,
        ..turn(0, 3)
    };
    let applied = Event::Wrote(applied(etag("e1")));
    let end = renew.on(applied, &now, &mut holding);
    assert_eq!(end, Step::Done(Renewed::Lost));
    assert_eq!(holding.remaining(back), Duration::ZERO);
}

#[test]
fn a_renewal_at_the_deadline_sends_nothing() {
    let mut holding = held();
    let step = Renew::default().on(Event::Resume, &turn(100_000, 2), &mut holding);
    assert_eq!(step, Step::Done(Renewed::Lost));
}

#[test]
fn a_renewal_learned_of_after_the_old_deadline_revives_nothing() {
    let mut holding = held();
    let mut renew = Renew::default();
    write_of(renew.on(Event::Resume, &turn(99_000, 2), &mut holding));
    let applied = Event::Wrote(applied(etag("e1")));
    let end = renew.on(applied, &turn(100_000, 3), &mut holding);
    assert_eq!(end, Step::Done(Renewed::Lost));
    assert_eq!(holding.remaining(at(100_001)), Duration::ZERO);
    // Its release is still tried, against what stands now.
    let release = Release::default().on(Event::Resume, &turn(100_002, 4), &mut holding);
    assert_eq!(write_of(release).condition, Condition::Matches(etag("e1")));
}

#[test]
fn a_renewal_found_by_reading_back_counts_from_its_own_first_send() {
    let mut holding = held();
    let first = unresolved_renewal(&mut holding, 10_000, 2);
    unresolved_renewal(&mut holding, 20_000, 3);
    let learned = holding.learn(&present("e1", &first), at(30_000));
    assert_eq!(learned, Learned::Resolved);
    assert_eq!(holding.remaining(at(30_000)), Duration::from_secs(80));
}

#[test]
fn a_renewal_cut_off_by_the_deadline_is_still_known_to_the_release() {
    let mut holding = held();
    let mut renew = Renew::default();
    let write = write_of(renew.on(Event::Resume, &turn(99_000, 2), &mut holding));
    renew.on(Event::Wrote(unknown()), &turn(99_001, 0), &mut holding);
    let standing = present("e0", &record("me", 5, 1));
    renew.on(read(standing), &turn(99_002, 0), &mut holding);
    let end = renew.on(Event::Resume, &turn(100_000, 3), &mut holding);
    assert_eq!(end, Step::Done(Renewed::Lost));
    // It has landed after all, and the release follows it.
    let refused = refused(Refusal::Condition);
    let landed = present("e1", &write.record);
    let again = refused_release(&mut holding, 100_001, refused, landed);
    assert_eq!(write_of(again).condition, Condition::Matches(etag("e1")));
}

#[test]
fn a_renewal_stopped_half_way_is_still_known_to_the_release() {
    let mut holding = held();
    let mut renew = Renew::default();
    let sent = write_of(renew.on(Event::Resume, &turn(10_000, 2), &mut holding)).record;
    drop(renew);
    let landed = present("later", &sent);
    assert_eq!(holding.learn(&landed, at(11_000)), Learned::Resolved);
    assert_eq!(
        holding.remaining(at(11_000)),
        LEASE - Duration::from_secs(1)
    );
}

/// A look that is under way; it began at `millis`.
fn looking(holding: &mut Lease, millis: u64) -> Verify {
    let mut verify = Verify::default();
    let step = verify.on(Event::Resume, &turn(millis, 0), holding);
    assert_eq!(step, Step::Read);
    verify
}

/// Renews at `millis`, at once and without trouble; what it wrote.
fn renewed(holding: &mut Lease, millis: u64, nonce: u128) -> Record {
    let mut renew = Renew::default();
    let write = write_of(renew.on(Event::Resume, &turn(millis, nonce), holding));
    let applied = applied(ETag(format!("e{nonce}")));
    let end = renew.on(Event::Wrote(applied), &turn(millis, 0), holding);
    assert_eq!(end, Step::Done(Renewed::Yes));
    write.record
}

/// What `verify` makes of a read that shows this, at `millis`.
fn shown(
    verify: &mut Verify,
    holding: &mut Lease,
    found: ReadOutcome,
    millis: u64,
) -> Step<Verified> {
    verify.on(read(found), &turn(millis, 0), holding)
}

#[test]
fn verify_that_sees_what_was_known_finds_it_held() {
    let mut holding = held();
    let mut verify = looking(&mut holding, 1_000);
    let own = present("e0", &record("me", 5, 1));
    let end = shown(&mut verify, &mut holding, own, 1_001);
    assert_eq!(end, Step::Done(Verified::Held));
}

#[test]
fn verify_that_sees_anothers_record_finds_it_lost() {
    let mut holding = held();
    let mut verify = looking(&mut holding, 1_000);
    let other = present("x", &record("you", 6, 99));
    let end = shown(&mut verify, &mut holding, other, 1_001);
    assert_eq!(end, Step::Done(Verified::Lost));
}

#[test]
fn verify_that_sees_the_version_before_a_renewal_that_landed_meanwhile_finds_it_held() {
    let mut holding = held();
    let mut verify = looking(&mut holding, 1_000);
    renewed(&mut holding, 1_001, 2);
    let before = present("e0", &record("me", 5, 1));
    let end = shown(&mut verify, &mut holding, before, 1_002);
    assert_eq!(end, Step::Done(Verified::Held));
    assert_eq!(holding.remaining(at(1_001)), LEASE);
}

#[test]
fn verify_that_sees_a_version_in_between_relies_on_a_renewal_that_was_sent_since_it_began() {
    let mut holding = held();
    let mut verify = looking(&mut holding, 1_000);
    let between = renewed(&mut holding, 1_001, 2);
    renewed(&mut holding, 1_002, 3);
    let end = shown(&mut verify, &mut holding, present("e2", &between), 1_003);
    assert_eq!(end, Step::Done(Verified::Held));
}

#[test]
fn verify_looks_again_where_a_renewal_from_before_it_landed_meanwhile() {
    let mut holding = held();
    let mut renew = Renew::default();
    write_of(renew.on(Event::Resume, &turn(900, 2), &mut holding));
    let mut verify = looking(&mut holding, 1_000);
    let applied = Event::Wrote(applied(etag("e2")));
    renew.on(applied, &turn(1_001, 0), &mut holding);
    // A loss, maybe; or what some store shows of the time before.
    let other = || present("x", &record("you", 6, 99));
    let step = shown(&mut verify, &mut holding, other(), 1_002);
    assert_eq!(step, Step::Read);
    let end = shown(&mut verify, &mut holding, other(), 1_003);
    assert_eq!(end, Step::Done(Verified::Lost));
}

#[test]
fn verify_looks_again_where_a_renewal_hides_whether_the_lock_is_lost() {
    let mut holding = held();
    let mut verify = looking(&mut holding, 1_000);
    renewed(&mut holding, 1_001, 2);
    let broken = record("me", 5, 1).broken(Nonce(50));
    let broken = || present("x", &broken);
    assert_eq!(
        shown(&mut verify, &mut holding, broken(), 1_002),
        Step::Read
    );
    let end = shown(&mut verify, &mut holding, broken(), 1_003);
    assert_eq!(end, Step::Done(Verified::Lost));
    assert_eq!(holding.check(at(1_003)), Some(&Loss::Broken));
}

#[test]
fn verify_that_sees_a_renewal_under_way_adopts_it_with_its_first_send() {
    let mut holding = held();
    let mut renew = Renew::default();
    let write = write_of(renew.on(Event::Resume, &turn(10_000, 2), &mut holding));
    let mut verify = looking(&mut holding, 12_000);
    let landed = present("e2", &write.record);
    let end = shown(&mut verify, &mut holding, landed, 13_000);
    assert_eq!(end, Step::Done(Verified::Held));
    assert_eq!(
        holding.remaining(at(13_000)),
        LEASE - Duration::from_secs(3)
    );
    // The renewal has its success from the look, whatever its own answer is.
    let end = renew.on(Event::Wrote(unknown()), &turn(15_000, 0), &mut holding);
    assert_eq!(end, Step::Done(Renewed::Yes));
}

#[test]
fn verify_answered_after_the_deadline_finds_it_lost_whatever_it_shows() {
    let mut holding = held();
    let mut verify = looking(&mut holding, 99_999);
    let own = present("e0", &record("me", 5, 1));
    let end = shown(&mut verify, &mut holding, own, 100_000);
    assert_eq!(end, Step::Done(Verified::Lost));
}

#[test]
fn a_renewal_that_reads_late_what_stood_before_is_no_loss_where_a_look_has_found_it_landed() {
    let mut holding = held();
    let first = unresolved_renewal(&mut holding, 10_000, 2);
    let mut renew = Renew::default();
    let step = renew.on(Event::Resume, &turn(20_000, 3), &mut holding);
    assert_eq!(step, Step::Peek);
    // It lands after that read, and a look beside it shows so first.
    let mut verify = looking(&mut holding, 20_001);
    let landed = present("e2", &first);
    let end = shown(&mut verify, &mut holding, landed, 20_002);
    assert_eq!(end, Step::Done(Verified::Held));
    let before = present("e0", &record("me", 5, 1));
    let write = write_of(renew.on(read(before), &turn(20_003, 4), &mut holding));
    assert_eq!(write.condition, Condition::Matches(etag("e2")));
    assert_eq!(holding.check(at(20_003)), None);
}

#[test]
fn a_renewal_that_was_denied_is_known_should_a_read_show_it() {
    let mut holding = held();
    let mut renew = Renew::default();
    let step = renew.on(Event::Resume, &turn(10_000, 2), &mut holding);
    let sent = write_of(step);
    let denied = Event::Wrote(refused(Refusal::Denied));
    let step = renew.on(denied, &turn(10_000, 3), &mut holding);
    assert_eq!(step, Step::Done(Renewed::Failed));
    // A proxy had sent it twice, and the first copy was carried out.
    let mut verify = looking(&mut holding, 10_001);
    let end = shown(
        &mut verify,
        &mut holding,
        present("e1", &sent.record),
        10_002,
    );
    assert_eq!(end, Step::Done(Verified::Held));
    assert_eq!(holding.remaining(at(10_002)), Duration::from_millis(99_998));
}

#[test]
fn a_renewal_that_certainly_never_landed_is_forgotten() {
    let mut holding = held();
    let before = holding.clone();
    let mut renew = Renew::default();
    renew.on(Event::Resume, &turn(10_000, 2), &mut holding);
    let not_sent = Event::Wrote(not_sent(Trouble::Permanent));
    let step = renew.on(not_sent, &turn(10_000, 3), &mut holding);
    assert_eq!(step, Step::Done(Renewed::Failed));
    assert_eq!(holding, before);
}

#[test]
fn a_renewal_looks_first_where_an_earlier_one_went() {
    let mut holding = held();
    let first = unresolved_renewal(&mut holding, 10_000, 2);
    let mut renew = Renew::default();
    let step = renew.on(Event::Resume, &turn(20_000, 3), &mut holding);
    assert_eq!(step, Step::Peek);
    let landed = read(present("e1", &first));
    let again = write_of(renew.on(landed, &turn(20_001, 4), &mut holding));
    assert_eq!(again.condition, Condition::Matches(etag("e1")));
    assert_eq!(holding.remaining(at(20_001)), Duration::from_millis(89_999));
}

/// Why a look may show nothing.
const NOTHING_SEEN: [Result<ReadOutcome, Trouble>; 3] = [
    Err(Trouble::Transient),
    Err(Trouble::Permanent),
    Ok(ReadOutcome::Hidden { date: None }),
];

#[test]
fn renew_writes_at_once_after_a_look_that_showed_nothing() {
    for nothing in NOTHING_SEEN {
        let mut holding = held();
        unresolved_renewal(&mut holding, 10_000, 2);
        let mut renew = Renew::default();
        let look = renew.on(Event::Resume, &turn(20_000, 3), &mut holding);
        assert_eq!(look, Step::Peek);
        write_of(renew.on(Event::Read(nothing.clone()), &turn(25_000, 3), &mut holding));
        // That was the end of its time, and it was not even sent.
        let end = renew.on(Event::GiveUp, &turn(25_000, 4), &mut holding);
        assert_eq!(end, Step::Pause(PauseReason::Trouble));
        let write = Renew::default().on(Event::Resume, &turn(26_000, 5), &mut holding);
        assert_eq!(write_of(write).condition, Condition::Matches(etag("e0")));
    }
}

#[test]
fn renew_looks_again_after_a_write_that_had_no_answer_either() {
    let mut holding = held();
    unresolved_renewal(&mut holding, 10_000, 2);
    let mut renew = Renew::default();
    renew.on(Event::Resume, &turn(20_000, 3), &mut holding);
    let nothing = Event::Read(Err(Trouble::Transient));
    write_of(renew.on(nothing, &turn(25_000, 3), &mut holding));
    renew.on(Event::Wrote(unknown()), &turn(30_000, 4), &mut holding);
    let look = Renew::default().on(Event::Resume, &turn(31_000, 5), &mut holding);
    assert_eq!(look, Step::Peek);
}

#[test]
fn renew_writes_at_once_after_reading_back_a_write_has_shown_nothing() {
    let mut holding = held();
    let mut renew = Renew::default();
    write_of(renew.on(Event::Resume, &turn(10_000, 2), &mut holding));
    renew.on(Event::Wrote(unknown()), &turn(10_000, 0), &mut holding);
    let nothing = Event::Read(Err(Trouble::Transient));
    renew.on(nothing, &turn(20_000, 0), &mut holding);
    let end = renew.on(Event::GiveUp, &turn(20_000, 0), &mut holding);
    assert_eq!(end, Step::Done(Renewed::Unknown));
    write_of(Renew::default().on(Event::Resume, &turn(20_000, 3), &mut holding));
}

#[test]
fn a_renewal_that_looks_first_has_time_for_its_write_as_well() {
    let (mut holding, request) = (held(), Duration::from_secs(5));
    assert_eq!(holding.renewal_limit(request), request);
    unresolved_renewal(&mut holding, 10_000, 2);
    assert_eq!(holding.renewal_limit(request), 2 * request);
    let mut renew = Renew::default();
    renew.on(Event::Resume, &turn(20_000, 3), &mut holding);
    let nothing = Event::Read(Err(Trouble::Transient));
    renew.on(nothing, &turn(25_000, 3), &mut holding);
    assert_eq!(holding.renewal_limit(request), request);
}

#[test]
fn a_renewal_refused_because_an_earlier_one_landed_since_is_made_anew() {
    let mut holding = held();
    let first = unresolved_renewal(&mut holding, 10_000, 2);
    let mut renew = Renew::default();
    renew.on(Event::Resume, &turn(20_000, 3), &mut holding);
    let not_yet = read(present("e0", &holding.record().clone()));
    write_of(renew.on(not_yet, &turn(20_000, 3), &mut holding));
    let refused = Event::Wrote(refused(Refusal::Condition));
    assert_eq!(
        renew.on(refused, &turn(20_001, 4), &mut holding),
        Step::Read
    );
    let earlier = read(present("e1", &first));
    let again = write_of(renew.on(earlier, &turn(20_002, 5), &mut holding));
    assert_eq!(again.condition, Condition::Matches(etag("e1")));
    assert_eq!(holding.remaining(at(20_002)), Duration::from_millis(89_998));
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

fn refused_release(
    holding: &mut Lease,
    millis: u64,
    answer: WriteOutcome<Trouble>,
    found: ReadOutcome,
) -> Step<Released> {
    let mut release = Release::default();
    write_of(release.on(Event::Resume, &turn(millis, 7), holding));
    assert_eq!(
        release.on(Event::Wrote(answer), &turn(millis, 0), holding),
        Step::Read
    );
    release.on(read(found), &turn(millis, 8), holding)
}

/// What leaves it open whether a release was carried out: no answer, or a refusal of what may have
/// been a second copy of it.
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
    // The mark of a later holding may have covered that of this one.
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
fn release_is_cast_no_doubt_on_by_an_earlier_holding_that_was_cut_short() {
    for doubt in DOUBTS {
        let mut successor = record("you", 6, 8);
        (successor.broken, successor.reclaimed) = (Some(4), Some(3));
        let taken = present("x", &successor);
        let end = refused_release(&mut held(), 1_000, doubt, taken);
        assert_eq!(end, Step::Done(Released::Yes(None)));
    }
}

#[test]
fn a_release_that_finds_its_lock_broken_is_a_loss_whatever_became_of_it() {
    for answer in [unknown(), refused(Refusal::Condition)] {
        let mut holding = held();
        let broken = present("x", &record("me", 5, 1).broken(Nonce(8)));
        let end = refused_release(&mut holding, 1_000, answer, broken);
        assert_eq!(end, Step::Done(Released::Lost));
        assert_eq!(holding.check(at(1_001)), Some(&Loss::Broken));
    }
}

#[test]
fn a_renewal_that_finds_its_lock_broken_is_a_loss() {
    let mut holding = held();
    let mut renew = Renew::default();
    write_of(renew.on(Event::Resume, &turn(1_000, 2), &mut holding));
    let refused = Event::Wrote(refused(Refusal::Condition));
    renew.on(refused, &turn(1_000, 3), &mut holding);
    let broken = read(present("x", &record("me", 5, 1).broken(Nonce(8))));
    let end = renew.on(broken, &turn(1_000, 4), &mut holding);
    assert_eq!(end, Step::Done(Renewed::Lost));
    assert_eq!(holding.check(at(1_001)), Some(&Loss::Broken));
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
