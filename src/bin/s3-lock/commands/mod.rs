//! What each command does.

mod client;
mod failure;

use std::process::ExitCode;

use crate::arguments::{Arguments, Command, Connection};
use crate::commands::failure::Failure;
use crate::output::exit::OWN_FAILURE;
use crate::output::message;

/// Does what the arguments say, and returns what to exit with.
pub fn run(arguments: Arguments) -> ExitCode {
    let Arguments {
        command,
        connection,
    } = arguments;
    done(command, &connection).unwrap_or_else(|failure| {
        message::error(&failure.to_string());
        ExitCode::from(OWN_FAILURE)
    })
}

fn done(command: Command, _connection: &Connection) -> Result<ExitCode, Failure> {
    Err(Failure::new(format!("not made yet: {command:?}")))
}
