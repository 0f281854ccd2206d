//! The driver's requests for a lock's queue. Whatever becomes of them, the call goes on: the queue only
//! decides who waits for whom.

use std::time::Duration;

use crate::engine::driver::Driver;
use crate::protocol::{
    Event, Inputs, Instant, Queue, QueueFound, QueueWrite, Trouble, Write, WriteOutcome,
};
use crate::store::interface::Found;
use crate::sys::logs;
use crate::types::errors::LockError;
use crate::types::names::queue_of;

/// A request for the queue may take this part of what others may. A call must not be held up for long by it,
/// while the lock itself answers.
const SHARE: u32 = 5;
/// But at least so long, where others may.
const LEAST_TIMEOUT: Duration = Duration::from_secs(1);

/// How often a call that gives its ticket back looks for it at most, while looks fail. Nobody does so later.
const LAST_LOOKS: u32 = 4;

/// How long a look at the queue may take beyond the write beside it, which the caller waits for.
const LEAST_WAIT: Duration = Duration::from_millis(20);

impl Driver<'_> {
    /// Pauses before the next try to give the ticket back: many calls may have given up at the same moment, and
    /// would be in each other's way again. Returns how long the next request may take, which is `limit` without a
    /// pause.
    pub(super) async fn make_room(&mut self, limit: Duration) -> Option<Duration> {
        if !self.left_in_vain {
            return Some(limit);
        }
        self.budget.rest().await;
        self.budget.next_of_two_requests()
    }

    /// Reads the queue, and again if that fails in a call that gives its ticket back.
    pub(super) async fn see_queue(&mut self, inputs: &Inputs, mut limit: Duration) {
        for _ in 1..LAST_LOOKS {
            let failed = self.look_at_queue(inputs, limit).await;
            if !failed || !self.budget.gave_up() {
                return;
            }
            self.left_in_vain = true;
            match self.make_room(limit).await {
                Some(more) => limit = more,
                None => return,
            }
        }
        self.look_at_queue(inputs, limit).await;
    }

    /// Reads the queue once. Returns whether that failed in a way that may pass.
    async fn look_at_queue(&mut self, inputs: &Inputs, limit: Duration) -> bool {
        let at = queue_of(self.location);
        let sent = self.session.clock().now();
        let limit = limit.min(self.queue_timeout());
        let read = self.session.read(&at, limit);
        let Some(found) = self.budget.until_cancelled(read).await else {
            return false;
        };
        let failed = found.is_err();
        let may_pass = found.as_ref().is_err_and(LockError::may_pass);
        self.saw_queue(found, sent, inputs);
        self.note_silence(failed, sent, limit);
        may_pass
    }

    fn queue_timeout(&self) -> Duration {
        let others = self.session.request_timeout();
        (others / SHARE).max(LEAST_TIMEOUT).min(others)
    }

    /// Leaves the queue alone for a while if a request that was sent at `sent` had no answer within `limit`,
    /// and the caller's own time did not cut it short.
    fn note_silence(&self, failed: bool, sent: Instant, limit: Duration) {
        let now = self.session.clock().now();
        let in_full = limit >= self.queue_timeout();
        if failed && in_full && now.at_most_since(sent) >= limit {
            self.queue.observations().place.had_no_answer(now);
        }
    }

    /// Writes the record and reads the queue at the same time. Nothing drives the runtime between calls, so
    /// the look has to end with this one; but it must not hold up the caller for long.
    pub(super) async fn write_and_see_queue(
        &mut self,
        write: Write,
        inputs: &Inputs,
        limit: Duration,
    ) -> Event {
        let (session, clock) = (self.session, self.session.clock());
        let at = queue_of(self.location);
        let sent = clock.now();
        let mut look = Box::pin(session.read(&at, limit));
        let mut found = None;
        let event = {
            let write = self.write(write, limit);
            tokio::pin!(write);
            loop {
                tokio::select! {
                    event = &mut write => break event,
                    seen = &mut look, if found.is_none() => found = Some(seen),
                }
            }
        };
        if found.is_none() {
            let took = clock.now().at_least_since(sent);
            let look = clock.within(took.max(LEAST_WAIT), look);
            found = self.budget.until_cancelled(look).await.flatten();
        }
        if let Some(found) = found {
            self.saw_queue(found, sent, inputs);
        }
        event
    }

    fn saw_queue(&mut self, found: Result<Found, LockError>, sent: Instant, inputs: &Inputs) {
        let found = match found {
            Ok(Found::Absent { date }) => QueueFound::Absent { date },
            Ok(Found::Hidden { date, error }) => {
                self.queue_error = Some(error.to_string());
                QueueFound::Hidden { date }
            }
            Ok(Found::Object(object)) => match Queue::parse(&object.body) {
                Ok(queue) => QueueFound::Present {
                    etag: object.etag,
                    queue,
                },
                Err(unusable) => {
                    self.queue_error = Some(unusable.0.to_owned());
                    QueueFound::Foreign
                }
            },
            Err(error) => QueueFound::Failed(self.queue_trouble(&error)),
        };
        let mut observations = self.queue.observations();
        observations.place.saw_queue(found, sent, inputs);
    }

    /// Writes the queue.
    pub(super) async fn write_queue(
        &mut self,
        write: &QueueWrite,
        limit: Duration,
    ) -> WriteOutcome<Trouble> {
        let at = queue_of(self.location);
        let condition = self.session.spelled(&at, &write.condition);
        let body = write.queue.to_body();
        let sent = self.session.clock().now();
        let limit = limit.min(self.queue_timeout());
        let put = self.session.write(&at, body, &condition, limit, None);
        let Some(put) = self.budget.until_soon_after_cancelled(put).await else {
            return WriteOutcome::Unknown(Trouble::Transient);
        };
        let outcome = put.map_error(|error| self.queue_trouble(&error));
        let failed = matches!(outcome, WriteOutcome::NotSent(_) | WriteOutcome::Unknown(_));
        self.note_silence(failed, sent, limit);
        let applied = matches!(outcome, WriteOutcome::Applied { .. });
        self.left_in_vain = !applied && self.budget.gave_up();
        outcome
    }

    fn queue_trouble(&mut self, error: &LockError) -> Trouble {
        self.queue_error = Some(error.to_string());
        if error.may_pass() {
            Trouble::Transient
        } else {
            Trouble::Permanent
        }
    }

    /// Warns once if the queue cannot be used.
    pub(super) fn report_queue(&self) {
        let Some(why) = &self.queue_error else {
            return;
        };
        if self.queue.observations().place.is_newly_unusable() {
            let key = queue_of(self.location).key;
            logs::warn!(
                "{key} cannot be used, so this client waits without a place in line (it takes \
                 s3:GetObject and s3:PutObject on *.queue): {why}"
            );
        }
    }
}
