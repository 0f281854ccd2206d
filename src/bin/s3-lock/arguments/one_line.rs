//! Bad arguments get one line that names the argument and the remedy.

use clap::Parser;
use clap::error::ErrorKind;

use crate::arguments::top::Arguments;

/// Why there is nothing to do.
pub enum NotRead {
    /// The arguments asked for help or for the version, and that was printed.
    Told,
    /// They are wrong, for this reason.
    Wrong(String),
}

/// The arguments of this process.
pub fn read() -> Result<Arguments, NotRead> {
    Arguments::try_parse().map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // A closed standard output is no reason to complain.
            let _ = error.print();
            NotRead::Told
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            NotRead::Wrong("a command is missing: see `s3-lock --help`".to_owned())
        }
        _ => NotRead::Wrong(one_line(&error.to_string())),
    })
}

/// What clap says in several lines: what is wrong, and tips. Its summary of the usage is left to `--help`.
fn one_line(text: &str) -> String {
    let told = text.split("\n\nUsage:").next().unwrap_or(text);
    let told = told
        .split("\n\nFor more information")
        .next()
        .unwrap_or(told);
    let lines = told.lines().map(str::trim).filter(|line| !line.is_empty());
    let lines: Vec<_> = lines.map(|line| line.trim_start_matches("tip: ")).collect();
    let told = lines.join("; ").replace(":; ", ": ");
    told.trim_start_matches("error: ").to_owned()
}
