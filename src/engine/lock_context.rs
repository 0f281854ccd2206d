//! What a lock and its guards share: the calls of the protocol on one object, and the errors that
//! their ends become.

use std::sync::Arc;
use std::time::Duration;

use crate::api::guard::LockGuard;
use crate::engine::driver::{Drive, Errors, Limits, Outcome, PAUSE};
use crate::engine::session::Session;
use crate::engine::wait_queue::Local;
use crate::protocol::record::{Record, UnusableRecord};
use crate::protocol::{
    Acquire, Acquired, Claim, ExpiryRule, Free, Freed, Instant, Lease, Location, Look, Loss,
    ReadOutcome, Snapshot,
};
use crate::sys::host::host_name;
use crate::sys::logs;
use crate::sys::random::Backoff;
use crate::types::errors::{LockError, StorageError, StorageErrorKind};
use crate::types::info::LockInfo;

/// What a lock and its guards share, in one process.
pub(crate) struct Core {
    /// The client, as it is in the process that this belongs to.
    pub(crate) client: Session,
    pub(crate) location: Location,
    pub(crate) local: Arc<Local>,
    pub(crate) settings: Settings,
}

/// The settings of a lock, checked.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub max_operation: Duration,
    pub lease: Duration,
    pub wait_limit: Option<Duration>,
    pub poll: (Duration, Duration),
    pub keep_alive: bool,
    pub max_hold: Option<Duration>,
    pub purpose: Option<String>,
    pub expiry_rule: ExpiryRule,
    pub reclaims: bool,
}

const MAY_REMAIN: &str = "if it was, it is held in your name until its lease has run out, or until \
                          you release it by owner name";
const RELEASE_AGAIN: &str = "look at its status, or release it again";

impl Core {
    pub(crate) fn new(client: Session, location: Location, settings: Settings) -> Core {
        Core {
            local: client.local(&location),
            client,
            location,
            settings,
        }
    }

    /// One bounded attempt, or series of attempts, to take the lock.
    pub(crate) async fn take(
        self: &Arc<Core>,
        owner: &str,
        mut limits: Limits,
        start: Instant,
    ) -> Result<LockGuard, LockError> {
        self.vet(&mut limits, start).await?;
        let waits = limits.waits;
        let acquire = Acquire::new(self.claim(owner));
        let drive = self.drive(limits, start);
        let outcome = drive.run(acquire, &self.local.knowledge).await?;
        let Outcome {
            end,
            errors,
            gave_up,
            // Until the guard has an entry of its own.
            living: _living,
        } = outcome;
        match end {
            Acquired::Won { holding, from } => {
                self.log(holding.record(), from.as_deref());
                self.hand_out(holding).await
            }
            Acquired::Held(seen) if waits => {
                let holder = Some(self.describe(&seen));
                Err(self.in_vain(start, errors, holder))
            }
            Acquired::Held(seen) => Err(LockError::Held(Box::new(self.describe(&seen)))),
            Acquired::Failed if waits && gave_up => {
                let holder = self.seen_since(start);
                Err(self.in_vain(start, errors, holder))
            }
            Acquired::Failed => Err(self.failed(errors)),
            Acquired::ConditionIgnored => Err(self.defied()),
            Acquired::MayRemain => Err(self.unknown(errors).with_hint(MAY_REMAIN).into()),
            Acquired::TokensExhausted => Err(LockError::foreign(
                &self.location.key,
                UnusableRecord::spent(),
            )),
        }
    }

    fn log(&self, acquired: &Record, from: Option<&Record>) {
        let (key, token) = (&self.location.key, acquired.fencing_token);
        if let Some(Record { owner, .. }) = from {
            logs::warn!("took over {key}, which {owner:?} did not give back");
        }
        let owner = &acquired.owner;
        logs::info!("acquired {key} as {owner:?} with fencing token {token}");
    }

    /// Hands out a guard, unless acquiring took so long that too little of the lease is left.
    async fn hand_out(self: &Arc<Core>, mut holding: Lease) -> Result<LockGuard, LockError> {
        let remaining = holding.remaining(self.client.clock().now());
        let needed = self.settings.max_operation;
        let guard = LockGuard::new(self.clone(), holding);
        let refused = match remaining >= needed {
            false => LockError::TooSlow { remaining, needed },
            true if !self.settings.keep_alive => return Ok(guard),
            true => match guard.keep_alive() {
                Ok(()) => return Ok(guard),
                Err(error) => error,
            },
        };
        match guard.give_back().await {
            Ok(()) | Err(LockError::Lost(_)) => Err(refused),
            Err(LockError::Storage(error)) => Err(error
                .with_outcome_unknown(true)
                .with_hint(MAY_REMAIN)
                .into()),
            Err(error) => Err(error),
        }
    }

    /// Ends a holding without its guard. If this client has that, `loss` is what happened to it.
    pub(crate) async fn free(&self, free: Free, loss: Loss) -> Result<bool, LockError> {
        self.vet_first().await?;
        let limits = self.limits(2 * self.client.request_timeout());
        let drive = self.drive(limits, self.client.clock().now());
        let Outcome { end, errors, .. } = drive.run(free, &self.local.knowledge).await?;
        match end {
            Freed::Yes(released) => {
                let token = released.record.fencing_token;
                self.local.knowledge().note_released(released);
                let key = &self.location.key;
                match loss {
                    Loss::Broken => logs::warn!("broke {key} by force"),
                    _ => logs::info!("released {key} by owner name"),
                }
                self.local.lose(token, loss);
                Ok(true)
            }
            Freed::No => Ok(false),
            Freed::Failed => Err(self.failed(errors)),
            Freed::ConditionIgnored => Err(self.defied()),
            Freed::Unknown => Err(self.unknown(errors).with_hint(RELEASE_AGAIN).into()),
        }
    }

    fn claim(&self, owner: &str) -> Claim {
        Claim {
            owner: owner.to_owned(),
            lease: self.settings.lease,
            host: host_name(),
            pid: std::process::id(),
            purpose: self.settings.purpose.clone(),
            expiry_rule: self.settings.expiry_rule,
            reclaims: self.settings.reclaims,
        }
    }

    pub(crate) fn expiry_rule(&self) -> ExpiryRule {
        self.settings
            .expiry_rule
            .trusting(self.client.trusts_date())
    }

    /// One look at the record, within `limit`.
    pub(crate) async fn look(
        &self,
        limit: Duration,
    ) -> Result<Outcome<Option<ReadOutcome>>, LockError> {
        let limits = self.limits(limit);
        let drive = self.drive(limits, self.client.clock().now());
        drive.run(Look, &self.local.knowledge).await
    }

    pub(crate) fn drive(&self, limits: Limits, start: Instant) -> Drive<'_> {
        Drive::new(&self.client, &self.location, &self.local, limits, start)
    }

    pub(crate) fn limits(&self, total: Duration) -> Limits {
        let (min, max) = self.settings.poll;
        Limits {
            waits: true,
            total,
            beyond_expiry: None,
            attempt: self.client.request_timeout(),
            late: false,
            poll: Backoff::new(min, max),
            pauses: Backoff::new(PAUSE.0, PAUSE.1),
        }
    }

    /// What another holder's record says, and how long it still keeps this lock from it.
    pub(crate) fn describe(&self, seen: &Snapshot) -> LockInfo {
        let now = self.client.clock().now();
        let free_in = match seen.record.is_held() {
            true => self
                .local
                .knowledge()
                .free_in(seen, &self.expiry_rule(), now),
            false => Duration::ZERO,
        };
        self.info(seen.record.clone(), free_in)
    }

    pub(crate) fn info(&self, record: Record, remaining: Duration) -> LockInfo {
        LockInfo::new(&self.location, record, remaining)
    }

    /// The guard of this same client that holds the lock, if there is one.
    pub(crate) fn local_holder(&self) -> Option<LockInfo> {
        let (record, remaining) = self.local.holder(self.client.clock().now())?;
        // To whoever waits for it, it is held until its record has expired.
        let free_in = remaining + self.expiry_rule().beyond(record.lease());
        Some(self.info(record, free_in))
    }

    /// Another's holding, if a look of this client's since `start` showed one.
    fn seen_since(&self, start: Instant) -> Option<LockInfo> {
        let held = self.local.knowledge().held.clone();
        let fresh = held.filter(|seen| start.at_least_since(seen.arrived).is_zero());
        fresh.map(|seen| self.describe(&seen))
    }

    /// The error of an acquire whose time was up.
    pub(crate) fn in_vain(
        &self,
        start: Instant,
        errors: Errors,
        holder: Option<LockInfo>,
    ) -> LockError {
        match errors.real() {
            // Others were faster, or had it all the time.
            None => self.timed_out(start, holder),
            Some(LockError::Storage(e)) if e.kind() == StorageErrorKind::Contended => {
                self.timed_out(start, holder)
            }
            // The store has not answered since, or not at all.
            Some(error) => error,
        }
    }

    pub(crate) fn timed_out(&self, start: Instant, holder: Option<LockInfo>) -> LockError {
        LockError::TimedOut {
            waited: self.client.clock().now().at_least_since(start),
            holder: holder.map(Box::new),
        }
    }

    /// The error of a call that changed nothing.
    pub(crate) fn failed(&self, errors: Errors) -> LockError {
        errors.any().unwrap_or_else(|| self.no_time().into())
    }

    /// The error of a call that may have changed the lock.
    pub(crate) fn unknown(&self, errors: Errors) -> StorageError {
        let error = match errors.any() {
            Some(LockError::Storage(error)) => error,
            Some(other) => self.no_time().with_source(other),
            None => self.no_time(),
        };
        error.with_outcome_unknown(true)
    }

    /// The error of a write that the store refused although its condition held.
    pub(crate) fn defied(&self) -> LockError {
        let key = &self.location.key;
        let what = format!("the store refused a write of {key} although its condition held");
        let hint = "it does not honour If-Match and If-None-Match as S3 does; S3Lock::check_store \
                    tells in what, and sees to it where that is only the form of an ETag (without \
                    assume_conditional_writes it runs by itself)";
        let error = StorageError::new(StorageErrorKind::Unexpected, what);
        error.with_hint(hint).into()
    }

    fn no_time(&self) -> StorageError {
        let key = &self.location.key;
        let what = format!("no answer about {key} within the time given");
        StorageError::new(StorageErrorKind::NoAnswer, what)
    }
}
