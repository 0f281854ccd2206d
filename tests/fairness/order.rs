//! Who has the lock before whom.

use std::time::Duration;

use crate::client::{Death, Spec};
use crate::judge::Excuse;
use crate::network::Network;
use crate::world::{Act, World};
use crate::{ms, s};

/// For how long a client that takes its own release again may do so without a look at the queue: a second, and the
/// time until it comes round again.
const A_SECOND_AND_A_CYCLE: Duration = ms(1_200);

/// Round trips of 25 ms, give or take some.
fn network() -> Network {
    Network {
        way: (ms(8), ms(17)),
        ..Network::of(ms(25))
    }
}

fn loops(seed: u64, count: u64) -> World {
    let mut world = World::new(seed, network());
    for i in 0..count {
        world.add(Spec {
            begins: ms(7 * i),
            ..Spec::default()
        });
    }
    world
}

/// Two never hold the lock at once, and tokens grow.
#[track_caller]
pub fn is_safe(world: &World) {
    assert!(world.judge.faults.is_empty(), "{:?}", world.judge.faults);
}

/// Nobody was bypassed but as promised.
#[track_caller]
pub fn is_fair(world: &World) {
    is_safe(world);
    let unexcused = world.judge.unexcused();
    assert!(unexcused.is_empty(), "{:#?}", &unexcused[..1]);
    let raised = &world.judge.raised;
    assert!(raised.is_empty(), "{raised:?}");
    let again = world
        .judge
        .bypasses
        .iter()
        .filter(|b| b.excuse == Excuse::Again);
    let longest = again.map(|bypass| bypass.since).max().unwrap_or_default();
    assert!(longest <= A_SECOND_AND_A_CYCLE, "again after {longest:?}");
}

/// Something happens to the queue or to what the record says of it, again and again.
fn disturbed(seed: u64, count: u64, act: &Act) -> World {
    let mut world = loops(seed, count);
    for i in 0..14 {
        world.act_at(ms(2_000 + 1_731 * i), act.clone());
    }
    world.run_until(s(30));
    world
}

#[test]
fn nobody_is_bypassed_but_as_promised() {
    for (seed, count) in [(1, 2), (2, 3), (3, 8), (4, 8), (5, 32)] {
        let mut world = loops(seed, count);
        world.run_until(s(30));
        is_fair(&world);
    }
}

#[test]
fn nobody_is_bypassed_but_as_promised_while_the_queue_is_deleted() {
    for (seed, count) in [(1, 2), (2, 8), (3, 16)] {
        is_fair(&disturbed(seed, count, &Act::DeleteQueue));
    }
}

#[test]
fn nobody_is_bypassed_but_as_promised_while_the_queue_is_restored_to_an_older_version() {
    for (seed, count, back) in [(1, 2, 3), (2, 8, 1), (3, 8, 20), (4, 16, 60)] {
        is_fair(&disturbed(seed, count, &Act::RestoreQueue(back)));
    }
}

#[test]
fn nobody_is_bypassed_but_as_promised_while_the_record_forgets_who_was_served() {
    for (seed, count) in [(1, 2), (2, 8), (3, 16)] {
        is_fair(&disturbed(seed, count, &Act::LoseAdvice));
    }
}

/// A ticket of nobody's, before all others.
fn forge_first(queue: &mut serde_json::Value) {
    let least = queue["served"].as_u64().expect("a number") + 1;
    let ticket = serde_json::json!({
        "n": least, "nonce": format!("{least:032x}"), "react_ms": u64::MAX, "label": "forged",
    });
    queue["tickets"]
        .as_array_mut()
        .expect("a list")
        .insert(0, ticket);
    queue["nonce"] = format!("{:032x}", least + 1).into();
}

/// All tickets are said to have had their turn.
fn forge_served(queue: &mut serde_json::Value) {
    let next = queue["next"].as_u64().expect("a number");
    queue["served"] = (next - 1).into();
    queue["nonce"] = format!("{next:032x}").into();
}

#[test]
fn nobody_is_bypassed_but_as_promised_while_tickets_are_forged() {
    for (seed, count) in [(1, 2), (2, 8), (3, 16)] {
        is_fair(&disturbed(seed, count, &Act::ForgeQueue(forge_first)));
    }
}

#[test]
fn nobody_is_bypassed_but_as_promised_while_tickets_are_forged_to_have_had_their_turn() {
    for (seed, count) in [(1, 2), (2, 8), (3, 16)] {
        is_fair(&disturbed(seed, count, &Act::ForgeQueue(forge_served)));
    }
}

/// Some die while they wait, or with the lock.
#[test]
fn the_first_in_line_is_never_passed_over_and_the_dead_keep_nobody() {
    for seed in 1..=3 {
        let mut world = loops(seed, 4);
        for i in 0..12 {
            let dies = if i % 3 == 0 {
                Death::Holding
            } else {
                Death::Waiting
            };
            world.add(Spec {
                begins: ms(1_000 + 2_300 * i),
                lease: s(3),
                dies: Some(dies),
                ..Spec::default()
            });
        }
        world.run_until(s(90));
        is_fair(&world);
        let waits = world.clients[..4]
            .iter()
            .map(|client| client.tally.longest_wait());
        let longest = waits.max();
        assert!(longest < Some(s(45)), "{longest:?}");
    }
}

#[test]
fn a_client_that_was_passed_over_while_suspended_has_its_turn_afterwards() {
    for seed in 1..=3 {
        let mut world = loops(seed, 6);
        let suspended = world.add(Spec {
            suspended: Some((s(5), s(25))),
            lease: s(10),
            ..Spec::default()
        });
        world.run_until(s(45));
        is_safe(&world);
        let client = &world.clients[suspended].tally;
        let after = client
            .times
            .iter()
            .find(|at| **at > s(25))
            .expect("it has its turn");
        assert!(*after < s(30), "{after:?}");
        let later = client.times.iter().filter(|at| **at > s(30)).count();
        assert!(later >= 8, "{later} turns in 15 s");
    }
}

/// Requests and replies are lost, and writes land late. Machines are suspended and die.
#[test]
fn there_are_never_two_holders_whatever_is_lost() {
    for seed in 1..=6 {
        let bad = Network {
            lost_requests: 60,
            lost_replies: 60,
            late: 90,
            ..network()
        };
        let mut world = World::new(seed, bad);
        for i in 0..8u64 {
            world.add(Spec {
                begins: ms(7 * i),
                lease: s(12),
                queue: i != 0,
                tries: i == 1,
                rest: if i < 2 { ms(20) } else { s(0) },
                suspended: (i == 3).then_some((s(20), s(50))),
                dies: (i == 4).then_some(Death::Holding),
                ..Spec::default()
            });
        }
        let acts = [Act::DeleteQueue, Act::RestoreQueue(9), Act::LoseAdvice];
        for (i, act) in (0..).zip(acts.iter().cycle().take(30)) {
            world.act_at(s(10 + 7 * i), act.clone());
        }
        world.run_until(s(250));
        is_safe(&world);
        let acquired: Vec<u32> = world.clients[5..]
            .iter()
            .map(|c| c.tally.acquired)
            .collect();
        assert!(acquired.iter().all(|times| *times > 5), "{acquired:?}");
    }
}

#[test]
fn one_that_does_not_know_the_queue_leaves_each_waiter_a_third_of_its_share() {
    for (seed, count) in [(1, 1), (2, 2), (3, 8)] {
        let mut world = loops(seed, count);
        world.add(Spec {
            queue: false,
            ..Spec::default()
        });
        world.run_until(s(60));
        is_safe(&world);
        let acquired = world.clients.iter().map(|client| client.tally.acquired);
        let equal = acquired.sum::<u32>() / u32::try_from(world.clients.len()).expect("few");
        let others = &world.clients[..usize::try_from(count).expect("few")];
        let least = others.iter().map(|client| client.tally.acquired).min();
        assert!(least > Some(equal / 3), "{least:?} of {equal}");
        let longest = others
            .iter()
            .map(|client| client.tally.longest_wait())
            .max();
        assert!(longest < Some(s(15)), "{longest:?}");
    }
}

/// Those that only try take a free lock as they find it.
#[test]
fn those_that_only_try_do_not_keep_a_waiter_from_its_turn() {
    for seed in 1..=3 {
        let mut world = loops(seed, 4);
        for i in 0..4 {
            world.add(Spec {
                begins: ms(11 * i),
                rest: ms(100),
                tries: true,
                ..Spec::default()
            });
        }
        world.run_until(s(60));
        is_safe(&world);
        let waits = world.clients[..4]
            .iter()
            .map(|client| client.tally.longest_wait());
        let longest = waits.max();
        assert!(longest < Some(s(20)), "{longest:?}");
    }
}

/// They come one after the other, just when the lease of a dead holder runs out.
#[test]
fn newcomers_do_not_take_an_expired_lock_before_those_that_wait() {
    for seed in 1..=3 {
        let mut world = World::new(seed, network());
        world.add(Spec {
            lease: s(10),
            dies: Some(Death::Holding),
            ..Spec::default()
        });
        for i in 0..2 {
            world.add(Spec {
                begins: ms(500 + 100 * i),
                hold: ms(200),
                ..Spec::default()
            });
        }
        let newcomer = Spec {
            begins: ms(11_900),
            cycles: Some(1),
            ..Spec::default()
        };
        world.stream(newcomer, ms(20), s(14));
        world.run_until(s(30));
        is_fair(&world);
    }
}
