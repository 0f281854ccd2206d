//! What a record is written as, which bytes are read as one, and which are refused.

use std::time::Duration;

use super::*;

fn record() -> Record {
    let holder = Holder {
        owner: "host-17".to_owned(),
        lease: Duration::from_secs(130),
        acquired_at: Stamp::try_from("2026-11-23T02:00:00Z".to_owned()).unwrap(),
        host: "web-3".to_owned(),
        pid: 4242,
        purpose: None,
        label: None,
    };
    Record::held(holder, 1_795_399_200_000_001, Nonce(0xab))
}

/// The record of a holding for a label, in place of `before`.
fn next(before: &Record, token: u64, label: &str) -> Record {
    let holder = Holder {
        owner: "host-17".to_owned(),
        lease: Duration::from_secs(130),
        acquired_at: record().acquired_at,
        host: "web-3".to_owned(),
        pid: 4242,
        purpose: None,
        label: Some(label.into()),
    };
    before.succeeded_by(holder, token, Nonce(0xab))
}

fn holding(token: u64, label: &str) -> Record {
    next(&record(), token, label)
}

/// What a record is after holdings that have completed these labels, each with a token larger by one, from 1.
fn after<'a>(labels: impl IntoIterator<Item = &'a str>) -> Record {
    let released = record().released(Nonce(0));
    (1..).zip(labels).fold(released, |before, (token, label)| {
        next(&before, token, label).completed().released(Nonce(0))
    })
}

/// The numbers from 1.
fn labels(most: u64) -> Vec<String> {
    (1..=most).map(|n| n.to_string()).collect()
}

fn after_numbers(most: u64) -> Record {
    after(labels(most).iter().map(String::as_str))
}

fn done_of(record: &Record) -> Vec<(&str, u64)> {
    let done = record.done().iter();
    done.map(|done| (&*done.label, done.fencing_token))
        .collect()
}

#[test]
fn a_completed_record_is_the_json_that_the_documentation_shows() {
    let written = holding(7, "2026-11-30").completed().released(Nonce(1));
    let body = String::from_utf8(written.to_body()).unwrap();
    let list = r#""done":[{"label":"2026-11-30","owner":"host-17","acquired_at":"2026-11-23T02:00:00Z","fencing_token":7}]}"#;
    assert!(body.ends_with(list), "{body}");
    assert!(body.contains(r#""state":"released""#), "{body}");
    assert_eq!(Record::parse(body.as_bytes()), Ok(written));
}

#[test]
fn a_label_is_in_the_record_of_its_holding_and_leaves_it_with_the_release() {
    let held = holding(7, "a");
    let body = String::from_utf8(held.to_body()).unwrap();
    assert!(body.contains(r#""label":"a""#), "{body}");
    assert_eq!(held.released(Nonce(1)).label, None);
    assert!(held.released(Nonce(1)).done().is_empty());
}

#[test]
fn labels_done_outlive_every_transition() {
    let next = next(&after(["a", "b"]), 9, "c");
    let written = [
        next.clone(),
        next.renewed(Nonce(3)),
        next.released(Nonce(3)),
        next.broken(Nonce(3)),
    ];
    for written in written {
        assert_eq!(done_of(&written), [("a", 1), ("b", 2)]);
    }
    let completed = next.completed().released(Nonce(3));
    assert_eq!(done_of(&completed), [("a", 1), ("b", 2), ("c", 9)]);
}

#[test]
fn the_seventeenth_label_done_makes_the_record_forget_the_first() {
    assert!(after_numbers(16).done().find("1").is_some());
    let record = after_numbers(17);
    let left: Vec<_> = done_of(&record)
        .into_iter()
        .map(|(_, token)| token)
        .collect();
    assert!(left.iter().copied().eq(2..=17), "{left:?}");
    assert_eq!(Record::parse(&record.to_body()), Ok(record));
}

#[test]
fn a_label_that_is_done_already_is_not_in_the_list_twice() {
    let twice = next(&after(["a"]), 5, "a");
    assert_eq!(done_of(&twice.completed()), [("a", 1)]);
}

#[test]
fn a_mark_may_be_forgotten_only_from_a_full_list_of_later_ones() {
    assert!(!after_numbers(15).may_have_forgotten(0));
    assert!(after_numbers(16).may_have_forgotten(0));
    assert!(!after_numbers(16).may_have_forgotten(1));
    // It has those of 2 to 17.
    assert!(after_numbers(17).may_have_forgotten(1));
    assert!(!after_numbers(17).may_have_forgotten(2));
    assert!(!after_numbers(17).may_have_forgotten(18));
}

#[test]
fn the_longest_labels_by_the_longest_owners_fit_beside_all_else() {
    let most = |n: u64, before: &Record| {
        let label = format!("{n:03}{}", "\\".repeat(125));
        let mut record = next(before, MAX_TOKEN - 100 + n, &label);
        record.owner = "\"".repeat(512);
        record.host = "\u{10ffff}".repeat(255);
        record.purpose = Some("\u{1}".repeat(2048));
        record
    };
    let pad = format!(r#""more":"{}""#, "x".repeat(24 * 1024 - 10));
    let mut record = Record::parse(with_fields(&pad).as_bytes()).unwrap();
    for n in 0..20 {
        let held = most(n, &record);
        assert_eq!(Record::parse(&held.to_body()), Ok(held.clone()));
        record = held.completed().released(Nonce(u128::MAX));
        assert_eq!(Record::parse(&record.to_body()), Ok(record.clone()));
    }
    assert!(record.to_body().len() > 60_000);
}

#[test]
fn a_list_of_labels_done_that_cannot_be_makes_the_lock_unusable() {
    let entry = |label: &str, owner: &str, token: u64| {
        let (label, owner) = (
            serde_json::Value::from(label),
            serde_json::Value::from(owner),
        );
        format!(
            r#"{{"label":{label},"owner":{owner},"acquired_at":"2026-11-23T02:00:00Z","fencing_token":{token}}}"#
        )
    };
    let list = |entries: &[String]| format!(r#""done":[{}]"#, entries.join(","));
    let many: Vec<_> = (1..=17).map(|n| entry(&n.to_string(), "me", n)).collect();
    let long = "x".repeat(129);
    let cases = [
        (r#""done":{}"#.to_owned(), "does not write"),
        (r#""done":null"#.to_owned(), "something else"),
        (r#""done":[null]"#.to_owned(), "does not write"),
        (r#""done":["a"]"#.to_owned(), "does not write"),
        (r#""done":[{"label":"a"}]"#.to_owned(), "does not write"),
        (list(&[entry("", "me", 1)]), "does not write"),
        (list(&[entry(&long, "me", 1)]), "does not write"),
        (list(&[entry("a\n", "me", 1)]), "does not write"),
        (list(&[entry("a", &"x".repeat(513), 1)]), "does not write"),
        (list(&[entry("a", "\u{7f}", 1)]), "does not write"),
        (list(&many), "longer than 16"),
        (list(&[entry("a", "me", 1), entry("a", "me", 2)]), "twice"),
        (list(&[entry("a", "me", 2), entry("b", "me", 1)]), "order"),
        (list(&[entry("a", "me", 1), entry("b", "me", 1)]), "order"),
        // That of the holding itself, which has not ended.
        (
            list(&[entry("a", "me", 1_795_399_200_000_001)]),
            "not ended",
        ),
        (r#""label":"" "#.to_owned(), "its label"),
        (format!(r#""label":"{long}""#), "its label"),
        (r#""label":"\u0000""#.to_owned(), "its label"),
        (r#""label":7"#.to_owned(), "something else"),
    ];
    for (fields, reason) in cases {
        let refused = Record::parse(with_fields(&fields).as_bytes()).unwrap_err();
        assert!(refused.is_lock, "{fields}: {refused:?}");
        assert!(refused.reason.contains(reason), "{fields}: {refused:?}");
        let advice = refused.advice;
        assert!(advice.contains("stop all participants"), "{refused:?}");
    }
    let sixteen = with_fields(&list(&many[..16]));
    assert!(Record::parse(sixteen.as_bytes()).is_ok());
}

#[test]
fn a_record_is_the_json_that_the_documentation_shows() {
    let body = String::from_utf8(record().to_body()).unwrap();
    assert_eq!(
        body,
        r#"{"format":1,"state":"held","owner":"host-17","fencing_token":1795399200000001,"#
            .to_owned()
            + r#""lease_ms":130000,"nonce":"000000000000000000000000000000ab","#
            + r#""acquired_at":"2026-11-23T02:00:00Z","host":"web-3","pid":4242,"#
            + r#""origin":"000000000000000000000000000000ab"}"#
    );
}

#[test]
fn a_record_reads_back_as_it_was_written() {
    let mut written = record().released(Nonce(u128::MAX));
    written.purpose = Some("a \"quoted\"\nпурпос 🔒".to_owned());
    written.broken = Some(7);
    written.reclaimed = Some(6);
    assert_eq!(Record::parse(&written.to_body()), Ok(written));
}

#[test]
fn a_release_keeps_the_fencing_token() {
    let held = record();
    assert_eq!(held.released(Nonce(1)).fencing_token, held.fencing_token);
}

/// The record with these fields in front.
fn with_fields(fields: &str) -> String {
    let body = String::from_utf8(record().to_body()).unwrap();
    body.replacen('{', &format!("{{{fields},"), 1)
}

/// What a record with these fields in front is written as, after the nonce.
fn carried(fields: &str) -> String {
    let read = Record::parse(with_fields(fields).as_bytes()).unwrap();
    let written = String::from_utf8(read.renewed(Nonce(1)).to_body()).unwrap();
    let (_, end) = written.split_once(r#"000ab","#).unwrap();
    end.strip_suffix('}').unwrap().to_owned()
}

#[test]
fn fields_that_this_version_does_not_know_are_written_as_they_were_read() {
    let cases = [
        r#""colour":"green""#,
        r#""n":1e400"#,
        r#""n":0.1"#,
        r#""n":-0.0"#,
        r#""n":1.00"#,
        r#""n":18446744073709551616"#,
        r#""n":123456789012345678901234567890.123456789012345678901234567890"#,
        r#""b":{"z":1,"a":{"y":[1 , 2],"y":null}},"a":[]"#,
        r#""x":1,"x":2"#,
        r#""Owner":"X","FENCING_TOKEN":-1,"Broken":true"#,
        r#""text":"\ud800\u0000\/é🔒""#,
        r#""":null"#,
        r#""a \"b\"\n":1"#,
    ];
    for fields in cases {
        assert_eq!(carried(fields), fields);
    }
    let deep = format!(r#""deep":{}{}"#, "[".repeat(9_000), "]".repeat(9_000));
    assert_eq!(carried(&deep), deep);
}

#[test]
fn records_that_differ_in_an_unknown_field_are_different() {
    let of = |fields: &str| Record::parse(with_fields(fields).as_bytes()).unwrap();
    assert_ne!(of(r#""n":1"#), of(r#""n":1.0"#));
    assert_ne!(of(r#""n":1"#), record());
    assert_ne!(of(r#""a":1,"b":2"#), of(r#""b":2,"a":1"#));
}

#[test]
fn every_field_that_is_written_is_known() {
    let advice = Advice {
        served: 1,
        queued: Some(true),
    };
    let mut written = holding(7, "a")
        .completed()
        .broken(Nonce(1))
        .advised(&advice);
    written.purpose = Some("p".to_owned());
    written.reclaimed = Some(6);
    written.label = Some("b".into());
    written.fencing_token = 8;
    let body = written.to_body();
    assert_eq!(Record::parse(&body), Ok(written.clone()));
    let names: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&body).unwrap();
    let names: std::collections::BTreeSet<_> = names.keys().map(String::as_str).collect();
    assert_eq!(names, super::fields::KNOWN.into_iter().collect());
}

#[test]
fn more_unknown_fields_than_are_kept_are_told_and_not_dropped() {
    let of = |bytes: usize| {
        let value = "x".repeat(bytes - r#","more":"""#.len());
        Record::parse(with_fields(&format!(r#""more":"{value}""#)).as_bytes())
    };
    assert!(of(24 * 1024).is_ok());
    let refused = of(24 * 1024 + 1).unwrap_err();
    assert!(refused.is_lock);
    assert!(refused.reason.contains("24576 bytes"), "{refused:?}");
    assert!(
        refused.advice.contains("update this program"),
        "{refused:?}"
    );
}

#[test]
fn a_lock_with_what_no_lock_can_have_is_told_with_the_remedy() {
    let body = String::from_utf8(record().to_body()).unwrap();
    let with = |from: &str, to: &str| body.replace(from, to);
    let cases = [
        (
            with("1795399200000001", "9007199254740992"),
            "fencing token",
        ),
        (
            with("1795399200000001", "18446744073709551615"),
            "fencing token",
        ),
        (
            with("1795399200000001", "18446744073709551616"),
            "fencing token",
        ),
        (with("1795399200000001", "1e400"), "fencing token"),
        (with("1795399200000001", "-1"), "fencing token"),
        (
            with("\"pid\"", "\"broken\":1795399200000002,\"pid\""),
            "was broken",
        ),
        (
            with("\"pid\"", "\"broken\":18446744073709551616,\"pid\""),
            "earlier holding",
        ),
        (
            with("\"pid\"", "\"reclaimed\":1795399200000002,\"pid\""),
            "was reclaimed",
        ),
        (
            with("\"pid\"", "\"reclaimed\":-1,\"pid\""),
            "earlier holding",
        ),
        (with("130000", "604800001"), "longer than 7 days"),
        (with("4242", "\"4242\""), "does not parse"),
    ];
    for (body, reason) in cases {
        let refused = Record::parse(body.as_bytes()).unwrap_err();
        assert!(refused.is_lock, "{body}: {refused:?}");
        assert!(refused.reason.contains(reason), "{body}: {refused:?}");
        assert!(
            refused.advice.contains("stop all participants"),
            "{refused:?}"
        );
    }
}

#[test]
fn bodies_that_are_no_lock_of_ours_are_refused_with_the_reason() {
    let body = String::from_utf8(record().to_body()).unwrap();
    let newer = body.replace("\"format\":1", "\"format\":2");
    let huge = format!("{}{}", body, " ".repeat(MAX_BODY));
    let cases = [
        ("", "it is empty"),
        ("hello", "does not parse"),
        ("{}", "missing field `format`"),
        (r#"{"format":1}"#, "missing field"),
        (&newer, "format 2"),
        (&huge, "larger than 65536 bytes"),
    ];
    for (body, reason) in cases {
        let refused = Record::parse(body.as_bytes()).unwrap_err();
        assert!(refused.reason.contains(reason), "{body:.40}: {refused:?}");
    }
}
