//! Taking the lock. [`Acquire`] reads the record, and writes its own when the lock is free, expired
//! or reclaimable. If it has to give up while a write is unresolved, it undoes that write.

use std::time::Duration;

use crate::protocol::cas::{Cas, Progress};
use crate::protocol::lease::Lease;
use crate::protocol::object::{Condition, StoreSeconds};
use crate::protocol::observations::{ExpiryRule, Observations};
use crate::protocol::operation::{Event, Inputs, Operation, PauseReason, Step, Trouble, Write};
use crate::protocol::record::{Holder, Record};
use crate::protocol::snapshot::{ReadOutcome, Snapshot, StoredRecord};

/// Who asks for the lock, and on what terms.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Claim {
    pub owner: String,
    pub lease: Duration,
    pub host: String,
    pub pid: u32,
    pub purpose: Option<String>,
    pub expiry_rule: ExpiryRule,
    /// Whether to take over at once what another holds under the same owner name.
    pub reclaims: bool,
}

/// An attempt to take the lock.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Acquire {
    claim: Claim,
    phase: Phase,
    /// The holding that stands in the way, as of the last look.
    held: Option<Snapshot>,
    /// The holding that the last write was to take over.
    from: Option<Box<Record>>,
    /// Writes since the last pause.
    takes: u32,
    undo_writes: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::large_enum_variant, reason = "there is one to an acquire")]
enum Phase {
    /// No write is under way.
    Looking,
    Taking(Cas),
    /// Given up, but the write may still land. The record is being read.
    Undoing(Cas),
    /// Given up. A released record is being written where the write has landed or might land.
    Freeing {
        taking: Cas,
        freeing: Cas,
    },
}

/// How an attempt to take the lock ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Acquired {
    Won {
        lease: Lease,
        /// The holding that it was taken over from, if that was never given back.
        from: Option<Box<Record>>,
    },
    /// Another has it, as of the last look.
    Held(Snapshot),
    /// Not taken. Nothing of the attempt remains.
    Failed,
    /// Not taken: the store refuses a write although its condition holds.
    ConditionIgnored,
    /// Given up while a write was unresolved, and that write could not be undone. The lock may
    /// become held in the caller's name until that lease has run out.
    MayRemain,
    /// Not taken: this client has seen the largest fencing token there can be.
    TokensExhausted,
}

/// How many times in a row an acquire tries a free lock before it pauses. Each time another was
/// faster, and going on at once would only keep all of them busy.
const MAX_TAKES: u32 = 3;
/// The most released records that an undo writes. It needs a further one only if the write to be
/// undone landed between one read and the next.
const MAX_UNDO_WRITES: u32 = 3;

impl Operation for Acquire {
    type Memory = Observations;
    type End = Acquired;

    fn on(&mut self, event: Event, inputs: &Inputs, known: &mut Observations) -> Step<Acquired> {
        match std::mem::replace(&mut self.phase, Phase::Looking) {
            Phase::Looking => self.look(event, inputs, known),
            Phase::Taking(cas) => self.take(event, cas, inputs, known),
            Phase::Undoing(taking) => self.undo(event, taking, inputs),
            Phase::Freeing { taking, freeing } => self.free(event, taking, freeing, inputs, known),
        }
    }
}

impl Acquire {
    pub fn new(claim: Claim) -> Acquire {
        Acquire {
            claim,
            phase: Phase::Looking,
            held: None,
            from: None,
            takes: 0,
            undo_writes: 0,
        }
    }

    /// The same where another call has sent the write for this one, and does not know what came of it
    /// ([`hand_over`](crate::protocol::hand_over)). It begins with a read.
    pub fn resolving(claim: Claim, write: &Cas) -> Acquire {
        Acquire {
            phase: Phase::Taking(write.clone().in_doubt()),
            takes: 1,
            ..Acquire::new(claim)
        }
    }

    fn look(&mut self, event: Event, inputs: &Inputs, known: &mut Observations) -> Step<Acquired> {
        match event {
            Event::Resume => self.resume(inputs, known),
            Event::Read(Ok(found)) => self.decide(found, inputs, known),
            Event::Read(Err(Trouble::Transient)) => Step::Pause(PauseReason::Trouble),
            Event::Read(Err(Trouble::Permanent)) | Event::Wrote(_) => Step::Done(Acquired::Failed),
            Event::GiveUp => Step::Done(match self.held.take() {
                Some(seen) => Acquired::Held(seen),
                None => Acquired::Failed,
            }),
        }
    }

    fn resume(&mut self, inputs: &Inputs, known: &mut Observations) -> Step<Acquired> {
        // A guess from this client's own last release: right unless another was here since.
        if let Some(released) = known.released.take() {
            return self.replace(released, inputs, known);
        }
        match &self.held {
            // No further read is needed: the condition of the write proves that nobody changed this
            // version.
            Some(seen) if self.is_expired(seen, inputs, known) => {
                self.replace(version(seen.clone()), inputs, known)
            }
            _ => Step::Read,
        }
    }

    fn free_in(&self, seen: &Snapshot, inputs: &Inputs, known: &Observations) -> Duration {
        // Asked for each time: the reply that is looked at may itself have shown that the date is
        // wrong.
        let expiry_rule = self.claim.expiry_rule.trusting(inputs.trusts_date);
        known.free_in(seen, &expiry_rule, inputs.now)
    }

    fn is_expired(&self, seen: &Snapshot, inputs: &Inputs, known: &Observations) -> bool {
        self.free_in(seen, inputs, known).is_zero()
    }

    fn decide(
        &mut self,
        found: ReadOutcome,
        inputs: &Inputs,
        known: &Observations,
    ) -> Step<Acquired> {
        self.held = None;
        match found {
            ReadOutcome::Foreign => Step::Done(Acquired::Failed),
            // A key that is hidden may be absent. If it is not, the store refuses the create. If
            // others create it first, the next look shows them.
            ReadOutcome::Absent { date } | ReadOutcome::Hidden { date } => {
                self.create(date, inputs, known)
            }
            ReadOutcome::Present(seen) => {
                let is_free = !seen.record.is_held() || self.is_expired(&seen, inputs, known);
                if !is_free && !self.reclaims(&seen) {
                    let free_in = self.free_in(&seen, inputs, known);
                    self.held = Some(seen);
                    return Step::Wait { free_in };
                }
                if self.takes == MAX_TAKES {
                    return self.rest(PauseReason::Contended);
                }
                let mut base = version(seen);
                if !is_free {
                    base.record.reclaimed = Some(base.record.fencing_token);
                }
                self.replace(base, inputs, known)
            }
        }
    }

    /// Whether to take over a holding before it has expired. Its owner has this claim's own name
    /// and is not at work in this process, so it has crashed.
    fn reclaims(&self, seen: &Snapshot) -> bool {
        self.claim.reclaims && seen.record.owner == self.claim.owner && !seen.live_here
    }

    fn rest(&mut self, why: PauseReason) -> Step<Acquired> {
        self.takes = 0;
        Step::Pause(why)
    }

    fn create(
        &mut self,
        date: Option<StoreSeconds>,
        inputs: &Inputs,
        known: &Observations,
    ) -> Step<Acquired> {
        // Without the store's `Date`, this client's clock has to do: a token needs a start, and
        // only a key that was deleted by hand has two starts.
        let date = date.unwrap_or(inputs.wall.unix_seconds());
        let Some(token) = known.first_token(date) else {
            return Step::Done(Acquired::TokensExhausted);
        };
        let record = Record::held(self.claim.holder(inputs), token, inputs.nonce);
        self.from = None;
        self.start(record, Condition::Absent, inputs)
    }

    fn replace(
        &mut self,
        base: StoredRecord,
        inputs: &Inputs,
        known: &Observations,
    ) -> Step<Acquired> {
        let Some(token) = known.next_token(base.record.fencing_token) else {
            return Step::Done(Acquired::TokensExhausted);
        };
        let holder = self.claim.holder(inputs);
        let record = base.record.succeeded_by(holder, token, inputs.nonce);
        self.from = base.record.is_held().then(|| Box::new(base.record));
        self.start(record, Condition::Matches(base.etag), inputs)
    }

    fn start(&mut self, record: Record, condition: Condition, inputs: &Inputs) -> Step<Acquired> {
        let write = Write { record, condition };
        self.takes += 1;
        self.phase = Phase::Taking(Cas::new(write.clone(), inputs.now));
        Step::Write(write)
    }

    fn take(
        &mut self,
        event: Event,
        mut cas: Cas,
        inputs: &Inputs,
        known: &mut Observations,
    ) -> Step<Acquired> {
        let step = match cas.on(event) {
            Progress::Applied(etag) => {
                let record = cas.write().record.clone();
                known.note_taken(record.fencing_token);
                let lease = Lease::new(StoredRecord { etag, record }, cas.first_send());
                let from = self.from.take();
                return Step::Done(Acquired::Won { lease, from });
            }
            Progress::Overtaken(found) => return self.decide(found, inputs, known),
            Progress::NotApplied => return self.rest(PauseReason::Trouble),
            Progress::Refused => return Step::Done(Acquired::Failed),
            Progress::ConditionIgnored => return Step::Done(Acquired::ConditionIgnored),
            Progress::Unresolved => {
                self.phase = Phase::Undoing(cas);
                return Step::Read;
            }
            Progress::Send(write) => Step::Write(write),
            Progress::Read => Step::Read,
            // At once: a free lock must not be reported as held, or not be taken.
            Progress::Pause(PauseReason::Contended) if self.takes < MAX_TAKES => {
                self.takes += 1;
                Step::Write(cas.write().clone())
            }
            Progress::Pause(why) => {
                self.takes = 0;
                Step::Pause(why)
            }
        };
        self.phase = Phase::Taking(cas);
        step
    }

    /// Looks where a write that was given up has landed, or makes sure that it cannot land any
    /// more.
    fn undo(&mut self, event: Event, taking: Cas, inputs: &Inputs) -> Step<Acquired> {
        let Event::Read(Ok(found)) = event else {
            return Step::Done(Acquired::MayRemain);
        };
        let Write { record, condition } = taking.write();
        let condition = match (&found, condition) {
            (ReadOutcome::Present(seen), _) if seen.record == *record => {
                Condition::Matches(seen.etag.clone())
            }
            // Still unknown. A released record goes under the same condition. Once that is applied,
            // the condition is gone for good, and the late write cannot land.
            (ReadOutcome::Absent { .. }, Condition::Absent) => Condition::Absent,
            (ReadOutcome::Present(seen), Condition::Matches(etag)) if seen.etag == *etag => {
                Condition::Matches(etag.clone())
            }
            (ReadOutcome::Hidden { .. }, _) => return Step::Done(Acquired::MayRemain),
            _ => return Step::Done(Acquired::Failed),
        };
        if self.undo_writes == MAX_UNDO_WRITES {
            return Step::Done(Acquired::MayRemain);
        }
        self.undo_writes += 1;
        let write = Write {
            record: record.released(inputs.nonce),
            condition,
        };
        let freeing = Cas::new(write.clone(), inputs.now);
        self.phase = Phase::Freeing { taking, freeing };
        Step::Write(write)
    }

    fn free(
        &mut self,
        event: Event,
        taking: Cas,
        mut freeing: Cas,
        inputs: &Inputs,
        known: &mut Observations,
    ) -> Step<Acquired> {
        let step = match freeing.on(event) {
            Progress::Applied(etag) => {
                let record = freeing.write().record.clone();
                known.note_released(StoredRecord { etag, record });
                return Step::Done(Acquired::Failed);
            }
            Progress::Overtaken(found) => return self.undo(Event::Read(Ok(found)), taking, inputs),
            Progress::Read => Step::Read,
            Progress::Send(write) => Step::Write(write),
            Progress::Pause(why) => Step::Pause(why),
            Progress::NotApplied
            | Progress::Refused
            | Progress::ConditionIgnored
            | Progress::Unresolved => {
                return Step::Done(Acquired::MayRemain);
            }
        };
        self.phase = Phase::Freeing { taking, freeing };
        step
    }
}

impl Claim {
    pub(crate) fn holder(&self, inputs: &Inputs) -> Holder {
        Holder {
            owner: self.owner.clone(),
            lease: self.lease,
            acquired_at: inputs.wall,
            host: self.host.clone(),
            pid: self.pid,
            purpose: self.purpose.clone(),
        }
    }
}

fn version(seen: Snapshot) -> StoredRecord {
    StoredRecord {
        etag: seen.etag,
        record: seen.record,
    }
}
