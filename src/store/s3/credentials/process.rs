//! Credentials from a command that a profile names: password managers, SSO helpers, the AWS CLI.

use std::io::{self, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rusoto_core::credential::AwsCredentials;
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::sync::oneshot;

use crate::protocol::quote::shown;
use crate::store::s3::blocking::BlockingThreads;
use crate::store::s3::credentials::context::LookUpContext;
use crate::store::s3::credentials::errors::{failed, misconfigured};
use crate::store::s3::credentials::json;
use crate::store::s3::credentials::not_run;
use crate::sys::clock::Clock;
use crate::sys::logs;
use crate::sys::sync::lock;
use crate::types::errors::{LockError, StorageErrorKind};
use crate::types::text::seconds;

/// How long a command may take. It fits into the minute that a call waits for credentials. AWS's SDK for Go
/// gives it a minute, too (`DefaultTimeout` of its package `processcreds`).
const COMMAND: Duration = Duration::from_secs(55);
/// More bytes than any credentials have.
const MAX_OUTPUT: usize = 64 << 10;
/// How much of the end of its standard error is looked at.
const MAX_COMPLAINT: usize = 4 << 10;
/// How much of either output is read at all, so that a command that writes a lot can go on.
const MAX_READ: usize = 16 << 20;
/// How long to wait for the rest of the standard error of a command that has failed.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// How long an output may stay open after its command has ended: a child of the command may keep it
/// open.
const LINGER: Duration = Duration::from_millis(100);
/// The same if what has come so far is no whole JSON: on a busy machine the rest may not have been read yet.
const LINGER_FOR_THE_REST: Duration = Duration::from_secs(2);
/// How often to check whether a command has ended.
const POLL: Duration = Duration::from_millis(5);

/// Runs `command`, and reads what it prints. `origin` names it in errors.
pub(super) async fn run(
    command: &str,
    origin: &str,
    context: &LookUpContext,
) -> Result<AwsCredentials, LockError> {
    let words = words(command).ok_or_else(|| {
        misconfigured(format!(
            "{origin} is empty, or a quotation mark in it is not closed"
        ))
    })?;
    let program = words.first().cloned().unwrap_or_default();
    let mut outputs = None;
    let finished = async {
        let (mut running, both) = start(words, &context.threads).await?;
        outputs = Some(both);
        Ok(running.ended(&context.clock).await)
    };
    // On a timeout this ends the command, if it still runs.
    let finished = context.clock.within(COMMAND, finished).await;
    let (stdout, stderr) = outputs.unzip();
    let stdout = if finished.is_some() {
        whole(stdout).await
    } else {
        text(stdout, Duration::ZERO).await
    };
    match finished {
        Some(Err(error)) => Err(not_run(origin, &program, &error)),
        // In a program that ignores SIGCHLD the system keeps no status.
        Some(Ok(End::Exit(None))) => credentials(&stdout, origin),
        Some(Ok(End::Exit(Some(status)))) if status.success() => credentials(&stdout, origin),
        Some(Ok(End::AtTerminal)) => Err(misconfigured(format!(
            "{origin} asked something on the terminal and was stopped: a lock cannot wait for a person \
             there; use a command that asks nothing, or that asks in a window of its own"
        ))),
        Some(Ok(End::Exit(Some(status)))) => Err(misconfigured(format!(
            "{origin} failed ({status}){}; run it by hand",
            said(&text(stderr, LAST_WORDS).await, &stdout)
        ))),
        None => Err(failed(
            StorageErrorKind::NoAnswer,
            format!(
                "{origin} did not end within {} and was stopped{}",
                seconds(&COMMAND),
                said(&text(stderr, LAST_WORDS).await, &stdout)
            ),
        )),
    }
}

/// The program and its arguments. They are quoted as for a shell, but nothing is expanded.
fn words(command: &str) -> Option<Vec<String>> {
    // On Windows a backslash separates folders.
    let backslash = if cfg!(windows) { "\\\\" } else { "\\" };
    let command = command.replace('\\', backslash);
    shlex::split(&command).filter(|words| !words.is_empty())
}

/// Starts a command, and reads both of its outputs at once: it may block until either is read. This
/// does not block the runtime, although the program may be on a slow disk.
async fn start(
    words: Vec<String>,
    threads: &BlockingThreads,
) -> io::Result<(Running, (Output, Output))> {
    let spawned = threads.run("command", move || {
        let (program, arguments) = words.split_first().expect("a command has a word");
        let mut command = Command::new(program);
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        lead_a_group(&mut command);
        command.spawn().map(|mut child| {
            let pipes = (child.stdout.take(), child.stderr.take());
            (Running { child: Some(child) }, pipes)
        })
    });
    let (running, (out, err)) = spawned.await??;
    let out = Output::of(out, Kept::Start(MAX_OUTPUT), threads).await?;
    let err = Output::of(err, Kept::End(MAX_COMPLAINT), threads).await?;
    Ok((running, (out, err)))
}

fn not_run(origin: &str, program: &str, error: &io::Error) -> LockError {
    if let io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory = error.kind() {
        let what = format!("{origin} cannot be run: no thread or process for it ({error})");
        return failed(StorageErrorKind::Local, what);
    }
    let why = not_run::why(program, error);
    misconfigured(format!("{origin} cannot be run: {why}"))
}

/// The command's own children are stopped with it. Otherwise a script around a program that hangs
/// would leave the program behind, once for each attempt.
fn lead_a_group(command: &mut Command) {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    #[cfg(not(unix))]
    let _ = command;
}

/// A command that was started. Dropping it stops the command if it still runs, and leaves no
/// zombie.
struct Running {
    child: Option<Child>,
}

/// What became of a command.
enum End {
    /// It ended, in this way if the system tells.
    Exit(Option<ExitStatus>),
    /// It waits for the terminal, which is not its own: it has a process group of its own.
    AtTerminal,
}

impl Running {
    async fn ended(&mut self, clock: &Clock) -> End {
        loop {
            let Some(child) = &mut self.child else {
                return End::Exit(None);
            };
            match child.try_wait() {
                Ok(Some(status)) => return End::Exit(Some(status)),
                Ok(None) if waits_for_terminal(child) => return End::AtTerminal,
                Ok(None) => clock.sleep(POLL).await,
                // It is gone, and another process may have its number by now.
                Err(_) => self.child = None,
            }
        }
    }
}

/// Whether the system has suspended a command because it reads from the terminal or sets it up.
#[cfg(all(unix, not(target_os = "openbsd")))]
fn waits_for_terminal(child: &Child) -> bool {
    use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, waitid};
    let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    // This takes no notice of an exit, which is left for `try_wait`.
    let options = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    let state = id.and_then(|id| waitid(WaitId::Pid(id), options).ok().flatten());
    let signal = state.and_then(|state| state.stopping_signal());
    let at_terminal = [Signal::TTIN, Signal::TTOU].map(Signal::as_raw);
    signal.is_some_and(|signal| at_terminal.contains(&signal))
}

#[cfg(not(all(unix, not(target_os = "openbsd"))))]
fn waits_for_terminal(_: &Child) -> bool {
    false
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        stop(&mut child);
        // The child ends soon, but not before this returns, and a disk that hangs may delay it.
        let reaper = thread::Builder::new().name("s3-lock-reaper".to_owned());
        if let Err(error) = reaper.spawn(move || child.wait()) {
            logs::debug!("no thread to wait for a stopped command: {error}");
        }
    }
}

/// Stops a command that was not waited for yet, and its children.
fn stop(child: &mut Child) {
    #[cfg(unix)]
    {
        use rustix::process::{Pid, Signal, kill_process_group};
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        // An error means that it has ended by itself.
        let _ = group.map(|group| kill_process_group(group, Signal::KILL));
    }
    #[cfg(not(unix))]
    let _ = child.kill();
}

/// Which part of an output is kept.
#[derive(Clone, Copy)]
enum Kept {
    /// So many bytes from its start, and one more.
    Start(usize),
    /// So many bytes before its end.
    End(usize),
}

/// One of a command's outputs, which is read as it comes.
struct Output {
    kept: Arc<Mutex<Vec<u8>>>,
    end: oneshot::Receiver<()>,
}

impl Output {
    async fn of(
        pipe: Option<impl Read + Send + 'static>,
        part: Kept,
        threads: &BlockingThreads,
    ) -> io::Result<Output> {
        let kept = Arc::new(Mutex::default());
        let keep = kept.clone();
        let end = threads.start("command-out", move || {
            if let Some(pipe) = pipe {
                read(pipe, part, &keep);
            }
        });
        let end = end.await?;
        Ok(Output { kept, end })
    }
}

impl Kept {
    fn add(self, chunk: &[u8], kept: &mut Vec<u8>) {
        match self {
            Kept::Start(most) => {
                let room = (most + 1).saturating_sub(kept.len());
                kept.extend_from_slice(&chunk[..chunk.len().min(room)]);
            }
            Kept::End(most) => {
                kept.extend_from_slice(chunk);
                let too_many = kept.len().saturating_sub(most);
                kept.drain(..too_many);
            }
        }
    }
}

/// Reads a pipe to its end, and keeps a part of it.
fn read(mut pipe: impl Read, part: Kept, kept: &Mutex<Vec<u8>>) {
    let mut chunk = [0; 4096];
    let mut total = 0;
    while total < MAX_READ {
        match pipe.read(&mut chunk) {
            Ok(0) => return,
            Ok(count) => {
                total += count;
                part.add(&chunk[..count], &mut lock(kept));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // What was read before counts. The exit status tells the rest.
            Err(_) => return,
        }
    }
}

/// What an output has brought by its end. If a child of the command keeps it open: what is whole JSON by
/// then.
async fn whole(output: Option<Output>) -> Vec<u8> {
    let Some(Output { kept, mut end }) = output else {
        return Vec::new();
    };
    let is_json = || serde_json::from_slice::<IgnoredAny>(&lock(&kept)).is_ok();
    let is_open = tokio::time::timeout(LINGER, &mut end).await.is_err();
    if is_open && !is_json() {
        let _ = tokio::time::timeout(LINGER_FOR_THE_REST, end).await;
    }
    let kept = lock(&kept);
    kept.clone()
}

/// What an output has brought by its end, or after `patience`.
async fn text(output: Option<Output>, patience: Duration) -> Vec<u8> {
    let Some(Output { kept, end }) = output else {
        return Vec::new();
    };
    let _ = tokio::time::timeout(patience, end).await;
    let kept = lock(&kept);
    kept.clone()
}

/// The command's standard error, as the end of a sentence.
fn said(stderr: &[u8], stdout: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    if may_hold_a_secret(&text, &String::from_utf8_lossy(stdout)) {
        return " and said something that may hold a secret, so it is not repeated".to_owned();
    }
    match shown(telling_line(&text)) {
        text if text.is_empty() => String::new(),
        text => format!(" and said: {text}"),
    }
}

/// The line that says what is wrong: the last that speaks of a failure, else the last. Programs in Python
/// print where they failed first, others print their usage last.
fn telling_line(text: &str) -> &str {
    const SIGNS: [&str; 9] = [
        "error",
        "fail",
        "expired",
        "denied",
        "invalid",
        "cannot",
        "could not",
        "not found",
        "no such",
    ];
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    let tells = |line: &&str| {
        let line = line.to_ascii_lowercase();
        SIGNS.iter().any(|sign| line.contains(sign))
    };
    let last = lines().next_back();
    lines().rfind(tells).or(last).unwrap_or_default()
}

/// Whether the text names a secret, as a shell does after `set -x`, looks like one, or repeats a long word
/// of the output, which may be one.
fn may_hold_a_secret(complaint: &str, output: &str) -> bool {
    let plain = complaint
        .to_ascii_lowercase()
        .replace(['_', '-', ' ', '"', '\''], "");
    let names = [
        "secretaccesskey",
        "secretkey",
        "sessiontoken",
        "awssecret",
        "authorization:",
        "bearer",
        "password=",
        "password:",
        "token=",
        "secret=",
    ];
    let mut words = output.split(|c| !in_word(c));
    names.iter().any(|name| plain.contains(name))
        || complaint.split_whitespace().any(has_a_user)
        || complaint.split(|c| !in_word(c)).any(looks_random)
        || words.any(|word| word.len() >= 12 && complaint.contains(word))
}

fn in_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || "+/=_-.".contains(c)
}

/// Whether a URL in this word has a user and perhaps a password.
fn has_a_user(word: &str) -> bool {
    let authority = word.split_once("://").map(|(_, rest)| rest);
    let authority = authority.and_then(|rest| rest.split(['/', '?', '#']).next());
    authority.is_some_and(|authority| authority.contains('@'))
}

/// Whether a word looks like a key or a token, and not like a path, a name with an ARN's role in it, or an
/// id that has dashes.
fn looks_random(word: &str) -> bool {
    let is_name =
        word.starts_with(['/', '.', '-']) || word.contains("role/") || word.contains("user/");
    let mut runs = word.split(['.', '-']);
    !is_name
        && runs.any(|run| {
            let has = |kind: fn(&char) -> bool| run.chars().any(|c| kind(&c));
            let is_mixed = has(char::is_ascii_uppercase) && has(char::is_ascii_lowercase);
            has(char::is_ascii_digit) && (run.len() >= 32 || run.len() >= 16 && is_mixed)
        })
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "Version")]
    version: u64,
}

fn credentials(output: &[u8], origin: &str) -> Result<AwsCredentials, LockError> {
    match serde_json::from_slice(output) {
        Ok(Envelope { version: 1 }) => json::read(output, origin),
        // Not quoted: the output may be a secret in another form.
        _ => Err(misconfigured(format!(
            "{origin} did not print the JSON that is expected: {{\"Version\": 1, \"AccessKeyId\": \
             \"...\", \"SecretAccessKey\": \"...\"}}, and SessionToken and Expiration if there are any"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(not(windows))]
    fn words_are_quoted_as_for_a_shell_and_nothing_is_expanded() {
        let split = words(r#"/bin/get 'two words' "a \"b\"" c\ d $HOME *"#);
        let expected = ["/bin/get", "two words", "a \"b\"", "c d", "$HOME", "*"];
        assert_eq!(split.unwrap(), expected);
    }

    #[test]
    fn an_open_quotation_mark_and_an_empty_command_are_refused() {
        assert_eq!(words("get 'keys"), None);
        assert_eq!(words("  "), None);
    }

    #[test]
    fn no_more_than_the_beginning_of_an_output_is_kept() {
        let kept = Mutex::default();
        read(&b"abcdef"[..], Kept::Start(3), &kept);
        assert_eq!(*lock(&kept), b"abcd");
    }

    #[test]
    fn of_a_complaint_no_more_than_the_end_is_kept() {
        let kept = Mutex::default();
        read(&b"abcdef"[..], Kept::End(3), &kept);
        assert_eq!(*lock(&kept), b"def");
    }

    #[test]
    fn the_line_that_tells_is_the_last_that_speaks_of_a_failure() {
        for (text, line) in [
            ("", ""),
            (
                "\n\nThe SSO session has expired. Run aws sso login\n",
                "The SSO session has expired. Run aws sso login",
            ),
            (
                "Traceback (most recent call last):\n  File \"x\", line 1\nKeyError: 'a'\n",
                "KeyError: 'a'",
            ),
            (
                "get-keys: no such vault\nusage: get-keys VAULT\n  -h  help\n",
                "get-keys: no such vault",
            ),
            ("one\ntwo\n", "two"),
        ] {
            assert_eq!(telling_line(text), line);
        }
    }

    #[test]
    fn a_complaint_that_names_or_repeats_a_secret_is_not_repeated() {
        for complaint in [
            "+ K='{\"SecretAccessKey\":\"s\"}'",
            "+ export AWS_SECRET_ACCESS_KEY=s",
            "aws_session_token = s",
            "+ echo hunter2-hunter2",
        ] {
            let told = said(complaint.as_bytes(), b"key: \"hunter2-hunter2\"");
            assert!(told.ends_with("is not repeated"), "{told}");
        }
        for complaint in [
            "error: token AKIAIOSFODNN7EXAMPLE/K7MDENGbPxRfiCY is invalid",
            "error: https://me:pass@vault/v1",
            "curl: error at https://vault/v1?token=s",
            "Authorization: Bearer s failed",
            "error: \"password\": \"s\"",
            "error: 0123456789abcdef0123456789abcdef",
        ] {
            let told = said(complaint.as_bytes(), b"");
            assert!(told.ends_with("is not repeated"), "{complaint}: {told}");
        }
        for complaint in [
            "An error occurred (ExpiredToken): The security token included in the request is expired",
            "error: arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_Admin_0123456789abcdef/me: denied",
            "error: /home/me/Some0Place/of0Mine: not found",
            "error: request 01234567-89ab-cdef-0123-456789abcdef failed",
        ] {
            assert!(
                said(complaint.as_bytes(), b"").contains("and said: "),
                "{complaint}"
            );
        }
        assert_eq!(said(b"expired\n", b"hunter2-hunter2"), " and said: expired");
        assert_eq!(said(b"", b"hunter2-hunter2"), "");
    }
}
