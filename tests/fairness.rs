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


use client::Death;
use judge::Excuse;
use world::Act;

fn report(name: &str, world: &World) {
    let judge = &world.judge;
    println!("== {name}: {:?}", world.shares());
    println!("   faults {:?} free {:?} ", judge.faults, judge.longest_free);
    for excuse in [Excuse::Unaware, Excuse::Earlier, Excuse::Again, Excuse::NoTicket, Excuse::LaterTicket] {
        let of = judge.bypasses.iter().filter(|b| b.excuse == excuse);
        println!("   {excuse:?} {} longest {:?}", of.clone().count(), of.max_by_key(|b| b.since));
    }
}

#[test]
fn explore() {
    for n in [2, 8, 32] {
        for seed in 1..=3 {
            let mut world = World::new(seed, Network { way: (ms(8), ms(20)), ..Network::of(ms(25)) });
            for i in 0..n {
                world.add(Spec { begins: ms(7 * i), ..Spec::default() });
            }
            world.run_until(s(60));
            report(&format!("loop {n}"), &world);
        }
    }
    for seed in 1..=2 {
            let mut world = World::new(seed, Network::of(ms(25)));
            let w = world.add(Spec { begins: s(5), cycles: Some(1), ..Spec::default() });
            world.stream(Spec { hold: ms(20), cycles: Some(1), ..Spec::default() }, ms(50), s(60));
            world.run_until(s(60));
            report("stream", &world);
            println!("waiter {:?}", world.clients[w].tally);
    }
    {
            let mut world = World::new(1, Network::of(ms(25)));
            world.add(Spec { hold: s(600), lease: s(1000), cycles: Some(1), ..Spec::default() });
            let w = world.add(Spec { begins: s(1), cycles: Some(1), ..Spec::default() });
            world.run_until(s(700));
            report("lone", &world);
            println!("waiter {:?} {}", world.clients[w].tally, world.clients[w].tally.requests());
    }
    for dead in [1, 60, 255, 300] {
            let mut world = World::new(1, Network::of(ms(25)));
            world.add(Spec { hold: s(100), lease: s(1000), cycles: Some(1), ..Spec::default() });
            for i in 0..dead {
            world.add(Spec { begins: ms(1000+100*i), cycles: Some(1), dies: Some(Death::Waiting), ..Spec::default() });
            }
            let w = world.add(Spec { begins: s(80), cycles: Some(1), ..Spec::default() });
            world.run_until(s(300));
            report(&format!("dead {dead}"), &world);
            println!("waiter {:?} {:?}", world.clients[w].tally, world.store.queue().map(|q| q.tickets.len()));
    }
    {
            let mut world = World::new(1, Network::of(ms(25)));
            world.add(Spec { hold: ms(50), rest: ms(5100), ..Spec::default() });
            world.run_until(s(300));
            report("quiet", &world);
            println!("{:?}", world.clients[0].tally);
            let mut world = World::new(1, Network::of(ms(25)));
            world.add(Spec { hold: ms(50), rest: ms(10100), ..Spec::default() });
            world.add(Spec { begins: s(5), hold: ms(50), rest: ms(10100), ..Spec::default() });
            world.run_until(s(300));
            report("quiet two", &world);
            println!("{:?}", world.clients[0].tally);
            let mut world = World::new(1, Network::of(ms(25)));
            world.add(Spec::default() );
            world.run_until(s(60));
            report("lone loop", &world);
            println!("{:?}", world.clients[0].tally.queue_requests);
    }
    {
        for n in [2, 8] {
            let mut world = World::new(1, Network::of(ms(25)));
            world.add(Spec { queue: false, ..Spec::default() });
            for i in 0..n {
                world.add(Spec { begins: ms(7 * i), ..Spec::default() });
            }
            world.run_until(s(60));
            report(&format!("unaware one among {n}"), &world);
            println!("{:?}", world.clients.iter().map(|c| c.tally.acquired).collect::<Vec<_>>());
        }
    }
    for interval in [s(1)] {
            let mut world = World::new(1, Network { queue_interval: interval, ..Network::of(ms(25)) });
            for i in 0..8 {
                world.add(Spec { begins: ms(7 * i), ..Spec::default() });
            }
            world.run_until(s(60));
            report("429", &world);
            println!("{:?}", world.clients.iter().map(|c| c.tally.acquired).collect::<Vec<_>>());
    }
    for (name, act) in [("delete", Act::DeleteQueue), ("restore", Act::RestoreQueue(20)), ("replace", Act::ReplaceQueue), ("lose", Act::LoseAdvice)] {
        for n in [2, 8] {
            let mut world = World::new(1, Network::of(ms(25)));
            for i in 0..n {
                world.add(Spec { begins: ms(7 * i), ..Spec::default() });
            }
            for i in 1..20 { world.act_at(s(3*i), act.clone()); }
            world.run_until(s(60));
            report(&format!("{name} {n}"), &world);
            println!("{:?}", world.clients.iter().map(|c| c.tally.acquired).collect::<Vec<_>>());
        }
    }
    for seed in 1..=3 {
            let mut world = World::new(seed, Network { lost_requests: 200, lost_replies: 200, late: 300, ..Network::of(ms(25)) });
            for i in 0..8 {
                world.add(Spec { begins: ms(7 * i), lease: s(20), ..Spec::default() });
            }
            world.run_until(s(300));
            report("bad network", &world);
            println!("{:?}", world.clients.iter().map(|c| c.tally.acquired).collect::<Vec<_>>());
    }
}

#[test]
fn trace() {
    let mut world = World::new(1, Network::of(ms(25)));
    for i in 0..2 {
        world.add(Spec { begins: ms(7 * i), ..Spec::default() });
    }
    world.act_at(s(3), Act::LoseAdvice);
    world.run_until(ms(2500));
    world.traces = true;
    world.run_until(s(6));
}
