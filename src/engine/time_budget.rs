//! How long a call on a lock may go on, and what it spends that time on.

use std::time::Duration;

use crate::protocol::Instant;
use crate::sys::clock::Clock;
use crate::sys::random::Backoff;

/// The time of one call, counted from when this was made. Nobody else keeps any of it.
pub(crate) struct TimeBudget {
    clock: Clock,
    start: Instant,
    /// How long the call may take altogether.
    total: Duration,
    /// How long one request may take.
    request: Duration,
    /// Whether the call may sleep at all.
    waits: bool,
    /// How much longer than the expiry of a holder, as first seen, `total` must at least be.
    beyond_expiry: Option<Duration>,
    /// The time was up, but the lock may have become free while it could not be looked at: this is the
    /// one try that is owed for that.
    is_late: bool,
    gave_up: bool,
    /// Between two looks at a lock that is held.
    looks: Backoff,
    /// After trouble.
    pauses: Backoff,
}

/// Pauses after trouble: short at first, because a lease may be running.
pub(crate) const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(2));

impl TimeBudget {
    /// The time of a call that may take `total`, in requests that may take `request` each.
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
            is_late: false,
            gave_up: false,
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

    /// The same, or as much longer as it takes the first holder that is seen to expire, and `beyond`.
    pub(crate) fn or_until_expiry(self, beyond: Duration) -> TimeBudget {
        TimeBudget {
            beyond_expiry: Some(beyond),
            ..self
        }
    }

    /// The same with requests of `request` at the most, and other pauses after trouble.
    pub(crate) fn in_steps_of(self, request: Duration, pauses: Backoff) -> TimeBudget {
        TimeBudget {
            request: self.request.min(request),
            pauses,
            ..self
        }
    }

    pub(crate) fn waits(&self) -> bool {
        self.waits
    }

    /// Whether the time was up, and the call has come to its end for that.
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

    /// What is left of it.
    pub(crate) fn left(&self) -> Duration {
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

    /// The same for a request that another is to follow in any case.
    pub(crate) fn next_of_two_requests(&self) -> Option<Duration> {
        let limit = self.next_request()?;
        Some(limit.min(self.left() / 2))
    }

    /// Whether a request of `limit` had less time than one may take, for lack of time.
    pub(crate) fn cuts_short(&self, limit: Duration) -> bool {
        limit < self.request
    }

    /// Takes in that the lock may be held for `free_in` more: a dead holder alone must not make an
    /// acquire fail.
    ///
    /// Only the first holder that was seen since the call began (`fresh`) counts, or one that renews for
    /// ever would be waited for as long. What was seen before counts until then.
    pub(crate) fn see_holder(&mut self, free_in: Duration, fresh: bool) {
        if let Some(beyond) = self.beyond_expiry {
            self.total = self.total.max(self.so_far() + free_in + beyond);
        }
        if fresh {
            self.beyond_expiry = None;
        }
    }

    /// Leaves out of account what has passed since `then`.
    pub(crate) fn exclude_since(&mut self, then: Instant) {
        self.total += self.clock.now().at_most_since(then);
    }

    /// Grants one try more, for who woke up too late: when a machine was suspended, or a clock moved on
    /// by hand.
    pub(crate) fn grant_late_try(&mut self) {
        self.is_late = true;
        self.total = self.so_far() + self.request;
    }

    /// Sleeps until the next look at a lock that is free in `free_in` unless its holder acts. Says
    /// whether there is to be one.
    pub(crate) async fn sleep_until_look(&mut self, free_in: Duration) -> bool {
        let before = self.so_far();
        let nap = self.looks.next().min(free_in);
        if !self.sleep(nap).await && self.so_far().saturating_sub(before) > free_in {
            self.grant_late_try();
        }
        !self.is_up()
    }

    /// Whether this is the try that was granted after the time was up.
    pub(crate) fn is_late(&self) -> bool {
        self.is_late
    }

    /// Whether there is time to wait for another look.
    pub(crate) fn allows_waiting(&self) -> bool {
        self.waits && !self.is_up()
    }

    /// Keeps away after trouble, for longer each time. Says whether to go on.
    pub(crate) async fn pause(&mut self) -> bool {
        if self.gave_up || !self.waits || self.is_up() {
            return false;
        }
        let nap = self.pauses.next();
        self.sleep(nap).await
    }

    /// Sleeps for `span`, or until the time is up. Says whether to go on.
    pub(crate) async fn sleep(&self, span: Duration) -> bool {
        self.clock.sleep(span.min(self.left())).await;
        !self.is_up()
    }

    /// Notes that the store answers: pauses are short again.
    pub(crate) fn trouble_is_over(&mut self) {
        self.pauses.reset();
    }

    /// The time is up. Undoing what may be under way gets a time of its own.
    pub(crate) fn give_up(&mut self) {
        if !self.gave_up {
            self.gave_up = true;
            // A late try has used half of it.
            let requests = if self.is_late { 1 } else { 2 };
            self.total = self.so_far() + requests * self.request;
        }
    }
}
