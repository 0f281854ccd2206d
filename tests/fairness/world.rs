//! The store, the network and the clients in virtual time: what happens, in its order.

use std::collections::BTreeMap;
use std::time::Duration;

use s3_lock::internals::protocol::record::Record;
use s3_lock::internals::protocol::{Condition, Queue, QueueFound, Refusal};

use crate::client::{Answer, Ask, Call, Client, Death, Deed, Spec};
use crate::dice::Dice;
use crate::judge::{Judge, Taking};
use crate::mutants::Mutant;
use crate::network::{Network, TIMEOUT, is_in};
use crate::store::{Object, QueueBody, Store, Written, refused};

/// What may happen to what is stored, by something other than these clients.
#[derive(Clone, Debug)]
pub enum Act {
    DeleteQueue,
    /// The queue as it was so many versions ago stands there again.
    RestoreQueue(usize),
    /// Another program's object stands there.
    ReplaceQueue,
    /// The queue is altered: its JSON goes in, and what is stored comes out.
    ForgeQueue(fn(&mut serde_json::Value)),
    /// A program that does not keep what it does not know writes a free lock's record.
    LoseAdvice,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "most are of the largest kinds")]
enum Happening {
    Wake {
        who: usize,
        epoch: u64,
    },
    Arrive(Request),
    Hear {
        request: Request,
        answer: Answer,
        served: Duration,
    },
    Act(Act),
    Spawn {
        spec: Spec,
        every: Duration,
        until: Duration,
    },
}

#[derive(Clone, Debug)]
struct Request {
    by: usize,
    epoch: u64,
    ask: Ask,
    sent: Duration,
    /// How long the reply takes, if it arrives.
    back: Option<Duration>,
}

#[derive(Debug)]
pub struct World {
    pub now: Duration,
    pub store: Store,
    pub network: Network,
    pub clients: Vec<Client>,
    pub judge: Judge,
    /// Whether to print what arrives at the store.
    pub traces: bool,
    mutant: Option<Mutant>,
    agenda: BTreeMap<(Duration, u64), Happening>,
    happenings: u64,
    queue_written: Option<Duration>,
    dice: Dice,
    seed: u64,
}

impl World {
    pub fn new(seed: u64, network: Network) -> World {
        World {
            now: Duration::ZERO,
            store: Store::new(),
            network,
            clients: Vec::new(),
            judge: Judge::default(),
            traces: false,
            mutant: None,
            agenda: BTreeMap::new(),
            happenings: 0,
            queue_written: None,
            dice: Dice::new(seed, &[0]),
            seed,
        }
    }

    /// The same for clients that break a rule.
    pub fn breaking(mut self, mutant: Option<Mutant>) -> World {
        self.mutant = mutant;
        self
    }

    pub fn add(&mut self, spec: Spec) -> usize {
        let who = self.clients.len();
        let begins = spec.begins.max(self.now);
        let dice = Dice::new(self.seed, &[1, who as u64]);
        self.clients.push(Client::new(spec, self.mutant, dice));
        self.plan(begins, Happening::Wake { who, epoch: 0 });
        who
    }

    /// A new process each time.
    pub fn stream(&mut self, spec: Spec, every: Duration, until: Duration) {
        self.plan(spec.begins, Happening::Spawn { spec, every, until });
    }

    pub fn act_at(&mut self, at: Duration, act: Act) {
        self.plan(at, Happening::Act(act));
    }

    fn plan(&mut self, at: Duration, happening: Happening) {
        self.happenings += 1;
        self.agenda.insert((at, self.happenings), happening);
    }

    /// Lets everything happen until then.
    pub fn run_until(&mut self, end: Duration) {
        while let Some(((at, _), _)) = self.agenda.first_key_value() {
            if *at > end {
                break;
            }
            let ((at, _), happening) = self.agenda.pop_first().expect("it was there");
            self.now = at;
            self.happen(happening);
        }
        self.now = end;
        self.judge.ended(&self.clients, end);
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Wake { who, epoch } => {
                if self.clients[who].epoch == epoch {
                    self.wake(who, epoch);
                }
            }
            Happening::Arrive(request) => self.arrive(request),
            Happening::Hear {
                request,
                answer,
                served,
            } => self.hear(request, answer, served),
            Happening::Act(act) => self.act(act),
            Happening::Spawn { spec, every, until } => {
                self.add(Spec {
                    begins: self.now,
                    ..spec.clone()
                });
                let next = self.now + every;
                if next < until {
                    self.plan(next, Happening::Spawn { spec, every, until });
                }
            }
        }
    }

    /// What would happen to a client while it is suspended happens after that.
    fn resumes(&self, who: usize) -> Option<Duration> {
        let suspended = self.clients[who].spec.suspended;
        let (_, until) = suspended.filter(|_| is_in(suspended, self.now))?;
        Some(until)
    }

    fn wake(&mut self, who: usize, epoch: u64) {
        if let Some(until) = self.resumes(who) {
            return self.plan(until, Happening::Wake { who, epoch });
        }
        let client = &mut self.clients[who];
        let has_ticket = self.judge.has_ticket(who);
        if client.spec.dies == Some(Death::Waiting) && has_ticket {
            client.call = Call::Gone;
            return;
        }
        let deed = client.wake(self.now);
        self.follow(who, deed);
    }

    fn hear(&mut self, request: Request, answer: Answer, served: Duration) {
        let who = request.by;
        if self.clients[who].epoch != request.epoch {
            return;
        }
        if let Some(until) = self.resumes(who) {
            let put_off = Happening::Hear {
                request,
                answer,
                served,
            };
            return self.plan(until, put_off);
        }
        let deed = self.clients[who].hear(self.now, answer, served);
        if let Some(deed) = deed {
            self.follow(who, deed);
        }
    }

    fn follow(&mut self, who: usize, deed: Deed) {
        let believed = self.clients[who].believes(self.now);
        if believed {
            self.judge.believes(who, &mut self.clients, self.now);
        }
        let epoch = self.clients[who].epoch;
        match deed {
            Deed::Ask(asks) => {
                for ask in asks {
                    self.send(who, epoch, ask);
                }
            }
            Deed::Sleep(span) => self.plan(self.now + span, Happening::Wake { who, epoch }),
            Deed::End => {}
        }
    }

    fn send(&mut self, by: usize, epoch: u64, ask: Ask) {
        let way = self.network.way(&mut self.dice);
        let request = Request {
            by,
            epoch,
            ask,
            sent: self.now,
            back: way.back,
        };
        let is_lost = way.there.is_none() || way.back.is_none();
        if let Some(there) = way.there {
            self.plan(self.now + there, Happening::Arrive(request.clone()));
        }
        if is_lost {
            self.clients[by].stumbled = Some(self.now + TIMEOUT);
            let nothing = Happening::Hear {
                request,
                answer: Answer::Nothing,
                served: self.now,
            };
            self.plan(self.now + TIMEOUT, nothing);
        }
    }

    fn arrive(&mut self, request: Request) {
        let answer = self.serve(&request);
        if self.traces {
            trace(self.now, &request, &answer);
        }
        if let Some(back) = request.back {
            let heard = Happening::Hear {
                request,
                answer,
                served: self.now,
            };
            self.plan(self.now + back, heard);
        }
    }

    fn serve(&mut self, request: &Request) -> Answer {
        let now = self.now;
        match &request.ask {
            Ask::Get(Object::Lock) => Answer::Lock(self.store.show_lock(now)),
            Ask::Get(Object::Queue) => {
                let shown = self.store.show_queue(now);
                if is_in(self.network.unreadable, now) {
                    return Answer::Queue(QueueFound::Hidden { date: shown.date });
                }
                Answer::Queue(shown.found())
            }
            Ask::PutLock(record, condition) => {
                Answer::Wrote(self.write_lock(request, record, condition))
            }
            Ask::PutQueue(write) => {
                Answer::Wrote(self.write_queue(request, write.queue.clone(), &write.condition))
            }
        }
    }

    fn write_lock(&mut self, request: &Request, record: &Record, condition: &Condition) -> Written {
        let before = self.store.lock.as_ref().map(|version| version.body.clone());
        let answer = self.store.write_lock(record.clone(), condition, self.now);
        if let Written::Applied { .. } = answer {
            let taking = Taking {
                by: request.by,
                sent: request.sent,
                at: self.now,
                record,
                before: before.as_ref(),
            };
            self.judge
                .wrote_lock(&taking, &self.clients, self.store.queue());
        }
        answer
    }

    fn write_queue(&mut self, request: &Request, queue: Queue, condition: &Condition) -> Written {
        let now = self.now;
        if is_in(self.network.unwritable, now) {
            return refused(Refusal::Denied);
        }
        let is_soon = |at| now < at + self.network.queue_interval;
        if self.queue_written.is_some_and(is_soon) {
            return refused(Refusal::Busy);
        }
        let answer = self.store.write_queue(queue, condition, now);
        if let (Written::Applied { .. }, Some(queue)) = (&answer, self.store.queue()) {
            self.queue_written = Some(now);
            self.judge.wrote_queue(Some(request.by), Some(queue), now);
        }
        answer
    }

    fn act(&mut self, act: Act) {
        let now = self.now;
        match act {
            Act::DeleteQueue => self.store.queue = None,
            Act::RestoreQueue(back) => {
                let past = &self.store.past;
                if let Some(queue) = past.get(past.len().saturating_sub(back + 1)).cloned() {
                    self.store.put_queue(QueueBody::Queue(queue), now);
                }
            }
            Act::ReplaceQueue => {
                self.store.put_queue(QueueBody::Foreign, now);
            }
            Act::ForgeQueue(forge) => {
                let Some(queue) = self.store.queue() else {
                    return;
                };
                let mut json = serde_json::from_slice(&queue.to_body()).expect("it is JSON");
                forge(&mut json);
                let body = serde_json::to_vec(&json).expect("it is JSON");
                let body = Queue::parse(&body).map_or(QueueBody::Foreign, QueueBody::Queue);
                self.store.put_queue(body, now);
            }
            Act::LoseAdvice => return self.lose_advice(),
        }
        self.judge.wrote_queue(None, self.store.queue(), now);
    }

    fn lose_advice(&mut self) {
        let Some(version) = self.store.lock.as_ref().filter(|v| !v.body.is_held()) else {
            // A holder would take it for a loss. Tried again in a moment.
            let soon = self.now + Duration::from_millis(1);
            return self.act_at(soon, Act::LoseAdvice);
        };
        let mut json: serde_json::Value =
            serde_json::from_slice(&version.body.to_body()).expect("it is JSON");
        let fields = json.as_object_mut().expect("a record is an object");
        fields.remove("served");
        fields.remove("queued");
        let body = serde_json::to_vec(&json).expect("it is JSON");
        let record = Record::parse(&body).expect("it is a record");
        self.store.put_lock(record, self.now);
    }

    /// How often each of the first clients had the lock, and how many requests that took for each.
    pub fn shares(&self) -> Shares {
        let tallies = self.clients.iter().map(|client| &client.tally);
        let acquired: Vec<u32> = tallies.clone().map(|tally| tally.acquired).collect();
        let total: u32 = acquired.iter().sum();
        let requests: u32 = tallies.map(|tally| tally.requests()).sum();
        let equal = f64::from(total) / acquired.len() as f64;
        let open = self.clients.iter().filter(|client| client.waits_in_line());
        let open = open.map(|client| self.now - client.began).max();
        let waits = self
            .clients
            .iter()
            .map(|client| client.tally.longest_wait());
        Shares {
            least: f64::from(acquired.iter().min().copied().unwrap_or(0)) / equal,
            most: f64::from(acquired.iter().max().copied().unwrap_or(0)) / equal,
            rate: f64::from(total) / self.now.as_secs_f64(),
            requests: f64::from(requests) / f64::from(total),
            longest_wait: waits
                .max()
                .unwrap_or_default()
                .max(open.unwrap_or_default()),
        }
    }
}

/// How the lock was shared.
#[derive(Clone, Copy, Debug)]
#[expect(dead_code, reason = "shown where it fails")]
pub struct Shares {
    /// The least and the most that one client had, as a part of an equal share.
    pub least: f64,
    pub most: f64,
    /// Acquisitions a second.
    pub rate: f64,
    /// Requests for each acquisition.
    pub requests: f64,
    pub longest_wait: Duration,
}

fn trace(now: Duration, request: &Request, answer: &Answer) {
    let asked = match &request.ask {
        Ask::Get(object) => format!("gets the {object:?}"),
        Ask::PutLock(record, _) => format!(
            "writes {:?} {} served {} queued {}",
            record.state,
            record.fencing_token % 1_000_000,
            record.served() % 1_000_000,
            record.is_queued()
        ),
        Ask::PutQueue(write) => {
            let numbers = write
                .queue
                .tickets
                .iter()
                .map(|ticket| ticket.number % 1_000_000);
            format!("writes tickets {:?}", numbers.collect::<Vec<_>>())
        }
    };
    let answered = match answer {
        Answer::Lock(shown) => shown
            .version
            .as_ref()
            .map_or("absent".to_owned(), |version| {
                format!(
                    "{:?} {}",
                    version.body.state,
                    version.body.fencing_token % 1_000_000
                )
            }),
        Answer::Queue(QueueFound::Present { queue, .. }) => {
            let numbers = queue.tickets.iter().map(|ticket| ticket.number % 1_000_000);
            format!("tickets {:?}", numbers.collect::<Vec<_>>())
        }
        Answer::Queue(found) => format!("{found:?}"),
        Answer::Wrote(Written::Applied { .. }) => "done".to_owned(),
        Answer::Wrote(outcome) => format!("{outcome:?}"),
        Answer::Nothing => String::new(),
    };
    println!("{now:>12?} {} {asked}: {answered}", request.by);
}
