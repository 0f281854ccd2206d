//! Runs an operation of `protocol/` against a store. A loop asks the operation for its next step, carries
//! it out (a request, a wait, a pause), and passes the result back as an event. All calls on a lock
//! run through here, except checks and races of a store.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::engine::last_errors::LastErrors;
use crate::engine::registry::Entry;
use crate::engine::session::{RAN_AHEAD, Session};
use crate::engine::time_budget::TimeBudget;
use crate::engine::wait_queue::WaitQueue;
use crate::protocol::record::{Nonce, Record};
use crate::protocol::{
    Event, Inputs, Instant, Location, Operation, QueueEvent, ReadOutcome, Snapshot, Step, Trouble,
    Write, WriteOutcome,
};
use crate::store::interface::{Found, Object, Put};
use crate::sys::sync::lock;
use crate::sys::{logs, random};
use crate::types::errors::LockError;
use crate::types::info::LockInfo;

/// One run of an operation.
pub(crate) struct Driver<'a> {
    pub(super) session: &'a Session,
    pub(super) location: &'a Arc<Location>,
    pub(super) queue: &'a WaitQueue,
    pub(super) budget: &'a mut TimeBudget,
    errors: LastErrors,
    /// Why the last request for the queue failed.
    pub(super) queue_error: Option<String>,
    /// Whether this call has given up, and others were faster with their write of the queue.
    pub(super) left_in_vain: bool,
    /// What the last log line said that the call waits for.
    announced: Option<Announced>,
    /// How many writes since the last that was done had an answer that says nothing.
    nonsense: u32,
    /// The registry's entry of the holding that the last write tried to make.
    entry: Option<Entry>,
    /// How many came first in the lock's queue when the call gave up, if it had looked.
    ahead: Option<usize>,
}

/// Whom a call waits for: the holding, and how many before it in the queue.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Announced {
    token: Option<u64>,
    before: usize,
}

/// How a run ended.
pub(crate) struct Driven<End> {
    pub end: End,
    pub errors: LastErrors,
    /// How many came first in the lock's queue when the call gave up, if it had looked.
    pub ahead: Option<usize>,
    /// Keeps other calls in this process from reclaiming the new holding.
    pub entry: Option<Entry>,
}

/// Some writes get an answer that no store gives (a proxy's page, 200 without an ETag), and a read does
/// not find them. After this many, the call fails instead of writing again.
const MAX_NONSENSE: u32 = 3;

impl<'a> Driver<'a> {
    pub(crate) fn new(
        session: &'a Session,
        location: &'a Arc<Location>,
        queue: &'a WaitQueue,
        budget: &'a mut TimeBudget,
    ) -> Driver<'a> {
        Driver {
            session,
            location,
            queue,
            budget,
            errors: LastErrors::default(),
            queue_error: None,
            left_in_vain: false,
            announced: None,
            nonsense: 0,
            entry: None,
            ahead: None,
        }
    }

    /// The same for an operation that goes on from a write which has this entry.
    pub(crate) fn with_entry(self, entry: Entry) -> Driver<'a> {
        Driver {
            entry: Some(entry),
            ..self
        }
    }

    pub(crate) async fn run<O: Operation>(
        mut self,
        mut operation: O,
        memory: &Mutex<O::Memory>,
    ) -> Result<Driven<O::End>, LockError> {
        let mut nonce = random::nonce().map_err(LockError::of_this_machine)?;
        let mut event = Event::Resume;
        loop {
            let inputs = self.inputs(nonce);
            let step = operation.on(event, &inputs, &mut lock(memory));
            self.report_queue();
            let limit = match &step {
                Step::Peek | Step::SeeQueue | Step::WriteQueue(_) => {
                    self.budget.next_of_two_requests()
                }
                _ => self.budget.next_request(),
            };
            event = match (step, limit) {
                (Step::Done(end), _) => {
                    return Ok(Driven {
                        end,
                        errors: self.errors,
                        ahead: self.ahead,
                        entry: self.entry,
                    });
                }
                (Step::Wait { free_in, pause }, _) => {
                    // Pauses are random, and made from it.
                    nonce = next_nonce(nonce);
                    self.wait(free_in, pause).await
                }
                (Step::Pause(_), _) => self.pause().await,
                (_, None) => self.give_up(),
                (Step::Read | Step::Peek, Some(limit)) => {
                    let sent = self.session.clock().now();
                    let read = self.session.read(self.location, limit);
                    match self.budget.until_cancelled(read).await {
                        Some(found) => self.found(found, sent, limit),
                        None => self.give_up(),
                    }
                }
                (Step::SeeQueue, Some(limit)) => match self.make_room(limit).await {
                    Some(limit) => {
                        self.see_queue(&inputs, limit).await;
                        Event::Queue(QueueEvent::Seen)
                    }
                    None => self.give_up(),
                },
                (Step::Write(write), Some(limit)) => {
                    nonce = next_nonce(nonce);
                    self.write(write, limit).await
                }
                (Step::WriteAndSeeQueue(write), Some(limit)) => {
                    nonce = next_nonce(nonce);
                    self.write_and_see_queue(write, &inputs, limit).await
                }
                (Step::WriteQueue(write), Some(limit)) => {
                    nonce = next_nonce(nonce);
                    let outcome = self.write_queue(&write, limit).await;
                    Event::Queue(QueueEvent::Wrote(outcome))
                }
            };
        }
    }

    pub(super) async fn write(&mut self, write: Write, limit: Duration) -> Event {
        self.enter(&write);
        let condition = self.session.spelled(self.location, &write.condition);
        let body = write.record.to_body();
        let put = self
            .session
            .write(self.location, body, &condition, limit, None);
        match self.budget.until_soon_after_cancelled(put).await {
            Some(put) => self.wrote(put, limit),
            None => Event::Wrote(WriteOutcome::Unknown(Trouble::Transient)),
        }
    }

    fn inputs(&self, nonce: Nonce) -> Inputs {
        let now = self.session.clock().now();
        // One after the other: both lock what this client has seen.
        let advice = self.queue.observations().place.advice(now);
        let others_wait = self.queue.others_use_ticket(now);
        Inputs {
            now,
            nonce,
            wall: self.session.clock().wall().into(),
            trusts_date: self.session.trusts_date(),
            advice,
            others_wait,
        }
    }

    /// Turns the result of a read into an event.
    fn found(&mut self, found: Result<Found, LockError>, sent: Instant, limit: Duration) -> Event {
        let outcome = match found {
            Ok(Found::Absent { date }) => ReadOutcome::Absent { date },
            Ok(Found::Hidden { date, error }) => {
                self.errors.fail(error);
                ReadOutcome::Hidden { date }
            }
            Ok(Found::Object(object)) => self.parse(object, sent),
            Err(error) => return Event::Read(Err(self.trouble(error, limit))),
        };
        if self.queue.observe(&outcome) {
            self.session.distrust_date(RAN_AHEAD);
        }
        Event::Read(Ok(outcome))
    }

    fn parse(&mut self, object: Object, sent: Instant) -> ReadOutcome {
        match Record::parse(&object.body) {
            Ok(record) => ReadOutcome::Present(Snapshot {
                etag: object.etag,
                live_here: self.is_live_here(&record),
                record,
                date: object.date,
                modified: object.modified,
                sent,
                arrived: self.session.clock().now(),
            }),
            Err(unusable) => {
                let error = LockError::foreign(&self.location.key, unusable);
                self.errors.fail(error);
                ReadOutcome::Foreign
            }
        }
    }

    /// Whether another call or guard of this process owns the holding in this record.
    fn is_live_here(&self, record: &Record) -> bool {
        let registry = self.session.registry();
        registry.has(self.location, record.fencing_token, self.entry.as_ref())
    }

    /// Enters the holding in the registry before the write that makes it is sent. A call of this process
    /// that reads the record must find it entered already.
    fn enter(&mut self, write: &Write) {
        if write.record.is_held() {
            let registry = self.session.registry();
            self.entry = Some(registry.enter(self.location, write.record.fencing_token));
        }
    }

    /// Turns the result of a write into an event.
    fn wrote(&mut self, put: Put, limit: Duration) -> Event {
        if let WriteOutcome::Applied { .. } = put {
            self.session.note_answer();
            self.budget.trouble_is_over();
            self.nonsense = 0;
            if !self.budget.gave_up() {
                // After giving up, the write is an undo, and the error says why it was needed.
                self.errors = LastErrors::default();
            }
        }
        let outcome = put.map_error(|error| self.trouble(error, limit));
        self.nonsense += u32::from(outcome == WriteOutcome::Unknown(Trouble::Permanent));
        Event::Wrote(outcome)
    }

    fn trouble(&mut self, error: LockError, limit: Duration) -> Trouble {
        let cut_short = self.budget.cuts_short(limit);
        self.errors.note(self.session, error, cut_short)
    }

    /// Waits until the next look at a lock that another holder has, or that others take first.
    async fn wait(&mut self, free_in: Duration, pause: Option<Duration>) -> Event {
        if self.budget.is_late() {
            return self.give_up();
        }
        let (standing, is_held) = {
            let known = self.queue.observations();
            (known.place.standing(), known.held.is_some())
        };
        if is_held {
            self.budget.see_holder(free_in, true);
        }
        self.budget.see_queue(standing.patience);
        // The store answers again, so earlier errors no longer matter.
        self.budget.trouble_is_over();
        self.errors = LastErrors::default();
        if !self.budget.allows_waiting() {
            return self.give_up();
        }
        self.announce(free_in, standing.before);
        if self.budget.sleep_until_look(free_in, pause).await {
            Event::Resume
        } else {
            self.give_up()
        }
    }

    /// Logs whom the call waits for, once for each holding and place in the queue.
    fn announce(&mut self, free_in: Duration, before: usize) {
        let held = self.queue.observations().held.clone();
        let now = Announced {
            token: held.as_ref().map(|seen| seen.record.fencing_token),
            before,
        };
        if self.announced.replace(now) == Some(now) {
            return;
        }
        let line = match before {
            0 => String::new(),
            1 => "; 1 other waits before this one".to_owned(),
            _ => format!("; {before} others wait before this one"),
        };
        match held {
            Some(seen) => {
                let holder = LockInfo::new(self.location, seen.record, free_in);
                logs::info!("waiting: {holder}{line}");
            }
            None => logs::info!("waiting: lock {} is free{line}", self.location.key),
        }
        logs::flush();
    }

    async fn pause(&mut self) -> Event {
        if self.nonsense < MAX_NONSENSE && self.budget.pause().await {
            Event::Resume
        } else {
            self.give_up()
        }
    }

    fn give_up(&mut self) -> Event {
        if !self.budget.gave_up() {
            // Before the call leaves the queue: then it has no place there.
            self.ahead = self.queue.observations().place.ahead();
        }
        self.budget.give_up();
        Event::GiveUp
    }
}

fn next_nonce(last: Nonce) -> Nonce {
    // If the system has no random bits now, the write must still go on. The last nonce plus one is new as
    // well.
    random::nonce().unwrap_or(Nonce(last.0.wrapping_add(1)))
}
