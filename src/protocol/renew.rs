//! Extending the lease of a holding to a full term from now.

use crate::protocol::cas::{Cas, Progress};
use crate::protocol::lease::{Lease, Looked, ReadMark};
use crate::protocol::operation::{Event, Inputs, Operation, PauseReason, Step};
use crate::protocol::snapshot::{ReadOutcome, StoredRecord};

/// Extends the lease to a full term from now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Renew {
    cas: Option<Cas>,
    /// Whether it has looked for an earlier renewal that had no reply.
    looked: bool,
    /// Taken before the read that is under way.
    mark: Option<ReadMark>,
}

/// How a renewal ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Renewed {
    Yes,
    Lost,
    /// Not renewed. The holding is what it was.
    Failed,
    /// Not renewed: the store refuses a write although its condition holds.
    ConditionIgnored,
    /// It may have been renewed, or may yet be. The deadline is what it was.
    Unknown,
}

impl Operation for Renew {
    type Memory = Lease;
    type End = Renewed;

    fn on(&mut self, event: Event, inputs: &Inputs, lease: &mut Lease) -> Step<Renewed> {
        match &event {
            Event::Read(Ok(ReadOutcome::Hidden { .. }) | Err(_)) => lease.blind = true,
            Event::Read(Ok(_)) | Event::Wrote(_) => lease.blind = false,
            Event::Resume | Event::Queue(_) | Event::GiveUp => {}
        }
        let mark = self.mark.take();
        let step = self.advance(event, mark, inputs, lease);
        if matches!(step, Step::Read | Step::Peek) {
            self.mark = Some(lease.mark());
        }
        step
    }
}

impl Renew {
    fn advance(
        &mut self,
        event: Event,
        mark: Option<ReadMark>,
        inputs: &Inputs,
        lease: &mut Lease,
    ) -> Step<Renewed> {
        let Some(mut cas) = self.cas.take() else {
            return self.begin(event, mark, inputs, lease);
        };
        if lease.has_found(cas.write()) {
            // A look by another call has found that the write landed.
            return landed(inputs, lease);
        }
        if event == Event::Resume && lease.check(inputs.now).is_some() {
            lease.end(&cas);
            return Step::Done(Renewed::Lost);
        }
        let step = match cas.on(event) {
            Progress::Applied(etag) => {
                let record = cas.write().record.clone();
                lease.adopt(StoredRecord { etag, record }, cas.first_send(), inputs.now);
                return landed(inputs, lease);
            }
            Progress::Overtaken(found) => return self.overtaken(&found, mark, inputs, lease),
            Progress::NotApplied => {
                lease.end(&cas);
                return Step::Pause(PauseReason::Trouble);
            }
            Progress::Refused => {
                lease.end(&cas);
                return Step::Done(Renewed::Failed);
            }
            Progress::ConditionIgnored => return Step::Done(Renewed::ConditionIgnored),
            // A later call may find that it has landed.
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
        found: &ReadOutcome,
        mark: Option<ReadMark>,
        inputs: &Inputs,
        lease: &mut Lease,
    ) -> Step<Renewed> {
        let mark = mark.unwrap_or_else(|| lease.mark());
        match lease.look(&mark, found, inputs.now, inputs.now) {
            Looked::Lost => Step::Done(Renewed::Lost),
            Looked::Held | Looked::Again if lease.record() == &mark.before.record => {
                Step::Pause(PauseReason::Contended)
            }
            // An earlier renewal stands: its lease began before the one asked for.
            Looked::Held | Looked::Again => self.start(inputs, lease),
        }
    }

    /// Looks for an earlier renewal that had no reply, or writes at once.
    fn begin(
        &mut self,
        event: Event,
        mark: Option<ReadMark>,
        inputs: &Inputs,
        lease: &mut Lease,
    ) -> Step<Renewed> {
        match event {
            Event::Resume if !self.looked && lease.looks_first() => {
                self.looked = true;
                Step::Peek
            }
            Event::Read(Ok(ReadOutcome::Hidden { .. }) | Err(_)) | Event::Resume => {
                self.start(inputs, lease)
            }
            Event::Read(Ok(found)) => {
                let mark = mark.unwrap_or_else(|| lease.mark());
                match lease.look(&mark, &found, inputs.now, inputs.now) {
                    Looked::Lost => Step::Done(Renewed::Lost),
                    Looked::Held | Looked::Again => self.start(inputs, lease),
                }
            }
            Event::Wrote(_) | Event::Queue(_) | Event::GiveUp => Step::Done(Renewed::Failed),
        }
    }

    fn start(&mut self, inputs: &Inputs, lease: &mut Lease) -> Step<Renewed> {
        if lease.check(inputs.now).is_some() {
            return Step::Done(Renewed::Lost);
        }
        let write = lease.write(lease.record().renewed(inputs.nonce).advised(&inputs.advice));
        lease.begin(&write, inputs.now);
        self.cas = Some(Cas::new(write.clone(), inputs.now));
        Step::Write(write)
    }
}

/// The end of a renewal that has landed. It is too late if the deadline had passed by now.
fn landed(inputs: &Inputs, lease: &mut Lease) -> Step<Renewed> {
    Step::Done(match lease.check(inputs.now) {
        Some(_) => Renewed::Lost,
        None => Renewed::Yes,
    })
}
