//! `break`: one holding of a lock is ended by force.

use std::process::ExitCode;

use s3_lock::{LockInfo, LockStatus, S3Lock};

use crate::arguments::{BreakArguments, Connection};
use crate::commands::client::lock;
use crate::commands::failure::Failure;
use crate::output::holding::{LockJson, described};
use crate::output::released::BrokenJson;
use crate::output::text::visible;
use crate::output::{json, message, question, stdout};
use crate::system::wall_clock;

/// Nothing was broken: the holding was over, or somebody said no.
const NOT_BROKEN: u8 = 1;

pub fn break_holding(
    arguments: &BreakArguments,
    connection: &Connection,
) -> Result<ExitCode, Failure> {
    if !arguments.yes && !question::can_be_asked() {
        return Err(Failure::new(
            "there is no terminal to ask \"Break it?\" on: give --yes to break it without being asked",
        ));
    }
    let lock = lock(&arguments.url, connection)?;
    let status = lock.status()?;
    let url = visible(arguments.url.as_str());
    let info = match to_break(&status, arguments.token) {
        Ok(info) => info,
        Err(why) => return told(arguments, &lock, &status, &format!("{url} {why}")),
    };
    let shown = described(&url, &status, wall_clock::now());
    if !arguments.yes && !question::is_agreed(&shown, "Break it?").map_err(Failure::no_answer)? {
        message::note("nothing was broken");
        return Ok(ExitCode::from(NOT_BROKEN));
    }
    if !lock.force_release(info)? {
        let over = format!("{url} is not held with token {} any more", arguments.token);
        return told(arguments, &lock, &lock.status()?, &over);
    }
    let text = if arguments.json {
        json::line(&found(&lock, &status, true))
    } else {
        format!("broke {url}, which {} held\n", visible(info.owner()))
    };
    let deed = format!("broke {url}");
    stdout::print(&text).map_err(|error| Failure::not_told(&deed, &error))?;
    Ok(ExitCode::SUCCESS)
}

/// The holding to break, or why there is none.
fn to_break(status: &LockStatus, token: u64) -> Result<&LockInfo, String> {
    match status {
        LockStatus::Held(info) if info.fencing_token().get() == token => Ok(info),
        LockStatus::Held(info) => Err(format!(
            "is held with token {}, by {}",
            info.fencing_token(),
            visible(info.owner())
        )),
        LockStatus::Expired(_) => Err("is expired, so the next acquire takes it".to_owned()),
        LockStatus::Free => Err("is free".to_owned()),
        _ => Err("is in a state that this version does not know".to_owned()),
    }
}

/// Says that nothing was broken, and why.
fn told(
    arguments: &BreakArguments,
    lock: &S3Lock,
    status: &LockStatus,
    why: &str,
) -> Result<ExitCode, Failure> {
    if arguments.json {
        stdout::print(&json::line(&found(lock, status, false)))?
    } else {
        message::note(&format!("nothing was broken: {why}"))
    }
    Ok(ExitCode::from(NOT_BROKEN))
}

fn found<'a>(lock: &S3Lock, status: &'a LockStatus, broken: bool) -> BrokenJson<'a> {
    BrokenJson {
        found: LockJson::new(lock, status),
        broken,
    }
}
