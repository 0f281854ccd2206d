//! Wall-clock time as a record shows it to people.

use std::fmt;

use chrono::{DateTime, Datelike, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

/// A wall-clock second, for people. No decision rests on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Stamp(DateTime<Utc>);

impl Stamp {
    pub fn unix_seconds(self) -> i64 {
        self.0.timestamp()
    }
}

impl From<DateTime<Utc>> for Stamp {
    /// A year outside 1970 to 9999 becomes 1970. A year without four digits does not read back, and
    /// some systems cannot represent the first years that have four. A clock that is so wrong tells
    /// nothing anyway.
    fn from(time: DateTime<Utc>) -> Stamp {
        let sane = (1970..=9999).contains(&time.year());
        let whole = DateTime::from_timestamp(time.timestamp(), 0);
        Stamp(whole.filter(|_| sane).unwrap_or(DateTime::UNIX_EPOCH))
    }
}

impl From<std::time::SystemTime> for Stamp {
    fn from(time: std::time::SystemTime) -> Stamp {
        DateTime::<Utc>::from(time).into()
    }
}

impl From<Stamp> for std::time::SystemTime {
    fn from(stamp: Stamp) -> Self {
        stamp.0.into()
    }
}

impl From<Stamp> for String {
    fn from(stamp: Stamp) -> String {
        stamp.0.to_rfc3339_opts(SecondsFormat::Secs, true)
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&String::from(*self))
    }
}

impl TryFrom<String> for Stamp {
    type Error = chrono::ParseError;

    fn try_from(text: String) -> Result<Stamp, Self::Error> {
        let time = DateTime::parse_from_rfc3339(&text)?;
        Ok(time.with_timezone(&Utc).into())
    }
}
