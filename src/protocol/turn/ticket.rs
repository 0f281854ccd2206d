//! A client's ticket: when it takes one, changes it or gives it back, and what it learns from the queue on the way.

use std::time::Duration;

use crate::protocol::instant::Instant;
use crate::protocol::object::{Condition, ETag, Refusal, StoreSeconds, WriteOutcome};
use crate::protocol::operation::{Inputs, Trouble};
use crate::protocol::queue::{Queue, QueueWrite, Ticket};
use crate::protocol::record::MAX_ADVISORY;
use crate::protocol::turn::pace::{Pace, share_of};
use crate::protocol::turn::place::{Place, QueueFound, QueueTerms, REACT, random};
use crate::protocol::turn::waiting::{Own, Sight};

/// The longest rest after a write of the queue that others were faster than.
const MAX_REST: Duration = Duration::from_secs(8);
/// The longest rest after the store was asked too often.
const MAX_BUSY_REST: Duration = Duration::from_secs(32);
/// How long a queue that cannot be used is left alone.
const UNUSABLE: Duration = Duration::from_secs(60);
/// How long a queue that gave no answer in time is left alone, at first.
const SILENT: Duration = Duration::from_secs(4);
/// After so many requests in a row without an answer in time, the queue counts as one that cannot be used.
const MAX_SILENCES: u32 = 3;
/// The largest exponent of a rest.
const MAX_DOUBLINGS: u32 = 16;

impl Place {
    /// Whether a call that waits should take a ticket now, or change the one that it has. It `insists` if it has
    /// seen that the lock is wanted.
    pub(in crate::protocol) fn wants_ticket(
        &self,
        terms: &QueueTerms,
        insists: bool,
        now: Instant,
    ) -> bool {
        let is_resting = self
            .waiting
            .resting_until
            .is_some_and(|until| !now.is_after(until));
        if !terms.takes_ticket || is_resting || self.is_unusable(now) {
            return false;
        }
        if self.number().is_some() {
            return self.is_to_be_slow(terms, now);
        }
        let is_full = self.waiting.full_at.is_some_and(|at| self.served <= at);
        (insists || !self.is_alone()) && !is_full
    }

    /// Whether this client is about to look seldom, and its ticket does not say so yet.
    fn is_to_be_slow(&self, terms: &QueueTerms, now: Instant) -> bool {
        let is_long = terms.pace.becomes_slow(self.watched_for(now));
        is_long && self.is_alone() && !self.may_be_slow()
    }

    /// Whether a call that waits should see whether its ticket is still there: others cannot wait for a ticket
    /// that they do not see, and this client would take itself for the first for ever.
    pub(in crate::protocol) fn doubts_ticket(&self, now: Instant) -> bool {
        let doubts = self.doubts_ticket && self.number().is_some();
        doubts && !self.has_asked(now) && !self.is_unusable(now)
    }

    /// Whether this client may have a ticket in the queue.
    pub fn has_ticket(&self) -> bool {
        self.waiting.own.is_some()
    }

    /// Notes that the queue is asked for: before the version `etag` is taken, if so said.
    pub(in crate::protocol) fn ask_for(&mut self, etag: Option<&ETag>, now: Instant) {
        self.waiting.asked = Some(now);
        self.yields = false;
        self.waiting.looked_for = etag.cloned();
    }

    /// Notes that a look at the queue has ended, with or without an answer. If it took long, it counts from now:
    /// else a client of a slow store would look again and again, and not take the lock.
    pub(in crate::protocol) fn has_asked_until(&mut self, now: Instant) {
        if !self.has_asked(now) {
            self.waiting.asked = Some(now);
        }
    }

    /// Takes in a read of the queue that was sent at `sent`.
    pub fn saw_queue(&mut self, found: QueueFound, sent: Instant, inputs: &Inputs) {
        let (queue, condition, is_hidden) = match found {
            QueueFound::Absent { date } => (self.new_queue(date, inputs), Condition::Absent, false),
            // It may be absent. If it is not, the store refuses to create it.
            QueueFound::Hidden { date } => (self.new_queue(date, inputs), Condition::Absent, true),
            QueueFound::Present { etag, queue } => (queue, Condition::Matches(etag), false),
            QueueFound::Failed(Trouble::Transient) => return,
            QueueFound::Foreign | QueueFound::Failed(Trouble::Permanent) => {
                return self.shut(inputs.now);
            }
        };
        if !is_hidden {
            self.waiting.unusable_until = None;
        }
        self.silences = 0;
        self.doubts_ticket = false;
        self.has_seen_since = true;
        self.saw_served(queue.served);
        if let Some(own) = &mut self.waiting.own {
            let ticket = queue
                .tickets
                .iter()
                .find(|ticket| ticket.nonce == own.nonce);
            let ticket = ticket.filter(|ticket| ticket.number > self.served);
            own.number = ticket.map(|ticket| ticket.number);
            own.react = ticket.map_or(Duration::ZERO, Ticket::react);
        }
        if queue.has_room() {
            self.waiting.full_at = None;
        }
        self.waiting.sight = Some(Sight {
            sent,
            queue,
            condition: Some(condition),
            is_hidden,
        });
        self.note_newest();
    }

    fn new_queue(&self, date: Option<StoreSeconds>, inputs: &Inputs) -> Queue {
        let seconds = date.unwrap_or(inputs.wall.unix_seconds());
        let micros = u64::try_from(seconds)
            .unwrap_or(0)
            .saturating_mul(1_000_000);
        Queue::starting_at(micros.min(MAX_ADVISORY / 2))
    }

    pub(super) fn newest_before(&self) -> u64 {
        let numbers = self.before().map(|ticket| ticket.number);
        numbers.max().unwrap_or(0)
    }

    fn note_newest(&mut self) {
        self.patience.saw_newest(self.newest_before());
    }

    /// Whether those before this client have had their opportunity.
    pub(super) fn has_been_patient(&self) -> bool {
        self.patience.so_far() >= self.standing().patience
    }

    /// The write by which this client takes a ticket or changes it, if it has seen the queue just now and
    /// there is room.
    pub(in crate::protocol) fn registration(
        &mut self,
        terms: &QueueTerms,
        inputs: &Inputs,
    ) -> Option<QueueWrite> {
        let react = match self.number() {
            None => self.react(&terms.pace),
            Some(_) if self.is_to_be_slow(terms, inputs.now) => REACT.1,
            Some(_) => return None,
        };
        let own = *self.waiting.own.get_or_insert(Own {
            nonce: inputs.nonce,
            number: None,
            react,
        });
        let sight = self.waiting.sight.as_mut()?;
        let condition = sight.condition.take()?;
        let queue = sight.queue.without(own.nonce, self.served, inputs.nonce);
        let Some(queue) = queue.with(own.number, own.nonce, react, &terms.label) else {
            self.waiting.full_at = Some(self.served);
            return None;
        };
        self.waiting.full_at = None;
        Some(QueueWrite { queue, condition })
    }

    /// How long this client may take to notice that the lock is free.
    fn react(&self, pace: &Pace) -> Duration {
        let react = pace
            .max
            .saturating_mul(2)
            .saturating_add(4 * self.round_trip);
        // At least what others give to any ticket: less, doubled, might still be no more than that.
        let doubled = react
            .max(REACT.0)
            .saturating_mul(1 << self.passed_over.min(MAX_DOUBLINGS));
        doubled.min(REACT.1)
    }

    /// The write by which this client gives its ticket back, if the queue that it has seen just now has it.
    pub(in crate::protocol) fn resignation(&mut self, inputs: &Inputs) -> Option<QueueWrite> {
        let own = self.waiting.own?;
        own.number?;
        let sight = self.waiting.sight.as_mut()?;
        let condition = sight.condition.take()?;
        let queue = sight.queue.without(own.nonce, self.served, inputs.nonce);
        Some(QueueWrite { queue, condition })
    }

    /// The ticket was given back.
    pub(in crate::protocol) fn has_left(&mut self) {
        self.waiting.own = None;
        self.passed_over = 0;
    }

    /// Takes in how the write of a queue ended.
    pub(in crate::protocol) fn wrote(
        &mut self,
        write: QueueWrite,
        outcome: &WriteOutcome<Trouble>,
        inputs: &Inputs,
    ) {
        use WriteOutcome::{Applied, NotSent, Refused, Unknown};
        let was_hidden = self
            .waiting
            .sight
            .as_ref()
            .is_some_and(|seen| seen.is_hidden);
        match outcome {
            Applied { etag, .. } => {
                let etag = etag.clone();
                self.conflicts = 0;
                let queue = write.queue;
                self.saw_queue(QueueFound::Present { etag, queue }, inputs.now, inputs);
            }
            // It exists, and may not be read.
            Refused(Refusal::Condition, _) if was_hidden => self.shut(inputs.now),
            Refused(Refusal::Denied, _) => self.shut(inputs.now),
            NotSent(Trouble::Permanent) | Unknown(Trouble::Permanent) => self.shut(inputs.now),
            Refused(Refusal::Busy, _) => {
                let most = Duration::from_secs(1) * self.doublings();
                self.rest(Duration::from_secs(1), most.min(MAX_BUSY_REST), inputs);
            }
            // The next look shows whether it was applied.
            Refused(Refusal::Condition | Refusal::Conflict, _) | NotSent(_) | Unknown(_) => {
                let most = 2 * self.round_trip * self.doublings();
                self.rest(Duration::ZERO, most.min(MAX_REST), inputs);
            }
        }
    }

    fn doublings(&mut self) -> u32 {
        self.conflicts = (self.conflicts + 1).min(MAX_DOUBLINGS);
        1 << self.conflicts
    }

    /// Rests for a random time, so that those who were in each other's way are not again.
    fn rest(&mut self, least: Duration, most: Duration, inputs: &Inputs) {
        let rest = least + share_of(most.saturating_sub(least), random(inputs));
        self.waiting.resting_until = Some(inputs.now.later_by(rest));
    }

    /// Leaves the queue alone for a while.
    fn shut(&mut self, now: Instant) {
        self.waiting.unusable_until = Some(now.later_by(UNUSABLE));
        self.silences = 0;
        self.waiting.sight = None;
        self.waiting.own = None;
    }

    /// The queue gave no answer in time. It is left alone for longer each time, or each look would cost the
    /// caller that time. The ticket may still be there.
    pub fn had_no_answer(&mut self, now: Instant) {
        let rest = (SILENT * (1 << self.silences)).min(UNUSABLE);
        self.silences = (self.silences + 1).min(MAX_DOUBLINGS);
        self.waiting.unusable_until = Some(now.later_by(rest));
        self.waiting.sight = None;
        if let Some(own) = &mut self.waiting.own {
            own.number = None;
        }
    }

    /// Whether the queue has turned out not to be usable. Says so once.
    pub fn is_newly_unusable(&mut self) -> bool {
        let is_silent = (1..MAX_SILENCES).contains(&self.silences);
        let is_news =
            self.waiting.unusable_until.is_some() && !is_silent && !self.is_known_unusable;
        self.is_known_unusable |= is_news;
        is_news
    }
}
