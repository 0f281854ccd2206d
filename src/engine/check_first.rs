//! Decides when to check a store, and remembers the result. `acquire` and the other writes ask here before
//! they touch a lock, so nothing is locked in a store that would break the lock.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::check_cache::CheckedBucket;
use crate::engine::last_errors::LastErrors;
use crate::engine::lock_context::LockContext;
use crate::engine::store_check::attempt::StoreCheck;
use crate::engine::store_check::check::NoVerdict;
use crate::engine::time_budget::TimeBudget;
use crate::protocol::Trouble;
use crate::sys::logs;
use crate::types::errors::LockError;
use crate::types::store_report::StoreReport;

/// A check without a limit from its caller gets the time of this many requests. A check takes twelve quick
/// requests, so this leaves time for some that get no answer.
const CHECK_REQUESTS: u32 = 6;

const UNFIT_DATE: &str =
    "the store's Date does not seem to come from the clock that dates its objects";

impl LockContext {
    /// Checks the store, even if it was checked before.
    pub(crate) async fn check_store(&self) -> Result<StoreReport, LockError> {
        self.session.ready(Duration::MAX).await;
        let limit = self.time_for_a_check();
        let report = self.run_check(&self.bucket(), limit, false, |_| None).await;
        safe(report.map_err(|no_verdict| no_verdict.errors.failed(self.key()))?)
    }

    /// Checks the store before an acquire, if that is due. An acquire that waits spends its own time on the
    /// check. For one that does not wait, the time of the check does not count.
    pub(crate) async fn check_before_acquire(
        &self,
        budget: &mut TimeBudget,
    ) -> Result<(), LockError> {
        let bucket = self.bucket();
        match self.known_verdict(&bucket, budget).await {
            Ok(None) => {}
            Ok(Some(known)) => return known,
            Err(no_verdict) => return Err(self.not_acquired(no_verdict, budget)),
        }
        let began = self.session.clock().now();
        let limit = if budget.waits() {
            budget.left()
        } else {
            self.time_for_a_check()
        };
        let report = self
            .run_check(&bucket, limit, budget.waits(), CheckedBucket::report)
            .await;
        if !budget.waits() {
            budget.exclude_since(began);
        }
        match report {
            Ok(report) => safe(report).map(drop),
            Err(no_verdict) => Err(self.not_acquired(no_verdict, budget)),
        }
    }

    /// The error of an acquire for which the store could not be checked.
    fn not_acquired(&self, no_verdict: NoVerdict, budget: &TimeBudget) -> LockError {
        let NoVerdict { errors, gave_up } = no_verdict;
        if budget.waits() && gave_up {
            errors.timed_out(self.waited(budget), None, None)
        } else {
            errors.failed(self.key())
        }
    }

    /// Checks the store before a write without an acquire, if that is due. The check has its own time.
    pub(crate) async fn check_before_write(
        &self,
        budget: &mut TimeBudget,
    ) -> Result<(), LockError> {
        let bucket = self.bucket();
        let failed = |no_verdict: NoVerdict| no_verdict.errors.failed(self.key());
        let known = self.known_verdict(&bucket, budget).await;
        if let Some(known) = known.map_err(failed)? {
            return known;
        }
        let began = self.session.clock().now();
        let limit = self.time_for_a_check();
        let report = self
            .run_check(&bucket, limit, true, CheckedBucket::report)
            .await;
        budget.exclude_since(began);
        safe(report.map_err(failed)?).map(drop)
    }

    /// Remembers what was found out about the store.
    pub(crate) fn remember(&self, report: &StoreReport) {
        self.bucket().remember(report);
    }

    fn bucket(&self) -> Arc<CheckedBucket> {
        self.session.check_cache().bucket(&self.location.bucket)
    }

    fn time_for_a_check(&self) -> Duration {
        CHECK_REQUESTS * self.session.request_timeout()
    }

    /// The verdict on a store that need not be checked now; `None` if a check is due. The outer error means
    /// that this is not known, so that nothing may be written.
    async fn known_verdict(
        &self,
        bucket: &CheckedBucket,
        budget: &mut TimeBudget,
    ) -> Result<Option<Result<(), LockError>>, NoVerdict> {
        if bucket.is_known_safe() {
            return Ok(Some(Ok(())));
        }
        // Without automatic checks, an explicit check may still have found the store unsafe.
        let unasked = || bucket.report().map_or(Ok(()), |r| safe(r).map(drop));
        Ok((!self.is_check_due(budget).await?).then(unasked))
    }

    /// Whether the store must be checked first. It is asked once, and again if that fails in a way that may
    /// pass.
    async fn is_check_due(&self, budget: &mut TimeBudget) -> Result<bool, NoVerdict> {
        if let Some(is_due) = self.session.check_cache().is_check_due() {
            return Ok(is_due);
        }
        let mut errors = LastErrors::default();
        let mut is_permanent = false;
        while let Some(limit) = budget.next_request().filter(|_| !is_permanent) {
            match self.session.ask_whether_check_is_due(limit).await {
                Ok(is_due) => return Ok(is_due),
                Err(error) => {
                    let trouble = errors.note(&self.session, error, budget.cuts_short(limit));
                    is_permanent = trouble == Trouble::Permanent || !budget.waits();
                }
            }
            if !is_permanent && !budget.pause().await {
                break;
            }
        }
        let gave_up = !is_permanent;
        Err(NoVerdict { errors, gave_up })
    }

    /// Checks the store, one caller at a time. Uses `known` instead if another caller was faster.
    async fn run_check(
        &self,
        bucket: &CheckedBucket,
        limit: Duration,
        is_patient: bool,
        known: impl Fn(&CheckedBucket) -> Option<StoreReport>,
    ) -> Result<StoreReport, NoVerdict> {
        let budget = self.budget(limit);
        let clock = self.session.clock();
        let Some(_turn) = clock.within(limit, bucket.turn.lock()).await else {
            return Err(NoVerdict {
                errors: LastErrors::default(),
                gave_up: true,
            });
        };
        if let Some(report) = known(bucket) {
            return Ok(report);
        }
        let check = StoreCheck::new(&self.session, &self.location, budget);
        let check = if is_patient { check } else { check.impatient() };
        let report = check.run().await?;
        logs::debug!("{report}");
        if report.is_safe() && !report.uses_store_clock() {
            self.session.distrust_date(UNFIT_DATE);
        }
        bucket.remember(&report);
        Ok(report)
    }
}

fn safe(report: StoreReport) -> Result<StoreReport, LockError> {
    if report.is_safe() {
        Ok(report)
    } else {
        Err(LockError::UnsafeStore(Box::new(report)))
    }
}
