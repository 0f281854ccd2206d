//! Hand-overs between the threads of one client: what `src/engine/hand_over.rs` does, step by step.
//!
//! A thread that is chosen does nothing until it is told what came of the hand-over. Each is told.

use s3_lock::internals::protocol::{
    Acquire, Claim, Ending, Event, HandOver, HandedOver, Lease, ReadOutcome, Release, Released,
    StoredRecord,
};

use super::client::{Client, Inherited, Running, Task, Who, WriteId, claim, version};
use super::judge::{Fault, News};
use super::scenario::{Mutant, Scenario, at};
use super::world::World;

impl World {
    /// The threads that this one may hand the lock over to.
    pub fn next_holders(&self, who: Who, ending: Ending, scenario: &Scenario) -> Vec<Who> {
        let client = self.client(who);
        if client.calls.hand_over == 0 || client.task.is_some() {
            return Vec::new();
        }
        let Some(holding) = &client.holding else {
            return Vec::new();
        };
        let now = at(client.clock);
        let may = |next: &Who| {
            let other = self.client(*next);
            let waits = other.calls.acquire > 0 && other.holding.is_none();
            let waits = waits && other.task.is_none() && *next != who && !self.is_chosen(*next);
            let claim = || self.claim_of(*next, scenario);
            let takes = || {
                HandOver::of(
                    &mut holding.clone(),
                    ending,
                    claim(),
                    &client.knowledge,
                    now,
                )
            };
            waits && takes().is_some()
        };
        self.threads_of(who, scenario)
            .into_iter()
            .filter(may)
            .collect()
    }

    /// What this thread claims.
    fn claim_of(&self, who: Who, scenario: &Scenario) -> Claim {
        let label = self.label_of(who, scenario);
        claim(
            who,
            label.filter(|_| !scenario.has(Mutant::HandOverOfTheDone)),
            scenario,
        )
    }

    /// Whether the lock is being handed over to this thread.
    pub fn is_chosen(&self, who: Who) -> bool {
        self.clients.iter().any(|client| client.chosen == Some(who))
    }

    /// Begins to release, and chooses the next holder in the same step.
    pub fn hand_over(&mut self, who: Who, next: Who, ending: Ending, scenario: &Scenario) {
        self.begins_to_end(who, ending);
        let claim = self.claim_of(next, scenario);
        self.client_mut(next).calls.acquire -= 1;
        let client = self.client_mut(who);
        client.calls.hand_over -= 1;
        client.chosen = Some(next);
        client.side = None;
        let aim = client.token();
        let now = at(client.clock);
        let is_unmarked = scenario.has(Mutant::HandOverWithoutMark);
        let ending = if is_unmarked {
            Ending::Released
        } else {
            ending
        };
        let holding = client.holding.as_mut().expect("it holds the lock");
        let operation = HandOver::of(holding, ending, claim, &client.knowledge, now);
        let running = Running::HandOver(operation.expect("it may be handed over"));
        if let Some(end) = client.begin(who, running, aim, None, scenario) {
            self.finish(who, end, scenario);
        }
        if scenario.has(Mutant::HandedOverAtTheSend) {
            let holding = self.client(who).holding.as_ref();
            let write = holding.and_then(Lease::hand_over_in_doubt).expect("sent");
            let record = write.write().record.clone();
            let etag = version(&record);
            self.hand_out(next, Lease::new(StoredRecord { etag, record }, now));
        }
    }

    /// The thread that gives the lock back unwinds.
    pub fn unwind(&mut self, who: Who, scenario: &Scenario) {
        self.left.crashes -= 1;
        let task = self.client(who).task.clone().expect("it hands over");
        self.abandon(who);
        let next = self.client_mut(who).chosen.take().expect("it has chosen");
        if !scenario.has(Mutant::HandOverUntold) {
            self.tell_of_doubt(who, next, &task, scenario);
        }
        let client = self.client_mut(who);
        (client.holding, client.ending) = (None, Ending::default());
    }

    pub fn finish_hand_over(
        &mut self,
        who: Who,
        end: HandedOver,
        task: &Task,
        scenario: &Scenario,
    ) -> Option<Fault> {
        let next = self.client_mut(who).chosen.take().expect("it has chosen");
        let fault = match end {
            HandedOver::Yes(lease) => return self.given(who, next, lease, task, scenario),
            HandedOver::No => {
                self.client_mut(next).calls.acquire += 1;
                self.may_remain(who, task, scenario)
                    .then_some(Fault::DoneAfterAll)
            }
            HandedOver::Unknown => {
                self.tell_of_doubt(who, next, task, scenario);
                None
            }
        };
        if scenario.has(Mutant::HandOverInDoubtADone) && self.is_in_doubt(who) {
            self.client_mut(who).holding = None;
            return task.landed.is_none().then_some(Fault::NotDone);
        }
        // Now the release to all.
        let aim = self.client(who).token();
        let inherited = task.inherited_by(who, None);
        let client = self.client_mut(who);
        let running = Running::Release(Release::with(client.ending));
        if let Some(end) = client.begin(who, running, aim, inherited, scenario) {
            self.finish(who, end, scenario);
        }
        fault
    }

    fn is_in_doubt(&self, who: Who) -> bool {
        let holding = self.client(who).holding.as_ref();
        holding.is_some_and(|holding| holding.hand_over_in_doubt().is_some())
    }

    /// The lock was handed over.
    fn given(
        &mut self,
        who: Who,
        next: Who,
        lease: Lease,
        task: &Task,
        scenario: &Scenario,
    ) -> Option<Fault> {
        let done = task.has_landed(lease.record(), scenario);
        let token = self.client(who).token();
        let fault = self.finish_completing(who, token, &Released::Yes(None));
        self.news = Some(News::HandedOver);
        let client = self.client_mut(who);
        client.holding = None;
        client.note_taken(lease.record());
        if scenario.has(Mutant::HandOverToNobody) {
            // It has left meanwhile, without the lock.
            let remains = self.may_remain(who, task, scenario);
            return remains.then_some(Fault::DoneAfterAll);
        }
        self.hand_out(next, lease);
        (!done).then_some(Fault::NotDone).or(fault)
    }

    /// Tells the chosen thread what may have happened. If nothing was sent, it waits on.
    fn tell_of_doubt(&mut self, who: Who, next: Who, task: &Task, scenario: &Scenario) {
        let holding = self.client(who).holding.as_ref();
        let Some(write) = holding.and_then(Lease::hand_over_in_doubt) else {
            self.client_mut(next).calls.acquire += 1;
            return;
        };
        let token = write.write().record.fencing_token;
        let is_known = !scenario.has(Mutant::HandOverUnregistered);
        let inherited = task.inherited_by(who, is_known.then_some(token));
        let claim = self.claim_of(next, scenario);
        let running = Running::Acquire(Acquire::resolving(claim, &write));
        let client = self.client_mut(next);
        if let Some(end) = client.begin(next, running, None, inherited, scenario) {
            self.finish(next, end, scenario);
        }
    }
}

impl Task {
    /// What a call knows of this one's write that goes on from it.
    fn inherited_by(&self, who: Who, living: Option<u64>) -> Option<Inherited> {
        let id = WriteId {
            by: who,
            number: self.first_write,
        };
        Some(Inherited {
            id,
            landed: self.landed == Some(id),
            living,
        })
    }
}

impl Client {
    /// What a release that is broken on purpose makes of a hand-over that it finds.
    pub fn mistake_hand_over(
        &mut self,
        task: &mut Task,
        event: Event,
        scenario: &Scenario,
    ) -> Event {
        let (Running::Release(_), Event::Read(Ok(ReadOutcome::Present(seen)))) =
            (&task.call, &event)
        else {
            return event;
        };
        let in_doubt = self.holding.as_ref().and_then(Lease::hand_over_in_doubt);
        let (Some(mutant), Some(write), Some(own)) = (scenario.mutant, in_doubt, &self.holding)
        else {
            return event;
        };
        let (write, own) = (&write.write().record, own.record().clone());
        let record = match mutant {
            Mutant::HandOverKnownByToken if seen.record.fencing_token == write.fencing_token => {
                let mut seen = seen.clone();
                seen.record = write.clone();
                return Event::Read(Ok(ReadOutcome::Present(seen)));
            }
            Mutant::HandOverAmongItsOwn if seen.record == *write => write.clone(),
            Mutant::ReleasedOverAHandOver if seen.record == *write => own,
            _ => return event,
        };
        let etag = seen.etag.clone();
        self.holding = Some(Lease::new(StoredRecord { etag, record }, at(self.clock)));
        task.call = Running::Release(Release::default());
        Event::Resume
    }
}
