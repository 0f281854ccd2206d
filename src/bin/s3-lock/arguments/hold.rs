//! The options of `hold`.

use clap::Args;

use crate::arguments::checked::process_id;
use crate::arguments::examples;
use crate::arguments::lock::AcquireArguments;

#[derive(Args, Debug)]
#[command(after_help = examples::HOLD, help_template = examples::TEMPLATE)]
pub struct HoldArguments {
    #[command(flatten)]
    pub acquire: AcquireArguments,
    /// Release the lock when this process ends
    #[arg(long, value_name = "PID", value_parser = process_id, allow_hyphen_values = true)]
    pub parent: Option<u32>,
    /// Run TEXT with sh -c if the lock is lost
    #[arg(long, value_name = "TEXT")]
    pub on_lost: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
