//! Asks the store whether a lock is still held. `LockGuard::verify` calls this; it runs
//! `protocol::Verify`. Callers that ask at about the same time share one look.

use crate::engine::driver::Driven;
use crate::engine::held_lock::HeldLock;
use crate::engine::last_errors::LastErrors;
use crate::engine::renew::PACE;
use crate::engine::shared_call::Role;
use crate::engine::time_budget::TimeBudget;
use crate::protocol::{Verified, Verify};
use crate::types::errors::LockError;

/// A look waits for the one before it, so that more callers can share it. It waits at most one eighth of
/// its own time.
const PATIENCE: u32 = 8;

impl HeldLock {
    /// Asks the store whether the lock is still held, within a request's time. Callers that ask while a
    /// look is under way share the next one. If the look under way hangs, they do not wait for its end.
    pub(crate) async fn verify(&self) -> Result<(), LockError> {
        let clock = self.context.session.clock();
        self.context.session.ready(self.remaining()).await;
        let limit = self.record.lease() / PACE;
        let limit = limit.min(self.context.session.request_timeout());
        let budget = self.context.budget(limit);
        loop {
            self.check()?;
            if budget.is_up() {
                return Err(LastErrors::default().failed(self.key()));
            }
            match self.looks.ask() {
                Role::Join(joined) => {
                    let outcome = clock.within(budget.left(), joined.outcome()).await;
                    if let Some(Some(outcome)) = outcome {
                        return outcome;
                    }
                }
                Role::Lead(lead) => {
                    let turn = self.looking.lock();
                    let _turn = clock
                        .within(budget.left().min(limit / PATIENCE), turn)
                        .await;
                    lead.begin();
                    let outcome = self.look(budget).await;
                    lead.end(outcome.clone());
                    return outcome;
                }
            }
        }
    }

    async fn look(&self, mut budget: TimeBudget) -> Result<(), LockError> {
        let driver = self.context.driver(&mut budget);
        let Driven { end, errors, .. } = driver.run(Verify::default(), &self.lease).await?;
        // The deadline may have passed meanwhile.
        self.check_and_notify()?;
        match end {
            Verified::Failed => Err(errors.failed(self.key())),
            Verified::Held => Ok(()),
            Verified::Lost => self.check(),
        }
    }
}
