//! Whose turn it is: a client's place, its patience, and the pace of its looks.

use super::queue::of;
use crate::protocol::turn::{Turn, Vacancy};

use super::*;

const PACE: Pace = Pace {
    min: Duration::from_millis(100),
    max: Duration::from_secs(2),
    max_alone: Duration::from_secs(9),
};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn terms() -> QueueTerms {
    QueueTerms {
        takes_ticket: true,
        label: "me".to_owned(),
        pace: PACE,
    }
}

/// Shows this queue to the client, at `millis`.
fn sees(place: &mut Place, queue: Queue, millis: u64) {
    let found = QueueFound::Present {
        etag: etag("q"),
        queue,
    };
    place.saw_queue(found, at(millis), &turn(millis, 77));
}

/// A client that has a ticket behind those of these others, and the queue with it.
fn behind(others: &[u128], millis: u64) -> (Place, Queue) {
    let mut place = Place::default();
    sees(&mut place, of(1, others), millis);
    let write = place
        .registration(&terms(), &turn(millis, 99))
        .expect("there is room");
    let queue = write.queue.clone();
    place.wrote(write, &applied(etag("q2")), &turn(millis, 98));
    (place, queue)
}

fn free(token: u64) -> Record {
    record("other", token, u128::from(token)).released(Nonce(500 + u128::from(token)))
}

/// A look that shows the lock free since the holding with this token.
fn looks_free(place: &mut Place, token: u64, millis: u64) {
    let seen = seen(&format!("free {token}"), &free(token), millis);
    place.look(&seen, &Vacancy::default());
}

fn looks_held(place: &mut Place, token: u64, millis: u64) {
    let record = record("other", token, u128::from(token));
    let seen = seen(&format!("held {token}"), &record, millis);
    place.look(&seen, &Vacancy::default());
}

/// Whether it may take a version that is new to it.
fn turn_of(place: &Place, millis: u64) -> Turn {
    place.turn(&etag("free 1"), &free(1), &Vacancy::default(), at(millis))
}

#[test]
fn one_that_knows_of_nobody_takes_a_free_lock_unseen() {
    assert_eq!(turn_of(&Place::default(), 0), Turn::Now);
}

#[test]
fn a_record_that_says_that_others_wait_is_not_taken_without_a_look() {
    let advice = Advice {
        served: 0,
        queued: Some(true),
    };
    let queued = free(1).advised(&advice);
    let mut place = Place::default();
    let turn =
        |place: &Place, millis| place.turn(&etag("f"), &queued, &Vacancy::default(), at(millis));
    assert_eq!(turn(&place, 0), Turn::Unknown);
    place.ask_for(Some(&etag("f")), at(0));
    assert_eq!(turn(&place, 10), Turn::Now);
    // A look is good for one version, if it shows nobody although others wait.
    let other = place.turn(&etag("g"), &queued, &Vacancy::default(), at(20));
    assert_eq!(other, Turn::Unknown);
}

#[test]
fn a_release_by_another_a_moment_ago_is_not_taken_without_a_look() {
    let busy = Vacancy {
        idle: Duration::ZERO,
        is_busy: true,
    };
    let mut place = Place::default();
    assert_eq!(
        place.turn(&etag("f"), &free(1), &busy, at(0)),
        Turn::Unknown
    );
    place.released(&free(1), at(0));
    assert_eq!(place.turn(&etag("f"), &free(1), &busy, at(0)), Turn::Now);
}

#[test]
fn the_first_in_line_takes_a_free_lock_without_a_look() {
    let (place, _) = behind(&[], 0);
    let busy = Vacancy {
        idle: Duration::ZERO,
        is_busy: true,
    };
    assert_eq!(
        place.turn(&etag("f"), &free(1), &busy, at(9_000)),
        Turn::Now
    );
}

#[test]
fn one_that_has_others_before_it_looks_at_the_queue_once_for_each_version() {
    let (mut place, _) = behind(&[1], 0);
    assert_eq!(turn_of(&place, 2_000), Turn::Unknown);
    place.ask_for(Some(&etag("free 1")), at(2_000));
    assert!(matches!(turn_of(&place, 9_000), Turn::Later(_)));
    let other = place.turn(&etag("free 2"), &free(2), &Vacancy::default(), at(9_000));
    assert_eq!(other, Turn::Unknown);
}

#[test]
fn each_ticket_before_ones_own_but_the_first_adds_a_slot() {
    let patience = |others: &[u128]| behind(others, 0).0.standing().patience;
    assert_eq!(patience(&[]), Duration::ZERO);
    assert_eq!(patience(&[1]), ms(4_100));
    assert_eq!(patience(&[1, 2, 3]), ms(4_600));
}

#[test]
fn one_without_a_ticket_counts_four_more_before_it_if_anybody_waits() {
    let mut place = Place::default();
    sees(&mut place, of(1, &[]), 0);
    assert_eq!(place.standing().patience, Duration::ZERO);
    sees(&mut place, of(1, &[1]), 0);
    assert_eq!(place.standing().patience, ms(4_100 + 4 * 250));
}

#[test]
fn the_grace_is_between_one_and_ten_seconds_whatever_a_ticket_says() {
    let patience = |react| {
        let queue = of(1, &[]).with(None, Nonce(1), react, "").unwrap();
        let mut place = Place::default();
        sees(&mut place, queue, 0);
        place.standing().patience - 4 * ms(250)
    };
    assert_eq!(patience(Duration::ZERO), ms(1_000));
    assert_eq!(patience(ms(3_000)), ms(3_000));
    assert_eq!(patience(Duration::MAX), ms(10_000));
}

/// Waits at a free lock, with looks at these times, and says how much patience is left after the last.
fn left(place: &mut Place, looks: &[u64]) -> Duration {
    place.ask_for(Some(&etag("free 1")), at(looks[0]));
    for millis in looks {
        looks_free(place, 1, *millis);
        place.pause(&PACE, &turn(*millis, 0));
    }
    match turn_of(place, *looks.last().unwrap()) {
        Turn::Later(left) => left,
        Turn::Now => Duration::ZERO,
        Turn::Unknown => panic!("it has looked"),
    }
}

#[test]
fn the_time_that_the_lock_is_free_is_the_opportunity_of_those_before() {
    let (mut place, _) = behind(&[1], 0);
    assert_eq!(left(&mut place, &[1_000, 2_000, 3_000]), ms(2_100));
    assert_eq!(left(&mut place, &[4_000, 5_000, 5_200]), Duration::ZERO);
}

#[test]
fn the_first_look_counts_for_nothing() {
    let (mut place, _) = behind(&[1], 0);
    looks_held(&mut place, 1, 1_000);
    place.pause(&PACE, &turn(1_000, 0));
    assert_eq!(left(&mut place, &[3_000]), ms(4_100));
}

#[test]
fn a_turn_of_somebody_else_between_two_looks_is_an_opportunity() {
    let (mut place, _) = behind(&[1], 0);
    looks_held(&mut place, 1, 1_000);
    place.pause(&PACE, &turn(1_000, 0));
    looks_held(&mut place, 2, 1_500);
    assert_eq!(left(&mut place, &[2_000]), ms(3_600));
}

#[test]
fn one_holding_is_no_opportunity_however_long_it_is_watched() {
    let (mut place, _) = behind(&[1], 0);
    for millis in [1_000, 2_000, 3_000, 4_000] {
        looks_held(&mut place, 1, millis);
        place.pause(&PACE, &turn(millis, 0));
    }
    assert_eq!(left(&mut place, &[5_000]), ms(4_100));
}

#[test]
fn a_sleep_that_was_longer_than_planned_counts_a_second_more_than_the_plan() {
    let (mut place, _) = behind(&[1], 0);
    looks_free(&mut place, 1, 1_000);
    let planned = place.pause(&PACE, &turn(1_000, 0));
    let counted = ms(4_100) - left(&mut place, &[60_000]);
    assert_eq!(counted, planned + ms(1_000));
}

#[test]
fn what_the_store_says_of_the_age_of_a_free_version_counts() {
    let (mut place, _) = behind(&[1], 0);
    place.ask_for(Some(&etag("free 1")), at(0));
    let old = |idle| Vacancy {
        idle,
        is_busy: false,
    };
    let turn = |idle| place.turn(&etag("free 1"), &free(1), &old(idle), at(0));
    assert_eq!(turn(ms(4_000)), Turn::Later(ms(100)));
    assert_eq!(turn(ms(4_100)), Turn::Now);
}

#[test]
fn a_turn_of_one_before_begins_the_patience_anew() {
    let (mut place, _) = behind(&[1, 2], 0);
    left(&mut place, &[1_000, 3_000]);
    let served = free(1).advised(&Advice {
        served: 1,
        queued: None,
    });
    place.saw_record(&served);
    assert_eq!(left(&mut place, &[4_000]), ms(4_100));
}

/// It has been seen before, and has had its opportunity so far.
#[test]
fn a_turn_does_not_make_a_ticket_that_was_seen_before_a_new_one() {
    let (mut place, queue) = behind(&[1, 2], 0);
    let served = free(1).advised(&Advice {
        served: 1,
        queued: None,
    });
    place.saw_record(&served);
    assert_eq!(left(&mut place, &[1_000, 2_000]), ms(3_100));
    sees(&mut place, queue, 2_000);
    assert_eq!(left(&mut place, &[3_000]), ms(2_100));
}

#[test]
fn a_newer_ticket_before_one_without_any_begins_the_patience_anew() {
    let mut place = Place::default();
    sees(&mut place, of(1, &[1]), 0);
    left(&mut place, &[1_000, 3_000]);
    sees(&mut place, of(1, &[1, 2]), 3_000);
    assert_eq!(left(&mut place, &[3_000]), ms(4_100 + 5 * 250));
}

#[test]
fn tickets_that_had_their_turn_are_nobody() {
    let (mut place, queue) = behind(&[1, 2], 0);
    assert_eq!(place.ahead(), Some(2));
    let served = free(1).advised(&Advice {
        served: 2,
        queued: None,
    });
    place.saw_record(&served);
    assert_eq!(place.ahead(), Some(0));
    // A queue that was restored to an older version does not bring them back.
    sees(&mut place, queue, 1_000);
    assert_eq!(place.ahead(), Some(0));
}

#[test]
fn a_number_that_is_too_large_is_not_taken_for_served() {
    let mut place = Place::default();
    let advice = |served| Advice {
        served,
        queued: None,
    };
    place.saw_record(&free(1).advised(&advice((1 << 52) + 1)));
    assert_eq!(place.advice(at(0)).served, 0);
    place.saw_record(&free(1).advised(&advice(1 << 52)));
    assert_eq!(place.advice(at(0)).served, 1 << 52);
}

#[test]
fn a_write_says_that_others_wait_only_by_a_look_of_the_last_second() {
    let mut place = Place::default();
    assert_eq!(place.advice(at(0)).queued, None);
    sees(&mut place, of(1, &[1]), 0);
    assert_eq!(place.advice(at(1_000)).queued, Some(true));
    assert_eq!(place.advice(at(1_001)).queued, None);
    place.ask_for(None, at(2_000));
    sees(&mut place, of(1, &[]), 2_000);
    assert_eq!(place.advice(at(2_500)).queued, Some(false));
}

#[test]
fn a_look_from_before_ones_last_turn_does_not_say_that_nobody_waits() {
    let mut place = Place::default();
    place.ask_for(None, at(0));
    sees(&mut place, of(1, &[]), 0);
    place.won(&record("me", 1, 1), at(100));
    assert_eq!(place.advice(at(200)).queued, None);
}

#[test]
fn ones_own_ticket_is_not_others_that_wait() {
    let (mut place, _) = behind(&[], 0);
    place.ask_for(None, at(0));
    assert_eq!(place.advice(at(0)).queued, Some(false));
}

#[test]
fn the_write_that_acquires_uses_up_its_ticket_and_says_that_others_wait() {
    let (place, _) = behind(&[1], 0);
    let advice = place.advice_of_claim(place.advice(at(0)));
    assert_eq!((advice.served, advice.queued), (2, Some(true)));
}

#[test]
fn one_without_a_ticket_uses_up_nobodys() {
    let mut place = Place::default();
    sees(&mut place, of(1, &[1, 2]), 0);
    let advice = place.advice_of_claim(place.advice(at(0)));
    assert_eq!(advice.served, 0);
}

/// What it writes when it has won by its ticket.
fn won_by_ticket(place: &mut Place, millis: u64) {
    let advice = place.advice_of_claim(place.advice(at(millis)));
    let record = record("me", 2, 1).advised(&advice);
    place.won(&record, at(millis));
}

#[test]
fn one_that_has_waited_looks_again_before_it_takes_the_lock_once_more() {
    let (mut place, _) = behind(&[], 0);
    won_by_ticket(&mut place, 100);
    assert!(!place.has_ticket());
    assert_eq!(
        place.advice(at(200)).queued,
        None,
        "the record goes on saying that others wait"
    );
    let queued = record("me", 2, 1).advised(&Advice {
        served: 1,
        queued: Some(true),
    });
    let released = queued.released(Nonce(8));
    place.released(&released, at(200));
    let turn = place.turn(&etag("own"), &released, &Vacancy::default(), at(200));
    assert_eq!(turn, Turn::Unknown);
}

#[test]
fn a_ticket_that_was_passed_over_is_gone_and_the_next_one_gets_more_time() {
    let (mut place, queue) = behind(&[], 0);
    let served = |served| {
        free(1).advised(&Advice {
            served,
            queued: None,
        })
    };
    place.saw_record(&served(1));
    assert!(!place.has_ticket());
    sees(&mut place, queue, 0);
    let write = place.registration(&terms(), &turn(0, 97)).unwrap();
    let ticket = write.queue.tickets.last().unwrap();
    assert_eq!((ticket.number, ticket.react_ms), (2, 8_000));
}

#[test]
fn a_ticket_is_wanted_where_others_wait_or_once_the_lock_was_held_for_long() {
    let mut place = Place::default();
    assert!(!place.wants_ticket(&terms(), false, at(0)));
    assert!(place.wants_ticket(&terms(), true, at(0)));
    sees(&mut place, of(1, &[1]), 0);
    assert!(place.wants_ticket(&terms(), false, at(0)));
    let (place, _) = behind(&[1], 0);
    assert!(!place.wants_ticket(&terms(), true, at(0)), "one is enough");
}

/// What comes of a try to get a ticket, at 0: a place that has none.
fn tried(outcome: &WriteOutcome<Trouble>) -> Place {
    let mut place = Place::default();
    sees(&mut place, of(1, &[1]), 0);
    let seen = Snapshot {
        arrived: at(25),
        ..seen("held", &record("other", 1, 1), 0)
    };
    place.look(&seen, &Vacancy::default());
    let write = place.registration(&terms(), &turn(0, 99)).unwrap();
    // The random bits are all ones, so it rests as long as it may.
    place.wrote(write, outcome, &turn(0, 0xffff));
    place
}

#[test]
fn one_that_others_were_faster_than_rests_for_some_round_trips() {
    let place = tried(&refused(Refusal::Condition));
    assert!(!place.wants_ticket(&terms(), true, at(100)));
    assert!(place.wants_ticket(&terms(), true, at(101)));
}

#[test]
fn a_store_that_is_asked_too_often_is_left_alone_for_a_second_at_least() {
    let place = tried(&refused(Refusal::Busy));
    assert!(!place.wants_ticket(&terms(), true, at(2_000)));
    assert!(place.wants_ticket(&terms(), true, at(2_001)));
}

#[test]
fn a_queue_that_may_not_be_written_is_left_alone_for_a_minute() {
    let mut place = tried(&refused(Refusal::Denied));
    assert!(place.is_newly_unusable());
    assert!(!place.is_newly_unusable(), "it says so once");
    assert!(!place.wants_ticket(&terms(), true, at(60_000)));
    assert!(place.wants_ticket(&terms(), true, at(60_001)));
    assert_eq!(
        turn_of(&place, 0),
        Turn::Now,
        "nobody is waited for meanwhile"
    );
}

#[test]
fn a_foreign_object_is_no_queue() {
    let mut place = Place::default();
    place.saw_queue(QueueFound::Foreign, at(0), &turn(0, 1));
    assert!(place.is_newly_unusable());
    assert!(place.registration(&terms(), &turn(0, 1)).is_none());
}

#[test]
fn no_answer_says_nothing_of_the_queue() {
    let mut place = Place::default();
    let failed = QueueFound::Failed(Trouble::Transient);
    place.saw_queue(failed, at(0), &turn(0, 1));
    assert!(!place.is_newly_unusable());
    assert_eq!(place.ahead(), None);
}

#[test]
fn an_absent_queue_begins_at_the_stores_time_in_microseconds() {
    let mut place = Place::default();
    place.saw_queue(QueueFound::Absent { date: Some(1_795) }, at(0), &turn(0, 1));
    let write = place.registration(&terms(), &turn(0, 2)).unwrap();
    assert_eq!(write.condition, Condition::Absent);
    assert_eq!(write.queue.tickets[0].number, 1_795_000_000);
}

#[test]
fn a_queue_that_may_not_be_read_is_made_if_it_is_absent_and_left_alone_if_not() {
    let hidden = |place: &mut Place| {
        place.saw_queue(QueueFound::Hidden { date: Some(1) }, at(0), &turn(0, 1));
        let write = place.registration(&terms(), &turn(0, 2)).unwrap();
        assert_eq!(write.condition, Condition::Absent);
        write
    };
    let mut place = Place::default();
    let write = hidden(&mut place);
    place.wrote(write, &applied(etag("q")), &turn(0, 3));
    assert_eq!(place.ahead(), Some(0));
    assert!(!place.is_newly_unusable());
    let mut place = Place::default();
    let write = hidden(&mut place);
    place.wrote(write, &refused(Refusal::Condition), &turn(0, 3));
    assert!(place.is_newly_unusable());
}

#[test]
fn a_queue_that_may_not_be_read_says_nothing_of_others() {
    let mut place = Place::default();
    place.saw_queue(QueueFound::Hidden { date: None }, at(0), &turn(0, 1));
    assert_eq!(place.advice(at(0)).queued, None);
}

#[test]
fn a_full_queue_is_tried_again_once_somebody_had_a_turn_or_there_is_room() {
    let owners: Vec<u128> = (1..=256).collect();
    let full = || {
        let mut place = Place::default();
        sees(&mut place, of(1, &owners), 0);
        assert!(place.registration(&terms(), &turn(0, 999)).is_none());
        assert!(!place.wants_ticket(&terms(), true, at(0)));
        place
    };
    let mut place = full();
    let served = free(1).advised(&Advice {
        served: 1,
        queued: None,
    });
    place.saw_record(&served);
    assert!(place.wants_ticket(&terms(), true, at(0)));
    let mut place = full();
    sees(&mut place, of(1, &owners[..9]), 0);
    assert!(place.wants_ticket(&terms(), true, at(0)));
}

#[test]
fn a_ticket_whose_write_had_no_answer_is_found_by_the_next_look() {
    let mut place = tried(&unknown());
    assert!(place.has_ticket(), "it may have one");
    assert!(
        place.resignation(&turn(0, 5)).is_none(),
        "but does not know"
    );
    sees(&mut place, of(1, &[1, 99]), 500);
    assert!(!place.wants_ticket(&terms(), true, at(1_000)));
    assert_eq!(place.ahead(), Some(1));
}

#[test]
fn a_ticket_that_is_not_in_the_queue_any_more_is_taken_anew() {
    let (mut place, _) = behind(&[1], 0);
    sees(&mut place, of(1, &[1]), 2_000);
    assert!(place.wants_ticket(&terms(), true, at(2_000)));
    let write = place.registration(&terms(), &turn(2_000, 5)).unwrap();
    assert_eq!(write.queue.tickets.len(), 2);
}

#[test]
fn turns_of_others_without_tickets_make_a_client_see_whether_its_own_is_there() {
    let (mut place, queue) = behind(&[], 0);
    looks_held(&mut place, 1, 2_000);
    sees(&mut place, queue, 2_000);
    assert!(!place.doubts_ticket(at(3_000)));
    looks_held(&mut place, 2, 3_000);
    assert!(place.doubts_ticket(at(3_000)));
    place.ask_for(None, at(3_000));
    assert!(!place.doubts_ticket(at(4_000)), "once a second");
    assert!(place.doubts_ticket(at(4_001)));
}

#[test]
fn turns_of_others_with_tickets_are_no_reason_to_doubt_ones_own() {
    let (mut place, queue) = behind(&[1], 0);
    looks_held(&mut place, 1, 2_000);
    sees(&mut place, queue, 2_000);
    let served = record("other", 2, 2).advised(&Advice {
        served: 1,
        queued: Some(true),
    });
    place.saw_record(&served);
    looks_held(&mut place, 2, 3_000);
    assert!(!place.doubts_ticket(at(3_000)));
}

#[test]
fn a_resignation_takes_out_ones_own_ticket_and_no_other() {
    let (mut place, _) = behind(&[1, 2], 0);
    let write = place.resignation(&turn(0, 6)).unwrap();
    assert_eq!(write.condition, Condition::Matches(etag("q2")));
    let left: Vec<u128> = write.queue.tickets.iter().map(|t| t.nonce.0).collect();
    assert_eq!(left, [1, 2]);
    place.has_left();
    assert!(!place.has_ticket());
}

#[test]
fn one_that_loops_for_a_second_looks_beside_its_write_once_a_second() {
    let mut place = Place::default();
    let mut looked = Vec::new();
    for millis in (0..5_000).step_by(100) {
        if place.looks_beside(at(millis)) {
            place.ask_for(None, at(millis));
            looked.push(millis);
        }
        place.won(&record("me", millis + 1, 1), at(millis + 10));
        place.released(&free(millis + 1), at(millis + 60));
    }
    assert_eq!(looked, [1_100, 2_200, 3_300, 4_400]);
}

#[test]
fn one_that_comes_back_after_two_seconds_does_not_loop() {
    let mut place = Place::default();
    for millis in (0..60_000).step_by(2_100) {
        assert!(!place.looks_beside(at(millis)));
        place.won(&record("me", millis + 1, 1), at(millis + 10));
        place.released(&free(millis + 1), at(millis + 60));
    }
}

#[test]
fn the_first_in_line_looks_after_an_eighth_of_what_it_has_watched() {
    let pause = |watched| PACE.pause(watched, 0, ms(25), false, 0);
    assert_eq!(pause(Duration::ZERO), ms(100));
    assert_eq!(pause(ms(4_000)), ms(500));
    assert_eq!(pause(ms(60_000)), ms(2_000));
}

#[test]
fn each_ticket_before_ones_own_adds_half_a_turn_to_the_pause() {
    let pause = |before| PACE.pause(ms(150), before, ms(25), false, 0);
    assert_eq!(pause(0), ms(100));
    assert_eq!(pause(2), ms(150) / 8 + ms(300));
    assert_eq!(pause(1_000), ms(2_000));
}

#[test]
fn chance_lengthens_a_pause_by_a_quarter_at_most_and_never_beyond_the_longest() {
    let pause = |watched, random| PACE.pause(watched, 0, ms(25), false, random);
    assert_eq!(pause(ms(4_000), u16::MAX), ms(625));
    assert_eq!(pause(ms(60_000), u16::MAX), ms(2_000));
}

#[test]
fn one_that_waits_alone_for_a_minute_looks_seldom() {
    let pause = |watched, is_alone| PACE.pause(watched, 0, ms(25), is_alone, 0);
    assert_eq!(pause(Duration::from_secs(59), true), ms(2_000));
    assert_eq!(pause(Duration::from_secs(60), true), ms(7_500));
    assert_eq!(pause(Duration::from_secs(90), true), ms(9_000));
    assert_eq!(pause(Duration::from_secs(90), false), ms(2_000));
}

#[test]
fn a_longest_pause_below_the_shortest_is_the_shortest() {
    let odd = Pace {
        max: ms(10),
        ..PACE
    };
    assert_eq!(odd.pause(ms(60_000), 0, ms(25), false, 0), ms(100));
}

#[test]
fn react_covers_two_of_the_longest_pauses_and_four_round_trips() {
    let (mut place, _) = (Place::default(), ());
    let seen = Snapshot {
        arrived: at(50),
        ..seen("held", &record("other", 1, 1), 0)
    };
    place.look(&seen, &Vacancy::default());
    sees(&mut place, of(1, &[]), 0);
    let write = place.registration(&terms(), &turn(0, 1)).unwrap();
    assert_eq!(write.queue.tickets[0].react_ms, 2 * 2_000 + 4 * 50);
}

/// What a claim that keeps to the queue does at its first look, at a holding that expired so long ago.
fn first_look_after_expiry(millis: u64) -> Step<Acquired> {
    let mut acquire = Acquire::new(Claim {
        queue: Some(terms()),
        ..claim()
    });
    let mut known = Observations::default();
    acquire.on(Event::Resume, &turn(0, 1), &mut known);
    let held = seen("held", &record("dead", 1, 1), 0);
    let _: bool = known.observe(&ReadOutcome::Present(held.clone()));
    let expiry = LEASE + EXPIRY_RULE.beyond(LEASE) + ms(millis);
    let now = u64::try_from(expiry.as_millis()).unwrap();
    acquire.on(read(ReadOutcome::Present(held)), &turn(now, 2), &mut known)
}

#[test]
fn a_holding_that_has_just_expired_is_not_taken_over_without_a_look() {
    assert_eq!(first_look_after_expiry(1), Step::SeeQueue);
    assert_eq!(first_look_after_expiry(4_999), Step::SeeQueue);
}

#[test]
fn a_holding_that_has_expired_long_ago_is_taken_over_unseen() {
    write_of(first_look_after_expiry(5_000));
}
