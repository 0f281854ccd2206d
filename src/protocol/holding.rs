//! Having the lock: the deadline, the writes whose fate is unknown, and losing it.

use std::time::Duration;

use crate::clock::Instant;
use crate::protocol::cas::{Cas, Progress};
use crate::protocol::{Condition, Event, Known, Operation, Seen, Sight, Step, Turn, Why, Write};
use crate::record::Record;

/// One holding, from its acquisition to its release or loss.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Holding {
    current: Known,
    /// When the write that made `current` was first sent: the lease counts from here.
    since: Instant,
    /// Own writes that may have been applied or may yet be: any of them may be what a read finds.
    unresolved: Vec<Sent>,
    lost: Option<Loss>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Sent {
    record: Record,
    first_send: Instant,
}

/// How a holding was lost.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Loss {
    /// The deadline passed.
    Expired,
    /// Somebody else acquired the lock: after the deadline, or under the same owner name before.
    TakenOver(Box<Seen>),
    /// The record of the holding is gone.
    Vanished,
    /// An operator broke it by force.
    Broken,
}

/// What a read meant for a holding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learned {
    /// The record is as this client knew it.
    Unchanged,
    /// The record is a write of this client's whose fate had been unknown.
    Resolved,
    /// The record is another's, or gone.
    Lost,
}

impl Holding {
    /// A holding whose write was first sent at `since`.
    pub fn new(current: Known, since: Instant) -> Holding {
        Holding {
            current,
            since,
            unresolved: Vec::new(),
            lost: None,
        }
    }

    pub fn record(&self) -> &Record {
        &self.current.record
    }

    /// When the write that made the current record was first sent.
    pub fn since(&self) -> Instant {
        self.since
    }

    /// How long the lease still runs, by this client's own clock; nothing once lost.
    pub fn remaining(&self, now: Instant) -> Duration {
        if self.lost.is_some() {
            return Duration::ZERO;
        }
        let lease = self.current.record.lease();
        lease.saturating_sub(now.at_most_since(self.since))
    }

    /// Whether the holding is over, and why. Once over, it stays over.
    pub fn check(&mut self, now: Instant) -> Option<&Loss> {
        if self.remaining(now).is_zero() {
            self.lose(Loss::Expired);
        }
        self.lost.as_ref()
    }

    /// Takes in what a read showed.
    pub fn learn(&mut self, sight: &Sight, now: Instant) -> Learned {
        let Sight::Present(seen) = sight else {
            self.lose(Loss::Vanished);
            return Learned::Lost;
        };
        if seen.etag == self.current.etag {
            return Learned::Unchanged;
        }
        if seen.record == self.current.record {
            // The same write under another name: some stores report an ETag to a reader that
            // differs from the one that they gave the writer.
            self.current.etag = seen.etag.clone();
            return Learned::Unchanged;
        }
        let own = self.unresolved.iter().find(|s| s.record == seen.record);
        if let Some(sent) = own {
            let known = Known {
                etag: seen.etag.clone(),
                record: seen.record.clone(),
            };
            let first_send = sent.first_send;
            self.adopt(known, first_send, now);
            return Learned::Resolved;
        }
        self.lose(loss(&self.current.record, seen));
        Learned::Lost
    }

    /// A write of this client's is what stands, and its lease counts from its own first send.
    /// Others that were unresolved had the same condition, which is gone with it.
    fn adopt(&mut self, known: Known, first_send: Instant, now: Instant) {
        // Learned too late: the holder's time had run out, and it was told so or would have been.
        self.check(now);
        self.current = known;
        self.since = first_send;
        self.unresolved.clear();
    }

    /// Keeps a write before it is sent: whoever sends it may be stopped at any moment, and what
    /// comes after must know it when a read shows it.
    fn begin(&mut self, write: &Write, now: Instant) {
        self.unresolved.push(Sent {
            record: write.record.clone(),
            first_send: now,
        });
    }

    /// Forgets a write that has ended, unless it may be what a later read finds.
    fn end(&mut self, cas: &Cas) {
        if !cas.may_stand() {
            self.unresolved.retain(|s| s.record != cas.write().record);
        }
    }

    /// The first cause stands, but a deadline passed gives way to what happened afterwards.
    pub fn lose(&mut self, loss: Loss) {
        if !self.is_gone() {
            self.lost = Some(loss);
        }
        if self.is_gone() {
            self.unresolved.clear();
        }
    }

    /// Lost to something that a release cannot mend.
    pub fn is_gone(&self) -> bool {
        !matches!(self.lost, None | Some(Loss::Expired))
    }

    /// Whether another has acquired the lock, and nobody can have done so while the lease ran.
    fn was_succeeded(&self) -> bool {
        let token = self.current.record.fencing_token;
        match &self.lost {
            Some(Loss::TakenOver(seen)) => !seen.record.may_have_cut_short(token),
            _ => false,
        }
    }

    fn write(&self, record: Record) -> Write {
        Write {
            record,
            condition: Condition::Matches(self.current.etag.clone()),
        }
    }
}

/// What it means that `seen` stands where `mine` stood.
///
/// Of holdings broken by force only the last is on record: where a later one was broken as well,
/// this one counts as taken over, which it was.
fn loss(mine: &Record, seen: &Seen) -> Loss {
    if seen.record.broken == Some(mine.fencing_token) {
        Loss::Broken
    } else if seen.record.fencing_token > mine.fencing_token {
        Loss::TakenOver(Box::new(seen.clone()))
    } else {
        // Released by name, or the object was restored to an older version.
        Loss::Vanished
    }
}

/// Making the lease last a full term from now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Renew {
    cas: Option<Cas>,
    /// Whether it has looked what became of an earlier renewal that had no answer.
    looked: bool,
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
        let Some(mut cas) = self.cas.take() else {
            return self.begin(event, turn, holding);
        };
        if event == Event::Resume && holding.check(turn.now).is_some() {
            holding.end(&cas);
            return Step::Done(Renewed::Lost);
        }
        let step = match cas.on(event) {
            Progress::Applied(etag) => {
                let record = cas.write().record.clone();
                holding.adopt(Known { etag, record }, cas.first_send(), turn.now);
                let lost = holding.lost.is_some();
                return Step::Done(if lost { Renewed::Lost } else { Renewed::Yes });
            }
            Progress::Overtaken(sight) => {
                return match holding.learn(&sight, turn.now) {
                    Learned::Lost => Step::Done(Renewed::Lost),
                    // An earlier renewal: its lease began earlier than the one asked for.
                    Learned::Resolved => self.start(turn, holding),
                    Learned::Unchanged => Step::Pause(Why::Contended),
                };
            }
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
}

impl Renew {
    /// Looks first where an earlier renewal went that had no answer: it may have landed, and then
    /// the lease runs on from there, however slowly writes are answered.
    fn begin(&mut self, event: Event, turn: &Turn, holding: &mut Holding) -> Step<Renewed> {
        match event {
            Event::Resume if !self.looked && !holding.unresolved.is_empty() => {
                self.looked = true;
                Step::Read
            }
            Event::Read(Ok(Sight::Hidden { .. }) | Err(_)) | Event::Resume => {
                self.start(turn, holding)
            }
            Event::Read(Ok(sight)) => match holding.learn(&sight, turn.now) {
                Learned::Lost => Step::Done(Renewed::Lost),
                Learned::Resolved | Learned::Unchanged => self.start(turn, holding),
            },
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

/// Giving the lock back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Release {
    cas: Option<Cas>,
    /// Tried after the deadline, when one try is all there is.
    late: bool,
}

/// How a release ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::large_enum_variant, reason = "there is one to a call")]
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
            Learned::Lost if self.late || !cas.is_unresolved() || !holding.was_succeeded() => {
                Step::Done(Released::Lost)
            }
            // Another has acquired the lock while the lease ran: nobody could have, had the release
            // not landed.
            Learned::Lost if was_in_time => Step::Done(Released::Yes(None)),
            // Given back in time, or waited for until the deadline: nothing tells which.
            Learned::Lost => Step::Done(Released::Unknown),
        }
    }
}
