//! Taking the lock. [`Acquire`] reads the record, and writes its own when the lock is free, expired
//! or reclaimable. If it has to give up while a write is unresolved, it undoes that write.

use std::time::Duration;

use crate::protocol::cas::{Cas, Progress};
use crate::protocol::lease::Lease;
use crate::protocol::object::{Condition, ETag, StoreSeconds, WriteOutcome};
use crate::protocol::observations::{ExpiryRule, Observations};
use crate::protocol::operation::{
    Event, Inputs, Operation, PauseReason, QueueEvent, Step, Trouble, Write,
};
use crate::protocol::queue::QueueWrite;
use crate::protocol::record::{Advice, DoneLabel, DoneLabels, Holder, Record};
use crate::protocol::snapshot::{ReadOutcome, Snapshot, StoredRecord};
use crate::protocol::turn::{QueueTerms, Turn, Vacancy};

/// Who asks for the lock, and on what terms.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Claim {
    pub owner: String,
    pub lease: Duration,
    pub host: String,
    pub pid: u32,
    pub purpose: Option<String>,
    /// What the lock is wanted for, if that is to be completed once. The claim ends where it is done.
    pub label: Option<Box<str>>,
    pub expiry_rule: ExpiryRule,
    /// Whether to take over at once what another holds under the same owner name.
    pub reclaims: bool,
    /// How to wait in the lock's queue. Without, the claim takes the lock as soon as it finds it free.
    pub queue: Option<QueueTerms>,
}

/// An attempt to take the lock.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Acquire {
    claim: Claim,
    phase: Phase,
    /// What the last look showed, if the lock could not be taken then.
    seen: Option<Snapshot>,
    /// Who has completed the claim's label, once that is known.
    done: Option<Box<DoneLabel>>,
    /// Looks so far, up to two, if the claim waits in the queue.
    looks: u32,
    /// What was done with the queue since the last look.
    queue_use: QueueUse,
    /// The holding that the last write was to take over.
    from: Option<Box<Record>>,
    /// Writes since the last pause.
    takes: u32,
    undo_writes: u32,
    /// Tries to give the ticket back.
    leaves: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::large_enum_variant, reason = "there is one to an acquire")]
enum Phase {
    /// No write is under way.
    Looking,
    /// The queue is being read, to see whose turn it is.
    SeeingQueue,
    /// A ticket is being written.
    Registering(QueueWrite),
    /// Given up. The ticket is being given back: the queue is being read, or written.
    Leaving(Option<QueueWrite>),
    Taking(Cas),
    /// Given up, but the write may still land. The record is being read.
    Undoing(Cas),
    /// Given up. A released record is being written where the write has landed or might land.
    Freeing {
        taking: Cas,
        freeing: Cas,
    },
}

/// What was done with the queue since the last look at the record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct QueueUse {
    seen: bool,
    registered: bool,
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
    /// Not taken: it was free at the last look, and others come first.
    OthersFirst,
    /// Not taken: the claim's label is done.
    AlreadyDone(Box<DoneLabel>),
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
/// How many times a call that gives up tries to give its ticket back. Of many that give up at once, one succeeds
/// at a time; the tickets of the others would be those of dead waiters.
const MAX_LEAVES: u32 = 8;
/// The most released records that an undo writes. It needs a further one only if the write to be
/// undone landed between one read and the next.
const MAX_UNDO_WRITES: u32 = 3;

impl Operation for Acquire {
    type Memory = Observations;
    type End = Acquired;

    fn on(&mut self, event: Event, inputs: &Inputs, known: &mut Observations) -> Step<Acquired> {
        match std::mem::replace(&mut self.phase, Phase::Looking) {
            Phase::Looking => self.look(event, inputs, known),
            Phase::SeeingQueue | Phase::Registering(_) if event == Event::GiveUp => {
                self.give_up(inputs, known)
            }
            Phase::SeeingQueue => {
                known.place.has_asked_until(inputs.now);
                self.go_on(inputs, known)
            }
            Phase::Registering(write) => {
                if let Event::Queue(QueueEvent::Wrote(outcome)) = event {
                    known.place.wrote(write, &outcome, inputs);
                }
                self.go_on(inputs, known)
            }
            Phase::Leaving(write) => self.leave(event, write, inputs, known),
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
            seen: None,
            done: None,
            looks: 0,
            queue_use: QueueUse::default(),
            from: None,
            takes: 0,
            undo_writes: 0,
            leaves: 0,
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
            Event::GiveUp => self.give_up(inputs, known),
            Event::Read(Err(Trouble::Permanent)) | Event::Wrote(_) | Event::Queue(_) => {
                Step::Done(Acquired::Failed)
            }
        }
    }

    fn resume(&mut self, inputs: &Inputs, known: &mut Observations) -> Step<Acquired> {
        if self.claim.queue.is_some() && self.looks == 0 {
            known.place.begin();
        }
        if self.is_done(known.done()) {
            return self.give_up(inputs, known);
        }
        // A guess from this client's own last release: right unless another was here since.
        if let Some(released) = known.released.take() {
            if self.is_done(released.record.done()) {
                known.released = Some(released);
                return self.give_up(inputs, known);
            }
            return self.take_again(*released, inputs, known);
        }
        if self.can_take_unread(inputs, known) {
            // No further read is needed: the condition of the write proves that nobody changed this
            // version.
            if let Some(seen) = self.seen.take() {
                return self.replace(version(seen), inputs, known);
            }
        }
        Step::Read
    }

    fn can_take_unread(&self, inputs: &Inputs, known: &Observations) -> bool {
        let Some(seen) = &self.seen else {
            return false;
        };
        seen.record.is_held()
            && self.is_expired(seen, inputs, known)
            && self.turn(seen, inputs, known) == Turn::Now
    }

    /// Takes the lock on from this client's own last release, unless others wait.
    fn take_again(
        &mut self,
        released: StoredRecord,
        inputs: &Inputs,
        known: &mut Observations,
    ) -> Step<Acquired> {
        if self.claim.queue.is_none() {
            if released.record.is_queued() || known.place.looks_beside(inputs.now) {
                // Others wait, or may do so. To take it unread would leave them no moment to get it.
                known.place.left_a_moment(inputs.now);
                return Step::Read;
            }
            return self.replace(released, inputs, known);
        }
        let vacancy = Vacancy::default();
        let StoredRecord { etag, record } = &released;
        match known.place.turn(etag, record, &vacancy, inputs.now) {
            Turn::Unknown => {
                let step = self.see_queue(Some(&released.etag), inputs, known);
                known.released = Some(Box::new(released));
                step
            }
            Turn::Later(_) => Step::Read,
            Turn::Now if known.place.looks_beside(inputs.now) => {
                known.place.ask_for(None, inputs.now);
                match self.replace(released, inputs, known) {
                    Step::Write(write) => Step::WriteAndSeeQueue(write),
                    step => step,
                }
            }
            Turn::Now => self.replace(released, inputs, known),
        }
    }

    fn see_queue(
        &mut self,
        etag: Option<&ETag>,
        inputs: &Inputs,
        known: &mut Observations,
    ) -> Step<Acquired> {
        known.place.ask_for(etag, inputs.now);
        self.queue_use.seen = true;
        self.phase = Phase::SeeingQueue;
        Step::SeeQueue
    }

    /// Goes on after a look at the queue or a try to get a ticket.
    fn go_on(&mut self, inputs: &Inputs, known: &mut Observations) -> Step<Acquired> {
        match self.seen.take() {
            Some(seen) => self.consider(seen, inputs, known),
            None => self.resume(inputs, known),
        }
    }

    /// Ends without the lock, and gives the ticket back if nobody else of this client can use it.
    fn give_up(&mut self, inputs: &Inputs, known: &mut Observations) -> Step<Acquired> {
        let may_leave = self.claim.queue.is_some() && self.leaves < MAX_LEAVES;
        if may_leave && known.place.has_ticket() && !inputs.others_wait {
            self.leaves += 1;
            known.place.ask_for(None, inputs.now);
            self.phase = Phase::Leaving(None);
            return Step::SeeQueue;
        }
        self.not_taken()
    }

    fn leave(
        &mut self,
        event: Event,
        write: Option<QueueWrite>,
        inputs: &Inputs,
        known: &mut Observations,
    ) -> Step<Acquired> {
        match (event, write) {
            (Event::Queue(QueueEvent::Seen), _) => {
                if let Some(write) = known.place.resignation(inputs) {
                    self.phase = Phase::Leaving(Some(write.clone()));
                    return Step::WriteQueue(write);
                }
            }
            (Event::Queue(QueueEvent::Wrote(outcome)), Some(write)) => {
                known.place.wrote(write, &outcome, inputs);
                if let WriteOutcome::Applied { .. } = outcome {
                    known.place.has_left();
                }
                // Else somebody else was faster, and it is worth another try.
                return self.give_up(inputs, known);
            }
            // There is no time for more. The client's next call uses the ticket.
            _ => {}
        }
        self.not_taken()
    }

    /// Notes who has completed the claim's label, if these have it. Labels that were done once stay done for this
    /// call, so what an earlier look showed will do.
    fn is_done(&mut self, done: &DoneLabels) -> bool {
        let label = self.claim.label.as_deref();
        let found = label.and_then(|label| done.find(label));
        self.done = found.map(|done| Box::new(done.clone()));
        self.done.is_some()
    }

    fn not_taken(&mut self) -> Step<Acquired> {
        if let Some(done) = self.done.take() {
            return Step::Done(Acquired::AlreadyDone(done));
        }
        Step::Done(match self.seen.take() {
            Some(seen) if seen.record.is_held() => Acquired::Held(seen),
            Some(_) => Acquired::OthersFirst,
            None => Acquired::Failed,
        })
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
        known: &mut Observations,
    ) -> Step<Acquired> {
        self.seen = None;
        match found {
            ReadOutcome::Foreign => Step::Done(Acquired::Failed),
            // A key that is hidden may be absent. If it is not, the store refuses the create. If
            // others create it first, the next look shows them.
            ReadOutcome::Absent { date } | ReadOutcome::Hidden { date } => {
                self.create(date, inputs, known)
            }
            ReadOutcome::Present(seen) if self.is_done(seen.record.done()) => {
                self.give_up(inputs, known)
            }
            ReadOutcome::Present(seen) => {
                if self.claim.queue.is_some() {
                    self.looks = (self.looks + 1).min(2);
                    self.queue_use = QueueUse::default();
                    let vacancy = self.vacancy(&seen, inputs, known);
                    known.place.look(&seen, &vacancy);
                }
                self.consider(seen, inputs, known)
            }
        }
    }

    /// Decides what to do about a version that was just read.
    fn consider(
        &mut self,
        seen: Snapshot,
        inputs: &Inputs,
        known: &mut Observations,
    ) -> Step<Acquired> {
        if self.reclaims(&seen, inputs, known) {
            return self.replace_seen(seen, true, inputs, known);
        }
        let mut free_in = Duration::ZERO;
        if seen.record.is_held() && !self.is_expired(&seen, inputs, known) {
            free_in = self.free_in(&seen, inputs, known);
        } else {
            match self.turn(&seen, inputs, known) {
                Turn::Now => return self.replace_seen(seen, false, inputs, known),
                Turn::Unknown => {
                    let step = self.see_queue(Some(&seen.etag), inputs, known);
                    self.seen = Some(seen);
                    return step;
                }
                Turn::Later(left) => free_in = free_in.max(left),
            }
        }
        self.wait(seen, free_in, inputs, known)
    }

    fn vacancy(&self, seen: &Snapshot, inputs: &Inputs, known: &Observations) -> Vacancy {
        let expiry_rule = self.claim.expiry_rule.trusting(inputs.trusts_date);
        known.vacancy(seen, &expiry_rule, inputs.now)
    }

    fn turn(&self, seen: &Snapshot, inputs: &Inputs, known: &Observations) -> Turn {
        if self.claim.queue.is_none() {
            return Turn::Now;
        }
        let vacancy = self.vacancy(seen, inputs, known);
        let Snapshot { etag, record, .. } = seen;
        known.place.turn(etag, record, &vacancy, inputs.now)
    }

    /// Waits until the next look, and takes a ticket before that if it is time for one.
    fn wait(
        &mut self,
        seen: Snapshot,
        free_in: Duration,
        inputs: &Inputs,
        known: &mut Observations,
    ) -> Step<Acquired> {
        let is_wanted = !seen.record.is_held() || seen.record.is_queued() || self.looks > 1;
        let etag = seen.etag.clone();
        self.seen = Some(seen);
        let Some(terms) = &self.claim.queue else {
            let pause = None;
            return Step::Wait { free_in, pause };
        };
        if !self.queue_use.seen && known.place.doubts_ticket(inputs.now) {
            return self.see_queue(Some(&etag), inputs, known);
        }
        if !self.queue_use.registered && known.place.wants_ticket(terms, is_wanted, inputs.now) {
            if !self.queue_use.seen {
                return self.see_queue(Some(&etag), inputs, known);
            }
            self.queue_use.registered = true;
            if let Some(write) = known.place.registration(terms, inputs) {
                self.phase = Phase::Registering(write.clone());
                return Step::WriteQueue(write);
            }
        }
        let pause = Some(known.place.pause(&terms.pace, inputs));
        Step::Wait { free_in, pause }
    }

    fn replace_seen(
        &mut self,
        seen: Snapshot,
        reclaims: bool,
        inputs: &Inputs,
        known: &Observations,
    ) -> Step<Acquired> {
        if self.takes == MAX_TAKES {
            return self.rest(PauseReason::Contended);
        }
        let mut base = version(seen);
        if reclaims {
            base.record.reclaimed = Some(base.record.fencing_token);
        }
        self.replace(base, inputs, known)
    }

    /// Whether to take over a holding before it has expired. Its owner has this claim's own name
    /// and is not at work in this process, so it has crashed.
    fn reclaims(&self, seen: &Snapshot, inputs: &Inputs, known: &Observations) -> bool {
        seen.record.is_held()
            && !self.is_expired(seen, inputs, known)
            && self.claim.reclaims
            && seen.record.owner == self.claim.owner
            && !seen.live_here
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
        let record = record.advised(&self.advice(inputs, known));
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
        let record = record.advised(&self.advice(inputs, known));
        self.from = base.record.is_held().then(|| Box::new(base.record));
        self.start(record, Condition::Matches(base.etag), inputs)
    }

    fn advice(&self, inputs: &Inputs, known: &Observations) -> Advice {
        match self.claim.queue {
            Some(_) => known.place.advice_of_claim(inputs.advice),
            // It does not wait, and leaves the ticket to those who do.
            None => inputs.advice,
        }
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
                known.note_taken(&record, inputs.now);
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
            record: record.released(inputs.nonce).advised(&inputs.advice),
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
                known.note_released(StoredRecord { etag, record }, inputs.now);
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
    /// Whether what it wants to do is done by this record.
    pub(crate) fn is_done_in(&self, record: &Record) -> bool {
        let label = self.label.as_deref();
        label.is_some_and(|label| record.done().find(label).is_some())
    }

    pub(crate) fn holder(&self, inputs: &Inputs) -> Holder {
        Holder {
            owner: self.owner.clone(),
            lease: self.lease,
            acquired_at: inputs.wall,
            host: self.host.clone(),
            pid: self.pid,
            purpose: self.purpose.clone(),
            label: self.label.clone(),
        }
    }
}

fn version(seen: Snapshot) -> StoredRecord {
    StoredRecord {
        etag: seen.etag,
        record: seen.record,
    }
}
