//! s3-lock is killed, or its watchdog.

use std::thread;
use std::time::{Duration, Instant};

use crate::eventually;
use crate::folder::Folder;
use crate::program::{Running, s3_lock};
use crate::run::loss::break_it;
use crate::run::{
    GO_ON, SHORT, are_gone, deadline, held, is_released, lived_until, living, run_text, watchdog,
};
use crate::store::stored_state;
use crate::support::{Dice, Fault, Match, Server};

/// A command, and another process that it has started, both deaf to SIGTERM.
const DEAF: &str = "trap '' TERM; sh -c 'while :; do sleep 0.02; done' & \
                    echo started; while :; do sleep 0.02; done";
/// How long the system may take to end processes, on a machine that is busy with something else.
const AT_ONCE: Duration = Duration::from_secs(3);

#[test]
fn run_that_is_killed_takes_the_command_and_its_group_with_it() {
    let server = Server::start();
    let running = Running::start(&mut run_text(&server, &[], DEAF));
    running.stdout_line("started");
    running.signal(libc::SIGKILL);
    are_gone(&running, AT_ONCE);
}

#[cfg(target_os = "linux")]
#[test]
fn run_that_is_killed_by_its_name_takes_the_command_and_its_group_with_it() {
    let server = Server::start();
    let running = Running::start(&mut run_text(&server, &[], DEAF));
    running.stdout_line("started");
    let has_name = |id: &i32| {
        let name = std::fs::read_to_string(format!("/proc/{id}/comm"));
        name.is_ok_and(|name| name.contains("s3-lock"))
    };
    let mut all = running.descendants();
    all.push(i32::try_from(running.id()).unwrap());
    all.retain(has_name);
    assert!(!all.is_empty());
    all.into_iter()
        .for_each(|id| crate::program::signal(id, libc::SIGKILL));
    are_gone(&running, AT_ONCE);
}

#[test]
#[cfg(target_os = "linux")]
fn run_that_is_killed_takes_the_command_with_it_even_if_the_watchdog_was_killed_before() {
    let server = Server::start();
    let text = format!("trap '' TERM; echo started; {GO_ON}");
    let running = Running::start(&mut run_text(&server, &[], &text));
    running.stdout_line("started");
    crate::program::signal(watchdog(&running).unwrap(), libc::SIGKILL);
    running.stderr_line("the watchdog was killed");
    running.signal(libc::SIGKILL);
    are_gone(&running, AT_ONCE);
}

#[test]
fn run_that_is_killed_at_any_moment_leaves_no_process() {
    let server = Server::start();
    let mut dice = Dice::new(20_261_130, &[]);
    let folder = Folder::new();
    // How long it takes until the command runs.
    let start = Instant::now();
    Running::start(&mut run_text(&server, &[], "echo here")).stdout_line("here");
    let usual = start.elapsed();
    let mut started = 0;
    for round in 0..60 {
        let url = format!("s3://locks-test/locks/{round}");
        let (file, log) = (folder.file("log"), folder.file(&format!("{round}")));
        let text = format!("echo {round} >> {file}; echo > {log}; {DEAF}");
        let running = Running::start(&mut s3_lock(&server, ["run", &url, "-c", &text]));
        thread::sleep(dice.between(usual / 4, usual));
        running.signal(libc::SIGKILL);
        are_gone(&running, AT_ONCE);
        started += usize::from(!folder.text(&format!("{round}")).is_empty());
    }
    println!("{started} of 60 commands had started");
}

#[test]
fn run_that_is_killed_at_the_moment_its_command_starts_leaves_no_process() {
    let server = Server::start();
    for round in 0..40 {
        let url = format!("s3://locks-test/locks/{round}");
        let running = Running::start(&mut s3_lock(&server, ["run", &url, "-c", DEAF]));
        // s3-lock and the watchdog; the third is the command, from its fork on.
        let start = Instant::now();
        while running.descendants().len() < 2 && start.elapsed() < Duration::from_secs(20) {}
        running.signal(libc::SIGKILL);
        are_gone(&running, AT_ONCE);
    }
}

#[test]
fn run_that_is_killed_while_it_waits_leaves_no_process() {
    let server = Server::start();
    let _guard = held(&server);
    let running = Running::start(&mut run_text(&server, &[], DEAF));
    running.stderr_line("waiting for");
    running.signal(libc::SIGKILL);
    are_gone(&running, AT_ONCE);
}

#[test]
fn run_that_is_killed_leaves_an_orphan_alone() {
    let server = Server::start();
    let folder = Folder::new();
    let text = format!(
        "echo started; until [ -e {} ]; do sleep 0.02; done; echo > {}",
        folder.file("go"),
        folder.file("end")
    );
    let running = Running::start(&mut run_text(&server, &["--orphan"], &text));
    running.stdout_line("started");
    running.signal(libc::SIGKILL);
    thread::sleep(Duration::from_millis(300));
    folder.write("go", "");
    eventually("the orphan ends", || folder.text("end") == "\n");
    are_gone(&running, AT_ONCE);
}

#[test]
fn run_whose_command_is_an_orphan_to_be_ends_it_all_the_same_if_the_lock_is_lost() {
    let server = Server::start();
    let options = [&SHORT[..], &["--orphan"]].concat();
    let running = Running::start(&mut run_text(&server, &options, DEAF));
    running.stdout_line("started");
    break_it(&server);
    are_gone(&running, Duration::from_secs(60));
    assert_eq!(running.end().code(), Some(124));
}

#[test]
fn run_gives_the_lock_of_a_killed_holder_to_the_next_after_the_lease() {
    let server = Server::start();
    let first = Running::start(&mut run_text(&server, &SHORT, DEAF));
    first.stdout_line("started");
    let second = Running::start(&mut run_text(&server, &SHORT, "echo mine"));
    second.stderr_line("waiting for");
    first.signal(libc::SIGKILL);
    are_gone(&first, AT_ONCE);
    let ended = second.end();
    assert_eq!((ended.code(), ended.stdout.as_str()), (Some(0), "mine\n"));
}

#[test]
fn run_whose_watchdog_was_killed_ends_a_command_in_time_whose_lock_cannot_be_renewed() {
    let server = Server::start();
    let fault = Fault::answer(500, "InternalError");
    server.fault(Match::put().skip(1).always(), fault);
    let folder = Folder::new();
    let text = living(&folder, "echo told");
    let running = Running::start(&mut run_text(&server, &SHORT, &text));
    running.stdout_line("started");
    crate::program::signal(watchdog(&running).unwrap(), libc::SIGKILL);
    running.stderr_line("the watchdog was killed");
    are_gone(&running, Duration::from_secs(60));
    let late = lived_until(&folder) - deadline(&server);
    assert!(late < 0.0, "it lived on for {late} s");
    let ended = running.end();
    assert_eq!(
        (ended.code(), ended.stdout.contains("told")),
        (Some(124), true)
    );
}

#[test]
fn run_whose_watchdog_was_stopped_kills_a_command_in_time_whose_lock_cannot_be_renewed() {
    let server = Server::start();
    let fault = Fault::answer(500, "InternalError");
    server.fault(Match::put().skip(1).always(), fault);
    let folder = Folder::new();
    let text = living(&folder, "");
    let running = Running::start(&mut run_text(&server, &SHORT, &text));
    running.stdout_line("started");
    crate::program::signal(watchdog(&running).unwrap(), libc::SIGSTOP);
    are_gone(&running, Duration::from_secs(60));
    let late = lived_until(&folder) - deadline(&server);
    assert!(late < 0.0, "it lived on for {late} s");
    assert_eq!(running.end().code(), Some(124));
}

#[test]
fn run_whose_watchdog_was_killed_goes_on() {
    let server = Server::start();
    let folder = Folder::new();
    let text = format!(
        "echo started; until [ -e {} ]; do sleep 0.02; done; exit 3",
        folder.file("go")
    );
    let running = Running::start(&mut run_text(&server, &[], &text));
    running.stdout_line("started");
    crate::program::signal(watchdog(&running).unwrap(), libc::SIGKILL);
    running.stderr_line("the watchdog was killed");
    folder.write("go", "");
    assert_eq!(running.end().code(), Some(3));
    is_released(&server);
}

#[test]
fn run_whose_watchdog_was_killed_during_the_wait_does_not_start_the_command() {
    let server = Server::start();
    let guard = held(&server);
    let running = Running::start(&mut run_text(&server, &[], "echo ran"));
    running.stderr_line("waiting for");
    crate::program::signal(watchdog(&running).unwrap(), libc::SIGKILL);
    guard.release().unwrap();
    let ended = running.end();
    assert_eq!(
        (ended.code(), ended.stdout.as_str()),
        (Some(125), ""),
        "{ended:?}"
    );
    assert!(ended.stderr.contains("watchdog"), "{ended:?}");
    assert_eq!(stored_state(&server).as_deref(), Some("released"));
}

#[test]
fn run_whose_watchdog_was_stopped_during_the_wait_does_not_start_the_command() {
    let server = Server::start();
    let guard = held(&server);
    let running = Running::start(&mut run_text(&server, &[], "echo ran"));
    running.stderr_line("waiting for");
    crate::program::signal(watchdog(&running).unwrap(), libc::SIGSTOP);
    guard.release().unwrap();
    let ended = running.end();
    assert_eq!(
        (ended.code(), ended.stdout.as_str()),
        (Some(125), ""),
        "{ended:?}"
    );
    assert_eq!(stored_state(&server).as_deref(), Some("released"));
}

#[test]
fn run_whose_command_is_killed_ends_the_rest_of_its_group_before_it_releases_the_lock() {
    let server = Server::start();
    let folder = Folder::new();
    let writer = format!(
        "while :; do date +%s.%N >> {}; sleep 0.02; done",
        folder.file("log")
    );
    // Deaf to SIGTERM, so that it lives until it is killed.
    let text = format!("sh -c 'trap \"\" TERM; {writer}' & sleep 0.5; kill -KILL $$");
    let ended = Running::start(&mut run_text(&server, &SHORT, &text)).end();
    assert_eq!(ended.code(), Some(137), "{ended:?}");
    assert_eq!(stored_state(&server).as_deref(), Some("released"));
    let written = folder.text("log").lines().count();
    assert!(written > 0);
    thread::sleep(Duration::from_millis(300));
    assert_eq!(folder.text("log").lines().count(), written);
}

#[test]
fn run_survives_a_command_that_kills_its_own_group() {
    let server = Server::start();
    let running = Running::start(&mut run_text(&server, &[], "kill -KILL 0"));
    is_released(&server);
    let ended = running.end();
    assert_eq!((ended.code(), ended.stderr.as_str()), (Some(137), ""));
}

#[test]
fn run_within_a_run_is_ended_with_all_that_it_runs() {
    let server = Server::start();
    let inner = format!(
        "exec $S3_LOCK --assume-conditional-writes run s3://locks-test/locks/inner -c '{}'",
        DEAF.replace('\'', "\"")
    );
    let mut outer = run_text(&server, &SHORT, &inner);
    let program = outer.get_program().to_owned();
    let running = Running::start(outer.env("S3_LOCK", program));
    running.stdout_line("started");
    break_it(&server);
    are_gone(&running, Duration::from_secs(60));
    assert_eq!(running.end().code(), Some(124));
}
