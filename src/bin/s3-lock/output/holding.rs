//! What is known of a lock: as JSON, and as lines for people.

use std::time::SystemTime;

use s3_lock::{LockInfo, LockStatus, S3Lock};
use serde::Serialize;

use crate::output::text::visible;
use crate::output::times::{since, span};

/// A lock in JSON: its URL, and its status as the library writes it.
#[derive(Debug, Serialize)]
pub struct LockJson<'a> {
    /// What commands take as the lock's URL.
    url: String,
    #[serde(flatten)]
    status: &'a LockStatus,
}

impl<'a> LockJson<'a> {
    pub fn new(lock: &S3Lock, status: &'a LockStatus) -> LockJson<'a> {
        LockJson {
            url: lock.url(),
            status,
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
    let waiting = if info.has_waiters() {
        "others wait for it"
    } else {
        "nobody, as far as the holder has seen"
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
