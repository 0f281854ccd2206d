//! The lock's promises, for the checker to test in every state.

use std::sync::Arc;

use stateright::{Model, Property};

use super::client::{At, Client};
use super::judge::{Fault, News};
use super::scenario::{Scenario, TICKS_PER_SECOND};
use super::world::{Action, World};

/// Something that must happen in some history, with a name.
pub type Possible = (&'static str, fn(&Scenario, &World) -> bool);

pub const ONE_HOLDER: &str = "at most one client believes it holds validly";
pub const TOKENS_GROW: &str = "tokens strictly increase in the order of acquisition";
pub const FREES_ITS_OWN: &str = "a release never frees another's holding";
pub const DONE: &str = "an operation reported as done was done";
pub const NOT_DONE: &str = "an operation reported as not done is not done, then or later";
pub const NOT_ACCUSED: &str = "an honest store is never accused";
pub const STAYS_LOST: &str = "a holding that was lost stays lost";
pub const TRULY_LOST: &str = "a holder is told of a loss only if there was one";
pub const ONCE: &str = "at most one run is completed for a label";
pub const CALLED: &str = "a label is marked only by a guard that completes it";
pub const REMEMBERED: &str = "a label that is done stays done";
pub const NOT_AGAIN: &str = "nobody takes the lock for a label that is done";
pub const FREE_AGAIN: &str = "the lock is eventually free again";

pub const EVERYBODY: Possible = ("every client gets the lock", |_, world| {
    world.clients.iter().all(|client| client.won)
});
pub const TAKEOVER: Possible = ("a takeover happens", |_, world| said(world, News::TookOver));
pub const RESOLVED: Possible = ("a lost reply is resolved", |_, world| {
    said(world, News::Resolved)
});
pub const ADOPTED: Possible = ("a renewal without an answer is found later", |_, world| {
    said(world, News::Adopted)
});
pub const UNDONE: Possible = ("an acquire given up is undone", |_, world| {
    said(world, News::Undone)
});
pub const INFERRED: Possible = ("a release is inferred from what follows it", |_, world| {
    said(world, News::Inferred)
});
pub const RECLAIMED: Possible = ("an owner reclaims its lock", |_, world| {
    said(world, News::Reclaimed)
});
pub const FREED: Possible = ("a holding is ended without its guard", |_, world| {
    said(world, News::Freed)
});
pub const LEARNED_OF_FORCE: Possible = ("a holder learns that its lock was broken", |_, world| {
    said(world, News::LearnedOfForce)
});

pub const HANDED_OVER: Possible = ("the lock is handed over", |_, world| {
    said(world, News::HandedOver)
});

pub const COMPLETED: Possible = ("a label is completed", |_, world| {
    said(world, News::Completed)
});

pub const SKIPPED: Possible = ("a client finds its label done", |_, world| {
    said(world, News::AlreadyDone)
});

pub const HELD_BACK: Possible = ("a client leaves a free lock to others", |_, world| {
    let free = world
        .store
        .object
        .as_ref()
        .filter(|object| !object.record.is_held());
    let waits = |client: &Arc<Client>| {
        let task = client.task.as_ref();
        let waits = task.filter(|task| matches!(task.at, At::Waiting { .. }));
        waits.is_some_and(|task| task.seen.as_ref() == free.map(|object| &object.etag))
    };
    free.is_some() && world.clients.iter().any(waits)
});

impl Model for Scenario {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let phases = 0..TICKS_PER_SECOND;
        let worlds = |phase| {
            let ahead = self.ahead.iter();
            ahead.map(move |ahead| World::new(self, phase, *ahead))
        };
        phases.flat_map(worlds).collect()
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        world.actions(self, actions);
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        next.act(action, self);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Scenario>> {
        let mut properties = vec![
            Property::always(ONE_HOLDER, |scenario: &Scenario, world: &World| {
                world.believers(scenario) <= 1
            }),
            Property::always(TOKENS_GROW, |_, world| kept(world, Fault::Token)),
            Property::always(FREES_ITS_OWN, |_, world| kept(world, Fault::FreedAnothers)),
            Property::always(DONE, |_, world| kept(world, Fault::NotDone)),
            Property::always(NOT_DONE, |_, world| kept(world, Fault::DoneAfterAll)),
            Property::always(NOT_ACCUSED, |_, world| kept(world, Fault::FalselyAccused)),
            Property::always(STAYS_LOST, |_, world| kept(world, Fault::Revived)),
            Property::always(TRULY_LOST, |_, world| kept(world, Fault::LostInError)),
            Property::always(ONCE, |_, world| kept(world, Fault::MarkedTwice)),
            Property::always(CALLED, |_, world| kept(world, Fault::MarkedUncalled)),
            Property::always(REMEMBERED, |_, world| kept(world, Fault::MarkForgotten)),
            Property::always(NOT_AGAIN, |_, world| kept(world, Fault::DoneAgain)),
        ];
        if self.must_end {
            // The state records that a waiting client has had the lock. So this does not depend on
            // the path by which the checker came to it.
            properties.push(Property::eventually(FREE_AGAIN, |_, world: &World| {
                world.clients.last().is_some_and(|last| last.won)
            }));
        }
        let possible = self.possible.iter();
        properties.extend(possible.map(|(name, happens)| Property::sometimes(name, *happens)));
        properties.retain(|property| self.only.is_none_or(|only| property.name == only));
        properties
    }
}

fn kept(world: &World, fault: Fault) -> bool {
    world.history.fault != Some(fault)
}

fn said(world: &World, news: News) -> bool {
    world.news == Some(news)
}
