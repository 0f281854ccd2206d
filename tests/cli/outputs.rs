//! Where outputs go: a terminal, a pipe, a full disk, nowhere.

use std::fs::OpenOptions;
use std::process::{Command, Stdio};

use crate::program::{Ended, bare, run, s3_lock};
use crate::store::{FOLDER, URL, lock, record, stored_state};
use crate::support::Server;
use crate::terminal::Terminal;

const FULL: &str = "cannot write to standard output: No space left on device (os error 28)";

/// Runs a command whose standard output is a full disk.
#[cfg(target_os = "linux")]
fn on_a_full_disk(command: &mut Command) -> Ended {
    let full = OpenOptions::new().write(true).open("/dev/full");
    run(command.stdout(full.expect("this is Linux")))
}

/// Runs it by a script of a shell, which has it as `"$0" "$@"`.
fn in_a_shell(command: &Command, script: &str) -> Ended {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", script])
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for (name, value) in command.get_envs() {
        shell.env(name, value.expect("none is taken away"));
    }
    run(&mut shell)
}

#[cfg(target_os = "linux")]
#[test]
fn status_on_a_full_disk_says_so_and_exits_with_125() {
    let ended = on_a_full_disk(&mut s3_lock(&Server::start(), ["status", URL]));
    assert_eq!(ended.stderr, format!("s3-lock: {FULL}\n"));
    assert_eq!(ended.code(), Some(125));
}

#[cfg(target_os = "linux")]
#[test]
fn status_with_exit_code_on_a_full_disk_exits_with_2() {
    let arguments = ["status", "--exit-code", URL];
    let ended = on_a_full_disk(&mut s3_lock(&Server::start(), arguments));
    assert_eq!(ended.code(), Some(2));
}

#[cfg(target_os = "linux")]
#[test]
fn release_on_a_full_disk_says_that_it_was_done_and_exits_with_125() {
    let server = Server::start();
    lock(&server).acquire("me").unwrap().detach();
    let ended = on_a_full_disk(&mut s3_lock(&server, ["release", "--owner", "me", URL]));
    let told = format!("s3-lock: released {URL}, which me held; {FULL}\n");
    assert_eq!(ended.stderr, told);
    assert_eq!(ended.code(), Some(125));
    assert_eq!(stored_state(&server).as_deref(), Some("released"));
}

#[cfg(target_os = "linux")]
#[test]
fn help_and_completions_and_man_on_a_full_disk_say_so_and_exit_with_125() {
    for arguments in [
        vec!["--help"],
        vec!["run", "--help"],
        vec!["man"],
        vec!["completions", "bash"],
    ] {
        let ended = on_a_full_disk(&mut bare(&arguments));
        assert_eq!(ended.stderr, format!("s3-lock: {FULL}\n"), "{arguments:?}");
        assert_eq!(ended.code(), Some(125), "{arguments:?}");
    }
}

#[test]
fn status_with_a_closed_standard_output_is_silent_and_exits_as_it_would() {
    let server = Server::start();
    let _guard = lock(&server).acquire("me").unwrap();
    let command = s3_lock(&server, ["status", "--exit-code", URL]);
    let ended = in_a_shell(&command, "exec \"$0\" \"$@\" >&-");
    assert_eq!(
        (ended.code(), ended.stderr.as_str()),
        (Some(1), ""),
        "{ended:?}"
    );
}

#[test]
fn an_error_with_everything_closed_exits_as_it_would() {
    let command = bare(["status"]);
    let ended = in_a_shell(&command, "exec \"$0\" \"$@\" <&- >&- 2>&-");
    assert_eq!(ended.code(), Some(125));
}

#[test]
fn list_whose_reader_has_had_enough_is_silent_and_exits_with_0() {
    let server = Server::start();
    // More than a pipe holds, so that it writes after its reader has gone.
    for number in 0..40 {
        let purpose = "x".repeat(4_000);
        let fields = serde_json::json!({ "purpose": purpose });
        server.put_object(&format!("locks/{number}.lock"), record(fields));
    }
    let command = s3_lock(&server, ["list", "--json", FOLDER]);
    let script = "{ \"$0\" \"$@\"; echo \"exits with $?\" >&2; } | head -c 1";
    let ended = in_a_shell(&command, script);
    assert_eq!(
        (ended.stdout.as_str(), ended.stderr.as_str()),
        ("[", "exits with 0\n")
    );
}

#[test]
fn an_error_on_a_terminal_has_colours() {
    let ended = Terminal::start(&mut bare(["status"])).end();
    assert!(ended.stdout.contains("\u{1b}["), "{ended:?}");
}

#[test]
fn an_error_on_a_terminal_has_no_colours_where_they_are_not_wanted() {
    let ended = Terminal::start(bare(["status"]).env("NO_COLOR", "1")).end();
    assert!(ended.stdout.contains("URL is missing"), "{ended:?}");
    assert!(!ended.stdout.contains('\u{1b}'), "{ended:?}");
}

#[test]
fn an_error_in_a_pipe_has_no_colours() {
    assert!(!run(&mut bare(["status"])).stderr.contains('\u{1b}'));
}
