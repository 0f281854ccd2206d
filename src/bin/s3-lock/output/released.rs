//! What has become of a lock that was to be released or broken, as JSON. The names are for programs, and stay.

use serde::Serialize;

use crate::arguments::url_of;
use crate::output::holding::LockJson;

/// What `release` did.
#[derive(Debug, Serialize)]
pub struct ReleasedJson<'a> {
    pub bucket: &'a str,
    pub key: &'a str,
    pub url: String,
    pub owner: &'a str,
    /// Whether that owner held the lock, and does no longer.
    pub released: bool,
}

impl<'a> ReleasedJson<'a> {
    pub fn new(bucket: &'a str, key: &'a str, owner: &'a str, released: bool) -> ReleasedJson<'a> {
        ReleasedJson {
            bucket,
            key,
            url: url_of(bucket, key),
            owner,
            released,
        }
    }
}

/// What `break` found, and whether it broke that.
#[derive(Debug, Serialize)]
pub struct BrokenJson {
    #[serde(flatten)]
    pub found: LockJson,
    pub broken: bool,
}
