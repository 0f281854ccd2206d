//! A model checker explores the lock's protocol. The code that it explores is the code that runs
//! (`src/protocol`), and at every step it tries everything that can happen next.
//!
//! `src/trust.md` says in plain words what is checked. This file has the configurations: which
//! clients take part, and how much may go wrong among them. The rest is in `model/`:
//!
//! | file | holds |
//! |---|---|
//! | `scenario.rs` | what there is to explore: clients, budgets, the units of time, mutants |
//! | `world.rs` | what can happen next, and its effects |
//! | `client.rs` | a client that runs the crate's operations, as `src/engine/driver.rs` does |
//! | `hand_over.rs` | hand-overs between the threads of one client |
//! | `labels.rs` | labels that are completed once |
//! | `store.rs` | the store |
//! | `judge.rs` | compares what happened with what was promised |
//! | `lock.rs` | the promises |
//! | `mutants.rs` | rules that are broken on purpose, each with the history that shows it |
//! | `keeping.rs` | a guard that is kept alive while reads hang, with the limits of requests |
//! | `schedules.rs` | the same clients, in random histories that are far longer |
//! | `classic.rs` | the protocol that this one replaces |
//!
//! Each test pins the number of states. A change of the protocol changes it, and has to be
//! reviewed. So does a change of the model that makes it blind. A plain `cargo test` explores less
//! than `cargo test --release`.

mod model {
    mod classic;
    pub mod client;
    mod hand_over;
    pub mod judge;
    mod keeping;
    pub mod labels;
    pub mod lock;
    mod mutants;
    pub mod scenario;
    mod schedules;
    pub mod store;
    pub mod world;
}

use std::fmt::Write as _;
use std::time::Duration;

use stateright::{Checker, Model};

use model::client::Who;
use model::lock::{
    ADOPTED, COMPLETED, EVERYBODY, FREED, HANDED_OVER, HELD_BACK, INFERRED, LEARNED_OF_FORCE,
    RECLAIMED, RESOLVED, SKIPPED, TAKEOVER, UNDONE,
};
use model::scenario::{Budget, Calls, LEASE, Label, NODES, Role, STORES, Scenario, held, patience};

/// If a change makes the states endless, a test must fail instead of running for ever.
const TOO_LONG: Duration = Duration::from_secs(600);

/// One value in a plain `cargo test`, another with `--release`.
fn either<T>(dev: T, release: T) -> T {
    if cfg!(debug_assertions) { dev } else { release }
}

fn acquires(owner: &'static str, times: u16) -> Role {
    let calls = Calls {
        acquire: times,
        ..Calls::default()
    };
    Role::of(owner, calls)
}

/// Explores a scenario to its end. No promise is broken, everything that must be possible happens,
/// and there are this many states.
#[track_caller]
fn holds(scenario: Scenario, states: usize) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let checker = scenario.checker().threads(threads).timeout(TOO_LONG);
    let checker = checker.spawn_dfs().join();
    let mut complaints = String::new();
    for property in checker.model().properties() {
        let discovery = checker.discovery(property.name);
        let is_wanted = !property.expectation.discovery_is_failure();
        match discovery {
            Some(path) if !is_wanted => {
                let _ = writeln!(complaints, "broken: {}", property.name);
                for action in path.into_actions() {
                    let _ = writeln!(complaints, "    {action:?}");
                }
            }
            None if is_wanted => {
                let _ = writeln!(complaints, "never: {}", property.name);
            }
            _ => {}
        }
    }
    assert!(complaints.is_empty(), "\n{complaints}");
    println!("{} states", checker.unique_state_count());
    assert_eq!(checker.unique_state_count(), states);
}

/// Every tick around the deadline, with clocks that come apart. The takeover goes by the store's
/// clock.
#[test]
fn a_lock_is_taken_over_only_after_the_deadline_of_its_holder() {
    let holder = Calls {
        acquire: 1,
        renew: either(0, 1),
        ..Calls::default()
    };
    let scenario = Scenario {
        budget: Budget {
            ticks: either(2, 3),
            leases: 1,
            ..Budget::default()
        },
        fast: vec![STORES],
        ahead: vec![NODES],
        already: held(),
        possible: vec![EVERYBODY, TAKEOVER],
        ..Scenario::of(vec![Role::of("a", holder), acquires("b", 1)])
    };
    holds(scenario, either(28_307, 4_869_715));
}

/// The observer uses the lease that the record names, not its own.
#[test]
fn a_lease_longer_than_that_of_who_waits_is_respected() {
    let longer = Role {
        lease: 2 * LEASE,
        ..acquires("a", 1)
    };
    let scenario = Scenario {
        budget: Budget {
            ticks: either(0, 1),
            leases: 3,
            ..Budget::default()
        },
        fast: vec![STORES],
        ahead: vec![NODES],
        already: held(),
        possible: vec![EVERYBODY, TAKEOVER],
        ..Scenario::of(vec![longer, acquires("b", 1)])
    };
    holds(scenario, either(18_476, 169_407));
}

/// Starts before any client has the lock. With `--release`, any one clock is fast.
#[test]
fn two_clients_never_hold_the_lock_at_once() {
    let scenario = Scenario {
        budget: Budget {
            ticks: either(1, 2),
            leases: 1,
            ..Budget::default()
        },
        possible: either(vec![EVERYBODY], vec![EVERYBODY, TAKEOVER]),
        ..Scenario::of(vec![acquires("a", 1), acquires("b", 1)])
    };
    let scenario = either(scenario.clone(), scenario.with_any_clock_fast());
    holds(scenario, either(129_116, 2_467_202));
}

/// With `--release`, this is the largest scenario. One request is lost or late, and the store's
/// clock and its nodes make the other client as early as they can.
#[test]
fn two_clients_never_hold_the_lock_at_once_whatever_request_is_lost() {
    let scenario = Scenario {
        budget: Budget {
            ticks: either(0, 2),
            leases: 1,
            losses: 1,
            ..Budget::default()
        },
        fast: vec![STORES],
        ahead: vec![NODES],
        possible: either(
            vec![EVERYBODY, RESOLVED, UNDONE],
            vec![EVERYBODY, RESOLVED, UNDONE, TAKEOVER],
        ),
        ..Scenario::of(vec![acquires("a", 1), acquires("b", 1)])
    };
    holds(scenario, either(176_368, 21_326_714));
}

/// A client that guesses from its own last release.
#[test]
fn a_client_that_comes_back_finds_its_way_through_a_bad_network() {
    let scenario = Scenario {
        budget: Budget {
            losses: either(1, 2),
            repeats: either(0, 1),
            ..Budget::default()
        },
        ahead: either(vec![NODES], vec![0, NODES]),
        possible: vec![EVERYBODY, RESOLVED, UNDONE, INFERRED],
        ..Scenario::of(vec![acquires("a", 2), acquires("b", 1)])
    };
    holds(scenario, either(62_194, 3_734_028));
}

/// Every result of a request, and a write that is sent twice: the store's reply to one copy need
/// not be true of the other.
#[test]
fn a_write_that_comes_to_nothing_or_twice_misleads_nobody() {
    let holder = Calls {
        acquire: 1,
        renew: 1,
        ..Calls::default()
    };
    let scenario = Scenario {
        budget: Budget {
            losses: either(0, 1),
            repeats: 1,
            failures: 1,
            ..Budget::default()
        },
        ahead: vec![0],
        possible: either(vec![EVERYBODY], vec![EVERYBODY, RESOLVED, UNDONE]),
        ..Scenario::of(vec![Role::of("a", holder), acquires("b", 1)])
    };
    holds(scenario, either(286_238, 2_712_492));
}

/// One client starts with the lock. With `--release` the others take it over, from each other too,
/// and one may crash.
#[test]
fn three_clients_never_hold_the_lock_at_once() {
    let scenario = Scenario {
        budget: Budget {
            leases: either(1, 2),
            crashes: either(0, 1),
            ..Budget::default()
        },
        ahead: vec![NODES],
        already: held(),
        possible: either(vec![EVERYBODY], vec![EVERYBODY, TAKEOVER]),
        ..Scenario::of(vec![acquires("a", 1), acquires("b", 1), acquires("c", 1)])
    };
    holds(scenario, either(41_992, 1_531_144));
}

/// Renewals whose replies are lost, that are dropped for a release, or that a look finds.
#[test]
fn a_holder_that_renews_keeps_to_the_lease_that_it_has() {
    let holder = Calls {
        acquire: 1,
        renew: either(2, 1),
        verify: 1,
        ..Calls::default()
    };
    let scenario = Scenario {
        budget: Budget {
            ticks: either(0, 1),
            leases: either(0, 1),
            losses: 1,
            ..Budget::default()
        },
        fast: vec![STORES],
        ahead: vec![NODES],
        already: held(),
        possible: vec![EVERYBODY, RESOLVED, ADOPTED],
        ..Scenario::of(vec![Role::of("a", holder), acquires("b", 1)])
    };
    holds(scenario, either(61_980, 9_383_009));
}

#[test]
fn an_owner_that_has_crashed_reclaims_its_lock_and_nobody_elses() {
    let owner = Role {
        reclaims: true,
        ..acquires("a", 2)
    };
    let scenario = Scenario {
        budget: Budget {
            leases: either(0, 1),
            losses: either(0, 1),
            crashes: 1,
            ..Budget::default()
        },
        ahead: vec![NODES],
        possible: either(
            vec![EVERYBODY, RECLAIMED],
            vec![EVERYBODY, RECLAIMED, RESOLVED, INFERRED],
        ),
        ..Scenario::of(vec![owner, acquires("b", 1)])
    };
    holds(scenario, either(13_350, 4_320_550));
}

#[test]
fn an_operator_breaks_the_holding_that_was_seen_and_no_other() {
    let holder = Calls {
        acquire: 1,
        renew: 1,
        ..Calls::default()
    };
    let operator = Calls {
        status: 1,
        force_release: either(1, 2),
        ..Calls::default()
    };
    let scenario = Scenario {
        budget: Budget {
            losses: either(0, 1),
            ..Budget::default()
        },
        ahead: vec![0],
        possible: either(
            vec![FREED, LEARNED_OF_FORCE],
            vec![FREED, LEARNED_OF_FORCE, RESOLVED],
        ),
        ..Scenario::of(vec![
            Role::of("a", holder),
            Role::of("operator", operator),
            acquires("b", 1),
        ])
    };
    holds(scenario, either(80_812, 3_762_652));
}

/// The release comes from another process than the one that has acquired the lock. That process may
/// have acquired it again.
#[test]
fn a_release_by_owner_name_ends_the_holding_that_it_saw_and_no_other() {
    let holder = Calls {
        acquire: 2,
        detach: 1,
        release: 1,
        ..Calls::default()
    };
    let releaser = Calls {
        release: 1,
        ..Calls::default()
    };
    let scenario = Scenario {
        budget: Budget {
            losses: 1,
            repeats: either(0, 1),
            failures: either(0, 1),
            ..Budget::default()
        },
        ahead: vec![0],
        possible: vec![RESOLVED, FREED],
        ..Scenario::of(vec![Role::of("a", holder), Role::of("b", releaser)])
    };
    holds(scenario, either(100_392, 5_819_488));
}

/// The store's dates are far from the truth, so observers use their own clocks.
#[test]
fn without_the_stores_clock_there_is_one_holder_too() {
    let own_clock = |owner| Role {
        store_clock: false,
        ..acquires(owner, 1)
    };
    let scenario = Scenario {
        budget: Budget {
            ticks: either(0, 1),
            leases: 2,
            ..Budget::default()
        },
        ahead: vec![0],
        possible: vec![EVERYBODY, TAKEOVER],
        ..Scenario::of(vec![own_clock("a"), own_clock("b")])
    };
    let scenario = either(scenario.clone(), scenario.with_any_clock_fast());
    holds(scenario, either(46_938, 4_792_744));
}

/// Behind a front that dates reads itself, every lease looks over. The check of the store finds it.
#[test]
fn behind_a_front_that_dates_reads_alone_there_is_one_holder_too() {
    let behind = |owner| Role {
        front: true,
        ..acquires(owner, 1)
    };
    let scenario = Scenario {
        budget: Budget {
            ticks: either(0, 1),
            leases: 2,
            ..Budget::default()
        },
        ahead: vec![0],
        already: held(),
        possible: vec![EVERYBODY, TAKEOVER],
        ..Scenario::of(vec![behind("a"), behind("b")])
    };
    holds(scenario, either(3_878, 32_284));
}

/// Whatever the lock's queue shows, and whether or not a client can have a ticket: whose turn it is decides only
/// when a write is sent.
#[test]
fn whatever_the_queue_shows_there_is_one_holder() {
    let queues = |owner, times| Role {
        queues: true,
        ..acquires(owner, times)
    };
    let scenario = Scenario {
        budget: Budget {
            ticks: either(0, 2),
            leases: 1,
            losses: either(1, 0),
            ..Budget::default()
        },
        fast: vec![STORES],
        ahead: vec![NODES],
        already: held(),
        possible: either(
            vec![EVERYBODY, HELD_BACK, RESOLVED],
            vec![EVERYBODY, HELD_BACK, TAKEOVER],
        ),
        ..Scenario::of(vec![queues("a", either(1, 2)), queues("b", 1)])
    };
    holds(scenario, either(25_516, 2_402_526));
}

/// What one thread learns, the other knows, in the middle of its own call.
#[test]
fn two_threads_of_one_client_do_not_mislead_each_other() {
    let calls = Calls {
        acquire: 1,
        status: either(1, 0),
        release: 1,
        ..Calls::default()
    };
    let thread = Role {
        twin: Some(Who(0)),
        ..Role::of("a", calls)
    };
    let mut roles = vec![Role::of("a", calls), thread];
    roles.extend(either(None, Some(acquires("b", 1))));
    let scenario = Scenario {
        budget: Budget {
            losses: 0,
            ..Budget::default()
        },
        ahead: vec![0],
        possible: vec![FREED],
        ..Scenario::of(roles)
    };
    holds(scenario, either(400_704, 3_019_744));
}

/// One thread looks and another renews, with one guard.
#[test]
fn a_look_beside_a_renewal_finds_no_loss_that_is_none() {
    let holder = Calls {
        acquire: 1,
        renew: either(1, 2),
        verify: 1,
        ..Calls::default()
    };
    let operator = Calls {
        status: 1,
        force_release: 1,
        ..Calls::default()
    };
    let scenario = Scenario {
        budget: Budget {
            losses: 1,
            ..Budget::default()
        },
        ahead: vec![0],
        already: held(),
        possible: vec![ADOPTED, LEARNED_OF_FORCE],
        ..Scenario::of(vec![Role::of("a", holder), Role::of("operator", operator)])
    };
    holds(scenario, either(39_276, 190_410));
}

/// Two threads of a client and another client.
fn handing_over(budget: Budget) -> Scenario {
    let holder = Calls {
        acquire: 1,
        hand_over: 1,
        ..Calls::default()
    };
    let thread = Role {
        twin: Some(Who(0)),
        ..acquires("b", 1)
    };
    Scenario {
        budget,
        ahead: vec![NODES],
        already: held(),
        possible: vec![EVERYBODY, HANDED_OVER],
        ..Scenario::of(vec![Role::of("a", holder), thread, acquires("c", 1)])
    }
}

/// The reply to any request may be lost, that to the hand-over too, and leases pass.
#[test]
fn a_lock_that_is_handed_over_has_one_holder_whatever_request_is_lost() {
    let mut scenario = handing_over(Budget {
        leases: either(0, 1),
        losses: 1,
        ..Budget::default()
    });
    scenario.fast = vec![STORES];
    holds(scenario, either(44_024, 956_242));
}

/// Every answer to the hand-over: also that of a proxy that has sent it twice. And the thread that
/// hands over may stop half way.
#[test]
fn a_hand_over_that_comes_to_nothing_or_twice_misleads_neither_thread() {
    let scenario = handing_over(Budget {
        repeats: either(0, 1),
        failures: 1,
        crashes: 1,
        ..Budget::default()
    });
    holds(scenario, either(185_526, 930_918));
}

/// An operator breaks either holding, and the next holder is told as any other.
#[test]
fn a_lock_that_is_broken_while_it_is_handed_over_is_no_longer_held() {
    let mut scenario = handing_over(Budget {
        losses: either(0, 1),
        ..Budget::default()
    });
    scenario.roles[2].calls = Calls {
        acquire: 1,
        status: 1,
        force_release: 1,
        ..Calls::default()
    };
    scenario.possible = vec![EVERYBODY, HANDED_OVER, FREED];
    holds(scenario, either(27_788, 674_152));
}

/// A third thread has the name of the second, and reclaims.
#[test]
fn nobody_reclaims_a_lock_that_is_being_handed_over() {
    let mut scenario = handing_over(Budget {
        losses: 1,
        ..Budget::default()
    });
    scenario.roles[2] = Role {
        twin: Some(Who(0)),
        reclaims: true,
        ..acquires("b", 1)
    };
    holds(scenario, 50_492);
}

/// A client that takes the lock to complete this label, so many times.
fn completes(owner: &'static str, label: &'static str, times: u16) -> Role {
    let calls = Calls {
        acquire: times,
        complete: times,
        ..Calls::default()
    };
    Role {
        label: Some(Label::Once(label)),
        ..Role::of(owner, calls)
    }
}

/// Two clients that want the same label.
fn completing_once(budget: Budget) -> Scenario {
    Scenario {
        budget,
        fast: vec![STORES],
        ahead: vec![NODES],
        already: held(),
        possible: vec![COMPLETED, SKIPPED],
        ..Scenario::of(vec![
            completes("a", "x", 1),
            completes("b", "x", either(1, 2)),
        ])
    }
}

/// With `--release`, leases pass as well.
#[test]
fn a_label_is_completed_by_one_of_two_clients_whatever_request_is_lost() {
    let mut scenario = completing_once(Budget {
        leases: either(0, 2),
        losses: 1,
        ..Budget::default()
    });
    scenario.possible.push(RESOLVED);
    holds(scenario, either(1_982, 1_547_572));
}

/// The first completes its label when the second has taken the lock over, or before, or in between.
#[test]
fn a_label_is_completed_by_one_of_two_holders_whose_lease_has_passed() {
    let mut scenario = completing_once(Budget {
        leases: 2,
        ticks: either(0, 1),
        ..Budget::default()
    });
    scenario.possible.push(TAKEOVER);
    holds(scenario, either(13_054, 568_526));
}

/// Every answer to a completion: also that of a proxy that has sent it twice.
#[test]
fn a_completion_that_comes_to_nothing_or_twice_is_told_as_what_it_was() {
    let scenario = Scenario {
        budget: Budget {
            losses: either(0, 1),
            repeats: 1,
            failures: 1,
            ..Budget::default()
        },
        ahead: vec![0],
        already: held(),
        possible: vec![COMPLETED, SKIPPED],
        ..Scenario::of(vec![completes("a", "x", 1), completes("b", "x", 1)])
    };
    holds(scenario, either(15_462, 114_604));
}

/// The first holder is broken by force or by name, and has called `complete` or not.
#[test]
fn a_holding_that_was_ended_without_its_guard_has_completed_nothing() {
    let operator = Role {
        calls: Calls {
            acquire: 1,
            complete: 1,
            release: 1,
            status: 1,
            force_release: either(0, 1),
            ..Calls::default()
        },
        ..completes("b", "x", 1)
    };
    let scenario = Scenario {
        budget: Budget {
            losses: either(0, 1),
            ..Budget::default()
        },
        ahead: vec![0],
        already: held(),
        possible: vec![COMPLETED, SKIPPED, FREED],
        ..Scenario::of(vec![completes("a", "x", 2), operator])
    };
    holds(scenario, either(47_008, 2_427_236));
}

/// Two threads of a client, and another client. Two of them want the same label.
fn completing_and_handing_over(second: &'static str, budget: Budget) -> Scenario {
    let mut first = completes("a", "x", 1);
    first.calls.hand_over = 1;
    let thread = Role {
        twin: Some(Who(0)),
        ..completes("b", second, 1)
    };
    Scenario {
        budget,
        ahead: vec![NODES],
        already: held(),
        possible: vec![COMPLETED, SKIPPED, HANDED_OVER],
        ..Scenario::of(vec![first, thread, completes("c", "x", 1)])
    }
}

/// One write completes a label and begins the next holding. The reply to any request may be lost.
#[test]
fn a_label_that_is_completed_by_a_hand_over_is_done_whatever_request_is_lost() {
    let budget = Budget {
        leases: either(0, 1),
        losses: 1,
        ..Budget::default()
    };
    let mut scenario = completing_and_handing_over("y", budget);
    scenario.fast = vec![STORES];
    holds(scenario, either(102_646, 2_114_012));
}

#[test]
fn a_completing_hand_over_that_comes_to_nothing_or_twice_misleads_nobody() {
    let budget = Budget {
        repeats: either(0, 1),
        failures: 1,
        crashes: either(0, 1),
        ..Budget::default()
    };
    let mut scenario = completing_and_handing_over("y", budget);
    scenario.roles.truncate(either(2, 3));
    scenario.possible = either(
        vec![COMPLETED, HANDED_OVER],
        vec![COMPLETED, HANDED_OVER, SKIPPED],
    );
    holds(scenario, either(7_660, 2_119_942));
}

/// The threads of one client want the same label. What one learns, the other knows.
#[test]
fn two_threads_that_want_the_same_label_complete_it_once() {
    let budget = Budget {
        losses: 1,
        ..Budget::default()
    };
    let mut scenario = completing_and_handing_over("x", budget);
    scenario.roles.truncate(either(2, 3));
    scenario.roles[0].calls.acquire = 2;
    holds(scenario, either(58_966, 5_482_644));
}

/// Whatever happens to a holder, a waiting client gets the lock, on every path to its end.
#[test]
fn the_lock_is_eventually_free_again() {
    let mut scenario = patience();
    scenario.budget.losses = either(0, 1);
    holds(scenario, either(404_704, 3_920_142));
}

/// Whatever becomes of a hand-over, the thread that was chosen hears of it and gets the lock, on every path to
/// its end.
#[test]
fn a_thread_that_was_chosen_eventually_gets_the_lock() {
    let mut scenario = handing_over(Budget {
        leases: 4,
        losses: 1,
        repeats: either(0, 1),
        crashes: 1,
        ..Budget::default()
    });
    scenario.roles.swap(1, 2);
    let roles = scenario.roles.iter_mut();
    roles.for_each(|role| role.is_steady = true);
    scenario.must_end = true;
    holds(scenario, either(17_598, 82_590));
}
