//! The options of `doctor`.

use clap::Args;

use crate::arguments::examples;
use crate::arguments::values::{LockUrl, rounds};

#[derive(Args, Debug)]
#[command(after_help = examples::DOCTOR, help_template = examples::TEMPLATE)]
pub struct DoctorArguments {
    /// A lock: s3://bucket/folder/name. It is left as it is
    pub url: LockUrl,
    /// Race the store's writes: are they atomic?
    #[arg(
        long,
        value_name = "ROUNDS",
        num_args = 0..=1,
        default_missing_value = "100",
        require_equals = true,
        value_parser = rounds
    )]
    pub race: Option<u32>,
    /// With --race: one more endpoint of the same store
    #[arg(long, value_name = "URL", requires = "race")]
    pub also: Vec<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
