//! What a command, or a script, is told of the lock: variables of its environment.

use std::ffi::OsStr;
use std::time::{SystemTime, UNIX_EPOCH};

use s3_lock::LockGuard;

/// The variables about one holding.
#[derive(Clone, Debug)]
pub struct Variables {
    all: [(&'static str, String); 4],
    deadline: u64,
}

impl Variables {
    /// Those of a lock that is held now. The deadline is the lease's, if nobody renews it: in seconds since 1970.
    pub fn of(url: &str, guard: &LockGuard, now: SystemTime) -> Variables {
        let deadline = now + guard.remaining();
        let deadline = deadline
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        let all = [
            ("S3_LOCK_URL", url.to_owned()),
            ("S3_LOCK_OWNER", guard.owner().to_owned()),
            ("S3_LOCK_FENCING_TOKEN", guard.fencing_token().to_string()),
            ("S3_LOCK_DEADLINE", deadline.to_string()),
        ];
        Variables { all, deadline }
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &OsStr)> {
        self.all
            .iter()
            .map(|(name, value)| (*name, OsStr::new(value)))
    }

    /// When the lease runs out, if nobody renews it: in seconds since 1970.
    pub fn deadline(&self) -> u64 {
        self.deadline
    }

    /// As a shell reads them.
    pub fn for_shell(&self) -> String {
        let line = |(name, value): &(&str, String)| {
            let value = value.replace('\'', "'\\''");
            format!("{name}='{value}'\n")
        };
        self.all.iter().map(line).collect()
    }
}
