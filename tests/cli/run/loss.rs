//! What becomes of the command if the lock is lost, or cannot be renewed.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use s3_lock::LockStatus;

use crate::eventually;
use crate::folder::Folder;
use crate::program::{Running, run};
use crate::run::{
    GO_ON, SHORT, are_gone, deadline, held, is_held, is_released, lived_until, living, run_text,
    wrapped,
};
use crate::store::{KEY, lock, stored, stored_state};
use crate::support::{Fault, Match, Server};

/// Breaks the lock by force, as `s3-lock break` does.
pub fn break_it(server: &Server) {
    let lock = lock(server);
    eventually("it is broken", || {
        match lock.status().expect("the store answers") {
            // False if it was renewed at the same moment.
            LockStatus::Held(seen) => lock.force_release(&seen).expect("the store answers"),
            other => panic!("it is held: {other}"),
        }
    });
}

/// Has another take the lock over, although its lease is not over.
fn take_over(server: &Server) {
    let mut record = stored(server).unwrap();
    let token = record["fencing_token"].as_u64().unwrap();
    record["fencing_token"] = (token + 1).into();
    record["owner"] = "the-successor".into();
    record["nonce"] = "00000000000000000000000000000001".into();
    server.put_object(KEY, record.to_string());
}

#[test]
fn run_ends_the_command_if_the_lock_was_broken() {
    let server = Server::start();
    let text = format!("trap 'echo told; exit 9' TERM; {GO_ON}");
    let running = Running::start(&mut run_text(&server, &SHORT, &text));
    is_held(&server);
    break_it(&server);
    let ended = running.end();
    assert_eq!((ended.code(), ended.stdout.as_str()), (Some(124), "told\n"));
    assert!(ended.stderr.contains("broke it by force"), "{ended:?}");
}

#[test]
fn run_ends_the_command_if_another_has_taken_the_lock_over() {
    let server = Server::start();
    let running = Running::start(&mut run_text(&server, &SHORT[..3], "exec sleep 60"));
    is_held(&server);
    take_over(&server);
    let ended = running.end();
    assert_eq!(ended.code(), Some(124), "{ended:?}");
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    assert_eq!(stored(&server).unwrap()["owner"], "the-successor");
}

#[test]
fn run_kills_a_command_that_ignores_the_loss_of_the_lock_half_a_second_later() {
    let server = Server::start();
    let text = format!("trap 'echo told' TERM; {GO_ON}");
    // The grace before a deadline is another matter: here is none left.
    let options = [
        "--request-timeout=1s",
        "--max-operation=10s",
        "--kill-after=6s",
    ];
    let running = Running::start(&mut run_text(&server, &options, &text));
    is_held(&server);
    break_it(&server);
    running.stdout_line("told");
    let told = Instant::now();
    are_gone(&running, Duration::from_secs(60));
    let took = told.elapsed();
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert_eq!(running.end().code(), Some(124));
}

#[test]
fn run_ends_a_command_in_time_whose_lock_cannot_be_renewed() {
    let server = Server::start();
    server.fault(
        Match::put().skip(1).always(),
        Fault::answer(500, "InternalError"),
    );
    let folder = Folder::new();
    let text = living(&folder, "date +%s.%N");
    let running = Running::start(&mut run_text(&server, &SHORT, &text));
    running.stdout_line("started");
    are_gone(&running, Duration::from_secs(60));
    let (deadline, life) = (deadline(&server), lived_until(&folder));
    assert!(life < deadline, "it lived on for {} s", life - deadline);
    let ended = running.end();
    assert_eq!(ended.code(), Some(124), "{ended:?}");
    let told = ended.stdout.lines().nth(1).expect("SIGTERM came");
    let told: f64 = told.parse().expect("a time is a number");
    // A second before, and not as soon as the first renewal has failed, which is more than two seconds before.
    assert!(
        (deadline - 2.0..deadline).contains(&told),
        "{deadline} {ended:?}"
    );
}

#[test]
fn run_does_not_end_a_command_because_renewals_fail_for_a_while() {
    let server = Server::start();
    let folder = Folder::new();
    let options = [
        "--request-timeout=1s",
        "--max-operation=6s",
        "--kill-after=1s",
    ];
    let text = format!("until [ -e {} ]; do sleep 0.02; done", folder.file("go"));
    let running = Running::start(&mut run_text(&server, &options, &text));
    is_held(&server);
    let is_refused = || server.requests().iter().any(|one| one.status == Some(500));
    server.fault(Match::put().always(), Fault::answer(500, "InternalError"));
    eventually("a renewal fails", is_refused);
    thread::sleep(Duration::from_secs(1));
    server.clear_faults();
    // By then the first lease is over.
    thread::sleep(Duration::from_secs(6));
    folder.write("go", "");
    let ended = running.end();
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    // Nobody is told twice of one failure.
    let lines = ended.stderr.lines();
    let failures: Vec<_> = lines.filter(|line| !line.contains("waiting for")).collect();
    let is_told =
        |line: &&str| line.contains("s3-lock: warning: ") && line.contains("could not be renewed");
    assert!(
        !failures.is_empty() && failures.iter().all(is_told),
        "{ended:?}"
    );
}

#[test]
fn run_kills_what_a_command_has_left_that_ended_when_the_lock_was_lost() {
    let server = Server::start();
    let text = format!("sh -c \"trap '' TERM; {GO_ON}\" & exec sleep 60");
    let running = Running::start(&mut run_text(&server, &SHORT, &text));
    is_held(&server);
    break_it(&server);
    are_gone(&running, Duration::from_secs(60));
    assert_eq!(running.end().code(), Some(124));
}

#[test]
fn run_runs_what_on_lost_says_after_the_command_was_ended() {
    let server = Server::start();
    let on_lost = "--on-lost=echo $S3_LOCK_OWNER: $S3_LOCK_CAUSE";
    let options = [&SHORT[..], &["--owner=me", on_lost]].concat();
    let text = format!("trap 'echo ended; exit' TERM; {GO_ON}");
    let running = Running::start(&mut run_text(&server, &options, &text));
    is_held(&server);
    break_it(&server);
    let ended = running.end();
    let lines: Vec<_> = ended.stdout.lines().collect();
    assert_eq!(lines[0], "ended", "{ended:?}");
    assert!(lines[1].starts_with("me: the lock is lost"), "{ended:?}");
}

#[test]
fn run_does_not_run_what_on_lost_says_if_nothing_was_lost() {
    let server = Server::start();
    let ended = run(&mut run_text(
        &server,
        &["--on-lost", "echo lost"],
        "exit 3",
    ));
    assert_eq!((ended.code(), ended.stdout.as_str()), (Some(3), ""));
}

#[test]
fn run_ends_the_command_even_if_nobody_reads_what_it_says_about_that() {
    let server = Server::start();
    // `yes` fills the pipe, so whoever says a word there is stuck. It ignores SIGTERM, as the shell does.
    let options = [
        "--request-timeout=1s",
        "--max-operation=10s",
        "--kill-after=1s",
    ];
    let command = run_text(
        &server,
        &options,
        &format!("trap '' TERM; yes >&2 & {GO_ON}"),
    );
    let mut unread = wrapped(&command, &["sh", "-c", "\"$@\" 2>&1 | sleep 60", "sh"]);
    let running = Running::start(&mut unread);
    is_held(&server);
    thread::sleep(Duration::from_millis(500));
    break_it(&server);
    eventually("a renewal finds out", || {
        server.requests().iter().any(|one| one.status == Some(412))
    });
    let found = Instant::now();
    eventually("the command is gone", || {
        let is_command = |id: &i32| {
            let words = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
            words.starts_with(b"yes\0")
        };
        !running.descendants().iter().any(is_command)
    });
    // The lease that s3-lock believed in goes on for 8 s.
    let took = found.elapsed();
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[test]
fn run_goes_on_after_a_wait_that_was_longer_than_a_lease() {
    let server = Server::start();
    let guard = held(&server);
    let running = Running::start(&mut run_text(&server, &SHORT, "true"));
    running.stderr_line("waiting for");
    thread::sleep(Duration::from_secs(5));
    guard.release().unwrap();
    assert_eq!(running.end().code(), Some(0));
    is_released(&server);
    assert_eq!(stored_state(&server).as_deref(), Some("released"));
}

#[test]
fn run_does_not_end_a_command_whose_lock_was_renewed_at_the_last_moment() {
    let server = Server::start();
    // SIGTERM would come after half of the lease, and the first renewal after a third.
    let options = [
        "--request-timeout=1s",
        "--max-operation=6s",
        "--kill-after=4s",
    ];
    let running = Running::start(&mut run_text(&server, &options, "sleep 8"));
    is_held(&server);
    let start = Instant::now();
    server.fault(Match::put().always(), Fault::answer(500, "InternalError"));
    thread::sleep(Duration::from_millis(3_300).saturating_sub(start.elapsed()));
    server.clear_faults();
    let ended = running.end();
    assert_eq!(ended.code(), Some(0), "{ended:?}");
}

#[test]
fn run_that_took_long_to_acquire_renews_the_lock_before_the_command_begins() {
    let server = Server::start();
    // The lease of 7 s begins with the write, whose reply is too late. Then there is only the time of the command left, and
    // SIGTERM would come 3 s before its end.
    server.fault(Match::put(), Fault::StallAfter(Duration::from_secs(4)));
    server.fault(
        Match::get().skip(1),
        Fault::Stall(Duration::from_millis(2_300)),
    );
    let options = [
        "--request-timeout=3s",
        "--max-operation=1s",
        "--kill-after=3s",
    ];
    let ended = run(&mut run_text(&server, &options, "sleep 1; echo done"));
    assert_eq!(
        (ended.code(), ended.stdout.as_str()),
        (Some(0), "done\n"),
        "{ended:?}"
    );
}

#[test]
fn run_is_told_to_end_what_on_lost_says() {
    let server = Server::start();
    let options = [&SHORT[..], &["--on-lost=echo begun; sleep 60; echo end"]].concat();
    let running = Running::start(&mut run_text(&server, &options, "exec sleep 60"));
    is_held(&server);
    break_it(&server);
    running.stdout_line("begun");
    running.signal(libc::SIGTERM);
    let ended = running.end();
    assert_eq!(
        (ended.code(), ended.stdout.as_str()),
        (Some(124), "begun\n")
    );
}
