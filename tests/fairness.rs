//! Whether everybody gets the lock in turn: clients that run the crate's own rules, in virtual time.

#[path = "fairness/client.rs"]
mod client;
#[path = "support/dice.rs"]
mod dice;
#[path = "fairness/judge.rs"]
mod judge;
#[path = "fairness/mutants.rs"]
mod mutants;
#[path = "fairness/network.rs"]
mod network;
#[path = "fairness/store.rs"]
mod store;
#[path = "fairness/world.rs"]
mod world;

use std::time::Duration;

use client::Spec;
use network::Network;
use world::World;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn explore() {
    for n in [1, 2, 8, 32] {
        for seed in 1..=3 {
            let mut world = World::new(seed, Network::of(ms(25)));
            for i in 0..n {
                world.add(Spec { begins: ms(7 * i), ..Spec::default() });
            }
            world.run_until(s(60));
            println!("{n} {:?}", world.shares());
            println!("   faults {:?} free {:?} bypasses {}", world.judge.faults, world.judge.longest_free, world.judge.bypasses.len());
            println!("   {:?}", world.judge.unexcused().iter().take(5).collect::<Vec<_>>());
        }
    }
}
