//! Reading a record: [`Look`] to see it, [`Verify`] to see whether one's own holding still stands.

use crate::protocol::instant::Instant;
use crate::protocol::lease::{Lease, Looked, ReadMark};
use crate::protocol::observations::Observations;
use crate::protocol::operation::{Event, Inputs, Operation, PauseReason, Step, Trouble};
use crate::protocol::snapshot::ReadOutcome;

/// A read, repeated only where the store did not answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Look;

impl Operation for Look {
    type Memory = Observations;
    type End = Option<ReadOutcome>;

    fn on(&mut self, event: Event, _: &Inputs, _: &mut Observations) -> Step<Option<ReadOutcome>> {
        match event {
            Event::Resume => Step::Read,
            Event::Read(Ok(found)) => Step::Done(Some(found)),
            Event::Read(Err(Trouble::Transient)) => Step::Pause(PauseReason::Trouble),
            Event::Read(Err(Trouble::Permanent))
            | Event::Wrote(_)
            | Event::Queue(_)
            | Event::GiveUp => Step::Done(None),
        }
    }
}

/// Finds out whether a holding still stands, beside a renewal of the same guard.
///
/// If a renewal was found to have landed while the read was under way, a read that shows a loss is
/// not believed: it may show what stood before. Then the read is repeated. That ends, because
/// renewals of one guard come one after another. A second one that interferes was sent after
/// this call began, so it proves that the lock was held since.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Verify {
    /// When this call began.
    since: Option<Instant>,
    /// Taken before the read that is under way.
    mark: Option<ReadMark>,
}

/// What a verification found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verified {
    /// Held at some moment after the call began.
    Held,
    Lost,
    /// Nothing was learned.
    Failed,
}

impl Operation for Verify {
    type Memory = Lease;
    type End = Verified;

    fn on(&mut self, event: Event, inputs: &Inputs, lease: &mut Lease) -> Step<Verified> {
        let since = *self.since.get_or_insert(inputs.now);
        let mark = self.mark.take();
        match (event, mark) {
            (Event::Resume, _) => self.read(lease),
            (Event::Read(Ok(ReadOutcome::Hidden { .. })), _) => Step::Done(Verified::Failed),
            (Event::Read(Ok(found)), Some(mark)) => {
                match lease.look(&mark, &found, since, inputs.now) {
                    Looked::Held => Step::Done(Verified::Held),
                    Looked::Lost => Step::Done(Verified::Lost),
                    Looked::Again => self.read(lease),
                }
            }
            (Event::Read(Err(Trouble::Transient)), _) => Step::Pause(PauseReason::Trouble),
            (Event::Read(_) | Event::Wrote(_) | Event::Queue(_) | Event::GiveUp, _) => {
                Step::Done(Verified::Failed)
            }
        }
    }
}

impl Verify {
    fn read(&mut self, lease: &Lease) -> Step<Verified> {
        self.mark = Some(lease.mark());
        Step::Read
    }
}
