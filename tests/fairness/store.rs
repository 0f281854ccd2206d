//! The store: the lock's object and the queue's, each with an ETag, and a clock that is shown in whole seconds.

use std::time::Duration;

use s3_lock::internals::protocol::record::Record;
use s3_lock::internals::protocol::{
    Condition, ETag, Queue, QueueFound, Refusal, Snapshot, StoreSeconds, Trouble, WriteOutcome,
};
use s3_lock::internals::{Instant, protocol::ReadOutcome};

/// What a client learns of a write.
pub type Written = WriteOutcome<Trouble>;

/// When the simulation begins, on the store's clock.
const EPOCH: StoreSeconds = 1_795_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Object {
    Lock,
    Queue,
}

/// One version of an object.
#[derive(Clone, Debug)]
pub struct Version<B> {
    pub etag: ETag,
    pub body: B,
    pub modified: Duration,
}

/// What is stored at the queue's key.
#[derive(Clone, Debug)]
pub enum QueueBody {
    Queue(Queue),
    /// Another program's object, or a damaged one.
    Foreign,
}

#[derive(Debug, Default)]
pub struct Store {
    pub lock: Option<Version<Record>>,
    pub queue: Option<Version<QueueBody>>,
    /// Every queue that was ever written.
    pub past: Vec<Queue>,
    versions: u64,
    /// Whether replies carry dates.
    pub is_dated: bool,
}

/// What a reply to a read carries. Dates are the store's.
#[derive(Clone, Debug)]
pub struct Shown<B> {
    pub version: Option<Version<B>>,
    pub date: Option<StoreSeconds>,
    pub is_dated: bool,
}

fn seconds(at: Duration) -> StoreSeconds {
    EPOCH + StoreSeconds::try_from(at.as_secs()).expect("no run is as long as that")
}

pub const fn refused(refusal: Refusal) -> Written {
    WriteOutcome::Refused(refusal, Trouble::Permanent)
}

impl Store {
    pub fn new() -> Store {
        Store {
            is_dated: true,
            ..Store::default()
        }
    }

    fn date(&self, now: Duration) -> Option<StoreSeconds> {
        self.is_dated.then(|| seconds(now))
    }

    fn next_etag(&mut self) -> ETag {
        self.versions += 1;
        ETag(format!("\"{}\"", self.versions))
    }

    pub fn show_lock(&self, now: Duration) -> Shown<Record> {
        Shown {
            version: self.lock.clone(),
            date: self.date(now),
            is_dated: self.is_dated,
        }
    }

    pub fn show_queue(&self, now: Duration) -> Shown<QueueBody> {
        Shown {
            version: self.queue.clone(),
            date: self.date(now),
            is_dated: self.is_dated,
        }
    }

    pub fn write_lock(&mut self, record: Record, condition: &Condition, now: Duration) -> Written {
        if !allows(self.lock.as_ref(), condition) {
            return refused(Refusal::Condition);
        }
        self.put_lock(record, now)
    }

    /// Writes whatever stands there.
    pub fn put_lock(&mut self, record: Record, now: Duration) -> Written {
        let etag = self.next_etag();
        self.lock = Some(Version {
            etag: etag.clone(),
            body: record,
            modified: now,
        });
        let date = self.date(now);
        WriteOutcome::Applied { etag, date }
    }

    pub fn write_queue(&mut self, queue: Queue, condition: &Condition, now: Duration) -> Written {
        if !allows(self.queue.as_ref(), condition) {
            return refused(Refusal::Condition);
        }
        self.past.push(queue.clone());
        self.put_queue(QueueBody::Queue(queue), now)
    }

    /// Writes whatever stands there.
    pub fn put_queue(&mut self, body: QueueBody, now: Duration) -> Written {
        let etag = self.next_etag();
        self.queue = Some(Version {
            etag: etag.clone(),
            body,
            modified: now,
        });
        let date = self.date(now);
        WriteOutcome::Applied { etag, date }
    }

    /// The tickets that nobody has had a turn with.
    pub fn queue(&self) -> Option<&Queue> {
        match &self.queue.as_ref()?.body {
            QueueBody::Queue(queue) => Some(queue),
            QueueBody::Foreign => None,
        }
    }
}

fn allows<B>(stored: Option<&Version<B>>, condition: &Condition) -> bool {
    match (condition, stored) {
        (Condition::Absent, None) => true,
        (Condition::Matches(etag), Some(version)) => version.etag == *etag,
        _ => false,
    }
}

impl Shown<Record> {
    pub fn outcome(self, sent: Instant, arrived: Instant) -> ReadOutcome {
        let Some(version) = self.version else {
            return ReadOutcome::Absent { date: self.date };
        };
        ReadOutcome::Present(Snapshot {
            etag: version.etag,
            record: version.body,
            date: self.date,
            modified: self.is_dated.then(|| seconds(version.modified)),
            sent,
            arrived,
            live_here: false,
        })
    }
}

impl Shown<QueueBody> {
    pub fn found(self) -> QueueFound {
        match self.version {
            None => QueueFound::Absent { date: self.date },
            Some(Version {
                body: QueueBody::Foreign,
                ..
            }) => QueueFound::Foreign,
            Some(Version {
                etag,
                body: QueueBody::Queue(queue),
                ..
            }) => QueueFound::Present { etag, queue },
        }
    }
}
