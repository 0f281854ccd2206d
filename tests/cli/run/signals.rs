//! Signals that s3-lock gets, while it waits and while the command runs.

use std::process::Command;
use std::time::Duration;

use crate::program::{Running, run, s3_lock};
use crate::run::{GO_ON, are_waiting, held, is_held, run_text, tickets, wrapped};
use crate::store::{URL, stored_state};
use crate::support::Server;

const ENDING: [(&str, i32); 4] = [
    ("INT", libc::SIGINT),
    ("TERM", libc::SIGTERM),
    ("HUP", libc::SIGHUP),
    ("QUIT", libc::SIGQUIT),
];

#[test]
fn run_that_waits_is_ended_by_a_signal_and_leaves_the_queue() {
    for (_, number) in ENDING {
        let server = Server::start();
        let _guard = held(&server);
        let running = Running::start(&mut run_text(&server, &[], "echo ran"));
        are_waiting(&server, 1);
        running.signal(number);
        let ended = running.end();
        assert_eq!(
            (ended.code(), ended.stdout.as_str()),
            (Some(128 + number), "")
        );
        assert_eq!(tickets(&server), 0);
    }
}

#[test]
fn run_passes_signals_on_to_the_command() {
    let server = Server::start();
    let more = [("USR1", libc::SIGUSR1), ("USR2", libc::SIGUSR2)];
    for (name, number) in ENDING.into_iter().chain(more) {
        let text = format!("trap 'echo got {name}; exit 3' {name}; echo started; {GO_ON}");
        let running = Running::start(&mut run_text(&server, &[], &text));
        running.stdout_line("started");
        running.signal(number);
        let ended = running.end();
        let said = format!("started\ngot {name}\n");
        assert_eq!((ended.code(), ended.stdout), (Some(3), said));
        assert_eq!(stored_state(&server).as_deref(), Some("released"));
    }
}

#[test]
fn run_waits_for_a_command_that_goes_on_after_a_signal() {
    let server = Server::start();
    let text = format!("trap 'sleep 1; echo saved; exit 4' TERM; echo started; {GO_ON}");
    let running = Running::start(&mut run_text(&server, &[], &text));
    running.stdout_line("started");
    running.signal(libc::SIGTERM);
    let ended = running.end();
    assert_eq!(
        (ended.code(), ended.stdout.as_str()),
        (Some(4), "started\nsaved\n")
    );
}

#[test]
fn run_sends_sigterm_at_the_second_interrupt() {
    let server = Server::start();
    let text = format!("trap 'echo int' INT; trap 'echo term; exit 5' TERM; echo started; {GO_ON}");
    let running = Running::start(&mut run_text(&server, &[], &text));
    running.stdout_line("started");
    running.signal(libc::SIGINT);
    running.stdout_line("int");
    running.signal(libc::SIGINT);
    let ended = running.end();
    assert_eq!(
        (ended.code(), ended.stdout.as_str()),
        (Some(5), "started\nint\nterm\n")
    );
}

#[test]
fn run_kills_a_command_that_goes_on_after_the_second_interrupt() {
    let server = Server::start();
    let text = format!("trap 'echo int' INT; trap 'echo term' TERM; echo started; {GO_ON}");
    let running = Running::start(&mut run_text(&server, &["--kill-after=500ms"], &text));
    running.stdout_line("started");
    running.signal(libc::SIGINT);
    running.stdout_line("int");
    running.signal(libc::SIGINT);
    running.stdout_line("term");
    assert_eq!(running.end().code(), Some(137));
    assert_eq!(stored_state(&server).as_deref(), Some("released"));
}

#[test]
fn run_kills_the_command_at_the_third_interrupt() {
    let server = Server::start();
    let options = ["--kill-after=10m", "--max-operation=1h"];
    let text = format!("trap 'echo int' INT; trap 'echo term' TERM; echo started; {GO_ON}");
    let running = Running::start(&mut run_text(&server, &options, &text));
    running.stdout_line("started");
    running.signal(libc::SIGINT);
    running.stdout_line("int");
    running.signal(libc::SIGINT);
    running.stdout_line("term");
    running.signal(libc::SIGINT);
    assert_eq!(running.end().code(), Some(137));
}

#[test]
fn run_that_was_started_to_ignore_a_signal_goes_on_ignoring_it() {
    let server = Server::start();
    let command = run_text(
        &server,
        &[],
        "kill -HUP $$; echo started; sleep 0.5; exit 3",
    );
    let ignoring = ["sh", "-c", "trap '' HUP; exec \"$@\"", "sh"];
    let running = Running::start(&mut wrapped(&command, &ignoring));
    running.stdout_line("started");
    running.signal(libc::SIGHUP);
    assert_eq!(running.end().code(), Some(3));
}

#[test]
fn run_that_was_started_to_ignore_a_signal_waits_on_in_spite_of_it() {
    let server = Server::start();
    let guard = held(&server);
    let command = run_text(&server, &[], "echo ran");
    let ignoring = ["sh", "-c", "trap '' HUP; exec \"$@\"", "sh"];
    let running = Running::start(&mut wrapped(&command, &ignoring));
    are_waiting(&server, 1);
    running.signal(libc::SIGHUP);
    std::thread::sleep(Duration::from_millis(300));
    guard.release().unwrap();
    assert_eq!(running.end().stdout, "ran\n");
}

#[test]
fn run_starts_the_command_with_the_usual_signals() {
    let server = Server::start();
    // Nothing that s3-lock handles, blocks or ignores for itself is left to the command.
    let grep = ["grep", "-E", "^Sig(Blk|Ign|Cgt)", "/proc/self/status"];
    let words = ["run", URL, "--"].iter().chain(&grep);
    let ended = run(&mut s3_lock(&server, words));
    let alone = Command::new(grep[0]).args(&grep[1..]).output().unwrap();
    let alone = String::from_utf8(alone.stdout).unwrap();
    let usual = |text: &str| {
        let sets = text
            .lines()
            .map(|line| line.split_whitespace().nth(1).unwrap());
        // The C library uses the signals 32 and 33 for itself.
        let sets = sets.map(|set| u64::from_str_radix(set, 16).unwrap() & 0x7fff_ffff);
        sets.collect::<Vec<_>>()
    };
    assert_eq!(usual(&ended.stdout), usual(&alone));
}

#[test]
fn run_that_is_told_to_end_while_it_acquires_releases_what_it_acquires() {
    let server = Server::start();
    let gate = crate::support::Gate::default();
    let held_back = crate::support::Fault::HoldReplyAt(gate.clone());
    server.fault(crate::support::Match::put(), held_back);
    let running = Running::start(&mut run_text(&server, &[], "echo ran"));
    is_held(&server);
    running.signal(libc::SIGTERM);
    std::thread::sleep(Duration::from_millis(200));
    gate.open();
    let ended = running.end();
    assert_eq!((ended.code(), ended.stdout.as_str()), (Some(143), ""));
    assert_eq!(stored_state(&server).as_deref(), Some("released"));
}
