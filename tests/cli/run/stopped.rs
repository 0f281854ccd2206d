//! s3-lock is stopped, alone or with all the others.

use std::thread;
use std::time::{Duration, Instant};

use crate::eventually;
use crate::folder::Folder;
use crate::program::{Running, run, signal};
use crate::run::{SHORT, are_gone, is_held, run_text};
use crate::support::Server;

/// A text that writes a word into a file, again and again, and is deaf to SIGTERM.
fn writing(word: &str, file: &str) -> String {
    format!("trap '' TERM; while :; do echo {word} >> {file}; sleep 0.02; done")
}

#[test]
fn run_that_is_stopped_past_its_lease_has_a_dead_command_before_another_has_the_lock() {
    is_dead_in_time(|writing| writing.to_owned());
}

#[test]
fn run_that_is_stopped_past_its_lease_has_no_process_left_before_another_has_the_lock() {
    is_dead_in_time(|writing| format!("sh -c \"{writing}\" & exec sleep 60"));
}

fn is_written(folder: &Folder) {
    eventually("it writes", || !folder.text("log").is_empty());
}

/// Stops s3-lock alone, and has another wait for the lock.
fn is_dead_in_time(text_of: impl Fn(&str) -> String) {
    let server = Server::start();
    let folder = Folder::new();
    let file = folder.file("log");
    let text = text_of(&writing("old", &file));
    let first = Running::start(&mut run_text(&server, &SHORT, &text));
    is_written(&folder);
    first.signal(libc::SIGSTOP);
    let text = format!("echo new >> {file}; sleep 0.5; echo new >> {file}");
    let second = run(&mut run_text(&server, &SHORT, &text));
    assert_eq!(second.code(), Some(0), "{second:?}");
    let log = folder.text("log");
    let after: Vec<_> = log.lines().skip_while(|line| *line == "old").collect();
    assert_eq!(after, ["new", "new"]);
    first.signal(libc::SIGCONT);
    assert_eq!(first.end().code(), Some(124));
}

#[test]
fn run_that_is_stopped_for_less_than_its_lease_goes_on() {
    let server = Server::start();
    let options = ["--max-operation=20s", "--kill-after=1s"];
    let running = Running::start(&mut run_text(&server, &options, "sleep 2; exit 3"));
    is_held(&server);
    running.signal(libc::SIGSTOP);
    thread::sleep(Duration::from_secs(3));
    running.signal(libc::SIGCONT);
    assert_eq!(running.end().code(), Some(3));
}

/// Stops s3-lock, the watchdog and the command past their lease, and has them go on in this order of their ids.
fn all_go_on(order: impl Fn(&mut Vec<i32>)) {
    let server = Server::start();
    let folder = Folder::new();
    let file = folder.file("log");
    let text = format!("echo started; {}", writing("old", &file));
    let running = Running::start(&mut run_text(&server, &SHORT, &text));
    running.stdout_line("started");
    let mut all = running.descendants();
    all.insert(0, i32::try_from(running.id()).unwrap());
    all.iter().for_each(|id| signal(*id, libc::SIGSTOP));
    thread::sleep(Duration::from_millis(4_500));
    order(&mut all);
    let start = Instant::now();
    all.iter().for_each(|id| signal(*id, libc::SIGCONT));
    are_gone(&running, Duration::from_secs(1));
    println!("they were gone after {:?}", start.elapsed());
    assert_eq!(running.end().code(), Some(124));
}

#[test]
fn run_that_was_stopped_with_its_command_kills_it_as_soon_as_they_go_on() {
    all_go_on(|_| {});
}

#[test]
fn run_that_was_stopped_with_its_command_kills_it_whichever_goes_on_first() {
    all_go_on(|all| all.reverse());
}

#[test]
fn run_without_a_terminal_stops_and_goes_on_with_its_command_as_told() {
    let server = Server::start();
    let folder = Folder::new();
    let (log, end) = (folder.file("log"), folder.file("end"));
    let text = format!("until [ -e {end} ]; do echo . >> {log}; sleep 0.02; done; exit 6");
    let running = Running::start(&mut run_text(&server, &[], &text));
    is_written(&folder);
    let is_writing = || {
        let before = folder.text("log").len();
        thread::sleep(Duration::from_millis(400));
        folder.text("log").len() > before
    };
    running.signal(libc::SIGTSTP);
    eventually("it is stopped", || !is_writing());
    running.signal(libc::SIGCONT);
    eventually("it goes on", is_writing);
    folder.write("end", "");
    assert_eq!(running.end().code(), Some(6));
}
