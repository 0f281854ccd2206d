//! What the threads of one client share about one lock: the queue, the live guard, and what reads showed.
//! An acquire that waits takes a place in the queue, and only the first place asks the store.
//!
//! A guard that gives the lock back may choose the first place, to hand the lock over to its call in one
//! write (`hand_over.rs`). A chosen call waits until it is told what came of that, whatever its time limit.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use crate::engine::cancellation::Cancellation;
use crate::engine::registry::Entry;
use crate::engine::time_budget::TimeBudget;
use crate::protocol::record::{DoneLabel, DoneLabels, Record};
use crate::protocol::{Cas, Claim, ExpiryRule, Instant, Lease, Loss, Observations, ReadOutcome};
use crate::sys::clock::Clock;
use crate::sys::sync::{Mutex, MutexGuard, lock};

/// One client's queue for one lock.
#[derive(Default)]
pub(crate) struct WaitQueue {
    pub(crate) observations: Mutex<Observations>,
    turns: Mutex<Turns>,
}

/// Which guard of this client holds the lock, and which calls wait for it.
#[derive(Default)]
struct Turns {
    holder: Option<LocalHolder>,
    /// The waiting calls, in order of arrival. Only the first may ask the store.
    waiting: VecDeque<Waiting>,
}

/// A call in the queue.
struct Waiting {
    turn: Arc<Notify>,
    /// What it waits to do once, if that is so.
    label: Option<Arc<str>>,
    state: State,
}

/// What a call in the queue does.
enum State {
    /// It is busy: it has just come, asks the store, or is about to leave.
    Busy,
    /// It asks the store, and uses the client's ticket if there is one.
    Asking,
    /// It waits. If there is an offer, the lock may be handed over to it.
    Parked(Option<Box<Offer>>),
    /// The lock is being handed over to it. It neither asks the store nor leaves until it is told.
    Chosen,
    /// It was told, and has not heard it yet.
    Told(Turn),
}

/// On what terms a waiting call takes the lock from another guard of its client.
#[derive(Clone)]
pub(crate) struct Offer {
    pub claim: Claim,
    /// How much of its time the call has left, as of `at`.
    left: Duration,
    at: Instant,
    /// Ends that time from outside.
    pub cancellation: Option<Cancellation>,
}

/// What a call in the queue may do, once its turn has come.
pub(crate) enum Turn {
    /// No guard of this client holds the lock: it may ask the store.
    Take,
    /// It has the lock. Another guard has handed it over.
    Yours(Holding),
    /// Another guard has sent this write for it, and does not know what came of it.
    Resolve { write: Box<Cas>, entry: Entry },
    /// Nothing: its label is done.
    Done(Box<DoneLabel>),
}

/// A holding that was handed over.
pub(crate) struct Holding {
    pub lease: Arc<Mutex<Lease>>,
    pub loss_news: Arc<Notify>,
    /// Its entry in the registry, made before the write was sent.
    pub entry: Entry,
    pub chain: Chain,
}

/// Holdings of one client that were handed over from guard to guard. A chain ends soon, or other clients
/// would never get the lock.
#[derive(Clone, Copy)]
pub(crate) struct Chain {
    /// When the first of them was acquired.
    began: Instant,
    hand_overs: u32,
}

/// The longest chain, and how long after its beginning the lock is last handed over.
const CHAIN: (u32, Duration) = (16, Duration::from_secs(1));

/// A call that has less than this of its time left does not keep its client's ticket for itself. It might leave
/// with the call that had the ticket, and nobody would take the ticket out.
const LEAST_USE: Duration = Duration::from_secs(1);

impl Chain {
    /// A chain that begins with a holding acquired at `began`.
    pub(crate) fn new(began: Instant) -> Chain {
        Chain {
            began,
            hand_overs: 0,
        }
    }

    /// Whether the lock was handed over at all.
    pub(crate) fn is_long(self) -> bool {
        self.hand_overs > 0
    }

    /// The chain with one more hand-over, unless it has to end.
    pub(crate) fn next(self, now: Instant) -> Option<Chain> {
        let (most, longest) = CHAIN;
        let goes_on = self.hand_overs < most && now.at_most_since(self.began) < longest;
        goes_on.then_some(Chain {
            hand_overs: self.hand_overs + 1,
            ..self
        })
    }
}

/// A call that was chosen for a hand-over. If this is dropped, the call goes on waiting.
pub(crate) struct Chosen<'a> {
    queue: &'a WaitQueue,
    turn: Arc<Notify>,
    pub offer: Offer,
}

/// A guard's lease, and what to notify when the lock is lost.
#[derive(Clone)]
struct LocalHolder {
    lease: Arc<Mutex<Lease>>,
    loss_news: Arc<Notify>,
}

/// What a client knows about the holder of a lock.
pub(crate) struct KnownHolder {
    pub(crate) record: Record,
    pub(crate) free_in: Duration,
    pub(crate) seen_at: Instant,
}

impl KnownHolder {
    /// Whether it was seen since `start`.
    fn is_fresh(&self, start: Instant) -> bool {
        start.at_least_since(self.seen_at).is_zero()
    }
}

/// A place in the queue; given up when dropped.
pub(crate) struct QueuePlace<'a> {
    queue: &'a WaitQueue,
    turn: Arc<Notify>,
    label: Option<Arc<str>>,
}

impl WaitQueue {
    pub(crate) fn observations(&self) -> MutexGuard<'_, Observations> {
        lock(&self.observations)
    }

    fn turns(&self) -> MutexGuard<'_, Turns> {
        lock(&self.turns)
    }

    /// The live guard of this client, if there is one, and how much of its lease is left.
    pub(crate) fn holder(&self, now: Instant) -> Option<(Record, Duration)> {
        let lease = self.turns().holder.clone()?.lease;
        let mut lease = lock(&lease);
        let remaining = lease.remaining(now);
        (!remaining.is_zero()).then(|| (lease.record().clone(), remaining))
    }

    /// Notes that a guard of this client holds the lock.
    pub(crate) fn note_holder(&self, lease: &Arc<Mutex<Lease>>, loss_news: &Arc<Notify>) {
        self.turns().holder = Some(LocalHolder {
            lease: lease.clone(),
            loss_news: loss_news.clone(),
        });
    }

    /// Takes in what a read showed, as [`Observations::observe`]. Wakes the calls that have nothing left to do.
    #[must_use]
    pub(crate) fn observe(&self, found: &ReadOutcome) -> bool {
        let mut known = self.observations();
        let before = known.done().latest();
        let ran_ahead = known.observe(found);
        let is_news = known.done().latest() > before;
        drop(known);
        if is_news {
            self.note_done();
        }
        ran_ahead
    }

    /// Who has completed this label, if this client knows that it is done.
    pub(crate) fn done(&self, label: Option<&str>) -> Option<Box<DoneLabel>> {
        let known = self.observations();
        let done = known.done().find(label?)?;
        Some(Box::new(done.clone()))
    }

    /// Wakes the calls whose label is done, wherever they are in the queue: they leave.
    pub(crate) fn note_done(&self) {
        let done = self.observations().done().clone();
        let turns = self.turns();
        for waiting in turns.waiting.iter().filter(|w| w.wants_one_of(&done)) {
            waiting.turn.notify_one();
        }
    }

    /// Chooses the first call in the queue, to hand it the holding of `lease`; of those whose label is in `done`,
    /// none. None if there is no such call, if it does not wait, if it takes nothing from other guards or has less
    /// than `least` of its time left, or if the holding is over.
    pub(crate) fn choose(
        &self,
        lease: &Arc<Mutex<Lease>>,
        done: &DoneLabels,
        least: Duration,
        now: Instant,
    ) -> Option<Chosen<'_>> {
        let mut turns = self.turns();
        if !turns.is_holder(lease) {
            return None;
        }
        let mut waiting = turns.waiting.iter_mut();
        let first = waiting.find(|waiting| !waiting.wants_one_of(done))?;
        let offer = match &first.state {
            State::Parked(Some(offer)) if offer.left(now) >= least => (**offer).clone(),
            _ => return None,
        };
        first.state = State::Chosen;
        Some(Chosen {
            queue: self,
            turn: first.turn.clone(),
            offer,
        })
    }

    /// Notes that this guard no longer holds the lock, and wakes the first in the queue.
    pub(crate) fn note_end(&self, lease: &Arc<Mutex<Lease>>) {
        let mut turns = self.turns();
        if turns.is_holder(lease) {
            turns.holder = None;
            turns.wake_first();
        }
    }

    /// Notes that something other than the guard ended the holding with this token. If a guard of this
    /// client has it, that guard has lost the lock.
    pub(crate) fn note_loss(&self, token: u64, loss: Loss) {
        let holder = self.turns().holder.clone();
        let Some(LocalHolder { lease, loss_news }) = holder else {
            return;
        };
        let mut held = lock(&lease);
        if held.record().fencing_token == token {
            held.lose(loss);
            drop(held);
            loss_news.notify_one();
            self.note_end(&lease);
        }
    }

    /// The known holder, and for how long it holds the lock at most: a guard of this client, else the
    /// holder that the last read showed.
    fn known_holder(&self, now: Instant, expiry_rule: &ExpiryRule) -> Option<KnownHolder> {
        if let Some((record, remaining)) = self.holder(now) {
            // A guard may be leaked (`mem::forget`). Then this client takes the lock over like any other.
            return Some(KnownHolder {
                free_in: remaining + expiry_rule.beyond(record.lease()),
                record,
                seen_at: now,
            });
        }
        let observations = self.observations();
        let seen = observations.held.as_ref()?;
        Some(KnownHolder {
            record: seen.record.clone(),
            free_in: observations.free_in(seen, expiry_rule, now),
            seen_at: seen.arrived,
        })
    }

    /// The known holder, if it was seen since `start`, as it was when it was seen.
    pub(crate) fn last_seen(
        &self,
        now: Instant,
        expiry_rule: &ExpiryRule,
        start: Instant,
    ) -> Option<KnownHolder> {
        let known = self.known_holder(now, expiry_rule)?;
        let then = self.known_holder(known.seen_at, expiry_rule)?;
        then.is_fresh(start).then_some(then)
    }

    /// How many are in the queue.
    #[cfg(feature = "internals")]
    pub(crate) fn waiting(&self) -> usize {
        self.turns().waiting.len()
    }

    /// Whether a call waits that could use this client's ticket after the one that asks. One whose label is done is
    /// about to leave.
    pub(crate) fn others_use_ticket(&self, now: Instant) -> bool {
        let done = self.observations().done().clone();
        let turns = self.turns();
        turns.waiting.iter().any(|waiting| match &waiting.state {
            State::Parked(Some(offer)) if !waiting.wants_one_of(&done) => {
                offer.left(now) >= LEAST_USE
            }
            _ => false,
        })
    }

    /// Whether a call asks the store that uses this client's ticket, and gives it back.
    pub(crate) fn is_asking(&self) -> bool {
        let turns = self.turns();
        let is_asking = |waiting: &Waiting| matches!(waiting.state, State::Asking);
        turns.waiting.iter().any(is_asking)
    }

    /// How many of them a guard may hand the lock over to, once they are first.
    #[cfg(feature = "internals")]
    pub(crate) fn parked(&self) -> usize {
        let is_parked = |waiting: &&Waiting| matches!(waiting.state, State::Parked(Some(_)));
        self.turns().waiting.iter().filter(is_parked).count()
    }

    /// Joins the end of the queue, to do what is labelled so if there is a label.
    pub(crate) fn join(&self, label: Option<&str>) -> QueuePlace<'_> {
        let turn = Arc::new(Notify::new());
        let label = label.map(Arc::<str>::from);
        self.turns().waiting.push_back(Waiting {
            turn: turn.clone(),
            label: label.clone(),
            state: State::Busy,
        });
        QueuePlace {
            queue: self,
            turn,
            label,
        }
    }
}

impl Waiting {
    fn wants_one_of(&self, done: &DoneLabels) -> bool {
        let label = self.label.as_deref();
        label.is_some_and(|label| done.find(label).is_some())
    }
}

impl Turns {
    fn wake_first(&self) {
        if let Some(first) = self.waiting.front() {
            first.turn.notify_one();
        }
    }

    fn is_first(&self, turn: &Arc<Notify>) -> bool {
        let first = self.waiting.front();
        first.is_some_and(|first| Arc::ptr_eq(&first.turn, turn))
    }

    /// Whether this lease is that of the guard that holds the lock.
    fn is_holder(&self, lease: &Arc<Mutex<Lease>>) -> bool {
        let holder = self.holder.as_ref();
        holder.is_some_and(|holder| Arc::ptr_eq(&holder.lease, lease))
    }

    /// What a call does, unless it has left.
    fn state(&mut self, turn: &Arc<Notify>) -> Option<&mut State> {
        let is_it = |waiting: &&mut Waiting| Arc::ptr_eq(&waiting.turn, turn);
        let waiting = self.waiting.iter_mut().find(is_it)?;
        Some(&mut waiting.state)
    }
}

impl Offer {
    /// The terms of a call with this budget.
    fn new(claim: Claim, budget: &TimeBudget, at: Instant) -> Offer {
        Offer {
            claim,
            left: budget.left(),
            at,
            cancellation: budget.cancellation().cloned(),
        }
    }

    /// How much of its time the call has left, at least.
    pub(crate) fn left(&self, now: Instant) -> Duration {
        let cancellation = self.cancellation.as_ref();
        if cancellation.is_some_and(Cancellation::is_cancelled) {
            return Duration::ZERO;
        }
        self.left.saturating_sub(now.at_most_since(self.at))
    }
}

impl Chosen<'_> {
    /// Tells the call that it has the lock. From this moment the holding is that of this client. Returns
    /// it if the call has left.
    pub(crate) fn give(self, holding: Holding) -> Option<Turn> {
        let holder = LocalHolder {
            lease: holding.lease.clone(),
            loss_news: holding.loss_news.clone(),
        };
        self.tell(Turn::Yours(holding), |turns| turns.holder = Some(holder))
    }

    /// Tells the call that it may have the lock. Returns the write if the call has left.
    pub(crate) fn leave_in_doubt(self, write: Box<Cas>, entry: Entry) -> Option<Turn> {
        self.tell(Turn::Resolve { write, entry }, |_| {})
    }

    fn tell(&self, told: Turn, with: impl FnOnce(&mut Turns)) -> Option<Turn> {
        let mut turns = self.queue.turns();
        let Some(state) = turns.state(&self.turn) else {
            return Some(told);
        };
        *state = State::Told(told);
        with(&mut turns);
        self.turn.notify_one();
        None
    }
}

impl Drop for Chosen<'_> {
    fn drop(&mut self) {
        let mut turns = self.queue.turns();
        if let Some(state @ State::Chosen) = turns.state(&self.turn) {
            *state = State::Parked(Some(Box::new(self.offer.clone())));
            self.turn.notify_one();
        }
    }
}

/// What a call in the queue does next.
enum Next {
    Go(Turn),
    /// Wait for its turn, or until its time is up. How long the guard that holds the lock can keep it, if the
    /// call is the first.
    Wait(Option<Duration>),
    /// Wait until it is told what came of a hand-over.
    Listen,
}

impl QueuePlace<'_> {
    /// Waits until this place is first and no guard of this client holds the lock, but no longer than
    /// `budget` allows, or until its label is done. When the time is up, returns who holds the lock, if that is
    /// known. With a `claim`, a guard of this client may hand the lock over.
    ///
    /// A guard counts until its deadline, so a leaked guard does not block the queue.
    pub(crate) async fn turn(
        &self,
        clock: &Clock,
        expiry_rule: &ExpiryRule,
        budget: &mut TimeBudget,
        claim: Option<&Claim>,
    ) -> Result<Turn, Option<KnownHolder>> {
        let mut has_waited = false;
        loop {
            let now = clock.now();
            if let Some(done) = self.queue.done(self.label.as_deref()) {
                if self.settle(State::Busy) {
                    return Ok(Turn::Done(done));
                }
            }
            let next = match self.next(now) {
                Next::Go(Turn::Take) => {
                    if has_waited && budget.is_up() {
                        budget.grant_late_try();
                    }
                    if claim.is_some() {
                        self.settle(State::Asking);
                    }
                    return Ok(Turn::Take);
                }
                Next::Go(turn) => return Ok(turn),
                Next::Wait(next) => next,
                Next::Listen => {
                    budget.listen(self.turn.notified()).await;
                    continue;
                }
            };
            let known = self.queue.known_holder(now, expiry_rule);
            let start = budget.start();
            if let Some(known) = &known {
                budget.see_holder(known.free_in, known.is_fresh(start));
            }
            let left = budget.left();
            let offer = claim.map(|claim| Box::new(Offer::new(claim.clone(), budget, now)));
            if left.is_zero() {
                if self.settle(State::Busy) {
                    return Err(known.filter(|known| known.is_fresh(start)));
                }
                continue;
            }
            if !self.settle(State::Parked(offer)) {
                continue;
            }
            has_waited = true;
            let nap = next.map_or(left, |free_in| free_in.min(left));
            let news = clock.within(nap, self.turn.notified());
            // Whatever ended it, the next round finds out.
            let _ = budget.until_cancelled(news).await;
        }
    }

    fn next(&self, now: Instant) -> Next {
        let mut turns = self.queue.turns();
        let is_first = turns.is_first(&self.turn);
        // In this one step with `is_first`: a call notes its guard before it leaves the queue.
        let holder = turns.holder.as_ref().map(|holder| holder.lease.clone());
        let remaining = holder.map_or(Duration::ZERO, |lease| lock(&lease).remaining(now));
        let Some(state) = turns.state(&self.turn) else {
            return Next::Listen;
        };
        match state {
            State::Chosen => Next::Listen,
            State::Busy | State::Parked(_) if !is_first || !remaining.is_zero() => {
                Next::Wait(is_first.then_some(remaining))
            }
            state => match std::mem::replace(state, State::Busy) {
                State::Told(turn) => Next::Go(turn),
                _ => Next::Go(Turn::Take),
            },
        }
    }

    /// Does this from now on, unless a guard has chosen this call meanwhile. Returns whether it does.
    fn settle(&self, next: State) -> bool {
        let mut turns = self.queue.turns();
        match turns.state(&self.turn) {
            Some(state @ (State::Busy | State::Parked(_))) => {
                *state = next;
                true
            }
            _ => false,
        }
    }

    /// Leaves the queue. Returns what the call was told and has not heard.
    pub(crate) fn leave(&self) -> Option<Turn> {
        let mut turns = self.queue.turns();
        let is_it = |waiting: &Waiting| Arc::ptr_eq(&waiting.turn, &self.turn);
        let at = turns.waiting.iter().position(is_it)?;
        let left = turns.waiting.remove(at)?;
        if at == 0 {
            turns.wake_first();
        }
        if turns.waiting.is_empty() {
            // Nobody waits for most locks, most of the time.
            turns.waiting.shrink_to_fit();
        }
        match left.state {
            State::Told(turn) => Some(turn),
            _ => None,
        }
    }
}

impl Drop for QueuePlace<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}
