//! Ending a holding without its guard: releasing it by owner name, or breaking it by force.

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
    /// the first one that it saw. A later holding of the same owner is none of its business.
    pinned: Option<u64>,
    behalf: Behalf,
    cas: Option<Cas>,
}

/// On whose behalf a holding is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Behalf {
    /// Its owner's: it has been given back.
    Owner,
    /// An operator's: its owner will learn that it was broken.
    Operator,
}

/// How a release by owner name or by force ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::large_enum_variant, reason = "there is one to a call")]
pub enum Freed {
    /// This call's write landed; this is what it made.
    Yes(StoredRecord),
    /// There was nothing of this owner's to release, or the holding was over already.
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
                Event::Read(Err(Trouble::Permanent)) | Event::GiveUp | Event::Wrote(_) => {
                    Step::Done(Freed::Failed)
                }
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

    /// Whether a write of this call may have landed before what `found` shows was written.
    fn hides(&self, found: &ReadOutcome) -> bool {
        let ReadOutcome::Present(seen) = found else {
            return true;
        };
        if Some(seen.record.fencing_token) == self.pinned {
            // Nothing of the same holding is written over its end.
            return false;
        }
        match self.behalf {
            // Another holding follows a release, but not necessarily this call's.
            Behalf::Owner => true,
            // A holding broken by this call or another operator leaves a mark, as does a later one.
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
            Behalf::Owner => seen.record.released(inputs.nonce),
            Behalf::Operator => seen.record.broken(inputs.nonce),
        };
        if self.behalf == Behalf::Owner {
            // Its guard may be alive, and must not take what comes next for its own release's doing.
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
