//! One compare-and-swap and every answer to it.

use super::*;

fn cas() -> Cas {
    Cas::new(replacing("old", record("me", 2, 7)), at(0))
}

fn other() -> Record {
    record("other", 3, 8)
}

fn answered(cas: &mut Cas, answer: WriteOutcome<Trouble>) -> Progress {
    cas.on(Event::Wrote(answer))
}

const REFUSALS: [Refusal; 4] = [
    Refusal::Condition,
    Refusal::Conflict,
    Refusal::Busy,
    Refusal::Denied,
];

#[test]
fn an_unknown_answer_is_read_back() {
    assert!(matches!(answered(&mut cas(), unknown()), Progress::Read));
}

#[test]
fn its_whole_body_found_is_applied() {
    let mut cas = cas();
    answered(&mut cas, unknown());
    let own = present("new", &cas.write().record.clone());
    assert!(matches!(cas.on(read(own)), Progress::Applied(e) if e == etag("new")));
}

#[test]
fn its_nonce_in_another_body_is_not_applied() {
    let mut cas = cas();
    answered(&mut cas, unknown());
    let forged = present("new", &record("other", 2, 7));
    assert!(matches!(cas.on(read(forged)), Progress::Overtaken(_)));
}

#[test]
fn its_condition_still_standing_is_not_resolved_and_the_same_write_is_sent_again() {
    let mut cas = cas();
    answered(&mut cas, unknown());
    let standing = present("old", &record("other", 1, 1));
    assert!(matches!(
        cas.on(read(standing)),
        Progress::Pause(PauseReason::Trouble)
    ));
    assert!(cas.is_unresolved());
    let write = cas.write().clone();
    assert!(matches!(cas.on(Event::Resume), Progress::Send(again) if again == write));
}

#[test]
fn anything_else_found_means_that_it_never_lands() {
    let absent = ReadOutcome::Absent { date: None };
    for found in [present("new", &other()), absent, ReadOutcome::Foreign] {
        let mut cas = cas();
        answered(&mut cas, unknown());
        assert!(matches!(cas.on(read(found)), Progress::Overtaken(_)));
    }
}

#[test]
fn no_refusal_of_a_later_attempt_is_believed_while_an_earlier_one_is_unresolved() {
    for refusal in REFUSALS {
        let mut cas = cas();
        answered(&mut cas, unknown());
        let refused = answered(&mut cas, refused(refusal));
        assert!(matches!(refused, Progress::Read), "{refusal:?}");
        assert!(cas.is_unresolved());
    }
}

#[test]
fn an_attempt_that_was_not_sent_leaves_an_earlier_one_unresolved() {
    let mut cas = cas();
    answered(&mut cas, unknown());
    let again = answered(&mut cas, not_sent(Trouble::Transient));
    assert!(matches!(again, Progress::Pause(PauseReason::Trouble)));
    let end = answered(&mut cas, not_sent(Trouble::Permanent));
    assert!(matches!(end, Progress::Unresolved));
}

#[test]
fn a_failed_condition_is_read_because_a_proxy_may_have_repeated_the_request() {
    let mut cas = cas();
    let refused = answered(&mut cas, refused(Refusal::Condition));
    assert!(matches!(refused, Progress::Read));
    let own = present("new", &cas.write().record.clone());
    assert!(matches!(cas.on(read(own)), Progress::Applied(_)));
}

#[test]
fn a_store_that_refuses_a_condition_which_holds_is_not_asked_for_ever() {
    let mut cas = cas();
    answered(&mut cas, refused(Refusal::Condition));
    let standing = present("old", &record("other", 1, 1));
    assert!(matches!(cas.on(read(standing)), Progress::ConditionIgnored));
}

#[test]
fn a_conflict_or_a_busy_store_resolves_nothing_because_a_proxy_may_have_repeated_the_request() {
    let refusals = [
        (Refusal::Conflict, PauseReason::Contended),
        (Refusal::Busy, PauseReason::Trouble),
    ];
    for (refusal, why) in refusals {
        let mut cas = cas();
        let refused = answered(&mut cas, refused(refusal));
        assert!(matches!(refused, Progress::Read), "{refusal:?}");
        assert!(cas.is_unresolved());
        let standing = present("old", &record("other", 1, 1));
        assert!(matches!(cas.on(read(standing)), Progress::Pause(w) if w == why));
    }
}

#[test]
fn any_other_refusal_of_the_only_attempt_is_believed() {
    let denied = answered(&mut cas(), refused(Refusal::Denied));
    assert!(matches!(denied, Progress::Refused));
}

#[test]
fn a_write_given_up_is_unresolved_unless_every_attempt_had_a_certain_end() {
    assert!(matches!(cas().on(Event::GiveUp), Progress::NotApplied));
    for answer in [unknown(), refused(Refusal::Condition)] {
        let mut cas = cas();
        answered(&mut cas, answer);
        assert!(matches!(cas.on(Event::GiveUp), Progress::Unresolved));
    }
}

#[test]
fn a_read_back_that_can_never_be_made_leaves_it_unresolved() {
    for read_back in [
        Event::Read(Err(Trouble::Permanent)),
        read(ReadOutcome::Hidden { date: None }),
    ] {
        let mut cas = cas();
        answered(&mut cas, unknown());
        assert!(matches!(cas.on(read_back), Progress::Unresolved));
    }
}

#[test]
fn a_read_back_that_fails_is_repeated_before_anything_is_sent() {
    let mut cas = cas();
    answered(&mut cas, unknown());
    cas.on(Event::Read(Err(Trouble::Transient)));
    assert!(matches!(cas.on(Event::Resume), Progress::Read));
}

#[test]
fn a_record_that_may_not_be_read_cannot_resolve_anything() {
    for answer in [unknown(), refused(Refusal::Condition)] {
        let mut cas = cas();
        answered(&mut cas, answer);
        let hidden = read(ReadOutcome::Hidden { date: None });
        assert!(matches!(cas.on(hidden), Progress::Unresolved));
    }
}
