//! Runs the program, and ends it and whatever it has started, however a test ends.

mod processes;

pub use processes::signal;

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::support::{ACCESS_KEY, REGION, SECRET_KEY, Server};

/// How long a program may take that a test waits for: far longer than any does.
const LIMIT: Duration = Duration::from_secs(60);

/// The program, with these arguments, set up for a server by its environment. Nothing of the test's own
/// environment reaches it but `PATH`.
///
/// The store is not checked first, which takes a dozen requests: [`bare`] leaves that to the arguments.
pub fn s3_lock<S: AsRef<OsStr>>(
    server: &Server,
    arguments: impl IntoIterator<Item = S>,
) -> Command {
    let first = [OsString::from("--assume-conditional-writes")];
    let all = arguments.into_iter().map(|one| one.as_ref().to_owned());
    let mut command = bare(first.into_iter().chain(all));
    command
        .env("AWS_ENDPOINT_URL_S3", server.endpoint())
        .env("AWS_REGION", REGION)
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    command
}

/// The program with these arguments and no store.
pub fn bare<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_s3-lock"));
    command
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        // A developer's own profiles and a cloud's own credentials must not be found.
        .env("HOME", "/nonexistent")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("no_proxy", "127.0.0.1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// What a program that has ended has said.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// What it exited with; `None` if a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Its standard output, which must be one JSON value.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Ended {
    Running::start(command).end()
}

/// Runs a command that is given a standard input.
pub fn run_with_input(command: &mut Command, input: &str) -> Ended {
    let mut running = Running::start(command.stdin(Stdio::piped()));
    let mut stdin = running.child.stdin.take().expect("it is piped");
    // It may end without having read it.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    running.end()
}

/// A program that runs. It and all that it has started are killed when this is dropped, whatever groups and
/// sessions they have made.
pub struct Running {
    child: Child,
    mark: String,
    stdout: Heard,
    stderr: Heard,
}

impl Running {
    /// Starts a command in a process group of its own.
    pub fn start(command: &mut Command) -> Running {
        command.process_group(0);
        Running::start_in_its_group(command)
    }

    /// Starts a command that makes a session or group of its own, or that is to stay in the test's.
    pub fn start_in_its_group(command: &mut Command) -> Running {
        let mark = processes::new_mark();
        let mut child = command
            .env(processes::MARK, &mark)
            .spawn()
            .expect("the program starts");
        let stdout = child.stdout.take().map(Heard::start).unwrap_or_default();
        let stderr = child.stderr.take().map(Heard::start).unwrap_or_default();
        Running {
            child,
            mark,
            stdout,
            stderr,
        }
    }

    /// Ends its standard input, which must be piped.
    pub fn close_stdin(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal, and none to what it has started.
    pub fn signal(&self, signal: i32) {
        processes::signal(self.pid(), signal);
    }

    /// Waits until its standard output has a line that contains `text`, and returns that line.
    pub fn stdout_line(&self, text: &str) -> String {
        self.line(&self.stdout, text)
    }

    /// Waits until its standard error has a line that contains `text`, and returns that line.
    pub fn stderr_line(&self, text: &str) -> String {
        self.line(&self.stderr, text)
    }

    /// Its standard output so far.
    pub fn stdout_so_far(&self) -> String {
        self.stdout.text().clone()
    }

    /// Its standard error so far.
    pub fn stderr_so_far(&self) -> String {
        self.stderr.text().clone()
    }

    /// Whether it is still running.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("it is our child").is_none()
    }

    /// The processes that it has started, and theirs, that still run.
    pub fn descendants(&self) -> Vec<i32> {
        let all = processes::marked(&self.mark).into_iter();
        all.filter(|id| *id != self.pid()).collect()
    }

    /// Waits for its end, and for no longer than a test may take.
    pub fn end(self) -> Ended {
        self.end_or(String::new)
    }

    /// The same. If it does not end, this tells what else is known of it.
    pub fn end_or(mut self, known: impl Fn() -> String) -> Ended {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                break status;
            }
            if start.elapsed() > LIMIT {
                let said = (self.stdout_so_far(), self.stderr_so_far(), known());
                panic!("it has not ended after {LIMIT:?}: {said:?}");
            }
            thread::sleep(Duration::from_millis(2));
        };
        // What it has left behind would keep the pipes open.
        let patience = Duration::from_secs(5);
        Ended {
            status,
            stdout: self.stdout.all_within(patience),
            stderr: self.stderr.all_within(patience),
        }
    }

    fn line(&self, heard: &Heard, text: &str) -> String {
        let start = Instant::now();
        loop {
            if let Some(line) = heard.text().lines().find(|line| line.contains(text)) {
                return line.to_owned();
            }
            if start.elapsed() > LIMIT || heard.has_ended() {
                let said = (self.stdout_so_far(), self.stderr_so_far());
                panic!("it has not said {text:?}: {said:?}");
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    fn pid(&self) -> i32 {
        self.child.id().try_into().expect("process ids are small")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that was reaped may have given its id to another process.
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        processes::kill_marked(&self.mark);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn what_a_test_leaves_running_is_killed_whatever_sessions_it_has_made() {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "setsid sleep 1000 & trap '' TERM; echo started; wait"])
        .stdout(Stdio::piped());
    let running = Running::start(&mut shell);
    running.stdout_line("started");
    let mark = running.mark.clone();
    assert!(!processes::marked(&mark).is_empty());
    drop(running);
    assert!(processes::marked(&mark).is_empty());
}

/// What came out of a pipe so far.
#[derive(Default)]
struct Heard {
    text: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Heard {
    fn start(pipe: impl Read + Send + 'static) -> Heard {
        let text = Arc::<Mutex<String>>::default();
        let heard = Arc::clone(&text);
        let reader = thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut bytes = Vec::new();
            while pipe
                .read_until(b'\n', &mut bytes)
                .is_ok_and(|read| read > 0)
            {
                let text = String::from_utf8_lossy(&bytes);
                heard.lock().expect("no reader panics").push_str(&text);
                bytes.clear();
            }
        });
        Heard {
            text,
            reader: Some(reader),
        }
    }

    fn text(&self) -> MutexGuard<'_, String> {
        self.text.lock().expect("no reader panics")
    }

    fn has_ended(&self) -> bool {
        self.reader.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// All of it, if whoever writes there ends in time; else what there is.
    fn all_within(&self, patience: Duration) -> String {
        let start = Instant::now();
        while !self.has_ended() && start.elapsed() < patience {
            thread::sleep(Duration::from_millis(2));
        }
        self.text().clone()
    }
}
