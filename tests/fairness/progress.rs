//! How long a free lock is left free while somebody waits.

use std::time::Duration;

use crate::client::{Death, MARGIN, PACE, Spec};
use crate::network::Network;
use crate::order::{is_fair, is_safe};
use crate::world::{Act, World};
use crate::{ms, s};

const ROUND_TRIP: Duration = ms(25);
/// How long a client with the default pace may take to react, as its ticket says: twice its longest pause, and four
/// round trips.
const REACT: Duration = ms(4_100);
const SLOT: Duration = ms(250);

/// The longest that a lock is left free while somebody waits who has `before` dead tickets before it, whose
/// clients said that they may take `react`.
///
/// * P: the release comes just after a look, and the next look is the first that shows the lock free. What was before
///   it does not count.
/// * G + (k − 1) · slot: from there on, the dead tickets have their opportunity.
/// * A second, if the queue was looked at just before and is not looked at sooner again.
/// * A pause of the shortest kind, and the round trips of a look, a look at the queue, a write that somebody else's
///   was faster than, and the write itself.
fn bound(react: Duration, before: u32) -> Duration {
    let patience = if before == 0 {
        Duration::ZERO
    } else {
        react + SLOT * (before - 1)
    };
    PACE.max + patience + s(1) + PACE.min + 5 * ROUND_TRIP
}

#[track_caller]
fn is_used(world: &World, bound: Duration) {
    let (longest, until) = world.judge.longest_free;
    assert!(longest <= bound, "free for {longest:?} until {until:?}");
}

/// A lock that is held for 20 s, and by then so many clients have died while they waited.
fn behind_dead(seed: u64, dead: u32) -> (World, usize) {
    let mut world = World::new(seed, Network::of(ROUND_TRIP));
    world.add(Spec {
        hold: s(60),
        lease: s(100),
        cycles: Some(1),
        ..Spec::default()
    });
    for i in 0..dead {
        world.add(Spec {
            begins: ms(1_000) + ms(100) * i,
            cycles: Some(1),
            dies: Some(Death::Waiting),
            ..Spec::default()
        });
    }
    let waiter = world.add(Spec {
        begins: s(50),
        ..Spec::default()
    });
    (world, waiter)
}

#[test]
fn a_free_lock_is_taken_as_soon_as_somebody_looks() {
    for (seed, count) in [(1, 2), (2, 8), (3, 32)] {
        let mut world = World::new(seed, Network::of(ROUND_TRIP));
        for i in 0..count {
            world.add(Spec {
                begins: ms(7 * i),
                ..Spec::default()
            });
        }
        world.run_until(s(30));
        is_used(&world, ms(500));
    }
}

#[test]
fn a_dead_ticket_costs_its_grace_once() {
    for seed in 1..=3 {
        let (mut world, waiter) = behind_dead(seed, 1);
        world.run_until(s(120));
        is_fair(&world);
        is_used(&world, bound(REACT, 1));
        // It loops from there on, and nobody is waited for again.
        let acquired = world.clients[waiter].tally.acquired;
        assert!(acquired > 400, "{acquired}");
        let later = &world.clients[waiter].tally.waits[1..];
        assert!(later.iter().all(|wait| *wait < ms(200)));
    }
}

#[test]
fn sixty_dead_tickets_cost_one_grace_and_a_slot_each() {
    for seed in 1..=3 {
        let (mut world, waiter) = behind_dead(seed, 60);
        world.run_until(s(120));
        is_fair(&world);
        is_used(&world, bound(REACT, 60));
        let waited = world.clients[waiter].tally.waits[0];
        // From the release on, and not from the first look after it.
        assert!(
            waited <= s(10) + PACE.max + REACT + s(15) + 5 * ROUND_TRIP,
            "{waited:?}"
        );
        assert!(world.clients[waiter].tally.acquired > 200);
    }
}

/// One that waits behind the dead with a ticket passes all of them over at once, for all.
#[test]
fn a_queue_full_of_dead_tickets_costs_each_of_them_a_slot() {
    let (mut world, waiter) = behind_dead(1, 255);
    world.run_until(s(160));
    is_fair(&world);
    is_used(&world, bound(REACT, 255));
    assert!(world.clients[waiter].tally.acquired > 100);
}

#[test]
fn a_holder_that_dies_is_followed_as_soon_as_its_lease_has_run_out() {
    for seed in 1..=3 {
        let mut world = World::new(seed, Network::of(ROUND_TRIP));
        world.add(Spec {
            lease: s(10),
            dies: Some(Death::Holding),
            ..Spec::default()
        });
        for i in 0..8 {
            world.add(Spec {
                begins: ms(500 + 100 * i),
                hold: ms(200),
                ..Spec::default()
            });
        }
        world.run_until(s(60));
        is_fair(&world);
        let first = world.clients[1..]
            .iter()
            .filter_map(|client| client.tally.times.first());
        let first = *first.min().expect("somebody follows");
        // The store's dates are cut to whole seconds.
        let earliest = s(10) + MARGIN;
        assert!(first > earliest && first < earliest + s(1), "{first:?}");
        assert!(
            world.clients[1..]
                .iter()
                .all(|client| client.tally.acquired >= 10)
        );
    }
}

/// Each lane is a stream of processes of which each acquires the lock once, and the next one begins when the
/// last has ended.
#[test]
fn a_stream_of_new_processes_does_not_keep_a_waiter() {
    for seed in 1..=3 {
        let mut world = World::new(seed, Network::of(ROUND_TRIP));
        let once = Spec {
            hold: ms(20),
            cycles: Some(1),
            ..Spec::default()
        };
        world.stream(once.clone(), ms(50), s(60));
        let waiter = world.add(Spec {
            begins: ms(200),
            ..once
        });
        world.run_until(s(10));
        is_fair(&world);
        let waits = &world.clients[waiter].tally.waits;
        assert!(waits[0] <= s(3), "{waits:?}");
    }
}

/// They try the lock and do not wait, twenty times a second.
#[test]
fn a_stream_of_new_processes_that_only_try_does_not_keep_a_waiter() {
    for seed in 1..=3 {
        let mut world = World::new(seed, Network::of(ROUND_TRIP));
        let once = Spec {
            hold: ms(20),
            cycles: Some(1),
            ..Spec::default()
        };
        let tries = Spec {
            tries: true,
            ..once.clone()
        };
        world.stream(tries, ms(50), s(60));
        let waiters: Vec<usize> = (0..8)
            .map(|i| {
                world.add(Spec {
                    begins: ms(2_300 + 5_000 * i),
                    ..once.clone()
                })
            })
            .collect();
        world.run_until(s(60));
        is_safe(&world);
        let waits = waiters
            .iter()
            .map(|waiter| world.clients[*waiter].tally.waits[0]);
        let longest = waits.max().expect("all have had it");
        assert!(longest <= s(15), "{longest:?}");
    }
}

/// Two hundred tickets of nobody's, before all others.
fn forge_many(queue: &mut serde_json::Value) {
    let tickets = queue["tickets"].as_array_mut().expect("a list");
    for i in 1..=200u64 {
        let ticket = serde_json::json!({
            "n": i, "nonce": format!("{:032x}", 7_000 + i), "react_ms": u64::MAX, "label": "forged",
        });
        tickets.insert(0, ticket);
    }
    queue["nonce"] = format!("{:032x}", 7_000).into();
}

#[test]
fn tickets_that_are_forged_before_all_others_cost_ten_seconds_and_a_slot_each() {
    let mut world = World::new(1, Network::of(ROUND_TRIP));
    world.add(Spec {
        hold: s(30),
        lease: s(100),
        cycles: Some(1),
        ..Spec::default()
    });
    let waiter = world.add(Spec {
        begins: s(1),
        ..Spec::default()
    });
    world.act_at(s(10), Act::ForgeQueue(forge_many));
    world.run_until(s(120));
    is_fair(&world);
    is_used(&world, bound(s(10), 200));
    assert!(world.clients[waiter].tally.acquired > 50);
}

/// The largest number that is believed.
fn forge_largest(queue: &mut serde_json::Value) {
    for field in ["next", "served"] {
        queue[field] = (1u64 << 52).into();
    }
    queue["nonce"] = format!("{:032x}", 7_000).into();
}

/// Larger than any number that is believed.
fn forge_too_large(queue: &mut serde_json::Value) {
    queue["served"] = ((1u64 << 52) + 1).into();
}

#[test]
fn a_queue_without_numbers_left_or_of_another_program_stops_nobody() {
    let foreign = [
        Act::ForgeQueue(forge_largest),
        Act::ForgeQueue(forge_too_large),
        Act::ReplaceQueue,
    ];
    for act in foreign {
        let mut world = World::new(1, Network::of(ROUND_TRIP));
        for i in 0..4 {
            world.add(Spec {
                begins: ms(7 * i),
                rest: ms(300),
                ..Spec::default()
            });
        }
        world.act_at(s(3), act.clone());
        world.run_until(s(60));
        is_safe(&world);
        is_used(&world, bound(REACT, 0));
        let acquired: Vec<u32> = world.clients.iter().map(|c| c.tally.acquired).collect();
        assert!(
            acquired.iter().all(|times| *times > 20),
            "{act:?}: {acquired:?}"
        );
    }
}

#[test]
fn a_queue_that_may_not_be_read_or_written_stops_nobody() {
    let always = Some((s(0), s(1_000)));
    for (unreadable, unwritable) in [(always, always), (always, None), (None, always)] {
        let network = Network {
            unreadable,
            unwritable,
            ..Network::of(ROUND_TRIP)
        };
        let mut world = World::new(1, network);
        for i in 0..4 {
            world.add(Spec {
                begins: ms(7 * i),
                rest: ms(300),
                ..Spec::default()
            });
        }
        world.run_until(s(60));
        is_safe(&world);
        is_used(&world, bound(REACT, 0));
        let acquired: Vec<u32> = world.clients.iter().map(|c| c.tally.acquired).collect();
        assert!(acquired.iter().all(|times| *times > 20), "{acquired:?}");
        // Tried again each minute, and then left alone.
        let most = world.clients.iter().map(|c| c.tally.queue_requests).max();
        assert!(most.expect("some") < 10, "{most:?}");
    }
}

#[test]
fn a_queue_that_was_denied_for_a_while_is_used_again() {
    let network = Network {
        unreadable: Some((s(0), s(20))),
        unwritable: Some((s(0), s(20))),
        ..Network::of(ROUND_TRIP)
    };
    let mut world = World::new(1, network);
    for i in 0..4 {
        world.add(Spec {
            begins: ms(7 * i),
            ..Spec::default()
        });
    }
    world.run_until(s(90));
    let before: Vec<u32> = world.clients.iter().map(|c| c.tally.acquired).collect();
    world.run_until(s(120));
    is_safe(&world);
    let since = world
        .clients
        .iter()
        .zip(before)
        .map(|(c, before)| c.tally.acquired - before);
    assert!(
        since.clone().min() > Some(20),
        "{:?}",
        since.collect::<Vec<_>>()
    );
}

/// Only so many can have tickets. For the others it is a matter of luck.
#[test]
fn a_store_that_takes_one_write_of_the_queue_a_second_starves_nobody() {
    for (seed, count) in [(1, 2), (2, 8)] {
        let network = Network {
            queue_interval: s(1),
            ..Network::of(ROUND_TRIP)
        };
        let mut world = World::new(seed, network);
        for i in 0..count {
            world.add(Spec {
                begins: ms(7 * i),
                ..Spec::default()
            });
        }
        world.run_until(s(300));
        is_fair(&world);
        let shares = world.shares();
        assert!(shares.least > 0.2 && shares.rate > 5.0, "{shares:?}");
    }
}
