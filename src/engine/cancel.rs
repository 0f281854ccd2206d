//! What a lock's wait handle does to its acquires: it watches those that wait, and ends them. An acquire that is
//! cancelled is one whose time is up, so `engine/acquire.rs` knows no more of it than that.

use crate::engine::lock_context::LockContext;
use crate::engine::time_budget::TimeBudget;
use crate::engine::waits::{Listed, WaitingCall};
use crate::types::errors::LockError;

impl LockContext {
    /// Lists a call that waits with the handle, for as long as the result lives.
    pub(super) fn list_wait(&self, budget: &TimeBudget) -> Option<Listed<'_>> {
        let waits = self.settings.waits.as_ref().filter(|_| budget.waits())?;
        Some(waits.add(WaitingCall {
            session: self.session.clone(),
            location: self.location.clone(),
            queue: self.queue.clone(),
            expiry_rule: self.settings.expiry_rule,
            start: budget.start(),
        }))
    }

    /// Gets ready and checks the store, as far as that is due, unless the call is cancelled meanwhile.
    pub(super) async fn prepare(&self, budget: &mut TimeBudget) -> Result<(), LockError> {
        let Some(cancellation) = budget.cancellation().cloned() else {
            return self.prepare_in_time(budget).await;
        };
        let prepared = tokio::select! {
            biased;
            prepared = self.prepare_in_time(budget) => Some(prepared),
            () = cancellation.cancelled() => None,
        };
        prepared.unwrap_or_else(|| Err(self.out_of_time(budget)))
    }

    async fn prepare_in_time(&self, budget: &mut TimeBudget) -> Result<(), LockError> {
        self.get_ready(budget).await?;
        self.check_before_acquire(budget).await
    }

    /// The error of a call that has asked for nothing.
    pub(super) fn out_of_time(&self, budget: &TimeBudget) -> LockError {
        LockError::TimedOut {
            waited: self.waited(budget),
            holder: None,
            ahead: None,
        }
    }

    /// What a call that failed returns: that it was cancelled, if it was, and nothing remains of it.
    pub(super) fn unless_cancelled(&self, error: LockError, budget: &TimeBudget) -> LockError {
        if !budget.is_cancelled() {
            return error;
        }
        let waited = self.waited(budget);
        let (holder, ahead) = match error {
            LockError::TimedOut { holder, ahead, .. } => (holder, ahead),
            LockError::Held(holder) => (Some(holder), None),
            LockError::Storage(error) if !error.is_outcome_unknown() => (None, None),
            other => return other,
        };
        LockError::Cancelled {
            waited,
            holder,
            ahead,
        }
    }
}
