//! The objects. Every operation holds the one mutex from its check to its write, so conditions are atomic.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard};

use chrono::{DateTime, Utc};
use s3s::crypto::{Checksum, Md5};
use s3s::{S3Result, s3_error};

use super::clock::Clock;

/// An object as the store holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredObject {
    /// The bytes.
    pub body: Vec<u8>,
    /// The MD5 digest of the body in hex, with the quotes around it that the wire has.
    pub etag: String,
    /// When it was written, in whole seconds of the server's clock.
    pub last_modified: DateTime<Utc>,
}

/// What must hold for a write to take place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    Always,
    Absent,
    /// The object has this ETag, quotes included.
    Etag(String),
}

/// What to list, and from where on.
pub struct Query<'a> {
    pub prefix: &'a str,
    pub delimiter: Option<&'a str>,
    /// The key or common prefix that the page before ended with.
    pub after: &'a str,
    pub limit: usize,
}

/// One page of a listing.
#[derive(Default)]
pub struct Page {
    pub objects: Vec<(String, StoredObject)>,
    pub prefixes: Vec<String>,
    /// Where the next page goes on; `None` on the last.
    pub next: Option<String>,
}

type Objects = BTreeMap<String, StoredObject>;

/// All buckets of a server.
pub struct Store {
    clock: Arc<Clock>,
    buckets: Mutex<BTreeMap<String, Objects>>,
    /// What was ever written to the keys whose history is kept, in the order of the writes.
    histories: Mutex<BTreeMap<String, Vec<StoredObject>>>,
}

impl Store {
    /// Makes a store without buckets, whose objects are dated by this clock.
    pub fn new(clock: Arc<Clock>) -> Store {
        Store {
            clock,
            buckets: Mutex::default(),
            histories: Mutex::default(),
        }
    }

    /// Keeps what is written to a key from now on, in whichever bucket.
    pub fn keep_history(&self, key: &str) {
        let mut histories = self.histories();
        histories.entry(key.to_owned()).or_default();
    }

    /// Returns what was written to a key since.
    pub fn history(&self, key: &str) -> Vec<StoredObject> {
        self.histories().get(key).cloned().unwrap_or_default()
    }

    /// Makes a bucket and returns whether it is new.
    pub fn create_bucket(&self, bucket: &str) -> bool {
        let mut buckets = self.lock();
        let is_new = !buckets.contains_key(bucket);
        buckets.entry(bucket.to_owned()).or_default();
        is_new
    }

    /// Fails where there is no such bucket.
    pub fn check_bucket(&self, bucket: &str) -> S3Result {
        self.with(bucket, |_| Ok(()))
    }

    /// Returns a copy of an object.
    pub fn get(&self, bucket: &str, key: &str) -> S3Result<StoredObject> {
        self.with(bucket, |objects| match objects.get(key) {
            Some(object) => Ok(object.clone()),
            None => Err(s3_error!(NoSuchKey, "The specified key does not exist.")),
        })
    }

    /// Fails where a condition does not hold.
    pub fn compare(&self, bucket: &str, key: &str, condition: &Condition) -> S3Result {
        self.with(bucket, |objects| check(objects.get(key), condition))
    }

    /// Writes an object if its condition holds, and returns its ETag.
    pub fn put(
        &self,
        bucket: &str,
        key: &str,
        body: Vec<u8>,
        condition: &Condition,
    ) -> S3Result<String> {
        let etag = etag(&body);
        self.with(bucket, |objects| {
            check(objects.get(key), condition)?;
            let last_modified = self.clock.now();
            let object = StoredObject {
                body,
                etag: etag.clone(),
                last_modified,
            };
            if let Some(history) = self.histories().get_mut(key) {
                history.push(object.clone());
            }
            objects.insert(key.to_owned(), object);
            Ok(etag)
        })
    }

    /// Removes an object if its condition holds; that there is none is no error.
    pub fn delete(&self, bucket: &str, key: &str, condition: &Condition) -> S3Result {
        self.with(bucket, |objects| {
            check(objects.get(key), condition)?;
            objects.remove(key);
            Ok(())
        })
    }

    /// Returns one page of a listing.
    pub fn list(&self, bucket: &str, query: &Query<'_>) -> S3Result<Page> {
        self.with(bucket, |objects| Ok(list(objects, query)))
    }

    fn with<T>(&self, bucket: &str, act: impl FnOnce(&mut Objects) -> S3Result<T>) -> S3Result<T> {
        match self.lock().get_mut(bucket) {
            Some(objects) => act(objects),
            None => Err(s3_error!(
                NoSuchBucket,
                "The specified bucket does not exist"
            )),
        }
    }

    fn histories(&self) -> MutexGuard<'_, BTreeMap<String, Vec<StoredObject>>> {
        self.histories
            .lock()
            .expect("nothing panics while it holds the histories")
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Objects>> {
        self.buckets
            .lock()
            .expect("nothing panics while it holds the objects")
    }
}

fn check(object: Option<&StoredObject>, condition: &Condition) -> S3Result {
    let holds = match (condition, object) {
        (Condition::Always, _) | (Condition::Absent, None) => true,
        (Condition::Absent, Some(_)) => false,
        (Condition::Etag(etag), Some(object)) => object.etag == *etag,
        // Not a failed precondition: AWS answers as if the key had been read.
        (Condition::Etag(_), None) => {
            return Err(s3_error!(NoSuchKey, "The specified key does not exist."));
        }
    };
    if holds {
        return Ok(());
    }
    Err(s3_error!(
        PreconditionFailed,
        "At least one of the pre-conditions you specified did not hold"
    ))
}

fn list(objects: &Objects, query: &Query<'_>) -> Page {
    let mut page = Page::default();
    let mut last = query.after;
    let range = (Bound::Excluded(query.after), Bound::Unbounded);
    for (key, object) in objects.range::<str, _>(range) {
        let Some(rest) = key.strip_prefix(query.prefix) else {
            continue;
        };
        let group = group(key, rest, query.delimiter);
        // All keys of a group count as one entry, which may have been on the page before.
        if group == Some(last) {
            continue;
        }
        if page.objects.len() + page.prefixes.len() == query.limit {
            // A page of no entries would never end.
            page.next = (query.limit > 0).then(|| last.to_owned());
            break;
        }
        last = group.unwrap_or(key);
        match group {
            Some(group) => page.prefixes.push(group.to_owned()),
            None => page.objects.push((key.clone(), object.clone())),
        }
    }
    page
}

/// Returns the start of `key`, up to and with the first delimiter in `rest`, the part of it behind the prefix.
fn group<'a>(key: &'a str, rest: &str, delimiter: Option<&str>) -> Option<&'a str> {
    let delimiter = delimiter.filter(|text| !text.is_empty())?;
    let end = rest.find(delimiter)? + delimiter.len();
    Some(&key[..key.len() - rest.len() + end])
}

fn etag(body: &[u8]) -> String {
    let digest = Md5::checksum(body);
    let hex: String = digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("\"{hex}\"")
}
