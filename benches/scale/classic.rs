//! The protocol of the npm package aws-s3-lock 1.0.2, as a baseline: two objects, eight requests, one after the other.
//!
//! Its writes have no conditions. Here each has the one that its own last read allows, which costs nothing and always
//! holds, as nobody else uses these objects: these requests are sent by the same code as a lock's.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use s3_lock::LockError;
use s3_lock::internals::Raw;
use s3_lock::internals::protocol::ETag;
use serde_json::{Value, json};

use crate::common::{Address, FOLDER};

const OPERATION: Duration = Duration::from_secs(60);

/// A lock of that protocol.
pub struct Classic {
    owner: Raw,
    counter: Raw,
}

impl Classic {
    /// A lock with a client of its own.
    pub fn new(address: &Address) -> Classic {
        let client = address.client();
        let raw = |kind| {
            let key = format!("{FOLDER}/classic-{kind}.json");
            Raw::new(client.clone(), &address.bucket, &key)
        };
        Classic {
            owner: raw("owner"),
            counter: raw("counter"),
        }
    }

    /// Six requests to acquire, and two to release.
    pub fn cycle(&self, me: &str) -> Result<(), LockError> {
        let (_, before) = self.count()?;
        let (seen, owner) = self.owner()?;
        assert!(owner.is_empty(), "nobody else uses it");
        self.put_owner(me, seen)?;
        let (seen, count) = self.count()?;
        assert_eq!(count, before, "nobody else uses it");
        self.counter
            .put((count + 1).to_string().into_bytes(), seen)?;
        let (_, owner) = self.owner()?;
        assert_eq!(owner, me);

        let (seen, owner) = self.owner()?;
        assert_eq!(owner, me);
        self.put_owner("", seen)
    }

    fn count(&self) -> Result<(Option<ETag>, u64), LockError> {
        let Some((etag, body)) = self.counter.get()? else {
            return Ok((None, 0));
        };
        let count = serde_json::from_slice(&body).expect("it is a number");
        Ok((Some(etag), count))
    }

    fn owner(&self) -> Result<(Option<ETag>, String), LockError> {
        let Some((etag, body)) = self.owner.get()? else {
            return Ok((None, String::new()));
        };
        let record: Value = serde_json::from_slice(&body).expect("it is JSON");
        let owner = record["lockOwnerName"].as_str().unwrap_or_default();
        Ok((Some(etag), owner.to_owned()))
    }

    fn put_owner(&self, owner: &str, over: Option<ETag>) -> Result<(), LockError> {
        let expiry = SystemTime::now() + OPERATION + Duration::from_secs(60);
        let expiry = DateTime::<Utc>::from(expiry).to_rfc3339();
        let record = json!({"lockOwnerName": owner, "lockExpiryTimeStamp": expiry});
        let body = record.to_string().into_bytes();
        self.owner.put(body, over).map(drop)
    }
}
