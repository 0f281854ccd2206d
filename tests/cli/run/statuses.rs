//! The exit statuses, one after the other.

use std::net::TcpListener;

use crate::folder::Folder;
use crate::program::{Running, bare, run, s3_lock};
use crate::run::loss::break_it;
use crate::run::{SHORT, held, is_held, run_text};
use crate::store::{KEY, URL, lock, stored_state};
use crate::support::{ACCESS_KEY, Fault, Match, Quirk, REGION, SECRET_KEY, Server};

#[test]
fn run_exits_with_the_status_of_the_command() {
    let server = Server::start();
    for status in [0, 1, 75, 124, 125, 126, 127, 255] {
        let ended = run(&mut run_text(&server, &[], &format!("exit {status}")));
        assert_eq!(ended.code(), Some(status), "{ended:?}");
        assert_eq!(stored_state(&server).as_deref(), Some("released"));
    }
}

#[test]
fn run_exits_with_128_and_the_signal_that_has_ended_the_command() {
    let server = Server::start();
    for (name, number) in [("KILL", 9), ("TERM", 15), ("SEGV", 11)] {
        let ended = run(&mut run_text(&server, &[], &format!("kill -{name} $$")));
        assert_eq!(ended.code(), Some(128 + number), "{ended:?}");
        assert_eq!(stored_state(&server).as_deref(), Some("released"));
    }
}

#[test]
fn run_exits_with_75_if_another_has_the_lock() {
    let server = Server::start();
    let _guard = held(&server);
    for options in [&["--no-wait"][..], &["--wait", "300ms"]] {
        let ended = run(&mut run_text(&server, options, "echo ran"));
        assert_eq!((ended.code(), ended.stdout.as_str()), (Some(75), ""));
        assert!(ended.stderr.contains("the-first"), "{ended:?}");
    }
}

#[test]
fn run_exits_with_the_number_of_choice_if_another_has_the_lock() {
    let server = Server::start();
    let _guard = held(&server);
    let ended = run(&mut run_text(&server, &["-n", "-E", "3"], "true"));
    assert_eq!(ended.code(), Some(3), "{ended:?}");
}

#[test]
fn run_that_may_be_skipped_exits_with_0_if_another_has_the_lock() {
    let server = Server::start();
    let _guard = held(&server);
    let ended = run(&mut run_text(&server, &["-n", "--skip-ok"], "echo ran"));
    assert_eq!((ended.code(), ended.stdout.as_str()), (Some(0), ""));
}

#[test]
fn run_exits_with_124_if_the_lock_was_broken_under_the_command() {
    let server = Server::start();
    let command = &mut run_text(&server, &SHORT, "exec sleep 60");
    let running = Running::start(command);
    is_held(&server);
    break_it(&server);
    let ended = running.end();
    assert_eq!(ended.code(), Some(124), "{ended:?}");
    assert!(
        ended
            .stderr
            .contains("ending the command: the lock is lost"),
        "{ended:?}"
    );
}

#[test]
fn run_exits_with_124_if_the_lock_turns_out_to_be_lost_when_it_is_released() {
    let server = Server::start();
    let folder = Folder::new();
    // Nothing is renewed within the time of this test, so only the release finds out.
    let text = format!("until [ -e {} ]; do sleep 0.02; done", folder.file("go"));
    let running = Running::start(&mut run_text(&server, &[], &text));
    is_held(&server);
    break_it(&server);
    folder.write("go", "");
    let ended = running.end();
    assert_eq!(ended.code(), Some(124), "{ended:?}");
    assert!(
        ended
            .stderr
            .contains("came to its end, but the lock is lost"),
        "{ended:?}"
    );
}

#[test]
fn run_exits_with_125_after_wrong_arguments() {
    for words in [
        &["run"][..],
        &["run", "http://x/y", "--", "true"],
        &["run", URL],
        &["run", URL, "--wait", "soon", "--", "true"],
        &["run", URL, "-E", "256", "--", "true"],
        &["run", URL, "--reclaim", "--", "true"],
        &["run", URL, "-c", "true", "--", "true"],
    ] {
        let ended = run(&mut bare(words));
        assert_eq!(ended.code(), Some(125), "{words:?} {ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    }
}

#[test]
fn run_exits_with_125_if_the_command_may_take_longer_to_end_than_half_of_the_lease() {
    let server = Server::start();
    let options = ["--max-operation", "20s", "--kill-after", "16s"];
    let ended = run(&mut run_text(&server, &options, "true"));
    assert_eq!(ended.code(), Some(125), "{ended:?}");
    assert!(ended.stderr.contains("write at most 15s"), "{ended:?}");
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn run_exits_with_125_if_the_lease_is_too_short_to_end_anything() {
    let server = Server::start();
    let options = [
        "--request-timeout=100ms",
        "--max-operation=1s",
        "--kill-after=0s",
    ];
    let ended = run(&mut run_text(&server, &options, "true"));
    assert_eq!(ended.code(), Some(125), "{ended:?}");
    assert!(ended.stderr.contains("at least 2s"), "{ended:?}");
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn run_exits_with_125_if_nothing_listens_where_the_store_should_be() {
    let server = Server::start();
    for options in [&["--no-wait"][..], &["--wait", "1s"], &[]] {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", free.local_addr().unwrap());
        drop(free);
        let mut command = run_text(&server, options, "echo ran");
        let ended = run(command.env("AWS_ENDPOINT_URL_S3", &endpoint));
        assert_eq!((ended.code(), ended.stdout.as_str()), (Some(125), ""));
        assert!(ended.stderr.contains(&endpoint[7..]), "{ended:?}");
    }
}

#[test]
fn run_exits_with_125_if_the_store_does_not_answer() {
    let server = Server::start();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let options = ["--no-wait", "--request-timeout=200ms"];
    let mut command = run_text(&server, &options, "echo ran");
    let ended = run(command.env("AWS_ENDPOINT_URL_S3", &endpoint));
    assert_eq!((ended.code(), ended.stdout.as_str()), (Some(125), ""));
}

#[test]
fn run_exits_with_125_if_the_store_does_not_answer_while_it_waits() {
    let server = Server::start();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let options = ["--wait=500ms", "--skip-ok"];
    let mut command = run_text(&server, &options, "echo ran");
    let ended = run(command.env("AWS_ENDPOINT_URL_S3", &endpoint));
    assert_eq!((ended.code(), ended.stdout.as_str()), (Some(125), ""));
    assert!(ended.stderr.contains("answered nothing"), "{ended:?}");
}

#[test]
fn run_exits_with_125_if_the_store_refuses() {
    let server = Server::start();
    server.fault(Match::any().always(), Fault::answer(403, "AccessDenied"));
    let ended = run(&mut run_text(&server, &["--wait", "1s"], "echo ran"));
    assert_eq!((ended.code(), ended.stdout.as_str()), (Some(125), ""));
}

#[test]
fn run_exits_with_125_if_another_program_has_an_object_there() {
    let server = Server::start();
    server.put_object(KEY, "somebody's notes");
    let ended = run(&mut run_text(&server, &[], "echo ran"));
    assert_eq!((ended.code(), ended.stdout.as_str()), (Some(125), ""));
    assert_eq!(server.object(KEY).unwrap().body, b"somebody's notes");
}

#[test]
fn run_exits_with_125_if_the_store_ignores_conditions() {
    let server = Server::start();
    server.set_quirk(Quirk::IgnoresIfNoneMatch);
    let mut command = bare(["run", URL, "-c", "echo ran"]);
    command
        .env("AWS_ENDPOINT_URL_S3", server.endpoint())
        .env("AWS_REGION", REGION)
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    let ended = run(&mut command);
    assert_eq!((ended.code(), ended.stdout.as_str()), (Some(125), ""));
}

#[test]
fn run_exits_with_125_if_the_report_cannot_be_made() {
    let server = Server::start();
    let options = ["--report", "/dev/null/report"];
    let ended = run(&mut run_text(&server, &options, "echo ran"));
    assert_eq!((ended.code(), ended.stdout.as_str()), (Some(125), ""));
    assert!(ended.stderr.contains("/dev/null/report"), "{ended:?}");
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn run_exits_with_126_if_the_command_cannot_be_executed() {
    let server = Server::start();
    let folder = Folder::new();
    folder.write("notes", "text");
    for command in [folder.file("notes"), folder.file("")] {
        let ended = run(&mut s3_lock(&server, ["run", URL, "--", &command]));
        assert_eq!(ended.code(), Some(126), "{ended:?}");
        assert!(ended.stderr.contains(&command), "{ended:?}");
        assert_eq!(stored_state(&server).as_deref(), Some("released"));
    }
}

#[test]
fn run_exits_with_126_if_what_the_first_line_of_a_script_names_does_not_exist() {
    use std::os::unix::fs::PermissionsExt;
    let server = Server::start();
    let folder = Folder::new();
    let script = folder.file("script");
    std::fs::write(&script, "#!/bin/sh\r\ntrue\r\n").unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let ended = run(&mut s3_lock(&server, ["run", URL, "--", &script]));
    assert_eq!(ended.code(), Some(126), "{ended:?}");
    assert!(ended.stderr.contains("its first line"), "{ended:?}");
}

#[test]
fn run_exits_with_127_if_there_is_no_such_command_and_does_not_wait_to_say_so() {
    let server = Server::start();
    let _guard = held(&server);
    for command in ["no-such-command", "/nonexistent/command", ""] {
        let ended = run(&mut s3_lock(&server, ["run", URL, "--", command]));
        assert_eq!(ended.code(), Some(127), "{ended:?}");
        assert!(ended.stderr.contains(command), "{ended:?}");
    }
}

#[test]
fn run_exits_with_127_if_the_command_has_gone_while_it_waited() {
    let server = Server::start();
    let folder = Folder::new();
    folder.write("job", "#!/bin/sh\n");
    let guard = held(&server);
    let job = folder.file("job");
    let mut command = s3_lock(&server, ["run", URL, "--", &job]);
    let running = Running::start(&mut command);
    running.stderr_line("waiting for");
    std::fs::remove_file(&job).unwrap();
    guard.release().unwrap();
    assert_eq!(running.end().code(), Some(127));
    assert_eq!(lock(&server).status().unwrap(), s3_lock::LockStatus::Free);
}

#[test]
fn run_keeps_the_status_of_the_command_if_the_lock_cannot_be_released() {
    let server = Server::start();
    server.fault(
        Match::put().skip(1).always(),
        Fault::answer(403, "AccessDenied"),
    );
    let ended = run(&mut run_text(&server, &[], "exit 7"));
    assert_eq!(ended.code(), Some(7), "{ended:?}");
    assert!(ended.stderr.contains("its lease ends it"), "{ended:?}");
}

#[test]
fn run_exits_with_125_if_nobody_knows_whether_the_label_was_marked_and_says_how_to_find_out() {
    let server = Server::start();
    let once = ["--once", "today", "--request-timeout=1s"];
    server.fault(Match::put().key(KEY).skip(1).always(), Fault::DropAfter);
    server.fault(Match::get().key(KEY).skip(1).always(), Fault::DropBefore);
    let ended = run(&mut run_text(&server, &once, "true"));
    assert_eq!(ended.code(), Some(125), "{ended:?}");
    let remedy = "the label may be done: run it again with the same --once, which tells, or does the work again";
    assert!(ended.stderr.contains(remedy), "{ended:?}");
    server.clear_faults();
    let again = run(&mut run_text(&server, &once, "echo ran"));
    assert_eq!((again.code(), again.stdout.as_str()), (Some(0), ""));
    assert!(again.stderr.contains("is done"), "{again:?}");
}
