//! One holding while a client has it: its deadline, its own writes that are unresolved, and how it
//! is lost.

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
    /// Own writes that may have been applied or may yet be. A read may find any of them.
    unresolved: Vec<Sent>,
    /// The write that hands the lock over to the next holder, unless it certainly never lands. It is no
    /// write of this holding.
    pub(crate) hand_over: Option<Box<Cas>>,
    /// Whether the last request of a renewal was a read that showed nothing.
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
    /// Another acquired the lock: after the deadline, or before it under the same owner name.
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
    /// The record is a write of this client's that was unresolved.
    Resolved,
    /// The record is another's, or it is gone.
    Lost,
}

/// What was known of a holding just before a read of its record is sent.
///
/// A read and a renewal of one guard may be under way at once. So the read may show a version that
/// a renewal has replaced by the time the reply arrives. That is not a loss.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReadMark {
    pub(crate) before: StoredRecord,
}

/// What a read meant for a holding that may have been renewed during the read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looked {
    /// Held after the read was sent.
    Held,
    /// No longer held.
    Lost,
    /// It tells nothing: what it shows may be from before a renewal. Only another look can tell.
    Again,
}

impl Lease {
    /// A holding whose write was first sent at `since`.
    pub fn new(current: StoredRecord, since: Instant) -> Lease {
        Lease {
            current,
            since,
            unresolved: Vec::new(),
            hand_over: None,
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

    /// How long the lease still runs, by this client's own clock. Zero once it is lost.
    ///
    /// Once zero, always zero: the holder has stopped. Where the wall clock has to help
    /// out, it may be set forward and back again.
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

    /// Whether a write of this holding may have been applied or may yet be.
    pub(crate) fn has_unresolved(&self) -> bool {
        !self.unresolved.is_empty()
    }

    /// The write that has handed the lock over, may have done so, or may yet do so.
    pub fn hand_over_in_doubt(&self) -> Option<Box<Cas>> {
        self.hand_over.clone()
    }

    /// Whether a read shows that the lock was handed over. The token alone does not tell: another
    /// client may have taken the lock with it.
    pub(crate) fn was_handed_over(&self, found: &ReadOutcome) -> bool {
        match (found, &self.hand_over) {
            (ReadOutcome::Present(seen), Some(write)) => seen.record == write.write().record,
            _ => false,
        }
    }

    /// Whether a read shows that this holding has completed its label. The mark has its token, and no other
    /// holding of the same object has that.
    pub(crate) fn was_completed(&self, found: &ReadOutcome) -> bool {
        let mine = &self.current.record;
        match found {
            ReadOutcome::Present(seen) => seen.record.was_completed_by(mine.fencing_token),
            _ => false,
        }
    }

    /// Whether this holding may have completed its label, although what was read does not show it: so many others
    /// were completed since that it was forgotten.
    pub(crate) fn may_have_been_completed(&self, found: &ReadOutcome) -> bool {
        let mine = &self.current.record;
        match found {
            ReadOutcome::Present(seen) => seen.record.may_have_forgotten(mine.fencing_token),
            _ => false,
        }
    }

    /// Whether the next renewal begins with a read, to see whether an earlier one has landed. If it
    /// has, the lease runs on from there, however slow the replies to writes are. After a read that
    /// showed nothing it does not: where reads hang, a write may still be answered.
    pub(crate) fn looks_first(&self) -> bool {
        !self.unresolved.is_empty() && !self.blind
    }

    /// How long a renewal in the background may take, if a request may take `request`. A renewal
    /// that looks first needs time for its write as well.
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
            // The same write under another ETag: some stores report one ETag to the writer and
            // another to readers.
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

    /// Taken before a read is sent, for [`look`](Lease::look).
    pub fn mark(&self) -> ReadMark {
        ReadMark {
            before: self.current.clone(),
        }
    }

    /// Takes in what a read showed that was sent after `mark`, although this client's own writes
    /// may have been resolved meanwhile. `since` is when the caller's question began.
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
            // It stood when the store answered the read, and the renewal came after that.
            Looked::Held
        } else if self.since.is_after(since) && seen.is_some_and(|s| self.may_have_written(s)) {
            // Held when the write that stands now landed.
            Looked::Held
        } else {
            Looked::Again
        };
        match self.check(now) {
            Some(_) => Looked::Lost,
            None => looked,
        }
    }

    /// Whether this is what stands, or a write of this client's that may stand now.
    fn knows(&self, seen: &Snapshot) -> bool {
        self.current.is(seen) || self.unresolved.iter().any(|s| s.record == seen.record)
    }

    /// Whether it looks like a write of this holding. Nobody else's write does.
    fn may_have_written(&self, seen: &Snapshot) -> bool {
        seen.record.is_held() && seen.record.fencing_token == self.current.record.fencing_token
    }

    /// Whether a write under way was found to stand.
    pub(crate) fn has_found(&self, write: &Write) -> bool {
        let is_it = |sent: &Sent| sent.record == write.record;
        self.current.record == write.record && !self.unresolved.iter().any(is_it)
    }

    /// A write of this client's stands, and the lease counts from its own first send. Other
    /// unresolved writes had the same condition, which is gone now.
    pub(crate) fn adopt(&mut self, known: StoredRecord, first_send: Instant, now: Instant) {
        // It may be too late: then the holder's time has run out, and the holding stays lost.
        self.check(now);
        self.current = known;
        self.since = first_send;
        self.unresolved.clear();
    }

    /// Notes a write before it is sent. The caller may be stopped at any moment, and a later call
    /// must recognise the write when a read shows it.
    pub(crate) fn begin(&mut self, write: &Write, now: Instant) {
        self.unresolved.push(Sent {
            record: write.record.clone(),
            first_send: now,
        });
    }

    /// Forgets a write that has ended, unless a later read may find it.
    pub(crate) fn end(&mut self, cas: &Cas) {
        if !cas.may_stand() {
            self.unresolved.retain(|s| s.record != cas.write().record);
        }
    }

    /// Keeps the first cause. A later one replaces only an expiry.
    pub fn lose(&mut self, loss: Loss) {
        if !self.is_gone() {
            self.lost = Some(loss);
        }
        if self.is_gone() {
            self.unresolved.clear();
        }
    }

    /// Whether it is lost in a way that a release cannot undo.
    pub fn is_gone(&self) -> bool {
        !matches!(self.lost, None | Some(Loss::Expired))
    }

    /// Whether another has acquired the lock, and could not have done so before the deadline
    /// without this holding's own release: nobody else ended the holding, and it is the same
    /// object.
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
    /// Whether a read showed this version, under this or another ETag.
    fn is(&self, seen: &Snapshot) -> bool {
        self.etag == seen.etag || self.record == seen.record
    }
}

/// How `mine` was lost, now that `seen` stands in its place.
///
/// Only the last holding that was broken by force is on record. If a later one was broken as well,
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
