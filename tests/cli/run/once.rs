//! `run --once`.

use crate::folder::Folder;
use crate::program::{Running, run};
use crate::run::loss::break_it;
use crate::run::{are_waiting, held, is_held, run_text};
use crate::store::stored_state;
use crate::support::Server;

const ONCE: [&str; 1] = ["--once=2026-11-30"];

#[test]
fn run_once_is_completed_by_one_of_ten_and_skipped_by_the_others() {
    let server = Server::start();
    let folder = Folder::new();
    let text = format!("echo ran >> {}", folder.file("log"));
    let all: Vec<_> = (0..10)
        .map(|_| Running::start(&mut run_text(&server, &ONCE, &text)))
        .collect();
    for one in all {
        assert_eq!(one.end().code(), Some(0));
    }
    assert_eq!(folder.text("log"), "ran\n");
    assert_eq!(stored_state(&server).as_deref(), Some("released"));
}

#[test]
fn run_once_that_was_completed_is_skipped_and_says_by_whom() {
    let server = Server::start();
    let options = [&ONCE[..], &["--owner=the-first"]].concat();
    let first = run(&mut run_text(&server, &options, "echo ran"));
    assert_eq!((first.code(), first.stdout.as_str()), (Some(0), "ran\n"));
    let second = run(&mut run_text(&server, &ONCE, "echo ran"));
    assert_eq!((second.code(), second.stdout.as_str()), (Some(0), ""));
    assert_eq!(second.stderr.lines().count(), 1, "{second:?}");
    assert!(second.stderr.contains("the-first"), "{second:?}");
}

#[test]
fn run_once_that_is_quiet_says_nothing_if_it_waits_and_is_skipped() {
    let server = Server::start();
    let first = Running::start(&mut run_text(&server, &ONCE, "sleep 1"));
    is_held(&server);
    let quiet = [&ONCE[..], &["--quiet"]].concat();
    let second = Running::start(&mut run_text(&server, &quiet, "echo ran"));
    assert_eq!(first.end().code(), Some(0));
    let second = second.end();
    assert_eq!(second.code(), Some(0), "{second:?}");
    assert_eq!((second.stdout.as_str(), second.stderr.as_str()), ("", ""));
}

#[test]
fn run_that_is_quiet_says_why_it_fails() {
    let server = Server::start();
    let _guard = held(&server);
    let ended = run(&mut run_text(&server, &["--no-wait", "--quiet"], "true"));
    assert_eq!(ended.code(), Some(75), "{ended:?}");
    assert!(ended.stderr.contains("the-first"), "{ended:?}");
}

#[test]
fn run_once_with_another_label_is_made() {
    let server = Server::start();
    let _ = run(&mut run_text(&server, &ONCE, "true"));
    let other = run(&mut run_text(&server, &["--once=2026-12-01"], "echo ran"));
    assert_eq!((other.code(), other.stdout.as_str()), (Some(0), "ran\n"));
}

#[test]
fn run_once_that_failed_is_made_again() {
    let server = Server::start();
    let failed = run(&mut run_text(&server, &ONCE, "exit 3"));
    assert_eq!(failed.code(), Some(3));
    let again = run(&mut run_text(&server, &ONCE, "echo ran"));
    assert_eq!((again.code(), again.stdout.as_str()), (Some(0), "ran\n"));
}

#[test]
fn run_once_that_was_ended_by_a_signal_is_made_again() {
    let server = Server::start();
    let killed = run(&mut run_text(&server, &ONCE, "kill -9 $$"));
    assert_eq!(killed.code(), Some(137));
    let again = run(&mut run_text(&server, &ONCE, "echo ran"));
    assert_eq!((again.code(), again.stdout.as_str()), (Some(0), "ran\n"));
}

#[test]
fn run_once_that_was_ended_by_max_hold_is_made_again() {
    let server = Server::start();
    let options = [&ONCE[..], &["--max-hold=500ms"]].concat();
    // Its status of 0 does not count: it was told to end before it was done.
    let text = "trap 'exit 0' TERM; while :; do sleep 0.02; done";
    let ended = run(&mut run_text(&server, &options, text));
    assert_eq!(ended.code(), Some(124));
    let again = run(&mut run_text(&server, &ONCE, "echo ran"));
    assert_eq!((again.code(), again.stdout.as_str()), (Some(0), "ran\n"));
}

#[test]
fn run_once_that_waits_is_skipped_when_the_other_is_completed() {
    let server = Server::start();
    let folder = Folder::new();
    let text = format!("until [ -e {} ]; do sleep 0.02; done", folder.file("go"));
    let first = Running::start(&mut run_text(&server, &ONCE, &text));
    is_held(&server);
    let second = Running::start(&mut run_text(&server, &ONCE, "echo ran"));
    are_waiting(&server, 1);
    folder.write("go", "");
    assert_eq!(first.end().code(), Some(0));
    let ended = second.end();
    assert_eq!((ended.code(), ended.stdout.as_str()), (Some(0), ""));
}

#[test]
fn run_once_that_waits_is_made_if_the_other_fails() {
    let server = Server::start();
    let folder = Folder::new();
    let text = format!(
        "until [ -e {} ]; do sleep 0.02; done; exit 1",
        folder.file("go")
    );
    let first = Running::start(&mut run_text(&server, &ONCE, &text));
    is_held(&server);
    let second = Running::start(&mut run_text(&server, &ONCE, "echo ran"));
    are_waiting(&server, 1);
    folder.write("go", "");
    assert_eq!(first.end().code(), Some(1));
    assert_eq!(second.end().stdout, "ran\n");
}

#[test]
fn run_once_is_not_acquired_while_another_has_the_lock() {
    let server = Server::start();
    let _guard = held(&server);
    let options = [&ONCE[..], &["--no-wait"]].concat();
    let ended = run(&mut run_text(&server, &options, "echo ran"));
    assert_eq!((ended.code(), ended.stdout.as_str()), (Some(75), ""));
}

#[test]
fn run_once_takes_three_requests() {
    let server = Server::start();
    let ended = run(&mut run_text(&server, &ONCE, "true"));
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    let requests = server.requests();
    let methods: Vec<_> = requests.iter().map(|one| one.method.as_str()).collect();
    assert_eq!(methods, ["GET", "PUT", "PUT"]);
}

#[test]
fn run_once_exits_with_125_if_nobody_knows_whether_it_is_marked() {
    let server = Server::start();
    let folder = Folder::new();
    let report = folder.file("report");
    let options = [
        &ONCE[..],
        &[
            "--request-timeout=500ms",
            "--kill-after=1s",
            "--report",
            &report,
        ],
    ]
    .concat();
    // The write that marks it gets no answer, and nor does whoever asks.
    let text = format!("until [ -e {} ]; do sleep 0.02; done", folder.file("go"));
    let running = Running::start(&mut run_text(&server, &options, &text));
    is_held(&server);
    let gone = crate::support::Fault::DropBefore;
    server.fault(crate::support::Match::any().always(), gone);
    folder.write("go", "");
    let ended = running.end();
    assert_eq!(ended.code(), Some(125), "{ended:?}");
    let report: serde_json::Value = serde_json::from_str(&folder.text("report")).unwrap();
    assert_eq!(
        (&report["outcome"], &report["status"]),
        (&"not_marked".into(), &0.into())
    );
}

#[test]
fn run_once_whose_lock_was_broken_is_not_marked() {
    let server = Server::start();
    let folder = Folder::new();
    let text = format!("until [ -e {} ]; do sleep 0.02; done", folder.file("go"));
    let first = Running::start(&mut run_text(&server, &ONCE, &text));
    is_held(&server);
    break_it(&server);
    folder.write("go", "");
    assert_eq!(first.end().code(), Some(124));
    let again = run(&mut run_text(&server, &ONCE, "echo ran"));
    assert_eq!((again.code(), again.stdout.as_str()), (Some(0), "ran\n"));
}
