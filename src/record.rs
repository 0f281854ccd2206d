//! The stored bytes: what the object at a lock's key holds.
//!
//! One JSON object, written whole by every transition and readable by `aws s3 cp s3://... -`.

use std::time::Duration;

use chrono::{DateTime, Datelike, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use crate::error::shown;

/// The version of the record that this crate writes, and the newest that it reads.
const FORMAT: u32 = 1;
/// A record is a few hundred bytes; anything above this is somebody else's object.
pub const MAX_BODY: usize = 64 * 1024;
/// More than a transition adds to the record that it was read from (a longer nonce, `broken`): what is
/// read must still be readable when it was released.
const ROOM: usize = 128;
/// The longest lease that is written or believed: 7 days.
pub const MAX_LEASE: Duration = Duration::from_secs(7 * 24 * 3600);
/// Fencing tokens stay below 2^53, so that no JSON tool rounds them.
pub const MAX_TOKEN: u64 = (1 << 53) - 1;

/// What the object at a lock's key says.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Record {
    format: u32,
    pub state: State,
    pub owner: String,
    pub fencing_token: u64,
    lease_ms: u64,
    pub nonce: Nonce,
    pub acquired_at: Stamp,
    pub host: String,
    pub pid: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// The fencing token of the last holding that an operator broke by force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<u64>,
    /// The fencing token of the last holding that another of the same owner name ended before it had
    /// expired: reclaimed it, or released it by that name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reclaimed: Option<u64>,
    /// The nonce of the write that made the object. Another one where it was deleted and made anew:
    /// then what stood before says nothing of what stands now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Nonce>,
}

/// Whether the lock is held or free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Held,
    Released,
}

/// 128 random bits that make every write's body, and so its ETag, unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Nonce(pub u128);

impl From<Nonce> for String {
    fn from(nonce: Nonce) -> String {
        format!("{:032x}", nonce.0)
    }
}

impl TryFrom<String> for Nonce {
    type Error = std::num::ParseIntError;

    fn try_from(hex: String) -> Result<Nonce, Self::Error> {
        u128::from_str_radix(&hex, 16).map(Nonce)
    }
}

/// A wall-clock second, for people; no decision ever rests on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Stamp(DateTime<Utc>);

impl Stamp {
    pub fn unix_seconds(self) -> i64 {
        self.0.timestamp()
    }
}

impl From<DateTime<Utc>> for Stamp {
    /// Years of other than four digits are written in a form that does not read back, and not every
    /// system's time reaches back to the first of them: a clock that is so wrong tells nothing anyway.
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

impl TryFrom<String> for Stamp {
    type Error = chrono::ParseError;

    fn try_from(text: String) -> Result<Stamp, Self::Error> {
        let time = DateTime::parse_from_rfc3339(&text)?;
        Ok(time.with_timezone(&Utc).into())
    }
}

/// Why stored bytes are no lock that this version can read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotOurs {
    /// What is wrong with them.
    pub reason: String,
    /// What to do about it.
    pub advice: &'static str,
}

impl NotOurs {
    /// Somebody else's object.
    pub fn foreign(reason: impl Into<String>) -> NotOurs {
        NotOurs {
            reason: reason.into(),
            advice: "choose another lock name or move the object away, and check that the endpoint \
                     is an S3 store",
        }
    }

    /// A lock all the same: to move it away would be to break it.
    fn newer(format: u32) -> NotOurs {
        NotOurs {
            reason: format!("it has format {format}, and this version reads {FORMAT}"),
            advice: "a newer version of this library seems to have written it: update this program",
        }
    }

    fn unparsable(error: &serde_json::Error) -> NotOurs {
        let told = error.to_string();
        let about_names = ["missing field", "duplicate field"];
        let is_plain = !error.is_data() || about_names.iter().any(|start| told.starts_with(start));
        // Else the parser quotes what it stumbles over, at whatever length, and it is somebody else's.
        let why = match is_plain {
            true => shown(&told),
            false => format!(
                "a lock holds something else at line {} column {}",
                error.line(),
                error.column()
            ),
        };
        NotOurs::foreign(format!("it does not parse: {why}"))
    }
}

/// Who takes a lock and on what terms: the part of a record that an acquisition brings along.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Holder {
    pub owner: String,
    pub lease: Duration,
    pub acquired_at: Stamp,
    pub host: String,
    pub pid: u32,
    pub purpose: Option<String>,
}

impl Record {
    /// The record of a new holding.
    pub fn held(holder: Holder, fencing_token: u64, broken: Option<u64>, nonce: Nonce) -> Record {
        Record {
            format: FORMAT,
            state: State::Held,
            owner: holder.owner,
            fencing_token,
            lease_ms: u64::try_from(holder.lease.as_millis()).unwrap_or(u64::MAX),
            nonce,
            acquired_at: holder.acquired_at,
            host: holder.host,
            pid: holder.pid,
            purpose: holder.purpose,
            broken,
            reclaimed: None,
            origin: None,
        }
    }

    /// The same holding, written anew.
    pub fn renewed(&self, nonce: Nonce) -> Record {
        Record {
            nonce,
            ..self.clone()
        }
    }

    /// The same holding, given back. The token stays, so that the next one is larger.
    pub fn released(&self, nonce: Nonce) -> Record {
        Record {
            state: State::Released,
            ..self.renewed(nonce)
        }
    }

    /// The same holding, ended by force.
    pub fn broken(&self, nonce: Nonce) -> Record {
        Record {
            broken: Some(self.fencing_token),
            ..self.released(nonce)
        }
    }

    /// Whether the holding with this token may have been ended while its lease ran, by anybody but
    /// its holder. Only the last that was is on record.
    pub fn may_have_cut_short(&self, token: u64) -> bool {
        self.broken.max(self.reclaimed) >= Some(token)
    }

    /// Whether this and `other` certainly are of one object, and not of one that was made anew.
    pub fn is_of_one_object_with(&self, other: &Record) -> bool {
        self.origin.is_some() && self.origin == other.origin
    }

    pub fn lease(&self) -> Duration {
        Duration::from_millis(self.lease_ms)
    }

    pub fn is_held(&self) -> bool {
        self.state == State::Held
    }

    /// The bytes to store.
    pub fn to_body(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a record has string keys and serialises without failing")
    }

    /// Reads stored bytes, or says why they are not a lock of ours.
    pub fn parse(body: &[u8]) -> Result<Record, NotOurs> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        if body.is_empty() {
            return Err(NotOurs::foreign("it is empty"));
        }
        if body.len() > MAX_BODY - ROOM {
            let most = MAX_BODY - ROOM;
            return Err(NotOurs::foreign(format!("it is larger than {most} bytes")));
        }
        let unparsable = |e| NotOurs::unparsable(&e);
        let version: Version = serde_json::from_slice(body).map_err(unparsable)?;
        if version.format > FORMAT {
            return Err(NotOurs::newer(version.format));
        }
        let record: Record = serde_json::from_slice(body).map_err(unparsable)?;
        match record.impossible() {
            Some(reason) => Err(NotOurs::foreign(reason)),
            None => Ok(record),
        }
    }

    /// What no version of this crate has ever written.
    fn impossible(&self) -> Option<&'static str> {
        if self.format != FORMAT {
            return Some("there has never been such a format");
        }
        if self.lease() > MAX_LEASE {
            return Some("its lease is longer than 7 days");
        }
        // The next one is larger by 1.
        (self.fencing_token >= MAX_TOKEN)
            .then_some("its fencing token leaves none below 2^53 for the next holder")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        let holder = Holder {
            owner: "host-17".to_owned(),
            lease: Duration::from_secs(130),
            acquired_at: Stamp::try_from("2026-11-23T02:00:00Z".to_owned()).unwrap(),
            host: "web-3".to_owned(),
            pid: 4242,
            purpose: None,
        };
        Record::held(holder, 1_795_399_200_000_001, None, Nonce(0xab))
    }

    #[test]
    fn a_record_is_the_json_that_the_documentation_shows() {
        let body = String::from_utf8(record().to_body()).unwrap();
        assert_eq!(
            body,
            r#"{"format":1,"state":"held","owner":"host-17","fencing_token":1795399200000001,"#
                .to_owned()
                + r#""lease_ms":130000,"nonce":"000000000000000000000000000000ab","#
                + r#""acquired_at":"2026-11-23T02:00:00Z","host":"web-3","pid":4242}"#
        );
    }

    #[test]
    fn a_record_reads_back_as_it_was_written() {
        let mut written = record().released(Nonce(u128::MAX));
        written.purpose = Some("a \"quoted\"\nпурпос 🔒".to_owned());
        written.broken = Some(7);
        written.reclaimed = Some(6);
        written.origin = Some(Nonce(8));
        assert_eq!(Record::parse(&written.to_body()), Ok(written));
    }

    #[test]
    fn a_release_keeps_the_fencing_token() {
        let held = record();
        assert_eq!(held.released(Nonce(1)).fencing_token, held.fencing_token);
    }

    #[test]
    fn unknown_fields_are_ignored() {
        let body = String::from_utf8(record().to_body()).unwrap();
        let body = body.replacen('{', r#"{"colour":"green","#, 1);
        assert_eq!(Record::parse(body.as_bytes()), Ok(record()));
    }

    #[test]
    fn bodies_that_are_no_lock_of_ours_are_refused_with_the_reason() {
        let body = String::from_utf8(record().to_body()).unwrap();
        let newer = body.replace("\"format\":1", "\"format\":2");
        let longer = body.replace("130000", "604800001");
        let beyond = body.replace("1795399200000001", "9007199254740992");
        let huge = format!("{}{}", body, " ".repeat(MAX_BODY));
        let cases = [
            ("", "it is empty"),
            ("hello", "does not parse"),
            ("{}", "missing field `format`"),
            (r#"{"format":1}"#, "missing field"),
            (&newer, "format 2"),
            (&longer, "longer than 7 days"),
            (&beyond, "below 2^53"),
            (&huge, "larger than 65408 bytes"),
        ];
        for (body, reason) in cases {
            let refused = Record::parse(body.as_bytes()).unwrap_err();
            assert!(refused.reason.contains(reason), "{body:.40}: {refused:?}");
        }
    }
}
