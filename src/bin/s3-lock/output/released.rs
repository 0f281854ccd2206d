//! What has become of a lock that was to be released or broken, as JSON. The names are for programs, and stay.

use s3_lock::S3Lock;
use serde::Serialize;

use crate::output::holding::LockJson;

/// What `release` did.
#[derive(Debug, Serialize)]
pub struct ReleasedJson<'a> {
    pub url: String,
    pub owner: &'a str,
    /// Whether that owner held the lock, and does no longer.
    pub released: bool,
}

impl<'a> ReleasedJson<'a> {
    pub fn new(lock: &S3Lock, owner: &'a str, released: bool) -> ReleasedJson<'a> {
        ReleasedJson {
            url: lock.url(),
            owner,
            released,
        }
    }
}

/// What `break` found, and whether it broke that.
#[derive(Debug, Serialize)]
pub struct BrokenJson<'a> {
    #[serde(flatten)]
    pub found: LockJson<'a>,
    pub broken: bool,
}
