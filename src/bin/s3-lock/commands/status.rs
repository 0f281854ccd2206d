//! `status`: who holds a lock.

use std::process::ExitCode;

use s3_lock::LockStatus;

use crate::arguments::{Connection, StatusArguments};
use crate::commands::client::lock;
use crate::commands::failure::Failure;
use crate::output::holding::{LockJson, described};
use crate::output::{json, message, stdout};
use crate::system::wall_clock;

/// With `--exit-code`: the lock is held.
const HELD: u8 = 1;
/// With `--exit-code`: it could not be found out.
const NOT_KNOWN: u8 = 2;

pub fn status(arguments: &StatusArguments, connection: &Connection) -> Result<ExitCode, Failure> {
    match (shown(arguments, connection), arguments.exit_code) {
        (Err(failure), true) => {
            message::error(&failure.to_string());
            Ok(ExitCode::from(NOT_KNOWN))
        }
        (Err(failure), false) => Err(failure),
        (Ok(LockStatus::Held(_)), true) => Ok(ExitCode::from(HELD)),
        (Ok(_), _) => Ok(ExitCode::SUCCESS),
    }
}

fn shown(arguments: &StatusArguments, connection: &Connection) -> Result<LockStatus, Failure> {
    let lock = lock(&arguments.url, connection)?;
    let status = lock.status()?;
    let text = if arguments.json {
        json::line(&LockJson::new(&lock, &status))
    } else {
        described(arguments.url.as_str(), &status, wall_clock::now())
    };
    stdout::print(&text)?;
    Ok(status)
}
