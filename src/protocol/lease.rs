//! Having the lock: the deadline, the writes whose fate is unknown, and losing it.

use std::time::Duration;

use crate::protocol::cas::Cas;
use crate::protocol::instant::Instant;
use crate::protocol::object::Condition;
use crate::protocol::operation::Write;
use crate::protocol::record::Record;
use crate::protocol::snapshot::{ReadOutcome, Snapshot, StoredRecord};

/// One holding, from its acquisition to its release or loss.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    current: StoredRecord,
    /// When the write that made `current` was first sent: the lease counts from here.
    since: Instant,
    /// Own writes that may have been applied or may yet be: any of them may be what a read finds.
    unresolved: Vec<Sent>,
    /// Whether the last request of a renewal was a read, and showed nothing.
    pub(crate) blind: bool,
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
    TakenOver(Box<Snapshot>),
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

/// What was known of a holding when a read of its record was about to be sent.
///
/// A read and a renewal of one guard may be under way at once. So the read may show a version that a
/// renewal has replaced by the time that its reply arrives, and that is not to be taken for a loss.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReadMark {
    pub(crate) before: StoredRecord,
}

/// What a read meant for a holding that may have been renewed while it was under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looked {
    /// Held after the read was sent.
    Held,
    /// Not held any longer.
    Lost,
    /// It says nothing: what it shows may be from before a renewal. Only another look can tell.
    Again,
}

impl Lease {
    /// A holding whose write was first sent at `since`.
    pub fn new(current: StoredRecord, since: Instant) -> Lease {
        Lease {
            current,
            since,
            unresolved: Vec::new(),
            blind: false,
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
    ///
    /// Whoever was told "nothing" has stopped, so it stays nothing: a clock that has another to go by
    /// may be set forward and back again.
    pub fn remaining(&mut self, now: Instant) -> Duration {
        let lease = self.current.record.lease();
        let left = lease.saturating_sub(now.at_most_since(self.since));
        if left.is_zero() && self.lost.is_none() {
            self.lost = Some(Loss::Expired);
        }
        if self.lost.is_some() {
            return Duration::ZERO;
        }
        left
    }

    /// Whether the holding is over, and why. Once over, it stays over.
    pub fn check(&mut self, now: Instant) -> Option<&Loss> {
        self.remaining(now);
        self.lost.as_ref()
    }

    /// Whether the next renewal begins with a look where an earlier one went: it may have landed, and
    /// then the lease runs on from there, however slowly writes are answered. But not after a look
    /// that showed nothing: where reads hang, a write may still be answered.
    pub(crate) fn looks_first(&self) -> bool {
        !self.unresolved.is_empty() && !self.blind
    }

    /// How long a renewal in the background may take, where a request may take so long. Whoever looks
    /// first needs time for the write as well.
    pub fn renewal_limit(&self, request: Duration) -> Duration {
        if self.looks_first() {
            2 * request
        } else {
            request
        }
    }

    /// Takes in what a read showed.
    pub fn learn(&mut self, found: &ReadOutcome, now: Instant) -> Learned {
        let ReadOutcome::Present(seen) = found else {
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
            let known = StoredRecord {
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

    /// To be taken before a read is sent, for [`look`](Lease::look).
    pub fn mark(&self) -> ReadMark {
        ReadMark {
            before: self.current.clone(),
        }
    }

    /// Takes in what a read showed that was sent after `mark`, whatever has become known meanwhile of
    /// this client's own writes. `since` is when the caller began to want to know.
    pub fn look(
        &mut self,
        mark: &ReadMark,
        found: &ReadOutcome,
        since: Instant,
        now: Instant,
    ) -> Looked {
        let seen = match found {
            ReadOutcome::Present(seen) => Some(seen),
            _ => None,
        };
        let renewed = self.current.record != mark.before.record;
        let looked = if !renewed || seen.is_some_and(|s| self.knows(s)) {
            match self.learn(found, now) {
                Learned::Lost => Looked::Lost,
                Learned::Unchanged | Learned::Resolved => Looked::Held,
            }
        } else if seen.is_some_and(|s| mark.before.is(s)) {
            // It stood when the read was answered, and the renewal came after that.
            Looked::Held
        } else if self.since.is_after(since) && seen.is_some_and(|s| self.may_have_written(s)) {
            // Held when the write landed that was found to stand meanwhile.
            Looked::Held
        } else {
            Looked::Again
        };
        match self.check(now) {
            Some(_) => Looked::Lost,
            None => looked,
        }
    }

    /// Whether this is what stands, or a write of this client's that may have come to stand.
    fn knows(&self, seen: &Snapshot) -> bool {
        self.current.is(seen) || self.unresolved.iter().any(|s| s.record == seen.record)
    }

    /// Whether a write of this holding looks like that. Nobody else's does.
    fn may_have_written(&self, seen: &Snapshot) -> bool {
        seen.record.is_held() && seen.record.fencing_token == self.current.record.fencing_token
    }

    /// Whether a write under way was found to stand.
    pub(crate) fn has_found(&self, write: &Write) -> bool {
        let is_it = |sent: &Sent| sent.record == write.record;
        self.current.record == write.record && !self.unresolved.iter().any(is_it)
    }

    /// A write of this client's is what stands, and its lease counts from its own first send.
    /// Others that were unresolved had the same condition, which is gone with it.
    pub(crate) fn adopt(&mut self, known: StoredRecord, first_send: Instant, now: Instant) {
        // Learned too late: the holder's time had run out, and it was told so or would have been.
        self.check(now);
        self.current = known;
        self.since = first_send;
        self.unresolved.clear();
    }

    /// Keeps a write before it is sent: whoever sends it may be stopped at any moment, and what
    /// comes after must know it when a read shows it.
    pub(crate) fn begin(&mut self, write: &Write, now: Instant) {
        self.unresolved.push(Sent {
            record: write.record.clone(),
            first_send: now,
        });
    }

    /// Forgets a write that has ended, unless it may be what a later read finds.
    pub(crate) fn end(&mut self, cas: &Cas) {
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

    /// Whether another has acquired the lock, and nobody can have done so while the lease ran, had
    /// it not been given back: nobody ended the holding in its stead, and it is the same object.
    pub(crate) fn was_succeeded(&self) -> bool {
        let mine = &self.current.record;
        match &self.lost {
            Some(Loss::TakenOver(seen)) => {
                let record = &seen.record;
                record.is_of_one_object_with(mine) && !record.may_have_cut_short(mine.fencing_token)
            }
            _ => false,
        }
    }

    pub(crate) fn write(&self, record: Record) -> Write {
        Write {
            record,
            condition: Condition::Matches(self.current.etag.clone()),
        }
    }
}

impl StoredRecord {
    /// Whether a read showed this version, under whatever name.
    fn is(&self, seen: &Snapshot) -> bool {
        self.etag == seen.etag || self.record == seen.record
    }
}

/// What it means that `seen` stands where `mine` stood.
///
/// Of holdings broken by force only the last is on record: where a later one was broken as well,
/// this one counts as taken over, which it was.
fn loss(mine: &Record, seen: &Snapshot) -> Loss {
    if seen.record.broken == Some(mine.fencing_token) {
        Loss::Broken
    } else if seen.record.fencing_token > mine.fencing_token {
        Loss::TakenOver(Box::new(seen.clone()))
    } else {
        // Released by name, or the object was restored to an older version.
        Loss::Vanished
    }
}
