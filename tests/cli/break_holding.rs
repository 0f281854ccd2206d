//! `s3-lock break`.

use s3_lock::{LockError, LockGuard, LostCause};

use crate::program::{Ended, run, run_with_input, s3_lock};
use crate::store::{URL, expired, lock, stored_state};
use crate::support::{Fault, Match, Server};
use crate::terminal::Terminal;

fn held(server: &Server) -> LockGuard {
    lock(server).acquire("host-17").unwrap()
}

fn break_it(server: &Server, token: u64, options: &[&str]) -> Ended {
    let token = token.to_string();
    let arguments = ["break", URL, &token];
    run(&mut s3_lock(server, arguments.iter().chain(options)))
}

/// Starts it on a terminal, and waits for its question.
fn ask(server: &Server, guard: &LockGuard) -> Terminal {
    let token = guard.fencing_token().to_string();
    let terminal = Terminal::start(&mut s3_lock(server, ["break", URL, &token]));
    terminal.shows("Break it? [y/N] ");
    terminal
}

fn is_broken(guard: &LockGuard) -> bool {
    matches!(guard.verify(), Err(LockError::Lost(LostCause::Broken)))
}

#[test]
fn break_with_the_token_of_the_holding_and_yes_breaks_it() {
    let server = Server::start();
    let guard = held(&server);
    let ended = break_it(&server, guard.fencing_token().get(), &["--yes"]);
    assert_eq!(ended.stdout, format!("broke {URL}, which host-17 held\n"));
    assert_eq!((ended.code(), ended.stderr.as_str()), (Some(0), ""));
    assert!(is_broken(&guard));
}

#[test]
fn break_with_another_token_says_what_stands_and_exits_with_1() {
    let server = Server::start();
    let guard = held(&server);
    let token = guard.fencing_token();
    let ended = break_it(&server, token.get() - 1, &["--yes"]);
    let told =
        format!("s3-lock: nothing was broken: {URL} is held with token {token}, by host-17\n");
    assert_eq!(ended.stderr, told);
    assert_eq!((ended.code(), ended.stdout.as_str()), (Some(1), ""));
    assert!(guard.verify().is_ok());
}

#[test]
fn break_of_a_free_lock_says_so_and_exits_with_1() {
    let ended = break_it(&Server::start(), 7, &["--yes"]);
    assert_eq!(
        ended.stderr,
        format!("s3-lock: nothing was broken: {URL} is free\n")
    );
    assert_eq!(ended.code(), Some(1));
}

#[test]
fn break_of_an_expired_lock_says_that_it_is_free_to_take_and_exits_with_1() {
    let server = Server::start();
    expired(&server);
    let ended = break_it(&server, 1_795_399_200_000_001, &["--yes"]);
    let told =
        format!("s3-lock: nothing was broken: {URL} is expired, so the next acquire takes it\n");
    assert_eq!(ended.stderr, told);
    assert_eq!(ended.code(), Some(1));
    assert_eq!(stored_state(&server).as_deref(), Some("held"));
}

#[test]
fn break_without_a_terminal_and_without_yes_is_refused_before_anything_is_sent() {
    let server = Server::start();
    let guard = held(&server);
    server.clear_requests();
    let token = guard.fencing_token().to_string();
    let mut command = s3_lock(&server, ["break", URL, &token]);
    let ended = run_with_input(&mut command, "y\n");
    assert_eq!(ended.code(), Some(125));
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    assert!(ended.stderr.contains("give --yes"), "{ended:?}");
    assert!(server.requests().is_empty());
}

#[test]
fn break_on_a_terminal_shows_what_it_is_about_to_break() {
    let server = Server::start();
    let guard = held(&server);
    let mut terminal = ask(&server, &guard);
    terminal.shows(&format!("{URL} is held"));
    terminal.shows("owner    host-17");
    terminal.enter("n\n");
    terminal.end();
}

#[test]
fn break_on_a_terminal_breaks_it_after_a_yes() {
    let server = Server::start();
    let guard = held(&server);
    let mut terminal = ask(&server, &guard);
    terminal.enter("y\n");
    assert_eq!(terminal.end().code(), Some(0));
    assert!(is_broken(&guard));
}

#[test]
fn break_on_a_terminal_breaks_nothing_without_a_yes_and_exits_with_1() {
    let server = Server::start();
    let guard = held(&server);
    // The last is the end of the input.
    for answer in ["n\n", "\n", "\u{4}"] {
        let mut terminal = ask(&server, &guard);
        terminal.enter(answer);
        let ended = terminal.end();
        assert_eq!(ended.code(), Some(1), "{ended:?}");
        assert!(ended.stdout.contains("nothing was broken"), "{ended:?}");
    }
    assert!(guard.verify().is_ok());
}

#[test]
fn break_breaks_no_holding_that_began_while_it_asked() {
    let server = Server::start();
    let guard = held(&server);
    let mut terminal = ask(&server, &guard);
    guard.release().unwrap();
    let next = lock(&server).acquire("host-18").unwrap();
    terminal.enter("y\n");
    let ended = terminal.end();
    assert_eq!(ended.code(), Some(1), "{ended:?}");
    assert!(ended.stdout.contains("nothing was broken"), "{ended:?}");
    assert!(next.verify().is_ok());
}

#[test]
fn break_that_is_refused_exits_with_125() {
    let server = Server::start();
    let guard = held(&server);
    server.fault(Match::put(), Fault::answer(403, "AccessDenied"));
    let ended = break_it(&server, guard.fencing_token().get(), &["--yes"]);
    assert_eq!(ended.code(), Some(125));
    assert_eq!(
        (ended.stdout.as_str(), ended.stderr.lines().count()),
        ("", 1)
    );
}

#[test]
fn break_as_json_says_what_it_broke() {
    let server = Server::start();
    let guard = held(&server);
    let token = guard.fencing_token().get();
    let ended = break_it(&server, token, &["--yes", "--json"]);
    let told = ended.json();
    assert_eq!(told["broken"], true);
    assert_eq!(told["owner"], "host-17");
    assert_eq!(told["fencing_token"], token);
    assert_eq!(ended.code(), Some(0));
}

#[test]
fn break_as_json_says_what_stands_if_it_breaks_nothing() {
    let server = Server::start();
    let guard = held(&server);
    let token = guard.fencing_token().get();
    let ended = break_it(&server, token + 1, &["--yes", "--json"]);
    let told = ended.json();
    assert_eq!(told["broken"], false);
    assert_eq!(
        (&told["state"], &told["fencing_token"]),
        (&"held".into(), &token.into())
    );
    assert_eq!((ended.code(), ended.stderr.as_str()), (Some(1), ""));
}
