//! Whether everybody gets the lock in turn: clients that run the crate's own rules, in virtual time.

#[path = "fairness/client.rs"]
mod client;
#[path = "fairness/cost.rs"]
mod cost;
#[path = "support/dice.rs"]
mod dice;
#[path = "fairness/judge.rs"]
mod judge;
#[path = "fairness/mutants.rs"]
mod mutants;
#[path = "fairness/network.rs"]
mod network;
#[path = "fairness/order.rs"]
mod order;
#[path = "fairness/progress.rs"]
mod progress;
#[path = "fairness/store.rs"]
mod store;
#[path = "fairness/world.rs"]
mod world;

use std::time::Duration;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
