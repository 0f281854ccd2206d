//! `s3-lock status`.

use std::time::Duration;

use s3_lock::LockGuard;
use serde_json::json;

use crate::program::{Ended, run, s3_lock};
use crate::store::{KEY, URL, builder, expired, record};
use crate::support::{Fault, Match, Server};

fn status(server: &Server, options: &[&str]) -> Ended {
    run(&mut s3_lock(server, ["status", URL].iter().chain(options)))
}

fn held(server: &Server) -> LockGuard {
    let lock = builder(server).purpose("the nightly report").build();
    lock.unwrap().acquire("host-17").unwrap()
}

/// The value behind the name of a fact, such as `owner`.
fn fact<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = text.lines();
    lines.find_map(|line| line.strip_prefix(&format!("  {name:<8} ")))
}

#[test]
fn status_of_a_lock_that_nobody_has_used_is_free() {
    let ended = status(&Server::start(), &[]);
    assert_eq!(ended.stdout, format!("{URL} is free\n"));
    assert_eq!((ended.code(), ended.stderr.as_str()), (Some(0), ""));
}

#[test]
fn status_of_a_held_lock_says_who_has_it_and_what_for() {
    let server = Server::start();
    let guard = held(&server);
    let text = status(&server, &[]).stdout;
    assert!(text.starts_with(&format!("{URL} is held\n")), "{text}");
    assert_eq!(fact(&text, "owner"), Some("host-17"));
    assert_eq!(fact(&text, "purpose"), Some("the nightly report"));
    let process = fact(&text, "process").unwrap();
    assert!(
        process.starts_with(&format!("{} on ", std::process::id())),
        "{text}"
    );
    assert_eq!(
        fact(&text, "token"),
        Some(guard.fencing_token().to_string().as_str())
    );
}

#[test]
fn status_of_a_held_lock_says_since_when_and_for_how_long_it_is_held() {
    let server = Server::start();
    let _guard = held(&server);
    let text = status(&server, &[]).stdout;
    let since = fact(&text, "since").unwrap();
    assert!(
        since.contains(" UTC (") && since.ends_with(" ago)"),
        "{text}"
    );
    let lease = fact(&text, "lease").unwrap();
    assert!(lease.contains(" more, unless it is renewed"), "{text}");
}

#[test]
fn status_says_whether_others_wait() {
    let server = Server::start();
    server.put_object(KEY, record(json!({"queued": true})));
    let text = status(&server, &[]).stdout;
    assert_eq!(fact(&text, "waiting"), Some("others wait for it"));
}

#[test]
fn status_of_an_expired_lock_says_that_it_is_free_to_take() {
    let server = Server::start();
    expired(&server);
    let text = status(&server, &[]).stdout;
    let first =
        format!("{URL} is expired: its holder did not release it, and the next acquire takes it");
    assert_eq!(text.lines().next(), Some(first.as_str()));
    assert!(
        fact(&text, "lease").unwrap().starts_with("has run out"),
        "{text}"
    );
}

#[test]
fn status_without_exit_code_exits_with_0_whatever_it_finds() {
    let server = Server::start();
    let _guard = held(&server);
    assert_eq!(status(&server, &[]).code(), Some(0));
}

#[test]
fn status_with_exit_code_exits_with_0_if_the_lock_is_free() {
    let ended = status(&Server::start(), &["--exit-code"]);
    assert_eq!(ended.code(), Some(0));
}

#[test]
fn status_with_exit_code_exits_with_0_if_the_lock_is_expired() {
    let server = Server::start();
    expired(&server);
    assert_eq!(status(&server, &["--exit-code"]).code(), Some(0));
}

#[test]
fn status_with_exit_code_exits_with_1_if_the_lock_is_held() {
    let server = Server::start();
    let _guard = held(&server);
    assert_eq!(status(&server, &["--exit-code"]).code(), Some(1));
}

#[test]
fn status_with_exit_code_exits_with_2_after_an_error() {
    let server = Server::start();
    server.fault(Match::get(), Fault::answer(403, "AccessDenied"));
    assert_eq!(status(&server, &["--exit-code"]).code(), Some(2));
}

#[test]
fn status_without_exit_code_exits_with_125_after_an_error() {
    let server = Server::start();
    server.fault(Match::get(), Fault::answer(403, "AccessDenied"));
    assert_eq!(status(&server, &[]).code(), Some(125));
}

#[test]
fn status_as_json_says_everything_of_a_holding() {
    let server = Server::start();
    let guard = held(&server);
    let mut found = status(&server, &["--json"]).json();
    let fields = found.as_object_mut().unwrap();
    let remaining = fields.remove("remaining_ms").unwrap().as_u64();
    assert!(remaining > Some(0), "{remaining:?}");
    let acquired_at = fields.remove("acquired_at").unwrap();
    let acquired_at = acquired_at.as_str().unwrap();
    assert!(
        acquired_at.len() == 20 && acquired_at.ends_with('Z'),
        "{acquired_at}"
    );
    let info = guard.info();
    assert_eq!(
        found,
        json!({
            "bucket": "locks-test",
            "key": KEY,
            "url": URL,
            "state": "held",
            "owner": "host-17",
            "fencing_token": info.fencing_token().get(),
            "lease_ms": u64::try_from(info.lease().as_millis()).unwrap(),
            "host": info.host(),
            "pid": std::process::id(),
            "purpose": "the nightly report",
            "has_waiters": false,
        })
    );
}

#[test]
fn status_as_json_of_a_free_lock_has_its_url_and_that() {
    let server = Server::start();
    let free = status(&server, &["--json"]).json();
    assert_eq!(free, json!({ "url": URL, "state": "free" }));
}

#[test]
fn status_as_json_of_an_expired_lock_has_nothing_remaining() {
    let server = Server::start();
    expired(&server);
    let found = status(&server, &["--json"]).json();
    assert_eq!(found["state"], "expired");
    assert_eq!(found["remaining_ms"], 0);
}

#[test]
fn status_as_json_is_one_line() {
    let server = Server::start();
    let _guard = held(&server);
    let text = status(&server, &["--json"]).stdout;
    assert_eq!(text.lines().count(), 1);
    assert!(text.ends_with('\n'));
}

#[test]
fn status_as_json_writes_nothing_but_a_line_on_standard_error_after_an_error() {
    let server = Server::start();
    server.fault(Match::get(), Fault::answer(403, "AccessDenied"));
    let ended = status(&server, &["--json"]);
    assert_eq!(ended.stdout, "");
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
}

#[test]
fn status_shows_escape_sequences_as_text() {
    let server = Server::start();
    let shows_colours = json!({"owner": "me\u{1b}[31m", "purpose": "a\u{9b}2Jb\nc"});
    server.put_object(KEY, record(shows_colours));
    let text = status(&server, &[]).stdout;
    assert_eq!(fact(&text, "owner"), Some("me\\u{1b}[31m"));
    assert_eq!(fact(&text, "purpose"), Some("a\\u{9b}2Jb\\nc"));
}

#[test]
fn status_as_json_has_no_control_characters() {
    let server = Server::start();
    server.put_object(
        KEY,
        record(json!({"purpose": "a\u{9b}2Jb\u{1b}[0m\nc\u{7f}"})),
    );
    let ended = status(&server, &["--json"]);
    let controls = ended.stdout.trim_end().chars().filter(|c| c.is_control());
    assert_eq!(controls.count(), 0, "{ended:?}");
    assert_eq!(ended.json()["purpose"], "a\u{9b}2Jb\u{1b}[0m\nc\u{7f}");
}

#[test]
fn status_of_an_object_that_is_no_lock_is_an_error_that_says_so() {
    let server = Server::start();
    server.put_object(KEY, "hello");
    let ended = status(&server, &[]);
    assert_eq!(ended.code(), Some(125));
    assert!(ended.stderr.contains("is not a lock of ours"), "{ended:?}");
}

#[test]
fn status_takes_the_options_about_the_store_before_and_after_the_command() {
    let server = Server::start();
    let endpoint = server.endpoint();
    for arguments in [
        ["--endpoint-url", &endpoint, "status", URL],
        ["status", "--endpoint-url", &endpoint, URL],
    ] {
        let mut command = s3_lock(&server, arguments);
        let ended = run(command.env_remove("AWS_ENDPOINT_URL_S3"));
        assert_eq!(ended.stdout, format!("{URL} is free\n"), "{ended:?}");
    }
}

#[test]
fn status_of_a_store_that_does_not_answer_ends_with_an_error() {
    let server = Server::start();
    let mut command = s3_lock(&server, ["status", URL]);
    // Nobody listens at the port of a server that has gone.
    let endpoint = Server::start().endpoint();
    let ended = run(command.env("AWS_ENDPOINT_URL_S3", endpoint));
    assert_eq!(ended.code(), Some(125));
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
}

#[test]
fn status_sends_one_request() {
    let server = Server::start();
    let _guard = held(&server);
    server.clear_requests();
    status(&server, &[]);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn status_counts_wall_clocks_that_differ_as_no_age() {
    let server = Server::start();
    let ahead = std::time::SystemTime::now() + Duration::from_secs(7_200);
    let ahead = chrono::DateTime::<chrono::Utc>::from(ahead);
    let acquired_at = ahead.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    server.put_object(KEY, record(json!({"acquired_at": acquired_at})));
    let text = status(&server, &[]).stdout;
    assert!(fact(&text, "since").unwrap().ends_with(" UTC"), "{text}");
}
