//! `run --max-hold`, and `run --reclaim`.

use std::time::{Duration, Instant};

use crate::program::{Running, run};
use crate::run::loss::break_it;
use crate::run::{GO_ON, are_gone, is_held, run_text};
use crate::store::{stored, stored_state};
use crate::support::Server;

#[test]
fn run_ends_a_command_that_has_held_the_lock_for_long_enough_and_releases_the_lock() {
    let server = Server::start();
    let start = Instant::now();
    let text = format!("trap 'echo told; exit 9' TERM; {GO_ON}");
    let ended = run(&mut run_text(&server, &["--max-hold", "1s"], &text));
    assert_eq!((ended.code(), ended.stdout.as_str()), (Some(124), "told\n"));
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert!(ended.stderr.contains("--max-hold"), "{ended:?}");
    assert_eq!(stored_state(&server).as_deref(), Some("released"));
}

#[test]
fn run_kills_a_command_that_goes_on_after_max_hold() {
    let server = Server::start();
    let options = ["--max-hold", "500ms", "--kill-after", "500ms"];
    let text = format!("trap 'echo told' TERM; {GO_ON}");
    let ended = run(&mut run_text(&server, &options, &text));
    assert_eq!((ended.code(), ended.stdout.as_str()), (Some(124), "told\n"));
    assert_eq!(stored_state(&server).as_deref(), Some("released"));
}

#[test]
fn run_gives_a_command_the_whole_grace_after_max_hold() {
    let server = Server::start();
    let options = ["--max-hold", "300ms", "--kill-after", "20s"];
    let text = format!("trap 'sleep 1.5; echo done; exit' TERM; {GO_ON}");
    let ended = run(&mut run_text(&server, &options, &text));
    assert_eq!((ended.code(), ended.stdout.as_str()), (Some(124), "done\n"));
}

#[test]
fn run_gives_what_the_command_has_started_the_grace_too() {
    let server = Server::start();
    // The first shell ends at SIGTERM, and the second clears up.
    let text = "sh -c 'trap \"sleep 1; echo cleared up; exit\" TERM; echo started; while :; do sleep 0.02; done' & wait";
    let options = ["--max-hold=1s", "--kill-after=30s"];
    let ended = run(&mut run_text(&server, &options, text));
    assert_eq!(
        (ended.code(), ended.stdout.as_str()),
        (Some(124), "started\ncleared up\n"),
        "{ended:?}"
    );
    assert_eq!(stored_state(&server).as_deref(), Some("released"));
}

#[test]
fn run_kills_a_command_at_once_whose_lock_is_lost_while_it_has_its_grace() {
    let server = Server::start();
    // The lease is 20 s, so the loss is noticed within a third of that.
    let grace = Duration::from_secs(10);
    let options = [
        "--request-timeout=1s",
        "--max-operation=18s",
        "--kill-after=10s",
        "--max-hold=300ms",
    ];
    let text = format!("trap '' TERM; {GO_ON}");
    let running = Running::start(&mut run_text(&server, &options, &text));
    running.stderr_line("--max-hold was reached");
    let told = Instant::now();
    break_it(&server);
    are_gone(&running, Duration::from_secs(60));
    let left = grace.saturating_sub(told.elapsed());
    assert!(left > Duration::from_millis(500), "it had {left:?} left");
    assert_eq!(running.end().code(), Some(124));
}

#[test]
fn run_that_reclaims_takes_the_lock_of_a_killed_run_of_its_owner_at_once() {
    let server = Server::start();
    let mut first = Running::start(&mut run_text(&server, &["--owner=me"], "exec sleep 60"));
    is_held(&server);
    first.signal(libc::SIGKILL);
    are_gone(&first, Duration::from_secs(60));
    assert!(!first.is_running());
    let token = stored(&server).unwrap()["fencing_token"].as_u64().unwrap();
    // The first lease goes on for another minute.
    let options = ["--owner=me", "--reclaim", "--no-wait"];
    let ended = run(&mut run_text(
        &server,
        &options,
        "echo $S3_LOCK_FENCING_TOKEN",
    ));
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    assert!(ended.stdout.trim().parse::<u64>().unwrap() > token);
}

#[test]
fn run_that_reclaims_leaves_the_lock_to_another_owner() {
    let server = Server::start();
    let _guard = crate::run::held(&server);
    let options = ["--owner=me", "--reclaim", "--no-wait"];
    assert_eq!(
        run(&mut run_text(&server, &options, "true")).code(),
        Some(75)
    );
}
