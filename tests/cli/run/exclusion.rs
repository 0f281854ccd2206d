//! Many runs of one lock at a time.

use std::time::Duration;

use crate::folder::Folder;
use crate::program::Running;
use crate::run::{are_waiting, held, run_text};
use crate::support::Server;

/// Whether what is written by one at a time was: each `begin` is followed by its own `end`.
pub fn is_one_at_a_time(log: &str, count: usize) {
    let lines: Vec<_> = log.lines().collect();
    assert_eq!(lines.len(), 2 * count, "{log}");
    for pair in lines.chunks(2) {
        let (begin, end) = (pair[0].strip_prefix("begin "), pair[1].strip_prefix("end "));
        assert!(begin.is_some() && begin == end, "{pair:?} of {log}");
    }
}

/// A text that writes a line, waits, and writes another.
pub fn two_lines(file: &str) -> String {
    format!(
        "echo begin $S3_LOCK_FENCING_TOKEN >> {file}; sleep 0.05; echo end $S3_LOCK_FENCING_TOKEN >> {file}"
    )
}

#[test]
fn run_by_twenty_at_once_loses_nothing_and_never_overlaps() {
    let server = Server::start();
    let folder = Folder::new();
    let text = two_lines(&folder.file("log"));
    let all: Vec<_> = (0..20)
        .map(|_| Running::start(&mut run_text(&server, &[], &text)))
        .collect();
    for one in all {
        let ended = one.end();
        assert_eq!(ended.code(), Some(0), "{ended:?}");
    }
    is_one_at_a_time(&folder.text("log"), 20);
}

#[test]
fn run_by_ten_one_after_the_other_is_served_in_that_order() {
    let server = Server::start();
    let folder = Folder::new();
    let guard = held(&server);
    let mut all = Vec::new();
    for number in 0..10 {
        let text = format!("echo {number} >> {}", folder.file("log"));
        all.push(Running::start(&mut run_text(&server, &[], &text)));
        are_waiting(&server, number + 1);
    }
    std::thread::sleep(Duration::from_millis(500));
    guard.release().unwrap();
    for one in all {
        assert_eq!(one.end().code(), Some(0));
    }
    assert_eq!(folder.text("log"), "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n");
}
