//! Ending a holding without its guard: [`Free`] releases it by owner name, or breaks it by force.
//! It is about one holding. If that is over already, it changes nothing.

use crate::protocol::cas::{Cas, Progress};
use crate::protocol::object::Condition;
use crate::protocol::observations::Observations;
use crate::protocol::operation::{Event, Inputs, Operation, PauseReason, Step, Trouble, Write};
use crate::protocol::snapshot::{ReadOutcome, StoredRecord};

/// A release by owner name or by force.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Free {
    owner: String,
    /// The token of the holding that this call is about: the one that it was given, else that of
    /// the first holding that it saw. It leaves a later holding of the same owner alone.
    pinned: Option<u64>,
    behalf: Behalf,
    cas: Option<Cas>,
}

/// On whose behalf a holding is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Behalf {
    /// Its owner's: the holding counts as given back.
    Owner,
    /// An operator's: the owner will learn that the holding was broken.
    Operator,
}

/// How a release by owner name or by force ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::large_enum_variant, reason = "there is one to a call")]
pub enum Freed {
    /// This call's write landed, and made this.
    Yes(StoredRecord),
    /// This owner had nothing to release, or the holding was over already.
    No,
    /// Not released.
    Failed,
    /// Not released: the store refuses a write although its condition holds.
    ConditionIgnored,
    /// It may have been released, or may yet be.
    Unknown,
}

impl Operation for Free {
    type Memory = Observations;
    type End = Freed;

    fn on(&mut self, event: Event, inputs: &Inputs, _: &mut Observations) -> Step<Freed> {
        let Some(mut cas) = self.cas.take() else {
            return match event {
                Event::Resume => Step::Read,
                Event::Read(Ok(found)) => self.decide(found, inputs),
                Event::Read(Err(Trouble::Transient)) => Step::Pause(PauseReason::Trouble),
                Event::Read(Err(Trouble::Permanent))
                | Event::GiveUp
                | Event::Wrote(_)
                | Event::Queue(_) => Step::Done(Freed::Failed),
            };
        };
        let step = match cas.on(event) {
            Progress::Applied(etag) => {
                let record = cas.write().record.clone();
                return Step::Done(Freed::Yes(StoredRecord { etag, record }));
            }
            Progress::Overtaken(found) => {
                return if cas.may_stand() && self.hides(&found) {
                    Step::Done(Freed::Unknown)
                } else {
                    self.decide(found, inputs)
                };
            }
            Progress::NotApplied => return Step::Pause(PauseReason::Trouble),
            Progress::Refused => return Step::Done(Freed::Failed),
            Progress::ConditionIgnored => return Step::Done(Freed::ConditionIgnored),
            Progress::Unresolved => return Step::Done(Freed::Unknown),
            Progress::Send(write) => Step::Write(write),
            Progress::Read => Step::Read,
            Progress::Pause(why) => Step::Pause(why),
        };
        self.cas = Some(cas);
        step
    }
}

impl Free {
    /// Releases what `owner` holds.
    pub fn by_name(owner: String) -> Free {
        Free {
            owner,
            pinned: None,
            behalf: Behalf::Owner,
            cas: None,
        }
    }

    /// Breaks the holding of `owner` that has this token.
    pub fn by_force(owner: String, token: u64) -> Free {
        Free {
            owner,
            pinned: Some(token),
            behalf: Behalf::Operator,
            cas: None,
        }
    }

    /// Whether a write of this call may have landed before the write that `found` shows.
    fn hides(&self, found: &ReadOutcome) -> bool {
        let ReadOutcome::Present(seen) = found else {
            return true;
        };
        if Some(seen.record.fencing_token) == self.pinned {
            // No write of the same holding follows its end.
            return false;
        }
        match self.behalf {
            // Another holding follows a release, but not necessarily this call's release.
            Behalf::Owner => true,
            // Breaking a holding leaves a mark, whether this call or another operator broke it. So
            // does breaking a later one.
            Behalf::Operator => seen.record.broken >= self.pinned,
        }
    }

    fn decide(&mut self, found: ReadOutcome, inputs: &Inputs) -> Step<Freed> {
        let seen = match found {
            ReadOutcome::Present(seen)
                if seen.record.is_held() && seen.record.owner == self.owner =>
            {
                seen
            }
            ReadOutcome::Foreign | ReadOutcome::Hidden { .. } => return Step::Done(Freed::Failed),
            ReadOutcome::Absent { .. } | ReadOutcome::Present(_) => return Step::Done(Freed::No),
        };
        let token = seen.record.fencing_token;
        if *self.pinned.get_or_insert(token) != token {
            return Step::Done(Freed::No);
        }
        let mut record = match self.behalf {
            Behalf::Owner => seen.record.released(inputs.nonce).advised(&inputs.advice),
            Behalf::Operator => seen.record.broken(inputs.nonce).advised(&inputs.advice),
        };
        if self.behalf == Behalf::Owner {
            // Its guard may be alive, and must not take a later holding for a sign of its own
            // release.
            record.reclaimed = Some(token);
        }
        let write = Write {
            record,
            condition: Condition::Matches(seen.etag),
        };
        self.cas = Some(Cas::new(write.clone(), inputs.now));
        Step::Write(write)
    }
}
