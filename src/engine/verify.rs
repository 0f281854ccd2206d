//! Asking the store whether a lock is still held.

use std::time::Duration;

use crate::engine::driver::Driven;
use crate::engine::held_lock::HeldLock;
use crate::engine::last_errors::LastErrors;
use crate::engine::renew::PACE;
use crate::engine::shared_call::Role;
use crate::protocol::{Verified, Verify};
use crate::types::errors::LockError;

/// A look waits for the one before it, so that many can share it, but for no more than this part of
/// the time that it has itself.
const PATIENCE: u32 = 8;

impl HeldLock {
    /// Asks the store whether it still stands, within a request's time. Those who ask while a look is
    /// under way share the next one; where that one hangs, they do not wait for its end.
    pub(crate) async fn verify(&self) -> Result<(), LockError> {
        let clock = self.context.session.clock();
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
                    let outcome = self.look(budget.left()).await;
                    lead.end(outcome.clone());
                    return outcome;
                }
            }
        }
    }

    async fn look(&self, limit: Duration) -> Result<(), LockError> {
        let mut budget = self.context.budget(limit);
        let driver = self.context.driver(&mut budget);
        let Driven { end, errors, .. } = driver.run(Verify::default(), &self.lease).await?;
        // It may have taken until the deadline.
        self.check_and_spread()?;
        match end {
            Verified::Failed => Err(errors.failed(self.key())),
            Verified::Held => Ok(()),
            Verified::Lost => self.check(),
        }
    }
}
