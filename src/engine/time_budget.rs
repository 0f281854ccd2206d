//! The time limit of one call, and the pauses within it. Each call makes one budget. The queue, the driver
//! and the store check take the time of every request, pause and wait from it. (The store keeps the time of
//! one request.)

use std::future::{self, Future};
use std::time::Duration;

use crate::engine::cancellation::Cancellation;
use crate::protocol::Instant;
use crate::sys::clock::Clock;
use crate::sys::random::Backoff;

/// The time of one call, counted from when this was made. No other part of the engine keeps any.
pub(crate) struct TimeBudget {
    clock: Clock,
    start: Instant,
    /// How long the call may take altogether.
    total: Duration,
    /// How long one request may take.
    request: Duration,
    /// Whether the call may sleep at all.
    waits: bool,
    /// If set, `total` must reach this far beyond the expiry of the first holder that the call sees.
    beyond_expiry: Option<Duration>,
    /// Whether `total` is still to be extended by the time that others in the lock's queue come first.
    for_queue: bool,
    /// The time was up, but the lock may have become free while the call could not look. This is the one
    /// extra try for that.
    is_late: bool,
    gave_up: bool,
    /// Ends the call's time from outside.
    cancellation: Option<Cancellation>,
    /// When a write that was under way, or a hand-over, noticed that.
    cancelled_at: Option<Duration>,
    /// The pauses between two looks at a held lock. Only calls that do not use the lock's queue take them:
    /// for the others the protocol says how long to pause.
    looks: Backoff,
    /// The pauses after errors.
    pauses: Backoff,
}

/// Pauses after errors, shortest and longest. They start short because a lease may be running.
pub(crate) const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(2));
/// When a call is cancelled, a write that is under way has this part of a request's time to be answered. Most
/// stores need less. To stop it at once would leave its outcome open, and close its connection.
const GRACE: u32 = 5;

impl TimeBudget {
    /// A call that may take `total`, with requests that may take `request` each.
    pub(crate) fn new(
        clock: &Clock,
        total: Duration,
        request: Duration,
        looks: (Duration, Duration),
    ) -> TimeBudget {
        TimeBudget {
            clock: clock.clone(),
            start: clock.now(),
            total,
            request,
            waits: true,
            beyond_expiry: None,
            for_queue: false,
            is_late: false,
            gave_up: false,
            cancellation: None,
            cancelled_at: None,
            looks: Backoff::new(looks.0, looks.1),
            pauses: Backoff::new(PAUSES.0, PAUSES.1),
        }
    }

    /// The same for a call that never sleeps.
    pub(crate) fn without_waiting(self) -> TimeBudget {
        TimeBudget {
            waits: false,
            ..self
        }
    }

    /// The same, extended if needed to `beyond` after the expiry of the first holder that the call sees.
    pub(crate) fn or_until_expiry(self, beyond: Duration) -> TimeBudget {
        TimeBudget {
            beyond_expiry: Some(beyond),
            for_queue: true,
            ..self
        }
    }

    /// The same with requests of at most `request`, and other pauses after errors.
    pub(crate) fn in_steps_of(self, request: Duration, pauses: Backoff) -> TimeBudget {
        TimeBudget {
            request: self.request.min(request),
            pauses,
            ..self
        }
    }

    /// The same for a call that may be cancelled. Then its time is up.
    pub(crate) fn cancelled_by(self, cancellation: Option<Cancellation>) -> TimeBudget {
        TimeBudget {
            cancellation,
            ..self
        }
    }

    /// What may cancel the call.
    pub(crate) fn cancellation(&self) -> Option<&Cancellation> {
        self.cancellation.as_ref()
    }

    /// Whether the call was cancelled.
    pub(crate) fn is_cancelled(&self) -> bool {
        let cancellation = self.cancellation.as_ref();
        cancellation.is_some_and(Cancellation::is_cancelled)
    }

    /// Ends when the call is cancelled. Never, once it has given up: from then on it only clears up.
    async fn cancelled(&self) {
        match &self.cancellation {
            Some(cancellation) if !self.gave_up => cancellation.cancelled().await,
            _ => future::pending().await,
        }
    }

    /// Runs what may be stopped anywhere. `None` if the call is cancelled first.
    pub(crate) async fn until_cancelled<F: Future>(&self, future: F) -> Option<F::Output> {
        tokio::select! {
            biased;
            output = future => Some(output),
            () = self.cancelled() => None,
        }
    }

    /// Runs a write. `None` if the call is cancelled, and there is no answer soon after.
    pub(crate) async fn until_soon_after_cancelled<F: Future>(
        &mut self,
        write: F,
    ) -> Option<F::Output> {
        tokio::pin!(write);
        if let Some(output) = self.until_cancelled(&mut write).await {
            return Some(output);
        }
        self.note_cancelled();
        self.clock.within(self.request / GRACE, write).await
    }

    /// Waits for news that the call cannot go on without, cancelled or not.
    pub(crate) async fn listen<F: Future>(&mut self, news: F) -> F::Output {
        tokio::pin!(news);
        if let Some(output) = self.until_cancelled(&mut news).await {
            return output;
        }
        self.note_cancelled();
        news.await
    }

    /// Notes that the call is being cancelled: the time for clearing up counts from now.
    fn note_cancelled(&mut self) {
        let now = self.so_far();
        self.cancelled_at.get_or_insert(now);
    }

    pub(crate) fn waits(&self) -> bool {
        self.waits
    }

    /// Whether the call ended because its time was up.
    pub(crate) fn gave_up(&self) -> bool {
        self.gave_up
    }

    /// When the call began.
    pub(crate) fn start(&self) -> Instant {
        self.start
    }

    fn so_far(&self) -> Duration {
        self.clock.now().at_most_since(self.start)
    }

    /// How much time is left.
    pub(crate) fn left(&self) -> Duration {
        if self.is_cancelled() && !self.gave_up {
            return Duration::ZERO;
        }
        self.total.saturating_sub(self.so_far())
    }

    pub(crate) fn is_up(&self) -> bool {
        self.left().is_zero()
    }

    /// How long the next request may take, if there is time for one.
    pub(crate) fn next_request(&self) -> Option<Duration> {
        let limit = self.request.min(self.left());
        (!limit.is_zero()).then_some(limit)
    }

    /// The same for a request that another one always follows: at most half of the time left.
    pub(crate) fn next_of_two_requests(&self) -> Option<Duration> {
        let limit = self.next_request()?;
        Some(limit.min(self.left() / 2))
    }

    /// Whether `limit` gives a request less time than it may normally take.
    pub(crate) fn cuts_short(&self, limit: Duration) -> bool {
        limit < self.request
    }

    /// Notes that a holder may keep the lock for `free_in` more. May extend the time of the call, so that
    /// a dead holder alone does not make an acquire fail.
    ///
    /// The first holder seen since the call began (`fresh`) is the last one that extends the time. Otherwise
    /// a holder that renews for ever would make the call wait for ever. Holders seen earlier extend it too.
    pub(crate) fn see_holder(&mut self, free_in: Duration, fresh: bool) {
        if let Some(beyond) = self.beyond_expiry {
            let expiry = self.so_far().saturating_add(free_in);
            self.total = self.total.max(expiry.saturating_add(beyond));
        }
        if fresh {
            self.beyond_expiry = None;
        }
    }

    /// Notes that others in the lock's queue come first, for `patience` at most while the lock is free. Extends
    /// the time of the call once, so that dead waiters alone do not make an acquire fail.
    pub(crate) fn see_queue(&mut self, patience: Duration) {
        if self.for_queue && !patience.is_zero() {
            self.total = self.total.saturating_add(patience);
            self.for_queue = false;
        }
    }

    /// Does not count the time since `then`.
    pub(crate) fn exclude_since(&mut self, then: Instant) {
        let since = self.clock.now().at_most_since(then);
        self.total = self.total.saturating_add(since);
    }

    /// Grants one more try to a call that woke up too late, because the machine was suspended or a test
    /// moved the clock. A call that was cancelled gets none.
    pub(crate) fn grant_late_try(&mut self) {
        if !self.is_cancelled() {
            self.is_late = true;
            self.total = self.so_far() + self.request;
        }
    }

    /// Sleeps for `pause`, or for a random time, until the next look at a lock that is free in `free_in` unless
    /// its holder renews it. Returns whether there is time for that look.
    pub(crate) async fn sleep_until_look(
        &mut self,
        free_in: Duration,
        pause: Option<Duration>,
    ) -> bool {
        let before = self.so_far();
        let pause = pause.unwrap_or_else(|| self.looks.next());
        let nap = pause.min(free_in);
        if !self.sleep(nap).await && self.so_far().saturating_sub(before) > free_in {
            self.grant_late_try();
        }
        !self.is_up()
    }

    /// Whether this is the extra try after the time was up.
    pub(crate) fn is_late(&self) -> bool {
        self.is_late
    }

    /// Whether the call waits and has time left for another look.
    pub(crate) fn allows_waiting(&self) -> bool {
        self.waits && !self.is_up()
    }

    /// Pauses after an error, for longer each time. Returns whether to go on.
    pub(crate) async fn pause(&mut self) -> bool {
        if self.gave_up || !self.waits || self.is_up() {
            return false;
        }
        let nap = self.pauses.next();
        self.sleep(nap).await
    }

    /// Pauses as after an error, also in a call that has given up.
    pub(crate) async fn rest(&mut self) {
        let nap = self.pauses.next();
        self.sleep(nap).await;
    }

    /// Sleeps for `span`, or until the time is up. Returns whether to go on.
    pub(crate) async fn sleep(&self, span: Duration) -> bool {
        let nap = self.clock.sleep(span.min(self.left()));
        // Cancelled or not, what is left says whether to go on.
        let _ = self.until_cancelled(nap).await;
        !self.is_up()
    }

    /// Notes that the store answers again, so pauses start short again.
    pub(crate) fn trouble_is_over(&mut self) {
        self.pauses.reset();
    }

    /// Notes that the time is up. Grants extra time to undo a write that may be under way.
    pub(crate) fn give_up(&mut self) {
        if !self.gave_up {
            self.gave_up = true;
            // A late try has used half of that already.
            let requests = if self.is_late { 1 } else { 2 };
            let from = self.cancelled_at.unwrap_or_else(|| self.so_far());
            self.total = from + requests * self.request;
        }
    }
}
