//! Compares what happens with what was promised.

use std::sync::Arc;

use s3_lock::internals::protocol::{
    Acquired, Freed, Lease, Loss, Released, Renewed, StoredRecord, Verified,
};

use super::client::{Client, End, Intent, Message, Task, Who};
use super::labels::Labels;
use super::scenario::{Scenario, at};
use super::world::World;

/// What no client knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct History {
    /// The largest token with which the lock was ever acquired.
    pub highest_token: u64,
    /// Holdings that were ended by force or by owner name. What their holders do until they know
    /// does not count: the caller who ended them answers for it.
    pub excused: Vec<u64>,
    pub labels: Labels,
    pub fault: Option<Fault>,
}

/// A promise that was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// A token that is not larger than the one before.
    Token,
    /// A release that ended another's holding.
    FreedAnothers,
    /// Reported as done, and was not.
    NotDone,
    /// Reported as not done, and was done or may yet be.
    DoneAfterAll,
    /// An honest store that was said to refuse what it must do.
    FalselyAccused,
    /// A holding that was lost, and later was not.
    Revived,
    /// A holding reported as lost to something that has not happened.
    LostInError,
    /// A label that was marked as done by two holdings.
    MarkedTwice,
    /// A label that was marked although nobody had completed it.
    MarkedUncalled,
    /// A write that dropped the mark of a label.
    MarkForgotten,
    /// A holding for a label that was done.
    DoneAgain,
}

/// What must be possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum News {
    TookOver,
    Reclaimed,
    /// A read has found a write whose reply was lost.
    Resolved,
    /// The same for a renewal, found by a later call.
    Adopted,
    /// An acquire was given up, and its write can never land now.
    Undone,
    /// A holder has learned that an operator broke its holding.
    LearnedOfForce,
    /// A holding was ended by owner name or by force.
    Freed,
    /// A guard's release was inferred from what came after it.
    Inferred,
    /// A thread has handed the lock over to another thread of its client.
    HandedOver,
    /// A label was completed.
    Completed,
    /// A client has found that its label is done.
    AlreadyDone,
}

impl History {
    fn excuse(&mut self, token: u64) {
        if let Err(place) = self.excused.binary_search(&token) {
            self.excused.insert(place, token);
        }
    }
}

impl World {
    /// Compares a write that is about to be carried out with what was promised.
    pub fn judge(&mut self, message: &Message, scenario: &Scenario) {
        let record = &message.write.record;
        let token = record.fencing_token;
        self.judge_labels(message);
        let before = self
            .store
            .object
            .as_ref()
            .map(|o| &o.record)
            .filter(|r| r.is_held());
        match message.intent {
            Intent::Renew(own) | Intent::GiveBack(own) => {
                if before.is_some_and(|b| b.fencing_token != own) {
                    self.history.fault = Some(Fault::FreedAnothers);
                }
            }
            Intent::HandOver(own) => {
                if before.is_some_and(|b| b.fencing_token != own) {
                    self.history.fault = Some(Fault::FreedAnothers);
                }
                self.judge_token(token);
            }
            Intent::Take => self.judge_token(token),
            Intent::Undo(own) => {
                let other = before.map(|b| b.fencing_token).filter(|t| *t != own);
                // It may replace a holding that was to be taken over, if that is no longer valid.
                if other.is_some_and(|t| self.is_valid(t, scenario)) {
                    self.history.fault = Some(Fault::FreedAnothers);
                }
            }
            Intent::End(aim) => {
                if before.is_some_and(|b| Some(b.fencing_token) != aim) {
                    self.history.fault = Some(Fault::FreedAnothers);
                }
                if let Some(token) = aim {
                    self.history.excuse(token);
                }
            }
        }
    }

    fn judge_token(&mut self, token: u64) {
        if token <= self.history.highest_token {
            self.history.fault = Some(Fault::Token);
        }
        self.history.highest_token = self.history.highest_token.max(token);
    }

    fn is_valid(&self, token: u64, scenario: &Scenario) -> bool {
        let has = |client: &Arc<Client>| client.token() == Some(token) && client.believes(scenario);
        self.clients.iter().any(has)
    }

    pub fn finish(&mut self, who: Who, end: End, scenario: &Scenario) {
        let task = self
            .client_mut(who)
            .task
            .take()
            .expect("it has ended just now");
        let fault = match end {
            End::Acquired(Acquired::Won {
                lease: holding,
                from,
            }) => {
                let is_reclaimed = from
                    .as_ref()
                    .is_some_and(|from| holding.record().reclaimed == Some(from.fencing_token));
                self.news = match from {
                    Some(_) if is_reclaimed => Some(News::Reclaimed),
                    Some(_) => Some(News::TookOver),
                    None => task.resolved.then_some(News::Resolved),
                };
                let done = task.has_landed(holding.record(), scenario);
                self.hand_out(who, holding);
                (!done).then_some(Fault::NotDone)
            }
            End::Acquired(Acquired::MayRemain) | End::Looked => None,
            End::Acquired(Acquired::ConditionIgnored) | End::Freed(Freed::ConditionIgnored) => {
                Some(Fault::FalselyAccused)
            }
            End::Acquired(Acquired::AlreadyDone(done)) => {
                self.finish_skipping(who, &done, &task, scenario)
            }
            End::Acquired(
                Acquired::Held(_)
                | Acquired::OthersFirst
                | Acquired::Failed
                | Acquired::TokensExhausted,
            ) => {
                let undone = task.landed.is_some_and(|id| self.store.is_released_by(id));
                self.news = undone.then_some(News::Undone);
                self.may_remain(who, &task, scenario)
                    .then_some(Fault::DoneAfterAll)
            }
            End::Renewed(renewed) => self.finish_renewal(who, &renewed, &task, scenario),
            End::Released(released) => {
                let token = self.client(who).token();
                let completed = self.finish_completing(who, token, &released);
                completed.or(self.finish_release(who, released, &task, scenario))
            }
            End::Freed(Freed::Yes(known)) => {
                self.news = Some(News::Freed);
                let done = task.has_landed(&known.record, scenario);
                for other in self.threads_of(who, scenario) {
                    self.client_mut(other).note_ended(&known.record);
                }
                self.client_mut(who).note_released(known);
                (!done).then_some(Fault::NotDone)
            }
            End::Freed(Freed::No | Freed::Failed) => self.done_after_all(who, &task, scenario),
            End::Freed(Freed::Unknown) => None,
            End::HandedOver(end) => self.finish_hand_over(who, end, &task, scenario),
        };
        if fault.is_some() {
            self.history.fault = fault;
        }
    }

    pub fn hand_out(&mut self, who: Who, holding: Lease) {
        let client = self.client_mut(who);
        client.won = true;
        client.holding = Some(holding);
    }

    fn finish_renewal(
        &mut self,
        who: Who,
        renewed: &Renewed,
        task: &Task,
        scenario: &Scenario,
    ) -> Option<Fault> {
        let client = self.client_mut(who);
        let now = at(client.clock);
        let holding = client.holding.as_mut().expect("a guard renews");
        match renewed {
            Renewed::Yes => {
                let done = task.has_landed(holding.record(), scenario);
                self.news = task.resolved.then_some(News::Resolved);
                (!done).then_some(Fault::NotDone)
            }
            Renewed::Lost => {
                let broken = matches!(holding.check(now), Some(Loss::Broken));
                self.news = broken.then_some(News::LearnedOfForce);
                None
            }
            Renewed::Failed => self.done_after_all(who, task, scenario),
            Renewed::ConditionIgnored => Some(Fault::FalselyAccused),
            Renewed::Unknown => None,
        }
    }

    /// Judges the result of a look that has ended.
    pub fn finish_look(&mut self, who: Who, verified: Verified) {
        let client = self.client_mut(who);
        let now = at(client.clock);
        let side = client.side.take().expect("it has ended just now");
        let holding = client.holding.as_mut().expect("a guard verifies");
        let broken = matches!(holding.check(now), Some(Loss::Broken));
        self.news = match verified {
            Verified::Lost if broken => Some(News::LearnedOfForce),
            _ => None,
        };
        if verified == Verified::Held && !side.stood {
            self.history.fault = Some(Fault::NotDone);
        }
    }

    /// Notes for each look under way whether its holding stands.
    pub fn watch_looks(&mut self) {
        for who in self.everybody() {
            let stands = self.stands(who);
            if self
                .client(who)
                .side
                .as_ref()
                .is_some_and(|s| !s.stood && stands)
            {
                if let Some(side) = &mut self.client_mut(who).side {
                    side.stood = true;
                }
            }
        }
    }

    /// Whether the store has this client's holding.
    pub fn stands(&self, who: Who) -> bool {
        let stored = self.store.object.as_ref().map(|object| &object.record);
        let token = self.client(who).token();
        stored.is_some_and(|stored| stored.is_held() && Some(stored.fencing_token) == token)
    }

    /// Judges whether a holding that is said to be gone is still there.
    pub fn judge_loss(&mut self, who: Who) {
        let holding = self.client(who).holding.as_ref();
        if holding.is_some_and(Lease::is_gone) && self.stands(who) {
            self.history.fault = Some(Fault::LostInError);
        }
    }

    fn finish_release(
        &mut self,
        who: Who,
        released: Released,
        task: &Task,
        scenario: &Scenario,
    ) -> Option<Fault> {
        let client = self.client_mut(who);
        let now = at(client.clock);
        let holding = client.holding.take().expect("a guard gives back");
        match released {
            Released::Yes(stored) => {
                let is_it = |known: &StoredRecord| task.has_landed(&known.record, scenario);
                let done = stored.as_ref().map_or(task.landed.is_some(), is_it);
                if stored.is_none() {
                    self.news = Some(News::Inferred);
                } else if task.resolved {
                    self.news = Some(News::Resolved);
                }
                if let Some(known) = stored {
                    self.client_mut(who).note_released(known);
                }
                (!done).then_some(Fault::NotDone)
            }
            Released::Failed => self.done_after_all(who, task, scenario),
            Released::ConditionIgnored => Some(Fault::FalselyAccused),
            Released::Lost => {
                let in_time = now.at_most_since(holding.since()) < holding.record().lease();
                let was_done = task.landed.is_some() && !task.late;
                let in_error = was_done && in_time && self.is_clear(&holding);
                in_error.then_some(Fault::LostInError)
            }
            Released::Unknown => None,
        }
    }

    /// Whether the stored record shows that nobody but its holder has ended this holding.
    fn is_clear(&self, holding: &Lease) -> bool {
        let stored = self.store.object.as_ref().map(|object| &object.record);
        let mine = holding.record();
        stored.is_some_and(|stored| {
            stored.is_of_one_object_with(mine) && !stored.may_have_cut_short(mine.fencing_token)
        })
    }

    fn done_after_all(&self, who: Who, task: &Task, scenario: &Scenario) -> Option<Fault> {
        let done = task.landed.is_some() || self.may_land(who, task, scenario);
        done.then_some(Fault::DoneAfterAll)
    }

    /// Whether an acquire has left the lock held, or may yet do so.
    pub fn may_remain(&self, who: Who, task: &Task, scenario: &Scenario) -> bool {
        let object = self.store.object.as_ref();
        let stands =
            object.is_some_and(|object| object.record.is_held() && task.has_made(who, object.by));
        stands || self.may_land(who, task, scenario)
    }

    fn may_land(&self, who: Who, task: &Task, scenario: &Scenario) -> bool {
        self.late
            .iter()
            .any(|message| task.has_made(who, message.id) && self.store.allows(message, scenario))
    }
}
