//! One compare-and-swap, from its first send to a certain outcome.
//!
//! The rules for a lost answer live here and nowhere else:
//!
//! * The write is sent again with the same body under the same condition, or the record is read.
//! * A read that shows the whole body: it was applied.
//! * A read that shows the condition still standing: it may yet land. Not resolved.
//! * A read that shows anything else: ETags never come back, so it never lands.
//! * A refusal speaks for one copy of the write, and a proxy may have sent two. That the store is
//!   at work on the key (409), or has been asked too often (429), may be what it says to the second
//!   because of the first: not resolved. A refused condition is read, for the record that refused
//!   the second copy may be the first. A refusal for any other reason ends it, unless an earlier
//!   attempt is unresolved; a holder still knows the write should a later read show it.

use crate::clock::Instant;
use crate::protocol::{Answer, Condition, ETag, Event, Refusal, Sight, Trouble, Why, Write};

/// A write under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cas {
    write: Write,
    first_send: Instant,
    certainty: Certainty,
    /// Why to keep away before it is sent again.
    why: Why,
    /// The last read failed, so the next step is another.
    reading: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Certainty {
    /// No attempt was made, or none that can have been applied.
    Clear,
    /// The only attempt was refused for its condition, and not yet read back.
    Doubted,
    /// An attempt has had no answer, or one that may be about a second copy of it.
    Unresolved,
}

/// What a write needs next, or how it ended.
pub enum Progress {
    Send(Write),
    Read,
    Pause(Why),
    /// Applied, as this version.
    Applied(ETag),
    /// It will never be applied: this stands instead.
    Overtaken(Sight),
    /// Not applied, for a reason that may pass. Another write may succeed.
    NotApplied,
    /// Not applied, and trying again does not help.
    Refused,
    /// Not applied: the store refuses a condition that holds.
    Defied,
    /// Given up without knowing. It may have happened or may yet happen.
    Unresolved,
}

impl Cas {
    /// Begins a write whose first send is now or later.
    pub fn new(write: Write, now: Instant) -> Cas {
        Cas {
            write,
            first_send: now,
            certainty: Certainty::Clear,
            why: Why::Trouble,
            reading: false,
        }
    }

    pub fn write(&self) -> &Write {
        &self.write
    }

    pub fn first_send(&self) -> Instant {
        self.first_send
    }

    /// Whether an attempt has had no answer that settles it.
    pub fn is_unresolved(&self) -> bool {
        self.certainty == Certainty::Unresolved
    }

    /// Whether it may be what a later read finds.
    pub fn may_stand(&self) -> bool {
        self.certainty != Certainty::Clear
    }

    pub fn on(&mut self, event: Event) -> Progress {
        match event {
            Event::Resume if self.reading => Progress::Read,
            Event::Resume => Progress::Send(self.write.clone()),
            Event::Wrote(answer) => self.answered(answer),
            Event::Read(Ok(sight)) => self.read(sight),
            Event::Read(Err(Trouble::Passing)) => {
                self.reading = true;
                Progress::Pause(Why::Trouble)
            }
            Event::Read(Err(Trouble::Lasting)) | Event::GiveUp => self.give_up(),
        }
    }

    fn answered(&mut self, answer: Answer) -> Progress {
        match (answer, self.certainty) {
            (Answer::Applied(etag), _) => Progress::Applied(etag),
            (Answer::Unknown | Answer::Refused(Refusal::Busy), _) => self.doubt(Why::Trouble),
            (Answer::Refused(Refusal::Conflict), _) => self.doubt(Why::Contended),
            (Answer::NotSent(Trouble::Passing), Certainty::Unresolved) => {
                Progress::Pause(Why::Trouble)
            }
            (Answer::NotSent(Trouble::Lasting), Certainty::Unresolved) => Progress::Unresolved,
            (Answer::NotSent(Trouble::Passing), _) => Progress::NotApplied,
            (Answer::NotSent(Trouble::Lasting), _) => Progress::Refused,
            // Whatever this attempt was told, an earlier one may still land.
            (Answer::Refused(_), Certainty::Unresolved) => Progress::Read,
            (Answer::Refused(Refusal::Condition), _) => {
                self.certainty = Certainty::Doubted;
                Progress::Read
            }
            (Answer::Refused(Refusal::Denied), _) => {
                // It ends here. But should a proxy have sent it twice, a later read may show the first.
                self.certainty = Certainty::Doubted;
                Progress::Refused
            }
        }
    }

    fn doubt(&mut self, why: Why) -> Progress {
        self.certainty = Certainty::Unresolved;
        self.why = why;
        Progress::Read
    }

    fn read(&mut self, sight: Sight) -> Progress {
        self.reading = false;
        let stands = match (&sight, &self.write.condition) {
            (Sight::Present(seen), _) if seen.record == self.write.record => {
                return Progress::Applied(seen.etag.clone());
            }
            (Sight::Absent { .. }, Condition::Absent) => true,
            (Sight::Present(seen), Condition::Matches(etag)) => seen.etag == *etag,
            // Without `s3:GetObject` nothing can be read back, now or later.
            (Sight::Hidden { .. }, _) => return self.give_up(),
            _ => false,
        };
        match (stands, self.certainty) {
            (false, _) => Progress::Overtaken(sight),
            (true, Certainty::Unresolved) => Progress::Pause(self.why),
            // ETags never come back, so it held when it was refused.
            (true, _) => Progress::Defied,
        }
    }

    fn give_up(&self) -> Progress {
        match self.certainty {
            Certainty::Clear => Progress::NotApplied,
            Certainty::Doubted | Certainty::Unresolved => Progress::Unresolved,
        }
    }
}
