//! What is told while s3-lock waits.

use std::thread;
use std::time::Duration;

use crate::program::Running;
use crate::run::{held, run_text};
use crate::support::Server;
use crate::terminal::Terminal;

#[test]
fn run_that_waits_tells_who_has_the_lock_and_what_for_and_for_how_long() {
    let server = Server::start();
    let guard = held(&server);
    let running = Running::start(&mut run_text(&server, &[], "true"));
    let line = running.stderr_line("next in line");
    let start = "s3-lock: waiting for s3://locks-test/locks/nightly: next in line; lease ";
    assert!(line.starts_with(start), "{line}");
    for part in [" left; held for ", " by the-first (a long report)"] {
        assert!(line.contains(part), "{line}");
    }
    guard.release().unwrap();
    assert_eq!(running.end().code(), Some(0));
}

#[test]
fn run_that_waits_says_in_a_pipe_only_what_has_changed() {
    let server = Server::start();
    let guard = held(&server);
    let running = Running::start(&mut run_text(&server, &[], "true"));
    running.stderr_line("next in line");
    thread::sleep(Duration::from_secs(2));
    let lines = running.stderr_so_far().lines().count();
    assert!(lines <= 2, "{}", running.stderr_so_far());
    guard.release().unwrap();
    let ended = running.end();
    assert!(
        !ended.stderr.contains('\u{1b}') && !ended.stderr.contains('\r'),
        "{ended:?}"
    );
}

#[test]
fn run_that_waits_tells_how_many_come_first() {
    let server = Server::start();
    let guard = held(&server);
    let first = Running::start(&mut run_text(&server, &[], "true"));
    first.stderr_line("next in line");
    let second = Running::start(&mut run_text(&server, &[], "true"));
    second.stderr_line("1 before us in line");
    guard.release().unwrap();
    assert_eq!(
        (first.end().code(), second.end().code()),
        (Some(0), Some(0))
    );
}

#[test]
fn run_that_waits_tells_of_the_next_holder() {
    let server = Server::start();
    let guard = held(&server);
    let next = ["--owner=the-next"];
    let first = Running::start(&mut run_text(&server, &next, "exec sleep 60"));
    first.stderr_line("next in line");
    let second = Running::start(&mut run_text(&server, &[], "true"));
    second.stderr_line("1 before us in line");
    guard.release().unwrap();
    second.stderr_line("by the-next");
}

#[test]
fn run_that_waits_on_a_terminal_has_one_line_that_goes_away() {
    let server = Server::start();
    let guard = held(&server);
    let mut terminal = Terminal::start(&mut run_text(&server, &[], "echo ran"));
    terminal.shows("by the-first");
    terminal.shows("waiting 1s");
    assert_eq!(
        terminal.shown().matches('\n').count(),
        0,
        "{:?}",
        terminal.shown()
    );
    assert!(terminal.program().is_running());
    guard.release().unwrap();
    let ended = terminal.end();
    assert_eq!(ended.code(), Some(0));
    let last = ended.stdout.rsplit('\r').find(|part| part.contains("ran"));
    let last = last.unwrap_or_else(|| ended.stdout.lines().last().unwrap());
    assert!(!last.contains("waiting"), "{ended:?}");
}

#[test]
fn run_that_waits_on_a_terminal_without_colour_shows_none() {
    let server = Server::start();
    let _guard = held(&server);
    let mut command = run_text(&server, &["--wait=1s"], "true");
    let terminal = Terminal::start(command.env("NO_COLOR", "1"));
    let ended = terminal.end();
    assert_eq!(ended.code(), Some(75));
    // Colours end with `m`; what moves the cursor does not.
    let has_colour = ended
        .stdout
        .split("\u{1b}[")
        .skip(1)
        .any(|sequence| sequence.chars().find(|c| c.is_ascii_alphabetic()) == Some('m'));
    assert!(!has_colour, "{ended:?}");
}

#[test]
fn run_that_need_not_wait_says_nothing_of_waiting() {
    let server = Server::start();
    let terminal = Terminal::start(&mut run_text(&server, &[], "echo ran"));
    let ended = terminal.end();
    assert!(!ended.stdout.contains("waiting"), "{ended:?}");
}
