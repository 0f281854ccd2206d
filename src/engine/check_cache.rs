//! Which stores a client has checked, what it found, and that nothing is locked in one that would
//! break the lock.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::engine::driver::{Errors, Limits};
use crate::engine::lock_context::Core;
use crate::engine::store_check::attempt::StoreCheck;
use crate::engine::store_check::check::NoVerdict;
use crate::protocol::Instant;
use crate::sys::logs;
use crate::sys::sync::lock;
use crate::types::errors::LockError;
use crate::types::store_report::{EtagForm, StoreReport};

/// How many requests a check is given time for where the caller sets no limit. It takes twelve, quick
/// ones; this leaves time for some to be lost.
pub(crate) const CHECK_REQUESTS: u32 = 6;

/// What a client knows of the stores behind its buckets.
#[derive(Default)]
pub(crate) struct Vetting {
    /// Whether a store has to be checked before anything is locked in it.
    is_due: bool,
    buckets: Mutex<HashMap<String, Arc<Bucket>>>,
}

/// A bucket, and what was found out about its store.
#[derive(Default)]
struct Bucket {
    verdict: Mutex<Option<StoreReport>>,
    /// Held by whoever checks; the others wait for the verdict.
    turn: tokio::sync::Mutex<()>,
}

const UNFIT_DATE: &str =
    "the store's Date was not seen to come from the clock that dates its objects";

impl Vetting {
    /// Has every store checked before anything is locked in it.
    pub(crate) fn due() -> Vetting {
        Vetting {
            is_due: true,
            ..Vetting::default()
        }
    }

    /// The form in which the bucket's store takes ETags, if that was found out.
    pub(crate) fn etag_form(&self, bucket: &str) -> Option<EtagForm> {
        let bucket = lock(&self.buckets).get(bucket)?.clone();
        lock(&bucket.verdict).as_ref()?.etag_form()
    }

    /// Whether a write of a lock may go there: the store was checked, or nobody wants that.
    pub(crate) fn has_a_say(&self, bucket: &str) -> bool {
        !self.is_due || self.bucket(bucket).verdict().is_some()
    }

    fn bucket(&self, name: &str) -> Arc<Bucket> {
        let mut buckets = lock(&self.buckets);
        if let Some(bucket) = buckets.get(name) {
            return bucket.clone();
        }
        let bucket = Arc::<Bucket>::default();
        buckets.insert(name.to_owned(), bucket.clone());
        bucket
    }
}

impl Bucket {
    fn verdict(&self) -> Option<StoreReport> {
        lock(&self.verdict).clone()
    }

    fn remember(&self, report: &StoreReport) {
        *lock(&self.verdict) = Some(report.clone());
    }

    fn is_known_safe(&self) -> bool {
        let verdict = lock(&self.verdict);
        verdict.as_ref().is_some_and(StoreReport::is_safe)
    }
}

impl Core {
    /// Checks the store, whether or not that was done before.
    pub(crate) async fn check_store(&self) -> Result<StoreReport, LockError> {
        let bucket = self.client.vetting().bucket(&self.location.bucket);
        let limit = CHECK_REQUESTS * self.client.request_timeout();
        let report = self.ask(&bucket, limit, false, |_| None).await;
        safe(report.map_err(|no_verdict| self.failed(no_verdict.errors))?)
    }

    /// Lets nobody lock anything in a store that would break the lock: asks the store where that
    /// is due, and remembers what it found.
    pub(crate) async fn vet(&self, limits: &mut Limits, start: Instant) -> Result<(), LockError> {
        let bucket = self.client.vetting().bucket(&self.location.bucket);
        if let Some(known) = self.known_of(&bucket) {
            return known;
        }
        let began = self.client.clock().now();
        let limit = match limits.waits {
            true => limits.total.saturating_sub(began.at_most_since(start)),
            false => CHECK_REQUESTS * self.client.request_timeout(),
        };
        let report = self
            .ask(&bucket, limit, limits.waits, Bucket::verdict)
            .await;
        if !limits.waits {
            // One attempt is given time for its own few requests, from here on.
            limits.total += self.client.clock().now().at_most_since(began);
        }
        match report {
            Ok(report) => safe(report).map(|_| ()),
            Err(no_verdict) if limits.waits && no_verdict.gave_up => {
                Err(self.in_vain(start, no_verdict.errors, None))
            }
            Err(no_verdict) => Err(self.failed(no_verdict.errors)),
        }
    }

    /// The same for a call that writes without having acquired anything. It has no limit of the
    /// caller's: the check gets a time of its own.
    pub(crate) async fn vet_first(&self) -> Result<(), LockError> {
        let bucket = self.client.vetting().bucket(&self.location.bucket);
        if let Some(known) = self.known_of(&bucket) {
            return known;
        }
        let limit = CHECK_REQUESTS * self.client.request_timeout();
        let report = self.ask(&bucket, limit, true, Bucket::verdict).await;
        safe(report.map_err(|no_verdict| self.failed(no_verdict.errors))?).map(drop)
    }

    /// Remembers what was found out about the store otherwise.
    pub(crate) fn remember(&self, report: &StoreReport) {
        let bucket = self.client.vetting().bucket(&self.location.bucket);
        bucket.remember(report);
    }

    /// What is to be made of a store without asking it, if it need not be asked.
    fn known_of(&self, bucket: &Bucket) -> Option<Result<(), LockError>> {
        if bucket.is_known_safe() {
            return Some(Ok(()));
        }
        // Unless somebody has asked, and should have heeded the answer.
        let unasked = || bucket.verdict().map_or(Ok(()), |r| safe(r).map(drop));
        (!self.client.vetting().is_due).then(unasked)
    }

    /// Asks the store, one caller at a time, unless `known` has the answer by then.
    async fn ask(
        &self,
        bucket: &Bucket,
        limit: Duration,
        patient: bool,
        known: impl Fn(&Bucket) -> Option<StoreReport>,
    ) -> Result<StoreReport, NoVerdict> {
        let clock = self.client.clock();
        let start = clock.now();
        let _turn = tokio::select! {
            biased;
            turn = bucket.turn.lock() => turn,
            () = clock.sleep(limit) => return Err(NoVerdict {
                errors: Errors::default(),
                gave_up: true,
            }),
        };
        if let Some(report) = known(bucket) {
            return Ok(report);
        }
        let left = limit.saturating_sub(clock.now().at_most_since(start));
        let check = StoreCheck::new(&self.client, &self.location, left);
        let check = match patient {
            true => check,
            false => check.impatient(),
        };
        let report = check.run().await?;
        logs::debug!("{report}");
        if report.is_safe() && !report.uses_store_clock() {
            self.client.distrust_date(UNFIT_DATE);
        }
        bucket.remember(&report);
        Ok(report)
    }
}

fn safe(report: StoreReport) -> Result<StoreReport, LockError> {
    match report.is_safe() {
        true => Ok(report),
        false => Err(LockError::UnsafeStore(Box::new(report))),
    }
}
