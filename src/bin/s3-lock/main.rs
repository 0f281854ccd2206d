//! The command `s3-lock`: the lock of the library for programs that cannot call one.
//!
//! `src/architecture.md` says how its files are laid out.

#![deny(unsafe_code)]

#[cfg(not(unix))]
compile_error!(
    "the command s3-lock needs Unix: signals and process groups; the library does without"
);

mod arguments;
mod commands;
mod output;
mod supervise;
mod system;

use std::process::ExitCode;

use crate::arguments::NotRead;
use crate::output::{exit, message};

fn main() -> ExitCode {
    match arguments::read() {
        Ok(arguments) => commands::run(arguments),
        Err(NotRead::Told) => ExitCode::SUCCESS,
        Err(NotRead::Wrong(why)) => {
            message::error(&why);
            ExitCode::from(exit::OWN_FAILURE)
        }
    }
}
