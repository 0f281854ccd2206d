//! What the order costs: requests, and time.

use std::time::Duration;

use crate::client::{Death, Spec};
use crate::network::Network;
use crate::order::is_fair;
use crate::world::World;
use crate::{ms, s};

const ROUND_TRIP: Duration = ms(25);

/// Clients that have the lock again and again, with over 5 s between, one after the other.
fn quiet(clients: u64) -> World {
    let mut world = World::new(1, Network::of(ROUND_TRIP));
    for i in 0..clients {
        world.add(Spec {
            begins: ms(5_300 * i),
            rest: ms(5_300 * clients) - ms(150),
            cycles: Some(10),
            ..Spec::default()
        });
    }
    world.run_until(s(300));
    world
}

#[test]
fn a_quiet_lock_costs_one_client_two_writes_and_nothing_else() {
    let world = quiet(1);
    let tally = &world.clients[0].tally;
    assert_eq!((tally.acquired, tally.queue_requests), (10, 0));
    // It had to look once, before it knew the lock.
    assert_eq!(tally.lock_requests, 1 + 2 * 10);
    assert!(world.store.queue.is_none());
}

#[test]
fn a_quiet_lock_costs_several_clients_no_request_for_the_queue() {
    let world = quiet(3);
    for client in &world.clients {
        let tally = &client.tally;
        assert_eq!((tally.acquired, tally.queue_requests), (10, 0));
        // Look and write; later a guess first, which others have made wrong.
        assert_eq!(tally.lock_requests, 3 + 4 * 9);
    }
    assert!(world.store.queue.is_none());
}

#[test]
fn a_client_that_loops_alone_looks_at_the_queue_once_a_second_and_never_pauses() {
    let mut world = World::new(1, Network::of(ROUND_TRIP));
    world.add(Spec::default());
    world.run_until(s(60));
    let tally = &world.clients[0].tally;
    assert!(tally.queue_requests <= 60, "{}", tally.queue_requests);
    assert_eq!(tally.queue_writes, 0);
    assert!(tally.waits[1..].iter().all(|wait| *wait == ROUND_TRIP));
    assert_eq!(tally.lock_requests, 1 + 2 * tally.acquired);
}

#[test]
fn a_lone_waiter_behind_a_holder_of_ten_minutes_needs_few_requests() {
    for seed in 1..=3 {
        let mut world = World::new(seed, Network::of(ROUND_TRIP));
        world.add(Spec {
            hold: s(600),
            lease: s(1_000),
            cycles: Some(1),
            ..Spec::default()
        });
        let waiter = world.add(Spec {
            begins: s(1),
            cycles: Some(1),
            ..Spec::default()
        });
        world.run_until(s(700));
        let tally = &world.clients[waiter].tally;
        assert_eq!(tally.acquired, 1);
        assert!(tally.requests() <= 130, "{}", tally.requests());
        assert!(tally.waits[0] < s(600 + 15), "{:?}", tally.waits);
    }
}

/// How the lock is shared by so many that loop.
fn looping(seed: u64, count: u64, way: (Duration, Duration), run: Duration) -> World {
    let network = Network {
        way,
        ..Network::of(ROUND_TRIP)
    };
    let mut world = World::new(seed, network);
    for i in 0..count {
        world.add(Spec {
            begins: ms(7 * i),
            ..Spec::default()
        });
    }
    world.run_until(run);
    is_fair(&world);
    world
}

const EVEN: (Duration, Duration) = (Duration::from_micros(12_500), Duration::from_micros(12_500));
const UNEVEN: (Duration, Duration) = (ms(8), ms(17));

#[test]
fn two_that_loop_have_about_the_same_share() {
    for (seed, way) in [(1, EVEN), (2, EVEN), (3, UNEVEN), (4, UNEVEN)] {
        let shares = looping(seed, 2, way, s(20)).shares();
        let is_so = shares.least > 0.8 && shares.rate >= 5.0 && shares.requests < 8.0;
        assert!(is_so && shares.longest_wait < s(2), "{shares:?}");
    }
}

#[test]
fn eight_that_loop_have_about_the_same_share() {
    for (seed, way) in [(1, EVEN), (2, EVEN), (3, UNEVEN), (4, UNEVEN)] {
        let shares = looping(seed, 8, way, s(20)).shares();
        let is_so = shares.least > 0.8 && shares.rate >= 4.5 && shares.requests <= 11.0;
        assert!(is_so && shares.longest_wait < s(4), "{shares:?}");
    }
}

#[test]
fn thirty_two_that_loop_have_about_the_same_share() {
    for (seed, way) in [(1, EVEN), (2, UNEVEN)] {
        let shares = looping(seed, 32, way, s(60)).shares();
        let is_so = shares.least > 0.7 && shares.rate >= 4.5 && shares.requests <= 16.0;
        assert!(is_so && shares.longest_wait < s(20), "{shares:?}");
    }
}

#[test]
fn a_waiter_that_gives_up_takes_its_ticket_back_with_two_more_requests() {
    let mut world = World::new(1, Network::of(ROUND_TRIP));
    world.add(Spec {
        hold: s(30),
        cycles: Some(1),
        ..Spec::default()
    });
    let waiter = world.add(Spec {
        begins: s(1),
        limit: s(10),
        cycles: Some(1),
        ..Spec::default()
    });
    world.run_until(ms(10_900));
    let before = world.clients[waiter].tally.clone();
    world.run_until(s(20));
    let after = &world.clients[waiter].tally;
    assert_eq!(after.given_up, 1);
    // One of the two more requests beyond the last look may have been before.
    let more = after.queue_requests - before.queue_requests;
    assert_eq!((more, after.queue_writes - before.queue_writes), (2, 1));
    let queue = world.store.queue().expect("it was made");
    assert!(queue.tickets.is_empty(), "{queue:?}");
}

#[test]
fn one_that_has_died_is_not_asked_again() {
    let mut world = World::new(1, Network::of(ROUND_TRIP));
    world.add(Spec {
        dies: Some(Death::Holding),
        lease: s(5),
        ..Spec::default()
    });
    let next = world.add(Spec {
        begins: s(1),
        ..Spec::default()
    });
    world.run_until(s(60));
    let tally = &world.clients[next].tally;
    assert!(tally.acquired > 400, "{}", tally.acquired);
}
