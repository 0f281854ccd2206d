//! Where the store is and who asks it, spelled as the AWS CLI spells it.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::arguments::values::duration;

/// What is not given comes from the variables and files that the AWS CLI reads.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Anywhere")]
pub struct Connection {
    /// A store other than AWS: https://host
    #[arg(long, value_name = "URL", global = true)]
    pub endpoint_url: Option<String>,
    /// The region of the bucket
    #[arg(long, value_name = "NAME", global = true)]
    pub region: Option<String>,
    /// The profile of ~/.aws/config to use
    #[arg(long, value_name = "NAME", global = true)]
    pub profile: Option<String>,
    /// Certificates to trust, not the system's
    #[arg(long, value_name = "FILE", global = true)]
    pub ca_bundle: Option<PathBuf>,
    /// How long a request may take
    #[arg(
        long,
        value_name = "TIME",
        default_value = "5s",
        value_parser = duration,
        allow_hyphen_values = true,
        global = true
    )]
    pub request_timeout: Duration,
    /// Do not check a custom endpoint first
    #[arg(long, global = true)]
    pub assume_conditional_writes: bool,
    /// Tell more on standard error
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// Tell only what goes wrong, as cron wants it
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
}
