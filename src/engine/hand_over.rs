//! Hands a lock over to the next call in its client's queue, in one write: it gives the lock back and takes
//! it for that call. `HeldLock::release` tries this first. It runs `protocol::HandOver`, and tells the chosen
//! call what came of it.
//!
//! Whatever happens, the chosen call is told something. If the hand-over stops half way, dropping
//! [`UnderWay`] tells it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;

use crate::engine::acquire::{Wait, Won};
use crate::engine::cancellation::Cancellation;
use crate::engine::driver::Driven;
use crate::engine::held_lock::HeldLock;
use crate::engine::lock_context::LockContext;
use crate::engine::registry::Entry;
use crate::engine::time_budget::TimeBudget;
use crate::engine::wait_queue::{Chain, Chosen, Holding, QueuePlace, Turn};
use crate::protocol::{Acquire, Cas, Claim, Ending, HandOver, HandedOver, Lease};
use crate::sys::logs;
use crate::sys::sync::lock;
use crate::types::errors::LockError;

/// A hand-over that has begun.
struct UnderWay<'a> {
    held: &'a HeldLock,
    /// The call that was chosen; none once it was told what came of this.
    chosen: Option<Chosen<'a>>,
    /// The registry's entry of the new holding.
    entry: Option<Entry>,
    chain: Chain,
}

impl HeldLock {
    /// Hands the lock over to the next call of this client, within `limit`, if one takes it. Returns whether
    /// that was done. If not, the lock has to be released. Call this with the renewals ended.
    pub(super) async fn hand_over(&self, ending: Ending, limit: Duration) -> bool {
        let context = &self.context;
        let Some((operation, under_way)) = self.begin_hand_over(ending) else {
            return false;
        };
        // Within the chosen call's time: it cannot leave before it is told.
        let (time, cancellation) = under_way.time();
        let mut budget = context.budget(limit.min(time)).cancelled_by(cancellation);
        let driver = context.driver(&mut budget);
        match driver.run(operation, &self.lease).await {
            Ok(Driven {
                end: HandedOver::Yes(lease),
                ..
            }) => {
                under_way.end(lease);
                self.log_end(ending);
                true
            }
            // Dropping it tells the chosen call.
            Ok(_) | Err(_) => false,
        }
    }

    fn begin_hand_over(&self, ending: Ending) -> Option<(HandOver, UnderWay<'_>)> {
        let LockContext {
            session,
            location,
            queue,
            settings,
        } = &*self.context;
        let now = session.clock().now();
        if !settings.queue {
            return None;
        }
        let Some(chain) = self.chain.next(now) else {
            if self.chain.is_long() {
                queue.observations().place.has_had_its_turn();
            }
            return None;
        };
        let done = ending.of(lock(&self.lease).record()).done().clone();
        let chosen = queue.choose(&self.lease, &done, session.request_timeout(), now)?;
        let claim = chosen.offer.claim.clone();
        let operation = {
            let known = queue.observations();
            HandOver::of(&mut lock(&self.lease), ending, claim, &known, now)?
        };
        // Before the write is sent: a call of this process that reads the record must find it.
        let entry = session.registry().enter(location, operation.token());
        let under_way = UnderWay {
            held: self,
            chosen: Some(chosen),
            entry: Some(entry),
            chain,
        };
        Some((operation, under_way))
    }
}

impl UnderWay<'_> {
    /// How much of its time the chosen call has left, and what may end that.
    fn time(&self) -> (Duration, Option<Cancellation>) {
        let now = self.held.context.session.clock().now();
        let offer = self.chosen.as_ref().map(|chosen| &chosen.offer);
        let left = offer.map_or(Duration::ZERO, |offer| offer.left(now));
        (left, offer.and_then(|offer| offer.cancellation.clone()))
    }

    /// The lock was handed over: this is the new holding.
    fn end(mut self, lease: Lease) {
        let context = &self.held.context;
        let now = context.session.clock().now();
        let mut observations = context.queue.observations();
        observations.note_taken(lease.record(), now);
        drop(observations);
        context.queue.note_done();
        if let (Some(chosen), Some(entry)) = (self.chosen.take(), self.entry.take()) {
            let holding = Holding {
                lease: Arc::new(Mutex::new(lease)),
                loss_news: Arc::<Notify>::default(),
                entry,
                chain: self.chain,
            };
            context.look_after(chosen.give(holding));
        }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let Some(chosen) = self.chosen.take() else {
            return;
        };
        let in_doubt = lock(&self.held.lease).hand_over_in_doubt();
        if let (Some(write), Some(entry)) = (in_doubt, self.entry.take()) {
            let told = chosen.leave_in_doubt(write, entry);
            self.held.context.look_after(told);
        }
        // Else nothing was written, and nothing will be: dropping `chosen` has the call wait on.
    }
}

/// A place in the queue, for a call that may be handed the lock.
pub(super) struct Place<'a> {
    context: &'a Arc<LockContext>,
    pub place: QueuePlace<'a>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        // It is told nothing unless the call unwinds.
        let told = self.place.leave();
        self.context.look_after(told);
    }
}

impl LockContext {
    /// Joins this client's queue.
    pub(super) fn join_queue(self: &Arc<LockContext>, label: Option<&str>) -> Place<'_> {
        Place {
            context: self,
            place: self.queue.join(label),
        }
    }

    /// Goes on with an acquire whose write another guard of this client has sent.
    pub(super) async fn resolve(
        self: &Arc<LockContext>,
        claim: Claim,
        write: &Cas,
        entry: Entry,
        budget: &mut TimeBudget,
    ) -> Result<Won, LockError> {
        let acquire = Acquire::resolving(claim, write);
        let driver = self.driver(budget).with_entry(entry);
        let driven = driver.run(acquire, &self.queue.observations).await?;
        self.end_of_acquire(driven, budget).await
    }

    /// Gives back what a call was told that is gone: its thread has unwound.
    fn look_after(self: &Arc<LockContext>, told: Option<Turn>) {
        let Some(turn @ (Turn::Yours(_) | Turn::Resolve { .. })) = told else {
            return;
        };
        let (context, turn) = (self.clone(), Mutex::new(Some(turn)));
        let task = move || {
            let (context, turn) = (context.clone(), lock(&turn).take());
            Box::pin(async move { context.give_back(turn).await }) as _
        };
        if let Err(error) = self.session.run_in_background(Arc::new(task)) {
            let key = self.key();
            logs::warn!(
                "{key} is held by a call that has unwound, until its lease runs out: {error}"
            );
        }
    }

    async fn give_back(self: &Arc<LockContext>, turn: Option<Turn>) {
        let given_back = match turn {
            Some(Turn::Yours(holding)) => {
                let (held, _entry) = HeldLock::handed_over(self.clone(), holding);
                held.close().await
            }
            Some(Turn::Resolve { write, entry }) => {
                let claim = self.claim(&write.write().record.owner, None, &Wait::No);
                // There is no time to resolve it, so it is undone.
                let mut budget = self.budget(Duration::ZERO);
                match self.resolve(claim, &write, entry, &mut budget).await {
                    Ok(won) => won.held.close().await,
                    Err(error) => Err(error),
                }
            }
            Some(Turn::Take | Turn::Done(_)) | None => Ok(()),
        };
        if let Err(error) = given_back {
            logs::debug!("{}: {error}", self.key());
        }
    }
}
