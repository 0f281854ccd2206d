//! The store: one object and a clock. It does not remember who asked.

use s3_lock::internals::protocol::record::Record;
use s3_lock::internals::protocol::{Condition, ETag, Refusal, StoreSeconds, Trouble, WriteOutcome};

use super::client::{Message, Shown, WriteId};
use super::scenario::{Mutant, Scenario, TICKS_PER_SECOND};

/// In seconds. For a client that believes it, every lease has run out.
const PROXY_AHEAD: StoreSeconds = 10_000;

/// What a client learns of a write.
pub type Written = WriteOutcome<Trouble>;

/// The reason that a write was not done matters only if it was not sent.
pub const UNKNOWN: Written = WriteOutcome::Unknown(Trouble::Transient);

pub fn refused(refusal: Refusal) -> Written {
    WriteOutcome::Refused(refusal, Trouble::Permanent)
}

pub fn applied(etag: ETag) -> Written {
    WriteOutcome::Applied { etag, date: None }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Store {
    /// Ticks since the epoch, on the node that stamps objects.
    pub clock: u32,
    /// How far the node that dates replies is ahead of it.
    pub ahead: i64,
    pub object: Option<Object>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Object {
    pub etag: ETag,
    pub record: Record,
    pub modified: StoreSeconds,
    pub by: WriteId,
}

impl Store {
    pub fn stamp(&self) -> StoreSeconds {
        StoreSeconds::from(self.clock / TICKS_PER_SECOND)
    }

    pub fn date(&self) -> StoreSeconds {
        (i64::from(self.clock) + self.ahead).div_euclid(i64::from(TICKS_PER_SECOND))
    }

    /// What a reader is shown, directly or through a proxy with its own clock.
    pub fn show(&self, by_proxy: bool) -> Shown {
        let shown = |object: &Object| (object.etag.clone(), object.record.clone(), object.modified);
        Shown {
            date: self.date() + if by_proxy { PROXY_AHEAD } else { 0 },
            object: self.object.as_ref().map(shown),
        }
    }

    /// Whether the condition of a write holds.
    pub fn allows(&self, message: &Message, scenario: &Scenario) -> bool {
        if scenario.has(Mutant::ReleaseUnconditional) && !message.write.record.is_held() {
            return true;
        }
        match (&message.write.condition, &self.object) {
            (Condition::Absent, None) => true,
            (Condition::Matches(etag), Some(object)) => object.etag == *etag,
            _ => false,
        }
    }

    pub fn is_released_by(&self, id: WriteId) -> bool {
        self.object
            .as_ref()
            .is_some_and(|object| object.by == id && !object.record.is_held())
    }
}
