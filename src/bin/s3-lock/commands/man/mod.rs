//! `man`: the manual page, made of the command line and of texts.

mod page;
mod sections;

use std::process::ExitCode;

use crate::commands::failure::Failure;
use crate::output::stdout;

pub fn man() -> Result<ExitCode, Failure> {
    stdout::print(&page::page())?;
    Ok(ExitCode::SUCCESS)
}
