//! One client: what it remembers, and the call that is under way. Its calls are the crate's own
//! operations. This file runs them as `src/engine/driver.rs` does, without a store.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use s3_lock::internals::Instant;
use s3_lock::internals::protocol::record::{Advice, Nonce, Record};
use s3_lock::internals::protocol::{
    Acquire, Acquired, Claim, Condition, ETag, Ending, Event, Free, Freed, HandOver, HandedOver,
    Inputs, Lease, Look, Loss, Observations, Operation, Pace, Place, Queue, QueueEvent, QueueFound,
    QueueTerms, QueueWrite, ReadOutcome, Refusal, Release, Released, Renew, Renewed, Snapshot,
    Step, StoreSeconds, StoredRecord, Trouble, Verified, Verify, Write, WriteOutcome,
};

use super::scenario::{Calls, Mutant, Scenario, TICK, at};
use super::store::{UNKNOWN, Written, applied, refused};

/// A client's place in the scenario.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Who(pub u8);

impl std::fmt::Debug for Who {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", char::from(b'A' + self.0))
    }
}

/// Identifies a write, even if another has the same body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WriteId {
    pub by: Who,
    pub number: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Client {
    /// Ticks since an origin of its own.
    pub clock: u32,
    pub trusts_date: bool,
    pub knowledge: Observations,
    pub holding: Option<Lease>,
    pub task: Option<Task>,
    /// A look by another thread at the same guard, beside the task.
    pub side: Option<Side>,
    pub calls: Calls,
    /// How many writes it has made.
    pub writes: u32,
    /// Whether it has ever had the lock.
    pub won: bool,
    /// The thread that it is handing the lock over to.
    pub chosen: Option<Who>,
    /// What the call under way says of the holding that it ends.
    pub ending: Ending,
}

/// A look at whether a holding still stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Side {
    pub verify: Verify,
    pub sent: u32,
    pub reply: Option<Shown>,
    /// Whether the holding has stood at the store at some moment since the look began.
    pub stood: bool,
}

/// A call under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Task {
    pub call: Running,
    pub at: At,
    pub gave_up: bool,
    /// Whether the reply to a write of this call was lost.
    pub unresolved: bool,
    /// Whether the call ended with a read, after a reply was lost.
    pub resolved: bool,
    /// The number of its first write.
    pub first_write: u32,
    /// When its last write was first sent, and under which condition.
    pub first_send: u32,
    pub condition: Option<Condition>,
    /// Its last write that the store has carried out.
    pub landed: Option<WriteId>,
    /// The token of the holding that it is about.
    pub aim: Option<u64>,
    /// The token of the holding that it has last tried to make.
    pub living: Option<u64>,
    /// Whether it is about a holding that was lost before the call began.
    pub late: bool,
    /// The write of another call that it goes on from. It counts as its own.
    pub inherited: Option<WriteId>,
    /// How often it went on. Counted only where every path must end.
    pub turns: u8,
    /// The version that its last look showed, if it keeps to the queue: then it may wait at a free one.
    pub seen: Option<ETag>,
}

/// The crate's own operations.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::large_enum_variant, reason = "there is one to a client")]
pub enum Running {
    Acquire(Acquire),
    Renew(Renew),
    Release(Release),
    Status(Look),
    Free(Free),
    HandOver(HandOver),
}

/// A write of another call that a call goes on from.
pub struct Inherited {
    pub id: WriteId,
    /// Whether the store has carried it out already.
    pub landed: bool,
    /// The token of its holding, if this call has the entry in the registry.
    pub living: Option<u64>,
}

/// What a call waits for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum At {
    Reading {
        sent: u32,
        reply: Option<Shown>,
    },
    Writing {
        message: Message,
        /// Whether a proxy has already sent it once, and now sends it again.
        repeated: bool,
        reply: Option<Written>,
    },
    /// Looks at the lock's queue, or writes it.
    Queue(Option<QueueWrite>),
    /// Waits for the lock to be free: it looks again when some time has passed.
    Waiting {
        since: u32,
    },
    Pausing,
}

/// A write on its way to the store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Message {
    pub id: WriteId,
    pub write: Write,
    pub intent: Intent,
    /// The hand-over that it undoes, if it does that.
    pub undoes: Option<WriteId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Intent {
    Take,
    /// Renews the holding with this token, which is the writer's own.
    Renew(u64),
    /// Ends it.
    GiveBack(u64),
    /// Ends what an acquire that was given up may have taken, or may yet take.
    Undo(u64),
    /// Ends the holding with this token, which is the writer's own, and takes the lock for another thread.
    HandOver(u64),
    /// Ends another's holding, for its owner or for an operator, if the call has seen any.
    End(Option<u64>),
}

/// What comes of a request for the queue. The queue has no state here: it shows anything at any time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueNews {
    /// A look shows somebody who comes first. A write is done.
    Others,
    /// A look shows nobody. A write is refused.
    Nobody,
    /// There is no answer.
    Nothing,
}

impl QueueNews {
    fn found(self, served: u64) -> QueueFound {
        match self {
            QueueNews::Nothing => QueueFound::Failed(Trouble::Transient),
            QueueNews::Nobody => QueueFound::Absent { date: Some(0) },
            QueueNews::Others => {
                let (first, next) = (served + 1, served + 2);
                let (nonce, other) = ("0".repeat(32), "f".repeat(32));
                let body = format!(
                    r#"{{"format":1,"nonce":"{nonce}","next":{next},"served":0,"tickets":[
                        {{"n":{first},"nonce":"{other}","react_ms":1000,"label":""}}]}}"#
                );
                let queue = Queue::parse(body.as_bytes()).expect("it is a queue");
                let etag = ETag(other);
                QueueFound::Present { etag, queue }
            }
        }
    }
}

/// The store's reply to a read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shown {
    pub date: StoreSeconds,
    pub object: Option<(ETag, Record, StoreSeconds)>,
}

#[expect(
    clippy::large_enum_variant,
    reason = "lives for one step, one at a time"
)]
pub enum Reply {
    /// When it was sent, and what it was shown.
    Read(u32, Shown),
    Wrote(Written),
}

/// How a call ended.
pub enum End {
    Acquired(Acquired),
    Renewed(Renewed),
    Released(Released),
    Looked,
    Freed(Freed),
    HandedOver(HandedOver),
}

impl Client {
    pub fn new(clock: u32, trusts_date: bool, calls: Calls) -> Client {
        Client {
            clock,
            trusts_date,
            knowledge: Observations::default(),
            holding: None,
            task: None,
            side: None,
            calls,
            writes: 0,
            won: false,
            chosen: None,
            ending: Ending::default(),
        }
    }

    /// The client after a crash, once it has started again.
    pub fn restarted(&self, trusts_date: bool) -> Client {
        Client {
            writes: self.writes,
            won: self.won,
            ..Client::new(self.clock, trusts_date, self.calls)
        }
    }

    /// Whether its user may go on with the work that the lock protects.
    pub fn believes(&self, scenario: &Scenario) -> bool {
        let call = self.task.as_ref().map(|task| &task.call);
        let gives_back = match call {
            Some(Running::HandOver(_)) => !scenario.has(Mutant::HandOverWhileHeld),
            call => matches!(call, Some(Running::Release(_))),
        };
        let now = if scenario.has(Mutant::ValidOneTickPastTheDeadline) {
            self.clock - 1
        } else {
            self.clock
        };
        let held = |h: &Lease| !remaining(h, now).is_zero();
        !gives_back && self.holding.as_ref().is_some_and(held)
    }

    /// The token of the holding that it has, if that is lost.
    pub fn lost(&self) -> Option<u64> {
        let lost = |h: &&Lease| remaining(h, self.clock).is_zero();
        self.holding
            .as_ref()
            .filter(lost)
            .map(|h| h.record().fencing_token)
    }

    pub fn token(&self) -> Option<u64> {
        self.holding.as_ref().map(|h| h.record().fencing_token)
    }

    /// Whether a guard or an acquire of this thread has the holding with this token.
    pub fn is_alive(&self, token: u64) -> bool {
        let tries = self.task.as_ref().and_then(|task| task.living);
        self.token() == Some(token) || tries == Some(token)
    }

    /// Takes in that a thread of this client has ended a holding without its guard. It may be the
    /// holding of this thread.
    pub fn note_ended(&mut self, record: &Record) {
        let loss = if record.broken == Some(record.fencing_token) {
            Loss::Broken
        } else {
            Loss::Vanished
        };
        if let Some(holding) = &mut self.holding {
            if holding.record().fencing_token == record.fencing_token {
                holding.lose(loss);
            }
        }
    }

    /// The reply that has arrived.
    pub fn take_reply(&self) -> Reply {
        match self.task.as_ref().map(|task| task.at.clone()) {
            Some(At::Reading {
                sent,
                reply: Some(shown),
            }) => Reply::Read(sent, shown),
            Some(At::Writing {
                reply: Some(answer),
                ..
            }) => Reply::Wrote(answer),
            _ => unreachable!("nothing has arrived"),
        }
    }

    /// Takes in what a read of its call showed. `is_alive` says whether another thread has a
    /// holding.
    pub fn see(
        &mut self,
        who: Who,
        sent: u32,
        shown: Shown,
        is_alive: impl Fn(u64) -> bool,
        scenario: &Scenario,
    ) -> ReadOutcome {
        if let Some((etag, record, _)) = &shown.object {
            self.aim_at(record, scenario);
            if let Some(task) = self.task.as_mut().filter(|_| scenario.role(who).queues) {
                task.seen = Some(etag.clone());
            }
        }
        self.take_in(who, sent, shown, is_alive, scenario)
    }

    /// Takes in what any read showed.
    pub fn take_in(
        &mut self,
        who: Who,
        sent: u32,
        shown: Shown,
        is_alive: impl Fn(u64) -> bool,
        scenario: &Scenario,
    ) -> ReadOutcome {
        let sight = match shown.object {
            None => ReadOutcome::Absent {
                date: Some(shown.date),
            },
            Some((etag, mut record, modified)) => {
                let is_own = record.nonce.0 >> 64 == u128::from(who.0);
                if scenario.has(Mutant::ReclaimUnmarked) && !is_own {
                    record.reclaimed = None;
                }
                if scenario.has(Mutant::OriginUnread) {
                    let own = self.holding.as_ref().and_then(|h| h.record().origin);
                    record.origin = own.or(record.origin);
                }
                ReadOutcome::Present(Snapshot {
                    etag,
                    date: Some(shown.date),
                    modified: Some(modified),
                    sent: at(sent),
                    arrived: at(self.clock),
                    live_here: self.token() == Some(record.fencing_token)
                        || is_alive(record.fencing_token),
                    record,
                })
            }
        };
        if scenario.has(Mutant::EachSightForgotten) {
            self.knowledge = Observations::default();
        }
        if self.knowledge.observe(&sight) {
            self.trusts_date = false;
        }
        sight
    }

    /// A release by owner name is about the first holding that it sees.
    fn aim_at(&mut self, record: &Record, scenario: &Scenario) {
        if let Some(task) = &mut self.task {
            let is_his = record.is_held() && record.owner == scenario.roles[0].owner;
            if matches!(task.call, Running::Free(_)) && task.aim.is_none() && is_his {
                task.aim = Some(record.fencing_token);
            }
        }
    }

    /// Begins a call. Says how it ended, if it has ended already.
    pub fn begin(
        &mut self,
        who: Who,
        call: Running,
        aim: Option<u64>,
        inherited: Option<Inherited>,
        scenario: &Scenario,
    ) -> Option<End> {
        if scenario.has(Mutant::RenewalForgotten) {
            self.holding = self.holding.take().map(|h| anew(&h, h.since()));
        }
        let landed = inherited.as_ref().filter(|write| write.landed);
        self.task = Some(Task {
            call,
            at: At::Pausing,
            gave_up: false,
            unresolved: false,
            resolved: false,
            first_write: self.writes,
            first_send: self.clock,
            condition: None,
            landed: landed.map(|write| write.id),
            aim,
            living: inherited.as_ref().and_then(|write| write.living),
            inherited: inherited.map(|write| write.id),
            late: self.lost().is_some(),
            turns: 0,
            seen: None,
        });
        self.feed(who, Event::Resume, scenario)
    }

    /// Lets the call go on until it needs something of the store or of time, or has ended.
    pub fn feed(&mut self, who: Who, event: Event, scenario: &Scenario) -> Option<End> {
        let mut task = self.task.take()?;
        task.turns += u8::from(scenario.must_end);
        let event = task.misread(event, who, scenario);
        let event = self.mistake_hand_over(&mut task, event, scenario);
        task.gave_up |= event == Event::GiveUp;
        let has_read = matches!(event, Event::Read(Ok(_)));
        let id = WriteId {
            by: who,
            number: self.writes,
        };
        let turn = self.turn(nonce(id, scenario));
        let before = self.holding.clone();
        let mut step = self.step(&mut task.call, event, &turn);
        // Whose turn it is is left to chance. What a client remembers of that would only make more states.
        if !matches!(step, Step::SeeQueue | Step::WriteQueue(_)) {
            self.knowledge.place = Place::default();
        }
        self.misjudge(before, &mut step, &task, scenario);
        match step {
            Step::Done(end) => {
                task.resolved = task.unresolved && has_read;
                self.task = Some(task);
                return Some(end);
            }
            Step::Read | Step::Peek => {
                task.at = At::Reading {
                    sent: self.clock,
                    reply: None,
                }
            }
            // What it would see of the queue beside the write, it sees at another time.
            Step::Write(write) | Step::WriteAndSeeQueue(write) => {
                self.write(&mut task, write, id, who, &turn, scenario);
            }
            Step::SeeQueue => task.at = At::Queue(None),
            Step::WriteQueue(write) => task.at = At::Queue(Some(write)),
            Step::Wait { .. } | Step::Pause(_) if task.gave_up => {
                self.task = Some(task);
                return self.feed(who, Event::GiveUp, scenario);
            }
            Step::Wait { .. } if scenario.has(Mutant::WaitsForNothing) => task.at = At::Pausing,
            Step::Wait { .. } => task.at = At::Waiting { since: self.clock },
            Step::Pause(_) => task.at = At::Pausing,
        }

        self.task = Some(task);
        None
    }

    /// Lets the call go on from its request for the queue, of which this came.
    pub fn ask_queue(&mut self, who: Who, news: QueueNews, scenario: &Scenario) -> Option<End> {
        let task = self.task.as_mut()?;
        let At::Queue(asked) = std::mem::replace(&mut task.at, At::Pausing) else {
            unreachable!("it asks for the queue");
        };
        let event = match (asked, news) {
            (Some(write), QueueNews::Others) => {
                let outcome = applied(ETag(format!("{:?}", write.queue)));
                QueueEvent::Wrote(outcome)
            }
            (Some(_), QueueNews::Nobody) => QueueEvent::Wrote(refused(Refusal::Condition)),
            (Some(_), QueueNews::Nothing) => QueueEvent::Wrote(UNKNOWN),
            (None, news) => {
                let turn = self.turn(Nonce(0));
                let served = self.knowledge.place.advice(turn.now).served;
                let place = &mut self.knowledge.place;
                place.saw_queue(news.found(served), turn.now, &turn);
                QueueEvent::Seen
            }
        };
        self.feed(who, Event::Queue(event), scenario)
    }

    fn turn(&self, nonce: Nonce) -> Inputs {
        Inputs {
            now: at(self.clock),
            nonce,
            wall: std::time::SystemTime::UNIX_EPOCH.into(),
            trusts_date: self.trusts_date,
            advice: Advice::default(),
            others_wait: false,
        }
    }

    /// Takes in a record that this client has released.
    pub fn note_released(&mut self, known: StoredRecord) {
        self.knowledge.note_released(known, at(self.clock));
        self.knowledge.place = Place::default();
    }

    /// Takes in that this client has the lock by this record.
    pub fn note_taken(&mut self, record: &Record) {
        self.knowledge.note_taken(record, at(self.clock));
        self.knowledge.place = Place::default();
    }

    /// Begins a look beside the call.
    pub fn begin_look(&mut self, stood: bool) {
        self.side = Some(Side {
            verify: Verify::default(),
            sent: self.clock,
            reply: None,
            stood,
        });
        let end = self.feed_look(Event::Resume);
        assert!(end.is_none(), "it has yet to read");
    }

    /// Lets the look go on until it needs an answer, or has ended.
    pub fn feed_look(&mut self, event: Event) -> Option<Verified> {
        let turn = self.turn(Nonce(0));
        let (side, holding) = (self.side.as_mut()?, self.holding.as_mut()?);
        match side.verify.on(event, &turn, holding) {
            Step::Done(end) => return Some(end),
            // After an error it goes on at once: other scenarios try how long that takes.
            Step::Read | Step::Pause(_) => {
                side.sent = self.clock;
                side.reply = None;
            }
            step => unreachable!("it only looks: {step:?}"),
        }
        None
    }

    fn step(&mut self, call: &mut Running, event: Event, turn: &Inputs) -> Step<End> {
        let known = &mut self.knowledge;
        match call {
            Running::Acquire(acquire) => map(acquire.on(event, turn, known), End::Acquired),
            Running::Status(look) => map(look.on(event, turn, known), |_| End::Looked),
            Running::Free(free) => map(free.on(event, turn, known), End::Freed),
            Running::Renew(renew) => {
                let holding = self.holding.as_mut().expect("a guard renews");
                map(renew.on(event, turn, holding), End::Renewed)
            }
            Running::Release(release) => {
                let holding = self.holding.as_mut().expect("a guard gives back");
                map(release.on(event, turn, holding), End::Released)
            }
            Running::HandOver(hand_over) => {
                let holding = self.holding.as_mut().expect("a guard hands over");
                map(hand_over.on(event, turn, holding), End::HandedOver)
            }
        }
    }

    fn write(
        &mut self,
        task: &mut Task,
        mut write: Write,
        mut id: WriteId,
        who: Who,
        turn: &Inputs,
        scenario: &Scenario,
    ) {
        let inherited = task.inherited;
        let inherited = inherited.filter(|id| nonce(*id, scenario) == write.record.nonce);
        if write.record.nonce == turn.nonce {
            self.writes += 1;
            task.first_send = self.clock;
            task.condition = Some(write.condition.clone());
        } else if let Some(inherited) = inherited {
            id = inherited;
        } else {
            // The last write again.
            id.number -= 1;
        }
        if write.record.is_held() {
            task.living = Some(write.record.fencing_token);
            // A write of its own shows that the one before is resolved.
            task.inherited = inherited;
        }
        if let (Running::HandOver(_), Some(holding)) = (&task.call, &self.holding) {
            match scenario.mutant {
                Some(Mutant::HandOverKeepsToken) => {
                    write.record.fencing_token = holding.record().fencing_token;
                }
                Some(Mutant::HandOverUnmarked) => write.record.broken = None,
                _ => {}
            }
        }
        self.forget(&mut write, task, who, scenario);
        let message = Message {
            id,
            intent: task.intent(&write.record),
            undoes: task.undoes(&write.record),
            write,
        };
        task.at = At::Writing {
            message,
            repeated: false,
            reply: None,
        };
    }

    /// How a client that is broken on purpose treats labels.
    fn forget(&self, write: &mut Write, task: &Task, who: Who, scenario: &Scenario) {
        let is_acquire = matches!(task.call, Running::Acquire(_));
        let is_held = write.record.is_held();
        match scenario.mutant {
            Some(Mutant::TakeoverForgets) if is_acquire && is_held => {
                write.record = Client::forgetting(&write.record);
            }
            Some(Mutant::UndoForgets) if is_acquire && !is_held => {
                write.record = Client::forgetting(&write.record);
            }
            Some(Mutant::DoneUnread) if is_acquire && is_held && scenario.does_not_look(who) => {
                write.record.label = scenario.role(who).once();
            }
            Some(Mutant::HandOverOfTheDone) if matches!(task.call, Running::HandOver(_)) => {
                let next = self.chosen.expect("it has chosen");
                write.record.label = scenario.role(next).once();
            }
            _ => {}
        }
    }

    /// How a client that is broken on purpose counts its lease.
    fn misjudge(
        &mut self,
        before: Option<Lease>,
        step: &mut Step<End>,
        task: &Task,
        scenario: &Scenario,
    ) {
        let Some(mutant) = scenario.mutant else {
            return;
        };
        let recount = |holding: &mut Lease, since| *holding = anew(holding, since);
        let now = at(self.clock);
        if let Step::Done(End::Released(end)) = step {
            let is_refusal = !task.unresolved && *end == Released::Yes(None);
            if mutant == Mutant::RefusedReleaseALoss && is_refusal {
                *end = Released::Lost;
            }
            let completes = self.ending == Ending::Completed;
            if mutant == Mutant::CompletionInferred && completes && *end == Released::Lost {
                *end = Released::Yes(None);
            }
        }
        if let Step::Done(End::Acquired(Acquired::Won { lease: holding, .. })) = step {
            if mutant == Mutant::DeadlineFromReply {
                recount(holding, now);
            }
        }
        if let Step::Done(End::HandedOver(HandedOver::Yes(holding))) = step {
            if mutant == Mutant::DeadlineFromReply {
                recount(holding, now);
            }
        }
        let (Some(before), Some(holding)) = (before, &mut self.holding) else {
            return;
        };
        let is_lost = holding.remaining(now).is_zero();
        if before.record() != holding.record() {
            match mutant {
                Mutant::LateRenewalRevives => recount(holding, holding.since()),
                _ if is_lost => {}
                Mutant::DeadlineFromReply => recount(holding, now),
                Mutant::DeadlineOfALaterRenewal => recount(holding, at(task.first_send)),
                _ => {}
            }
        }
    }
}

impl Task {
    fn intent(&self, record: &Record) -> Intent {
        let own = || self.aim.expect("a guard knows its own");
        match &self.call {
            Running::Acquire(_) if record.is_held() => Intent::Take,
            Running::Acquire(_) => Intent::Undo(record.fencing_token),
            Running::Renew(_) => Intent::Renew(own()),
            Running::Release(_) => Intent::GiveBack(own()),
            Running::HandOver(_) => Intent::HandOver(own()),
            Running::Free(_) => Intent::End(self.aim),
            Running::Status(_) => unreachable!("it only looks"),
        }
    }

    /// The hand-over that it undoes, if that is what writing this record does.
    fn undoes(&self, record: &Record) -> Option<WriteId> {
        let is_undo = matches!(self.call, Running::Acquire(_)) && !record.is_held();
        self.inherited.filter(|_| is_undo)
    }

    /// What a client that is broken on purpose makes of an event.
    fn misread(&mut self, event: Event, who: Who, scenario: &Scenario) -> Event {
        let Some(mutant) = scenario.mutant else {
            return event;
        };
        let begins_anew = match (mutant, &event) {
            (Mutant::NoReadBack, Event::Wrote(WriteOutcome::Unknown(_)))
            | (
                Mutant::RefusalBelieved,
                Event::Wrote(WriteOutcome::Refused(Refusal::Condition, _)),
            )
            | (
                Mutant::ConflictBelieved,
                Event::Wrote(WriteOutcome::Refused(Refusal::Conflict, _)),
            ) => {
                return Event::Wrote(WriteOutcome::NotSent(Trouble::Transient));
            }
            (Mutant::LossTakenForRefusal, Event::Wrote(WriteOutcome::Unknown(_))) => {
                return Event::Wrote(refused(Refusal::Condition));
            }
            (Mutant::UnchangedMeansNotApplied, Event::Read(Ok(sight))) => self.still_stands(sight),
            (Mutant::RefusalOfARetryBelieved, Event::Wrote(WriteOutcome::Refused(..))) => true,
            (Mutant::ReleaseRetriedByName, Event::Resume) => matches!(self.call, Running::Free(_)),
            (Mutant::NoUndo, Event::GiveUp) => matches!(self.call, Running::Acquire(_)),
            _ => false,
        };
        if !begins_anew || !self.unresolved {
            return event;
        }
        self.unresolved = false;
        self.call = self.call.anew(who, scenario);
        match event {
            Event::GiveUp => event,
            _ => Event::Resume,
        }
    }

    /// Whether it has made a write.
    pub fn has_made(&self, who: Who, id: WriteId) -> bool {
        (id.by == who && id.number >= self.first_write) || self.inherited == Some(id)
    }

    /// Whether the store has carried out the write of this record, as the last of this call's
    /// writes.
    pub fn has_landed(&self, record: &Record, scenario: &Scenario) -> bool {
        self.landed
            .is_some_and(|id| nonce(id, scenario) == record.nonce)
    }

    fn still_stands(&self, sight: &ReadOutcome) -> bool {
        match (&self.condition, sight) {
            (Some(Condition::Absent), ReadOutcome::Absent { .. }) => true,
            (Some(Condition::Matches(etag)), ReadOutcome::Present(seen)) => seen.etag == *etag,
            _ => false,
        }
    }
}

impl Running {
    pub fn acquire(who: Who, label: Option<Box<str>>, scenario: &Scenario) -> Running {
        Running::Acquire(Acquire::new(claim(who, label, scenario)))
    }

    /// By owner name: ends what the first client holds.
    pub fn release(scenario: &Scenario) -> Running {
        Running::Free(Free::by_name(scenario.roles[0].owner.to_owned()))
    }

    /// The same call, from its beginning.
    fn anew(&self, who: Who, scenario: &Scenario) -> Running {
        match self {
            Running::Acquire(_) => Running::acquire(who, None, scenario),
            Running::Renew(_) => Running::Renew(Renew::default()),
            Running::Release(_) => Running::Release(Release::default()),
            Running::Free(_) => Running::release(scenario),
            Running::Status(_) | Running::HandOver(_) => self.clone(),
        }
    }
}

pub fn claim(who: Who, label: Option<Box<str>>, scenario: &Scenario) -> Claim {
    let role = scenario.role(who);
    let label = label.filter(|_| !scenario.does_not_look(who));
    Claim {
        owner: role.owner.to_owned(),
        lease: TICK * role.lease,
        host: String::new(),
        pid: 0,
        purpose: None,
        label,
        expiry_rule: scenario.expiry_rule(role),
        reclaims: role.reclaims,
        queue: role.queues.then(|| QueueTerms {
            label: String::new(),
            pace: Pace {
                min: TICK,
                max: TICK,
                max_alone: TICK,
            },
            takes_ticket: true,
        }),
    }
}

/// What its user would be told. A clone is asked, because the lease remembers the answer.
fn remaining(holding: &Lease, now: u32) -> Duration {
    holding.clone().remaining(at(now))
}

/// The same holding, with nothing unresolved and a lease that counts from `since`.
fn anew(holding: &Lease, since: Instant) -> Lease {
    let record = holding.record().clone();
    let etag = version(&record);
    Lease::new(StoredRecord { etag, record }, since)
}

/// The version that the store gives a record: as in S3, a digest of the body.
pub fn version(record: &Record) -> ETag {
    let mut hasher = DefaultHasher::new();
    record.hash(&mut hasher);
    ETag(format!("{:x}", hasher.finish()))
}

fn nonce(id: WriteId, scenario: &Scenario) -> Nonce {
    if scenario.has(Mutant::IdenticalBodies) {
        Nonce(0)
    } else {
        Nonce((u128::from(id.by.0) << 64) + u128::from(id.number))
    }
}

fn map<A, B>(step: Step<A>, end: fn(A) -> B) -> Step<B> {
    match step {
        Step::Done(done) => Step::Done(end(done)),
        Step::Read => Step::Read,
        Step::Peek => Step::Peek,
        Step::Write(write) => Step::Write(write),
        Step::Wait { free_in, pause } => Step::Wait { free_in, pause },
        Step::SeeQueue => Step::SeeQueue,
        Step::WriteQueue(write) => Step::WriteQueue(write),
        Step::WriteAndSeeQueue(write) => Step::WriteAndSeeQueue(write),
        Step::Pause(why) => Step::Pause(why),
    }
}
