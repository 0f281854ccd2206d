//! Taking the lock.

use std::time::Duration;

use crate::protocol::cas::{Cas, Progress};
use crate::protocol::knowledge::{Knowledge, Known, Patience};
use crate::protocol::{
    Condition, Event, Holding, Operation, Seen, Sight, Step, StoreSeconds, Trouble, Turn, Why,
    Write,
};
use crate::record::{Holder, Record};

/// Who asks for the lock, and on what terms.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Claim {
    pub owner: String,
    pub lease: Duration,
    pub host: String,
    pub pid: u32,
    pub purpose: Option<String>,
    pub patience: Patience,
    /// Whether to take over at once what another of the same owner name holds.
    pub reclaims: bool,
}

/// An attempt to take the lock.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Acquire {
    claim: Claim,
    phase: Phase,
    /// The holding that stands in the way, as of the last look.
    held: Option<Seen>,
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
    /// Given up, but the taking may yet land; the record is being read.
    Undoing(Cas),
    /// Given up; a released record is being written where the taking is or might land.
    Freeing {
        taking: Cas,
        freeing: Cas,
    },
}

/// How an attempt to take the lock ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Acquired {
    Won {
        holding: Holding,
        /// The holding that it was taken over from, if that was never given back.
        from: Option<Box<Record>>,
    },
    /// Somebody else has it, as of the last look.
    Held(Seen),
    /// Not taken. Nothing of the attempt remains.
    Failed,
    /// Not taken: the store refuses a write although its condition holds.
    Defied,
    /// Given up while a write was unresolved that could not be undone: the lock may become held
    /// in the caller's name, until that lease has run out.
    MayRemain,
    /// Not taken: there is no larger fencing token than one that this client has seen.
    Spent,
}

/// How many times in a row a lock that is free is reached for before a pause: others were faster
/// each time, and going on at once would only keep everybody busy.
const MAX_TAKES: u32 = 3;
/// How many released records an undo writes at the most. Each further one is needed only where
/// the write to be undone landed between a read and the one before.
const MAX_UNDO_WRITES: u32 = 3;

impl Operation for Acquire {
    type Memory = Knowledge;
    type End = Acquired;

    fn on(&mut self, event: Event, turn: &Turn, known: &mut Knowledge) -> Step<Acquired> {
        match std::mem::replace(&mut self.phase, Phase::Looking) {
            Phase::Looking => self.look(event, turn, known),
            Phase::Taking(cas) => self.take(event, cas, turn, known),
            Phase::Undoing(taking) => self.undo(event, taking, turn),
            Phase::Freeing { taking, freeing } => self.free(event, taking, freeing, turn, known),
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

    fn look(&mut self, event: Event, turn: &Turn, known: &mut Knowledge) -> Step<Acquired> {
        match event {
            Event::Resume => self.resume(turn, known),
            Event::Read(Ok(sight)) => self.decide(sight, turn, known),
            Event::Read(Err(Trouble::Passing)) => Step::Pause(Why::Trouble),
            Event::Read(Err(Trouble::Lasting)) | Event::Wrote(_) => Step::Done(Acquired::Failed),
            Event::GiveUp => Step::Done(match self.held.take() {
                Some(seen) => Acquired::Held(seen),
                None => Acquired::Failed,
            }),
        }
    }

    fn resume(&mut self, turn: &Turn, known: &mut Knowledge) -> Step<Acquired> {
        // A bet on this client's own last release: right unless somebody was here since.
        if let Some(released) = known.released.take() {
            return self.replace(released, turn, known);
        }
        match &self.held {
            // Nobody was heard to change this version since, and the condition of the write
            // proves that nobody did: no further read is needed.
            Some(seen) if self.is_expired(seen, turn, known) => {
                self.replace(version(seen.clone()), turn, known)
            }
            _ => Step::Read,
        }
    }

    fn free_in(&self, seen: &Seen, turn: &Turn, known: &Knowledge) -> Duration {
        // Asked for each time: the very reply that is looked at may have shown the date wrong.
        let patience = self.claim.patience.trusting(turn.trusts_date);
        known.free_in(seen, &patience, turn.now)
    }

    fn is_expired(&self, seen: &Seen, turn: &Turn, known: &Knowledge) -> bool {
        self.free_in(seen, turn, known).is_zero()
    }

    fn decide(&mut self, sight: Sight, turn: &Turn, known: &Knowledge) -> Step<Acquired> {
        self.held = None;
        match sight {
            Sight::Foreign => Step::Done(Acquired::Failed),
            // A key that is hidden may be absent. If it is not, the create is refused; and if
            // others create it first, the next look shows them.
            Sight::Absent { date } | Sight::Hidden { date } => self.create(date, turn, known),
            Sight::Present(seen) => {
                let is_free = !seen.record.is_held() || self.is_expired(&seen, turn, known);
                if !is_free && !self.reclaims(&seen) {
                    let free_in = self.free_in(&seen, turn, known);
                    self.held = Some(seen);
                    return Step::Wait { free_in };
                }
                if self.takes == MAX_TAKES {
                    return self.rest(Why::Contended);
                }
                let mut base = version(seen);
                if !is_free {
                    base.record.reclaimed = Some(base.record.fencing_token);
                }
                self.replace(base, turn, known)
            }
        }
    }

    /// Whether to take a holding over before it has expired: its owner has this claim's own name,
    /// and is not at work in this process, so it has crashed.
    fn reclaims(&self, seen: &Seen) -> bool {
        self.claim.reclaims && seen.record.owner == self.claim.owner && !seen.live_here
    }

    fn rest(&mut self, why: Why) -> Step<Acquired> {
        self.takes = 0;
        Step::Pause(why)
    }

    fn create(
        &mut self,
        date: Option<StoreSeconds>,
        turn: &Turn,
        known: &Knowledge,
    ) -> Step<Acquired> {
        // A store without a `Date` leaves this client's own: a token needs a beginning, and only
        // a key that was deleted by hand gives two beginnings.
        let date = date.unwrap_or(turn.wall.unix_seconds());
        let Some(token) = known.first_token(date) else {
            return Step::Done(Acquired::Spent);
        };
        let record = Record::held(self.claim.holder(turn), token, turn.nonce);
        self.from = None;
        self.start(record, Condition::Absent, turn)
    }

    fn replace(&mut self, base: Known, turn: &Turn, known: &Knowledge) -> Step<Acquired> {
        let Some(token) = known.next_token(base.record.fencing_token) else {
            return Step::Done(Acquired::Spent);
        };
        let holder = self.claim.holder(turn);
        let record = base.record.succeeded_by(holder, token, turn.nonce);
        self.from = base.record.is_held().then(|| Box::new(base.record));
        self.start(record, Condition::Matches(base.etag), turn)
    }

    fn start(&mut self, record: Record, condition: Condition, turn: &Turn) -> Step<Acquired> {
        let write = Write { record, condition };
        self.takes += 1;
        self.phase = Phase::Taking(Cas::new(write.clone(), turn.now));
        Step::Write(write)
    }

    fn take(
        &mut self,
        event: Event,
        mut cas: Cas,
        turn: &Turn,
        known: &mut Knowledge,
    ) -> Step<Acquired> {
        let step = match cas.on(event) {
            Progress::Applied(etag) => {
                let record = cas.write().record.clone();
                known.saw_token(record.fencing_token);
                known.held = None;
                let holding = Holding::new(Known { etag, record }, cas.first_send());
                let from = self.from.take();
                return Step::Done(Acquired::Won { holding, from });
            }
            Progress::Overtaken(sight) => return self.decide(sight, turn, known),
            Progress::NotApplied => return self.rest(Why::Trouble),
            Progress::Refused => return Step::Done(Acquired::Failed),
            Progress::Defied => return Step::Done(Acquired::Defied),
            Progress::Unresolved => {
                self.phase = Phase::Undoing(cas);
                return Step::Read;
            }
            Progress::Send(write) => Step::Write(write),
            Progress::Read => Step::Read,
            // At once: a lock that is free must not be reported as held, or not be had.
            Progress::Pause(Why::Contended) if self.takes < MAX_TAKES => {
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

    /// Looks where a write that was given up has landed, or closes the door on it.
    fn undo(&mut self, event: Event, taking: Cas, turn: &Turn) -> Step<Acquired> {
        let Event::Read(Ok(sight)) = event else {
            return Step::Done(Acquired::MayRemain);
        };
        let Write { record, condition } = taking.write();
        let condition = match (&sight, condition) {
            (Sight::Present(seen), _) if seen.record == *record => {
                Condition::Matches(seen.etag.clone())
            }
            // Still unknown. A released record under the same condition: once that is applied,
            // the condition is gone for good, and the late write with it.
            (Sight::Absent { .. }, Condition::Absent) => Condition::Absent,
            (Sight::Present(seen), Condition::Matches(etag)) if seen.etag == *etag => {
                Condition::Matches(etag.clone())
            }
            (Sight::Hidden { .. }, _) => return Step::Done(Acquired::MayRemain),
            _ => return Step::Done(Acquired::Failed),
        };
        if self.undo_writes == MAX_UNDO_WRITES {
            return Step::Done(Acquired::MayRemain);
        }
        self.undo_writes += 1;
        let write = Write {
            record: record.released(turn.nonce),
            condition,
        };
        let freeing = Cas::new(write.clone(), turn.now);
        self.phase = Phase::Freeing { taking, freeing };
        Step::Write(write)
    }

    fn free(
        &mut self,
        event: Event,
        taking: Cas,
        mut freeing: Cas,
        turn: &Turn,
        known: &mut Knowledge,
    ) -> Step<Acquired> {
        let step = match freeing.on(event) {
            Progress::Applied(etag) => {
                let record = freeing.write().record.clone();
                known.note_released(Known { etag, record });
                return Step::Done(Acquired::Failed);
            }
            Progress::Overtaken(sight) => return self.undo(Event::Read(Ok(sight)), taking, turn),
            Progress::Read => Step::Read,
            Progress::Send(write) => Step::Write(write),
            Progress::Pause(why) => Step::Pause(why),
            Progress::NotApplied | Progress::Refused | Progress::Defied | Progress::Unresolved => {
                return Step::Done(Acquired::MayRemain);
            }
        };
        self.phase = Phase::Freeing { taking, freeing };
        step
    }
}

impl Claim {
    fn holder(&self, turn: &Turn) -> Holder {
        Holder {
            owner: self.owner.clone(),
            lease: self.lease,
            acquired_at: turn.wall,
            host: self.host.clone(),
            pid: self.pid,
            purpose: self.purpose.clone(),
        }
    }
}

fn version(seen: Seen) -> Known {
    Known {
        etag: seen.etag,
        record: seen.record,
    }
}
