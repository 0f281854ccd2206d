//! Releasing by owner name, for code that has no guard.

use crate::protocol::cas::{Cas, Progress};
use crate::protocol::{
    Condition, Event, Knowledge, Known, Operation, Sight, Step, Trouble, Turn, Why, Write,
};

/// A release by owner name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Free {
    owner: String,
    /// The holding that this call is about: the first one that it saw. A later holding of the
    /// same owner is none of its business.
    pinned: Option<u64>,
    cas: Option<Cas>,
}

/// How a release by owner name ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Freed {
    /// This call's write landed; this is what it made.
    Yes(Known),
    /// There was nothing of this owner's to release.
    No,
    /// Not released.
    Failed,
    /// Not released: the store refuses a write although its condition holds.
    Defied,
    /// It may have been released, or may yet be.
    Unknown,
}

impl Operation for Free {
    type Memory = Knowledge;
    type End = Freed;

    fn on(&mut self, event: Event, turn: &Turn, _: &mut Knowledge) -> Step<Freed> {
        let Some(mut cas) = self.cas.take() else {
            return match event {
                Event::Resume => Step::Read,
                Event::Read(Ok(sight)) => self.decide(sight, turn),
                Event::Read(Err(Trouble::Passing)) => Step::Pause(Why::Trouble),
                Event::Read(Err(Trouble::Lasting)) | Event::GiveUp | Event::Wrote(_) => {
                    Step::Done(Freed::Failed)
                }
            };
        };
        let step = match cas.on(event) {
            Progress::Applied(etag) => {
                let record = cas.write().record.clone();
                return Step::Done(Freed::Yes(Known { etag, record }));
            }
            Progress::Overtaken(sight) => {
                // Another holding follows a release, but not necessarily this call's.
                let undecidable = cas.is_unresolved() && !self.is_pinned(&sight);
                return match undecidable {
                    true => Step::Done(Freed::Unknown),
                    false => self.decide(sight, turn),
                };
            }
            Progress::NotApplied(why) => return Step::Pause(why),
            Progress::Refused => return Step::Done(Freed::Failed),
            Progress::Defied => return Step::Done(Freed::Defied),
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
    pub fn new(owner: String) -> Free {
        Free {
            owner,
            pinned: None,
            cas: None,
        }
    }

    fn is_pinned(&self, sight: &Sight) -> bool {
        match sight {
            Sight::Present(seen) => Some(seen.record.fencing_token) == self.pinned,
            _ => false,
        }
    }

    fn decide(&mut self, sight: Sight, turn: &Turn) -> Step<Freed> {
        let seen = match sight {
            Sight::Present(seen) if seen.record.is_held() && seen.record.owner == self.owner => {
                seen
            }
            Sight::Foreign | Sight::Hidden { .. } => return Step::Done(Freed::Failed),
            Sight::Absent { .. } | Sight::Present(_) => return Step::Done(Freed::No),
        };
        let token = seen.record.fencing_token;
        if *self.pinned.get_or_insert(token) != token {
            return Step::Done(Freed::No);
        }
        let write = Write {
            record: seen.record.released(turn.nonce),
            condition: Condition::Matches(seen.etag),
        };
        self.cas = Some(Cas::new(write.clone(), turn.now));
        Step::Write(write)
    }
}
