//! What reached the store.

use serde::{Deserialize, Serialize};

/// A request as the store, or the relay before it, has seen it.
#[derive(Clone, Debug)]
pub struct Logged {
    pub method: String,
    pub key: String,
    /// None where there was no answer.
    pub status: Option<u16>,
    /// When it had arrived, by [`micros`](super::micros).
    pub at: u64,
}

impl Logged {
    /// Whether it is about a queue and not about a lock's record.
    pub fn is_about_queue(&self) -> bool {
        self.key.ends_with(".queue")
    }

    /// Whether it belongs to a check of the store, and so to no lock.
    fn is_about_check(&self) -> bool {
        self.key.ends_with(".s3-lock-check")
    }

    /// A word on what was asked and answered, such as `PUT queue 412`.
    pub fn describe(&self) -> String {
        let what = if self.is_about_queue() {
            "queue"
        } else {
            "lock"
        };
        let status = self.status.map_or("-".to_owned(), |s| s.to_string());
        format!("{} {what} {status}", self.method)
    }
}

/// How many requests there were of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    pub lock_gets: u64,
    pub lock_puts: u64,
    pub queue_gets: u64,
    pub queue_puts: u64,
    /// Those of them that were refused because a condition did not hold: 409 and 412.
    pub conflicts: u64,
    /// Those that the store had no time for: 429 and 503.
    pub slow_downs: u64,
}

impl Tally {
    /// Counts the requests that arrived between two moments.
    pub fn of(log: &[Logged], from: u64, to: u64) -> Tally {
        let mut tally = Tally::default();
        for request in log.iter().filter(|r| (from..to).contains(&r.at)) {
            if request.is_about_check() {
                continue;
            }
            let kind = match (request.method.as_str(), request.is_about_queue()) {
                ("GET", false) => &mut tally.lock_gets,
                ("GET", true) => &mut tally.queue_gets,
                ("PUT", false) => &mut tally.lock_puts,
                ("PUT", true) => &mut tally.queue_puts,
                _ => continue,
            };
            *kind += 1;
            match request.status {
                Some(409 | 412) => tally.conflicts += 1,
                Some(429 | 503) => tally.slow_downs += 1,
                _ => {}
            }
        }
        tally
    }

    pub fn gets(&self) -> u64 {
        self.lock_gets + self.queue_gets
    }

    pub fn puts(&self) -> u64 {
        self.lock_puts + self.queue_puts
    }

    pub fn total(&self) -> u64 {
        self.gets() + self.puts()
    }
}
