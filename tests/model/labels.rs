//! Labels: what is promised of them, and the scenarios that try it.

use s3_lock::internals::protocol::record::{DoneLabel, Record};
use s3_lock::internals::protocol::{Ending, Released};

use super::client::{Client, Message, Task, Who};
use super::judge::{Fault, News};
use super::scenario::{LEASE, Label, Scenario};
use super::world::World;

/// How many labels a record remembers.
const REMEMBERED: usize = 16;

/// What no client knows of the labels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Labels {
    /// Each label that was marked as done, and the token of the holding that did it; in this order.
    pub marked: Vec<(Box<str>, u64)>,
    /// The tokens of the holdings whose guards have called `complete`.
    pub called: Vec<u64>,
    /// Those whose guards were told that it was not done.
    pub denied: Vec<u64>,
}

impl Labels {
    fn is_marked(&self, label: &str) -> bool {
        self.marked.iter().any(|(marked, _)| **marked == *label)
    }

    fn is_marked_by(&self, token: u64) -> bool {
        self.marked.iter().any(|(_, by)| *by == token)
    }

    /// What is wrong with a mark that is about to be stored.
    fn judge_mark(&self, mark: &DoneLabel) -> Option<Fault> {
        let token = mark.fencing_token;
        if self.is_marked(&mark.label) {
            Some(Fault::MarkedTwice)
        } else if self.denied.contains(&token) {
            Some(Fault::DoneAfterAll)
        } else {
            (!self.called.contains(&token)).then_some(Fault::MarkedUncalled)
        }
    }

    /// Whether this record has every label that it can remember.
    fn are_in(&self, record: &Record) -> bool {
        let mut last = self.marked.iter().rev().take(REMEMBERED);
        last.all(|(label, token)| {
            let done = record.done().find(label);
            done.is_some_and(|done| done.fencing_token == *token)
        })
    }
}

impl Label {
    fn text(self, clock: u32) -> Box<str> {
        match self {
            Label::Once(label) => label.into(),
            Label::Daily => (clock / (3 * LEASE)).to_string().into(),
        }
    }
}

impl World {
    /// What this client takes the lock for now.
    pub fn label_of(&self, who: Who, scenario: &Scenario) -> Option<Box<str>> {
        let label = scenario.role(who).label?;
        Some(label.text(self.store.clock))
    }

    /// Notes that a guard ends its holding so.
    pub fn begins_to_end(&mut self, who: Who, ending: Ending) {
        let client = self.client_mut(who);
        client.ending = ending;
        if ending == Ending::Completed {
            client.calls.complete -= 1;
            let token = client.token().expect("it has the lock");
            self.history.labels.called.push(token);
            self.history.labels.called.sort_unstable();
        }
    }

    /// Compares the labels of a write that is about to be carried out with what was promised.
    pub fn judge_labels(&mut self, message: &Message) {
        let record = &message.write.record;
        let labels = &mut self.history.labels;
        let is_new = |done: &&DoneLabel| {
            !labels
                .marked
                .contains(&(done.label.clone(), done.fencing_token))
        };
        let new: Vec<_> = record.done().iter().filter(is_new).cloned().collect();
        let marked = new.iter().find_map(|mark| labels.judge_mark(mark));
        labels
            .marked
            .extend(new.into_iter().map(|mark| (mark.label, mark.fencing_token)));
        let forgotten = (!labels.are_in(record)).then_some(Fault::MarkForgotten);
        let label = record.label.as_deref().filter(|_| record.is_held());
        let renews = matches!(message.intent, super::client::Intent::Renew(_));
        let is_done = label.is_some_and(|label| labels.is_marked(label));
        let again = (is_done && !renews).then_some(Fault::DoneAgain);
        let fault = marked.or(forgotten).or(again);
        if fault.is_some() {
            self.history.fault = fault;
        }
    }

    /// A client was told that its label is done.
    pub fn finish_skipping(
        &mut self,
        who: Who,
        done: &DoneLabel,
        task: &Task,
        scenario: &Scenario,
    ) -> Option<Fault> {
        self.news = Some(News::AlreadyDone);
        let mark = (done.label.clone(), done.fencing_token);
        if !self.history.labels.marked.contains(&mark) {
            return Some(Fault::NotDone);
        }
        let remains = self.may_remain(who, task, scenario);
        remains.then_some(Fault::DoneAfterAll)
    }

    /// A guard with this token was told what became of its holding. Only one that completes is told of its label.
    pub fn finish_completing(
        &mut self,
        who: Who,
        token: Option<u64>,
        end: &Released,
    ) -> Option<Fault> {
        let client = self.client_mut(who);
        let ending = std::mem::take(&mut client.ending);
        let token = token.filter(|_| ending == Ending::Completed)?;
        let is_marked = self.history.labels.is_marked_by(token);
        match end {
            Released::Yes(_) => {
                self.news = Some(News::Completed);
                (!is_marked).then_some(Fault::NotDone)
            }
            Released::Unknown | Released::ConditionIgnored => None,
            Released::Lost | Released::Failed => {
                let denied = &mut self.history.labels.denied;
                denied.push(token);
                denied.sort_unstable();
                is_marked.then_some(Fault::DoneAfterAll)
            }
        }
    }
}

impl Client {
    /// The record without its labels done, as a client that is broken on purpose writes it.
    pub fn forgetting(record: &Record) -> Record {
        let mut fields: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(&record.to_body()).expect("it is JSON");
        fields.remove("done");
        let body = serde_json::to_vec(&fields).expect("it is JSON");
        Record::parse(&body).expect("it is a record")
    }
}
