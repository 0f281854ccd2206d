//! What the command finds, and what the store is asked.

use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::program::{Running, run, run_with_input, s3_lock};
use crate::run::{is_held, run_text, wrapped};
use crate::store::{URL, stored, stored_state};
use crate::support::Server;

#[test]
fn run_tells_the_command_the_url_the_owner_and_the_token() {
    let server = Server::start();
    let text = "echo $S3_LOCK_URL $S3_LOCK_OWNER $S3_LOCK_FENCING_TOKEN";
    let ended = run(&mut run_text(&server, &["--owner", "me"], text));
    let record = stored(&server).unwrap();
    let told = format!("{URL} me {}\n", record["fencing_token"]);
    assert_eq!((ended.code(), ended.stdout), (Some(0), told));
}

#[test]
fn run_tells_the_command_the_deadline_in_seconds_since_1970() {
    let server = Server::start();
    let now = || {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs()
    };
    let earliest = now();
    let ended = run(&mut run_text(&server, &[], "echo $S3_LOCK_DEADLINE"));
    let deadline: u64 = ended.stdout.trim().parse().unwrap();
    // The lease is 70 s.
    assert!(
        (earliest + 60..=now() + 70).contains(&deadline),
        "{ended:?}"
    );
}

#[test]
fn run_starts_the_command_without_a_shell() {
    let server = Server::start();
    let words = [
        "run", URL, "--", "echo", "$HOME", "a  b", "*", "-c", "--wait",
    ];
    let ended = run(&mut s3_lock(&server, words));
    assert_eq!(ended.stdout, "$HOME a  b * -c --wait\n");
}

#[test]
fn run_passes_its_standard_input_on() {
    let server = Server::start();
    let mut command = s3_lock(&server, ["run", URL, "--", "cat"]);
    let ended = run_with_input(&mut command, "one\ntwo");
    assert_eq!((ended.code(), ended.stdout.as_str()), (Some(0), "one\ntwo"));
}

#[test]
fn run_says_nothing_of_its_own_if_all_goes_well() {
    let server = Server::start();
    let ended = run(&mut run_text(&server, &[], "echo out; echo err >&2"));
    assert_eq!(
        (ended.stdout.as_str(), ended.stderr.as_str()),
        ("out\n", "err\n")
    );
}

#[test]
fn run_takes_three_requests() {
    let server = Server::start();
    let ended = run(&mut run_text(&server, &[], "true"));
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    let requests = server.requests();
    let methods: Vec<_> = requests.iter().map(|one| one.method.as_str()).collect();
    assert_eq!(methods, ["GET", "PUT", "PUT"]);
}

#[test]
fn run_holds_the_lock_while_the_command_runs_and_releases_it_afterwards() {
    let server = Server::start();
    let mut command = s3_lock(&server, ["run", URL, "--", "cat"]);
    let mut running = Running::start(command.stdin(Stdio::piped()));
    is_held(&server);
    assert!(running.is_running());
    running.close_stdin();
    assert_eq!(running.end().code(), Some(0));
    assert_eq!(stored_state(&server).as_deref(), Some("released"));
}

#[test]
fn run_tells_the_store_what_the_lock_is_for() {
    let server = Server::start();
    let ended = run(&mut run_text(&server, &["--purpose", "the report"], "true"));
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    assert_eq!(stored(&server).unwrap()["purpose"], "the report");
}

#[test]
fn run_tells_of_processes_that_the_command_has_left_behind_and_releases_the_lock() {
    let server = Server::start();
    let ended = run(&mut run_text(&server, &[], "sleep 60 >&- 2>&- <&- &"));
    assert_eq!(ended.code(), Some(0));
    assert!(ended.stderr.contains("go on without the lock"), "{ended:?}");
    assert_eq!(stored_state(&server).as_deref(), Some("released"));
}

#[cfg(target_os = "linux")]
#[test]
fn run_as_the_first_process_of_a_container_tells_of_no_process_that_has_ended() {
    use std::os::unix::process::CommandExt;
    let server = Server::start();
    let text = "(true &); sleep 1; exit 3";
    let mut command = run_text(&server, &[], text);
    // Like a first process, it gets the children of those that have ended.
    // SAFETY: it is one system call, which a child may make between fork and exec.
    unsafe {
        command.pre_exec(
            || match libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            },
        );
    }
    let ended = run(&mut command);
    assert_eq!((ended.code(), ended.stderr.as_str()), (Some(3), ""));
}

#[test]
fn run_leaves_no_file_descriptor_of_its_own_to_the_command() {
    let server = Server::start();
    let mut command = s3_lock(&server, ["run", URL, "--", "ls", "/proc/self/fd"]);
    let ended = run(&mut command);
    let mut alone = Command::new("ls");
    let alone = alone
        .arg("/proc/self/fd")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(ended.stdout, String::from_utf8(alone.stdout).unwrap());
}

#[test]
fn run_as_the_first_process_of_a_container_takes_none_that_has_ended_for_one_that_goes_on() {
    let container = ["unshare", "--pid", "--fork", "--mount-proc"];
    let possible = Command::new(container[0])
        .args(&container[1..])
        .arg("true")
        .output();
    if !possible.is_ok_and(|tried| tried.status.success()) {
        // Not everybody may make one.
        return;
    }
    let server = Server::start();
    let command = run_text(&server, &[], "(sleep 0.2 &); sleep 0.5; echo $PPID; exit 3");
    let ended = run(&mut wrapped(&command, &container));
    let said = (ended.stdout.as_str(), ended.stderr.as_str());
    assert_eq!((ended.code(), said), (Some(3), ("1\n", "")));
}
