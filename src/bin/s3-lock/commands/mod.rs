//! What each command does.

mod break_holding;
mod client;
mod completions;
mod doctor;
mod failure;
mod list;
mod man;
mod release;
mod status;

use std::process::ExitCode;

use crate::arguments::{Arguments, Command, Connection};
use crate::commands::failure::Failure;
use crate::output::exit::OWN_FAILURE;
use crate::output::{logger, message};
use crate::supervise;

/// Does what the arguments say, and returns what to exit with.
pub fn run(arguments: Arguments) -> ExitCode {
    let Arguments {
        command,
        connection,
    } = arguments;
    logger::install(if connection.verbose {
        logger::Verbosity::Verbose
    } else {
        logger::Verbosity::Normal
    });
    if connection.quiet {
        message::be_quiet();
    }
    done(command, &connection).unwrap_or_else(|failure| {
        message::error(&failure.to_string());
        ExitCode::from(OWN_FAILURE)
    })
}

fn done(command: Command, connection: &Connection) -> Result<ExitCode, Failure> {
    match command {
        Command::Run(arguments) => Ok(supervise::run(
            &arguments,
            connection.request_timeout,
            || client::client(connection),
        )),
        Command::Hold(arguments) => Ok(supervise::hold(&arguments, || client::client(connection))),
        Command::Doctor(arguments) => doctor::run(arguments, connection),
        Command::Status(arguments) => status::status(&arguments, connection),
        Command::List(arguments) => list::list(&arguments, connection),
        Command::Release(arguments) => release::release(&arguments, connection),
        Command::Break(arguments) => break_holding::break_holding(&arguments, connection),
        Command::Completions { shell } => completions::completions(shell),
        Command::Man => man::man(),
    }
}
