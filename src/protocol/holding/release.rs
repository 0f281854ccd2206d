//! Giving a lock back that one holds.

use super::{Holding, Learned};
use crate::protocol::cas::{Cas, Progress};
use crate::protocol::{Event, Known, Operation, Sight, Step, Turn, Why};

/// Giving the lock back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Release {
    cas: Option<Cas>,
    /// Tried after the deadline, when one try is all there is.
    late: bool,
}

/// How a release ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::large_enum_variant, reason = "there is one to a release")]
pub enum Released {
    /// Given back; with what is stored now, unless somebody else has taken the lock since.
    Yes(Option<Known>),
    Lost,
    /// Not given back: others wait for the lease to run out.
    Failed,
    /// Not given back: the store refuses a write although its condition holds.
    Defied,
    /// It may have been given back, or may yet be.
    Unknown,
}

impl Operation for Release {
    type Memory = Holding;
    type End = Released;

    fn on(&mut self, event: Event, turn: &Turn, holding: &mut Holding) -> Step<Released> {
        let Some(mut cas) = self.cas.take() else {
            return match event {
                Event::Resume if !self.late => self.start(turn, holding),
                _ => Step::Done(Released::Failed),
            };
        };
        if event == Event::Resume && self.late {
            // Late, one try is all: the next holder may be at work, and has nothing to gain.
            return self.end(cas.on(Event::GiveUp), cas, turn, holding);
        }
        let progress = cas.on(event);
        self.end(progress, cas, turn, holding)
    }
}

impl Release {
    fn start(&mut self, turn: &Turn, holding: &mut Holding) -> Step<Released> {
        self.late = holding.check(turn.now).is_some();
        if holding.is_gone() {
            return Step::Done(Released::Lost);
        }
        let write = holding.write(holding.record().released(turn.nonce));
        self.cas = Some(Cas::new(write.clone(), turn.now));
        Step::Write(write)
    }

    fn end(
        &mut self,
        progress: Progress,
        cas: Cas,
        turn: &Turn,
        holding: &mut Holding,
    ) -> Step<Released> {
        let step = match progress {
            Progress::Applied(etag) => {
                let record = cas.write().record.clone();
                return Step::Done(Released::Yes(Some(Known { etag, record })));
            }
            Progress::Overtaken(sight) => return self.overtaken(sight, &cas, turn, holding),
            Progress::NotApplied => return Step::Pause(Why::Trouble),
            Progress::Refused => return Step::Done(Released::Failed),
            Progress::Defied => return Step::Done(Released::Defied),
            Progress::Unresolved => return Step::Done(Released::Unknown),
            Progress::Send(write) => Step::Write(write),
            Progress::Read => Step::Read,
            Progress::Pause(why) => Step::Pause(why),
        };
        self.cas = Some(cas);
        step
    }

    fn overtaken(
        &mut self,
        sight: Sight,
        cas: &Cas,
        turn: &Turn,
        holding: &mut Holding,
    ) -> Step<Released> {
        let was_in_time = holding.check(turn.now).is_none();
        match holding.learn(&sight, turn.now) {
            Learned::Resolved => self.start(turn, holding),
            Learned::Unchanged => Step::Pause(Why::Contended),
            Learned::Lost if self.late || !holding.was_succeeded() => Step::Done(Released::Lost),
            // Another has acquired the lock while the lease ran: nobody could have, had the release
            // not landed. If it was refused, that was a second copy of it, sent by a proxy.
            Learned::Lost if was_in_time => Step::Done(Released::Yes(None)),
            // Given back in time, or waited for until the deadline: nothing tells which.
            Learned::Lost if cas.is_unresolved() => Step::Done(Released::Unknown),
            Learned::Lost => Step::Done(Released::Lost),
        }
    }
}
