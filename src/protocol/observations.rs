//! What one client knows of one lock across its calls: the highest token, and since when it has
//! seen the current version. From this it decides when a holding has expired.

use std::time::Duration;

use crate::protocol::instant::Instant;
use crate::protocol::object::{ETag, StoreSeconds};
use crate::protocol::record::{DoneLabels, MAX_TOKEN, Record};
use crate::protocol::snapshot::{ReadOutcome, Snapshot, StoredRecord};
use crate::protocol::turn::{Place, Vacancy};

/// What this client remembers of a lock. Much of it is in boxes: a client may know thousands of locks, and of most
/// it has nothing to remember there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Observations {
    /// The record that this client itself released last. The next acquire may guess that it still
    /// stands.
    pub released: Option<Box<StoredRecord>>,
    /// The holding that the last read showed, if it showed one: another's or this client's own.
    pub held: Option<Box<Snapshot>>,
    /// What it knows of the lock's queue.
    pub place: Place,
    /// Whether the last read was not permitted.
    pub hidden: bool,
    highest_token: u64,
    /// The labels done, as the newest record had them that this client has read or written.
    done: DoneLabels,
    sighting: Option<Box<FirstSeen>>,
}

/// The first time that this client saw the current version.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct FirstSeen {
    etag: ETag,
    sent: Instant,
    arrived: Instant,
    date: Option<StoreSeconds>,
}

/// How an observer decides that a holder is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ExpiryRule {
    /// How much older than its lease a record must be, without the share for the clocks' rates.
    pub margin: Duration,
    /// Whether `Date` and `Last-Modified` of one reply may tell the age.
    pub store_clock: bool,
}

impl ExpiryRule {
    /// How much older than its lease a record must be before it may be taken over.
    pub fn beyond(&self, lease: Duration) -> Duration {
        self.margin + lease / RATE_SHARE
    }

    /// The same rule, without the store's clock if its `Date` is not to be trusted.
    pub fn trusting(self, date: bool) -> ExpiryRule {
        ExpiryRule {
            store_clock: self.store_clock && date,
            ..self
        }
    }
}

/// Two clocks may differ in what they count of a lease by this part of it: 0.2 %.
const RATE_SHARE: u32 = 500;
/// What an honest store's dates may be off by when two replies are compared, beside the clocks'
/// rates. Less than 1 s, because they are cut to whole seconds. And at most 1 s, because they may
/// come from two nodes, which are assumed to agree to within that. A larger difference means that
/// `Date` is wrong. A takeover's margin covers the same two, and does not rest on this comparison.
const DATE_TOLERANCE: Duration = Duration::from_secs(2);

impl Observations {
    /// Takes in what a read showed. Returns whether it proves that the store's `Date` runs ahead of
    /// this client's clock. If so, `Date` must not tell any record's age.
    #[must_use]
    pub fn observe(&mut self, found: &ReadOutcome) -> bool {
        self.hidden = matches!(found, ReadOutcome::Hidden { .. });
        let seen = match found {
            ReadOutcome::Present(seen) => seen,
            ReadOutcome::Absent { .. } => {
                self.sighting = None;
                self.held = None;
                self.done = DoneLabels::default();
                return false;
            }
            ReadOutcome::Hidden { .. } | ReadOutcome::Foreign => return false,
        };
        self.saw_token(seen.record.fencing_token);
        self.saw_done(&seen.record);
        self.place.saw_record(&seen.record);
        self.held = seen.record.is_held().then(|| Box::new(seen.clone()));
        match &self.sighting {
            Some(first) if first.etag == seen.etag => date_ran_ahead(first, seen),
            _ => {
                self.sighting = Some(Box::new(FirstSeen {
                    etag: seen.etag.clone(),
                    sent: seen.sent,
                    arrived: seen.arrived,
                    date: seen.date,
                }));
                false
            }
        }
    }

    /// Takes in a record that this client has just released.
    pub fn note_released(&mut self, released: StoredRecord, now: Instant) {
        self.saw_token(released.record.fencing_token);
        self.saw_done(&released.record);
        self.place.released(&released.record, now);
        self.released = Some(Box::new(released));
        // What the last look showed was this client's own, or is gone too.
        self.held = None;
    }

    /// Takes in that this client holds the lock by this record.
    pub fn note_taken(&mut self, record: &Record, now: Instant) {
        self.saw_token(record.fencing_token);
        self.saw_done(record);
        self.place.won(record, now);
        // What the last look showed is over.
        self.held = None;
    }

    /// The labels that are done, as far as this client knows. What is in there was done. Only the object's end takes it
    /// back, and then no participant is left.
    pub fn done(&self) -> &DoneLabels {
        &self.done
    }

    /// A read may show what stood before this client's own last write.
    fn saw_done(&mut self, record: &Record) {
        if record.done().latest() > self.done.latest() {
            self.done = record.done().clone();
        }
    }

    pub fn saw_token(&mut self, token: u64) {
        self.highest_token = self.highest_token.max(token);
    }

    /// The token of the next holding: larger than the record's and every one seen for this key.
    /// None if readers would not accept it.
    pub fn next_token(&self, current: u64) -> Option<u64> {
        let next = current.max(self.highest_token).checked_add(1);
        next.filter(|next| *next <= MAX_TOKEN)
    }

    /// The token of a first holding: the store's time in microseconds. So an object that was
    /// deleted and made anew does not repeat the tokens of its former life. None if that life has
    /// used up all tokens.
    pub fn first_token(&self, date: StoreSeconds) -> Option<u64> {
        let micros = u64::try_from(date).unwrap_or(0).saturating_mul(1_000_000);
        let least = self.next_token(0)?;
        // Only a clock set beyond 2255 is cut. More than a million million tokens are left above.
        Some(micros.min(MAX_TOKEN - (1 << 40)).max(least))
    }

    /// How long until `seen` may be taken over: zero once it has expired.
    ///
    /// Its age is the larger of two lower bounds, each from one clock. By the store's clock: `Date`
    /// − `Last-Modified` of one reply, and the time since it arrived. By this client's clock: the
    /// time since it first saw this version.
    pub fn free_in(&self, seen: &Snapshot, expiry_rule: &ExpiryRule, now: Instant) -> Duration {
        let lease = seen.record.lease();
        let expiry = lease + expiry_rule.beyond(lease);
        let age = self.age(seen, expiry_rule, now);
        // Older than, not as old as.
        match expiry.checked_sub(age) {
            Some(left) => left.max(Duration::from_nanos(1)),
            None => Duration::ZERO,
        }
    }

    /// For how long `seen`, which is free or expired, could have been taken.
    pub(in crate::protocol) fn vacancy(
        &self,
        seen: &Snapshot,
        expiry_rule: &ExpiryRule,
        now: Instant,
    ) -> Vacancy {
        let age = self.age(seen, expiry_rule, now);
        let lease = seen.record.lease();
        if seen.record.is_held() {
            let idle = age.saturating_sub(lease + expiry_rule.beyond(lease));
            return Vacancy {
                idle,
                is_busy: idle < Vacancy::BUSY,
            };
        }
        Vacancy {
            // The dates are cut to whole seconds.
            idle: age_by_store(seen, expiry_rule, now).saturating_sub(Duration::from_secs(1)),
            is_busy: age < Vacancy::BUSY,
        }
    }

    /// How old the version `seen` is at least, as far as this client can tell.
    fn age(&self, seen: &Snapshot, expiry_rule: &ExpiryRule, now: Instant) -> Duration {
        let own = match &self.sighting {
            Some(first) if first.etag == seen.etag => now.at_least_since(first.arrived),
            _ => Duration::ZERO,
        };
        own.max(age_by_store(seen, expiry_rule, now))
    }
}

fn age_by_store(seen: &Snapshot, expiry_rule: &ExpiryRule, now: Instant) -> Duration {
    let (Some(date), Some(modified)) = (seen.date, seen.modified) else {
        return Duration::ZERO;
    };
    if !expiry_rule.store_clock {
        return Duration::ZERO;
    }
    match u64::try_from(date.saturating_sub(modified)) {
        Ok(age) => Duration::from_secs(age) + now.at_least_since(seen.arrived),
        // A reply from before the object was written tells nothing of its age.
        Err(_) => Duration::ZERO,
    }
}

fn date_ran_ahead(first: &FirstSeen, seen: &Snapshot) -> bool {
    let (Some(from), Some(to)) = (first.date, seen.date) else {
        return false;
    };
    let first = DateSample {
        sent: first.sent,
        date: from,
    };
    first.is_outrun_by(to, seen.arrived)
}

/// What the store's clock showed in the reply to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DateSample {
    /// When the request was about to be sent.
    pub sent: Instant,
    pub date: StoreSeconds,
}

impl DateSample {
    /// Whether the store's clock, as `Date` shows it, advanced too much until a later reply: more
    /// than this client's clock did from the sending of the first request to the arrival of the
    /// later reply. Both dates are from in between. The `Last-Modified` of what this client wrote
    /// by the first request may take the place of that reply's date.
    pub fn is_outrun_by(&self, later: StoreSeconds, arrived: Instant) -> bool {
        let own = arrived.at_most_since(self.sent);
        let advanced = u64::try_from(later.saturating_sub(self.date)).unwrap_or(0);
        Duration::from_secs(advanced) > own + own / RATE_SHARE + DATE_TOLERANCE
    }
}
