//! The options of acquiring a lock, and those of the commands that look at one or end one.

use std::time::Duration;

use clap::Args;

use crate::arguments::checked::{owner, token};
use crate::arguments::examples;
use crate::arguments::values::{FolderUrl, LockUrl, duration, exit_status};

/// How a lock is acquired, for `run` and `hold`.
#[derive(Args, Clone, Debug)]
pub struct AcquireArguments {
    /// The lock: s3://bucket/folder/name
    pub url: LockUrl,
    /// Wait at most so long (5m) [default: no limit]
    #[arg(long, value_name = "TIME", value_parser = duration, allow_hyphen_values = true)]
    pub wait: Option<Duration>,
    /// Do not wait
    #[arg(short = 'n', long, conflicts_with = "wait")]
    pub no_wait: bool,
    /// Who holds the lock [default: host/pid]
    #[arg(long, value_name = "NAME", value_parser = owner)]
    pub owner: Option<String>,
    /// What for, to show to others
    #[arg(long, value_name = "TEXT")]
    pub purpose: Option<String>,
    /// Freed this + 12 s after a crash
    #[arg(
        long,
        value_name = "TIME",
        default_value = "60s",
        value_parser = duration,
        allow_hyphen_values = true
    )]
    pub max_operation: Duration,
    /// Limit of the whole: end it after so long
    #[arg(long, value_name = "TIME", value_parser = duration, allow_hyphen_values = true)]
    pub max_hold: Option<Duration>,
    /// Take it from --owner's other run, dead or alive
    #[arg(long, requires = "owner")]
    pub reclaim: bool,
    // 75 is `EX_TEMPFAIL` of sysexits.h: try later.
    /// The exit status if not acquired
    #[arg(
        short = 'E',
        long = "conflict-exit-code",
        value_name = "N",
        default_value = "75",
        value_parser = exit_status,
        allow_hyphen_values = true
    )]
    pub conflict_exit_code: u8,
    /// Exit with 0 if not acquired
    #[arg(long, conflicts_with = "conflict_exit_code")]
    pub skip_ok: bool,
}

impl AcquireArguments {
    /// What to exit with if the lock was not acquired.
    pub fn conflict_status(&self) -> u8 {
        if self.skip_ok {
            0
        } else {
            self.conflict_exit_code
        }
    }
}

#[derive(Args, Debug)]
#[command(after_help = examples::STATUS, help_template = examples::TEMPLATE)]
pub struct StatusArguments {
    /// The lock: s3://bucket/folder/name
    pub url: LockUrl,
    /// Exit with 0 if free or expired, 1 if held, 2 after an error
    #[arg(long)]
    pub exit_code: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
#[command(after_help = examples::LIST, help_template = examples::TEMPLATE)]
pub struct ListArguments {
    /// The folder: s3://bucket/folder, or s3://bucket
    pub url: FolderUrl,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
#[command(after_help = examples::RELEASE, help_template = examples::TEMPLATE)]
pub struct ReleaseArguments {
    /// The lock: s3://bucket/folder/name
    pub url: LockUrl,
    /// Whose holding to release
    #[arg(long, value_name = "NAME", value_parser = owner)]
    pub owner: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
#[command(after_help = examples::BREAK, help_template = examples::TEMPLATE)]
pub struct BreakArguments {
    /// The lock: s3://bucket/folder/name
    pub url: LockUrl,
    /// The fencing token that `status` shows: only that holding is broken
    #[arg(value_parser = token, allow_negative_numbers = true)]
    pub token: u64,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// Print JSON
    #[arg(long, requires = "yes")]
    pub json: bool,
}
