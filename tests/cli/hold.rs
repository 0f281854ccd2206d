//! `s3-lock hold`.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::eventually;
use crate::program::{Running, run, s3_lock};
use crate::run::loss::break_it;
use crate::run::{SHORT, are_waiting, held, is_held, tickets, wrapped};
use crate::store::{URL, stored, stored_state};
use crate::support::{Fault, Match, Server};

fn hold(server: &Server, options: &[&str]) -> Command {
    s3_lock(server, ["hold", URL].iter().chain(options))
}

/// A process on whose behalf a lock is held.
fn parent() -> Running {
    Running::start(Command::new("sleep").arg("100"))
}

#[test]
fn hold_prints_what_it_holds_once_it_does() {
    let server = Server::start();
    let guard = held(&server);
    let running = Running::start(&mut hold(&server, &["--owner=me"]));
    are_waiting(&server, 1);
    assert_eq!(running.stdout_so_far(), "");
    guard.release().unwrap();
    running.stdout_line("S3_LOCK_DEADLINE=");
    let record = stored(&server).unwrap();
    assert_eq!(
        (&record["state"], &record["owner"]),
        (&"held".into(), &"me".into())
    );
    let said = running.stdout_so_far();
    let token = format!("S3_LOCK_FENCING_TOKEN='{}'", record["fencing_token"]);
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(
        lines[..3],
        [
            &format!("S3_LOCK_URL='{URL}'"),
            "S3_LOCK_OWNER='me'",
            &token
        ]
    );
}

#[test]
fn hold_prints_what_a_shell_can_read_whatever_the_name_of_the_owner() {
    let server = Server::start();
    let owner = "it's \"me\" $HOME `id` \\ *";
    let running = Running::start(&mut hold(&server, &["--owner", owner]));
    running.stdout_line("S3_LOCK_DEADLINE=");
    let mut shell = Command::new("sh");
    shell.args(["-c", "eval \"$1\"; printf %s \"$S3_LOCK_OWNER\"", "sh"]);
    let read = shell.arg(running.stdout_so_far()).output().unwrap();
    assert_eq!(String::from_utf8(read.stdout).unwrap(), owner);
}

#[test]
fn hold_prints_one_json_object_on_demand() {
    let server = Server::start();
    let running = Running::start(&mut hold(&server, &["--json", "--owner=me"]));
    let line = running.stdout_line("");
    let told: serde_json::Value = serde_json::from_str(&line).unwrap();
    let record = stored(&server).unwrap();
    assert_eq!((&told["url"], &told["owner"]), (&URL.into(), &"me".into()));
    assert_eq!(told["token"], record["fencing_token"]);
    assert!(told["deadline"].is_u64(), "{told}");
}

#[test]
fn hold_releases_the_lock_when_it_is_told_to_end() {
    for number in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
        let server = Server::start();
        let running = Running::start(&mut hold(&server, &[]));
        running.stdout_line("S3_LOCK_DEADLINE=");
        running.signal(number);
        assert_eq!(running.end().code(), Some(0));
        assert_eq!(stored_state(&server).as_deref(), Some("released"));
    }
}

#[test]
fn hold_that_waits_is_ended_by_a_signal_and_leaves_the_queue() {
    let server = Server::start();
    let _guard = held(&server);
    let running = Running::start(&mut hold(&server, &[]));
    are_waiting(&server, 1);
    running.signal(libc::SIGTERM);
    let ended = running.end();
    assert_eq!((ended.code(), ended.stdout.as_str()), (Some(143), ""));
    assert_eq!(tickets(&server), 0);
}

#[test]
fn hold_releases_the_lock_when_the_parent_ends() {
    let server = Server::start();
    let parent = parent();
    let running = Running::start(&mut hold(&server, &["--parent", &parent.id().to_string()]));
    running.stdout_line("S3_LOCK_DEADLINE=");
    drop(parent);
    assert_eq!(running.end().code(), Some(0));
    assert_eq!(stored_state(&server).as_deref(), Some("released"));
}

#[test]
fn hold_that_waits_ends_with_the_parent_and_leaves_the_queue() {
    let server = Server::start();
    let _guard = held(&server);
    let parent = parent();
    let running = Running::start(&mut hold(&server, &["--parent", &parent.id().to_string()]));
    are_waiting(&server, 1);
    drop(parent);
    let ended = running.end();
    assert_eq!((ended.code(), ended.stdout.as_str()), (Some(0), ""));
    assert_eq!(tickets(&server), 0);
}

#[test]
fn hold_notices_the_end_of_a_parent_that_nobody_has_waited_for() {
    let server = Server::start();
    let mut parent = Command::new("sleep").arg("100").spawn().unwrap();
    let running = Running::start(&mut hold(&server, &["--parent", &parent.id().to_string()]));
    running.stdout_line("S3_LOCK_DEADLINE=");
    parent.kill().unwrap();
    let ended = running.end();
    parent.wait().unwrap();
    assert_eq!(ended.code(), Some(0));
}

#[test]
fn hold_exits_with_125_if_there_is_no_such_parent() {
    let server = Server::start();
    let parent = parent();
    let id = parent.id().to_string();
    drop(parent);
    let ended = run(&mut hold(&server, &["--parent", &id]));
    assert_eq!((ended.code(), ended.stdout.as_str()), (Some(125), ""));
    assert!(ended.stderr.contains("--parent"), "{ended:?}");
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn hold_exits_with_75_if_another_has_the_lock() {
    let server = Server::start();
    let _guard = held(&server);
    let ended = run(&mut hold(&server, &["--no-wait"]));
    assert_eq!((ended.code(), ended.stdout.as_str()), (Some(75), ""));
}

#[test]
fn hold_exits_with_124_if_the_lock_is_lost_and_runs_what_on_lost_says() {
    let server = Server::start();
    let on_lost = "--on-lost=echo \"$S3_LOCK_OWNER: $S3_LOCK_CAUSE\"";
    let options = [&SHORT[..2], &["--owner=me", on_lost]].concat();
    let running = Running::start(&mut hold(&server, &options));
    running.stdout_line("S3_LOCK_DEADLINE=");
    break_it(&server);
    let ended = running.end();
    assert_eq!(ended.code(), Some(124), "{ended:?}");
    let last = ended.stdout.lines().last().unwrap();
    assert!(
        last.starts_with("me: ") && last.contains("broke it by force"),
        "{ended:?}"
    );
}

#[test]
fn hold_waits_for_what_on_lost_runs_where_the_ends_of_children_are_ignored() {
    let server = Server::start();
    let options = ["--max-hold=100ms", "--on-lost=echo ran"];
    let ignoring = ["sh", "-c", "trap '' CHLD; exec \"$@\"", "sh"];
    let ended = run(&mut wrapped(&hold(&server, &options), &ignoring));
    assert_eq!(
        (ended.code(), ended.stderr.contains("too long")),
        (Some(124), false)
    );
    assert!(ended.stdout.ends_with("ran\n"), "{ended:?}");
}

#[test]
fn hold_exits_with_124_before_another_has_the_lock_if_it_cannot_be_renewed() {
    let server = Server::start();
    let fault = Fault::answer(500, "InternalError");
    server.fault(Match::put().skip(1).always(), fault);
    let options = [&SHORT[..2], &["--on-lost=date +%s.%N"]].concat();
    let running = Running::start(&mut hold(&server, &options));
    let line = running.stdout_line("S3_LOCK_DEADLINE=");
    let deadline: f64 = line.split('\'').nth(1).unwrap().parse().unwrap();
    let ended = running.end();
    assert_eq!(ended.code(), Some(124), "{ended:?}");
    let told: f64 = ended.stdout.lines().last().unwrap().parse().unwrap();
    // Others may have it two seconds after the deadline, which was cut to whole seconds.
    assert!(told < deadline + 2.0, "{ended:?}");
}

#[test]
fn hold_releases_the_lock_after_max_hold() {
    let server = Server::start();
    let ended = run(&mut hold(&server, &["--max-hold=500ms"]));
    assert_eq!(ended.code(), Some(124), "{ended:?}");
    assert_eq!(stored_state(&server).as_deref(), Some("released"));
}

#[test]
fn hold_keeps_the_lock_for_longer_than_a_lease() {
    let server = Server::start();
    let running = Running::start(&mut hold(&server, &SHORT[..2]));
    running.stdout_line("S3_LOCK_DEADLINE=");
    std::thread::sleep(Duration::from_secs(7));
    assert_eq!(stored_state(&server).as_deref(), Some("held"));
    running.signal(libc::SIGTERM);
    let ended = running.end();
    assert_eq!((ended.code(), ended.stderr.as_str()), (Some(0), ""));
}

#[test]
fn hold_whose_output_nobody_reads_goes_on() {
    let server = Server::start();
    for redirection in ["\"$@\" >&-", "\"$@\" | true"] {
        let command = wrapped(&hold(&server, &[]), &["sh", "-c", redirection, "sh"]);
        let mut command = command;
        let running = Running::start(command.stdout(Stdio::null()));
        is_held(&server);
        std::thread::sleep(Duration::from_millis(200));
        assert_eq!(stored_state(&server).as_deref(), Some("held"));
        let is_hold = |id: &i32| {
            let program = std::fs::read_link(format!("/proc/{id}/exe"));
            program.is_ok_and(|path| path.ends_with("s3-lock"))
        };
        for id in running.descendants().into_iter().filter(is_hold) {
            crate::program::signal(id, libc::SIGTERM);
        }
        eventually("it is released", || {
            stored_state(&server).as_deref() == Some("released")
        });
        running.end();
    }
}

#[test]
fn hold_releases_the_lock_if_it_cannot_say_what_it_holds() {
    let server = Server::start();
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let ended = run(hold(&server, &[]).stdout(full));
    assert_eq!(ended.code(), Some(125), "{ended:?}");
    assert_eq!(stored_state(&server).as_deref(), Some("released"));
}
