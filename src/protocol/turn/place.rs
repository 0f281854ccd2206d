//! What one client knows of a lock's queue across its calls, and the rules that follow from it: whether
//! it is this client's turn, when to look at the queue, and when to take a ticket.

use std::time::Duration;

use crate::protocol::instant::Instant;
use crate::protocol::object::{ETag, StoreSeconds};
use crate::protocol::operation::{Inputs, Trouble};
use crate::protocol::queue::{Queue, Ticket};
use crate::protocol::record::{Advice, MAX_ADVISORY, Nonce, Record};
use crate::protocol::snapshot::Snapshot;
use crate::protocol::turn::pace::Pace;
use crate::protocol::turn::patience::Patience;
use crate::protocol::turn::vacancy::Vacancy;
use crate::protocol::turn::waiting::{Waiting, Watched};

/// A claim's terms for waiting in the queue.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct QueueTerms {
    /// Who waits; for people who look at the queue.
    pub label: String,
    pub pace: Pace,
    /// False for a call that is over soon: it lets others go first, and takes no place among them.
    pub takes_ticket: bool,
}

/// What a read of the queue's object found.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum QueueFound {
    Absent {
        date: Option<StoreSeconds>,
    },
    /// Reading is not permitted, or the key is absent and listing is not permitted.
    Hidden {
        date: Option<StoreSeconds>,
    },
    Present {
        etag: ETag,
        queue: Queue,
    },
    /// Another program's object, or a damaged one.
    Foreign,
    /// No answer that says anything.
    Failed(Trouble),
}

/// Whether a client may take a lock that is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Turn {
    /// It may.
    Now,
    /// It has to look at the queue first.
    Unknown,
    /// Others come first, for so long at most.
    Later(Duration),
}

/// Where a client stands in the queue, as of its last look; for logs and errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Standing {
    /// How many wait before it.
    pub before: usize,
    /// For how long it lets them go first where the lock is free.
    pub patience: Duration,
}

/// One client's place in a lock's queue, and what it knows of the queue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Place {
    /// The highest ticket that had its turn or was passed over, in all that this client has seen.
    pub(super) served: u64,
    /// What it knows of the queue, and of its own wait.
    pub(super) waiting: Waiting,
    /// How often in a row its ticket was passed over.
    pub(super) passed_over: u32,
    pub(super) patience: Patience,
    /// The highest token that a look has shown, and what had been served then.
    pub(super) last_turn: (u64, u64),
    /// Whether somebody has had the lock without a ticket since this client saw the queue. Its own ticket may
    /// be gone.
    pub(super) doubts_ticket: bool,
    /// How long a request takes.
    pub(super) round_trip: Duration,
    /// Its own last release, and when that was.
    pub(super) released: Option<(Nonce, Instant)>,
    /// Since when it has taken the lock again and again, with nobody else in between as far as it knows.
    pub(super) looping_since: Option<Instant>,
    /// Whether it has seen the queue since it had the lock last. Those who came meanwhile are not in what it saw before.
    pub(super) has_seen_since: bool,
    /// Whether this client has had the lock for as long as is fair, and looks for others before it takes it on.
    pub(super) yields: bool,
    /// Writes of the queue in a row that others were faster than, or that had no answer.
    pub(super) conflicts: u32,
    pub(super) is_known_unusable: bool,
    /// Requests for the queue in a row that had no answer in time.
    pub(super) silences: u32,
}

/// By how much a client lets each ticket but the first go first.
const SLOT: Duration = Duration::from_millis(250);
/// What it gives to all but the first altogether. Or many that gave up could keep the lock free for a minute.
const MAX_SLOTS: Duration = Duration::from_secs(13);
/// How many tickets count as before a client's own until it has one, if anybody waits.
const WITHOUT_TICKET: u32 = 4;
/// For how long a look at the queue is good.
const FRESH: Duration = Duration::from_secs(1);
/// A client that takes its own release again this soon looks for others meanwhile.
const AGAIN: Duration = Duration::from_secs(2);
/// The least and the most that a ticket before one's own may take to react.
pub(super) const REACT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

impl Place {
    // What reads and writes of the record show.

    /// Takes in a read of the record.
    pub(in crate::protocol) fn saw_record(&mut self, record: &Record) {
        self.saw_served(record.served());
    }

    pub(super) fn saw_served(&mut self, served: u64) {
        if served <= self.served || served > MAX_ADVISORY {
            return;
        }
        self.served = served;
        self.patience.restart();
        if self.number().is_some_and(|number| number <= served) {
            self.waiting.own = None;
            self.passed_over += 1;
        }
    }

    /// Begins a call. What happened since the last call says nothing of who had an opportunity.
    pub(in crate::protocol) fn begin(&mut self) {
        self.patience.forget_last_look();
    }

    /// Takes in a look at the record by a call that waits.
    pub(in crate::protocol) fn look(&mut self, seen: &Snapshot, vacancy: &Vacancy) {
        self.looping_since = None;
        let token = seen.record.fencing_token;
        let held = seen.record.is_held().then_some(token);
        self.patience.look(seen.arrived, held, vacancy.idle);
        if token > self.last_turn.0 {
            self.doubts_ticket |= self.served <= self.last_turn.1;
            self.last_turn = (token, self.served);
        }
        let took = seen.arrived.at_least_since(seen.sent);
        self.round_trip = match self.round_trip {
            Duration::ZERO => took,
            before => (3 * before + took) / 4,
        };
        let state = held.map_or(Watched::Free(token), Watched::Held);
        if self
            .waiting
            .watched
            .is_none_or(|(before, _)| before != state)
        {
            self.waiting.watched = Some((state, seen.arrived));
        }
    }

    /// This client has acquired the lock.
    pub(in crate::protocol) fn won(&mut self, record: &Record, now: Instant) {
        if self
            .number()
            .is_some_and(|number| number <= record.served())
        {
            // Used up, and not passed over.
            self.waiting.own = None;
            // Others had turns since it last looked, and may want more.
            self.waiting.sight = None;
            self.waiting.asked = None;
        }
        self.saw_served(record.served());
        self.has_seen_since = false;
        self.looping_since.get_or_insert(now);
        self.passed_over = 0;
        self.conflicts = 0;
        self.patience.forget_last_look();
        self.waiting.end();
    }

    /// This client's threads have had the lock one after the other for as long as is fair.
    pub fn has_had_its_turn(&mut self) {
        self.yields = true;
    }

    /// This client has released the lock.
    pub(in crate::protocol) fn released(&mut self, record: &Record, now: Instant) {
        self.saw_served(record.served());
        self.released = Some((record.nonce, now));
    }

    /// What every write of the record carries on.
    pub fn advice(&self, now: Instant) -> Advice {
        let fresh = self.waiting.sight.as_ref();
        let fresh = fresh.filter(|seen| !seen.is_hidden && is_within(FRESH, seen.sent, now));
        let others = fresh.map(|_| self.others().next().is_some());
        Advice {
            served: self.served,
            // Those who came since it had the lock last are not in what it saw before.
            queued: others.filter(|others| *others || self.has_seen_since),
        }
    }

    /// What the write carries by which this client acquires: it uses up its ticket, or passes over a full queue
    /// that had its opportunity.
    pub(in crate::protocol) fn advice_of_claim(&self, advice: Advice) -> Advice {
        match self.number() {
            Some(number) => Advice {
                served: advice.served.max(number),
                queued: Some(true),
            },
            // It could get no ticket, so nobody ever passes those before it over by using one up.
            None if self.waiting.full_at == Some(self.served) && self.has_been_patient() => {
                Advice {
                    served: advice.served.max(self.newest_before()),
                    ..advice
                }
            }
            None => advice,
        }
    }

    // Whose turn it is.

    pub(super) fn number(&self) -> Option<u64> {
        self.waiting.own.and_then(|own| own.number)
    }

    /// The tickets of others that have not had their turn.
    pub(super) fn others(&self) -> impl Iterator<Item = &Ticket> {
        let own = self.waiting.own.map(|own| own.nonce);
        let tickets = self
            .waiting
            .sight
            .iter()
            .flat_map(|seen| &seen.queue.tickets);
        tickets.filter(move |ticket| ticket.number > self.served && Some(ticket.nonce) != own)
    }

    /// Those of them that come first: all if this client has no ticket.
    pub(super) fn before(&self) -> impl Iterator<Item = &Ticket> {
        let own = self
            .waiting
            .own
            .and_then(|own| Some((own.number?, own.nonce.0)));
        self.others()
            .filter(move |ticket| own.is_none_or(|own| ticket.rank() < own))
    }

    /// How many count as before this client.
    fn count_before(&self) -> u32 {
        let before = u32::try_from(self.before().count()).unwrap_or(u32::MAX);
        match (before, self.number()) {
            (0, _) => 0,
            (before, Some(_)) => before,
            (before, None) => before + WITHOUT_TICKET,
        }
    }

    /// How many come before this client, if it has seen the queue.
    pub fn ahead(&self) -> Option<usize> {
        self.waiting.sight.as_ref().map(|_| self.before().count())
    }

    /// Where this client stands.
    pub fn standing(&self) -> Standing {
        let slowest = self.before().map(Ticket::react).max();
        let grace = slowest.map_or(Duration::ZERO, |react| react.clamp(REACT.0, REACT.1));
        Standing {
            before: self.before().count(),
            patience: grace + MAX_SLOTS.min(SLOT * self.count_before().saturating_sub(1)),
        }
    }

    /// Whether this client may take the version `etag`, which is free or expired.
    pub(in crate::protocol) fn turn(
        &self,
        etag: &ETag,
        record: &Record,
        vacancy: &Vacancy,
        now: Instant,
    ) -> Turn {
        if self.must_look(etag, record, vacancy, now) {
            return Turn::Unknown;
        }
        let so_far = self.patience.so_far().max(vacancy.idle);
        match self.standing().patience.checked_sub(so_far) {
            None | Some(Duration::ZERO) => Turn::Now,
            Some(left) => Turn::Later(left),
        }
    }

    fn must_look(&self, etag: &ETag, record: &Record, vacancy: &Vacancy, now: Instant) -> bool {
        let before = self.count_before();
        if before == 0 && self.number().is_some() {
            // Nobody can come before it any more.
            return false;
        }
        let is_own = self
            .released
            .is_some_and(|(nonce, _)| nonce == record.nonce);
        let is_wanted = record.is_queued() || vacancy.is_busy && !is_own;
        let is_new = self.waiting.looked_for.as_ref() != Some(etag);
        // Others want it, and this client knows of none: they may have come after it looked.
        let is_news = is_wanted && before == 0 && is_new;
        if self.has_asked(now) && !is_news || self.is_unusable(now) {
            return false;
        }
        is_wanted || self.yields || before > 0 && is_new
    }

    /// Whether it has asked for the queue a moment ago.
    pub(super) fn has_asked(&self, now: Instant) -> bool {
        self.waiting
            .asked
            .is_some_and(|asked| is_within(FRESH, asked, now))
    }

    pub(super) fn is_unusable(&self, now: Instant) -> bool {
        self.waiting
            .unusable_until
            .is_some_and(|until| !now.is_after(until))
    }

    /// Whether this client, which takes its own release again, should look for others at the same time: once a
    /// second, if it does that all the time.
    pub(in crate::protocol) fn looks_beside(&mut self, now: Instant) -> bool {
        if !self
            .released
            .is_some_and(|(_, at)| is_within(AGAIN, at, now))
        {
            self.looping_since = None;
            return false;
        }
        let has_just_begun = |since| is_within(FRESH, since, now);
        !self.looping_since.is_none_or(has_just_begun)
            && !self.has_asked(now)
            && !self.is_unusable(now)
    }

    /// This client, which does not look for others, has left them a moment to take the lock.
    pub(in crate::protocol) fn left_a_moment(&mut self, now: Instant) {
        self.looping_since = Some(now);
    }

    /// The pause before the next look.
    pub(in crate::protocol) fn pause(&mut self, pace: &Pace, inputs: &Inputs) -> Duration {
        let now = inputs.now;
        let mut pause = pace.pause(
            self.watched_for(now),
            self.count_before(),
            self.round_trip,
            self.is_alone() && self.may_be_slow(),
            random(inputs),
        );
        if let (None, Some(until)) = (self.number(), self.waiting.resting_until) {
            // It has no ticket, and may try again sooner.
            pause = pause.min(until.at_least_since(now)).max(pace.min);
        }
        self.patience.plan(pause);
        pause
    }

    /// For how long this client has watched the lock in one state.
    pub(super) fn watched_for(&self, now: Instant) -> Duration {
        let since = self.waiting.watched.map(|(_, since)| since);
        since.map_or(Duration::ZERO, |since| now.at_least_since(since))
    }

    /// Whether nobody else waits, as far as this client knows.
    pub(super) fn is_alone(&self) -> bool {
        self.others().next().is_none()
    }

    /// Whether its ticket tells those who come later to leave it much time.
    pub(super) fn may_be_slow(&self) -> bool {
        self.waiting
            .own
            .is_some_and(|own| own.number.is_some() && own.react >= REACT.1)
    }
}

#[cfg(feature = "internals")]
impl Place {
    /// What a test may alter to see that it is needed: the highest ticket that was served, and how long the
    /// tickets before this client's own have had their opportunity.
    #[doc(hidden)]
    pub fn memory(&mut self) -> (&mut u64, &mut Duration) {
        (&mut self.served, self.patience.so_far_mut())
    }
}

/// Random bits for pauses.
pub(super) fn random(inputs: &Inputs) -> u16 {
    (inputs.nonce.0 & 0xffff) as u16
}

fn is_within(span: Duration, earlier: Instant, now: Instant) -> bool {
    now.at_most_since(earlier) <= span
}
