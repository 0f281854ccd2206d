//! One compare-and-swap, from its first send to its outcome. The rules for a lost reply are here
//! and nowhere else:
//!
//! * The write is sent again with the same body under the same condition, or the record is read.
//! * If a read shows the whole body, the write was applied.
//! * If a read shows that the condition still holds, the write may still land. It is not resolved.
//! * If a read shows anything else, the write never lands: ETags never come back.
//! * A refusal answers one copy of the write, and a proxy may have sent two. A conflict (409) or
//!   "too many requests" (429) may be the reply to the second copy because of the first. So the
//!   write is not resolved.
//! * After a refused condition (412) the record is read: it may be the first copy that refused the
//!   second.
//! * A refusal for any other reason ends the write, unless an earlier attempt is unresolved. A
//!   holder still recognises the write if a later read shows it.

use crate::protocol::instant::Instant;
use crate::protocol::object::{Condition, ETag, Refusal, WriteOutcome};
use crate::protocol::operation::{Event, PauseReason, Trouble, Write};
use crate::protocol::snapshot::ReadOutcome;

/// A write under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cas {
    write: Write,
    first_send: Instant,
    certainty: Certainty,
    /// Why to pause before sending it again.
    why: PauseReason,
    /// The last read failed, so the next step is another read.
    reading: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Certainty {
    /// No attempt was made, or none that can have been applied.
    Clear,
    /// The only attempt was refused, and a read has not yet shown what happened to it.
    Doubted,
    /// An attempt had no reply, or one that may be about a second copy of it.
    Unresolved,
}

/// What a write needs next, or how it ended.
pub enum Progress {
    Send(Write),
    Read,
    Pause(PauseReason),
    /// Applied, as this version.
    Applied(ETag),
    /// It will never be applied. This stands instead.
    Overtaken(ReadOutcome),
    /// Not applied, for a reason that may pass. Another write may succeed.
    NotApplied,
    /// Not applied, and trying again does not help.
    Refused,
    /// Not applied: the store refuses a condition that holds.
    ConditionIgnored,
    /// Given up without knowing: it may have been applied or may yet be.
    Unresolved,
}

impl Cas {
    /// Begins a write whose first send is now or later.
    pub fn new(write: Write, now: Instant) -> Cas {
        Cas {
            write,
            first_send: now,
            certainty: Certainty::Clear,
            why: PauseReason::Trouble,
            reading: false,
        }
    }

    /// The same write for another to resolve, who was not told what came of it.
    pub(crate) fn in_doubt(self) -> Cas {
        Cas {
            certainty: Certainty::Unresolved,
            why: PauseReason::Trouble,
            reading: true,
            ..self
        }
    }

    pub fn write(&self) -> &Write {
        &self.write
    }

    pub fn first_send(&self) -> Instant {
        self.first_send
    }

    /// Whether an attempt had no reply that settles it.
    pub fn is_unresolved(&self) -> bool {
        self.certainty == Certainty::Unresolved
    }

    /// Whether a later read may find it.
    pub fn may_stand(&self) -> bool {
        self.certainty != Certainty::Clear
    }

    pub fn on(&mut self, event: Event) -> Progress {
        match event {
            Event::Resume if self.reading => Progress::Read,
            Event::Resume => Progress::Send(self.write.clone()),
            Event::Wrote(answer) => self.answered(answer),
            Event::Read(Ok(found)) => self.read(found),
            Event::Read(Err(Trouble::Transient)) => {
                self.reading = true;
                Progress::Pause(PauseReason::Trouble)
            }
            Event::Read(Err(Trouble::Permanent)) | Event::GiveUp | Event::Queue(_) => {
                self.give_up()
            }
        }
    }

    fn answered(&mut self, outcome: WriteOutcome<Trouble>) -> Progress {
        use WriteOutcome::{Applied, NotSent, Refused, Unknown};
        match (outcome, self.certainty) {
            (Applied { etag, .. }, _) => Progress::Applied(etag),
            (Unknown(_) | Refused(Refusal::Busy, _), _) => self.doubt(PauseReason::Trouble),
            (Refused(Refusal::Conflict, _), _) => self.doubt(PauseReason::Contended),
            (NotSent(Trouble::Transient), Certainty::Unresolved) => {
                Progress::Pause(PauseReason::Trouble)
            }
            (NotSent(Trouble::Permanent), Certainty::Unresolved) => Progress::Unresolved,
            (NotSent(Trouble::Transient), _) => Progress::NotApplied,
            (NotSent(Trouble::Permanent), _) => Progress::Refused,
            // This attempt was refused, but an earlier one may still land.
            (Refused(..), Certainty::Unresolved) => Progress::Read,
            (Refused(Refusal::Condition, _), _) => {
                self.certainty = Certainty::Doubted;
                Progress::Read
            }
            (Refused(Refusal::Denied, _), _) => {
                // It ends here. But if a proxy sent it twice, a later read may show the first copy.
                self.certainty = Certainty::Doubted;
                Progress::Refused
            }
        }
    }

    fn doubt(&mut self, why: PauseReason) -> Progress {
        self.certainty = Certainty::Unresolved;
        self.why = why;
        Progress::Read
    }

    fn read(&mut self, found: ReadOutcome) -> Progress {
        self.reading = false;
        let stands = match (&found, &self.write.condition) {
            (ReadOutcome::Present(seen), _) if seen.record == self.write.record => {
                return Progress::Applied(seen.etag.clone());
            }
            (ReadOutcome::Absent { .. }, Condition::Absent) => true,
            (ReadOutcome::Present(seen), Condition::Matches(etag)) => seen.etag == *etag,
            // Without `s3:GetObject` nothing can be read back, now or later.
            (ReadOutcome::Hidden { .. }, _) => return self.give_up(),
            _ => false,
        };
        match (stands, self.certainty) {
            (false, _) => Progress::Overtaken(found),
            (true, Certainty::Unresolved) => Progress::Pause(self.why),
            // ETags never come back, so the condition held when the store refused it.
            (true, _) => Progress::ConditionIgnored,
        }
    }

    fn give_up(&self) -> Progress {
        match self.certainty {
            Certainty::Clear => Progress::NotApplied,
            Certainty::Doubted | Certainty::Unresolved => Progress::Unresolved,
        }
    }
}
