//! The options of `run`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::arguments::checked::label;
use crate::arguments::examples;
use crate::arguments::lock::AcquireArguments;
use crate::arguments::values::duration;

#[derive(Args, Debug)]
#[command(
    after_help = examples::RUN,
    help_template = examples::TEMPLATE,
    override_usage = "s3-lock run [OPTIONS] <URL> -- COMMAND [ARGUMENT]...\n       s3-lock run [OPTIONS] <URL> -c TEXT"
)]
pub struct RunArguments {
    #[command(flatten)]
    pub acquire: AcquireArguments,
    /// Skip if LABEL is done; done by exit status 0
    #[arg(long, value_name = "LABEL", value_parser = label)]
    pub once: Option<String>,
    /// Run TEXT with sh -c
    #[arg(
        short = 'c',
        long = "command",
        value_name = "TEXT",
        conflicts_with = "command",
        required_unless_present = "command"
    )]
    pub shell: Option<String>,
    /// From SIGTERM to SIGKILL [default: 5s]
    #[arg(
        long,
        value_name = "TIME",
        value_parser = duration,
        allow_hyphen_values = true
    )]
    pub kill_after: Option<Duration>,
    /// Run TEXT with sh -c if s3-lock had to end it
    #[arg(long, value_name = "TEXT")]
    pub on_lost: Option<String>,
    /// If s3-lock is killed, let the command go on
    #[arg(long)]
    pub orphan: bool,
    /// Write one JSON object about this run to FILE
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// The command, which is run without a shell
    #[arg(last = true, value_name = "COMMAND", hide = true)]
    pub command: Vec<OsString>,
}
