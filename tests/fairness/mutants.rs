//! Rules broken on purpose.

use s3_lock::internals::protocol::{Event, Inputs, Observations, ReadOutcome, Step};

use crate::client::{Call, Client};
use crate::store::Written;

/// A rule that is broken on purpose, to see that it is needed and that the checks notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {}

impl Mutant {
    pub fn misread(_mutant: Option<Mutant>, found: ReadOutcome) -> ReadOutcome {
        found
    }

    pub fn mishear(_mutant: Option<Mutant>, outcome: Written) -> Written {
        outcome
    }
}

impl Client {
    pub fn twist_before(&mut self, _event: &Event, _inputs: &mut Inputs) {}

    pub fn is_mutant_undoing(&self) -> bool {
        false
    }

    pub fn twist_after<E>(
        &mut self,
        step: Step<E>,
        _call: Call,
        _known: Observations,
        _inputs: &Inputs,
    ) -> Step<E> {
        step
    }
}
