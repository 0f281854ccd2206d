//! `hold`: holds a lock for a script, until it is told to stop.

use std::process::ExitCode;
use std::time::Duration;

use s3_lock::{Client, LockError, LockGuard, WaitHandle};
use serde_json::json;

use crate::arguments::HoldArguments;
use crate::output::causes::with_causes;
use crate::output::exit;
use crate::output::{message, stdout};
use crate::supervise::acquire::Acquire;
use crate::supervise::acquired::acquired;
use crate::supervise::alarms::{Alarm, tell_not_released};
use crate::supervise::environment::Variables;
use crate::supervise::on_lost;
use crate::supervise::outcome::Outcome;
use crate::supervise::report::Facts;
use crate::system::clock::{self, Moment};
use crate::system::events::Waiter;
use crate::system::parent::Parent;
use crate::system::signals::{ENDING, Received, Signals};
use crate::system::wall_clock;

/// Why a lock is not held any longer.
enum Over {
    /// By a signal, or because the parent has ended.
    ToldToStop,
    MaxHold,
    Lost(String),
}

/// How often to look how long the lease still runs.
const LOOK: Duration = Duration::from_secs(1);

/// Holds the lock that the arguments name.
pub fn hold(
    arguments: &HoldArguments,
    client: impl FnOnce() -> Result<Client, LockError>,
) -> ExitCode {
    match held(arguments, client) {
        Ok(status) => ExitCode::from(status),
        Err(why) => {
            message::error(&why);
            ExitCode::from(exit::OWN_FAILURE)
        }
    }
}

fn held(
    arguments: &HoldArguments,
    client: impl FnOnce() -> Result<Client, LockError>,
) -> Result<u8, String> {
    let parent = arguments.parent.map(Parent::watch).transpose();
    let parent = parent.map_err(|_| "--parent: there is no such process".to_owned())?;
    let signals = Signals::new().map_err(|error| error.to_string())?;
    let handle = WaitHandle::new();
    let mut facts = Facts {
        url: arguments.acquire.url.as_str().to_owned(),
        ..Facts::default()
    };
    let acquire =
        client().and_then(|client| Acquire::new(&arguments.acquire, None, client, &handle));
    let acquire = acquire.map_err(|error| with_causes(&error))?;
    let guard = match acquired(acquire, &handle, &signals, parent.as_ref(), &mut facts) {
        Ok(guard) => guard,
        Err(Outcome::Failed(why)) => return Err(why),
        Err(outcome) => {
            let why = outcome.cause();
            why.iter().for_each(|why| message::note(why));
            return Ok(outcome.status(arguments.acquire.conflict_status()));
        }
    };
    let variables = Variables::of(&facts.url, &guard, wall_clock::now());
    tell(arguments, &variables, &guard).map_err(|error| {
        format!("the lock is released: cannot write to standard output: {error}")
    })?;
    let latest = arguments.acquire.max_hold.map(|span| clock::now() + span);
    let over =
        until_over(&guard, latest, parent.as_ref(), &signals).map_err(|error| error.to_string())?;
    Ok(end(over, guard, arguments, &variables, &signals))
}

/// Says that the lock is held.
fn tell(
    arguments: &HoldArguments,
    variables: &Variables,
    guard: &LockGuard,
) -> std::io::Result<()> {
    if !arguments.json {
        return stdout::print(&variables.for_shell());
    }
    let told = json!({
        "url": arguments.acquire.url.as_str(),
        "owner": guard.owner(),
        "token": guard.fencing_token().get(),
        "deadline": variables.deadline(),
    });
    stdout::print(&format!("{told}\n"))
}

fn until_over(
    guard: &LockGuard,
    latest: Option<Moment>,
    parent: Option<&Parent>,
    signals: &Signals,
) -> std::io::Result<Over> {
    let alarm = Alarm::of(guard)?;
    let waiter = Waiter::new()?;
    loop {
        if let Err(error) = guard.check() {
            return Ok(Over::Lost(with_causes(&error)));
        }
        if latest.is_some_and(|latest| clock::now() >= latest) {
            return Ok(Over::MaxHold);
        }
        let is_told = |received: &Received| ENDING.contains(&received.signal);
        if signals.received().iter().any(is_told) || parent.is_some_and(Parent::has_ended) {
            return Ok(Over::ToldToStop);
        }
        wait(&waiter, latest, parent, signals, &alarm);
    }
}

fn wait(
    waiter: &Waiter,
    latest: Option<Moment>,
    parent: Option<&Parent>,
    signals: &Signals,
    alarm: &Alarm,
) {
    let look = clock::now() + LOOK;
    let mut pipes = vec![signals.fd(), alarm.fd()];
    pipes.extend(parent.and_then(Parent::fd));
    waiter.wait(&pipes, Some(latest.map_or(look, |latest| latest.min(look))));
    alarm.reset();
}

fn end(
    over: Over,
    guard: LockGuard,
    arguments: &HoldArguments,
    variables: &Variables,
    signals: &Signals,
) -> u8 {
    let released = guard.release();
    let why = match (over, released) {
        (Over::Lost(why), _) => why,
        (_, Err(LockError::Lost(cause))) => cause.to_string(),
        (over, released) => {
            if let Err(error) = released {
                tell_not_released(&error);
            }
            if matches!(over, Over::ToldToStop) {
                return 0;
            }
            "--max-hold was reached".to_owned()
        }
    };
    message::error(&why);
    if let Some(text) = &arguments.on_lost {
        on_lost::run(text, &why, variables, signals);
    }
    exit::ENDED
}
