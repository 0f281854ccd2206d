//! Making the lease of a holding last a full term again.

use super::{Holding, Looked, Mark};
use crate::protocol::cas::{Cas, Progress};
use crate::protocol::{Event, Known, Operation, Sight, Step, Turn, Why};

/// Making the lease last a full term from now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Renew {
    cas: Option<Cas>,
    /// Whether it has looked what became of an earlier renewal that had no answer.
    looked: bool,
    /// Taken before the read that is under way.
    mark: Option<Mark>,
}

/// How a renewal ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Renewed {
    Yes,
    Lost,
    /// Not renewed; the holding is what it was.
    Failed,
    /// Not renewed: the store refuses a write although its condition holds.
    Defied,
    /// It may have been renewed, or may yet be; the deadline is what it was.
    Unknown,
}

impl Operation for Renew {
    type Memory = Holding;
    type End = Renewed;

    fn on(&mut self, event: Event, turn: &Turn, holding: &mut Holding) -> Step<Renewed> {
        match &event {
            Event::Read(Ok(Sight::Hidden { .. }) | Err(_)) => holding.blind = true,
            Event::Read(Ok(_)) | Event::Wrote(_) => holding.blind = false,
            Event::Resume | Event::GiveUp => {}
        }
        let mark = self.mark.take();
        let step = self.advance(event, mark, turn, holding);
        if matches!(step, Step::Read | Step::Peek) {
            self.mark = Some(holding.mark());
        }
        step
    }
}

impl Renew {
    fn advance(
        &mut self,
        event: Event,
        mark: Option<Mark>,
        turn: &Turn,
        holding: &mut Holding,
    ) -> Step<Renewed> {
        let Some(mut cas) = self.cas.take() else {
            return self.begin(event, mark, turn, holding);
        };
        if holding.has_found(cas.write()) {
            // A look beside this has found that it has landed.
            return landed(turn, holding);
        }
        if event == Event::Resume && holding.check(turn.now).is_some() {
            holding.end(&cas);
            return Step::Done(Renewed::Lost);
        }
        let step = match cas.on(event) {
            Progress::Applied(etag) => {
                let record = cas.write().record.clone();
                holding.adopt(Known { etag, record }, cas.first_send(), turn.now);
                return landed(turn, holding);
            }
            Progress::Overtaken(sight) => return self.overtaken(&sight, mark, turn, holding),
            Progress::NotApplied => {
                holding.end(&cas);
                return Step::Pause(Why::Trouble);
            }
            Progress::Refused => {
                holding.end(&cas);
                return Step::Done(Renewed::Failed);
            }
            Progress::Defied => return Step::Done(Renewed::Defied),
            // What comes after may find that it has landed.
            Progress::Unresolved => return Step::Done(Renewed::Unknown),
            Progress::Send(write) => Step::Write(write),
            Progress::Read => Step::Read,
            Progress::Pause(why) => Step::Pause(why),
        };
        self.cas = Some(cas);
        step
    }

    fn overtaken(
        &mut self,
        sight: &Sight,
        mark: Option<Mark>,
        turn: &Turn,
        holding: &mut Holding,
    ) -> Step<Renewed> {
        let mark = mark.unwrap_or_else(|| holding.mark());
        match holding.look(&mark, sight, turn.now, turn.now) {
            Looked::Lost => Step::Done(Renewed::Lost),
            Looked::Held | Looked::Again if holding.record() == &mark.before.record => {
                Step::Pause(Why::Contended)
            }
            // An earlier renewal: its lease began earlier than the one asked for.
            Looked::Held | Looked::Again => self.start(turn, holding),
        }
    }

    /// Looks where an earlier renewal went that had no answer, or writes at once.
    fn begin(
        &mut self,
        event: Event,
        mark: Option<Mark>,
        turn: &Turn,
        holding: &mut Holding,
    ) -> Step<Renewed> {
        match event {
            Event::Resume if !self.looked && holding.looks_first() => {
                self.looked = true;
                Step::Peek
            }
            Event::Read(Ok(Sight::Hidden { .. }) | Err(_)) | Event::Resume => {
                self.start(turn, holding)
            }
            Event::Read(Ok(sight)) => {
                let mark = mark.unwrap_or_else(|| holding.mark());
                match holding.look(&mark, &sight, turn.now, turn.now) {
                    Looked::Lost => Step::Done(Renewed::Lost),
                    Looked::Held | Looked::Again => self.start(turn, holding),
                }
            }
            Event::Wrote(_) | Event::GiveUp => Step::Done(Renewed::Failed),
        }
    }

    fn start(&mut self, turn: &Turn, holding: &mut Holding) -> Step<Renewed> {
        if holding.check(turn.now).is_some() {
            return Step::Done(Renewed::Lost);
        }
        let write = holding.write(holding.record().renewed(turn.nonce));
        holding.begin(&write, turn.now);
        self.cas = Some(Cas::new(write.clone(), turn.now));
        Step::Write(write)
    }
}

/// The end of a renewal that has landed: too late, if the deadline had passed when that was learned.
fn landed(turn: &Turn, holding: &mut Holding) -> Step<Renewed> {
    Step::Done(match holding.check(turn.now) {
        Some(_) => Renewed::Lost,
        None => Renewed::Yes,
    })
}
