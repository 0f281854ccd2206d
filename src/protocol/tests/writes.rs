//! Every kind of write, over any record that can be read: the result can be read again.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use chrono::{DateTime, Utc};

use super::*;
use crate::protocol::record::{Advice, DoneLabel, MAX_BODY, MAX_LEASE};

/// A claim with the longest names that a lock takes, in characters that grow most when escaped.
fn claim(owner: &str, label: Option<&str>, reclaims: bool) -> Claim {
    Claim {
        owner: owner.to_owned(),
        lease: MAX_LEASE,
        host: "🔒".repeat(255),
        pid: u32::MAX,
        purpose: Some("\u{1}".repeat(2048)),
        label: label.map(Box::from),
        expiry_rule: ExpiryRule {
            margin: Duration::ZERO,
            store_clock: true,
        },
        reclaims,
        queue: None,
    }
}

/// A claim for another label.
fn other(owner: &str) -> Claim {
    claim(owner, Some("another"), false)
}

fn turn() -> Inputs {
    Inputs {
        now: Instant::from_origin(Duration::from_secs(1)),
        nonce: Nonce(u128::MAX),
        wall: DateTime::<Utc>::MAX_UTC.into(),
        trusts_date: true,
        advice: Advice::default(),
        others_wait: false,
    }
}

/// A read that shows `record`, long expired.
fn sight(record: &Record, etag: &str) -> Event {
    Event::Read(Ok(ReadOutcome::Present(Snapshot {
        etag: ETag(etag.to_owned()),
        record: record.clone(),
        date: Some(1_000_000),
        modified: Some(0),
        sent: turn().now,
        arrived: turn().now,
        live_here: false,
    })))
}

/// The writes that an operation asks for when it gets these events.
fn writes<O: Operation>(mut of: O, memory: &mut O::Memory, events: Vec<Event>) -> Vec<Record> {
    let steps = events
        .into_iter()
        .map(|event| of.on(event, &turn(), memory));
    let write = |step| match step {
        Step::Write(Write { record, .. }) => Some(record),
        _ => None,
    };
    steps.filter_map(write).collect()
}

/// Every record that any call may write where `base` stands.
fn written_over(base: &Record) -> Vec<(&'static str, Record)> {
    let unknown = || Event::Wrote(unknown());
    let mut all = Vec::new();
    let mut note = |kind, records: Vec<Record>| {
        all.extend(records.into_iter().map(|record| (kind, record)));
    };
    let longest = "\"".repeat(512);
    let label = "\\".repeat(128);
    let claims = [
        claim(&longest, None, false),
        claim(&longest, Some(&label), false),
        claim(&base.owner, None, true),
    ];
    for claim in claims {
        let acquire = Acquire::new(claim.clone());
        // Given up with its outcome unknown, and undone where the condition still holds.
        let mut events = vec![Event::Resume, sight(base, "base"), unknown()];
        events.extend([sight(base, "base"), Event::GiveUp, sight(base, "base")]);
        let written = writes(acquire.clone(), &mut Observations::default(), events);
        let Some(taken) = written.first().cloned() else {
            continue;
        };
        assert_eq!(written.len(), 2, "an acquire and its undo");
        note("an acquire or its undo", written);
        // Undone where it has landed.
        let mut events = vec![Event::Resume, sight(base, "base"), unknown()];
        events.extend([sight(base, "base"), Event::GiveUp, sight(&taken, "own")]);
        note(
            "an undo",
            writes(acquire, &mut Observations::default(), events).split_off(1),
        );

        let etag = ETag("own".to_owned());
        let mut holding = Lease::new(
            StoredRecord {
                etag,
                record: taken,
            },
            turn().now,
        );
        let mut fresh = holding.clone();
        note(
            "a renewal",
            writes(Renew::default(), &mut holding, vec![Event::Resume]),
        );
        note(
            "a release",
            writes(Release::default(), &mut holding, vec![Event::Resume]),
        );
        let completes = Release::with(Ending::Completed);
        note(
            "a completion",
            writes(completes, &mut holding.clone(), vec![Event::Resume]),
        );
        let known = Observations::default();
        let next = other(&longest);
        let hand_over = HandOver::of(&mut fresh, Ending::Completed, next, &known, turn().now);
        if let Some(hand_over) = hand_over {
            note(
                "a hand-over",
                writes(hand_over, &mut fresh, vec![Event::Resume]),
            );
        }
    }
    let by_name = Free::by_name(base.owner.clone());
    let by_force = Free::by_force(base.owner.clone(), base.fencing_token);
    for (kind, free) in [("a release by name", by_name), ("a break", by_force)] {
        let events = vec![Event::Resume, sight(base, "base")];
        note(kind, writes(free, &mut Observations::default(), events));
    }
    all
}

const HARD: [&str; 8] = [
    "1e400",
    "0.1",
    "-0",
    "1.0",
    "18446744073709551616",
    "null",
    "true",
    "[ ]",
];

/// Any JSON, including values that are hard to keep as they are.
fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        proptest::sample::select(&HARD[..]).prop_map(str::to_owned),
        proptest::num::f64::NORMAL.prop_map(|n| n.to_string()),
        any::<i128>().prop_map(|n| n.to_string()),
        text().prop_map(|text| json(&text)),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let field = (text(), inner.clone()).prop_map(|(name, value)| json(&name) + ": " + &value);
        prop_oneof![
            vec(inner, 0..4).prop_map(|values| format!("[{}]", values.join(" ,"))),
            vec(field, 0..4).prop_map(|fields| format!("{{{}}}", fields.join(","))),
        ]
    })
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[a-z_]{0,12}", "[\"\\\\\u{1}]{0,40}"]
}

fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn token() -> impl Strategy<Value = u64> {
    let last = MAX_TOKEN - 3..=MAX_TOKEN + 1;
    prop_oneof![
        last,
        1_795_399_200_000_000..1_795_399_300_000_000u64,
        0..4u64
    ]
}

/// The fields of a body that may be a record, in any order.
fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let name = prop_oneof![text(), Just("Owner".to_owned()), Just("labels".to_owned())];
    // Now and then one so long that it, or the whole record, is near its limit.
    let length = prop_oneof![9 => Just(0), 1 => 32_000..33_000usize, 1 => 64_000..65_600usize];
    let padding = (length, any::<bool>());
    let unknown = vec((name, value()), 0..4);
    let label = prop_oneof![Just("x".to_owned()), Just("\"".repeat(127))];
    let number = prop_oneof![8 => Just(0), 1 => 1..8usize, 1 => Just(16)];
    let done = (number, label).prop_map(|(number, label)| labels_done(number, &label));
    let marks = (proptest::option::of(token()), proptest::option::of(token()));
    let known = (
        any::<bool>(),
        text(),
        token(),
        marks,
        text(),
        proptest::option::of(text()),
        done,
    );
    (known, unknown, padding, any::<prop::sample::Index>()).prop_map(
        |((held, owner, token, (broken, reclaimed), host, purpose, done), unknown, padding, at)| {
            let mut fields = vec![
                r#""format":1"#.to_owned(),
                format!(r#""state":"{}""#, if held { "held" } else { "released" }),
                format!(r#""fencing_token":{token},"lease_ms":604800000"#),
                r#""nonce":"a","acquired_at":"1970-01-01T00:00:00+01:00","pid":0"#.to_owned(),
                format!(r#""owner":{},"host":{}"#, json(&owner), json(&host)),
            ];
            fields.extend(purpose.map(|p| format!(r#""purpose":{}"#, json(&p))));
            let broken = broken.map(|mark| mark.min(token));
            fields.extend(broken.map(|mark| format!(r#""broken":{mark}"#)));
            let reclaimed = reclaimed.map(|mark| mark.min(token));
            fields.extend(reclaimed.map(|mark| format!(r#""reclaimed":{mark}"#)));
            fields.push(done);
            fields.extend(unknown.iter().map(|(name, value)| json(name) + ":" + value));
            let (length, in_known) = padding;
            let missing = length.saturating_sub(fields.join(",").len());
            fields.push(if in_known && purpose_is_free(&fields) {
                format!(r#""purpose":"{}""#, "x".repeat(missing))
            } else {
                format!(r#""pad":"{}""#, "x".repeat(missing))
            });
            let first = at.index(fields.len());
            fields.rotate_left(first);
            format!("{{{}}}", fields.join(",")).into_bytes()
        },
    )
}

/// A list of so many labels done.
fn labels_done(number: usize, label: &str) -> String {
    let owner = json(&label.repeat(4));
    let entry = |n: usize| {
        let first = char::from(b'a' + u8::try_from(n).unwrap());
        let label = json(&format!("{first}{label}"));
        format!(
            r#"{{"label":{label},"owner":{owner},"acquired_at":"2026-11-23T02:00:00Z","fencing_token":{n}}}"#
        )
    };
    let entries: Vec<_> = (0..number).map(entry).collect();
    format!(r#""done":[{}]"#, entries.join(","))
}

fn purpose_is_free(fields: &[String]) -> bool {
    !fields.iter().any(|field| field.starts_with(r#""purpose""#))
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_record_that_is_written_over_one_that_reads_reads_again(body in bodies()) {
        if let Ok(base) = Record::parse(&body) {
            for (kind, written) in written_over(&base) {
                let body = written.to_body();
                prop_assert!(body.len() <= MAX_BODY, "{kind} has {} bytes", body.len());
                prop_assert_eq!(Record::parse(&body), Ok(written), "{}", kind);
            }
        }
    }

    #[test]
    fn every_kind_of_write_carries_on_what_the_record_carried(body in bodies()) {
        if let Ok(base) = Record::parse(&body) {
            for (kind, written) in written_over(&base) {
                prop_assert_eq!(&written.unknown, &base.unknown, "{}", kind);
                prop_assert!(written.broken >= base.broken, "{kind}");
                prop_assert!(written.reclaimed >= base.reclaimed, "{kind}");
                let done: Vec<_> = base.done().iter().collect();
                let is_lost = |done: &&&DoneLabel| written.done().find(&done.label).is_none();
                let completes = matches!(kind, "a completion" | "a hand-over");
                let may_lose = usize::from(completes && done.len() == 16);
                prop_assert!(done.iter().filter(is_lost).count() <= may_lose, "{kind}");
            }
        }
    }
}

fn parsed(fields: &str) -> Record {
    let body = format!(
        r#"{{"format":1,"state":"held","owner":"x","lease_ms":1000,"nonce":"1","host":"","pid":1,
            "acquired_at":"2026-11-23T02:00:00Z",{fields}}}"#
    );
    Record::parse(body.as_bytes()).unwrap()
}

#[test]
fn each_kind_of_write_is_among_those_that_are_tried() {
    let written = written_over(&parsed(r#""fencing_token":7,"later":1e400"#));
    let kinds: Vec<_> = written.iter().map(|(kind, _)| *kind).collect();
    let both = [
        "an acquire or its undo",
        "an acquire or its undo",
        "an undo",
        "a renewal",
        "a release",
        "a completion",
        "a hand-over",
    ];
    let expected = [&both[..], &both, &both, &["a release by name", "a break"]].concat();
    assert_eq!(kinds, expected);
}

#[test]
fn acquire_over_the_last_token_ends_without_a_write() {
    let base = parsed(&format!(r#""fencing_token":{MAX_TOKEN}"#));
    let mut known = Observations::default();
    let mut acquire = Acquire::new(claim("me", None, false));
    assert_eq!(acquire.on(Event::Resume, &turn(), &mut known), Step::Read);
    let step = acquire.on(sight(&base, "base"), &turn(), &mut known);
    assert_eq!(step, Step::Done(Acquired::TokensExhausted));
}

#[test]
fn acquire_of_a_client_that_has_seen_the_last_token_ends_without_a_write() {
    let mut known = Observations::default();
    known.saw_token(MAX_TOKEN);
    for sight in [
        sight(&parsed(r#""fencing_token":7"#), "restored"),
        Event::Read(Ok(ReadOutcome::Absent { date: Some(1) })),
    ] {
        let mut acquire = Acquire::new(claim("me", None, false));
        assert_eq!(acquire.on(Event::Resume, &turn(), &mut known), Step::Read);
        let step = acquire.on(sight, &turn(), &mut known);
        assert_eq!(step, Step::Done(Acquired::TokensExhausted));
    }
}
