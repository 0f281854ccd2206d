//! Rules broken on purpose, one at a time, each with the shortest history that shows what it is
//! for. The protocol's code stays as it is. The mutants alter what it is told, what is made of its
//! answers, or the store.
//!
//! A checker that finds nothing may be blind. Here it has to find something. With `--release` it
//! also has to find nothing where the rule is kept.

use stateright::{Checker, HasDiscoveries, Model};

use super::client::{Who, WriteId};
use super::lock::{
    CALLED, DONE, FREE_AGAIN, FREES_ITS_OWN, NOT_ACCUSED, NOT_AGAIN, NOT_DONE, ONCE, ONE_HOLDER,
    REMEMBERED, STAYS_LOST, TOKENS_GROW, TRULY_LOST,
};
use super::scenario::{
    Budget, Calls, DRIFT, LEASE, Label, MARGIN, Mutant, NODES, Role, STORES, Scenario, clock_of,
    held, patience,
};
use super::world::{Action, Call, MAX_TURNS};

const A: Who = Who(0);
const B: Who = Who(1);
const C: Who = Who(2);
/// Far longer than any history here.
const FOR_EVER: u32 = 1_000_000;

/// Checks that this way of breaking a rule breaks a promise, in these steps.
#[track_caller]
fn shows(promise: &'static str, scenario: Scenario, mutant: Mutant, steps: &str) {
    let broken = Scenario {
        mutant: Some(mutant),
        ..scenario.clone()
    };
    refutes(promise, broken, scenario, steps);
}

#[track_caller]
fn refutes(promise: &'static str, broken: Scenario, sound: Scenario, steps: &str) {
    let found = shortest(promise, broken).expect("the checker sees it");
    let steps: Vec<&str> = steps.lines().map(str::trim).collect();
    assert_eq!(found.join("\n"), steps.join("\n").trim());
    if !cfg!(debug_assertions) {
        assert_eq!(shortest(promise, sound), None, "and by the rule, nothing");
    }
}

/// The shortest history in which a promise is broken. It uses one thread, so that the path is
/// always the same.
fn shortest(promise: &'static str, mut scenario: Scenario) -> Option<Vec<String>> {
    scenario.only = Some(promise);
    let checker = scenario.checker().threads(1);
    let checker = checker.finish_when(HasDiscoveries::AnyFailures).spawn_bfs();
    let path = checker.join().discovery(promise)?;
    let actions = path.into_actions().into_iter();
    Some(actions.map(|action| format!("{action:?}")).collect())
}

/// Two clients. The first has the lock.
fn holder_and_rival() -> Scenario {
    let calls = Calls {
        acquire: 1,
        renew: 1,
        ..Calls::default()
    };
    Scenario {
        fast: vec![STORES | clock_of(B)],
        ahead: vec![NODES],
        already: held(),
        ..Scenario::of(vec![Role::of("a", calls), Role::of("b", once())])
    }
}

/// The same, with every tick around the deadline.
fn holder_at_its_deadline() -> Scenario {
    Scenario {
        budget: Budget {
            ticks: 2,
            leases: 1,
            ..Budget::default()
        },
        ..holder_and_rival()
    }
}

/// One client that loses the reply to a request.
fn alone(losses: u16) -> Scenario {
    Scenario {
        budget: Budget {
            losses,
            ..Budget::default()
        },
        ahead: vec![0],
        ..Scenario::of(vec![Role::of("a", once())])
    }
}

/// A holder that may crash or forget its guard, and a waiting client.
fn left_alone() -> Scenario {
    let scenario = patience();
    Scenario {
        budget: Budget {
            leases: scenario.budget.leases,
            crashes: 1,
            ..Budget::default()
        },
        already: held(),
        ..scenario
    }
}

fn once() -> Calls {
    Calls {
        acquire: 1,
        ..Calls::default()
    }
}

#[test]
fn a_deadline_counted_from_the_reply() {
    let scenario = Scenario {
        already: held()[..3].to_vec(),
        ..holder_at_its_deadline()
    };
    let steps = "
        the store answers A
        B begins to Acquire
        a lease but for two ticks passes, fast: 101
        A hears the answer
        a tick passes
        a tick passes
        the store answers B
        B hears the answer
        the store answers B
        B hears the answer
    ";
    shows(ONE_HOLDER, scenario, Mutant::DeadlineFromReply, steps);
}

#[test]
fn a_deadline_of_a_later_renewal_given_to_an_earlier_one() {
    let first = [
        Action::Begin(A, Call::Renew),
        Action::HearNothing(A),
        Action::GiveUp(A),
        Action::Land(WriteId { by: A, number: 1 }),
    ];
    let calls = Calls {
        acquire: 1,
        renew: 2,
        ..Calls::default()
    };
    let scenario = Scenario {
        roles: vec![Role::of("a", calls), Role::of("b", once())],
        budget: Budget {
            losses: 1,
            ..holder_at_its_deadline().budget
        },
        already: [&held()[..], &first].concat(),
        ..holder_and_rival()
    };
    let steps = "
        B begins to Acquire
        a lease but for two ticks passes, fast: 101
        A begins to Renew
        the store answers A
        A hears the answer
        a tick passes
        a tick passes
        the store answers B
        B hears the answer
        the store answers B
        B hears the answer
    ";
    shows(ONE_HOLDER, scenario, Mutant::DeadlineOfALaterRenewal, steps);
}

#[test]
fn a_write_without_an_answer_taken_for_one_that_did_not_happen() {
    let steps = "
        A begins to Acquire
        the store answers A
        A hears the answer
        A hears nothing
        A gives up
    ";
    shows(NOT_DONE, alone(1), Mutant::NoReadBack, steps);
}

#[test]
fn an_unchanged_record_taken_for_not_applied() {
    let steps = "
        A begins to Acquire
        the store answers A
        A hears the answer
        A hears nothing
        the store answers A
        A hears the answer
        A gives up
    ";
    shows(NOT_DONE, alone(1), Mutant::UnchangedMeansNotApplied, steps);
}

#[test]
fn a_refusal_of_a_retry_believed() {
    let steps = "
        A begins to Acquire
        the store answers A
        A hears the answer
        A hears nothing
        the store answers A
        A hears the answer
        A goes on
        write 0 of A arrives late
        the store answers A
        A hears the answer
        A gives up
    ";
    shows(NOT_DONE, alone(2), Mutant::RefusalOfARetryBelieved, steps);
}

#[test]
fn a_refused_condition_believed_without_a_look() {
    let scenario = Scenario {
        budget: Budget {
            repeats: 1,
            ..Budget::default()
        },
        ..alone(0)
    };
    let steps = "
        A begins to Acquire
        the store answers A
        A hears the answer
        the store does as A asks, and a proxy asks once more
        the store answers A
        A hears the answer
        A gives up
    ";
    shows(NOT_DONE, scenario, Mutant::RefusalBelieved, steps);
}

#[test]
fn a_lost_answer_taken_for_a_refused_condition() {
    let steps = "
        A begins to Acquire
        the store answers A
        A hears the answer
        A hears nothing
        the store answers A
        A hears the answer
    ";
    shows(NOT_ACCUSED, alone(1), Mutant::LossTakenForRefusal, steps);
}

#[test]
fn a_renewal_without_an_answer_forgotten() {
    let calls = Calls {
        acquire: 1,
        renew: 1,
        ..Calls::default()
    };
    let scenario = Scenario {
        roles: vec![Role::of("a", calls)],
        already: held(),
        ..alone(1)
    };
    let steps = "
        A begins to Renew
        A begins to GiveBack
        A hears nothing
        write 1 of A arrives late
        the store answers A
        A hears the answer
    ";
    shows(TRULY_LOST, scenario, Mutant::RenewalForgotten, steps);
}

#[test]
fn a_conflict_taken_for_not_applied() {
    let scenario = Scenario {
        budget: Budget {
            failures: 1,
            ..Budget::default()
        },
        ..alone(0)
    };
    let steps = "
        A begins to Acquire
        the store answers A
        A hears the answer
        the store refuses A: Conflict
        A hears the answer
        A gives up
    ";
    shows(NOT_DONE, scenario, Mutant::ConflictBelieved, steps);
}

#[test]
fn a_takeover_without_a_margin() {
    let scenario = holder_at_its_deadline();
    let broken = Scenario {
        margin: 0,
        ..scenario.clone()
    };
    let steps = "
        B begins to Acquire
        a lease but for two ticks passes, fast: 101
        the store answers B
        B hears the answer
        the store answers B
        B hears the answer
    ";
    refutes(ONE_HOLDER, broken, scenario, steps);
}

/// A margin that is a tick too small has the same effect.
#[test]
fn a_takeover_with_a_margin_without_room_for_the_clocks_rates() {
    let scenario = holder_at_its_deadline();
    let broken = Scenario {
        margin: MARGIN - DRIFT,
        ..scenario.clone()
    };
    let steps = "
        B begins to Acquire
        a lease but for two ticks passes, fast: 101
        the store answers B
        B hears the answer
        a tick passes
        B goes on
        the store answers B
        B hears the answer
    ";
    refutes(ONE_HOLDER, broken, scenario, steps);
}

#[test]
fn a_holder_that_is_valid_one_tick_past_its_deadline() {
    let scenario = holder_at_its_deadline();
    let steps = "
        B begins to Acquire
        a lease but for two ticks passes, fast: 101
        a tick passes
        a tick passes
        the store answers B
        B hears the answer
        the store answers B
        B hears the answer
    ";
    shows(
        ONE_HOLDER,
        scenario,
        Mutant::ValidOneTickPastTheDeadline,
        steps,
    );
}

#[test]
fn a_renewal_learned_of_too_late_that_revives_its_guard() {
    let scenario = holder_at_its_deadline();
    let steps = "
        a lease but for two ticks passes, fast: 101
        A begins to Renew
        the store answers A
        a tick passes
        a tick passes
        A hears the answer
    ";
    shows(STAYS_LOST, scenario, Mutant::LateRenewalRevives, steps);
}

#[test]
fn a_release_without_a_condition() {
    let scenario = Scenario {
        budget: Budget {
            leases: 2,
            ..Budget::default()
        },
        ..holder_and_rival()
    };
    let steps = "
        A begins to GiveBack
        B begins to Acquire
        a lease but for two ticks passes, fast: 101
        a lease but for two ticks passes, fast: 101
        the store answers B
        B hears the answer
        the store answers B
        the store answers A
    ";
    shows(FREES_ITS_OWN, scenario, Mutant::ReleaseUnconditional, steps);
}

#[test]
fn a_release_by_owner_name_retried_by_name() {
    let holder = Calls {
        acquire: 2,
        detach: 1,
        ..Calls::default()
    };
    let releaser = Calls {
        release: 1,
        ..Calls::default()
    };
    let scenario = Scenario {
        roles: vec![Role::of("a", holder), Role::of("b", releaser)],
        already: held(),
        ..alone(1)
    };
    let steps = "
        A begins to GiveBack
        B begins to ReleaseByName
        the store answers B
        B hears the answer
        B hears nothing
        the store answers B
        the store answers A
        A hears the answer
        A begins to Acquire
        the store answers A
        B hears the answer
        B goes on
        the store answers B
        B hears the answer
        the store answers B
    ";
    shows(FREES_ITS_OWN, scenario, Mutant::ReleaseRetriedByName, steps);
}

#[test]
fn a_release_that_deletes_the_object_so_that_tokens_begin_anew() {
    let scenario = holder_and_rival();
    let steps = "
        A begins to GiveBack
        the store answers A
        B begins to Acquire
        the store answers B
        B hears the answer
        the store answers B
    ";
    shows(TOKENS_GROW, scenario, Mutant::DeleteOnRelease, steps);
}

#[test]
fn bodies_that_are_identical() {
    let scenario = holder_at_its_deadline();
    let steps = "
        B begins to Acquire
        a lease but for two ticks passes, fast: 101
        A begins to Renew
        the store answers B
        the store answers A
        A hears the answer
        B hears the answer
        a tick passes
        a tick passes
        B goes on
        the store answers B
        B hears the answer
    ";
    shows(ONE_HOLDER, scenario, Mutant::IdenticalBodies, steps);
}

/// Reclaiming from an owner that is alive breaks an assumption, and with it exclusion. But the
/// owner must not be told that it has given back what was taken from it.
#[test]
fn a_reclaim_that_leaves_no_mark() {
    let namesake = Role {
        reclaims: true,
        ..Role::of("a", once())
    };
    let scenario = Scenario {
        roles: vec![Role::of("a", once()), namesake],
        already: held(),
        ..alone(1)
    };
    let steps = "
        A begins to GiveBack
        A hears nothing
        B begins to Acquire
        the store answers B
        B hears the answer
        the store answers B
        the store answers A
        A hears the answer
    ";
    shows(DONE, scenario, Mutant::ReclaimUnmarked, steps);
}

/// A proxy sends the release twice, and another client acquires between the copies.
#[test]
fn a_refused_release_taken_for_a_loss() {
    let scenario = Scenario {
        budget: Budget {
            repeats: 1,
            ..Budget::default()
        },
        roles: vec![Role::of("a", once()), Role::of("b", once())],
        already: held(),
        ..alone(0)
    };
    let steps = "
        A begins to GiveBack
        the store does as A asks, and a proxy asks once more
        the store answers A
        A hears the answer
        B begins to Acquire
        the store answers B
        B hears the answer
        the store answers B
        the store answers A
        A hears the answer
    ";
    shows(TRULY_LOST, scenario, Mutant::RefusedReleaseALoss, steps);
}

#[test]
fn an_object_made_anew_taken_for_the_one_before() {
    let scenario = Scenario {
        budget: Budget {
            deletions: 1,
            ..Budget::default()
        },
        roles: vec![Role::of("a", once()), Role::of("b", once())],
        already: held(),
        ..alone(0)
    };
    let steps = "
        A begins to GiveBack
        B begins to Acquire
        the store answers B
        B hears the answer
        somebody deletes the object
        the store answers A
        A hears the answer
        B goes on
        the store answers B
        B hears the answer
        the store answers B
        the store answers A
        A hears the answer
    ";
    shows(DONE, scenario, Mutant::OriginUnread, steps);
}

#[test]
fn a_release_by_owner_name_that_leaves_no_mark() {
    let releaser = Calls {
        acquire: 1,
        release: 1,
        ..Calls::default()
    };
    let scenario = Scenario {
        roles: vec![Role::of("a", once()), Role::of("b", releaser)],
        already: held(),
        ..alone(0)
    };
    let steps = "
        A begins to GiveBack
        B begins to ReleaseByName
        the store answers B
        B hears the answer
        the store answers B
        the store answers A
        A hears the answer
        B hears the answer
        B begins to Acquire
        the store answers B
        the store answers A
        A hears the answer
    ";
    shows(DONE, scenario, Mutant::ReclaimUnmarked, steps);
}

#[test]
fn a_front_that_dates_reads_alone_and_is_trusted_for_its_writes() {
    let behind = Role {
        front: true,
        ..Role::of("b", once())
    };
    let scenario = Scenario {
        roles: vec![Role::of("a", once()), behind],
        already: held(),
        ..alone(0)
    };
    let steps = "
        B begins to Acquire
        the store answers B
        B hears the answer
        the store answers B
        B hears the answer
    ";
    shows(ONE_HOLDER, scenario, Mutant::ReadsUnvetted, steps);
}

#[test]
fn a_look_beside_a_renewal_that_ignores_its_mark() {
    let calls = Calls {
        acquire: 1,
        renew: 1,
        verify: 1,
        ..Calls::default()
    };
    let scenario = Scenario {
        roles: vec![Role::of("a", calls)],
        already: held(),
        ..alone(0)
    };
    let steps = "
        A begins to Verify
        A begins to Renew
        the store answers a look of A
        the store answers A
        A hears the answer
        A hears the answer to its look
    ";
    shows(TRULY_LOST, scenario, Mutant::MarkIgnored, steps);
}

#[test]
fn an_acquire_given_up_and_not_undone() {
    let steps = "
        A begins to Acquire
        the store answers A
        A hears the answer
        A hears nothing
        A gives up
    ";
    shows(NOT_DONE, alone(1), Mutant::NoUndo, steps);
}

/// A waiter that looks again and again, after each lease that passes.
fn waits_for_ever() -> String {
    let begins = "
        A crashes and starts again
        B begins to Acquire
        the store answers B
        B hears the answer";
    let looks = "
        a lease but for two ticks passes, fast: 0
        B goes on
        the store answers B
        B hears the answer";
    let leases = usize::from(patience().budget.leases);
    begins.to_owned() + &looks.repeat(leases)
}

#[test]
fn a_waiter_that_forgets_what_it_has_seen() {
    let steps = waits_for_ever();
    shows(FREE_AGAIN, left_alone(), Mutant::EachSightForgotten, &steps);
}

#[test]
fn a_waiter_that_goes_in_circles() {
    let begins = "
        B begins to Acquire
        the store answers B
        B hears the answer";
    let circle = "
        B goes on
        the store answers B
        B hears the answer";
    // Going on takes one turn, and taking the reply in takes another. So do its first two steps.
    let circles = usize::from(MAX_TURNS) / 2 - 1;
    let steps = begins.to_owned() + &circle.repeat(circles);
    let scenario = Scenario {
        already: [&held()[..], &[Action::Crash(A)]].concat(),
        ..left_alone()
    };
    shows(FREE_AGAIN, scenario, Mutant::WaitsForNothing, &steps);
}

#[test]
fn a_waiter_that_never_takes_over() {
    let broken = Scenario {
        margin: FOR_EVER,
        ..left_alone()
    };
    refutes(FREE_AGAIN, broken, left_alone(), &waits_for_ever());
}

/// Two threads of one client, and another client. The first thread has the lock, and may hand it over to the
/// second.
fn two_threads_and_a_rival() -> Scenario {
    let calls = Calls {
        acquire: 1,
        hand_over: 1,
        ..Calls::default()
    };
    let thread = Role {
        twin: Some(A),
        ..Role::of("b", once())
    };
    let rival = Role::of("c", once());
    Scenario {
        fast: vec![STORES | clock_of(C)],
        ahead: vec![NODES],
        already: held(),
        ..Scenario::of(vec![Role::of("a", calls), thread, rival])
    }
}

/// The same, where a reply may be lost.
fn two_threads_and_a_loss() -> Scenario {
    Scenario {
        budget: Budget {
            losses: 1,
            ..Budget::default()
        },
        ..two_threads_and_a_rival()
    }
}

#[test]
fn a_hand_over_with_the_same_token() {
    let steps = "
        A hands over to B
        the store answers A
    ";
    let scenario = two_threads_and_a_rival();
    shows(TOKENS_GROW, scenario, Mutant::HandOverKeepsToken, steps);
}

#[test]
fn a_next_holder_that_believes_in_the_hand_over_once_it_is_sent() {
    let steps = "
        A hands over to B
        A hears nothing
        the store answers A
        C begins to Acquire
        the store answers C
        C hears the answer
        the store answers C
        C hears the answer
    ";
    let scenario = two_threads_and_a_loss();
    shows(ONE_HOLDER, scenario, Mutant::HandedOverAtTheSend, steps);
}

#[test]
fn a_hand_over_whose_deadline_is_counted_from_the_reply() {
    let scenario = Scenario {
        budget: holder_at_its_deadline().budget,
        already: [&held()[..], &[Action::HandOver(A, B)]].concat(),
        ..two_threads_and_a_rival()
    };
    let steps = "
        the store answers A
        C begins to Acquire
        a lease but for two ticks passes, fast: 1001
        A hears the answer
        a tick passes
        a tick passes
        the store answers C
        C hears the answer
        the store answers C
        C hears the answer
    ";
    shows(ONE_HOLDER, scenario, Mutant::DeadlineFromReply, steps);
}

/// The next holder's lease may be shorter, and run out before that of the one before.
#[test]
fn a_hand_over_by_a_holder_that_goes_on_until_it_hears_of_it() {
    let mut scenario = two_threads_and_a_rival();
    scenario.roles[0].lease = 2 * LEASE;
    scenario.budget = holder_at_its_deadline().budget;
    let steps = "
        A hands over to B
        the store answers A
        C begins to Acquire
        a lease but for two ticks passes, fast: 1001
        a tick passes
        a tick passes
        the store answers C
        C hears the answer
        the store answers C
        C hears the answer
    ";
    shows(ONE_HOLDER, scenario, Mutant::HandOverWhileHeld, steps);
}

#[test]
fn a_hand_over_that_drops_the_mark_of_a_broken_holding() {
    let operator = Calls {
        acquire: 1,
        status: 1,
        force_release: 1,
        hand_over: 1,
        ..Calls::default()
    };
    let thread = Role {
        twin: Some(B),
        ..Role::of("c", once())
    };
    let scenario = Scenario {
        roles: vec![Role::of("a", once()), Role::of("b", operator), thread],
        already: held(),
        ..alone(0)
    };
    let steps = "
        A begins to GiveBack
        B begins to Status
        the store answers B
        B hears the answer
        B begins to ForceRelease
        the store answers B
        B hears the answer
        the store answers B
        the store answers A
        A hears the answer
        B hears the answer
        B begins to Acquire
        the store answers B
        B hears the answer
        B hands over to C
        the store answers B
        the store answers A
        A hears the answer
    ";
    shows(DONE, scenario, Mutant::HandOverUnmarked, steps);
}

#[test]
fn a_hand_over_known_by_its_token_alone() {
    let mut scenario = two_threads_and_a_loss();
    scenario.roles[2].calls = Calls {
        acquire: 1,
        status: 1,
        force_release: 1,
        ..Calls::default()
    };
    let steps = "
        A hands over to B
        A hears nothing
        C begins to Status
        the store answers C
        C hears the answer
        C begins to ForceRelease
        the store answers C
        C hears the answer
        the store answers C
        the store answers A
        A hears the answer
        the store answers B
        B hears the answer
        the store answers B
        the store answers A
        A hears the answer
    ";
    shows(DONE, scenario, Mutant::HandOverKnownByToken, steps);
}

#[test]
fn a_hand_over_taken_for_a_write_of_the_holding_before() {
    let steps = "
        A hands over to B
        the store answers A
        A hears nothing
        the store answers A
        A hears the answer
        the store answers A
        A hears the answer
        the store answers A
    ";
    let scenario = two_threads_and_a_loss();
    shows(FREES_ITS_OWN, scenario, Mutant::HandOverAmongItsOwn, steps);
}

#[test]
fn a_release_that_goes_on_after_it_has_found_its_hand_over() {
    let steps = "
        A hands over to B
        the store answers A
        A hears nothing
        the store answers A
        A hears the answer
        the store answers A
        A hears the answer
        the store answers A
    ";
    let scenario = two_threads_and_a_loss();
    shows(
        FREES_ITS_OWN,
        scenario,
        Mutant::ReleasedOverAHandOver,
        steps,
    );
}

#[test]
fn a_hand_over_in_doubt_taken_for_done() {
    let steps = "
        A hands over to B
        A hears nothing
    ";
    let scenario = two_threads_and_a_loss();
    shows(DONE, scenario, Mutant::HandOverInDoubtADone, steps);
}

#[test]
fn a_thread_that_leaves_while_the_lock_is_handed_over_to_it() {
    let steps = "
        A hands over to B
        the store answers A
        A hears the answer
    ";
    let scenario = two_threads_and_a_rival();
    shows(NOT_DONE, scenario, Mutant::HandOverToNobody, steps);
}

#[test]
fn a_hand_over_in_doubt_without_an_entry_in_the_registry() {
    let mut scenario = two_threads_and_a_loss();
    scenario.roles[2] = Role {
        twin: Some(A),
        reclaims: true,
        ..Role::of("b", once())
    };
    let steps = "
        A hands over to B
        the store answers A
        A hears nothing
        A gives up
        the store answers B
        C begins to Acquire
        the store answers C
        C hears the answer
        B hears the answer
        the store answers C
        C hears the answer
    ";
    shows(ONE_HOLDER, scenario, Mutant::HandOverUnregistered, steps);
}

#[test]
fn a_hand_over_that_stops_half_way_and_tells_nobody() {
    let mut scenario = two_threads_and_a_rival();
    scenario.roles.truncate(2);
    let roles = scenario.roles.iter_mut();
    roles.for_each(|role| role.is_steady = true);
    scenario.must_end = true;
    scenario.budget = Budget {
        leases: 3,
        crashes: 1,
        ..Budget::default()
    };
    scenario.already.push(Action::HandOver(A, B));
    let steps = "
        A unwinds
        a lease but for two ticks passes, fast: 1001
        a lease but for two ticks passes, fast: 1001
        a lease but for two ticks passes, fast: 1001
        write 1 of A arrives late
    ";
    shows(FREE_AGAIN, scenario, Mutant::HandOverUntold, steps);
}

/// A client that takes the lock to complete a label, as often as said.
fn completes(owner: &'static str, label: &'static str, times: u16) -> Role {
    let calls = Calls {
        acquire: times,
        complete: times,
        hand_over: 1,
        ..Calls::default()
    };
    Role {
        label: Some(Label::Once(label)),
        ..Role::of(owner, calls)
    }
}

/// Two clients that want the same label. The first has the lock.
fn two_for_a_label() -> Scenario {
    Scenario {
        ahead: vec![NODES],
        already: held(),
        ..Scenario::of(vec![completes("a", "x", 1), completes("b", "x", 1)])
    }
}

/// Two threads of a client, each with its label, and another client.
fn two_threads_with_labels(second: &'static str) -> Scenario {
    let thread = Role {
        twin: Some(A),
        ..completes("b", second, 1)
    };
    Scenario {
        roles: vec![completes("a", "x", 1), thread, completes("c", "z", 1)],
        ..two_for_a_label()
    }
}

#[test]
fn a_claim_that_does_not_look_whether_its_label_is_done() {
    let steps = "
        A begins to Complete
        the store answers A
        B begins to Acquire
        the store answers B
        B hears the answer
        the store answers B
    ";
    shows(NOT_AGAIN, two_for_a_label(), Mutant::DoneUnread, steps);
}

#[test]
fn a_completion_that_replaces_whatever_is_there() {
    let steps = "
        A begins to Complete
        B begins to Acquire
        a lease but for two ticks passes, fast: 0
        a lease but for two ticks passes, fast: 0
        the store answers B
        B hears the answer
        the store answers B
        B hears the answer
        B begins to Complete
        the store answers B
        the store answers A
    ";
    let mut scenario = two_for_a_label();
    scenario.budget.leases = 2;
    shows(ONCE, scenario, Mutant::ReleaseUnconditional, steps);
}

#[test]
fn a_takeover_that_drops_the_labels_done() {
    let steps = "
        A begins to Complete
        the store answers A
        B begins to Acquire
        the store answers B
        B hears the answer
        the store answers B
    ";
    let mut scenario = two_for_a_label();
    scenario.roles[1] = completes("b", "y", 1);
    shows(REMEMBERED, scenario, Mutant::TakeoverForgets, steps);
}

#[test]
fn an_undo_that_drops_the_labels_done() {
    let steps = "
        A begins to Complete
        the store answers A
        B begins to Acquire
        the store answers B
        B hears the answer
        B hears nothing
        B gives up
        the store answers B
        B hears the answer
        the store answers B
    ";
    let mut scenario = two_for_a_label();
    scenario.roles[1] = completes("b", "y", 1);
    scenario.budget.losses = 1;
    shows(REMEMBERED, scenario, Mutant::UndoForgets, steps);
}

#[test]
fn a_release_that_marks_a_label() {
    let steps = "
        A begins to GiveBack
        the store answers A
    ";
    shows(CALLED, two_for_a_label(), Mutant::ReleaseMarks, steps);
}

#[test]
fn a_completion_inferred_from_another_holding() {
    let steps = "
        A begins to Complete
        B begins to Acquire
        a lease but for two ticks passes, fast: 0
        a lease but for two ticks passes, fast: 0
        the store answers B
        B hears the answer
        the store answers B
        the store answers A
        A hears the answer
        the store answers A
        A hears the answer
    ";
    let mut scenario = two_for_a_label();
    scenario.budget.leases = 2;
    shows(DONE, scenario, Mutant::CompletionInferred, steps);
}

#[test]
fn a_hand_over_that_does_not_mark_the_label_that_was_completed() {
    let steps = "
        A completes its label and hands over to B
        the store answers A
        A hears the answer
    ";
    let scenario = two_threads_with_labels("y");
    shows(DONE, scenario, Mutant::HandOverWithoutMark, steps);
}

#[test]
fn a_hand_over_of_a_completed_label_to_one_that_wants_it() {
    let steps = "
        A completes its label and hands over to B
        the store answers A
    ";
    let scenario = two_threads_with_labels("x");
    shows(NOT_AGAIN, scenario, Mutant::HandOverOfTheDone, steps);
}
