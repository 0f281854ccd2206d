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

/// How long a look at the queue may take beyond the write beside it, which the caller waits for.
const LEAST_WAIT: Duration = Duration::from_millis(20);

impl Driver<'_> {
    /// Reads the queue.
    pub(super) async fn see_queue(&mut self, inputs: &Inputs, limit: Duration) {
        let at = queue_of(self.location);
        let sent = self.session.clock().now();
        let found = self.session.read(&at, limit).await;
        self.saw_queue(found, sent, inputs);
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
            found = clock.within(took.max(LEAST_WAIT), look).await;
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
        let put = self.session.write(&at, body, &condition, limit, None).await;
        put.map_error(|error| self.queue_trouble(&error))
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
