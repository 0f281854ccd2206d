//! One look at a record.

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
