//! One client in a process of its own. It runs the crate's own operations, as `src/engine/driver.rs` and
//! `src/engine/queue_requests.rs` do, in virtual time.

use std::time::Duration;

use s3_lock::internals::Instant;
use s3_lock::internals::protocol::record::{Nonce, Record};
use s3_lock::internals::protocol::{
    Acquire, Acquired, Claim, Condition, Event, ExpiryRule, Inputs, Lease, Observations, Operation,
    Pace, QueueEvent, QueueFound, QueueTerms, QueueWrite, Release, Released, Step, Trouble,
    WriteOutcome,
};

use crate::dice::Dice;
use crate::mutants::{Mutant, Twist};
use crate::network::{Span, TIMEOUT};
use crate::store::{Object, Shown, Written};

/// The default pace of looks.
pub const PACE: Pace = Pace {
    min: Duration::from_millis(100),
    max: Duration::from_secs(2),
    max_alone: Duration::from_secs(9),
};
pub const MARGIN: Duration = Duration::from_secs(2);
/// How long a look at the queue beside a write may take at least beyond that write.
const LEAST_WAIT: Duration = Duration::from_millis(20);
/// Timers go off a little later than asked.
const TIMER: Duration = Duration::from_millis(1);
/// Pauses after errors, shortest and longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(2));

/// What a client does, again and again: it acquires the lock, holds it, gives it back and rests.
#[derive(Clone, Debug)]
pub struct Spec {
    pub begins: Duration,
    pub hold: Duration,
    pub rest: Duration,
    /// How often. None for as long as the run lasts.
    pub cycles: Option<u32>,
    /// Whether it keeps to the queue.
    pub queue: bool,
    /// Whether it only tries, and never waits.
    pub tries: bool,
    pub pace: Pace,
    pub lease: Duration,
    /// How long one acquire may take.
    pub limit: Duration,
    pub dies: Option<Death>,
    /// When its machine is suspended.
    pub suspended: Option<Span>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// Once it has a ticket and its next look is due.
    Waiting,
    /// Once it has the lock.
    Holding,
}

impl Default for Spec {
    fn default() -> Spec {
        Spec {
            begins: Duration::ZERO,
            hold: Duration::from_millis(50),
            rest: Duration::ZERO,
            cycles: None,
            queue: true,
            tries: false,
            pace: PACE,
            lease: Duration::from_secs(60),
            limit: Duration::from_secs(100_000),
            dies: None,
            suspended: None,
        }
    }
}

/// What a client did and had, as the checks count it.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub acquired: u32,
    pub given_up: u32,
    pub lock_requests: u32,
    pub queue_requests: u32,
    pub queue_writes: u32,
    pub waits: Vec<Duration>,
    /// When it had the lock.
    pub times: Vec<Duration>,
}

impl Tally {
    pub fn longest_wait(&self) -> Duration {
        self.waits.iter().max().copied().unwrap_or_default()
    }

    pub fn requests(&self) -> u32 {
        self.lock_requests + self.queue_requests
    }
}

#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one to a client")]
pub enum Call {
    Idle,
    Acquiring(Acquire),
    Holding(Lease),
    Releasing(Release, Lease),
    /// It has ended, or is dead.
    Gone,
}

/// What a client asks of the store.
#[derive(Clone, Debug)]
pub enum Ask {
    Get(Object),
    PutLock(Record, Condition),
    PutQueue(QueueWrite),
}

/// What it hears.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "most are of the largest kind")]
pub enum Answer {
    Lock(Shown<Record>),
    Queue(QueueFound),
    Wrote(Written),
    /// Nothing in time, to a read or to a write.
    Nothing,
}

/// What happens next to a client.
#[derive(Debug)]
pub enum Deed {
    Ask(Vec<Ask>),
    Sleep(Duration),
    /// It has ended.
    End,
}

#[derive(Clone, Debug)]
enum Awaits {
    Sleep,
    Read(Instant),
    Write,
    Queue(Instant, Inputs),
    QueueWrite,
    Both {
        sent: Instant,
        inputs: Inputs,
        wrote: Option<Written>,
        found: Option<QueueFound>,
    },
}

#[derive(Clone, Debug)]
pub struct Client {
    pub spec: Spec,
    pub known: Observations,
    pub call: Call,
    /// Grows with each step. An answer to an earlier step comes too late.
    pub epoch: u64,
    pub tally: Tally,
    /// When the acquire that is under way began.
    pub began: Duration,
    /// The nonce of its own last release.
    pub own_release: Option<Nonce>,
    /// When the store has answered the last look at the queue that this client has heard of.
    pub looked: Option<Duration>,
    /// Until when it last waited for an answer in vain, or does so now.
    pub stumbled: Option<Duration>,
    pub mutant: Option<Mutant>,
    /// What a mutant keeps in mind.
    pub twist: Twist,
    awaits: Awaits,
    /// What its clock showed when the run began.
    offset: Duration,
    until: Duration,
    gave_up: bool,
    pauses: u32,
    looks: u32,
    trusts_date: bool,
    dice: Dice,
}

enum End {
    Acquired(Acquired),
    Released(Released),
}

impl Client {
    pub fn new(spec: Spec, mutant: Option<Mutant>, mut dice: Dice) -> Client {
        Client {
            spec,
            known: Observations::default(),
            call: Call::Idle,
            epoch: 0,
            tally: Tally::default(),
            began: Duration::ZERO,
            own_release: None,
            looked: None,
            stumbled: None,
            mutant,
            twist: Twist::default(),
            awaits: Awaits::Sleep,
            offset: Duration::from_millis(dice.below(1_000_000_000)),
            until: Duration::MAX,
            gave_up: false,
            pauses: 0,
            looks: 0,
            trusts_date: true,
            dice,
        }
    }

    pub fn at(&self, now: Duration) -> Instant {
        Instant::from_origin(self.offset + now)
    }

    /// Whether its user may go on with the work that the lock protects.
    pub fn believes(&mut self, now: Duration) -> bool {
        let now = self.at(now);
        match &mut self.call {
            Call::Holding(lease) => !lease.remaining(now).is_zero(),
            _ => false,
        }
    }

    /// Whether it waits for the lock, and keeps to the queue.
    pub fn waits_in_line(&self) -> bool {
        matches!(self.call, Call::Acquiring(_)) && self.spec.queue && !self.gave_up
    }

    fn claim(&self) -> Claim {
        Claim {
            owner: "somebody".to_owned(),
            lease: self.spec.lease,
            host: String::new(),
            pid: 0,
            purpose: None,
            label: None,
            expiry_rule: ExpiryRule {
                margin: MARGIN,
                store_clock: true,
            },
            reclaims: false,
            queue: (self.spec.queue && !self.spec.tries).then(|| QueueTerms {
                takes_ticket: true,
                label: "somebody".to_owned(),
                pace: self.spec.pace,
            }),
        }
    }

    /// The pause before, between or after calls is over, or one within a call.
    pub fn wake(&mut self, now: Duration) -> Deed {
        match std::mem::replace(&mut self.call, Call::Idle) {
            Call::Gone => {
                self.call = Call::Gone;
                Deed::End
            }
            Call::Idle => {
                self.call = Call::Acquiring(Acquire::new(self.claim()));
                self.began = now;
                self.begin(now, self.spec.limit)
            }
            Call::Holding(lease) => {
                self.call = Call::Releasing(Release::default(), lease);
                self.begin(now, 2 * TIMEOUT)
            }
            call => {
                self.call = call;
                if let Awaits::Both { .. } = self.awaits {
                    return self.both(now);
                }
                if now >= self.until {
                    return self.give_up(now);
                }
                self.feed(now, Event::Resume)
            }
        }
    }

    fn begin(&mut self, now: Duration, limit: Duration) -> Deed {
        self.until = now.saturating_add(limit);
        self.gave_up = false;
        (self.pauses, self.looks) = (0, 0);
        self.twist.begin();
        self.feed(now, Event::Resume)
    }

    /// Takes in an answer, which the store gave at `served`.
    pub fn hear(&mut self, now: Duration, answer: Answer, served: Duration) -> Option<Deed> {
        if let Answer::Queue(QueueFound::Present { .. } | QueueFound::Absent { .. }) = &answer {
            self.looked = Some(served);
        }
        let arrived = self.at(now);
        let awaits = std::mem::replace(&mut self.awaits, Awaits::Sleep);
        let event = match (awaits, answer) {
            (Awaits::Read(sent), Answer::Lock(shown)) => {
                let found = shown.outcome(sent, arrived);
                let found = self.misread(found, arrived);
                if self.known.observe(&found) {
                    self.trusts_date = false;
                }
                Event::Read(Ok(found))
            }
            (Awaits::Read(_), _) => Event::Read(Err(Trouble::Transient)),
            (Awaits::Write, Answer::Wrote(outcome)) => Event::Wrote(outcome),
            (Awaits::Write, _) => Event::Wrote(WriteOutcome::Unknown(Trouble::Transient)),
            (Awaits::Queue(sent, inputs), answer) => {
                self.saw_queue(answer, sent, &inputs);
                Event::Queue(QueueEvent::Seen)
            }
            (Awaits::QueueWrite, Answer::Wrote(outcome)) => {
                let outcome = self.mishear(outcome);
                Event::Queue(QueueEvent::Wrote(outcome))
            }
            (Awaits::QueueWrite, _) => {
                Event::Queue(QueueEvent::Wrote(WriteOutcome::Unknown(Trouble::Transient)))
            }
            (both @ Awaits::Both { .. }, answer) => {
                self.awaits = both;
                return self.hear_one_of_both(now, answer);
            }
            (Awaits::Sleep, answer) => unreachable!("nothing was asked: {answer:?}"),
        };
        Some(self.feed(now, event))
    }

    fn hear_one_of_both(&mut self, now: Duration, answer: Answer) -> Option<Deed> {
        let arrived = self.at(now);
        let Awaits::Both {
            sent, wrote, found, ..
        } = &mut self.awaits
        else {
            unreachable!("it awaits both");
        };
        match answer {
            Answer::Queue(seen) => *found = Some(seen),
            Answer::Wrote(outcome) => *wrote = Some(outcome),
            // Both are lost only together here: the write's is the one that matters.
            _ if wrote.is_none() => {
                *wrote = Some(WriteOutcome::Unknown(Trouble::Transient));
            }
            _ => *found = Some(QueueFound::Failed(Trouble::Transient)),
        }
        match (&wrote, &found) {
            (Some(_), Some(_)) => Some(self.both(now)),
            (Some(_), None) => {
                let took = arrived.at_least_since(*sent);
                Some(Deed::Sleep(took.max(LEAST_WAIT)))
            }
            _ => None,
        }
    }

    /// The write is done, and the look beside it is done or took too long.
    fn both(&mut self, now: Duration) -> Deed {
        let awaits = std::mem::replace(&mut self.awaits, Awaits::Sleep);
        let Awaits::Both {
            sent,
            inputs,
            wrote,
            found,
        } = awaits
        else {
            unreachable!("it awaits both");
        };
        if let Some(found) = found {
            self.twist.saw(&found);
            self.known.place.saw_queue(found, sent, &inputs);
        }
        let wrote = wrote.expect("the write is done");
        self.feed(now, Event::Wrote(wrote))
    }

    fn saw_queue(&mut self, answer: Answer, sent: Instant, inputs: &Inputs) {
        let found = match answer {
            Answer::Queue(found) => {
                self.twist.saw(&found);
                found
            }
            _ => QueueFound::Failed(Trouble::Transient),
        };
        self.known.place.saw_queue(found, sent, inputs);
    }

    pub fn inputs(&mut self, now: Duration) -> Inputs {
        let now = self.at(now);
        let nonce = (u128::from(self.dice.throw()) << 64) | u128::from(self.dice.throw());
        Inputs {
            now,
            nonce: Nonce(nonce),
            wall: std::time::SystemTime::UNIX_EPOCH.into(),
            trusts_date: self.trusts_date,
            advice: self.known.place.advice(now),
            others_wait: false,
        }
    }

    /// Lets the call go on until it needs something of the store or of time, or has ended.
    fn feed(&mut self, now: Duration, event: Event) -> Deed {
        let mut inputs = self.inputs(now);
        self.twist_before(&mut inputs);
        let may_undo = self.mutant == Some(Mutant::GraceForEachTicket);
        let before = may_undo.then(|| (self.call.clone(), self.known.clone()));
        let step = match &mut self.call {
            Call::Acquiring(acquire) => {
                map(acquire.on(event, &inputs, &mut self.known), End::Acquired)
            }
            Call::Releasing(release, lease) => {
                map(release.on(event, &inputs, lease), End::Released)
            }
            call => unreachable!("no call is under way: {call:?}"),
        };
        let step = match before {
            Some((call, known)) => self.wait_longer(step, call, known),
            None => step,
        };
        if let Some(event) = self.spares_request(&step) {
            return self.feed(now, event);
        }
        self.carry_out(step, inputs, now)
    }

    fn carry_out(&mut self, step: Step<End>, inputs: Inputs, now: Duration) -> Deed {
        self.epoch += 1;
        let is_request = !matches!(step, Step::Done(_) | Step::Wait { .. } | Step::Pause(_));
        if is_request && now >= self.until {
            return self.give_up(now);
        }
        let sent = self.at(now);
        let (awaits, asks) = match step {
            Step::Done(end) => return self.finish(end, now),
            Step::Wait { free_in, pause } => return self.wait(free_in, pause, now),
            Step::Pause(_) => return self.pause(now),
            Step::Read | Step::Peek => (Awaits::Read(sent), vec![Ask::Get(Object::Lock)]),
            Step::Write(write) => (
                Awaits::Write,
                vec![Ask::PutLock(write.record, write.condition)],
            ),
            Step::WriteAndSeeQueue(write) => {
                let both = Awaits::Both {
                    sent,
                    inputs,
                    wrote: None,
                    found: None,
                };
                let put = Ask::PutLock(write.record, write.condition);
                (both, vec![put, Ask::Get(Object::Queue)])
            }
            Step::SeeQueue => (Awaits::Queue(sent, inputs), vec![Ask::Get(Object::Queue)]),
            Step::WriteQueue(write) => (Awaits::QueueWrite, vec![Ask::PutQueue(write)]),
        };
        self.awaits = awaits;
        for ask in &asks {
            match ask {
                Ask::Get(Object::Lock) | Ask::PutLock(..) => self.tally.lock_requests += 1,
                Ask::Get(Object::Queue) => self.tally.queue_requests += 1,
                Ask::PutQueue(_) => {
                    self.tally.queue_requests += 1;
                    self.tally.queue_writes += 1;
                }
            }
        }
        Deed::Ask(asks)
    }

    fn give_up(&mut self, now: Duration) -> Deed {
        if !self.gave_up {
            self.gave_up = true;
            self.until = now + 2 * TIMEOUT;
        }
        self.feed(now, Event::GiveUp)
    }

    fn wait(&mut self, free_in: Duration, pause: Option<Duration>, now: Duration) -> Deed {
        self.pauses = 0;
        if self.spec.tries || self.gave_up || now >= self.until {
            return self.give_up(now);
        }
        let pace = self.spec.pace;
        let pause = pause.unwrap_or_else(|| {
            self.looks += 1;
            backoff(self.looks, (pace.min, pace.max), &mut self.dice)
        });
        self.sleep(pause.min(free_in), now)
    }

    fn pause(&mut self, now: Duration) -> Deed {
        if self.spec.tries || self.gave_up || now >= self.until {
            return self.give_up(now);
        }
        self.pauses += 1;
        let pause = backoff(self.pauses, PAUSES, &mut self.dice);
        self.sleep(pause, now)
    }

    fn sleep(&mut self, span: Duration, now: Duration) -> Deed {
        self.awaits = Awaits::Sleep;
        Deed::Sleep(span.min(self.until - now) + TIMER)
    }

    fn finish(&mut self, end: End, now: Duration) -> Deed {
        self.awaits = Awaits::Sleep;
        match (end, std::mem::replace(&mut self.call, Call::Idle)) {
            (End::Acquired(Acquired::Won { lease, .. }), _) => {
                self.tally.acquired += 1;
                self.tally.waits.push(now - self.began);
                self.tally.times.push(now);
                self.call = Call::Holding(lease);
                if self.spec.dies == Some(Death::Holding) {
                    return Deed::End;
                }
                return Deed::Sleep(self.spec.hold);
            }
            (End::Acquired(_), _) => self.tally.given_up += 1,
            (End::Released(Released::Yes(Some(stored))), _) => {
                self.own_release = Some(stored.record.nonce);
                self.known.note_released(stored, self.at(now));
            }
            (End::Released(_), _) => {}
        }
        if let Some(cycles) = &mut self.spec.cycles {
            *cycles -= 1;
            if *cycles == 0 {
                self.call = Call::Gone;
                return Deed::End;
            }
        }
        Deed::Sleep(self.spec.rest)
    }
}

/// A random pause that grows with each try.
fn backoff(tries: u32, (least, most): (Duration, Duration), dice: &mut Dice) -> Duration {
    let longest = least.saturating_mul(1 << tries.min(16)).min(most);
    let range = u64::try_from((longest - least.min(longest)).as_micros()).expect("short");
    least.min(longest) + Duration::from_micros(dice.below(range + 1))
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
