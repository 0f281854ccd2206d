//! Looking at a record: to see it, or to see whether one's own holding still stands.

use crate::clock::Instant;
use crate::protocol::holding::{Holding, Looked, Mark};
use crate::protocol::{Event, Knowledge, Operation, Sight, Step, Trouble, Turn, Why};

/// A read, repeated only where the store did not answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Look;

impl Operation for Look {
    type Memory = Knowledge;
    type End = Option<Sight>;

    fn on(&mut self, event: Event, _: &Turn, _: &mut Knowledge) -> Step<Option<Sight>> {
        match event {
            Event::Resume => Step::Read,
            Event::Read(Ok(sight)) => Step::Done(Some(sight)),
            Event::Read(Err(Trouble::Passing)) => Step::Pause(Why::Trouble),
            Event::Read(Err(Trouble::Lasting)) | Event::Wrote(_) | Event::GiveUp => {
                Step::Done(None)
            }
        }
    }
}

/// Finding out whether a holding still stands, beside whatever renews it meanwhile.
///
/// A look that shows a loss is not believed where a renewal was found to have landed while it was under
/// way: it may show what stood before. Then it is repeated. That ends, for renewals of one guard come one
/// after another: the next that lands in a look's way was sent after this call began, and proves by
/// itself that the lock was held since.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Verify {
    /// When it began.
    since: Option<Instant>,
    /// Taken before the read that is under way.
    mark: Option<Mark>,
}

/// What a verification found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verified {
    /// Held at some moment after it began.
    Held,
    Lost,
    /// Nothing was learned.
    Failed,
}

impl Operation for Verify {
    type Memory = Holding;
    type End = Verified;

    fn on(&mut self, event: Event, turn: &Turn, holding: &mut Holding) -> Step<Verified> {
        let since = *self.since.get_or_insert(turn.now);
        let mark = self.mark.take();
        match (event, mark) {
            (Event::Resume, _) => self.read(holding),
            (Event::Read(Ok(Sight::Hidden { .. })), _) => Step::Done(Verified::Failed),
            (Event::Read(Ok(sight)), Some(mark)) => {
                match holding.look(&mark, &sight, since, turn.now) {
                    Looked::Held => Step::Done(Verified::Held),
                    Looked::Lost => Step::Done(Verified::Lost),
                    Looked::Again => self.read(holding),
                }
            }
            (Event::Read(Err(Trouble::Passing)), _) => Step::Pause(Why::Trouble),
            (Event::Read(_) | Event::Wrote(_) | Event::GiveUp, _) => Step::Done(Verified::Failed),
        }
    }
}

impl Verify {
    fn read(&mut self, holding: &Holding) -> Step<Verified> {
        self.mark = Some(holding.mark());
        Step::Read
    }
}
