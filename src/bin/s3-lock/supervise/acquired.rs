//! Acquires the lock for `run` and `hold`: tells whom it waits for, and listens to signals.

use s3_lock::{LockError, LockGuard, WaitHandle};

use crate::output::causes::with_causes;
use crate::output::wait_line::WaitLine;
use crate::supervise::acquire::{Acquire, Answers};
use crate::supervise::outcome::Outcome;
use crate::supervise::report::Facts;
use crate::supervise::waiting::{self, Listeners, Waited};
use crate::system::clock;
use crate::system::parent::Parent;
use crate::system::signals::{self, ENDING, Signals};

/// Acquires the lock, or says why not.
pub fn acquired(
    acquire: Acquire,
    handle: &WaitHandle,
    signals: &Signals,
    parent: Option<&Parent>,
    facts: &mut Facts,
) -> Result<LockGuard, Outcome> {
    signals::write_to_terminal_from_background();
    let start = clock::now();
    let answers = acquire.answers();
    let mut line = WaitLine::new(&facts.url);
    let waited = signals
        .collect(&ENDING)
        .and_then(|()| waiting::wait(acquire, handle, &Listeners { signals, parent }, &mut line));
    facts.waited = clock::now().since(start);
    drop(line);
    match waited {
        Ok(Waited::Acquired(guard)) => Ok(guard),
        Ok(Waited::Interrupted(signal)) => Err(Outcome::Interrupted(signal)),
        Ok(Waited::ParentEnded) => Err(Outcome::ParentEnded),
        Ok(Waited::Unanswered) => Err(Outcome::Failed(
            "the store has answered nothing for half a minute: see `s3-lock doctor`".to_owned(),
        )),
        Ok(Waited::Refused(error)) => Err(refused(&error, &answers)),
        Err(error) => Err(Outcome::Failed(error.to_string())),
    }
}

fn refused(error: &LockError, answers: &Answers) -> Outcome {
    let why = with_causes(error);
    match error {
        // Nobody knows whether others have the lock.
        LockError::TimedOut { .. } if answers.are_missing() => {
            Outcome::Failed(format!("the store has answered nothing: {why}"))
        }
        LockError::Held(_) | LockError::TimedOut { .. } | LockError::TooSlow { .. } => {
            Outcome::NotAcquired(why)
        }
        LockError::AlreadyDone { .. } => Outcome::AlreadyDone(why),
        _ => Outcome::Failed(why),
    }
}
