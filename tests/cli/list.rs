//! `s3-lock list`.

use serde_json::{Value, json};

use crate::program::{Ended, run, s3_lock};
use crate::store::{FOLDER, KEY, expired, named, record};
use crate::support::{Fault, Match, Server};

fn list(server: &Server, options: &[&str]) -> Ended {
    run(&mut s3_lock(server, ["list", FOLDER].iter().chain(options)))
}

/// Puts a lock beside the others.
fn put(server: &Server, name: &str, fields: Value) {
    server.put_object(&format!("locks/{name}.lock"), record(fields));
}

fn lines(ended: &Ended) -> Vec<&str> {
    ended.stdout.lines().collect()
}

#[test]
fn list_shows_each_lock_in_a_line_below_the_heads() {
    let server = Server::start();
    let lock = named(&server, "b-held")
        .purpose("the report")
        .build()
        .unwrap();
    let guard = lock.acquire("host-17").unwrap();
    drop(
        named(&server, "a-free")
            .build()
            .unwrap()
            .acquire("me")
            .unwrap(),
    );
    let ended = list(&server, &[]);
    let lines = lines(&ended);
    let words = |at: usize| lines[at].split_whitespace().collect::<Vec<_>>();
    assert_eq!(
        words(0),
        [
            "NAME", "STATUS", "OWNER", "LEFT", "SINCE", "TOKEN", "PURPOSE"
        ]
    );
    assert_eq!(words(1), ["a-free", "free", "-", "-", "-", "-", "-"]);
    let held = words(2);
    assert_eq!(held[..3], ["b-held", "held", "host-17"]);
    assert_eq!(held[5], guard.fencing_token().to_string());
    assert_eq!(held[6..], ["the", "report"]);
    assert_eq!((ended.code(), lines.len()), (Some(0), 3));
}

#[test]
fn list_shows_a_lock_whose_lease_has_run_out_as_expired() {
    let server = Server::start();
    expired(&server);
    let ended = list(&server, &[]);
    let words: Vec<_> = lines(&ended)[1].split_whitespace().collect();
    assert_eq!(words[..4], ["nightly", "expired", "host-17", "0s"]);
}

#[test]
fn list_has_its_columns_below_each_other_also_with_wide_characters() {
    let server = Server::start();
    put(&server, "a", json!({"owner": "報告"}));
    put(&server, "b", json!({"owner": "four"}));
    let ended = list(&server, &[]);
    let lines = lines(&ended);
    // Two characters stand in four columns.
    let place = |line: &str| line.chars().position(|c| c == '1').unwrap();
    assert_eq!(place(lines[1]) + 2, place(lines[2]), "{}", ended.stdout);
}

#[test]
fn list_shows_escape_sequences_as_text() {
    let server = Server::start();
    put(
        &server,
        "a",
        json!({"owner": "m\u{1b}[31m", "purpose": "\u{9b}2J\nx"}),
    );
    let ended = list(&server, &[]);
    assert_eq!(lines(&ended).len(), 2, "{ended:?}");
    assert!(ended.stdout.contains("m\\u{1b}[31m"), "{ended:?}");
    let controls = ended
        .stdout
        .chars()
        .filter(|c| c.is_control() && *c != '\n');
    assert_eq!(controls.count(), 0, "{ended:?}");
}

#[test]
fn list_fits_80_columns_however_long_the_purposes_are() {
    let server = Server::start();
    let purpose = "the report that is made each night ".repeat(4);
    put(
        &server,
        "nightly",
        json!({"owner": "web-3/4242", "purpose": purpose}),
    );
    let ended = list(&server, &[]);
    let widths = ended.stdout.lines().map(|line| line.chars().count());
    assert_eq!(widths.max(), Some(80), "{}", ended.stdout);
}

#[test]
fn list_of_a_folder_without_locks_says_so_and_writes_no_table() {
    let ended = list(&Server::start(), &[]);
    assert_eq!(ended.stdout, "");
    assert_eq!(
        ended.stderr,
        "s3-lock: there are no locks in s3://locks-test/locks\n"
    );
    assert_eq!(ended.code(), Some(0));
}

#[test]
fn list_as_json_is_an_array_with_an_object_for_each_lock() {
    let server = Server::start();
    put(&server, "a b", json!({}));
    drop(
        named(&server, "free")
            .build()
            .unwrap()
            .acquire("me")
            .unwrap(),
    );
    let ended = list(&server, &["--json"]);
    let listed = ended.json();
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert_eq!(listed[0]["state"], "held");
    assert_eq!(listed[0]["owner"], "host-17");
    assert_eq!(listed[0]["fencing_token"], 1_795_399_200_000_001_u64);
    assert_eq!(listed[0]["acquired_at"], "2026-11-23T02:00:00Z");
    assert_eq!(listed[0]["url"], "s3://locks-test/locks/a%20b");
    assert_eq!(listed[1]["url"], "s3://locks-test/locks/free");
    assert_eq!(listed[1]["state"], "free");
}

#[test]
fn list_as_json_of_a_folder_without_locks_is_an_empty_array() {
    let ended = list(&Server::start(), &["--json"]);
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("[]\n", ""));
}

#[test]
fn list_as_json_writes_nothing_but_a_line_on_standard_error_after_an_error() {
    let server = Server::start();
    put(&server, "a", json!({}));
    put(&server, "b", json!({}));
    server.fault(
        Match::get().key("locks/b.lock"),
        Fault::answer(403, "AccessDenied"),
    );
    let ended = list(&server, &["--json"]);
    assert_eq!(ended.stdout, "");
    assert_eq!((ended.code(), ended.stderr.lines().count()), (Some(125), 1));
}

#[test]
fn list_of_a_bucket_has_the_locks_at_its_root() {
    let server = Server::start();
    server.put_object("root.lock", record(json!({})));
    let ended = run(&mut s3_lock(&server, ["list", "s3://locks-test"]));
    assert!(lines(&ended)[1].starts_with("root "), "{ended:?}");
}

#[test]
fn list_warns_of_a_lock_that_it_leaves_out() {
    let server = Server::start();
    server.put_object(KEY, record(json!({"format": 99})));
    let ended = list(&server, &[]);
    let warning = "s3-lock: warning: left out of a list: ";
    assert!(ended.stderr.starts_with(warning), "{ended:?}");
}
