//! Handing over: what counts as done, as not done, and as in doubt; who resolves the doubt.

use super::*;
use crate::protocol::release::Released;

fn next_claim() -> Claim {
    Claim {
        owner: "next".to_owned(),
        lease: LEASE / 2,
        purpose: Some("more".to_owned()),
        label: None,
        ..claim()
    }
}

fn hand_over(holding: &mut Lease) -> HandOver {
    let known = Observations::default();
    HandOver::of(holding, Ending::Released, next_claim(), &known, at(0))
        .expect("it may be handed over")
}

/// Sends the write, first at `millis`.
fn sent(holding: &mut Lease, millis: u64) -> (HandOver, Record) {
    let mut hand_over = hand_over(holding);
    let write = write_of(hand_over.on(Event::Resume, &turn(millis, 7), holding));
    assert_eq!(write.condition, Condition::Matches(etag("e0")));
    (hand_over, write.record)
}

/// The end of a hand-over whose write gets this answer.
fn answered(holding: &mut Lease, answer: WriteOutcome<Trouble>) -> Step<HandedOver> {
    let (mut hand_over, _) = sent(holding, 1_000);
    hand_over.on(Event::Wrote(answer), &turn(1_000, 0), holding)
}

/// The end of a hand-over whose write was refused, and then a read showed what `shown` makes of that write.
fn refused_and_shown(
    holding: &mut Lease,
    refusal: Refusal,
    shown: impl FnOnce(&Record) -> Event,
) -> HandedOver {
    let (mut hand_over, record) = sent(holding, 1_000);
    let step = hand_over.on(Event::Wrote(refused(refusal)), &turn(1_000, 0), holding);
    assert_eq!(step, Step::Peek);
    match hand_over.on(shown(&record), &turn(2_000, 0), holding) {
        Step::Done(end) => end,
        other => panic!("{other:?}"),
    }
}

/// Refusals that may speak for a second copy of a write, and do not say that it may still land.
const REFUSALS: [Refusal; 2] = [Refusal::Condition, Refusal::Denied];

/// Answers that do not tell whether the write was applied.
const DOUBTS: [WriteOutcome<Trouble>; 3] = [
    unknown(),
    refused(Refusal::Conflict),
    refused(Refusal::Busy),
];

/// A holding that is being released while a hand-over of it is in doubt, and the write of that hand-over.
fn in_doubt() -> (Lease, Record) {
    let mut holding = held();
    let (mut hand_over, record) = sent(&mut holding, 1_000);
    let step = hand_over.on(Event::Wrote(unknown()), &turn(1_000, 0), &mut holding);
    assert_eq!(step, Step::Done(HandedOver::Unknown));
    (holding, record)
}

#[test]
fn hand_over_writes_the_next_holders_record_with_the_next_token() {
    let (_, record) = sent(&mut held(), 1_000);
    let expected = (true, "next", 6, LEASE / 2, Some("more"), Nonce(7));
    let Record {
        owner,
        fencing_token,
        purpose,
        nonce,
        ..
    } = &record;
    let is = (
        record.is_held(),
        owner.as_str(),
        *fencing_token,
        record.lease(),
        purpose.as_deref(),
        *nonce,
    );
    assert_eq!(is, expected);
}

#[test]
fn hand_over_keeps_what_is_on_record_of_earlier_holdings() {
    let mut mine = record("me", 5, 1);
    (mine.broken, mine.reclaimed) = (Some(4), Some(3));
    let etag = etag("e0");
    let mut holding = Lease::new(StoredRecord { etag, record: mine }, at(0));
    let (_, record) = sent(&mut holding, 1_000);
    let kept = (record.broken, record.reclaimed, record.origin);
    assert_eq!(kept, (Some(4), Some(3), Some(Nonce(0xff))));
}

#[test]
fn hand_over_uses_a_token_above_all_that_its_client_has_seen() {
    let mut known = Observations::default();
    known.saw_token(41);
    let hand_over = HandOver::of(&mut held(), Ending::Released, next_claim(), &known, at(0));
    assert_eq!(hand_over.unwrap().token(), 42);
}

#[test]
fn hand_over_is_not_begun_where_no_token_is_left() {
    let mut known = Observations::default();
    known.saw_token(MAX_TOKEN);
    assert_eq!(
        HandOver::of(&mut held(), Ending::Released, next_claim(), &known, at(0)),
        None
    );
}

#[test]
fn hand_over_is_not_begun_where_the_record_cannot_be_read() {
    let mut known = Observations::default();
    assert!(!known.observe(&ReadOutcome::Hidden { date: None }));
    assert_eq!(
        HandOver::of(&mut held(), Ending::Released, next_claim(), &known, at(0)),
        None
    );
    let readable = present("e0", held().record());
    assert!(!known.observe(&readable));
    assert!(HandOver::of(&mut held(), Ending::Released, next_claim(), &known, at(0)).is_some());
}

#[test]
fn hand_over_is_not_begun_while_a_renewal_is_unresolved() {
    let mut holding = held();
    unresolved_renewal(&mut holding, 1_000, 7);
    let known = Observations::default();
    assert_eq!(
        HandOver::of(
            &mut holding,
            Ending::Released,
            next_claim(),
            &known,
            at(2_000)
        ),
        None
    );
}

#[test]
fn hand_over_is_not_begun_after_the_deadline() {
    let known = Observations::default();
    let late = at(100_000);
    assert_eq!(
        HandOver::of(&mut held(), Ending::Released, next_claim(), &known, late),
        None
    );
}

#[test]
fn hand_over_sends_nothing_if_the_lock_is_lost_meanwhile() {
    let mut holding = held();
    let mut hand_over = hand_over(&mut holding);
    holding.lose(Loss::Broken);
    let step = hand_over.on(Event::Resume, &turn(1_000, 7), &mut holding);
    assert_eq!(step, Step::Done(HandedOver::No));
}

#[test]
fn the_next_lease_counts_from_the_first_send_however_long_the_answer_took() {
    let mut holding = held();
    let (mut hand_over, record) = sent(&mut holding, 1_000);
    let applied = Event::Wrote(applied(etag("e1")));
    match hand_over.on(applied, &turn(6_000, 0), &mut holding) {
        Step::Done(HandedOver::Yes(mut next)) => {
            assert_eq!(next.record(), &record);
            assert_eq!(
                next.remaining(at(6_000)),
                LEASE / 2 - Duration::from_secs(5)
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn hand_over_that_was_not_sent_leaves_the_holding_as_it_was() {
    for trouble in [Trouble::Transient, Trouble::Permanent] {
        let mut holding = held();
        let step = answered(&mut holding, not_sent(trouble));
        assert_eq!(step, Step::Done(HandedOver::No));
        assert_eq!(holding, held());
    }
}

#[test]
fn hand_over_without_time_for_its_write_leaves_the_holding_as_it_was() {
    let mut holding = held();
    let (mut hand_over, _) = sent(&mut holding, 1_000);
    let step = hand_over.on(Event::GiveUp, &turn(1_000, 0), &mut holding);
    assert_eq!(step, Step::Done(HandedOver::No));
    assert_eq!(holding, held());
}

#[test]
fn hand_over_is_in_doubt_at_once_where_its_answer_does_not_tell() {
    for doubt in DOUBTS {
        let mut holding = held();
        let step = answered(&mut holding, doubt);
        assert_eq!(step, Step::Done(HandedOver::Unknown));
        assert!(holding.hand_over_in_doubt().is_some());
    }
}

#[test]
fn hand_over_that_was_refused_and_is_found_whole_is_done() {
    for refusal in REFUSALS {
        let mut holding = held();
        let shown = |h: &Record| read(present("e1", h));
        match refused_and_shown(&mut holding, refusal, shown) {
            HandedOver::Yes(mut next) => {
                assert_eq!(
                    next.remaining(at(2_000)),
                    LEASE / 2 - Duration::from_secs(1)
                );
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn hand_over_that_was_refused_and_is_not_found_is_not_done() {
    let mine = held().record().clone();
    let others = [
        present("e0", &mine),
        present("x", &record("next", 6, 8)),
        ReadOutcome::Absent { date: None },
        ReadOutcome::Foreign,
    ];
    for (refusal, found) in REFUSALS
        .into_iter()
        .flat_map(|r| others.clone().map(|o| (r, o)))
    {
        let mut holding = held();
        let end = refused_and_shown(&mut holding, refusal, |_| read(found));
        assert_eq!(end, HandedOver::No);
        assert_eq!(holding.hand_over_in_doubt(), None);
    }
}

#[test]
fn hand_over_that_was_refused_is_in_doubt_where_nothing_can_be_read() {
    let silence = [
        read(ReadOutcome::Hidden { date: None }),
        Event::Read(Err(Trouble::Transient)),
        Event::Read(Err(Trouble::Permanent)),
        Event::GiveUp,
    ];
    for (refusal, event) in REFUSALS
        .into_iter()
        .flat_map(|r| silence.clone().map(|s| (r, s)))
    {
        let mut holding = held();
        let end = refused_and_shown(&mut holding, refusal, |_| event);
        assert_eq!(end, HandedOver::Unknown);
        assert!(holding.hand_over_in_doubt().is_some());
    }
}

#[test]
fn hand_over_that_is_stopped_before_its_answer_is_in_doubt() {
    let mut holding = held();
    let (_, record) = sent(&mut holding, 1_000);
    let write = holding.hand_over_in_doubt().expect("it may land");
    assert_eq!(write.write().record, record);
}

#[test]
fn a_release_after_a_hand_over_in_doubt_has_succeeded_where_that_is_found_whole() {
    let (mut holding, record) = in_doubt();
    let handed_over = present("e1", &record);
    let refusal = refused(Refusal::Condition);
    let end = refused_release(&mut holding, 2_000, refusal, handed_over);
    assert_eq!(end, Step::Done(Released::Yes(None)));
}

#[test]
fn a_late_release_after_a_hand_over_in_doubt_has_succeeded_where_that_is_found_whole() {
    let (mut holding, record) = in_doubt();
    let handed_over = present("e1", &record);
    let end = refused_release(&mut holding, 100_000, unknown(), handed_over);
    assert_eq!(end, Step::Done(Released::Yes(None)));
}

#[test]
fn a_release_does_not_take_another_holding_with_the_same_token_for_the_hand_over() {
    let (mut holding, mut other) = in_doubt();
    (other.nonce, other.broken) = (Nonce(99), Some(5));
    let refusal = refused(Refusal::Condition);
    let end = refused_release(&mut holding, 2_000, refusal, present("x", &other));
    assert_eq!(end, Step::Done(Released::Lost));
}

#[test]
fn a_release_sends_its_own_write_while_a_hand_over_is_in_doubt() {
    let (mut holding, _) = in_doubt();
    let mine = holding.record().clone();
    let step = Release::default().on(Event::Resume, &turn(2_000, 9), &mut holding);
    assert_eq!(step, Step::Write(replacing("e0", mine.released(Nonce(9)))));
}

#[test]
fn a_release_that_comes_to_nothing_is_unknown_while_a_hand_over_is_in_doubt() {
    let (mut holding, _) = in_doubt();
    let mut release = Release::default();
    write_of(release.on(Event::Resume, &turn(2_000, 9), &mut holding));
    let denied = Event::Wrote(refused(Refusal::Denied));
    let step = release.on(denied, &turn(2_000, 0), &mut holding);
    assert_eq!(step, Step::Done(Released::Unknown));
}

#[test]
fn a_release_without_time_for_its_write_is_unknown_while_a_hand_over_is_in_doubt() {
    let (mut holding, _) = in_doubt();
    let mut release = Release::default();
    write_of(release.on(Event::Resume, &turn(2_000, 9), &mut holding));
    let step = release.on(Event::GiveUp, &turn(2_000, 0), &mut holding);
    assert_eq!(step, Step::Pause(PauseReason::Trouble));
    let step = release.on(Event::GiveUp, &turn(2_000, 0), &mut holding);
    assert_eq!(step, Step::Done(Released::Unknown));
}

/// The next holder, who goes on with a write in doubt that was first sent at 1,000 ms.
fn resolving() -> (Acquire, Observations, Record) {
    let (holding, record) = in_doubt();
    let write = holding.hand_over_in_doubt().expect("it is in doubt");
    let mut known = Observations::default();
    let mut acquire = Acquire::resolving(next_claim(), &write);
    let step = acquire.on(Event::Resume, &turn(2_000, 8), &mut known);
    assert_eq!(step, Step::Read);
    (acquire, known, record)
}

#[test]
fn the_next_holder_finds_the_write_in_doubt_and_holds_from_its_first_send() {
    let (mut acquire, mut known, record) = resolving();
    let found = read(present("e1", &record));
    match acquire.on(found, &turn(3_000, 9), &mut known) {
        Step::Done(Acquired::Won { mut lease, from }) => {
            assert_eq!(
                lease.remaining(at(3_000)),
                LEASE / 2 - Duration::from_secs(2)
            );
            assert_eq!(from, None);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_next_holder_sends_the_write_in_doubt_again_where_nothing_has_changed() {
    let (mut acquire, mut known, record) = resolving();
    let unchanged = read(present("e0", held().record()));
    let step = acquire.on(unchanged, &turn(3_000, 9), &mut known);
    assert_eq!(step, Step::Pause(PauseReason::Trouble));
    let step = acquire.on(Event::Resume, &turn(4_000, 9), &mut known);
    assert_eq!(step, Step::Write(replacing("e0", record)));
}

#[test]
fn the_next_holder_takes_the_lock_anew_where_the_release_was_faster() {
    let (mut acquire, mut known, _) = resolving();
    let released = held().record().released(Nonce(20));
    let step = acquire.on(read(present("e1", &released)), &turn(3_000, 9), &mut known);
    let write = write_of(step);
    assert_eq!(write.condition, Condition::Matches(etag("e1")));
    assert_eq!(
        (write.record.fencing_token, write.record.nonce),
        (6, Nonce(9))
    );
}

#[test]
fn the_next_holder_that_gives_up_undoes_the_write_in_doubt() {
    let (mut acquire, mut known, record) = resolving();
    let step = acquire.on(Event::GiveUp, &turn(3_000, 9), &mut known);
    assert_eq!(step, Step::Read);
    let landed = read(present("e1", &record));
    let step = acquire.on(landed, &turn(3_000, 10), &mut known);
    assert_eq!(
        step,
        Step::Write(replacing("e1", record.released(Nonce(10))))
    );
}
