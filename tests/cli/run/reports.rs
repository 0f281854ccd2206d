//! `run --report`.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::folder::Folder;
use crate::program::{Running, run, s3_lock};
use crate::run::loss::break_it;
use crate::run::{SHORT, held, is_held, is_released, run_text};
use crate::store::{URL, stored};
use crate::support::Server;

fn report(folder: &Folder) -> Value {
    let text = folder.text("report");
    assert_eq!(text.lines().count(), 1, "{text:?}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text:?}"))
}

/// The same without the times, which must be what times are.
fn facts(folder: &Folder) -> Value {
    let mut report = report(folder);
    let fields = report.as_object_mut().unwrap();
    for name in ["waited", "held"] {
        let value = fields.remove(name).unwrap();
        assert!(value.is_null() || value.as_f64().unwrap() >= 0.0, "{value}");
    }
    report
}

#[test]
fn run_reports_a_command_that_came_to_its_end() {
    let server = Server::start();
    let folder = Folder::new();
    let options = ["--owner", "me", "--report", &folder.file("report")];
    let _ = run(&mut run_text(&server, &options, "exit 7"));
    let token = &stored(&server).unwrap()["fencing_token"];
    let expected = json!({
        "outcome": "ran", "cause": null, "exit_status": 7, "status": 7, "signal": null,
        "url": URL, "owner": "me", "token": token,
    });
    assert_eq!(facts(&folder), expected);
}

#[test]
fn run_reports_the_signal_that_has_ended_the_command() {
    let server = Server::start();
    let folder = Folder::new();
    let options = ["--report", &folder.file("report")];
    let _ = run(&mut run_text(&server, &options, "kill -KILL $$"));
    let report = facts(&folder);
    assert_eq!(
        (&report["status"], &report["signal"]),
        (&json!(137), &json!(9))
    );
}

#[test]
fn run_reports_to_standard_output_behind_what_the_command_wrote() {
    let server = Server::start();
    let folder = Folder::new();
    let file = folder.file("output");
    fs::write(&file, "before\n").unwrap();
    let output = fs::File::options().append(true).open(&file).unwrap();
    let mut command = run_text(&server, &["--report", "/dev/stdout"], "echo within");
    let status = command.stdout(output).status().unwrap();
    assert!(status.success());
    let text = folder.text("output");
    let lines: Vec<_> = text.lines().collect();
    assert_eq!((lines.len(), lines[0], lines[1]), (3, "before", "within"));
    assert!(lines[2].contains("\"outcome\":\"ran\""), "{text}");
}

#[test]
fn run_reports_how_long_it_waited_and_how_long_it_held_the_lock() {
    let server = Server::start();
    let folder = Folder::new();
    let guard = held(&server);
    let options = ["--report", &folder.file("report")];
    let running = Running::start(&mut run_text(&server, &options, "sleep 0.5"));
    running.stderr_line("waiting for");
    std::thread::sleep(std::time::Duration::from_millis(300));
    guard.release().unwrap();
    running.end();
    let report = report(&folder);
    assert!(report["waited"].as_f64().unwrap() >= 0.3, "{report}");
    assert!(report["held"].as_f64().unwrap() >= 0.5, "{report}");
}

#[test]
fn run_reports_a_lock_that_was_not_acquired() {
    let server = Server::start();
    let folder = Folder::new();
    let _guard = held(&server);
    let options = ["-n", "--skip-ok", "--report", &folder.file("report")];
    let _ = run(&mut run_text(&server, &options, "true"));
    let report = facts(&folder);
    assert_eq!(
        (&report["outcome"], &report["exit_status"]),
        (&json!("not_acquired"), &json!(0))
    );
    assert_eq!(
        (&report["status"], &report["token"]),
        (&Value::Null, &Value::Null)
    );
    assert!(
        report["cause"].as_str().unwrap().contains("the-first"),
        "{report}"
    );
}

#[test]
fn run_reports_a_command_that_was_ended_and_why() {
    let server = Server::start();
    let folder = Folder::new();
    let report_file = folder.file("report");
    let options = [&SHORT[..], &["--report", &report_file]].concat();
    let running = Running::start(&mut run_text(&server, &options, "exec sleep 60"));
    is_held(&server);
    break_it(&server);
    running.end();
    let report = facts(&folder);
    assert_eq!(
        (&report["outcome"], &report["exit_status"]),
        (&json!("ended"), &json!(124))
    );
    assert_eq!(
        (&report["status"], &report["signal"]),
        (&json!(143), &json!(15))
    );
    assert!(
        report["cause"].as_str().unwrap().contains("lost"),
        "{report}"
    );
}

#[test]
fn run_reports_a_command_that_was_not_found() {
    let server = Server::start();
    let folder = Folder::new();
    let file = folder.file("report");
    let words = ["run", URL, "--report", &file, "--", "no-such-command"];
    let _ = run(&mut s3_lock(&server, words));
    let report = facts(&folder);
    assert_eq!(
        (&report["outcome"], &report["exit_status"]),
        (&json!("not_started"), &json!(127))
    );
}

#[test]
fn run_empties_the_report_at_its_start() {
    let server = Server::start();
    let folder = Folder::new();
    folder.write("report", "of the last run");
    let options = ["--report", &folder.file("report")];
    let running = Running::start(&mut run_text(&server, &options, "exec sleep 60"));
    is_held(&server);
    assert_eq!(folder.text("report"), "");
    drop(running);
}

#[test]
fn run_keeps_the_status_of_the_command_and_says_so_if_the_disk_has_no_room_for_the_report() {
    let server = Server::start();
    let options = ["--report", "/dev/full"];
    let ended = run(&mut run_text(&server, &options, "exit 7"));
    assert_eq!(ended.code(), Some(7), "{ended:?}");
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    assert!(ended.stderr.contains("/dev/full"), "{ended:?}");
    is_released(&server);
}

/// A file system that is full. None where this user may not mount one.
struct FullDisk(Folder);

impl FullDisk {
    fn new() -> Option<FullDisk> {
        let folder = Folder::new();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=64k", "none", &folder.file("")]);
        let mounted = mount.stderr(std::process::Stdio::null()).status();
        if !mounted.is_ok_and(|status| status.success()) {
            return None;
        }
        let disk = FullDisk(folder);
        let _ = fs::write(disk.0.file("filler"), vec![0; 1 << 20]);
        Some(disk)
    }
}

impl Drop for FullDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount")
            .args(["-l", &self.0.file("")])
            .status();
    }
}

#[test]
fn run_leaves_an_empty_report_on_a_full_disk() {
    let Some(disk) = FullDisk::new() else {
        return;
    };
    let server = Server::start();
    let file = disk.0.file("report");
    let ended = run(&mut run_text(&server, &["--report", &file], "exit 7"));
    assert_eq!(ended.code(), Some(7), "{ended:?}");
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "");
}

#[test]
fn run_reports_a_wait_that_a_signal_has_ended() {
    let server = Server::start();
    let folder = Folder::new();
    let _guard = held(&server);
    let options = ["--report", &folder.file("report")];
    let running = Running::start(&mut run_text(&server, &options, "true"));
    running.stderr_line("waiting for");
    running.signal(libc::SIGINT);
    running.end();
    let report = facts(&folder);
    assert_eq!(
        (&report["outcome"], &report["exit_status"]),
        (&json!("interrupted"), &json!(130))
    );
}
