//! `completions`: a script for a shell.

use std::process::ExitCode;

use clap_complete::Shell;

use crate::arguments::command_line;
use crate::commands::failure::Failure;
use crate::output::stdout;

/// clap_complete 4.6 writes the name of a program with a hyphen in two ways into a script for bash, which then
/// completes no option of a command: <https://github.com/clap-rs/clap/issues/6421>.
const WRITTEN: [&str; 2] = ["s3__subcmd__lock", "s3__lock"];

pub fn completions(shell: Shell) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command_line(), "s3-lock", &mut script);
    let script = String::from_utf8_lossy(&script);
    stdout::print(&script.replace(WRITTEN[0], WRITTEN[1]))?;
    Ok(ExitCode::SUCCESS)
}
