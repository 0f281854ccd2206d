//! Renews a lease, so that it lasts its full term again. `LockGuard::renew` and the background thread
//! call this; it runs `protocol::Renew`. Callers that ask at about the same time share one renewal.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::driver::Driven;
use crate::engine::held_lock::{HeldLock, Renewal};
use crate::engine::last_errors::{LastErrors, condition_ignored};
use crate::engine::shared_call::Role;
use crate::engine::time_budget::{PAUSES, TimeBudget};
use crate::protocol::{Renew, Renewed};
use crate::sys::logs;
use crate::sys::random::{Backoff, spread_at_most};
use crate::sys::sync::lock;
use crate::types::errors::{LockError, LostCause, StorageError, StorageErrorKind};

/// A lock is renewed after a third of its lease, give or take a tenth of that. No request for a renewal may
/// take longer than that third. So if one gets no answer, there is time for another attempt.
pub(super) const PACE: u32 = 3;
/// The longest pause between two failed renewals, however long the lease.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

impl HeldLock {
    /// Renews the lease, or fails within `limit` and before the deadline.
    ///
    /// Callers that ask while a renewal is under way share the next one. The background thread is one of
    /// them, so it never waits in a queue.
    pub(crate) async fn renew(&self, limit: Duration) -> Result<(), LockError> {
        let clock = self.context.session.clock();
        // Before the turn: a call that gives the lock back must not wait for this.
        self.context.session.ready(self.remaining()).await;
        let budget = self.context.budget(limit.min(self.remaining()));
        loop {
            self.check_and_notify()?;
            if budget.is_up() {
                return Err(LastErrors::default().failed(self.key()));
            }
            match self.renewals.ask() {
                Role::Join(joined) => match clock.within(budget.left(), joined.outcome()).await {
                    // The call that made the renewal may have had less time than this one has.
                    Some(Some(Renewal { gave_up: true, .. }) | None) | None => {}
                    Some(Some(Renewal { outcome, .. })) => return outcome,
                },
                Role::Lead(lead) => {
                    let serial = clock.within(budget.left(), self.renewing.lock()).await;
                    let Some(serial) = serial else {
                        continue;
                    };
                    lead.begin();
                    let renewal = self.renew_now(budget).await;
                    drop(serial);
                    lead.end(renewal.clone());
                    if renewal.outcome.is_ok() {
                        logs::debug!("renewed {}", self.key());
                    }
                    return renewal.outcome;
                }
            }
        }
    }

    /// Why the lease ran out: renewals failed, ended with `max_hold`, were not sent in time, or were not ordered.
    pub(super) fn expired(&self) -> LostCause {
        let last_error = lock(&self.last_error).clone();
        let renewed = lock(&self.lease).since().at_most_since(self.since);
        let due = renewed + spread_at_most(self.record.lease() / PACE);
        let limit = self.context.settings.max_hold.unwrap_or(Duration::MAX);
        // After the limit, only calls renew it.
        let was_to_be_renewed = self.orders.borrow().renew && renewed < limit;
        LostCause::Expired {
            kept_alive: was_to_be_renewed && due < limit && last_error.is_none(),
            max_hold: (was_to_be_renewed && due >= limit).then_some(limit),
            last_error,
        }
    }

    /// One renewal, within what is left. The future may be dropped at any point: the next call knows about
    /// a write under way.
    async fn renew_now(&self, budget: TimeBudget) -> Renewal {
        let lease = self.record.lease();
        let mut budget = budget.in_steps_of(lease / PACE, retry_pauses(lease));
        let driver = self.context.driver(&mut budget);
        let outcome = match driver.run(Renew::default(), &self.lease).await {
            Ok(driven) => self.end_of_renewal(driven),
            Err(error) => Err(error),
        };
        Renewal {
            gave_up: outcome.is_err() && budget.gave_up(),
            outcome,
        }
    }

    fn end_of_renewal(&self, driven: Driven<Renewed>) -> Result<(), LockError> {
        let Driven { end, errors, .. } = driven;
        let error = match end {
            Renewed::Yes => {
                *lock(&self.last_error) = None;
                self.trouble_callbacks.note_success();
                return Ok(());
            }
            Renewed::Lost => {
                self.remember(errors.any().as_ref());
                return self.check_and_notify();
            }
            Renewed::Failed => errors.failed(self.key()),
            Renewed::ConditionIgnored => condition_ignored(self.key()),
            Renewed::Unknown => errors.unknown(self.key()).into(),
        };
        self.remember(Some(&error));
        // The deadline may have passed meanwhile.
        self.check_and_notify().and(Err(error))
    }

    /// Keeps the error of a renewal: the lock may be lost because of it.
    fn remember(&self, error: Option<&LockError>) {
        if let Some(error) = error.and_then(as_storage_error) {
            *lock(&self.last_error) = Some(Arc::new(error));
        }
    }
}

/// The error of a renewal, in the form that callbacks and a `LostCause` get.
pub(super) fn as_storage_error(error: &LockError) -> Option<StorageError> {
    match error {
        LockError::Storage(error) => Some(error.clone()),
        LockError::Config(error) => Some(StorageError::new(
            StorageErrorKind::Credentials,
            error.to_string(),
        )),
        _ => None,
    }
}

/// The pauses after failed renewals. The usual pauses may be too long for a lease that is running.
pub(super) fn retry_pauses(lease: Duration) -> Backoff {
    let (min, max) = PAUSES;
    let longest = (lease / 30).clamp(max.min(lease / 10), LONGEST_PAUSE);
    Backoff::new(min.min(lease / 50), longest)
}
