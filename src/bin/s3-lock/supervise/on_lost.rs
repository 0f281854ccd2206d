//! What `--on-lost` runs.

use std::time::Duration;

use rustix::process::Signal;

use crate::output::message;
use crate::supervise::environment::Variables;
use crate::system::child::{self, Program};
use crate::system::clock;
use crate::system::events::Waiter;
use crate::system::process::{self, Change};
use crate::system::signals::{ENDING, Signals};

/// How long it may take.
const LIMIT: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(100);

/// Runs a text with the shell and waits for it, a minute at the most. A signal ends it.
pub fn run(text: &str, cause: &str, variables: &Variables, signals: &Signals) {
    if let Err(error) = run_and_wait(text, cause, variables, signals) {
        message::error(&format!("--on-lost could not be run: {error}"));
    }
}

fn run_and_wait(
    text: &str,
    cause: &str,
    variables: &Variables,
    signals: &Signals,
) -> std::io::Result<()> {
    // The system forgets how children end, and that they do, where this signal is ignored.
    signals.collect_always(Signal::CHILD)?;
    let waiter = Waiter::new()?;
    let cause = [("S3_LOCK_CAUSE", cause.as_ref())];
    let shell = child::start(
        &Program::of_shell(text),
        variables.iter().chain(cause),
        None,
    )?;
    // Those that came before were for the command.
    let _ = signals.received();
    let latest = clock::now() + LIMIT;
    loop {
        if let Some(Change::Ended(_)) = process::change_of(shell) {
            return Ok(());
        }
        let received = signals.received();
        let is_told = received
            .iter()
            .any(|received| ENDING.contains(&received.signal));
        if is_told || clock::now() >= latest {
            message::warning("--on-lost takes too long, or a signal came: it is ended");
            process::signal_group(shell, Signal::KILL);
            process::reap(shell);
            return Ok(());
        }
        waiter.wait(&[signals.fd()], Some(clock::now() + LOOK));
    }
}
