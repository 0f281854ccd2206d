//! The store, the network, the clocks and the clients, and everything that can happen next.

use std::fmt;
use std::sync::Arc;

use s3_lock::internals::protocol::lease::Learned;
use s3_lock::internals::protocol::{
    Ending, Event, Free, Look, ReadOutcome, Refusal, Release, Renew, Trouble, WriteOutcome,
};

use super::client::{At, Client, Message, QueueNews, Reply, Running, Who, WriteId, version};
use super::judge::{Fault, History, News};
use super::scenario::{Budget, DRIFT, LEASE, Mutant, Role, Scenario, TICKS_PER_SECOND, at};
use super::store::{Object, Store};
use super::store::{UNKNOWN, Written, applied, refused};

/// More turns than any call needs that must end. A call that goes on longer goes in circles, in
/// which the checker would see no end and so no error.
pub const MAX_TURNS: u8 = 40;

/// Everything, at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    pub store: Store,
    pub clients: Vec<Arc<Client>>,
    /// Writes that may still arrive, although no client waits for their reply.
    pub late: Vec<Message>,
    pub left: Budget,
    pub history: History,
    /// What the last action brought about. Only the checks of what must be possible use it.
    pub news: Option<News>,
}

/// What can happen next.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Begin(Who, Call),
    /// The first hands the lock over to the second, or tries to.
    HandOver(Who, Who),
    /// The same, and the first completes its label.
    CompleteTo(Who, Who),
    /// A thread that hands the lock over stops in the middle.
    Unwind(Who),
    /// The store carries out a request and answers it.
    Serve(Who),
    /// The store carries out a write. Then a proxy sends the same write once more.
    ServeTwice(Who),
    Refuse(Who, Refusal),
    /// The store refuses to show what it has.
    Forbid(Who),
    /// A request is not sent: there is no connection.
    Fail(Who, Trouble),
    /// The answer arrives.
    Hear(Who),
    /// No answer arrives in time.
    HearNothing(Who),
    /// A write whose reply no client awaits arrives at the store.
    Land(WriteId),
    /// Instead of the reply, a proxy's arrives: an error that is not the store's.
    Garble(Who),
    ServeLook(Who),
    HearLook(Who),
    /// A look has no reply.
    MissLook(Who),
    /// Something comes of a request for the queue.
    Queue(Who, QueueNews),
    GoOn(Who),
    GiveUp(Who),
    Crash(Who),
    /// A program deletes the object.
    Delete,
    Tick,
    /// Nearly a lease passes. The clocks in the set run fast.
    Lease(u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Acquire,
    Renew,
    Verify,
    GiveBack,
    Detach,
    Status,
    ReleaseByName,
    ForceRelease,
    Complete,
}

impl World {
    pub fn new(scenario: &Scenario, phase: u32, ahead: i64) -> World {
        // Every clock begins at another time: code that compares two of them goes wrong at once.
        let clock = |process: usize| 10_000 * (u32::try_from(process).expect("few") + 1);
        let client = |(i, role): (usize, &Role)| {
            let process = role.twin.map_or(i, |twin| usize::from(twin.0));
            let trusts_date = scenario.trusts_date(role);
            Arc::new(Client::new(clock(process), trusts_date, role.calls))
        };
        let mut world = World {
            store: Store {
                clock: 100 * TICKS_PER_SECOND + phase,
                ahead,
                object: None,
            },
            clients: scenario.roles.iter().enumerate().map(client).collect(),
            late: Vec::new(),
            left: scenario.budget,
            history: History::default(),
            news: None,
        };
        for action in &scenario.already {
            world.act(*action, scenario);
        }
        world
    }

    pub fn client(&self, who: Who) -> &Client {
        &self.clients[usize::from(who.0)]
    }

    pub fn client_mut(&mut self, who: Who) -> &mut Client {
        Arc::make_mut(&mut self.clients[usize::from(who.0)])
    }

    pub fn everybody(&self) -> impl Iterator<Item = Who> + use<> {
        let count = u8::try_from(self.clients.len()).expect("few");
        (0..count).map(Who)
    }

    /// The clients that go on with the work that the lock protects.
    pub fn believers(&self, scenario: &Scenario) -> usize {
        let believes = |client: &&Arc<Client>| {
            let excused = |token| self.history.excused.contains(&token);
            client.believes(scenario) && !client.token().is_some_and(excused)
        };
        self.clients.iter().filter(believes).count()
    }

    pub fn actions(&self, scenario: &Scenario, actions: &mut Vec<Action>) {
        let is_endless = |client: &Arc<Client>| {
            let task = client.task.as_ref();
            task.is_some_and(|task| task.turns == MAX_TURNS)
        };
        if self.history.fault.is_some() || self.clients.iter().any(is_endless) {
            return;
        }
        for who in self.everybody() {
            self.calls(who, scenario, actions);
            self.steps(who, scenario, actions);
        }
        for message in &self.late {
            actions.push(Action::Land(message.id));
        }
        if self.left.leases > 0 && !(scenario.must_end && self.is_busy(scenario)) {
            actions.extend(scenario.fast.iter().map(|set| Action::Lease(*set)));
        }
        if self.left.ticks > 0 {
            actions.push(Action::Tick);
        }
        if self.left.deletions > 0 && self.store.object.is_some() {
            actions.push(Action::Delete);
        }
    }

    /// The threads of a client's process, itself among them.
    pub fn threads_of(&self, who: Who, scenario: &Scenario) -> Vec<Who> {
        let process = scenario.process(who);
        let is_one = |other: &Who| scenario.process(*other) == process;
        self.everybody().filter(is_one).collect()
    }

    /// Whether a guard of this client may have the lock. Then the client does not ask for it.
    fn has_guard(&self, who: Who, scenario: &Scenario) -> bool {
        let threads = self.threads_of(who, scenario);
        let has = |other: &Who| {
            let other = self.client(*other);
            other.holding.is_some() && other.lost().is_none()
        };
        threads.iter().any(has)
    }

    /// Whether there is anything else to do than to let time pass.
    fn is_busy(&self, scenario: &Scenario) -> bool {
        let mut actions = Vec::new();
        for who in self.everybody() {
            self.calls(who, scenario, &mut actions);
            self.steps(who, scenario, &mut actions);
        }
        !actions.is_empty()
    }

    fn may_crash(&self, who: Who, scenario: &Scenario) -> bool {
        self.left.crashes > 0 && !scenario.role(who).is_steady
    }

    fn calls(&self, who: Who, scenario: &Scenario, actions: &mut Vec<Action>) {
        let client = self.client(who);
        if self.is_chosen(who) {
            return;
        }
        let mut offer = |left: u16, call| {
            if left > 0 {
                actions.push(Action::Begin(who, call));
            }
        };
        let calls = &client.calls;
        let renews = matches!(&client.task, Some(task) if matches!(task.call, Running::Renew(_)));
        if client.holding.is_some() && (client.task.is_none() || renews) {
            offer(1, Call::GiveBack);
            offer(calls.complete, Call::Complete);
        }
        if client.holding.is_some() && client.side.is_none() && (client.task.is_none() || renews) {
            offer(calls.verify, Call::Verify);
        }
        if client.task.is_some() {
            return;
        }
        if client.holding.is_some() {
            offer(calls.renew, Call::Renew);
            offer(calls.detach, Call::Detach);
        } else if !self.has_guard(who, scenario) {
            offer(calls.acquire, Call::Acquire);
        }
        offer(calls.status, Call::Status);
        offer(calls.release, Call::ReleaseByName);
        if client.knowledge.held.is_some() {
            offer(calls.force_release, Call::ForceRelease);
        }
        for next in self.next_holders(who, Ending::Released, scenario) {
            actions.push(Action::HandOver(who, next));
        }
        if client.calls.complete > 0 {
            let next = self
                .next_holders(who, Ending::Completed, scenario)
                .into_iter();
            actions.extend(next.map(|next| Action::CompleteTo(who, next)));
        }
        if self.may_crash(who, scenario) && client.holding.is_some() {
            actions.push(Action::Crash(who));
        }
    }

    fn steps(&self, who: Who, scenario: &Scenario, actions: &mut Vec<Action>) {
        let client = self.client(who);
        if let Some(side) = &client.side {
            match side.reply {
                None => actions.push(Action::ServeLook(who)),
                Some(_) => actions.push(Action::HearLook(who)),
            }
            if self.left.losses > 0 {
                actions.push(Action::MissLook(who));
            }
        }
        let Some(task) = &client.task else {
            return;
        };
        let mut may_be_unsent = false;
        match &task.at {
            At::Reading { reply: None, .. } => {
                actions.push(Action::Serve(who));
                may_be_unsent = true;
            }
            At::Writing {
                message,
                repeated,
                reply: None,
            } => {
                may_be_unsent = !repeated;
                let takes_effect = self.store.allows(message, scenario);
                self.answers_to_write(who, takes_effect, may_be_unsent, actions);
            }
            At::Writing {
                reply: Some(WriteOutcome::Applied { .. }),
                ..
            } => {
                actions.push(Action::Hear(who));
                if self.left.failures > 0 {
                    actions.push(Action::Garble(who));
                }
            }
            At::Reading { .. } | At::Writing { .. } => actions.push(Action::Hear(who)),
            At::Queue(_) => {
                let news = [QueueNews::Others, QueueNews::Nobody, QueueNews::Nothing];
                actions.extend(news.map(|news| Action::Queue(who, news)));
                may_be_unsent = true;
            }
            // Another look at the same moment at the same version would show the same.
            At::Waiting { since } => {
                let held = client.knowledge.held.as_ref().map(|seen| &seen.etag);
                let seen = held.or(task.seen.as_ref());
                let stored = self.store.object.as_ref().map(|object| &object.etag);
                if *since != client.clock || seen != stored {
                    actions.push(Action::GoOn(who));
                }
            }
            At::Pausing => actions.push(Action::GoOn(who)),
        }
        let waits = matches!(task.at, At::Waiting { .. } | At::Pausing);
        if !waits {
            self.failures(who, &task.at, may_be_unsent, actions);
        }
        if (waits || may_be_unsent) && !scenario.must_end {
            actions.push(Action::GiveUp(who));
        }
        if self.may_crash(who, scenario) {
            actions.push(Action::Crash(who));
        }
        if self.left.crashes > 0 && matches!(task.call, Running::HandOver(_)) {
            actions.push(Action::Unwind(who));
        }
    }

    /// What may go wrong with a request for the lock.
    fn failures(&self, who: Who, at: &At, may_be_unsent: bool, actions: &mut Vec<Action>) {
        if let At::Queue(_) = at {
            return;
        }
        if self.left.losses > 0 {
            actions.push(Action::HearNothing(who));
        }
        if may_be_unsent && self.left.failures > 0 {
            if let At::Reading { .. } = at {
                actions.push(Action::Forbid(who));
            }
            actions.push(Action::Fail(who, Trouble::Transient));
            actions.push(Action::Fail(who, Trouble::Permanent));
        }
    }

    fn answers_to_write(
        &self,
        who: Who,
        takes_effect: bool,
        may_be_unsent: bool,
        actions: &mut Vec<Action>,
    ) {
        actions.push(Action::Serve(who));
        if takes_effect && self.left.repeats > 0 {
            actions.push(Action::ServeTwice(who));
        }
        if self.left.failures > 0 {
            actions.push(Action::Refuse(who, Refusal::Conflict));
            actions.push(Action::Refuse(who, Refusal::Busy));
        }
        if may_be_unsent && self.left.failures > 0 {
            actions.push(Action::Refuse(who, Refusal::Denied));
        }
    }

    /// Carries out an action.
    pub fn act(&mut self, action: Action, scenario: &Scenario) {
        self.news = None;
        let before = self.clients.clone();
        match action {
            Action::Begin(who, call) => self.begin(who, call, scenario),
            Action::HandOver(who, next) => self.hand_over(who, next, Ending::Released, scenario),
            Action::CompleteTo(who, next) => {
                self.hand_over(who, next, Ending::Completed, scenario);
            }
            Action::Unwind(who) => self.unwind(who, scenario),
            Action::Serve(who) => self.serve(who, scenario),
            Action::ServeTwice(who) => self.serve_twice(who, scenario),
            Action::Refuse(who, refusal) => self.refuse(who, refusal),
            Action::Forbid(who) => self.forbid(who, scenario),
            Action::Fail(who, trouble) => self.fail(who, trouble, scenario),
            Action::Hear(who) => self.hear(who, scenario),
            Action::HearNothing(who) => self.hear_nothing(who, scenario),
            Action::Garble(who) => {
                self.left.failures -= 1;
                self.client_mut(who)
                    .task
                    .as_mut()
                    .expect("it asks")
                    .unresolved = true;
                self.feed(who, Event::Wrote(UNKNOWN), scenario);
            }
            Action::ServeLook(who) => {
                let shown = self.store.show(scenario.role(who).is_misdated());
                let side = self.client_mut(who).side.as_mut().expect("it looks");
                side.reply = Some(shown);
            }
            Action::HearLook(who) => self.hear_look(who, scenario),
            Action::MissLook(who) => {
                self.left.losses -= 1;
                self.feed_look(who, Event::GiveUp);
            }
            Action::Land(id) => {
                let place = self.late.iter().position(|m| m.id == id);
                let message = self.late.remove(place.expect("it is on its way"));
                self.carry_out(&message, scenario);
            }
            Action::Queue(who, news) => {
                if let Some(end) = self.client_mut(who).ask_queue(who, news, scenario) {
                    self.finish(who, end, scenario);
                }
            }
            Action::GoOn(who) => self.feed(who, Event::Resume, scenario),
            // Instead of the request: there was no time left to send it.
            Action::GiveUp(who) => self.feed(who, Event::GiveUp, scenario),
            Action::Crash(who) => {
                self.left.crashes -= 1;
                for thread in self.threads_of(who, scenario) {
                    self.abandon(thread);
                    let trusts_date = scenario.trusts_date(scenario.role(thread));
                    let client = self.client_mut(thread);
                    *client = client.restarted(trusts_date);
                }
            }
            Action::Delete => {
                self.left.deletions -= 1;
                self.store.object = None;
            }
            Action::Tick => {
                self.left.ticks -= 1;
                self.pass(1, 0, scenario);
            }
            Action::Lease(fast) => {
                self.left.leases -= 1;
                self.pass(LEASE - 2, fast, scenario);
            }
        }
        self.share(&before, scenario);
        self.watch_looks();
        self.forget_what_cannot_land(scenario);
    }

    fn pass(&mut self, ticks: u32, fast: u8, scenario: &Scenario) {
        let passed = |bit: u8| ticks + DRIFT * u32::from(fast >> bit & 1);
        self.store.clock += passed(0);
        for who in self.everybody() {
            let process = scenario.process(who);
            self.client_mut(who).clock += passed(process.0 + 1);
        }
    }

    /// All threads of a client know what one of them has learned.
    fn share(&mut self, before: &[Arc<Client>], scenario: &Scenario) {
        for (who, role) in self.everybody().zip(&scenario.roles) {
            let Some(twin) = role.twin else {
                continue;
            };
            let has_learned = |one: Who| {
                let (now, then) = (self.client(one), &before[usize::from(one.0)]);
                now.trusts_date != then.trusts_date || now.knowledge != then.knowledge
            };
            let (from, to) = match has_learned(twin) {
                true => (twin, who),
                false if has_learned(who) => (who, twin),
                false => continue,
            };
            let knowledge = self.client(from).knowledge.clone();
            let trusts_date = self.client(from).trusts_date;
            let to = self.client_mut(to);
            (to.knowledge, to.trusts_date) = (knowledge, trusts_date);
        }
    }

    fn begin(&mut self, who: Who, call: Call, scenario: &Scenario) {
        let mut aim = None;
        let label = self.label_of(who, scenario);
        if matches!(call, Call::GiveBack | Call::Complete) {
            // A renewal under way is dropped for it, but its write is not.
            self.abandon(who);
            self.begins_to_end(who, ending_of(call));
        }
        if call == Call::Verify {
            let stood = self.stands(who);
            let client = self.client_mut(who);
            client.calls.verify -= 1;
            client.begin_look(stood);
            return;
        }
        let client = self.client_mut(who);
        let calls = &mut client.calls;
        let running = match call {
            Call::Acquire => {
                calls.acquire -= 1;
                Running::acquire(who, label, scenario)
            }
            Call::Renew => {
                calls.renew -= 1;
                aim = client.token();
                Running::Renew(Renew::default())
            }
            Call::Verify => unreachable!("it goes beside"),
            Call::GiveBack | Call::Complete => {
                client.side = None;
                aim = client.token();
                let marks = scenario.has(Mutant::ReleaseMarks);
                let ending = if marks {
                    Ending::Completed
                } else {
                    client.ending
                };
                Running::Release(Release::with(ending))
            }
            Call::Detach => {
                calls.detach -= 1;
                (client.holding, client.side) = (None, None);
                return;
            }
            Call::Status => {
                calls.status -= 1;
                Running::Status(Look)
            }
            Call::ReleaseByName => {
                calls.release -= 1;
                Running::release(scenario)
            }
            Call::ForceRelease => {
                calls.force_release -= 1;
                let seen = client.knowledge.held.as_ref().expect("it was seen");
                aim = Some(seen.record.fencing_token);
                let owner = seen.record.owner.clone();
                Running::Free(Free::by_force(owner, seen.record.fencing_token))
            }
        };
        if let Some(end) = client.begin(who, running, aim, None, scenario) {
            self.finish(who, end, scenario);
        }
    }

    fn feed(&mut self, who: Who, event: Event, scenario: &Scenario) {
        let lost = self.client(who).lost();
        let end = self.client_mut(who).feed(who, event, scenario);
        self.judge_loss(who);
        if let Some(end) = end {
            self.finish(who, end, scenario);
        }
        self.judge_revival(who, lost);
    }

    fn feed_look(&mut self, who: Who, event: Event) {
        let lost = self.client(who).lost();
        let record = |client: &Client| client.holding.as_ref().map(|h| h.record().nonce);
        let before = record(self.client(who));
        let end = self.client_mut(who).feed_look(event);
        self.judge_loss(who);
        let has_found = record(self.client(who)) != before;
        if let Some(end) = end {
            self.finish_look(who, end);
        }
        if has_found {
            self.news = Some(News::Adopted);
        }
        self.judge_revival(who, lost);
    }

    fn hear_look(&mut self, who: Who, scenario: &Scenario) {
        let side = self.client(who).side.as_ref().expect("it looks");
        let (sent, shown) = (side.sent, side.reply.clone().expect("it has arrived"));
        // A look is not told whether its holding is alive.
        let client = self.client_mut(who);
        let sight = client.take_in(who, sent, shown, |_| false, scenario);
        if scenario.has(Mutant::MarkIgnored) {
            let now = at(client.clock);
            let holding = client.holding.as_mut().expect("a guard verifies");
            let _: Learned = holding.learn(&sight, now);
        }
        self.feed_look(who, Event::Read(Ok(sight)));
    }

    /// A holding that was lost, and that the same client still has, must still be lost.
    fn judge_revival(&mut self, who: Who, lost: Option<u64>) {
        if lost.is_some() && self.client(who).token() == lost && self.client(who).lost().is_none() {
            self.history.fault = Some(Fault::Revived);
        }
    }

    /// Drops a call and what it waits for. What it has sent is still on its way.
    pub fn abandon(&mut self, who: Who) {
        let task = self.client_mut(who).task.take();
        if let Some(At::Writing {
            message,
            reply: None,
            ..
        }) = task.map(|task| task.at)
        {
            self.send_on(message);
        }
    }

    fn send_on(&mut self, message: Message) {
        if !self.late.contains(&message) {
            self.late.push(message);
            self.late.sort_by_key(|message| message.id);
        }
    }

    /// A version that was replaced never comes back, so a condition does not either.
    fn forget_what_cannot_land(&mut self, scenario: &Scenario) {
        let store = &self.store;
        if !scenario.versions_return() {
            self.late.retain(|message| store.allows(message, scenario));
        }
    }

    fn serve(&mut self, who: Who, scenario: &Scenario) {
        let at = &self.client(who).task.as_ref().expect("it asks").at;
        match at.clone() {
            At::Reading { sent, .. } => {
                let shown = self.store.show(scenario.role(who).is_misdated());
                let task = self.client_mut(who).task.as_mut().expect("it asks");
                task.at = At::Reading {
                    sent,
                    reply: Some(shown),
                };
            }
            At::Writing { message, .. } => {
                let answer = self.carry_out(&message, scenario);
                self.answer(who, answer);
            }
            _ => unreachable!("it asks"),
        }
    }

    fn serve_twice(&mut self, who: Who, scenario: &Scenario) {
        self.left.repeats -= 1;
        let at = &self.client(who).task.as_ref().expect("it asks").at;
        let At::Writing { message, .. } = at.clone() else {
            unreachable!("it writes");
        };
        self.carry_out(&message, scenario);
        let task = self.client_mut(who).task.as_mut().expect("it asks");
        task.at = At::Writing {
            message,
            repeated: true,
            reply: None,
        };
    }

    fn refuse(&mut self, who: Who, refusal: Refusal) {
        self.left.failures -= 1;
        let at = &self.client(who).task.as_ref().expect("it asks").at;
        let of_another = matches!(refusal, Refusal::Conflict | Refusal::Busy);
        if let (At::Writing { message, .. }, true) = (at.clone(), of_another) {
            // The write may be in conflict with a copy of itself, or may come too soon after one.
            self.send_on(message);
        }
        self.answer(who, refused(refusal));
    }

    fn forbid(&mut self, who: Who, scenario: &Scenario) {
        self.left.failures -= 1;
        let date = Some(self.store.date());
        let sight = ReadOutcome::Hidden { date };
        self.feed(who, Event::Read(Ok(sight)), scenario);
    }

    fn fail(&mut self, who: Who, trouble: Trouble, scenario: &Scenario) {
        self.left.failures -= 1;
        let at = &self.client(who).task.as_ref().expect("it asks").at;
        let event = match at {
            At::Writing { .. } => Event::Wrote(WriteOutcome::NotSent(trouble)),
            _ => Event::Read(Err(trouble)),
        };
        self.feed(who, event, scenario);
    }

    fn answer(&mut self, who: Who, answer: Written) {
        let task = self.client_mut(who).task.as_mut().expect("it asks");
        let At::Writing { reply, .. } = &mut task.at else {
            unreachable!("it writes");
        };
        *reply = Some(answer);
    }

    /// What the store does with a write.
    fn carry_out(&mut self, message: &Message, scenario: &Scenario) -> Written {
        if !self.store.allows(message, scenario) {
            return refused(Refusal::Condition);
        }
        self.judge(message, scenario);
        let record = message.write.record.clone();
        let etag = version(&record);
        let deletes = scenario.has(Mutant::DeleteOnRelease) && !record.is_held();
        self.store.object = (!deletes).then(|| Object {
            etag: etag.clone(),
            record,
            modified: self.store.stamp(),
            by: message.id,
        });
        self.credit(message);
        applied(etag)
    }

    /// Notes a write that was carried out with the calls that it is a write of. To undo a hand-over ends
    /// the old holding, too.
    fn credit(&mut self, message: &Message) {
        let undone = message.undoes;
        for who in self.everybody() {
            let Some(task) = &self.client(who).task else {
                continue;
            };
            let is_undone = task.inherited == undone && task.landed.is_none();
            let landed = if task.has_made(who, message.id) {
                Some(message.id)
            } else {
                undone.filter(|_| is_undone)
            };
            if let (Some(landed), Some(task)) = (landed, &mut self.client_mut(who).task) {
                task.landed = Some(landed);
            }
        }
    }

    fn hear(&mut self, who: Who, scenario: &Scenario) {
        let event = match self.client(who).take_reply() {
            Reply::Wrote(answer) => Event::Wrote(answer),
            Reply::Read(sent, shown) => {
                let alive = self.alive_beside(who, scenario);
                let is_alive = |token| alive.iter().any(|client| client.is_alive(token));
                let client = self.client_mut(who);
                let sight = client.see(who, sent, shown, is_alive, scenario);
                Event::Read(Ok(sight))
            }
        };
        self.feed(who, event, scenario);
    }

    /// The other threads of its process.
    fn alive_beside(&self, who: Who, scenario: &Scenario) -> Vec<Arc<Client>> {
        let others = self.threads_of(who, scenario).into_iter();
        let others = others.filter(|other| *other != who);
        others
            .map(|other| self.clients[usize::from(other.0)].clone())
            .collect()
    }

    fn hear_nothing(&mut self, who: Who, scenario: &Scenario) {
        self.left.losses -= 1;
        let task = self.client_mut(who).task.as_mut().expect("it asks");
        let event = match task.at.clone() {
            At::Writing { message, reply, .. } => {
                task.unresolved = true;
                if reply.is_none() {
                    self.send_on(message);
                }
                Event::Wrote(UNKNOWN)
            }
            _ => Event::Read(Err(Trouble::Transient)),
        };
        self.feed(who, event, scenario);
    }
}

fn ending_of(call: Call) -> Ending {
    match call {
        Call::Complete => Ending::Completed,
        _ => Ending::Released,
    }
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Begin(who, call) => write!(f, "{who:?} begins to {call:?}"),
            Action::HandOver(who, next) => write!(f, "{who:?} hands over to {next:?}"),
            Action::CompleteTo(who, next) => {
                write!(f, "{who:?} completes its label and hands over to {next:?}")
            }
            Action::Unwind(who) => write!(f, "{who:?} unwinds"),
            Action::Serve(who) => write!(f, "the store answers {who:?}"),
            Action::ServeTwice(who) => {
                write!(
                    f,
                    "the store does as {who:?} asks, and a proxy asks once more"
                )
            }
            Action::Refuse(who, refusal) => write!(f, "the store refuses {who:?}: {refusal:?}"),
            Action::Forbid(who) => write!(f, "the store shows {who:?} nothing"),
            Action::Fail(who, trouble) => write!(f, "{who:?} has no connection: {trouble:?}"),
            Action::Hear(who) => write!(f, "{who:?} hears the answer"),
            Action::HearNothing(who) => write!(f, "{who:?} hears nothing"),
            Action::Land(id) => write!(f, "write {} of {:?} arrives late", id.number, id.by),
            Action::Garble(who) => write!(f, "{who:?} hears somebody else's error"),
            Action::ServeLook(who) => write!(f, "the store answers a look of {who:?}"),
            Action::HearLook(who) => write!(f, "{who:?} hears the answer to its look"),
            Action::MissLook(who) => write!(f, "{who:?} hears nothing of its look"),
            Action::Delete => write!(f, "somebody deletes the object"),
            Action::Queue(who, news) => write!(f, "{who:?} asks for the queue: {news:?}"),
            Action::GoOn(who) => write!(f, "{who:?} goes on"),
            Action::GiveUp(who) => write!(f, "{who:?} gives up"),
            Action::Crash(who) => write!(f, "{who:?} crashes and starts again"),
            Action::Tick => write!(f, "a tick passes"),
            Action::Lease(fast) => write!(f, "a lease but for two ticks passes, fast: {fast:b}"),
        }
    }
}
