//! The server's clock, which tests can set, and how times look on the wire.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::SystemTime;

use chrono::{DateTime, NaiveDateTime, SubsecRound, TimeDelta, Utc};

/// The system's clock plus an offset in whole seconds.
#[derive(Default)]
pub struct Clock {
    offset: AtomicI64,
}

impl Clock {
    /// Returns the server's time, cut to whole seconds as every HTTP date is.
    pub fn now(&self) -> DateTime<Utc> {
        let real = DateTime::<Utc>::from(SystemTime::now()).trunc_subsecs(0);
        real + TimeDelta::seconds(self.offset.load(Ordering::Relaxed))
    }

    /// Puts the clock this many seconds ahead of (or, negative, behind) the system's.
    pub fn set_offset(&self, seconds: i64) {
        self.offset.store(seconds, Ordering::Relaxed);
    }
}

/// Formats a time for the `Date` header.
pub fn http_date(time: DateTime<Utc>) -> String {
    time.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// Parses the text of an `x-amz-date` header.
pub fn parse_amz_date(text: &str) -> Option<DateTime<Utc>> {
    let time = NaiveDateTime::parse_from_str(text, "%Y%m%dT%H%M%SZ").ok()?;
    Some(time.and_utc())
}
