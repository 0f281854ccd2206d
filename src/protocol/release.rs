//! Giving back a lock that one holds: one conditional write, and what a reply to it proves.

use crate::protocol::cas::{Cas, Progress};
use crate::protocol::lease::{Learned, Lease};
use crate::protocol::operation::{Event, Inputs, Operation, PauseReason, Step};
use crate::protocol::record::Record;
use crate::protocol::snapshot::{ReadOutcome, StoredRecord};

/// Giving the lock back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Release {
    ending: Ending,
    cas: Option<Cas>,
    /// Tried after the deadline. Then there is only one try.
    late: bool,
}

/// What is said of a holding by the write that ends it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Ending {
    /// It was given back.
    #[default]
    Released,
    /// And what it was for is done: its label goes among those done.
    Completed,
}

/// How a release ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::large_enum_variant, reason = "there is one to a release")]
pub enum Released {
    /// Given back, and the label is marked if the holding was to be completed. With what is stored now, unless
    /// another has taken the lock since.
    Yes(Option<StoredRecord>),
    /// Not given back: the holding was over. If it was to be completed, its label was not marked by it, or the
    /// mark is gone.
    Lost,
    /// Not given back: others wait until the lease has run out.
    Failed,
    /// Not given back: the store refuses a write although its condition holds.
    ConditionIgnored,
    /// It may have been given back, or may yet be.
    Unknown,
}

impl Operation for Release {
    type Memory = Lease;
    type End = Released;

    fn on(&mut self, event: Event, inputs: &Inputs, lease: &mut Lease) -> Step<Released> {
        let Some(mut cas) = self.cas.take() else {
            return match event {
                Event::Resume if !self.late => self.start(inputs, lease),
                _ => failed(lease),
            };
        };
        if event == Event::Resume && self.late {
            // After the deadline there is one try: the next holder may be at work, and does not
            // gain by more.
            return self.end(cas.on(Event::GiveUp), cas, inputs, lease);
        }
        let progress = cas.on(event);
        self.end(progress, cas, inputs, lease)
    }
}

impl Ending {
    /// The holding's record, with what this says of it.
    pub(crate) fn of(self, record: &Record) -> Record {
        match self {
            Ending::Released => record.clone(),
            Ending::Completed => record.completed(),
        }
    }
}

impl Release {
    /// A release that ends the holding so.
    pub fn with(ending: Ending) -> Release {
        Release {
            ending,
            ..Release::default()
        }
    }

    fn start(&mut self, inputs: &Inputs, lease: &mut Lease) -> Step<Released> {
        self.late = lease.check(inputs.now).is_some();
        if lease.is_gone() {
            return Step::Done(Released::Lost);
        }
        let ended = self.ending.of(lease.record());
        let write = lease.write(ended.released(inputs.nonce).advised(&inputs.advice));
        self.cas = Some(Cas::new(write.clone(), inputs.now));
        Step::Write(write)
    }

    fn end(
        &mut self,
        progress: Progress,
        cas: Cas,
        inputs: &Inputs,
        lease: &mut Lease,
    ) -> Step<Released> {
        let step = match progress {
            Progress::Applied(etag) => {
                let record = cas.write().record.clone();
                return Step::Done(Released::Yes(Some(StoredRecord { etag, record })));
            }
            Progress::Overtaken(found) => return self.overtaken(found, &cas, inputs, lease),
            Progress::NotApplied => return Step::Pause(PauseReason::Trouble),
            Progress::Refused => return failed(lease),
            Progress::ConditionIgnored => return Step::Done(Released::ConditionIgnored),
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
        found: ReadOutcome,
        cas: &Cas,
        inputs: &Inputs,
        lease: &mut Lease,
    ) -> Step<Released> {
        let is_proved = match self.ending {
            // Given back, and given to the next holder.
            Ending::Released => lease.was_handed_over(&found),
            // The mark alone proves it. Another's holding does not: it follows a release by owner name, too.
            Ending::Completed => lease.was_completed(&found),
        };
        if is_proved {
            return Step::Done(Released::Yes(None));
        }
        let was_in_time = lease.check(inputs.now).is_none();
        match lease.learn(&found, inputs.now) {
            Learned::Resolved => self.start(inputs, lease),
            Learned::Unchanged => Step::Pause(PauseReason::Contended),
            Learned::Lost if self.ending == Ending::Completed => {
                Step::Done(if lease.may_have_been_completed(&found) {
                    Released::Unknown
                } else {
                    Released::Lost
                })
            }
            Learned::Lost if self.late || !lease.was_succeeded() => Step::Done(Released::Lost),
            // Another has acquired the lock while the lease ran. Nobody could have, had the release
            // not landed. If it was refused, that was a second copy of it, sent by a proxy.
            Learned::Lost if was_in_time => Step::Done(Released::Yes(None)),
            // Given back in time, or the other waited for the deadline: nothing tells which.
            Learned::Lost if cas.is_unresolved() => Step::Done(Released::Unknown),
            Learned::Lost => Step::Done(Released::Lost),
        }
    }
}

/// The end of a release that has written nothing. A hand-over in doubt may yet end the holding.
fn failed(lease: &Lease) -> Step<Released> {
    Step::Done(match lease.hand_over {
        Some(_) => Released::Unknown,
        None => Released::Failed,
    })
}
