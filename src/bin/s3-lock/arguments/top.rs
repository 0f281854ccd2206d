//! The commands.

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use crate::arguments::connection::Connection;
use crate::arguments::doctor::DoctorArguments;
use crate::arguments::examples;
use crate::arguments::hold::HoldArguments;
use crate::arguments::lock::{BreakArguments, ListArguments, ReleaseArguments, StatusArguments};
use crate::arguments::run::RunArguments;

/// flock for S3: one holder at a time, on any number of machines
#[derive(Debug, Parser)]
#[command(
    name = "s3-lock",
    version,
    disable_help_subcommand = true,
    after_help = examples::TOP,
    help_template = examples::PLAIN_TEMPLATE
)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub connection: Connection,
}

/// The command line for clap. The help texts of the commands leave the options of [`Connection`] to that of the
/// whole: they are the same everywhere.
pub fn command_line() -> clap::Command {
    let top = Arguments::command();
    let everywhere = top
        .get_arguments()
        .filter(|argument| argument.is_global_set());
    let hidden: Vec<_> = everywhere
        .map(|argument| argument.clone().hide(true))
        .collect();
    top.mut_subcommands(|command| command.args(hidden.clone()))
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Acquire a lock, run a command, release the lock
    Run(RunArguments),
    /// Acquire a lock and hold it until told to stop, for a script
    Hold(HoldArguments),
    /// Show who holds a lock
    Status(StatusArguments),
    /// List the locks of a folder
    List(ListArguments),
    /// Release what an owner holds
    Release(ReleaseArguments),
    /// Break one holding of a lock by force
    Break(BreakArguments),
    /// Find out whether locks work here, and what they cost
    Doctor(DoctorArguments),
    /// Print completions for a shell
    #[command(after_help = examples::COMPLETIONS, help_template = examples::PLAIN_TEMPLATE)]
    Completions {
        /// bash, zsh, fish, elvish or powershell
        #[arg(hide_possible_values = true)]
        shell: Shell,
    },
    /// Print the manual page
    #[command(after_help = examples::MAN, help_template = examples::PLAIN_TEMPLATE)]
    Man,
}
