//! The lock as a state machine that stateright explores, and what is promised of it.

use stateright::{Model, Property};

use super::scenario::Scenario;
use super::world::{Action, Fault, News, World};

pub const ONE_HOLDER: &str = "at most one client believes it holds validly";
pub const TOKENS_GROW: &str = "tokens strictly increase in the order of acquisition";
pub const FREES_OWN: &str = "a release never frees another's holding";
pub const DONE: &str = "an operation reported as done was done";
pub const NOT_DONE: &str = "an operation reported as not done is not done, then or later";
pub const NOT_ACCUSED: &str = "an honest store is never accused";

impl Model for Scenario {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let phases = 0..super::scenario::TICKS_PER_SECOND;
        let new = |phase| {
            self.ahead
                .iter()
                .map(move |ahead| World::new(self, phase, *ahead))
        };
        phases.flat_map(new).collect()
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        World::actions(world, self, actions);
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        next.act(action, self);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Scenario>> {
        fn said(world: &World, news: News) -> bool {
            world.news == Some(news)
        }
        fn kept(world: &World, fault: Fault) -> bool {
            world.history.fault != Some(fault)
        }
        vec![
            Property::always(ONE_HOLDER, |s: &Scenario, w: &World| w.believers(s) <= 1),
            Property::always(TOKENS_GROW, |_, w| kept(w, Fault::Token)),
            Property::always(FREES_OWN, |_, w| kept(w, Fault::FreedAnothers)),
            Property::always(DONE, |_, w| kept(w, Fault::NotDone)),
            Property::always(NOT_DONE, |_, w| kept(w, Fault::DoneAfterAll)),
            Property::always(NOT_ACCUSED, |_, w| kept(w, Fault::FalselyAccused)),
            Property::sometimes("every client gets the lock", |_, w: &World| {
                w.clients.iter().all(|client| client.won)
            }),
            Property::sometimes("a takeover happens", |_, w| said(w, News::TookOver)),
            Property::sometimes("a lost reply is resolved", |_, w| said(w, News::Resolved)),
        ]
    }
}
