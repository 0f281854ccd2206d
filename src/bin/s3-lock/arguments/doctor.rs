//! The options of `doctor`.

use clap::Args;

use crate::arguments::examples;
use crate::arguments::values::LockUrl;

#[derive(Args, Debug)]
#[command(after_help = examples::DOCTOR, help_template = examples::TEMPLATE)]
pub struct DoctorArguments {
    /// A lock: s3://bucket/folder/name
    pub url: LockUrl,
    /// Race the store's writes, to find out whether they are atomic
    #[arg(long, value_name = "ROUNDS", num_args = 0..=1, default_missing_value = "100", require_equals = true)]
    pub race: Option<u32>,
    /// With --race: another endpoint of the same store; may be repeated
    #[arg(long, value_name = "URL", requires = "race")]
    pub also: Vec<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
