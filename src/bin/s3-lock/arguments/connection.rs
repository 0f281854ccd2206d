//! Where the store is and who asks it, spelled as the AWS CLI spells it.

use std::path::PathBuf;

use clap::Args;

/// What is not given comes from the variables and files that the AWS CLI reads.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Anywhere")]
pub struct Connection {
    /// A store other than AWS, as https://minio.example.com
    #[arg(long, value_name = "URL", global = true)]
    pub endpoint_url: Option<String>,
    /// The region of the bucket
    #[arg(long, value_name = "NAME", global = true)]
    pub region: Option<String>,
    /// The profile of ~/.aws/config whose credentials to use
    #[arg(long, value_name = "NAME", global = true)]
    pub profile: Option<String>,
    /// Certificates to trust instead of the system's
    #[arg(long, value_name = "FILE", global = true)]
    pub ca_bundle: Option<PathBuf>,
    /// Do not check a custom endpoint first (12 requests): `doctor` has
    #[arg(long, global = true)]
    pub assume_conditional_writes: bool,
    /// Tell more on standard error
    #[arg(short, long, global = true)]
    pub verbose: bool,
}
