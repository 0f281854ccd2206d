//! `run`: acquires a lock, runs a command, releases the lock.

use std::process::ExitCode;
use std::time::Duration;

use s3_lock::{Client, LockError, LockGuard, LostCause, WaitHandle};

use crate::arguments::RunArguments;
use crate::output::causes::with_causes;
use crate::output::message;
use crate::supervise::acquire::{Acquire, lease};
use crate::supervise::acquired::acquired;
use crate::supervise::alarms::tell_not_released;
use crate::supervise::environment::Variables;
use crate::supervise::not_started::{not_found, not_started};
use crate::supervise::on_lost;
use crate::supervise::outcome::Outcome;
use crate::supervise::report::{Facts, ReportFile};
use crate::supervise::running::{self, Ended, NotStarted, Terms};
use crate::supervise::schedule::{SHORTEST_LEASE, longest_grace};
use crate::supervise::watchdog::{Orphan, Watchdog};
use crate::system::child::Program;
use crate::system::clock;
use crate::system::find;
use crate::system::process::End;
use crate::system::signals::Signals;
use crate::system::wall_clock;

/// Runs the command that the arguments name.
pub fn run(
    arguments: &RunArguments,
    request_timeout: Duration,
    client: impl FnOnce() -> Result<Client, LockError>,
) -> ExitCode {
    let mut facts = Facts {
        url: arguments.acquire.url.as_str().to_owned(),
        ..Facts::default()
    };
    let (report, outcome) = match arguments
        .report
        .as_deref()
        .map(ReportFile::open)
        .transpose()
    {
        Ok(report) => (
            report,
            outcome(arguments, request_timeout, client, &mut facts),
        ),
        Err(why) => (None, Outcome::Failed(why)),
    };
    let status = outcome.status(arguments.acquire.conflict_status());
    tell(&outcome, status);
    if let Some(report) = report {
        report.write(&outcome, &facts, status);
    }
    ExitCode::from(status)
}

fn tell(outcome: &Outcome, status: u8) {
    match outcome {
        // The command's own matter.
        Outcome::Ran(_) => {}
        // It was told before the command was ended.
        Outcome::Ended(..) => {}
        Outcome::ParentEnded => {}
        Outcome::Interrupted(_) => message::note("interrupted; the lock was not acquired"),
        Outcome::AlreadyDone(why) => message::note(why),
        Outcome::NotAcquired(why) if status == 0 => message::note(why),
        Outcome::NotAcquired(why) => message::warning(why),
        Outcome::NotFound(why)
        | Outcome::NotExecutable(why)
        | Outcome::LostBefore(why)
        | Outcome::LostAtRelease(_, why)
        | Outcome::NotMarked(_, why)
        | Outcome::Failed(why) => message::error(why),
    }
}

fn outcome(
    arguments: &RunArguments,
    request_timeout: Duration,
    client: impl FnOnce() -> Result<Client, LockError>,
    facts: &mut Facts,
) -> Outcome {
    let program = program(arguments);
    if let Err(why) = check(arguments, request_timeout, &program) {
        return why;
    }
    let handle = WaitHandle::new();
    // The watchdog first: it is a copy of this process, which must have no other thread yet.
    let prepared = Orphan::of(arguments.orphan);
    let prepared = Watchdog::start(prepared).and_then(|watchdog| Ok((watchdog, Signals::new()?)));
    let (watchdog, signals) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            return Outcome::Failed(format!("this machine gives s3-lock no process: {error}"));
        }
    };
    let label = arguments.once.as_deref();
    let acquire =
        client().and_then(|client| Acquire::new(&arguments.acquire, label, client, &handle));
    let acquire = match acquire {
        Ok(acquire) => acquire,
        Err(error) => return Outcome::Failed(with_causes(&error)),
    };
    facts.owner = acquire.owner().to_owned();
    let guard = match acquired(acquire, &handle, &signals, None, facts) {
        Ok(guard) => guard,
        Err(outcome) => return outcome,
    };
    with_lock(arguments, &program, guard, watchdog, &signals, facts)
}

fn program(arguments: &RunArguments) -> Program {
    match (&arguments.shell, arguments.command.split_first()) {
        (Some(text), _) => Program::of_shell(text),
        (None, Some((name, rest))) => Program {
            name: name.clone(),
            arguments: rest.to_vec(),
        },
        (None, None) => unreachable!("clap requires one of them"),
    }
}

/// Finds out what can be known before anybody waits.
fn check(
    arguments: &RunArguments,
    request_timeout: Duration,
    program: &Program,
) -> Result<(), Outcome> {
    let lease = lease(&arguments.acquire, request_timeout);
    if lease < SHORTEST_LEASE {
        return Err(Outcome::Failed(format!(
            "the lease, --max-operation + 2 x --request-timeout, must be at least {SHORTEST_LEASE:?}: nothing could be \
             ended in time with {lease:?}"
        )));
    }
    let longest = longest_grace(lease);
    if arguments.kill_after.is_some_and(|grace| grace > longest) {
        return Err(Outcome::Failed(format!(
            "--kill-after must be at most half of the lease, which is --max-operation + 2 x --request-timeout: write at \
             most {longest:?}, or a longer --max-operation"
        )));
    }
    if find::may_be_found(&program.name) {
        Ok(())
    } else {
        Err(not_found(program))
    }
}

/// From SIGTERM to SIGKILL, unless `--kill-after` says otherwise. Half of the lease if that is less.
const DEFAULT_GRACE: Duration = Duration::from_secs(5);

fn grace(arguments: &RunArguments, lease: Duration) -> Duration {
    let by_default = DEFAULT_GRACE.min(longest_grace(lease));
    arguments.kill_after.unwrap_or(by_default)
}

fn with_lock(
    arguments: &RunArguments,
    program: &Program,
    guard: LockGuard,
    watchdog: Watchdog,
    signals: &Signals,
    facts: &mut Facts,
) -> Outcome {
    let start = clock::now();
    let variables = Variables::of(&facts.url, &guard, wall_clock::now());
    facts.token = Some(guard.fencing_token().get());
    let terms = Terms {
        grace: grace(arguments, guard.info().lease()),
        latest_end: arguments.acquire.max_hold.map(|span| start + span),
        dies_with_us: !arguments.orphan,
    };
    let ended = running::run(program, variables.iter(), &guard, terms, watchdog, signals);
    let completes = arguments.once.is_some();
    let outcome = released(guard, ended, completes, program);
    facts.held = Some(clock::now().since(start));
    let is_ended = matches!(outcome, Outcome::Ended(..) | Outcome::LostAtRelease(..));
    if let (true, Some(text), Some(cause)) = (is_ended, &arguments.on_lost, outcome.cause()) {
        on_lost::run(text, &cause, &variables, signals);
    }
    outcome
}

/// Gives the lock back after the command.
fn released(
    guard: LockGuard,
    ended: Result<Ended, NotStarted>,
    completes: bool,
    program: &Program,
) -> Outcome {
    let ended = match ended {
        Ok(ended) => ended,
        Err(why) => {
            drop_with_warning(guard);
            return match why {
                NotStarted::Lost(why) => Outcome::LostBefore(why),
                NotStarted::System(error) => not_started(&error, program),
            };
        }
    };
    let end = ended.end;
    if let Some(why) = ended.why {
        drop_with_warning(guard);
        return Outcome::Ended(end, why);
    }
    let marks = completes && end == End::Exited(0);
    let released = if marks {
        guard.complete()
    } else {
        guard.release()
    };
    ended.tell_of_rest();
    match released {
        Ok(()) => Outcome::Ran(end),
        Err(LockError::Lost(cause)) => Outcome::LostAtRelease(end, lost(&cause)),
        Err(error) if marks => Outcome::NotMarked(end, with_causes(&error)),
        Err(error) => {
            tell_not_released(&error);
            Outcome::Ran(end)
        }
    }
}

fn lost(cause: &LostCause) -> String {
    format!("the command came to its end, but {cause}")
}

/// Releases a lock where that is not what matters most. A lost one is told otherwise.
fn drop_with_warning(guard: LockGuard) {
    match guard.release() {
        Ok(()) | Err(LockError::Lost(_)) => {}
        Err(error) => message::warning(&with_causes(&error)),
    }
}
