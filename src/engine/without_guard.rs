//! The calls on a lock that need no guard: status, release by owner name, and force release. `S3Lock` in
//! `api/` calls these.

use std::time::Duration;

use crate::engine::driver::Driven;
use crate::engine::last_errors::condition_ignored;
use crate::engine::lock_context::LockContext;
use crate::protocol::{Free, Freed, Look, Loss, ReadOutcome};
use crate::sys::logs;
use crate::types::errors::LockError;
use crate::types::info::LockStatus;

const RELEASE_AGAIN: &str = "look at its status, or release the lock again";

impl LockContext {
    /// Reads the lock's status, in one request.
    pub(crate) async fn status(&self) -> Result<LockStatus, LockError> {
        self.session.ready(Duration::MAX).await;
        let mut budget = self.budget(self.session.request_timeout());
        let driver = self.driver(&mut budget);
        let Driven { end, errors, .. } = driver.run(Look, &self.queue.observations).await?;
        match end {
            Some(ReadOutcome::Present(seen)) if seen.record.is_held() => {
                let info = self.describe(&seen);
                Ok(if info.remaining().is_zero() {
                    LockStatus::Expired(info)
                } else {
                    LockStatus::Held(info)
                })
            }
            Some(ReadOutcome::Present(_) | ReadOutcome::Absent { .. }) => Ok(LockStatus::Free),
            Some(ReadOutcome::Hidden { .. } | ReadOutcome::Foreign) | None => {
                Err(errors.failed(self.key()))
            }
        }
    }

    /// Ends a holding without its guard. If this client has the guard, that guard sees `loss`.
    pub(crate) async fn free(&self, free: Free, loss: Loss) -> Result<bool, LockError> {
        self.session.ready(Duration::MAX).await;
        let mut budget = self.budget(2 * self.session.request_timeout());
        self.check_before_write(&mut budget).await?;
        let driver = self.driver(&mut budget);
        let Driven { end, errors, .. } = driver.run(free, &self.queue.observations).await?;
        match end {
            Freed::Yes(released) => {
                let token = released.record.fencing_token;
                let now = self.session.clock().now();
                self.queue.observations().note_released(released, now);
                match loss {
                    Loss::Broken => logs::warn!("broke {} by force", self.key()),
                    _ => logs::info!("released {} by owner name", self.key()),
                }
                self.queue.note_loss(token, loss);
                Ok(true)
            }
            Freed::No => {
                logs::info!(
                    "nothing to release: {} is free, or held otherwise",
                    self.key()
                );
                Ok(false)
            }
            Freed::Failed => Err(errors.failed(self.key())),
            Freed::ConditionIgnored => Err(condition_ignored(self.key())),
            Freed::Unknown => Err(errors.unknown(self.key()).with_hint(RELEASE_AGAIN).into()),
        }
    }
}
