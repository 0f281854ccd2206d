//! What is known of a lock: as JSON, and as lines for people.

use std::time::SystemTime;

use s3_lock::{LockInfo, LockStatus};
use serde::Serialize;

use crate::arguments::url_of;
use crate::output::text::visible;
use crate::output::times::{rfc3339, since, span};

/// A lock in JSON. The names are for programs, and stay. What a free lock does not have is `null`.
#[derive(Debug, Serialize)]
pub struct LockJson {
    pub bucket: String,
    pub key: String,
    /// What commands take as the lock's URL.
    pub url: String,
    /// `free`, `held` or `expired`.
    pub state: &'static str,
    pub owner: Option<String>,
    pub fencing_token: Option<u64>,
    pub remaining_seconds: Option<f64>,
    pub lease_seconds: Option<f64>,
    pub acquired_at: Option<String>,
    pub host: Option<String>,
    pub pid: Option<u32>,
    pub purpose: Option<String>,
    pub has_waiters: Option<bool>,
}

impl LockJson {
    pub fn new(bucket: &str, key: &str, status: &LockStatus) -> LockJson {
        let info = info(status);
        LockJson {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            url: url_of(bucket, key),
            state: state(status),
            owner: info.map(|info| info.owner().to_owned()),
            fencing_token: info.map(|info| info.fencing_token().get()),
            remaining_seconds: info.map(|info| info.remaining().as_secs_f64()),
            lease_seconds: info.map(|info| info.lease().as_secs_f64()),
            acquired_at: info.map(|info| rfc3339(info.acquired_at())),
            host: info.map(|info| info.host().to_owned()),
            pid: info.map(LockInfo::pid),
            purpose: info.and_then(|info| info.purpose()).map(str::to_owned),
            has_waiters: info.map(LockInfo::has_waiters),
        }
    }
}

/// What a lock is: `free`, `held` or `expired`.
pub fn state(status: &LockStatus) -> &'static str {
    match status {
        LockStatus::Free => "free",
        LockStatus::Held(_) => "held",
        LockStatus::Expired(_) => "expired",
        // A later version of the library may know more.
        _ => "unknown",
    }
}

/// Who holds the lock, or held it until its lease ran out.
pub fn info(status: &LockStatus) -> Option<&LockInfo> {
    match status {
        LockStatus::Held(info) | LockStatus::Expired(info) => Some(info),
        _ => None,
    }
}

/// A lock for people: a line that says what it is, and some that say who has it.
pub fn described(url: &str, status: &LockStatus, now: SystemTime) -> String {
    let url = visible(url);
    let mut text = match status {
        LockStatus::Expired(_) => {
            format!(
                "{url} is expired: its holder did not release it, and the next acquire takes it\n"
            )
        }
        other => format!("{url} is {}\n", state(other)),
    };
    if let Some(info) = info(status) {
        text.push_str(&facts(info, now));
    }
    text
}

/// One holding, a fact in each line.
pub fn facts(info: &LockInfo, now: SystemTime) -> String {
    let process = match info.host() {
        "" => info.pid().to_string(),
        host => format!("{} on {}", info.pid(), visible(host)),
    };
    let lease = match info.remaining().as_secs() {
        0 => format!("has run out (it was {})", span(info.lease())),
        _ => format!(
            "{} more, unless it is renewed (for {} each time)",
            span(info.remaining()),
            span(info.lease())
        ),
    };
    let waiting = match info.has_waiters() {
        true => "others wait for it",
        false => "nobody, as far as the holder has seen",
    };
    let mut lines = vec![("owner", visible(info.owner())), ("process", process)];
    lines.extend(info.purpose().map(|text| ("purpose", visible(text))));
    lines.extend([
        ("since", since(info.acquired_at(), now)),
        ("lease", lease),
        ("waiting", waiting.to_owned()),
        ("token", info.fencing_token().to_string()),
    ]);
    let lines = lines.iter();
    lines
        .map(|(name, value)| format!("  {name:<8} {value}\n"))
        .collect()
}
