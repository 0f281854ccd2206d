//! Runs an operation of the protocol against a store: the loop that turns steps into requests and
//! pauses, and what happened into events.

use std::sync::Mutex;
use std::time::Duration;

use crate::backoff::{self, Backoff};
use crate::client::{Client, local as machine_error};
use crate::clock::Instant;
use crate::error::{LockError, StorageErrorKind};
use crate::local::Local;
use crate::protocol::{Answer, Event, Operation, Seen, Sight, Step, Trouble, Turn, Write};
use crate::record::Record;
use crate::store::{Found, Location, Object, Put};
use crate::sync::lock;

/// How long an operation may go on.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// Whether it may sleep at all.
    pub waits: bool,
    /// How long it may take altogether.
    pub total: Duration,
    /// How much longer than a holder's expiry, as first seen, `total` must at least reach.
    pub beyond_expiry: Option<Duration>,
    /// How long one request may take.
    pub attempt: Duration,
    pub poll: Backoff,
}

/// Pauses after trouble: short, because a lease may be running.
const PAUSE: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(2));

/// One run of an operation.
pub(crate) struct Drive<'a> {
    client: &'a Client,
    location: &'a Location,
    local: &'a Local,
    limits: Limits,
    start: Instant,
    pauses: Backoff,
    gave_up: bool,
    /// What went wrong last.
    error: Option<LockError>,
}

/// How a run ended.
pub(crate) struct Outcome<End> {
    pub end: End,
    pub error: Option<LockError>,
}

impl<'a> Drive<'a> {
    pub(crate) fn new(
        client: &'a Client,
        location: &'a Location,
        local: &'a Local,
        limits: Limits,
        start: Instant,
    ) -> Drive<'a> {
        Drive {
            client,
            location,
            local,
            limits,
            start,
            pauses: Backoff::new(PAUSE.0, PAUSE.1),
            gave_up: false,
            error: None,
        }
    }

    pub(crate) async fn run<O: Operation>(
        mut self,
        mut operation: O,
        memory: &Mutex<O::Memory>,
    ) -> Result<Outcome<O::End>, LockError> {
        let mut event = Event::Resume;
        loop {
            let turn = self.turn_now()?;
            let step = operation.on(event, &turn, &mut lock(memory));
            event = match step {
                Step::Done(end) => {
                    let error = self.error;
                    return Ok(Outcome { end, error });
                }
                Step::Read => self.read().await,
                Step::Write(write) => self.write(write).await,
                Step::Wait { free_in } => self.wait(free_in).await,
                Step::Pause(_) => self.pause().await,
            };
        }
    }

    fn turn_now(&self) -> Result<Turn, LockError> {
        Ok(Turn {
            now: self.client.clock().now(),
            nonce: backoff::nonce().map_err(machine_error)?,
            wall: self.client.clock().wall().into(),
        })
    }

    /// What is left of the time that the caller gives.
    fn left(&self) -> Duration {
        let now = self.client.clock().now();
        self.limits
            .total
            .saturating_sub(now.at_most_since(self.start))
    }

    async fn read(&mut self) -> Event {
        let Some(limit) = self.attempt() else {
            return self.give_up();
        };
        let found = self.client.store().read(self.location, limit).await;
        let sight = match found {
            Ok(Found::Absent { date }) => Sight::Absent { date },
            Ok(Found::Hidden { date, error }) => {
                self.error = Some(error);
                Sight::Hidden { date }
            }
            Ok(Found::Object(object)) => self.parse(object),
            Err(error) => return Event::Read(Err(self.trouble(error, limit))),
        };
        self.client.heard();
        self.pauses.reset();
        if self.local.knowledge().observe(&sight) {
            self.client.distrust_date();
        }
        Event::Read(Ok(sight))
    }

    fn parse(&mut self, object: Object) -> Sight {
        match Record::parse(&object.body) {
            Ok(record) => Sight::Present(Seen {
                etag: object.etag,
                record,
                date: object.date,
                modified: object.modified,
                arrived: self.client.clock().now(),
            }),
            Err(reason) => {
                let key = self.location.key.clone();
                self.error = Some(LockError::Foreign { key, reason });
                Sight::Foreign
            }
        }
    }

    async fn write(&mut self, write: Write) -> Event {
        let Some(limit) = self.attempt() else {
            return self.give_up();
        };
        let body = write.record.to_body();
        let store = self.client.store();
        let put = store
            .write(self.location, body, &write.condition, limit)
            .await;
        Event::Wrote(match put {
            Put::Applied(etag) => {
                self.client.heard();
                self.error = None;
                Answer::Applied(etag)
            }
            Put::Refused(refusal, error) => {
                self.client.heard();
                self.error = Some(error);
                Answer::Refused(refusal)
            }
            Put::NotSent(error) => Answer::NotSent(self.trouble(error, limit)),
            Put::Unknown(error) => {
                self.trouble(error, limit);
                Answer::Unknown
            }
        })
    }

    /// How long the next request may take, if there is time for one.
    fn attempt(&self) -> Option<Duration> {
        let limit = self.limits.attempt.min(self.left());
        (!limit.is_zero()).then_some(limit)
    }

    /// Notes an error, and says whether to try again.
    fn trouble(&mut self, error: LockError, limit: Duration) -> Trouble {
        let kind = match &error {
            LockError::Storage(error) => Some(error.kind()),
            _ => None,
        };
        // Where nothing ever answered, a wrong endpoint is likelier than an outage, and waiting
        // would only keep the news from whoever can correct it.
        let lost_cause = kind == Some(StorageErrorKind::Unreachable) && !self.client.was_heard();
        let retry = error.is_retryable() && !lost_cause;
        // A request that the caller's own limit cut short is no fault of the store's.
        let cut_short = kind == Some(StorageErrorKind::NoAnswer) && limit < self.limits.attempt;
        if !cut_short {
            self.error = Some(error);
        }
        match retry {
            true => Trouble::Passing,
            false => Trouble::Lasting,
        }
    }

    /// Waits for another look at a lock that somebody holds.
    async fn wait(&mut self, free_in: Duration) -> Event {
        if let Some(beyond) = self.limits.beyond_expiry.take() {
            let so_far = self.client.clock().now().at_most_since(self.start);
            self.limits.total = self.limits.total.max(so_far + free_in + beyond);
        }
        let nap = self.limits.poll.next().min(free_in);
        self.sleep(nap).await
    }

    /// Keeps away for a while, and for longer the next time.
    async fn pause(&mut self) -> Event {
        let nap = self.pauses.next();
        self.sleep(nap).await
    }

    async fn sleep(&mut self, nap: Duration) -> Event {
        let left = self.left();
        if self.gave_up || !self.limits.waits || left.is_zero() {
            return self.give_up();
        }
        self.client.clock().sleep(nap.min(left)).await;
        match self.left().is_zero() {
            true => self.give_up(),
            false => Event::Resume,
        }
    }

    /// The caller's time is up. Undoing what may be under way gets a time of its own.
    fn give_up(&mut self) -> Event {
        if !self.gave_up {
            self.gave_up = true;
            let now = self.client.clock().now();
            let so_far = now.at_most_since(self.start);
            self.limits.total = so_far + 2 * self.client.request_timeout();
        }
        Event::GiveUp
    }
}
