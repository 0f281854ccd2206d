//! Runs an operation of the protocol against a store: the loop that turns steps into requests and
//! pauses, and what happened into events.

use std::sync::Mutex;
use std::time::Duration;

use crate::engine::registry::Living;
use crate::engine::session::{RAN_AHEAD, Session};
use crate::engine::wait_queue::Local;
use crate::protocol::record::{Nonce, Record};
use crate::protocol::{
    Event, Inputs, Instant, Location, Operation, ReadOutcome, Snapshot, Step, Trouble, Write,
    WriteOutcome,
};
use crate::store::interface::{Found, Object, Put};
use crate::sys::random::Backoff;
use crate::sys::sync::lock;
use crate::sys::{logs, random};
use crate::types::errors::{LockError, StorageErrorKind};
use crate::types::info::LockInfo;

/// How long an operation may go on.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// Whether it may sleep at all.
    pub waits: bool,
    /// How long it may take altogether.
    pub total: Duration,
    /// How much longer than the expiry of a holder, as first seen, `total` must at least be.
    pub beyond_expiry: Option<Duration>,
    /// How long one request may take.
    pub attempt: Duration,
    /// The time was up, but the lock may have become free while it could not be looked at: this is
    /// the one try that is owed for that.
    pub late: bool,
    pub poll: Backoff,
    /// How long to keep away after trouble.
    pub pauses: Backoff,
}

impl Limits {
    /// Grants one try more, `so_far` into the operation, for who woke up too late: when a machine was
    /// suspended, or a clock moved on by hand.
    pub(crate) fn try_late(&mut self, so_far: Duration) {
        self.late = true;
        self.total = so_far + self.attempt;
    }

    /// Takes in, `so_far` into the operation, that the lock may be held for `free_in` more: a dead
    /// holder alone must not make an acquire fail.
    ///
    /// Only the first holder seen since the operation began counts, or one that renews for ever
    /// would be waited for as long. What was seen before (not `fresh`) counts until then.
    pub(crate) fn see_holder(&mut self, so_far: Duration, free_in: Duration, fresh: bool) {
        if let Some(beyond) = self.beyond_expiry {
            self.total = self.total.max(so_far + free_in + beyond);
        }
        if fresh {
            self.beyond_expiry = None;
        }
    }
}

/// Pauses after trouble: short at first, because a lease may be running.
pub(crate) const PAUSE: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(2));

/// One run of an operation.
pub(crate) struct Drive<'a> {
    client: &'a Session,
    location: &'a Location,
    local: &'a Local,
    limits: Limits,
    start: Instant,
    gave_up: bool,
    /// The token of the holding that was last said to be waited for.
    announced: Option<u64>,
    errors: Errors,
    /// How many writes in a row had an answer that nobody can make anything of.
    nonsense: u32,
    /// The holding that was last tried to be made.
    living: Option<Living>,
}

/// After as many writes that were answered as no store answers (a proxy's page, 200 without an ETag), and
/// then looked for in vain, more of them are not expected to help: somebody has to be told.
const MAX_NONSENSE: u32 = 3;

/// What went wrong last.
#[derive(Default)]
pub(crate) struct Errors {
    /// Said by the store, the network or this machine.
    real: Option<LockError>,
    /// A request that had no answer within what was left of the caller's own limit.
    cut_short: Option<LockError>,
}

/// How a run ended.
pub(crate) struct Outcome<End> {
    pub end: End,
    pub errors: Errors,
    /// Whether it ended because its time was up.
    pub gave_up: bool,
    /// Keeps others of this process from reclaiming what was made, until a guard does.
    pub living: Option<Living>,
}

impl Errors {
    /// The error that is nobody's limit's fault, if there was one.
    pub(crate) fn real(self) -> Option<LockError> {
        self.real
    }

    /// The error, whatever it came from.
    pub(crate) fn any(self) -> Option<LockError> {
        self.real.or(self.cut_short)
    }

    /// Notes an error that asking again would not mend.
    pub(crate) fn fail(&mut self, error: LockError) {
        self.real = Some(error);
    }

    /// Notes a request that came to nothing, and says whether to try again. `hurried` if it was
    /// given less time than a request may take.
    pub(crate) fn trouble(&mut self, client: &Session, error: LockError, hurried: bool) -> Trouble {
        let kind = kind(Some(&error));
        let unreachable = kind == Some(StorageErrorKind::Unreachable);
        if matches!(&error, LockError::Storage(e) if e.is_answer()) {
            client.heard();
        }
        // Where nothing ever answered, a wrong endpoint is likelier than an outage, and waiting
        // would only keep the news from whoever can correct it.
        let retry = error.may_pass() && (!unreachable || client.was_heard());
        // What the caller's own limit cut short is no fault of the store's.
        match kind == Some(StorageErrorKind::NoAnswer) && hurried {
            true => self.cut_short = Some(error),
            false => self.real = Some(error),
        }
        match retry {
            true => Trouble::Transient,
            false => Trouble::Permanent,
        }
    }
}

impl<'a> Drive<'a> {
    pub(crate) fn new(
        client: &'a Session,
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
            gave_up: false,
            announced: None,
            errors: Errors::default(),
            nonsense: 0,
            living: None,
        }
    }

    pub(crate) async fn run<O: Operation>(
        mut self,
        mut operation: O,
        memory: &Mutex<O::Memory>,
    ) -> Result<Outcome<O::End>, LockError> {
        let mut nonce = random::nonce().map_err(LockError::of_this_machine)?;
        let mut event = Event::Resume;
        loop {
            let turn = self.turn(nonce);
            let step = operation.on(event, &turn, &mut lock(memory));
            event = match step {
                Step::Done(end) => {
                    return Ok(Outcome {
                        end,
                        errors: self.errors,
                        gave_up: self.gave_up,
                        living: self.living,
                    });
                }
                Step::Read => self.read(self.attempt()).await,
                Step::Peek => self.read(self.peek()).await,
                Step::Write(write) => {
                    // The system gave bits a moment ago. Should it fail now, a write under way
                    // must not be dropped for it.
                    let next = Nonce(nonce.0.wrapping_add(1));
                    nonce = random::nonce().unwrap_or(next);
                    self.write(write).await
                }
                Step::Wait { free_in } => self.wait(free_in).await,
                Step::Pause(_) => self.pause().await,
            };
        }
    }

    fn turn(&self, nonce: Nonce) -> Inputs {
        Inputs {
            now: self.client.clock().now(),
            nonce,
            wall: self.client.clock().wall().into(),
            trusts_date: self.client.trusts_date(),
        }
    }

    fn so_far(&self) -> Duration {
        self.client.clock().now().at_most_since(self.start)
    }

    /// What is left of the time that the caller gives.
    fn left(&self) -> Duration {
        self.limits.total.saturating_sub(self.so_far())
    }

    /// How long the next request may take, if there is time for one.
    fn attempt(&self) -> Option<Duration> {
        let limit = self.limits.attempt.min(self.left());
        (!limit.is_zero()).then_some(limit)
    }

    /// The same for a request that another is to follow in any case.
    fn peek(&self) -> Option<Duration> {
        let attempt = self.attempt()?;
        Some(attempt.min(self.left() / 2))
    }

    async fn read(&mut self, limit: Option<Duration>) -> Event {
        let Some(limit) = limit else {
            return self.give_up();
        };
        let sent = self.client.clock().now();
        let found = self.client.read(self.location, limit).await;
        let sight = match found {
            Ok(Found::Absent { date }) => ReadOutcome::Absent { date },
            Ok(Found::Hidden { date, error }) => {
                self.errors.real = Some(error);
                ReadOutcome::Hidden { date }
            }
            Ok(Found::Object(object)) => self.parse(object, sent),
            Err(error) => return Event::Read(Err(self.trouble(error, limit))),
        };
        if self.local.knowledge().observe(&sight) {
            self.client.distrust_date(RAN_AHEAD);
        }
        Event::Read(Ok(sight))
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
                arrived: self.client.clock().now(),
            }),
            Err(not_ours) => {
                self.errors.real = Some(LockError::foreign(&self.location.key, not_ours));
                ReadOutcome::Foreign
            }
        }
    }

    /// Whether another call or guard of this process has the holding of this record.
    fn is_live_here(&self, record: &Record) -> bool {
        let registry = self.client.registry();
        registry.has(self.location, record.fencing_token, self.living.as_ref())
    }

    async fn write(&mut self, write: Write) -> Event {
        let Some(limit) = self.attempt() else {
            return self.give_up();
        };
        if write.record.is_held() {
            // Before it is sent: whoever sees this record must find it alive already.
            let registry = self.client.registry();
            self.living = Some(registry.enter(self.location, write.record.fencing_token));
        }
        let body = write.record.to_body();
        let put = self
            .client
            .write(self.location, body, &write.condition, limit);
        Event::Wrote(match put.await {
            Put::Applied { etag, date } => {
                self.client.heard();
                self.limits.pauses.reset();
                self.nonsense = 0;
                if !self.gave_up {
                    // Else it is an undo, and the error is why it was needed.
                    self.errors = Errors::default();
                }
                WriteOutcome::Applied { etag, date }
            }
            Put::Refused(refusal, error) => {
                self.client.heard();
                WriteOutcome::Refused(refusal, self.trouble(error, limit))
            }
            Put::NotSent(error) => WriteOutcome::NotSent(self.trouble(error, limit)),
            Put::Unknown(error) => {
                let trouble = self.trouble(error, limit);
                self.nonsense += u32::from(trouble == Trouble::Permanent);
                WriteOutcome::Unknown(trouble)
            }
        })
    }

    fn trouble(&mut self, error: LockError, limit: Duration) -> Trouble {
        let hurried = limit < self.limits.attempt;
        self.errors.trouble(self.client, error, hurried)
    }

    /// Waits for another look at a lock that somebody holds.
    async fn wait(&mut self, free_in: Duration) -> Event {
        if self.limits.late {
            return self.give_up();
        }
        let so_far = self.so_far();
        self.limits.see_holder(so_far, free_in, true);
        // The store answers: whatever was the trouble has passed.
        self.limits.pauses.reset();
        self.errors = Errors::default();
        let nap = self.limits.poll.next().min(free_in);
        let left = self.left();
        if self.limits.waits && !left.is_zero() {
            self.announce(free_in);
            self.client.clock().sleep(nap.min(left)).await;
            if !self.left().is_zero() {
                return Event::Resume;
            }
            let slept = self.so_far().saturating_sub(so_far);
            if slept > free_in {
                self.limits.try_late(self.so_far());
                return Event::Resume;
            }
        }
        self.give_up()
    }

    /// Says who is waited for, once for each holding.
    fn announce(&mut self, free_in: Duration) {
        let Some(seen) = self.local.knowledge().held.clone() else {
            return;
        };
        if self.announced.replace(seen.record.fencing_token) != Some(seen.record.fencing_token) {
            let holder = LockInfo::new(self.location, seen.record, free_in);
            logs::info!("waiting: {holder}");
            logs::flush();
        }
    }

    /// Keeps away for a while, and for longer the next time.
    async fn pause(&mut self) -> Event {
        let left = self.left();
        let is_vain = self.nonsense >= MAX_NONSENSE;
        if self.gave_up || !self.limits.waits || is_vain || left.is_zero() {
            return self.give_up();
        }
        self.client
            .clock()
            .sleep(self.limits.pauses.next().min(left))
            .await;
        match self.left().is_zero() {
            true => self.give_up(),
            false => Event::Resume,
        }
    }

    /// The caller's time is up. Undoing what may be under way gets a time of its own.
    fn give_up(&mut self) -> Event {
        if !self.gave_up {
            self.gave_up = true;
            // A late try has used half of it.
            let requests = if self.limits.late { 1 } else { 2 };
            self.limits.total = self.so_far() + requests * self.client.request_timeout();
        }
        Event::GiveUp
    }
}

fn kind(error: Option<&LockError>) -> Option<StorageErrorKind> {
    match error {
        Some(LockError::Storage(error)) => Some(error.kind()),
        _ => None,
    }
}
