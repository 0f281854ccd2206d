//! How a holding is written as JSON, by `serde`: `LockInfo` has the form and an example.

use serde::{Serialize, Serializer};

use crate::protocol::record::Stamp;
use crate::types::info::{FencingToken, LockInfo};

/// The fields in their order. Names and units never change; later versions may add fields.
#[derive(Serialize)]
struct Fields<'a> {
    bucket: &'a str,
    key: &'a str,
    owner: &'a str,
    fencing_token: FencingToken,
    acquired_at: &'a Stamp,
    lease_ms: u64,
    remaining_ms: u64,
    host: &'a str,
    pid: u32,
    purpose: Option<&'a str>,
    has_waiters: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'a str>,
}

impl Serialize for LockInfo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let millis =
            |span: std::time::Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let fields = Fields {
            bucket: self.bucket(),
            key: self.key(),
            owner: self.owner(),
            fencing_token: self.fencing_token(),
            acquired_at: self.stamp(),
            lease_ms: millis(self.lease()),
            remaining_ms: millis(self.remaining()),
            host: self.host(),
            pid: self.pid(),
            purpose: self.purpose(),
            has_waiters: self.has_waiters(),
            label: self.label(),
        };
        fields.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use crate::protocol::Location;
    use crate::protocol::record::{Holder, Nonce, Record};
    use crate::types::info::{ListedLock, LockInfo, LockStatus};

    fn info(purpose: Option<&str>, remaining: Duration) -> LockInfo {
        let holder = Holder {
            owner: "host-17".to_owned(),
            lease: Duration::from_millis(70_500),
            acquired_at: (SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_399_200)).into(),
            host: "web-3".to_owned(),
            pid: 4242,
            purpose: purpose.map(str::to_owned),
            label: None,
        };
        let location = Location {
            bucket: "my-bucket".to_owned(),
            key: "locks/nightly.lock".to_owned(),
        };
        LockInfo::new(&location, Record::held(holder, 7, Nonce(1)), remaining)
    }

    const FIELDS: &str = r#""bucket":"my-bucket","key":"locks/nightly.lock","owner":"host-17","fencing_token":7,"acquired_at":"2026-11-23T02:00:00Z","lease_ms":70500,"#;

    fn json(value: impl serde::Serialize) -> String {
        serde_json::to_string(&value).unwrap()
    }

    #[test]
    fn an_info_has_whole_milliseconds_and_a_time_in_utc() {
        let info = info(
            Some("the \"six\" o'clock report"),
            Duration::from_nanos(43_000_999_999),
        );
        let rest = r#""remaining_ms":43000,"host":"web-3","pid":4242,"purpose":"the \"six\" o'clock report","has_waiters":false}"#;
        assert_eq!(json(info), format!("{{{FIELDS}{rest}"));
    }

    #[test]
    fn an_info_of_a_holder_with_a_label_says_so() {
        let lock = Location {
            bucket: "my-bucket".to_owned(),
            key: "locks/nightly.lock".to_owned(),
        };
        let holder = Holder {
            owner: "host-17".to_owned(),
            lease: Duration::from_secs(1),
            acquired_at: SystemTime::UNIX_EPOCH.into(),
            host: String::new(),
            pid: 1,
            purpose: None,
            label: Some("2026-11-30".into()),
        };
        let record = Record::held(holder, 7, Nonce(1));
        let json = json(LockInfo::new(&lock, record, Duration::ZERO));
        let end = r#""has_waiters":false,"label":"2026-11-30"}"#;
        assert!(json.ends_with(end), "{json}");
    }

    #[test]
    fn a_status_is_its_state_and_the_fields_of_the_holding() {
        assert_eq!(json(LockStatus::Free), r#"{"state":"free"}"#);
        let rest =
            r#""remaining_ms":0,"host":"web-3","pid":4242,"purpose":null,"has_waiters":false}"#;
        let status = LockStatus::Expired(info(None, Duration::ZERO));
        assert_eq!(
            json(status),
            format!(r#"{{"state":"expired",{FIELDS}{rest}"#)
        );
        let status = LockStatus::Held(info(None, Duration::ZERO));
        assert_eq!(json(status), format!(r#"{{"state":"held",{FIELDS}{rest}"#));
    }

    #[test]
    fn a_listed_lock_is_its_name_and_its_status() {
        let listed = ListedLock::new("nightly", LockStatus::Free);
        assert_eq!(json(listed), r#"{"name":"nightly","state":"free"}"#);
        let listed = ListedLock::new("nightly", LockStatus::Held(info(None, Duration::ZERO)));
        let json = json(listed);
        assert!(
            json.starts_with(r#"{"name":"nightly","state":"held","bucket":"#),
            "{json}"
        );
    }
}
