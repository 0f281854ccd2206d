//! Rules broken on purpose, one at a time, and a promise that is broken by it. The protocol's code stays as it is.
//! The mutants alter what it is told, what is made of its answers, or what a client remembers.
//!
//! One rule is not here: that hand-overs inside a process end after a second, whether or not others are known to
//! wait. It is the engine's, these clients have one thread each, and `tests/it/hand_over.rs` checks it.

use std::time::Duration;

use s3_lock::internals::Instant;
use s3_lock::internals::protocol::record::Advice;
use s3_lock::internals::protocol::{
    Event, Inputs, Observations, Queue, QueueEvent, QueueFound, ReadOutcome, Refusal, Snapshot,
    Step, WriteOutcome,
};

use crate::client::{Call, Client, Death, Spec};
use crate::judge::Excuse;
use crate::network::Network;
use crate::store::{Written, refused};
use crate::world::{Act, World};
use crate::{ms, s};

/// A rule that is broken on purpose, to see that it is needed and that the checks notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// The opportunity of others counts anew for each version of the record.
    EachVersionAnew,
    /// The time from a look that shows the lock held to one that shows it free counts as an opportunity.
    FirstIntervalCounts,
    /// Each ticket gets the whole grace, one after the other.
    GraceForEachTicket,
    /// What was served is known from the last look only.
    ServedForgotten,
    /// What is read of a record's advice is not what is stored.
    ParseNormalises,
    /// A record that is written says that nobody waits, whether or not its writer has looked.
    QueuedCleared,
    /// A client that has lost its ticket takes no other.
    NoSecondTicket,
    /// A call looks at the queue once.
    NoSecondLook,
    /// A client without a ticket says that all whom it has seen had their turn.
    ServedRaised,
    /// A store that is asked too often is taken for one that has no queue.
    BusyMeansNoQueue,
}

/// What a mutant keeps in mind.
#[derive(Clone, Debug, Default)]
pub struct Twist {
    last: Option<(Snapshot, Instant)>,
    queue: Option<Queue>,
    looks: u32,
    tickets: u32,
}

impl Twist {
    pub fn begin(&mut self) {
        (self.looks, self.tickets) = (0, 0);
    }

    pub fn saw(&mut self, found: &QueueFound) {
        if let QueueFound::Present { queue, .. } = found {
            self.queue = Some(queue.clone());
        }
    }
}

impl Client {
    pub fn misread(&mut self, found: ReadOutcome, now: Instant) -> ReadOutcome {
        let (Some(mutant), ReadOutcome::Present(mut seen)) = (self.mutant, found.clone()) else {
            return found;
        };
        let last = self.twist.last.replace((seen.clone(), now));
        let (_, so_far) = self.known.place.memory();
        match (mutant, last) {
            (Mutant::EachVersionAnew, Some((last, _))) if last.etag != seen.etag => {
                *so_far = Duration::ZERO;
            }
            (Mutant::FirstIntervalCounts, Some((last, then)))
                if last.record.is_held() && !seen.record.is_held() =>
            {
                *so_far += now.at_least_since(then);
            }
            (Mutant::ParseNormalises, _) => {
                let nothing = Advice {
                    served: 0,
                    queued: Some(false),
                };
                seen.record = seen.record.advised(&nothing);
            }
            _ => {}
        }
        ReadOutcome::Present(seen)
    }

    pub fn mishear(&self, outcome: Written) -> Written {
        match (self.mutant, &outcome) {
            (Some(Mutant::BusyMeansNoQueue), WriteOutcome::Refused(Refusal::Busy, _)) => {
                refused(Refusal::Denied)
            }
            _ => outcome,
        }
    }

    pub fn twist_before(&mut self, inputs: &mut Inputs) {
        match self.mutant {
            Some(Mutant::ServedForgotten) => *self.known.place.memory().0 = 0,
            Some(Mutant::QueuedCleared) => inputs.advice.queued = Some(false),
            Some(Mutant::ServedRaised) => {
                let tickets = self.twist.queue.iter().flat_map(|queue| &queue.tickets);
                let newest = tickets.map(|ticket| ticket.number).max().unwrap_or(0);
                inputs.advice.served = inputs.advice.served.max(newest);
            }
            _ => {}
        }
    }

    /// Waits again, instead of a step that takes the lock too early for the mutant.
    pub fn wait_longer<E>(&mut self, step: Step<E>, call: Call, known: Observations) -> Step<E> {
        let takes = matches!(&step, Step::Write(write) if write.record.is_held());
        let before = u32::try_from(self.known.place.standing().before).expect("few");
        if !takes || before < 2 {
            return step;
        }
        let grace = self.known.place.standing().patience - ms(250) * (before - 1);
        if *self.known.place.memory().1 >= grace * before {
            return step;
        }
        (self.call, self.known) = (call, known);
        Step::Wait {
            free_in: s(1),
            pause: Some(s(1)),
        }
    }

    /// What the mutant makes of a step that it does not carry out.
    pub fn spares_request<E>(&mut self, step: &Step<E>) -> Option<Event> {
        match (self.mutant, step) {
            (Some(Mutant::NoSecondTicket), Step::WriteQueue(_)) => {
                self.twist.tickets += 1;
                let outcome = refused(Refusal::Condition);
                let event = Event::Queue(QueueEvent::Wrote(outcome));
                (self.twist.tickets > 1).then_some(event)
            }
            (Some(Mutant::NoSecondLook), Step::SeeQueue) => {
                self.twist.looks += 1;
                (self.twist.looks > 1).then_some(Event::Queue(QueueEvent::Seen))
            }
            _ => None,
        }
    }
}

/// Runs a world by the rules, and again with one of them broken. A measure of it is good in the first, and bad in
/// the second.
#[track_caller]
fn shows<M: std::fmt::Debug>(
    mutant: Mutant,
    run: impl Fn(Option<Mutant>) -> World,
    measure: impl Fn(&World) -> M,
    is_good: impl Fn(&M) -> bool,
) {
    let sound = measure(&run(None));
    let broken = measure(&run(Some(mutant)));
    println!("{mutant:?}: {sound:?}, {broken:?}");
    assert!(is_good(&sound), "by the rules: {sound:?}");
    assert!(!is_good(&broken), "with {mutant:?}: {broken:?}");
}

fn even() -> Network {
    Network::of(ms(25))
}

/// Some clients that loop.
fn loops(network: Network, count: u64, mutant: Option<Mutant>) -> World {
    let mut world = World::new(1, network).breaking(mutant);
    for i in 0..count {
        world.add(Spec {
            begins: ms(7 * i),
            ..Spec::default()
        });
    }
    world
}

/// How often somebody was bypassed who should not have been.
fn bypassed(world: &World) -> usize {
    world.judge.unexcused().len()
}

/// The longest that any client waited, or still waits.
fn longest(world: &World) -> Duration {
    world.shares().longest_wait
}

/// A client dies while it waits in front, and one that does not know the queue has the lock again and again.
#[test]
fn an_opportunity_that_counts_anew_for_each_version() {
    let run = |mutant| {
        let mut world = World::new(1, even()).breaking(mutant);
        world.add(Spec {
            hold: ms(100),
            queue: false,
            ..Spec::default()
        });
        world.add(Spec {
            begins: ms(100),
            dies: Some(Death::Waiting),
            ..Spec::default()
        });
        for i in 0..4 {
            world.add(Spec {
                begins: ms(3_000 + 100 * i),
                ..Spec::default()
            });
        }
        world.run_until(s(120));
        world
    };
    let waiters = |world: &World| {
        let waiters = world.clients[2..].iter();
        waiters.map(|client| client.tally.acquired).min()
    };
    let all_have_it = |least: &Option<u32>| *least > Some(20);
    shows(Mutant::EachVersionAnew, run, waiters, all_have_it);
}

/// The first in line looks often. The second looks seldom, and may look first after a release.
#[test]
fn the_interval_before_a_release_that_counts_as_an_opportunity() {
    let run = |mutant| {
        let mut world = World::new(1, even()).breaking(mutant);
        world.add(Spec {
            hold: s(7),
            ..Spec::default()
        });
        for (begins, min, max) in [(100, ms(300), ms(400)), (200, s(3), s(6))] {
            let mut spec = Spec {
                begins: ms(begins),
                hold: s(7),
                ..Spec::default()
            };
            (spec.pace.min, spec.pace.max) = (min, max);
            world.add(spec);
        }
        world.run_until(s(3_000));
        world
    };
    let passes = |world: &World| {
        let passes = world.judge.bypasses.iter();
        passes
            .filter(|bypass| bypass.excuse == Excuse::LaterTicket)
            .count()
    };
    shows(Mutant::FirstIntervalCounts, run, passes, |passes| {
        *passes == 0
    });
}

/// A holder gives the lock back, and so many have died that waited for it.
fn behind_dead(dead: u64, mutant: Option<Mutant>) -> World {
    let mut world = World::new(1, even()).breaking(mutant);
    world.add(Spec {
        hold: s(20),
        cycles: Some(1),
        ..Spec::default()
    });
    for i in 0..dead {
        world.add(Spec {
            begins: ms(1_000 + 100 * i),
            dies: Some(Death::Waiting),
            ..Spec::default()
        });
    }
    world.add(Spec {
        begins: s(15),
        cycles: Some(1),
        ..Spec::default()
    });
    world
}

#[test]
fn a_grace_for_each_dead_ticket() {
    let run = |mutant| {
        let mut world = behind_dead(20, mutant);
        world.run_until(s(120));
        world
    };
    let free = |world: &World| world.judge.longest_free.0;
    shows(Mutant::GraceForEachTicket, run, free, |free| *free < s(12));
}

/// The queue is restored to a version with tickets that had their turn, and the record has lost what was served.
#[test]
fn what_was_served_known_from_the_last_look_only() {
    let run = |mutant| {
        let mut world = loops(even(), 4, mutant);
        for i in 0..10 {
            world.act_at(s(3 + 3 * i), Act::RestoreQueue(12));
            world.act_at(s(3 + 3 * i), Act::LoseAdvice);
        }
        world.run_until(s(33));
        world
    };
    let free = |world: &World| world.judge.longest_free.0;
    shows(Mutant::ServedForgotten, run, free, |free| *free < s(3));
}

/// Replies are lost. A client has to recognise its own write when it reads it.
#[test]
fn a_record_that_is_not_read_as_it_was_written() {
    let run = |mutant| {
        let lossy = Network {
            lost_replies: 40,
            ..even()
        };
        let mut world = loops(lossy, 4, mutant);
        for client in &mut world.clients {
            client.spec.lease = s(30);
        }
        world.run_until(s(200));
        world
    };
    // How long nobody had the lock: a lease, if somebody has it and does not know that.
    let pause = |world: &World| {
        let times = world.clients.iter().flat_map(|client| &client.tally.times);
        let mut times: Vec<Duration> = times.copied().collect();
        times.sort();
        times.windows(2).map(|pair| pair[1] - pair[0]).max()
    };
    shows(Mutant::ParseNormalises, run, pause, |pause| {
        *pause < Some(s(20))
    });
}

#[test]
fn a_record_that_says_that_nobody_waits() {
    let run = |mutant| {
        let mut world = loops(even(), 8, mutant);
        world.run_until(s(30));
        world
    };
    shows(Mutant::QueuedCleared, run, bypassed, |times| *times == 0);
}

#[test]
fn no_second_ticket_for_one_that_was_passed_over() {
    let run = |mutant| {
        let mut world = loops(even(), 8, mutant);
        let suspended = Some((s(3), s(20)));
        world.clients[2].spec.suspended = suspended;
        world.run_until(s(60));
        world
    };
    let after = |world: &World| {
        let times = &world.clients[2].tally.times;
        times.iter().find(|at| **at > s(20)).copied()
    };
    let is_soon = |after: &Option<Duration>| after.is_some_and(|after| after < s(25));
    shows(Mutant::NoSecondTicket, run, after, is_soon);
}

#[test]
fn no_second_look_at_the_queue() {
    let run = |mutant| {
        let mut world = loops(even(), 8, mutant);
        world.run_until(s(30));
        world
    };
    shows(Mutant::NoSecondLook, run, bypassed, |times| *times == 0);
}

#[test]
fn a_ticket_that_is_used_up_by_one_without_any() {
    let run = |mutant| {
        let mut world = loops(even(), 4, mutant);
        world.run_until(s(30));
        world
    };
    let robbed = |world: &World| world.judge.raised.len();
    shows(Mutant::ServedRaised, run, robbed, |robbed| *robbed == 0);
}

#[test]
fn a_store_asked_too_often_taken_for_one_without_a_queue() {
    let run = |mutant| {
        let busy = Network {
            queue_interval: s(1),
            ..even()
        };
        let mut world = loops(busy, 2, mutant);
        world.run_until(s(60));
        world
    };
    shows(Mutant::BusyMeansNoQueue, run, longest, |longest| {
        *longest < s(10)
    });
}
