//! Bad arguments get one line that names the argument and the remedy.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Error, FromArgMatches};
use s3_lock::ConfigError;

use crate::arguments::remedies;
use crate::arguments::top::{Arguments, command_line};
use crate::arguments::wording::as_options;

/// Why there is nothing to do.
pub enum NotRead {
    /// The arguments asked for help or for the version, and that was printed.
    Told,
    /// They are wrong, for this reason.
    Wrong(String),
}

/// The arguments of this process.
pub fn read() -> Result<Arguments, NotRead> {
    let given: Vec<_> = std::env::args_os().collect();
    parsed(&given).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => printed(&error),
        _ => NotRead::Wrong(one_line(&error, &given)),
    })
}

fn parsed(given: &[OsString]) -> Result<Arguments, Error> {
    let matches = command_line().try_get_matches_from(given)?;
    Arguments::from_arg_matches(&matches)
}

fn printed(help: &Error) -> NotRead {
    match help.print() {
        // A reader that has had enough, such as `head`, is no reason to complain.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            NotRead::Wrong(format!("cannot write to standard output: {error}"))
        }
        _ => NotRead::Told,
    }
}

/// What is wrong with the arguments, and what to do about it.
fn one_line(error: &Error, given: &[OsString]) -> String {
    let told = |kind| Some(error.get(kind)?.to_string());
    let argument = told(ContextKind::InvalidArg).unwrap_or_default();
    let command = command(error);
    match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            "a command is missing: see `s3-lock --help`".to_owned()
        }
        ErrorKind::InvalidSubcommand => {
            let named = told(ContextKind::InvalidSubcommand).unwrap_or_default();
            let remedy = match suggested(error, ContextKind::SuggestedSubcommand) {
                Some(other) => format!("did you mean {other}?"),
                None if named.starts_with("s3://") => {
                    "write what to do before the lock, as in s3-lock run URL -- COMMAND".to_owned()
                }
                None => "see `s3-lock --help`".to_owned(),
            };
            format!("unknown command {}: {remedy}", remedies::cited(&named))
        }
        ErrorKind::UnknownArgument => {
            let suggested = suggested(error, ContextKind::SuggestedArg);
            match owner_of(&command, &argument) {
                Some(other) => format!("{argument} goes after the command: {other} {argument}"),
                None => remedies::unknown(&command, &argument, suggested.as_deref()),
            }
        }
        ErrorKind::MissingRequiredArgument => remedies::missing(&command, &strings(error)),
        ErrorKind::ArgumentConflict => {
            remedies::conflict(&argument, &told(ContextKind::PriorArg).unwrap_or_default())
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation | ErrorKind::NoEquals => {
            let value = told(ContextKind::InvalidValue).unwrap_or_default();
            let why = std::error::Error::source(error);
            // The library's reasons name what is wrong, and cite it.
            if let Some(whole) = why.and_then(|why| why.downcast_ref::<ConfigError>()) {
                return as_options(&whole.to_string());
            }
            remedies::value(&argument, &value, why.map(ToString::to_string).as_deref())
        }
        ErrorKind::InvalidUtf8 => remedies::not_text(given),
        _ => first_line(&error.to_string()),
    }
}

/// The command that was given, as its usage names it: `s3-lock run`.
fn command(error: &Error) -> String {
    let usage = error.get(ContextKind::Usage);
    let usage = usage.map(ToString::to_string).unwrap_or_default();
    let words = usage.split_whitespace().skip(1);
    let names = words.take_while(|word| word.starts_with(|c: char| c.is_ascii_lowercase()));
    names.collect::<Vec<_>>().join(" ")
}

/// The first command that has an option, if that was given before any command.
fn owner_of(command: &str, argument: &str) -> Option<String> {
    let long = argument.strip_prefix("--")?;
    if command != "s3-lock" {
        return None;
    }
    let commands = command_line();
    let has = |command: &&clap::Command| {
        let mut arguments = command.get_arguments();
        arguments.any(|argument| argument.get_long() == Some(long))
    };
    let owner = commands.get_subcommands().find(has)?;
    Some(format!("s3-lock {}", owner.get_name()))
}

/// What clap suggests instead, if it suggests one thing.
fn suggested(error: &Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(one) => Some(one.clone()),
        ContextValue::Strings(some) => some.first().cloned(),
        _ => None,
    }
}

/// The arguments that an error is about.
fn strings(error: &Error) -> Vec<String> {
    match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::Strings(some)) => some.clone(),
        Some(ContextValue::String(one)) => vec![one.clone()],
        _ => Vec::new(),
    }
}

/// What clap says before its tips and its summary of the usage.
fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or(text);
    line.trim_start_matches("error: ").to_owned()
}
