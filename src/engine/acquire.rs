//! Acquires a lock. `S3Lock::acquire` in `api/` calls this. It waits in this client's queue and has the store
//! checked if that is due. Then it runs `protocol::Acquire` and turns the end into a held lock or an error.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::driver::Driven;
use crate::engine::held_lock::HeldLock;
use crate::engine::last_errors::condition_ignored;
use crate::engine::lock_context::LockContext;
use crate::engine::registry::Entry;
use crate::engine::time_budget::TimeBudget;
use crate::engine::wait_queue::{QueuePlace, Turn};
use crate::protocol::record::{DoneLabel, Record, UnusableRecord};
use crate::protocol::{Acquire, Acquired, Claim, QueueTerms};
use crate::sys::host::host_name;
use crate::sys::logs;
use crate::types::errors::LockError;
use crate::types::info::LockInfo;

/// How long a call waits for a lock.
pub(crate) enum Wait {
    /// Not at all: one attempt.
    No,
    Within(Duration),
    /// As the settings say. Without a setting: two leases, or longer if the first holder that it sees
    /// needs longer to expire. That grows once by the time for which a free lock is left to others.
    AsSet,
}

/// A lock that was acquired.
pub(crate) struct Won {
    pub held: Arc<HeldLock>,
    /// Keeps this process from reclaiming the lock from its own guard.
    pub entry: Option<Entry>,
}

/// A call that does not wait gets the time of this many requests.
const TRY_REQUESTS: u32 = 4;
/// A call that waits for less takes no place in the lock's queue. It would hardly get the lock before it had to give
/// the place back, and that is two more writes for others to wait for.
const LEAST_WAIT: Duration = Duration::from_secs(1);
/// A takeover gets the time of this many requests after the holder has expired.
const TAKEOVER_REQUESTS: u32 = 2;

const MAY_REMAIN: &str = "if it was, it is held in your name until its lease runs out or you \
                          release it by owner name";

impl LockContext {
    /// Acquires the lock for `owner`, to do once what is labelled so if there is a label. The settings' handle may
    /// watch that, and end it.
    pub(crate) async fn acquire(
        self: &Arc<LockContext>,
        owner: &str,
        label: Option<&str>,
        wait: Wait,
    ) -> Result<Won, LockError> {
        if let Some(done) = self.queue.done(label) {
            // Done once is done: there is no need to ask again.
            return Err(self.already_done(*done));
        }
        let claim = self.claim(owner, label, &wait);
        let mut budget = self.acquire_budget(wait);
        let _listed = self.list_wait(&budget);
        let acquired = self.acquire_in_time(claim, &mut budget).await;
        acquired.map_err(|error| self.unless_cancelled(error, &budget))
    }

    async fn acquire_in_time(
        self: &Arc<LockContext>,
        claim: Claim,
        budget: &mut TimeBudget,
    ) -> Result<Won, LockError> {
        if budget.is_cancelled() {
            return Err(self.out_of_time(budget));
        }
        let label = claim.label.as_deref();
        let place = budget.waits().then(|| self.join_queue(label));
        if let Some(holder) = self.local_holder() {
            if place.is_none() {
                return Err(LockError::Held(Box::new(holder)));
            }
            logs::info!(
                "waiting: {holder}; a guard of this client has it: if it is this thread's own, drop it first"
            );
            logs::flush();
        }
        let turn = match &place {
            Some(place) => match self.turn(&place.place, &claim, budget).await {
                Ok(turn) => turn,
                Err(timed_out) => {
                    if !self.queue.is_asking() {
                        self.leave(claim).await;
                    }
                    return Err(timed_out);
                }
            },
            None => Turn::Take,
        };
        match turn {
            Turn::Take => {
                if let Err(error) = self.prepare(budget).await {
                    if budget.is_cancelled() {
                        self.leave(claim).await;
                    }
                    return Err(error);
                }
                let driver = self.driver(budget);
                let acquire = Acquire::new(claim);
                let driven = driver.run(acquire, &self.queue.observations).await?;
                self.end_of_acquire(driven, budget).await
            }
            Turn::Done(done) => {
                if !self.queue.is_asking() {
                    self.leave(claim).await;
                }
                Err(self.already_done(*done))
            }
            Turn::Yours(holding) => {
                let (held, entry) = HeldLock::handed_over(self.clone(), holding);
                self.log_acquired(&held.record, None);
                self.hand_out(held, Some(entry)).await
            }
            Turn::Resolve { write, entry } => self.resolve(claim, &write, entry, budget).await,
        }
    }

    async fn turn(
        &self,
        place: &QueuePlace<'_>,
        claim: &Claim,
        budget: &mut TimeBudget,
    ) -> Result<Turn, LockError> {
        let clock = self.session.clock();
        let claim = self.settings.queue.then_some(claim);
        let turn = place.turn(clock, &self.expiry_rule(), budget, claim).await;
        turn.map_err(|holder| LockError::TimedOut {
            waited: self.waited(budget),
            holder: holder.map(|known| Box::new(self.info(known.record, known.free_in))),
            ahead: None,
        })
    }

    /// Gives this client's ticket back if the last call that waits is about to leave. Another call has taken it.
    async fn leave(&self, claim: Claim) {
        let now = self.session.clock().now();
        let is_last = !self.queue.others_use_ticket(now);
        if !is_last || !self.queue.observations().place.has_ticket() {
            return;
        }
        // There is no time to take the lock, so the operation gives up and leaves.
        let claim = Claim {
            label: None,
            ..claim
        };
        let mut budget = self.budget(Duration::ZERO);
        let driver = self.driver(&mut budget);
        // Best effort: what cannot be given back is passed over.
        let _ = driver
            .run(Acquire::new(claim), &self.queue.observations)
            .await;
    }

    fn acquire_budget(&self, wait: Wait) -> TimeBudget {
        let request = self.session.request_timeout();
        let budget = match wait {
            Wait::No => self.budget(TRY_REQUESTS * request).without_waiting(),
            Wait::Within(limit) => self.budget(limit),
            Wait::AsSet => match self.settings.wait_limit {
                Some(limit) => self.budget(limit),
                None => self
                    .budget(2 * self.settings.lease)
                    .or_until_expiry(TAKEOVER_REQUESTS * request),
            },
        };
        let waits = self.settings.waits.as_ref();
        budget.cancelled_by(waits.map(|waits| waits.cancellation().clone()))
    }

    pub(super) fn claim(&self, owner: &str, label: Option<&str>, wait: &Wait) -> Claim {
        let host = host_name();
        let pid = std::process::id();
        let queues = self.settings.queue && !matches!(wait, Wait::No);
        let limit = match wait {
            Wait::Within(limit) => Some(*limit),
            Wait::No | Wait::AsSet => self.settings.wait_limit,
        };
        Claim {
            owner: owner.to_owned(),
            lease: self.settings.lease,
            queue: queues.then(|| QueueTerms {
                label: format!("{owner} ({host}/{pid})"),
                pace: self.settings.pace,
                takes_ticket: limit.is_none_or(|limit| limit >= LEAST_WAIT),
            }),
            host,
            pid,
            purpose: self.settings.purpose.as_deref().map(str::to_owned),
            label: label.map(Box::from),
            expiry_rule: self.settings.expiry_rule,
            reclaims: self.settings.reclaims,
        }
    }

    pub(super) async fn end_of_acquire(
        self: &Arc<LockContext>,
        driven: Driven<Acquired>,
        budget: &TimeBudget,
    ) -> Result<Won, LockError> {
        let Driven {
            end,
            errors,
            ahead,
            entry,
        } = driven;
        Err(match end {
            Acquired::Won { lease, from } => {
                self.log_acquired(lease.record(), from.as_deref());
                let held = HeldLock::new(self.clone(), lease);
                return self.hand_out(held, entry).await;
            }
            Acquired::Held(seen) if budget.waits() => {
                let holder = Some(self.describe(&seen));
                errors.timed_out(self.waited(budget), holder, ahead)
            }
            Acquired::Held(seen) => LockError::Held(Box::new(self.describe(&seen))),
            Acquired::AlreadyDone(done) => self.already_done(*done),
            Acquired::OthersFirst => errors.timed_out(self.waited(budget), None, ahead),
            Acquired::Failed if budget.waits() && budget.gave_up() => {
                let holder = self.holder_seen_in(budget);
                errors.timed_out(self.waited(budget), holder, ahead)
            }
            Acquired::Failed => errors.failed(self.key()),
            Acquired::ConditionIgnored => condition_ignored(self.key()),
            Acquired::MayRemain => errors.unknown(self.key()).with_hint(MAY_REMAIN).into(),
            Acquired::TokensExhausted => {
                LockError::foreign(self.key(), UnusableRecord::tokens_exhausted())
            }
        })
    }

    fn already_done(&self, done: DoneLabel) -> LockError {
        LockError::already_done(self.key(), done)
    }

    fn log_acquired(&self, acquired: &Record, from: Option<&Record>) {
        let (key, token) = (self.key(), acquired.fencing_token);
        if let Some(Record { owner, .. }) = from {
            logs::warn!("took over {key}, which {owner:?} did not give back");
        }
        let owner = &acquired.owner;
        logs::info!("acquired {key} as {owner:?} with fencing token {token}");
    }

    /// Hands out the lock. Gives it back if acquiring took so long that too little of the lease is left.
    async fn hand_out(
        self: &Arc<LockContext>,
        held: HeldLock,
        entry: Option<Entry>,
    ) -> Result<Won, LockError> {
        let (remaining, needed) = (held.remaining(), self.settings.max_operation);
        let held = Arc::new(held);
        let refused = if remaining < needed {
            LockError::TooSlow { remaining, needed }
        } else if !self.settings.keep_alive {
            return Ok(Won { held, entry });
        } else {
            match held.keep_alive() {
                Ok(()) => return Ok(Won { held, entry }),
                Err(error) => error,
            }
        };
        Err(match held.close().await {
            Ok(()) | Err(LockError::Lost(_)) => refused,
            Err(LockError::Storage(error)) => error
                .with_outcome_unknown(true)
                .with_hint(MAY_REMAIN)
                .into(),
            Err(error) => error,
        })
    }

    /// The holder, if a read of this client has shown one since the call began.
    fn holder_seen_in(&self, budget: &TimeBudget) -> Option<LockInfo> {
        let held = self.queue.observations().held.clone();
        let start = budget.start();
        let fresh = held.filter(|seen| start.at_least_since(seen.arrived).is_zero());
        fresh.map(|seen| self.describe(&seen))
    }
}
