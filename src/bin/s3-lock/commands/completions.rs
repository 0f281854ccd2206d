//! `completions`: a script for a shell.

use std::process::ExitCode;

use clap_complete::Shell;

use crate::arguments::command_line;
use crate::commands::failure::Failure;
use crate::output::stdout;

pub fn completions(shell: Shell) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command_line(), "s3-lock", &mut script);
    stdout::print(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}
