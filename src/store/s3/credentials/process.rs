//! Credentials from a command that a profile names: password managers, SSO helpers, the AWS CLI.

use std::io::{self, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use serde::Deserialize;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::clock::Clock;
use crate::error::{StorageErrorKind, seconds, shown};
use crate::store::s3::credentials::document;
use crate::store::s3::credentials::tools::{Failure, Found};

/// More than any credentials.
const MAX_OUTPUT: u64 = 64 << 10;
/// As much of what it says on its standard error is looked at.
const MAX_COMPLAINT: u64 = 4 << 10;
/// And as much of either is read at all, so that a chatty command can go on.
const MAX_READ: u64 = 16 << 20;
/// How long to wait for the last of that from a command that has failed.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// How often to look whether a command that has closed its output has ended, too.
const POLL: Duration = Duration::from_millis(5);

/// Runs `command` for at most `limit`, and reads what it prints. `origin` names it in errors.
pub(super) async fn run(
    command: &str,
    origin: &str,
    clock: &Clock,
    limit: Duration,
) -> Result<Found, Failure> {
    let words = words(command).ok_or_else(|| {
        Failure::config(format!(
            "{origin} is empty, or a quotation mark in it is not closed"
        ))
    })?;
    let mut running = start(words, origin).await?;
    let (stdout, mut stderr) = running.read();
    let finished = async {
        let output = stdout.await;
        running.ended(clock).await.map(|status| (output, status))
    };
    let limit_of_run = limit.saturating_sub(LAST_WORDS.min(limit / 10));
    let finished = tokio::time::timeout(limit_of_run, finished).await;
    // Ends it, if it runs still.
    drop(running);
    match finished {
        Ok(Ok((Ok(output), status))) if status.success() => credentials(&output, origin),
        Ok(Ok((_, status))) => Err(Failure::config(format!(
            "{origin} failed ({status}){}; run it by hand",
            said(&mut stderr).await
        ))),
        Ok(Err(error)) => Err(not_run(origin, &error)),
        Err(_) => Err(Failure::storage(
            StorageErrorKind::NoAnswer,
            format!(
                "{origin} did not end within {} and was stopped{}",
                seconds(&limit_of_run),
                said(&mut stderr).await
            ),
        )),
    }
}

/// The program and its arguments: quoted as for a shell, and nothing expanded.
fn words(command: &str) -> Option<Vec<String>> {
    let command = match cfg!(windows) {
        // There it separates folders.
        true => command.replace('\\', "\\\\"),
        false => command.to_owned(),
    };
    shlex::split(&command).filter(|words| !words.is_empty())
}

/// Starts a command without blocking who drives the runtime: its program may be on a slow disk.
async fn start(words: Vec<String>, origin: &str) -> Result<Running, Failure> {
    let started = spawn_blocking(move || {
        let (program, arguments) = words.split_first().expect("a command has a word");
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        child.map(|child| Running { child: Some(child) })
    });
    let started = started.await.unwrap_or_else(|e| Err(io::Error::other(e)));
    started.map_err(|error| not_run(origin, &error))
}

fn not_run(origin: &str, error: &io::Error) -> Failure {
    Failure::config(format!(
        "{origin} cannot be run: {error}; check its program"
    ))
}

/// A command that was started. Dropped, it is stopped if it runs still, and leaves no zombie.
struct Running {
    child: Option<Child>,
}

impl Running {
    /// Reads both of its outputs, beside each other: it may wait for either to be read.
    fn read(&mut self) -> (JoinHandle<Vec<u8>>, JoinHandle<Vec<u8>>) {
        let child = self.child.as_mut();
        let (out, err) = child.map_or((None, None), |c| (c.stdout.take(), c.stderr.take()));
        (
            spawn_blocking(|| beginning(out, MAX_OUTPUT)),
            spawn_blocking(|| beginning(err, MAX_COMPLAINT)),
        )
    }

    async fn ended(&mut self, clock: &Clock) -> io::Result<ExitStatus> {
        loop {
            if let Some(child) = &mut self.child {
                if let Some(status) = child.try_wait()? {
                    return Ok(status);
                }
            }
            clock.sleep(POLL).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        if matches!(child.try_wait(), Ok(Some(_))) {
            return;
        }
        // An error says that it has ended by itself.
        let _ = child.kill();
        // It ends at once, but not before this returns; and a disk that hangs may hold it.
        let reaper = thread::Builder::new().name("s3-lock-reaper".to_owned());
        if let Err(error) = reaper.spawn(move || child.wait()) {
            log::debug!("no thread to wait for a stopped command: {error}");
        }
    }
}

/// Reads a pipe to its end, and keeps the first `most` bytes and one more.
fn beginning(pipe: Option<impl Read>, most: u64) -> Vec<u8> {
    let mut start = Vec::new();
    if let Some(mut pipe) = pipe {
        // What was read before an error counts; the exit status tells the rest.
        let _ = pipe.by_ref().take(most + 1).read_to_end(&mut start);
        let _ = io::copy(&mut pipe.take(MAX_READ), &mut io::sink());
    }
    start
}

/// What the command has complained of, as the end of a sentence.
async fn said(stderr: &mut JoinHandle<Vec<u8>>) -> String {
    // A child of its own may hold the pipe open.
    match tokio::time::timeout(LAST_WORDS, stderr).await {
        Ok(Ok(bytes)) => match shown(&String::from_utf8_lossy(&bytes)) {
            text if text.is_empty() => String::new(),
            text => format!(" and said: {text}"),
        },
        _ => String::new(),
    }
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "Version")]
    version: u64,
}

fn credentials(output: &[u8], origin: &str) -> Result<Found, Failure> {
    match serde_json::from_slice(output) {
        Ok(Envelope { version: 1 }) => document::read(output, origin),
        // Nothing of it is quoted: it may be a secret in another form.
        _ => Err(Failure::config(format!(
            "{origin} did not print the JSON that is wanted: {{\"Version\": 1, \"AccessKeyId\": \
             \"...\", \"SecretAccessKey\": \"...\"}}, with SessionToken and Expiration if need be"
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
        assert_eq!(beginning(Some(&b"abcdef"[..]), 3), b"abcd");
        assert_eq!(beginning(None::<&[u8]>, 3), b"");
    }
}
