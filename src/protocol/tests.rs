//! The rules, one branch at a time: events in, steps out, no store and no clock.

use std::time::Duration;

use super::cas::{Cas, Progress};
use super::holding::Learned;
use super::knowledge::Patience;
use super::*;
use crate::record::{Holder, MAX_TOKEN};

const LEASE: Duration = Duration::from_secs(100);
const MARGIN: Duration = Duration::from_secs(2);
const PATIENCE: Patience = Patience {
    margin: MARGIN,
    store_clock: true,
};

fn at(millis: u64) -> Instant {
    Instant::from_origin(Duration::from_millis(millis))
}

/// A point at which the machine may have slept for so long, by a clock that did not tell.
fn after_sleep(millis: u64, slept: u64) -> Instant {
    let awake = Duration::from_millis(millis);
    Instant::between(awake, awake + Duration::from_millis(slept))
}

fn stamp() -> Stamp {
    std::time::SystemTime::UNIX_EPOCH.into()
}

/// A turn at a time, with a nonce that no other turn of the test has.
fn turn(millis: u64, nonce: u128) -> Turn {
    Turn {
        now: at(millis),
        nonce: Nonce(nonce),
        wall: stamp(),
        trusts_date: true,
    }
}

fn record(owner: &str, token: u64, nonce: u128) -> Record {
    let holder = Holder {
        owner: owner.to_owned(),
        lease: LEASE,
        acquired_at: stamp(),
        host: String::new(),
        pid: 1,
        purpose: None,
    };
    let record = Record::held(holder, token, Nonce(nonce));
    of_object(Some(0xff), record)
}

/// The same in an object that another create has made, or one that does not say which.
fn of_object(origin: Option<u128>, mut record: Record) -> Record {
    record.origin = origin.map(Nonce);
    record
}

fn etag(name: &str) -> ETag {
    ETag(name.to_owned())
}

/// What a read that arrived at `millis` showed, with dates that say nothing.
fn seen(name: &str, record: &Record, millis: u64) -> Seen {
    Seen {
        etag: etag(name),
        record: record.clone(),
        date: None,
        modified: None,
        sent: at(millis),
        arrived: at(millis),
        live_here: false,
    }
}

fn present(name: &str, record: &Record) -> Sight {
    Sight::Present(seen(name, record, 0))
}

fn read(sight: Sight) -> Event {
    Event::Read(Ok(sight))
}

fn replacing(name: &str, record: Record) -> Write {
    Write {
        record,
        condition: Condition::Matches(etag(name)),
    }
}

fn write_of<End: std::fmt::Debug>(step: Step<End>) -> Write {
    match step {
        Step::Write(write) => write,
        other => panic!("not a write: {other:?}"),
    }
}

mod expiry {
    use super::*;

    /// What the store's clock says of a record's age.
    fn dated(date: i64, modified: i64) -> Seen {
        Seen {
            date: Some(date),
            modified: Some(modified),
            ..seen("e", &record("other", 1, 1), 1_000)
        }
    }

    fn free_in(seen: &Seen, now: u64) -> Duration {
        Knowledge::default().free_in(seen, &PATIENCE, at(now))
    }

    #[test]
    fn by_the_stores_clock_a_record_expires_after_lease_margin_and_the_share_for_rates() {
        // 100 s + 2 s + 0.2 s, of which the store's clock says 102.
        assert_eq!(
            free_in(&dated(1102, 1000), 1_000),
            Duration::from_millis(200)
        );
        assert!(
            !free_in(&dated(1102, 1000), 1_200).is_zero(),
            "as old as is not older than"
        );
        assert!(free_in(&dated(1102, 1000), 1_201).is_zero());
        assert!(free_in(&dated(1103, 1000), 1_000).is_zero());
    }

    #[test]
    fn time_that_may_not_have_passed_makes_no_observer_early() {
        let slept = after_sleep(1_000, 3_600_000);
        let mut known = Knowledge::default();
        let seen = dated(1000, 1000);
        assert!(!known.observe(&Sight::Present(seen.clone())));
        let left = known.free_in(&seen, &PATIENCE, slept);
        assert_eq!(left, known.free_in(&seen, &PATIENCE, at(1_000)));
    }

    #[test]
    fn a_date_before_last_modified_counts_for_nothing() {
        let fresh = free_in(&dated(1000, 1000), 1_000);
        assert_eq!(free_in(&dated(0, 1000), 1_000), fresh);
        assert_eq!(free_in(&dated(i64::MIN, i64::MAX), 1_000), fresh);
    }

    #[test]
    fn without_the_stores_clock_no_date_counts() {
        let own = Patience {
            store_clock: false,
            ..PATIENCE
        };
        let left = Knowledge::default().free_in(&dated(9000, 1000), &own, at(1_000));
        assert_eq!(left, Duration::from_millis(102_200));
    }

    #[test]
    fn by_its_own_clock_an_observer_counts_from_the_first_arrival_of_this_version() {
        let mut known = Knowledge::default();
        let first = seen("e", &record("other", 1, 1), 1_000);
        assert!(!known.observe(&Sight::Present(first)));
        let again = seen("e", &record("other", 1, 1), 60_000);
        assert!(!known.observe(&Sight::Present(again.clone())));
        let left = |now| known.free_in(&again, &PATIENCE, at(now));
        assert_eq!(left(60_000), Duration::from_millis(43_200));
        assert!(!left(103_200).is_zero());
        assert!(left(103_201).is_zero());
    }

    #[test]
    fn a_look_that_shows_nothing_does_not_begin_anew() {
        let mut known = Knowledge::default();
        let first = seen("e", &record("other", 1, 1), 0);
        let _ = known.observe(&Sight::Present(first.clone()));
        let _ = known.observe(&Sight::Hidden { date: None });
        assert!(known.free_in(&first, &PATIENCE, at(103_000)).is_zero());
    }

    #[test]
    fn another_version_begins_anew() {
        let mut known = Knowledge::default();
        let _ = known.observe(&Sight::Present(seen("e", &record("other", 1, 1), 0)));
        let renewed = seen("f", &record("other", 1, 2), 90_000);
        let _ = known.observe(&Sight::Present(renewed.clone()));
        let left = known.free_in(&renewed, &PATIENCE, at(110_000));
        assert_eq!(left, Duration::from_millis(82_200));
    }

    #[test]
    fn a_date_that_advances_over_two_seconds_more_than_the_own_clock_is_caught() {
        for (advance, caught) in [(60, false), (62, false), (63, true), (3600, true)] {
            let mut known = Knowledge::default();
            let then = Seen {
                sent: at(0),
                arrived: at(3_000), // a slow reply proves nothing
                ..dated(1000, 1000)
            };
            let now = Seen {
                arrived: at(60_000),
                ..dated(1000 + advance, 1000)
            };
            assert!(!known.observe(&Sight::Present(then)));
            assert_eq!(known.observe(&Sight::Present(now)), caught, "{advance}");
        }
    }

    /// An honest store of two nodes, of which one is ahead by as much as is assumed, answers as fast as
    /// can be and at each moment of a second.
    #[test]
    fn dates_of_two_nodes_that_differ_by_a_second_are_never_caught() {
        let seconds = |millis: u64| StoreSeconds::try_from(millis / 1000).unwrap();
        for (phase, skew) in (0..1000).flat_map(|phase| [(phase, 300), (phase, 900), (phase, 1000)])
        {
            for between in [0, 1, 700, 60_000] {
                let mut known = Knowledge::default();
                let (sent, arrived) = (at(phase), at(phase + between));
                let first = Seen {
                    sent,
                    arrived: sent,
                    ..dated(seconds(phase), 0)
                };
                let second = Seen {
                    sent: arrived,
                    arrived,
                    ..dated(seconds(phase + between + skew), 0)
                };
                assert!(!known.observe(&Sight::Present(first)));
                let caught = known.observe(&Sight::Present(second));
                assert!(!caught, "phase {phase}, skew {skew}, between {between}");
            }
        }
    }

    #[test]
    fn tokens_grow_beyond_everything_seen() {
        let mut known = Knowledge::default();
        let first = known.first_token(1_795_399_200);
        assert_eq!(first, Some(1_795_399_200_000_000));
        known.saw_token(2_000_000_000_000_000);
        let first = known.first_token(1_795_399_200);
        assert_eq!(first, Some(2_000_000_000_000_001));
        assert_eq!(known.next_token(7), Some(2_000_000_000_000_001));
        assert_eq!(
            known.next_token(3_000_000_000_000_000),
            Some(3_000_000_000_000_001)
        );
    }

    #[test]
    fn tokens_end_with_the_last_that_a_reader_takes() {
        let known = Knowledge::default();
        assert_eq!(known.next_token(MAX_TOKEN - 1), Some(MAX_TOKEN));
        assert_eq!(known.next_token(MAX_TOKEN), None);
        assert_eq!(known.next_token(u64::MAX), None);
        let mut known = Knowledge::default();
        known.saw_token(MAX_TOKEN);
        assert_eq!(known.next_token(7), None);
        assert_eq!(known.first_token(1_795_399_200), None);
    }

    #[test]
    fn the_first_token_fits_in_53_bits_whatever_the_date() {
        for date in [i64::MIN, -1, 0, i64::MAX] {
            let token = Knowledge::default().first_token(date);
            let fits = token.is_some_and(|token| (1..MAX_TOKEN).contains(&token));
            assert!(fits, "{date}: {token:?}");
        }
    }
}

mod one_write {
    use super::*;

    fn cas() -> Cas {
        Cas::new(replacing("old", record("me", 2, 7)), at(0))
    }

    fn other() -> Record {
        record("other", 3, 8)
    }

    fn answered(cas: &mut Cas, answer: Answer) -> Progress {
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
        assert!(matches!(
            answered(&mut cas(), Answer::Unknown),
            Progress::Read
        ));
    }

    #[test]
    fn its_whole_body_found_is_applied() {
        let mut cas = cas();
        answered(&mut cas, Answer::Unknown);
        let own = present("new", &cas.write().record.clone());
        assert!(matches!(cas.on(read(own)), Progress::Applied(e) if e == etag("new")));
    }

    #[test]
    fn its_nonce_in_another_body_is_not_applied() {
        let mut cas = cas();
        answered(&mut cas, Answer::Unknown);
        let forged = present("new", &record("other", 2, 7));
        assert!(matches!(cas.on(read(forged)), Progress::Overtaken(_)));
    }

    #[test]
    fn its_condition_still_standing_is_not_resolved_and_the_same_write_is_sent_again() {
        let mut cas = cas();
        answered(&mut cas, Answer::Unknown);
        let standing = present("old", &record("other", 1, 1));
        assert!(matches!(
            cas.on(read(standing)),
            Progress::Pause(Why::Trouble)
        ));
        assert!(cas.is_unresolved());
        let write = cas.write().clone();
        assert!(matches!(cas.on(Event::Resume), Progress::Send(again) if again == write));
    }

    #[test]
    fn anything_else_found_means_that_it_never_lands() {
        let absent = Sight::Absent { date: None };
        for sight in [present("new", &other()), absent, Sight::Foreign] {
            let mut cas = cas();
            answered(&mut cas, Answer::Unknown);
            assert!(matches!(cas.on(read(sight)), Progress::Overtaken(_)));
        }
    }

    #[test]
    fn no_refusal_of_a_later_attempt_is_believed_while_an_earlier_one_is_unresolved() {
        for refusal in REFUSALS {
            let mut cas = cas();
            answered(&mut cas, Answer::Unknown);
            let refused = answered(&mut cas, Answer::Refused(refusal));
            assert!(matches!(refused, Progress::Read), "{refusal:?}");
            assert!(cas.is_unresolved());
        }
    }

    #[test]
    fn an_attempt_that_was_not_sent_leaves_an_earlier_one_unresolved() {
        let mut cas = cas();
        answered(&mut cas, Answer::Unknown);
        let again = answered(&mut cas, Answer::NotSent(Trouble::Passing));
        assert!(matches!(again, Progress::Pause(Why::Trouble)));
        let end = answered(&mut cas, Answer::NotSent(Trouble::Lasting));
        assert!(matches!(end, Progress::Unresolved));
    }

    #[test]
    fn a_failed_condition_is_read_because_a_proxy_may_have_repeated_the_request() {
        let mut cas = cas();
        let refused = answered(&mut cas, Answer::Refused(Refusal::Condition));
        assert!(matches!(refused, Progress::Read));
        let own = present("new", &cas.write().record.clone());
        assert!(matches!(cas.on(read(own)), Progress::Applied(_)));
    }

    #[test]
    fn a_store_that_refuses_a_condition_which_holds_is_not_asked_for_ever() {
        let mut cas = cas();
        answered(&mut cas, Answer::Refused(Refusal::Condition));
        let standing = present("old", &record("other", 1, 1));
        assert!(matches!(cas.on(read(standing)), Progress::Defied));
    }

    #[test]
    fn a_conflict_or_a_busy_store_resolves_nothing_because_a_proxy_may_have_repeated_the_request() {
        let refusals = [
            (Refusal::Conflict, Why::Contended),
            (Refusal::Busy, Why::Trouble),
        ];
        for (refusal, why) in refusals {
            let mut cas = cas();
            let refused = answered(&mut cas, Answer::Refused(refusal));
            assert!(matches!(refused, Progress::Read), "{refusal:?}");
            assert!(cas.is_unresolved());
            let standing = present("old", &record("other", 1, 1));
            assert!(matches!(cas.on(read(standing)), Progress::Pause(w) if w == why));
        }
    }

    #[test]
    fn any_other_refusal_of_the_only_attempt_is_believed() {
        let denied = answered(&mut cas(), Answer::Refused(Refusal::Denied));
        assert!(matches!(denied, Progress::Refused));
    }

    #[test]
    fn a_write_given_up_is_unresolved_unless_every_attempt_had_a_certain_end() {
        assert!(matches!(cas().on(Event::GiveUp), Progress::NotApplied));
        for answer in [Answer::Unknown, Answer::Refused(Refusal::Condition)] {
            let mut cas = cas();
            answered(&mut cas, answer);
            assert!(matches!(cas.on(Event::GiveUp), Progress::Unresolved));
        }
    }

    #[test]
    fn a_read_back_that_can_never_be_made_leaves_it_unresolved() {
        for read_back in [
            Event::Read(Err(Trouble::Lasting)),
            read(Sight::Hidden { date: None }),
        ] {
            let mut cas = cas();
            answered(&mut cas, Answer::Unknown);
            assert!(matches!(cas.on(read_back), Progress::Unresolved));
        }
    }

    #[test]
    fn a_read_back_that_fails_is_repeated_before_anything_is_sent() {
        let mut cas = cas();
        answered(&mut cas, Answer::Unknown);
        cas.on(Event::Read(Err(Trouble::Passing)));
        assert!(matches!(cas.on(Event::Resume), Progress::Read));
    }

    #[test]
    fn a_record_that_may_not_be_read_cannot_resolve_anything() {
        for answer in [Answer::Unknown, Answer::Refused(Refusal::Condition)] {
            let mut cas = cas();
            answered(&mut cas, answer);
            let hidden = read(Sight::Hidden { date: None });
            assert!(matches!(cas.on(hidden), Progress::Unresolved));
        }
    }
}

fn claim() -> Claim {
    Claim {
        owner: "me".to_owned(),
        lease: LEASE,
        host: String::new(),
        pid: 1,
        purpose: None,
        patience: PATIENCE,
        reclaims: false,
    }
}

mod acquiring {
    use super::*;

    pub(super) fn acquire() -> Acquire {
        Acquire::new(claim())
    }

    #[test]
    fn the_lease_counts_from_the_first_send_however_long_the_answer_took() {
        let (mut acquire, mut known) = (acquire(), Knowledge::default());
        acquire.on(Event::Resume, &turn(0, 1), &mut known);
        let absent = read(Sight::Absent { date: Some(1) });
        let write = write_of(acquire.on(absent, &turn(1_000, 2), &mut known));
        assert_eq!(write.condition, Condition::Absent);
        acquire.on(Event::Wrote(Answer::Unknown), &turn(6_000, 3), &mut known);
        let own = read(present("new", &write.record));
        match acquire.on(own, &turn(9_000, 4), &mut known) {
            Step::Done(Acquired::Won { mut holding, .. }) => {
                assert_eq!(holding.remaining(at(9_000)), LEASE - Duration::from_secs(8));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_very_reply_that_shows_the_date_wrong_takes_no_lock() {
        let (mut acquire, mut known) = (acquire(), Knowledge::default());
        acquire.on(Event::Resume, &turn(0, 1), &mut known);
        let ancient = Sight::Present(Seen {
            date: Some(9_000),
            modified: Some(0),
            ..seen("e", &record("alive", 1, 1), 0)
        });
        let distrusting = Turn {
            trusts_date: false,
            ..turn(0, 2)
        };
        let step = acquire.on(read(ancient), &distrusting, &mut known);
        assert!(matches!(step, Step::Wait { .. }), "{step:?}");
    }

    #[test]
    fn every_record_after_a_create_says_which_create_that_was() {
        let (mut acquire, mut known) = (acquire(), Knowledge::default());
        acquire.on(Event::Resume, &turn(0, 1), &mut known);
        let absent = read(Sight::Absent { date: None });
        let made = write_of(acquire.on(absent, &turn(0, 2), &mut known)).record;
        assert_eq!(made.origin, Some(Nonce(2)));
        let passed_on = [
            made.renewed(Nonce(3)),
            made.released(Nonce(4)),
            made.broken(Nonce(5)),
        ];
        assert!(passed_on.iter().all(|r| r.origin == made.origin));
        let mut next = super::acquiring::acquire();
        next.on(Event::Resume, &turn(0, 6), &mut known);
        let free = read(present("e", &made.released(Nonce(4))));
        let taken = write_of(next.on(free, &turn(0, 7), &mut known)).record;
        assert_eq!(taken.origin, made.origin);
    }

    #[test]
    fn an_object_that_does_not_say_who_made_it_counts_as_made_by_the_next_holder() {
        let (mut acquire, mut known) = (acquire(), Knowledge::default());
        acquire.on(Event::Resume, &turn(0, 1), &mut known);
        let nameless = of_object(None, record("other", 5, 9).released(Nonce(10)));
        let step = acquire.on(read(present("e", &nameless)), &turn(0, 2), &mut known);
        assert_eq!(write_of(step).record.origin, Some(Nonce(2)));
    }

    #[test]
    fn an_operators_mark_is_kept() {
        let (mut acquire, mut known) = (acquire(), Knowledge::default());
        acquire.on(Event::Resume, &turn(0, 1), &mut known);
        let mut broken = record("other", 5, 9).released(Nonce(10));
        broken.broken = Some(5);
        let step = acquire.on(read(present("e", &broken)), &turn(0, 2), &mut known);
        assert_eq!(write_of(step).record.broken, Some(5));
    }

    #[test]
    fn a_lock_that_others_keep_taking_first_is_paused_for() {
        let (mut acquire, mut known) = (acquire(), Knowledge::default());
        acquire.on(Event::Resume, &turn(0, 1), &mut known);
        for round in 0..3u32 {
            let free = record("other", u64::from(round) + 1, 50).released(Nonce(60));
            let name = format!("e{round}");
            write_of(acquire.on(read(present(&name, &free)), &turn(0, 2), &mut known));
            let refused = Event::Wrote(Answer::Refused(Refusal::Condition));
            assert_eq!(acquire.on(refused, &turn(0, 3), &mut known), Step::Read);
        }
        let free = record("other", 9, 50).released(Nonce(61));
        let step = acquire.on(read(present("e9", &free)), &turn(0, 4), &mut known);
        assert_eq!(step, Step::Pause(Why::Contended));
    }

    #[test]
    fn a_write_given_up_is_undone_under_its_own_condition() {
        let (mut acquire, mut known) = (acquire(), Knowledge::default());
        acquire.on(Event::Resume, &turn(0, 1), &mut known);
        let free = record("other", 4, 8).released(Nonce(9));
        let taking = write_of(acquire.on(read(present("e", &free)), &turn(0, 2), &mut known));
        acquire.on(Event::Wrote(Answer::Unknown), &turn(0, 3), &mut known);
        assert_eq!(
            acquire.on(Event::GiveUp, &turn(0, 4), &mut known),
            Step::Read
        );
        let undoing = write_of(acquire.on(read(present("e", &free)), &turn(0, 5), &mut known));
        assert_eq!(undoing.condition, taking.condition);
        assert!(!undoing.record.is_held());
        assert_ne!(undoing.record.nonce, taking.record.nonce);
        let applied = Event::Wrote(Answer::Applied(etag("f")));
        let end = acquire.on(applied, &turn(0, 6), &mut known);
        assert_eq!(end, Step::Done(Acquired::Failed));
    }

    #[test]
    fn an_undo_that_finds_the_write_landed_releases_that() {
        let (mut acquire, mut known) = (acquire(), Knowledge::default());
        acquire.on(Event::Resume, &turn(0, 1), &mut known);
        let absent = read(Sight::Absent { date: None });
        let taking = write_of(acquire.on(absent, &turn(0, 2), &mut known));
        acquire.on(Event::Wrote(Answer::Unknown), &turn(0, 3), &mut known);
        acquire.on(Event::GiveUp, &turn(0, 4), &mut known);
        let landed = read(present("mine", &taking.record));
        let undoing = write_of(acquire.on(landed, &turn(0, 5), &mut known));
        assert_eq!(undoing.condition, Condition::Matches(etag("mine")));
        assert!(!undoing.record.is_held());
    }

    #[test]
    fn an_undo_that_cannot_read_says_what_may_remain() {
        let (mut acquire, mut known) = (acquire(), Knowledge::default());
        acquire.on(Event::Resume, &turn(0, 1), &mut known);
        let absent = read(Sight::Absent { date: None });
        acquire.on(absent, &turn(0, 2), &mut known);
        acquire.on(Event::Wrote(Answer::Unknown), &turn(0, 3), &mut known);
        acquire.on(Event::GiveUp, &turn(0, 4), &mut known);
        let failed = Event::Read(Err(Trouble::Passing));
        let end = acquire.on(failed, &turn(0, 5), &mut known);
        assert_eq!(end, Step::Done(Acquired::MayRemain));
    }
}

mod reclaiming {
    use super::*;

    fn reclaiming() -> Acquire {
        Acquire::new(Claim {
            reclaims: true,
            ..claim()
        })
    }

    /// What an acquire does about a record of that look that is held and fresh.
    fn first_step(mut acquire: Acquire, seen: Seen) -> Step<Acquired> {
        let mut known = Knowledge::default();
        acquire.on(Event::Resume, &turn(0, 1), &mut known);
        let sight = Sight::Present(seen);
        let _ = known.observe(&sight);
        acquire.on(read(sight), &turn(0, 2), &mut known)
    }

    fn held_by(owner: &str) -> Seen {
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
        let alive = Seen {
            live_here: true,
            ..held_by("me")
        };
        let step = first_step(reclaiming(), alive);
        assert!(matches!(step, Step::Wait { .. }), "{step:?}");
    }

    #[test]
    fn a_living_namesake_that_has_expired_is_taken_over_like_any_holder() {
        let expired = Seen {
            live_here: true,
            date: Some(1103),
            modified: Some(1000),
            ..held_by("me")
        };
        write_of(first_step(reclaiming(), expired));
    }

    #[test]
    fn a_namesake_that_landed_in_between_is_reclaimed_too() {
        let (mut acquire, mut known) = (reclaiming(), Knowledge::default());
        acquire.on(Event::Resume, &turn(0, 1), &mut known);
        let free = record("me", 4, 8).released(Nonce(9));
        write_of(acquire.on(read(present("e", &free)), &turn(0, 2), &mut known));
        let refused = Event::Wrote(Answer::Refused(Refusal::Condition));
        acquire.on(refused, &turn(0, 3), &mut known);
        let landed = read(present("f", &record("me", 5, 9)));
        let write = write_of(acquire.on(landed, &turn(0, 4), &mut known));
        assert_eq!(write.condition, Condition::Matches(etag("f")));
    }

    #[test]
    fn namesakes_that_keep_reclaiming_from_each_other_pause() {
        let (mut acquire, mut known) = (reclaiming(), Knowledge::default());
        acquire.on(Event::Resume, &turn(0, 1), &mut known);
        for round in 0..3u32 {
            let held = record("me", u64::from(round) + 1, 50);
            let name = format!("e{round}");
            write_of(acquire.on(read(present(&name, &held)), &turn(0, 2), &mut known));
            let refused = Event::Wrote(Answer::Refused(Refusal::Condition));
            assert_eq!(acquire.on(refused, &turn(0, 3), &mut known), Step::Read);
        }
        let held = read(present("e9", &record("me", 9, 50)));
        let step = acquire.on(held, &turn(0, 4), &mut known);
        assert_eq!(step, Step::Pause(Why::Contended));
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
}

mod holding {
    use super::*;

    fn held() -> Holding {
        let record = record("me", 5, 1);
        Holding::new(
            Known {
                etag: etag("e0"),
                record,
            },
            at(0),
        )
    }

    /// A renewal first sent at `millis` whose answer never came; what it wrote.
    fn unresolved_renewal(holding: &mut Holding, millis: u64, nonce: u128) -> Record {
        let mut renew = Renew::default();
        let mut step = renew.on(Event::Resume, &turn(millis, nonce), holding);
        if step == Step::Peek {
            // Where an earlier one went is not to be seen yet.
            let still = present("e0", &holding.record().clone());
            step = renew.on(read(still), &turn(millis, nonce), holding);
        }
        let write = write_of(step);
        renew.on(Event::Wrote(Answer::Unknown), &turn(millis, 0), holding);
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
        let now = Turn {
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
        let now = Turn {
            now: back,
            ..turn(0, 7)
        };
        let mut release = Release::default();
        write_of(release.on(Event::Resume, &now, &mut holding));
        release.on(Event::Wrote(Answer::Unknown), &now, &mut holding);
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
        let now = Turn {
            now: back,
            ..turn(0, 3)
        };
        let applied = Event::Wrote(Answer::Applied(etag("e1")));
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
        let applied = Event::Wrote(Answer::Applied(etag("e1")));
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
        renew.on(
            Event::Wrote(Answer::Unknown),
            &turn(99_001, 0),
            &mut holding,
        );
        let standing = present("e0", &record("me", 5, 1));
        renew.on(read(standing), &turn(99_002, 0), &mut holding);
        let end = renew.on(Event::Resume, &turn(100_000, 3), &mut holding);
        assert_eq!(end, Step::Done(Renewed::Lost));
        // It has landed after all, and the release follows it.
        let refused = Answer::Refused(Refusal::Condition);
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
    fn looking(holding: &mut Holding, millis: u64) -> Verify {
        let mut verify = Verify::default();
        let step = verify.on(Event::Resume, &turn(millis, 0), holding);
        assert_eq!(step, Step::Read);
        verify
    }

    /// Renews at `millis`, at once and without trouble; what it wrote.
    fn renewed(holding: &mut Holding, millis: u64, nonce: u128) -> Record {
        let mut renew = Renew::default();
        let write = write_of(renew.on(Event::Resume, &turn(millis, nonce), holding));
        let applied = Answer::Applied(ETag(format!("e{nonce}")));
        let end = renew.on(Event::Wrote(applied), &turn(millis, 0), holding);
        assert_eq!(end, Step::Done(Renewed::Yes));
        write.record
    }

    /// What `verify` makes of a read that shows this, at `millis`.
    fn shown(
        verify: &mut Verify,
        holding: &mut Holding,
        sight: Sight,
        millis: u64,
    ) -> Step<Verified> {
        verify.on(read(sight), &turn(millis, 0), holding)
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
        let applied = Event::Wrote(Answer::Applied(etag("e2")));
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
        let end = renew.on(
            Event::Wrote(Answer::Unknown),
            &turn(15_000, 0),
            &mut holding,
        );
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
        let denied = Event::Wrote(Answer::Refused(Refusal::Denied));
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
        let not_sent = Event::Wrote(Answer::NotSent(Trouble::Lasting));
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
    const NOTHING_SEEN: [Result<Sight, Trouble>; 3] = [
        Err(Trouble::Passing),
        Err(Trouble::Lasting),
        Ok(Sight::Hidden { date: None }),
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
            assert_eq!(end, Step::Pause(Why::Trouble));
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
        let nothing = Event::Read(Err(Trouble::Passing));
        write_of(renew.on(nothing, &turn(25_000, 3), &mut holding));
        renew.on(
            Event::Wrote(Answer::Unknown),
            &turn(30_000, 4),
            &mut holding,
        );
        let look = Renew::default().on(Event::Resume, &turn(31_000, 5), &mut holding);
        assert_eq!(look, Step::Peek);
    }

    #[test]
    fn renew_writes_at_once_after_reading_back_a_write_has_shown_nothing() {
        let mut holding = held();
        let mut renew = Renew::default();
        write_of(renew.on(Event::Resume, &turn(10_000, 2), &mut holding));
        renew.on(
            Event::Wrote(Answer::Unknown),
            &turn(10_000, 0),
            &mut holding,
        );
        let nothing = Event::Read(Err(Trouble::Passing));
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
        let nothing = Event::Read(Err(Trouble::Passing));
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
        let refused = Event::Wrote(Answer::Refused(Refusal::Condition));
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
            (Sight::Absent { date: None }, Loss::Vanished),
            (Sight::Foreign, Loss::Vanished),
        ];
        for (sight, loss) in cases {
            let mut holding = held();
            assert_eq!(holding.learn(&sight, at(1)), Learned::Lost);
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
        holding.learn(&Sight::Absent { date: None }, at(100_003));
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
        holding: &mut Holding,
        millis: u64,
        answer: Answer,
        sight: Sight,
    ) -> Step<Released> {
        let mut release = Release::default();
        write_of(release.on(Event::Resume, &turn(millis, 7), holding));
        assert_eq!(
            release.on(Event::Wrote(answer), &turn(millis, 0), holding),
            Step::Read
        );
        release.on(read(sight), &turn(millis, 8), holding)
    }

    /// What leaves it open whether a release was carried out: no answer, or a refusal of what may have
    /// been a second copy of it.
    const DOUBTS: [Answer; 2] = [Answer::Unknown, Answer::Refused(Refusal::Condition)];

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
            let mut holding = Holding::new(Known { etag, record }, at(0));
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
        let refused = Event::Wrote(Answer::Refused(Refusal::Condition));
        let step = release.on(refused, &turn(99_999, 0), &mut holding);
        assert_eq!(step, Step::Read);
        let taken = read(present("x", &record("you", 6, 8)));
        let end = release.on(taken, &turn(103_000, 8), &mut holding);
        assert_eq!(end, Step::Done(Released::Lost));
    }

    #[test]
    fn a_release_of_unknown_outcome_stays_unknown_where_the_next_may_have_waited_for_the_deadline()
    {
        let mut holding = held();
        let mut release = Release::default();
        write_of(release.on(Event::Resume, &turn(99_999, 7), &mut holding));
        let unknown = Event::Wrote(Answer::Unknown);
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
        for answer in [Answer::Unknown, Answer::Refused(Refusal::Condition)] {
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
        let refused = Event::Wrote(Answer::Refused(Refusal::Condition));
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
        release.on(
            Event::Wrote(Answer::Unknown),
            &turn(100_002, 0),
            &mut holding,
        );
        let pause = release.on(read(standing), &turn(100_003, 0), &mut holding);
        assert_eq!(pause, Step::Pause(Why::Trouble));
        let end = release.on(Event::Resume, &turn(100_004, 8), &mut holding);
        assert_eq!(end, Step::Done(Released::Unknown));
    }

    #[test]
    fn a_release_follows_a_renewal_that_had_landed_unseen() {
        let mut holding = held();
        let renewal = unresolved_renewal(&mut holding, 10_000, 2);
        let refused = Answer::Refused(Refusal::Condition);
        let again = refused_release(&mut holding, 20_000, refused, present("e1", &renewal));
        assert_eq!(write_of(again).condition, Condition::Matches(etag("e1")));
    }
}

mod releasing_by_name {
    use super::*;

    /// A release by name that has seen holding 5 of `me` and sent its write.
    fn sent() -> (Free, Write) {
        let mut free = Free::by_name("me".to_owned());
        let mut known = Knowledge::default();
        assert_eq!(free.on(Event::Resume, &turn(0, 1), &mut known), Step::Read);
        let held = read(present("e", &record("me", 5, 2)));
        let write = write_of(free.on(held, &turn(0, 3), &mut known));
        (free, write)
    }

    fn on(free: &mut Free, event: Event) -> Step<Freed> {
        free.on(event, &turn(0, 99), &mut Knowledge::default())
    }

    #[test]
    fn a_later_holding_of_the_same_owner_is_left_alone_and_hides_what_became_of_the_first() {
        // A proxy may have repeated the request: then the one that was refused is the second.
        for answer in [Answer::Refused(Refusal::Condition), Answer::Unknown] {
            let (mut free, _) = sent();
            on(&mut free, Event::Wrote(answer));
            let later = read(present("f", &record("me", 6, 4)));
            assert_eq!(on(&mut free, later), Step::Done(Freed::Unknown));
        }
    }

    #[test]
    fn a_release_by_name_leaves_a_mark_that_the_next_holding_keeps() {
        let (_, write) = sent();
        assert_eq!(write.record.reclaimed, Some(5));
        let mut acquire = Acquire::new(claim());
        let mut known = Knowledge::default();
        acquire.on(Event::Resume, &turn(0, 1), &mut known);
        let freed = read(present("f", &write.record));
        let next = write_of(acquire.on(freed, &turn(0, 7), &mut known));
        assert_eq!(next.record.reclaimed, Some(5));
    }

    #[test]
    fn a_renewal_in_between_is_released_too() {
        let (mut free, _) = sent();
        on(&mut free, Event::Wrote(Answer::Refused(Refusal::Condition)));
        let renewed = read(present("f", &record("me", 5, 4)));
        let write = write_of(on(&mut free, renewed));
        assert_eq!(write.condition, Condition::Matches(etag("f")));
    }

    #[test]
    fn a_release_by_somebody_else_in_between_is_not_this_calls() {
        let (mut free, _) = sent();
        on(&mut free, Event::Wrote(Answer::Unknown));
        let freed = read(present("f", &record("me", 5, 2).released(Nonce(77))));
        assert_eq!(on(&mut free, freed), Step::Done(Freed::No));
    }
}

mod breaking_by_force {
    use super::*;

    fn force() -> Free {
        let mut free = Free::by_force("me".to_owned(), 5);
        assert_eq!(on(&mut free, Event::Resume), Step::Read);
        free
    }

    fn on(free: &mut Free, event: Event) -> Step<Freed> {
        free.on(event, &turn(0, 99), &mut Knowledge::default())
    }

    /// A call that has seen the holding and had this answer to its write.
    fn answered(answer: Answer) -> (Free, Write) {
        let mut free = force();
        let write = write_of(on(&mut free, read(present("e", &record("me", 5, 2)))));
        assert_eq!(on(&mut free, Event::Wrote(answer)), Step::Read);
        (free, write)
    }

    fn unanswered() -> (Free, Write) {
        answered(Answer::Unknown)
    }

    /// The holding after this one, with what it knows of one broken before.
    fn next(broken: Option<u64>) -> Sight {
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
        let end = on(&mut free, Event::Wrote(Answer::Applied(etag("f"))));
        let record = write.record;
        let etag = etag("f");
        assert_eq!(end, Step::Done(Freed::Yes(Known { etag, record })));
    }

    #[test]
    fn any_other_holding_and_none_at_all_are_left_alone() {
        let others = [
            present("e", &record("me", 6, 2)),
            present("e", &record("me", 4, 2)),
            present("e", &record("you", 5, 2)),
            present("e", &record("me", 5, 2).released(Nonce(3))),
            Sight::Absent { date: None },
        ];
        for sight in others {
            assert_eq!(on(&mut force(), read(sight)), Step::Done(Freed::No));
        }
    }

    #[test]
    fn what_cannot_be_read_or_is_no_lock_is_not_broken() {
        for sight in [Sight::Hidden { date: None }, Sight::Foreign] {
            assert_eq!(on(&mut force(), read(sight)), Step::Done(Freed::Failed));
        }
    }

    #[test]
    fn a_renewal_in_between_is_the_same_holding_and_broken_too() {
        for answer in [Answer::Unknown, Answer::Refused(Refusal::Condition)] {
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
        assert_eq!(on(&mut free, standing), Step::Pause(Why::Trouble));
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
    fn a_write_refused_because_somebody_else_ended_the_holding_did_nothing() {
        let endings = [
            present("f", &record("me", 5, 2).released(Nonce(7))),
            present("f", &record("me", 5, 2).broken(Nonce(7))),
        ];
        for sight in endings {
            let (mut free, _) = answered(Answer::Refused(Refusal::Condition));
            assert_eq!(on(&mut free, read(sight)), Step::Done(Freed::No));
        }
    }

    #[test]
    fn a_refused_write_may_be_a_second_copy_of_one_that_left_its_mark_or_is_gone() {
        for sight in [next(Some(5)), Sight::Absent { date: None }] {
            let (mut free, _) = answered(Answer::Refused(Refusal::Condition));
            assert_eq!(on(&mut free, read(sight)), Step::Done(Freed::Unknown));
        }
    }

    #[test]
    fn the_holder_broken_first_of_two_in_a_row_finds_the_lock_taken_over() {
        let first = Known {
            etag: etag("e"),
            record: record("me", 5, 2),
        };
        let mut holding = Holding::new(first.clone(), at(0));
        let mut force = force();
        let broken = write_of(on(&mut force, read(present("e", &first.record)))).record;
        let mut known = Knowledge::default();
        let mut acquire = Acquire::new(claim());
        acquire.on(Event::Resume, &turn(0, 1), &mut known);
        let step = acquire.on(read(present("f", &broken)), &turn(0, 7), &mut known);
        let second = write_of(step).record;
        assert_eq!((second.fencing_token, second.broken), (6, Some(5)));
        let mut again = Free::by_force("me".to_owned(), 6);
        on(&mut again, Event::Resume);
        let broken = write_of(on(&mut again, read(present("g", &second)))).record;
        // Of the two marks the last is on record.
        assert_eq!(broken.broken, Some(6));
        holding.learn(&present("h", &broken), at(1));
        assert!(matches!(holding.check(at(1)), Some(Loss::TakenOver(_))));
        // So its release must not take the later holder for its own doing.
        let mut holding = Holding::new(first, at(0));
        let mut release = Release::default();
        write_of(release.on(Event::Resume, &turn(0, 8), &mut holding));
        let refused = Event::Wrote(Answer::Refused(Refusal::Condition));
        release.on(refused, &turn(0, 9), &mut holding);
        let end = release.on(read(present("h", &broken)), &turn(0, 9), &mut holding);
        assert_eq!(end, Step::Done(Released::Lost));
    }

    #[test]
    fn the_same_holding_ended_by_somebody_else_after_a_lost_reply_was_not_ended_by_this() {
        let (mut free, _) = unanswered();
        let ended = read(present("f", &record("me", 5, 2).broken(Nonce(7))));
        assert_eq!(on(&mut free, ended), Step::Done(Freed::No));
    }

    #[test]
    fn an_object_that_is_gone_after_a_lost_reply_is_undecidable() {
        let (mut free, _) = unanswered();
        let gone = read(Sight::Absent { date: None });
        assert_eq!(on(&mut free, gone), Step::Done(Freed::Unknown));
    }
}
