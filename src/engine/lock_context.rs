//! What a lock and its guards share in one process: the session, the location, the queue and the settings.
//! `S3Lock` finds the context at the start of each call, and the other files of `engine/` add the calls.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::driver::Driver;
use crate::engine::session::Session;
use crate::engine::time_budget::TimeBudget;
use crate::engine::wait_queue::WaitQueue;
use crate::engine::waits::Waits;
use crate::protocol::record::Record;
use crate::protocol::{ExpiryRule, Location, Pace, Snapshot};
use crate::types::errors::LockError;
use crate::types::info::LockInfo;

/// One lock in one process.
pub(crate) struct LockContext {
    /// The client's session in this process.
    pub(crate) session: Session,
    pub(crate) location: Arc<Location>,
    pub(crate) queue: Arc<WaitQueue>,
    pub(crate) settings: Settings,
}

/// The validated settings of a lock.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub max_operation: Duration,
    pub lease: Duration,
    pub wait_limit: Option<Duration>,
    /// The pauses between two looks at a lock that another has.
    pub pace: Pace,
    pub keep_alive: bool,
    pub max_hold: Option<Duration>,
    pub purpose: Option<Box<str>>,
    pub expiry_rule: ExpiryRule,
    pub reclaims: bool,
    /// Whether this handle waits in the lock's queue, in the order in which clients register, and hands the
    /// lock over to a waiting thread of its own client in one write.
    pub queue: bool,
    /// Those who watch the acquires of this handle and may end them.
    pub waits: Option<Waits>,
}

impl LockContext {
    pub(crate) fn new(
        session: Session,
        location: Arc<Location>,
        settings: Settings,
    ) -> LockContext {
        LockContext {
            queue: session.queue(&location),
            session,
            location,
            settings,
        }
    }

    /// The key of the lock's object.
    pub(crate) fn key(&self) -> &str {
        &self.location.key
    }

    /// When a holder counts as expired. Depends on whether the session still trusts the store's clock.
    pub(crate) fn expiry_rule(&self) -> ExpiryRule {
        let rule = self.settings.expiry_rule;
        rule.trusting(self.session.trusts_date())
    }

    /// The budget of a call that may take `total`.
    pub(crate) fn budget(&self, total: Duration) -> TimeBudget {
        let (clock, request) = (self.session.clock(), self.session.request_timeout());
        let pace = &self.settings.pace;
        TimeBudget::new(clock, total, request, (pace.min, pace.max))
    }

    /// Waits until requests have what they need. A call that waits spends its own time on that. For one
    /// that does not wait, this time does not count. Fails if no time is left.
    pub(crate) async fn get_ready(&self, budget: &mut TimeBudget) -> Result<(), LockError> {
        if budget.waits() {
            // Enough is left for a request, as a rule.
            let limit = budget.left() / 10 * 9;
            let late = self.session.ready(limit).await;
            let late = late.filter(|_| budget.is_up());
            late.map_or(Ok(()), Err)
        } else {
            let began = self.session.clock().now();
            self.session.ready(Duration::MAX).await;
            budget.exclude_since(began);
            Ok(())
        }
    }

    pub(crate) fn driver<'a>(&'a self, budget: &'a mut TimeBudget) -> Driver<'a> {
        Driver::new(&self.session, &self.location, &self.queue, budget)
    }

    /// How long a call has waited so far, at least.
    pub(crate) fn waited(&self, budget: &TimeBudget) -> Duration {
        self.session.clock().now().at_least_since(budget.start())
    }

    pub(crate) fn info(&self, record: Record, remaining: Duration) -> LockInfo {
        LockInfo::new(&self.location, record, remaining)
    }

    /// Another holder's record, and how long this client must still wait before it may take the lock over.
    pub(crate) fn describe(&self, seen: &Snapshot) -> LockInfo {
        let free_in = if seen.record.is_held() {
            let now = self.session.clock().now();
            let observations = self.queue.observations();
            observations.free_in(seen, &self.expiry_rule(), now)
        } else {
            Duration::ZERO
        };
        self.info(seen.record.clone(), free_in)
    }

    /// The guard of this same client that holds the lock, if there is one.
    pub(crate) fn local_holder(&self) -> Option<LockInfo> {
        let (record, remaining) = self.queue.holder(self.session.clock().now())?;
        // For waiting callers, the lock is held until its record has expired.
        let free_in = remaining + self.expiry_rule().beyond(record.lease());
        Some(self.info(record, free_in))
    }
}
