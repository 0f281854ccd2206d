//! The protocol of aws-s3-lock, the npm package that this crate replaces, and what the checker
//! finds in it.
//!
//! The model is kind to the protocol. No request fails, no client crashes, no two clients share a
//! name, all clocks agree, and an expiry counts from when its PUT arrives. A request may only be
//! slow, so that anything the others do can come before it.

use std::fmt;

use stateright::{Checker, Model, Path, Property};

/// In minutes, like all times here. 2 is what the package's README sets.
const MAX_OPERATION: u8 = 2;
/// An acquire may take a minute, so the operation itself always has this much time left.
const LEASE: u8 = MAX_OPERATION + 1;

/// What there is to explore. Every client acquires once, and may then release.
struct Classic {
    clients: usize,
    /// How many minutes may pass.
    minutes: u8,
    /// A client begins only when the ones before it have ended.
    in_turn: bool,
    /// The checker must look for nothing else to find a shortest way to a violation. Otherwise it
    /// goes on for the rest, and keeps the last violation that it finds.
    properties: fn() -> Vec<Property<Classic>>,
}

/// Both objects and all clients, at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    now: u8,
    owner: Option<Owner>,
    counter: Option<u8>,
    clients: Vec<Client>,
    /// Whether a release has freed the lock while the owner that it removed believed it held.
    freed_another: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Owner {
    who: Who,
    expiry: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Who(usize);

/// Which request comes next, with what the client remembers for it, or how the call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Client {
    ReadCounter,
    CheckOwner {
        counter: Option<u8>,
    },
    PutOwner {
        counter: Option<u8>,
    },
    CheckCounter {
        counter: Option<u8>,
    },
    PutCounter {
        counter: u8,
    },
    ConfirmOwner,
    Rollback,
    RollbackPut,
    Failed(Failure),
    /// Acquired. Next comes a release, if anything.
    Holds {
        until: u8,
    },
    ReleasePut,
    Released,
}

/// How an acquire may fail. The package names one more, `DuringLockRelease`, which no reply leads
/// to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Failure {
    OwnedBySomeoneElse,
    MultipleSavesInProgress,
    TooSlowAbandoned,
    NoLockAcquired,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Action {
    /// The store carries out a client's next request, and the client learns the reply.
    Request(Who),
    Minute,
}

impl Model for Classic {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World {
            now: 0,
            owner: None,
            counter: None,
            clients: vec![Client::ReadCounter; self.clients],
            freed_another: false,
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        if world.now < self.minutes {
            actions.push(Action::Minute);
        }
        let may_begin = !self.in_turn || !world.clients.iter().any(Client::is_under_way);
        for (i, client) in world.clients.iter().enumerate() {
            let begins = *client == Client::ReadCounter && may_begin;
            if begins || client.is_under_way() {
                actions.push(Action::Request(Who(i)));
            }
        }
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        match action {
            Action::Request(who) => next.clients[who.0] = next.request(who),
            Action::Minute => next.now += 1,
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Classic>> {
        (self.properties)()
    }
}

impl World {
    /// Carries out the next request of a client, and takes the client's next step.
    fn request(&mut self, me: Who) -> Client {
        use Client::*;
        use Failure::*;

        match self.clients[me.0] {
            ReadCounter => CheckOwner {
                counter: self.counter,
            },
            CheckOwner { counter } => match self.owner {
                Some(owner) if owner.who != me && self.leaves_enough(owner) => {
                    Failed(OwnedBySomeoneElse)
                }
                _ => PutOwner { counter },
            },
            PutOwner { counter } => {
                self.owner = Some(Owner {
                    who: me,
                    expiry: self.now + LEASE,
                });
                CheckCounter { counter }
            }
            CheckCounter { counter } if counter != self.counter => Rollback,
            CheckCounter { counter } => PutCounter {
                counter: counter.unwrap_or(0) + 1,
            },
            PutCounter { counter } => {
                self.counter = Some(counter);
                ConfirmOwner
            }
            ConfirmOwner => match self.owner {
                None => Failed(NoLockAcquired),
                Some(owner) if owner.who != me => Failed(OwnedBySomeoneElse),
                Some(owner) if !self.leaves_enough(owner) => Failed(TooSlowAbandoned),
                Some(_) => Holds {
                    until: self.now + MAX_OPERATION,
                },
            },
            Rollback if self.is_owned_by(me) => RollbackPut,
            Rollback => Failed(MultipleSavesInProgress),
            RollbackPut => {
                self.owner = None;
                Failed(MultipleSavesInProgress)
            }
            Holds { .. } if self.is_owned_by(me) => ReleasePut,
            Holds { .. } => Released,
            ReleasePut => {
                self.freed_another |= self.owner.is_some_and(|owner| self.believes(owner.who));
                self.owner = None;
                Released
            }
            Failed(_) | Released => unreachable!("it is through"),
        }
    }

    /// Whether an operation that begins now would end before the owner's time is over.
    fn leaves_enough(&self, owner: Owner) -> bool {
        owner.expiry > self.now + MAX_OPERATION
    }

    fn is_owned_by(&self, me: Who) -> bool {
        self.owner.is_some_and(|owner| owner.who == me)
    }

    /// Whether a client goes on with the work that the lock protects.
    fn believes(&self, who: Who) -> bool {
        matches!(self.clients[who.0], Client::Holds { until } if self.now < until)
    }

    fn believers(&self) -> usize {
        let everybody = (0..self.clients.len()).map(Who);
        everybody.filter(|who| self.believes(*who)).count()
    }

    fn any_failed(&self, failure: Failure) -> bool {
        self.clients.contains(&Client::Failed(failure))
    }

    /// An action in this state, as a line to read.
    fn describe(&self, action: Action) -> String {
        let Action::Request(me) = action else {
            return "a minute passes".to_owned();
        };
        let owner = self
            .owner
            .map_or("nobody".to_owned(), |o| o.who.to_string());
        let counter = self.counter.map_or("none".to_owned(), |c| c.to_string());
        let request = match self.clients[me.0] {
            Client::ReadCounter => format!("1. GET counter: {counter}"),
            Client::CheckOwner { .. } => format!("2. GET owner: {owner}"),
            Client::PutOwner { .. } => format!("3. PUT owner = {me}, for max_operation + 1 minute"),
            Client::CheckCounter { .. } => format!("4. GET counter: {counter}"),
            Client::PutCounter { counter } => format!("5. PUT counter = {counter}"),
            Client::ConfirmOwner => format!("6. GET owner: {owner}"),
            Client::Rollback => format!("rollback: GET owner: {owner}"),
            Client::RollbackPut => "rollback: PUT owner = nobody".to_owned(),
            Client::Holds { .. } => format!("release: GET owner: {owner}"),
            Client::ReleasePut => "release: PUT owner = nobody".to_owned(),
            Client::Failed(_) | Client::Released => unreachable!("it is through"),
        };
        match self.clone().request(me) {
            Client::Rollback => format!("{me}: {request} => changed"),
            Client::Holds { .. } => format!("{me}: {request} => acquired"),
            Client::Failed(failure) => format!("{me}: {request} => {failure:?}"),
            _ => format!("{me}: {request}"),
        }
    }
}

impl Client {
    fn is_under_way(&self) -> bool {
        !matches!(
            self,
            Client::ReadCounter | Client::Failed(_) | Client::Released
        )
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(["A", "B", "C"][self.0])
    }
}

fn one_holder() -> Property<Classic> {
    let name = "at most one client believes it holds";
    Property::always(name, |_, world: &World| world.believers() <= 1)
}

fn frees_own() -> Property<Classic> {
    let name = "a release never ends another's holding";
    Property::always(name, |_, world: &World| !world.freed_another)
}

fn nobody_fails() -> Property<Classic> {
    Property::always("nobody fails", |_, world: &World| {
        let failed = |client: &Client| matches!(client, Client::Failed(_));
        !world.clients.iter().any(failed)
    })
}

fn everybody_wins() -> Property<Classic> {
    Property::sometimes("everybody gets the lock", |_, world: &World| {
        world.clients.iter().all(|c| *c == Client::Released)
    })
}

/// Clients whose requests mix in any order.
fn clients(clients: usize, minutes: u8, properties: fn() -> Vec<Property<Classic>>) -> Classic {
    Classic {
        clients,
        minutes,
        in_turn: false,
        properties,
    }
}

fn check(model: Classic) -> impl Checker<Classic> {
    // More threads would each find a way, and the shortest might not win.
    model.checker().threads(1).spawn_bfs().join()
}

/// The shortest way to break the promise that is asked for. It must be the only one.
fn refutation(model: Classic) -> Path<World, Action> {
    let promise = model.properties()[0].name;
    check(model).assert_any_discovery(promise)
}

fn lines(path: Path<World, Action>) -> Vec<String> {
    let line = |(world, action): (World, Option<Action>)| Some(world.describe(action?));
    path.into_vec().into_iter().filter_map(line).collect()
}

#[test]
fn the_classic_protocol_lets_two_clients_hold_the_lock() {
    let path = refutation(clients(3, 0, || vec![one_holder()]));
    assert_eq!(path.last_state().believers(), 2);
    assert_eq!(lines(path).len(), 18);
}

#[test]
fn the_documentation_shows_the_shortest_way_there() {
    let shown = include_str!("../../src/trust.md");
    let found = lines(refutation(clients(3, 0, || vec![one_holder()]))).join("\n");
    assert!(shown.contains(&found), "not shown:\n{found}");
}

#[test]
fn while_no_time_passes_it_takes_three_clients() {
    let two = check(clients(2, 0, || vec![one_holder(), frees_own()]));
    two.assert_properties();
    assert_eq!(two.unique_state_count(), 174);
}

/// A lock counts as free when no more than `max_operation` is left of its time. That is so as soon
/// as the minute for the acquire is over. But its holder was promised exactly that time.
#[test]
fn once_a_minute_has_passed_a_client_takes_the_lock_from_a_holder() {
    let path = refutation(clients(2, 1, || vec![one_holder()]));
    assert_eq!(path.last_state().believers(), 2);
    let lines = lines(path);
    assert_eq!(lines[5], "A: 6. GET owner: A => acquired");
    assert_eq!(lines[6], "a minute passes");
    assert_eq!(lines[12], "B: 6. GET owner: B => acquired");
}

#[test]
fn a_release_can_end_the_holding_of_a_successor() {
    let lines = lines(refutation(clients(2, 1, || vec![frees_own()])));
    assert_eq!(lines[7], "A: release: GET owner: A");
    assert_eq!(lines[13], "B: 6. GET owner: B => acquired");
    assert_eq!(lines[14], "A: release: PUT owner = nobody");
}

#[test]
fn every_failure_occurs() {
    fn failures() -> Vec<Property<Classic>> {
        use Failure::*;
        vec![
            Property::sometimes("owned", |_, w: &World| w.any_failed(OwnedBySomeoneElse)),
            Property::sometimes("saves", |_, w: &World| {
                w.any_failed(MultipleSavesInProgress)
            }),
            Property::sometimes("slow", |_, w: &World| w.any_failed(TooSlowAbandoned)),
            Property::sometimes("none", |_, w: &World| w.any_failed(NoLockAcquired)),
        ]
    }
    check(clients(2, 1, failures)).assert_properties();
}

fn all_is_well() -> Vec<Property<Classic>> {
    vec![one_holder(), frees_own(), nobody_fails(), everybody_wins()]
}

#[test]
fn a_client_alone_gets_the_lock() {
    let one = check(clients(1, 0, all_is_well));
    one.assert_properties();
    assert_eq!(one.unique_state_count(), 9);
}

#[test]
fn clients_that_come_one_after_the_other_all_get_the_lock() {
    let in_turn = check(Classic {
        in_turn: true,
        ..clients(3, 0, all_is_well)
    });
    in_turn.assert_properties();
    assert_eq!(in_turn.unique_state_count(), 92);
}
