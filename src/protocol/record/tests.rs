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
    let mut written = record().broken(Nonce(1)).advised(&advice);
    written.purpose = Some("p".to_owned());
    written.reclaimed = Some(6);
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
    assert!(of(32 * 1024).is_ok());
    let refused = of(32 * 1024 + 1).unwrap_err();
    assert!(refused.is_lock);
    assert!(refused.reason.contains("32768 bytes"), "{refused:?}");
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
