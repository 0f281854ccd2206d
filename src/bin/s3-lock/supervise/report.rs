//! The report of a run: one JSON object in a file.

use std::fs::File;
use std::io;
use std::io::Write;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::output::message;
use crate::supervise::outcome::{Outcome, status_of};
use crate::system::process::End;

const STDOUT: &str = "/dev/stdout";
const STDERR: &str = "/dev/stderr";

/// A file that will get a report.
pub struct ReportFile {
    path: PathBuf,
    file: File,
}

/// What is known of a run.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    pub url: String,
    pub owner: String,
    pub token: Option<u64>,
    pub waited: Duration,
    pub held: Option<Duration>,
}

impl ReportFile {
    /// Empties or makes the file. So nobody takes an earlier report for this run's, whatever happens.
    pub fn open(path: &Path) -> Result<ReportFile, String> {
        let file = opened(path);
        let file =
            file.map_err(|error| format!("--report: cannot write to {}: {error}", path.display()))?;
        Ok(ReportFile {
            path: path.to_owned(),
            file,
        })
    }

    /// Writes the report. If that fails, the file stays empty, and the exit status what it is: the command has run.
    pub fn write(mut self, outcome: &Outcome, facts: &Facts, exit_status: u8) {
        let text = format!("{}\n", report(outcome, facts, exit_status));
        if let Err(error) = self.file.write_all(text.as_bytes()) {
            if !is_shared(&self.path) {
                // It is no regular file if this fails.
                let _ = self.file.set_len(0);
            }
            let path = self.path.display();
            message::error(&format!("cannot write the report to {path}: {error}"));
        }
    }
}

fn opened(path: &Path) -> io::Result<File> {
    if path == Path::new(STDOUT) {
        Ok(io::stdout().as_fd().try_clone_to_owned()?.into())
    } else if path == Path::new(STDERR) {
        Ok(io::stderr().as_fd().try_clone_to_owned()?.into())
    } else {
        File::create(path)
    }
}

/// Whether others write to it, too. To open it anew would write over what they wrote.
fn is_shared(path: &Path) -> bool {
    path == Path::new(STDOUT) || path == Path::new(STDERR)
}

fn report(outcome: &Outcome, facts: &Facts, exit_status: u8) -> Value {
    let signal = match outcome.end() {
        Some(End::Killed(signal)) => Some(signal),
        _ => None,
    };
    json!({
        "outcome": outcome.name(),
        "cause": outcome.cause(),
        "exit_status": exit_status,
        "status": outcome.end().map(status_of),
        "signal": signal,
        "url": facts.url,
        "owner": Some(&facts.owner).filter(|owner| !owner.is_empty()),
        "token": facts.token,
        "waited": seconds(facts.waited),
        "held": facts.held.map(seconds),
    })
}

/// To the millisecond.
fn seconds(span: Duration) -> f64 {
    (span.as_secs_f64() * 1000.0).round() / 1000.0
}
