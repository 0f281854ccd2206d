//! `release`: what an owner holds is released.

use std::process::ExitCode;

use crate::arguments::{Connection, ReleaseArguments};
use crate::commands::client::lock;
use crate::commands::failure::Failure;
use crate::output::released::ReleasedJson;
use crate::output::text::visible;
use crate::output::{json, stdout};

/// That owner held nothing.
const NOTHING_HELD: u8 = 1;

pub fn release(arguments: &ReleaseArguments, connection: &Connection) -> Result<ExitCode, Failure> {
    let owner = &arguments.owner;
    let (url, by) = (visible(arguments.url.as_str()), visible(owner));
    let lock = lock(&arguments.url, connection)?;
    let is_released = lock.release(owner)?;
    let (deed, status) = if is_released {
        (
            format!("released {url}, which {by} held"),
            ExitCode::SUCCESS,
        )
    } else {
        (
            format!("{by} does not hold {url}"),
            ExitCode::from(NOTHING_HELD),
        )
    };
    let text = if arguments.json {
        json::line(&ReleasedJson::new(&lock, owner, is_released))
    } else {
        format!("{deed}\n")
    };
    stdout::print(&text).map_err(|error| Failure::not_told(&deed, &error))?;
    Ok(status)
}
