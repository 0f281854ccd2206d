//! Renewing: what it sends, when it looks first, and what its lease counts from.

use super::*;

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
    // Its release is still tried, against the version that stands now.
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
    // The renewal has landed after all, and the release follows it.
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

#[test]
fn a_late_read_of_the_version_before_is_no_loss_after_a_look_has_found_the_renewal() {
    let mut holding = held();
    let first = unresolved_renewal(&mut holding, 10_000, 2);
    let mut renew = Renew::default();
    let step = renew.on(Event::Resume, &turn(20_000, 3), &mut holding);
    assert_eq!(step, Step::Peek);
    // It lands after that read, and a look by another call shows that first.
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
fn a_denied_renewal_is_recognised_when_a_read_shows_it() {
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

/// How a look may show nothing.
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
        // Its time ended there, and the write was not even sent.
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
