//! Remembers which stores a client has checked, and what it found. The session owns the cache;
//! `check_first.rs` fills it, and each write takes the form of its ETag from it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use crate::sys::sync::lock;
use crate::types::store_report::{EtagForm, StoreReport};

/// What a client knows about the stores behind its buckets.
#[derive(Default)]
pub(crate) struct CheckCache {
    /// Whether to check a store before locking anything in it, once that is known.
    is_check_due: OnceLock<bool>,
    buckets: Mutex<HashMap<String, Arc<CheckedBucket>>>,
}

/// A bucket, and the last report on its store.
#[derive(Default)]
pub(crate) struct CheckedBucket {
    report: Mutex<Option<StoreReport>>,
    /// Locked by the caller that checks; the others wait for its report.
    pub(crate) turn: tokio::sync::Mutex<()>,
}

impl CheckCache {
    /// A cache for a store that is known to honour conditions.
    pub(crate) fn of_known_store() -> CheckCache {
        CheckCache {
            is_check_due: OnceLock::from(false),
            ..CheckCache::default()
        }
    }

    /// Whether to check a store before locking anything in it. None if the store has not been asked yet.
    pub(crate) fn is_check_due(&self) -> Option<bool> {
        self.is_check_due.get().copied()
    }

    /// Notes what the store has said. It says the same as long as the session lives.
    pub(crate) fn note_check_due(&self, is_due: bool) {
        self.is_check_due.get_or_init(|| is_due);
    }

    /// The form in which the bucket's store takes ETags, if it is known.
    pub(crate) fn etag_form(&self, bucket: &str) -> Option<EtagForm> {
        let bucket = lock(&self.buckets).get(bucket)?.clone();
        lock(&bucket.report).as_ref()?.etag_form()
    }

    /// Whether a lock may be written there: the store was checked, or it need not be.
    pub(crate) fn allows_writes(&self, bucket: &str) -> bool {
        self.is_check_due() == Some(false) || self.bucket(bucket).report().is_some()
    }

    pub(crate) fn bucket(&self, name: &str) -> Arc<CheckedBucket> {
        let mut buckets = lock(&self.buckets);
        if let Some(bucket) = buckets.get(name) {
            return bucket.clone();
        }
        let bucket = Arc::<CheckedBucket>::default();
        buckets.insert(name.to_owned(), bucket.clone());
        bucket
    }
}

impl CheckedBucket {
    pub(crate) fn report(&self) -> Option<StoreReport> {
        lock(&self.report).clone()
    }

    pub(crate) fn remember(&self, report: &StoreReport) {
        *lock(&self.report) = Some(report.clone());
    }

    pub(crate) fn is_known_safe(&self) -> bool {
        let report = lock(&self.report);
        report.as_ref().is_some_and(StoreReport::is_safe)
    }
}
