//! The same world as the model checker explores, for far longer than it can: random schedules.
//!
//! A schedule is a set of clients and 200 choices. Each choice is one action among all that can
//! happen next. After each step the promises of lock.rs must hold. Every `cargo test` plays 10,000
//! schedules, always the same ones. It also plays them with one rule broken on purpose, until a
//! promise breaks.
//!
//! `S3_LOCK_TEST_SCHEDULES` sets another number of schedules, `S3_LOCK_TEST_SEED` another series.

use std::cell::RefCell;
use std::collections::HashMap;
use std::env;
use std::fmt::Write as _;
use std::sync::LazyLock;

use proptest::array::{uniform, uniform2, uniform4};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngSeed, TestError, TestRunner};
use stateright::{Expectation, Model, Property};

use super::client::{QueueNews, Who};
use super::judge::News;
use super::scenario::{
    Budget, Calls, LEASE, Label, MARGIN, Mutant, NODES, Role, STORES, Scenario, TICKS_PER_SECOND,
};
use super::world::{Action, Call, World};

/// How many schedules are tried.
const SCHEDULES: &str = "S3_LOCK_TEST_SCHEDULES";
/// Starts another series of them.
const SEED: &str = "S3_LOCK_TEST_SEED";

const DEFAULT_SCHEDULES: u32 = 10_000;
const STEPS: usize = 200;
/// How often each step of a failure is left out on trial.
const PASSES: usize = 4;
/// The most trials of that kind.
const MAX_SHRINKS: u32 = 5_000;
/// More than a schedule has steps.
const PLENTY: u16 = u16::MAX;
const OWNERS: [&str; 4] = ["a", "b", "c", "d"];

/// One life of a lock.
#[derive(Clone, Debug)]
struct Schedule {
    scenario: Scenario,
    phase: u32,
    ahead: i64,
    weather: Weather,
    /// The seed of every choice.
    dice: u64,
    /// Which choices are made. All, until a failure is made smaller. Each is tried several times,
    /// because one may become unnecessary once a later one is gone.
    made: [[bool; STEPS]; PASSES],
}

/// How much more often than usual something happens. Each schedule has its own values: a mixture of
/// everything would hide what takes many losses and no crash, or many ticks and no loss.
#[derive(Clone, Copy, Debug)]
struct Weather {
    losses: f64,
    late: f64,
    impatience: f64,
    crashes: f64,
    ticks: f64,
    leases: f64,
    releases: f64,
    renewals: f64,
}

fn schedules() -> impl Strategy<Value = Schedule> {
    let made = uniform::<_, PASSES>(uniform::<_, STEPS>(prop::bool::weighted(1.0)));
    // A margin is tested hardest when the dates are as far ahead as possible.
    let ahead = prop_oneof![Just(NODES), -NODES..=NODES];
    let start = (0..TICKS_PER_SECOND, ahead);
    let chance = (any::<u64>(), weather()).no_shrink();
    (scenarios(), start, chance, made).prop_map(|(scenario, (phase, ahead), chance, made)| {
        Schedule {
            scenario,
            phase,
            ahead,
            weather: chance.1,
            dice: chance.0,
            made,
        }
    })
}

fn weather() -> impl Strategy<Value = Weather> {
    let levels = uniform4(select(&[0.0, 1.0, 1.0, 4.0][..]));
    let times = uniform2(select(&[0.1, 0.4, 1.0, 2.0][..]));
    let paces = uniform2(select(&[0.03, 0.3, 1.0, 3.0][..]));
    (levels, times, paces).prop_map(|(levels, times, paces)| Weather {
        losses: levels[0],
        late: levels[1],
        impatience: levels[2],
        crashes: levels[3],
        ticks: times[0],
        leases: times[1],
        releases: paces[0],
        renewals: paces[1],
    })
}

fn scenarios() -> impl Strategy<Value = Scenario> {
    let roles = prop::collection::vec(role(), 2..=4);
    let set = prop_oneof![Just(STORES), 0..32_u8];
    let fast = prop::collection::vec(set, 1..=3).no_shrink();
    let margin = prop_oneof![Just(MARGIN), MARGIN..=MARGIN + 2];
    let namesakes = prop::bool::weighted(0.15);
    let twins = prop::bool::weighted(0.4);
    let kinds = (namesakes, twins);
    (roles, fast, margin, kinds).prop_map(|(mut roles, fast, margin, (namesakes, twins))| {
        for (role, owner) in roles.iter_mut().zip(OWNERS) {
            role.owner = if namesakes { OWNERS[0] } else { owner };
            if namesakes {
                // Reclaiming and releasing by name both require names that are unique among the
                // living.
                role.reclaims = false;
                role.calls.release = 0;
            }
        }
        if twins {
            let store_clock = roles[0].store_clock;
            if let Some(last) = roles.last_mut() {
                (last.twin, last.store_clock) = (Some(Who(0)), store_clock);
            }
        }
        with_plenty(roles, fast, margin)
    })
}

fn with_plenty(roles: Vec<Role>, fast: Vec<u8>, margin: u32) -> Scenario {
    Scenario {
        budget: Budget {
            ticks: PLENTY,
            leases: PLENTY,
            losses: PLENTY,
            repeats: PLENTY,
            failures: PLENTY,
            crashes: PLENTY,
            deletions: 0,
        },
        fast,
        margin,
        ..Scenario::of(roles)
    }
}

fn role() -> impl Strategy<Value = Role> {
    let some = |share| prop::bool::weighted(share).prop_map(|has| if has { PLENTY } else { 0 });
    let calls = (some(0.3), some(0.5), some(0.2), some(0.2));
    let lease = select(&[LEASE, 2 * LEASE][..]);
    let label = prop::bool::weighted(0.3).prop_map(|has| has.then_some(Label::Daily));
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), label);
    (lease, flags, calls).prop_map(
        |(lease, (reclaims, store_clock, queues, label), calls)| Role {
            owner: OWNERS[0],
            lease,
            reclaims,
            store_clock,
            front: false,
            queues,
            twin: None,
            is_steady: false,
            label,
            calls: Calls {
                acquire: PLENTY,
                renew: PLENTY,
                verify: PLENTY,
                detach: calls.0,
                status: calls.1,
                release: calls.2,
                force_release: calls.3,
                hand_over: PLENTY,
                complete: if label.is_some() { PLENTY } else { 0 },
            },
        },
    )
}

impl Weather {
    fn weight(&self, action: Action, world: &World, scenario: &Scenario) -> f64 {
        match action {
            Action::Serve(_) | Action::Hear(_) => 30.0,
            Action::ServeLook(_) | Action::HearLook(_) => 10.0,
            Action::MissLook(_) => self.losses,
            Action::Delete => unreachable!("nobody does"),
            Action::HandOver(..) => 8.0 * self.releases,
            Action::CompleteTo(..) => 4.0 * self.releases,
            Action::Unwind(_) => 3.0 * self.crashes,
            Action::GoOn(_) => 15.0,
            Action::ServeTwice(_) => 2.0 * self.losses,
            Action::HearNothing(_) => 5.0 * self.losses,
            Action::Refuse(..) | Action::Forbid(_) | Action::Fail(..) => 0.5 * self.losses,
            Action::Garble(_) => self.losses,
            Action::Queue(_, QueueNews::Nobody) => 20.0,
            Action::Queue(..) => 10.0,
            Action::Land(_) => 5.0 * self.late,
            Action::GiveUp(_) => 2.0 * self.impatience,
            Action::Crash(_) => 0.3 * self.crashes,
            Action::Tick => 10.0 * self.ticks,
            Action::Lease(_) => 4.0 * self.leases / scenario.fast.len() as f64,
            Action::Begin(who, call) => match call {
                Call::Acquire => 10.0,
                Call::Renew => 6.0 * self.renewals,
                Call::Verify => 3.0 * self.renewals,
                // A client that has lost the lock has nothing to keep.
                Call::GiveBack if !world.client(who).believes(scenario) => 10.0,
                Call::GiveBack => 4.0 * self.releases,
                Call::Complete => 4.0 * self.releases,
                Call::Detach => 0.5 * self.releases,
                Call::Status | Call::ReleaseByName => 2.0,
                Call::ForceRelease => 1.0,
            },
        }
    }
}

impl Schedule {
    fn world(&self) -> World {
        World::new(&self.scenario, self.phase, self.ahead)
    }

    /// Plays it until it ends or breaks a promise, and names that promise. `look` sees each
    /// action's effect.
    fn play(&self, mut look: impl FnMut(Action, &World)) -> Result<(), &'static str> {
        let promises = promises(&self.scenario);
        let mut world = self.world();
        let mut actions = Vec::new();
        for step in (0..STEPS).filter(|step| self.made.iter().all(|pass| pass[*step])) {
            actions.clear();
            world.actions(&self.scenario, &mut actions);
            let action = self.choose(mixed(self.dice, step as u64), &world, &actions);
            world.act(action, &self.scenario);
            look(action, &world);
            if let Some(promise) = broken(&promises, &world, &self.scenario) {
                return Err(promise);
            }
        }
        Ok(())
    }

    /// Each action runs a race of its own, and the first to arrive is chosen. So a choice depends
    /// as little as possible on what else could happen. When an earlier choice is left out to make
    /// a failure smaller, the later ones still mean the same.
    fn choose(&self, choice: u64, world: &World, actions: &[Action]) -> Action {
        let arrives = |action: &Action| {
            let weight = self.weather.weight(*action, world, &self.scenario);
            -unit(mixed(choice, code(*action))).ln() / weight
        };
        let arrivals = actions.iter().map(|action| (arrives(action), *action));
        let first = arrivals.min_by(|a, b| a.0.total_cmp(&b.0));
        first.expect("time can always pass").1
    }
}

fn promises(scenario: &Scenario) -> Vec<Property<Scenario>> {
    let mut properties = scenario.properties();
    properties.retain(|property| matches!(property.expectation, Expectation::Always));
    properties
}

fn broken(
    promises: &[Property<Scenario>],
    world: &World,
    scenario: &Scenario,
) -> Option<&'static str> {
    let mut promises = promises.iter();
    let broken = promises.find(|promise| !(promise.condition)(scenario, world));
    broken.map(|promise| promise.name)
}

/// A number for each action.
fn code(action: Action) -> u64 {
    let (kind, who, which) = match action {
        Action::Serve(who) => (0, who, 0),
        Action::ServeTwice(who) => (1, who, 0),
        Action::Refuse(who, refusal) => (2, who, refusal as u32),
        Action::Hear(who) => (3, who, 0),
        Action::HearNothing(who) => (4, who, 0),
        Action::Land(id) => (5, id.by, id.number),
        Action::GoOn(who) => (6, who, 0),
        Action::GiveUp(who) => (7, who, 0),
        Action::Crash(who) => (8, who, 0),
        Action::Tick => (9, Who(0), 0),
        Action::Lease(fast) => (10, Who(0), u32::from(fast)),
        Action::Begin(who, call) => (11, who, call as u32),
        Action::Fail(who, trouble) => (12, who, trouble as u32),
        Action::Forbid(who) => (13, who, 0),
        Action::Garble(who) => (14, who, 0),
        Action::ServeLook(who) => (15, who, 0),
        Action::HearLook(who) => (16, who, 0),
        Action::MissLook(who) => (17, who, 0),
        Action::Delete => (18, Who(0), 0),
        Action::HandOver(who, next) => (19, who, next.0.into()),
        Action::Unwind(who) => (20, who, 0),
        Action::Queue(who, news) => (21, who, news as u32),
        Action::CompleteTo(who, next) => (22, who, next.0.into()),
    };
    kind << 40 | u64::from(who.0) << 32 | u64::from(which)
}

/// Another number for each pair (SplitMix64).
fn mixed(a: u64, b: u64) -> u64 {
    let mut x = a ^ b.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}

/// A number above 0, and at most 1.
fn unit(bits: u64) -> f64 {
    ((bits >> 11) + 1) as f64 / (1_u64 << 53) as f64
}

fn number(variable: &str, or: u32) -> u32 {
    let number = env::var(variable).ok();
    number.map_or(or, |n| {
        let number = n.parse();
        number.unwrap_or_else(|_| panic!("{variable} is a number"))
    })
}

fn config(max_shrink_iters: u32) -> Config {
    Config {
        cases: number(SCHEDULES, DEFAULT_SCHEDULES),
        rng_seed: RngSeed::Fixed(number(SEED, 1).into()),
        failure_persistence: None,
        max_shrink_iters,
        ..Config::default()
    }
}

/// Plays schedules in scenarios changed by `change`, until one breaks a promise. Describes that
/// one.
fn sabotage(change: impl Fn(&mut Scenario) + 'static, max_shrink_iters: u32) -> Result<(), String> {
    let changed = schedules().prop_map(move |mut schedule| {
        change(&mut schedule.scenario);
        schedule
    });
    let play = |schedule: Schedule| schedule.play(|_, _| ()).map_err(TestCaseError::fail);
    let played = TestRunner::new(config(max_shrink_iters)).run(&changed, play);
    played.map_err(tell)
}

/// A failure, made as small as possible, in readable form.
fn tell(error: TestError<Schedule>) -> String {
    let TestError::Fail(why, schedule) = error else {
        return error.to_string();
    };
    let (phase, ahead) = (schedule.phase, schedule.ahead);
    let mut told = format!("no longer true: {why}\n{:#?}\n", schedule.scenario);
    let _ = writeln!(told, "phase {phase}, dates {ahead} ticks ahead");
    let _ = schedule.play(|action, _| {
        let _ = writeln!(told, "{action:?}");
    });
    told
}

/// How often something happened.
#[derive(Debug, Default)]
struct Tally {
    schedules: u32,
    steps: u32,
    news: HashMap<News, u32>,
    /// Late writes, whose reply no client awaited, that were carried out.
    landed_late: u32,
}

impl Tally {
    fn count(&mut self, action: Action, world: &World) {
        self.steps += 1;
        if let Some(news) = world.news {
            *self.news.entry(news).or_default() += 1;
        }
        let last = world.store.object.as_ref().map(|object| object.by);
        if matches!(action, Action::Land(id) if last == Some(id)) {
            self.landed_late += 1;
        }
    }
}

/// The schedules, played once for all tests that use them.
static PLAYED: LazyLock<Result<Tally, String>> = LazyLock::new(|| {
    let tally = RefCell::new(Tally::default());
    let played = TestRunner::new(config(MAX_SHRINKS)).run(&schedules(), |schedule| {
        let mut tally = tally.borrow_mut();
        tally.schedules += 1;
        let play = schedule.play(|action, world| tally.count(action, world));
        play.map_err(TestCaseError::fail)
    });
    played.map_err(tell)?;
    Ok(tally.into_inner())
});

fn played() -> &'static Tally {
    let played = PLAYED.as_ref();
    played.unwrap_or_else(|_| panic!("see every_promise_is_kept_on_every_schedule"))
}

#[test]
fn every_promise_is_kept_on_every_schedule() {
    match &*PLAYED {
        Ok(tally) => println!("{tally:?}"),
        Err(failure) => panic!("{failure}"),
    }
}

mod schedules_show {
    //! About a fifth of what was counted: far from chance, and far from never.
    use super::*;

    fn at_least(least: u32, count: impl Fn(&Tally) -> u32) {
        let tally = played();
        let least = u64::from(least) * u64::from(tally.schedules) / u64::from(DEFAULT_SCHEDULES);
        assert!(u64::from(count(tally)) >= least, "{tally:?}");
    }

    fn often(news: News, least: u32) {
        at_least(least, |tally| tally.news.get(&news).copied().unwrap_or(0));
    }

    #[test]
    fn as_many_steps_as_were_promised() {
        let steps = u32::try_from(STEPS).expect("few");
        at_least(steps * DEFAULT_SCHEDULES, |tally| tally.steps);
    }

    #[test]
    fn takeovers() {
        often(News::TookOver, 2_000);
    }

    #[test]
    fn reclaims() {
        often(News::Reclaimed, 700);
    }

    #[test]
    fn lost_replies_resolved() {
        often(News::Resolved, 2_500);
    }

    #[test]
    fn renewals_adopted_by_a_later_call() {
        often(News::Adopted, 30);
    }

    #[test]
    fn acquires_undone() {
        often(News::Undone, 120);
    }

    #[test]
    fn holders_that_learn_of_force() {
        often(News::LearnedOfForce, 35);
    }

    #[test]
    fn releases_without_a_guard() {
        often(News::Freed, 200);
    }

    #[test]
    fn releases_inferred_from_what_came_after() {
        often(News::Inferred, 60);
    }

    #[test]
    fn labels_completed() {
        often(News::Completed, 1);
    }

    #[test]
    fn labels_found_done() {
        often(News::AlreadyDone, 1);
    }

    #[test]
    fn writes_that_land_late() {
        at_least(500, |tally| tally.landed_late);
    }
}

mod schedules_notice {
    //! Each mutant is found within the number of schedules that are played without one. Mutants
    //! that need a rarer sequence are left to the model checker, such as a deadline of a later
    //! renewal, or a reclaim that leaves no mark.
    use super::*;

    fn notice(change: impl Fn(&mut Scenario) + 'static) {
        // Without this, the failure may have another cause.
        played();
        assert!(sabotage(change, 0).is_err(), "nobody noticed");
    }

    fn notice_mutant(mutant: Mutant) {
        notice(move |scenario| scenario.mutant = Some(mutant));
    }

    #[test]
    fn a_lease_counted_from_the_reply() {
        notice_mutant(Mutant::DeadlineFromReply);
    }

    #[test]
    fn a_lost_answer_taken_for_no() {
        notice_mutant(Mutant::NoReadBack);
    }

    #[test]
    fn a_condition_that_still_stands_taken_for_no() {
        notice_mutant(Mutant::UnchangedMeansNotApplied);
    }

    #[test]
    fn a_refusal_of_the_second_attempt_taken_for_no() {
        notice_mutant(Mutant::RefusalOfARetryBelieved);
    }

    #[test]
    fn a_conflict_with_a_copy_of_the_same_write_taken_for_no() {
        notice_mutant(Mutant::ConflictBelieved);
    }

    #[test]
    fn a_holder_that_believes_itself_one_tick_longer() {
        notice_mutant(Mutant::ValidOneTickPastTheDeadline);
    }

    #[test]
    fn a_late_renewal_that_revives_its_guard() {
        notice_mutant(Mutant::LateRenewalRevives);
    }

    #[test]
    fn a_release_of_whatever_is_there() {
        notice_mutant(Mutant::ReleaseUnconditional);
    }

    #[test]
    fn a_release_by_name_that_forgets_which_holding_it_was_about() {
        notice_mutant(Mutant::ReleaseRetriedByName);
    }

    #[test]
    fn a_release_that_deletes_the_object() {
        notice_mutant(Mutant::DeleteOnRelease);
    }

    #[test]
    fn bodies_without_a_nonce() {
        notice_mutant(Mutant::IdenticalBodies);
    }

    #[test]
    fn an_acquire_given_up_and_not_undone() {
        notice_mutant(Mutant::NoUndo);
    }

    #[test]
    fn a_margin_one_tick_too_small() {
        notice(|scenario| scenario.margin = MARGIN - 1);
    }
}

#[test]
fn a_failure_is_told_in_the_few_steps_that_it_takes() {
    let change = |scenario: &mut Scenario| scenario.mutant = Some(Mutant::NoReadBack);
    let failure = sabotage(change, MAX_SHRINKS);
    let told = failure.expect_err("a rule is broken");
    let steps = told.lines().skip_while(|line| !line.starts_with("phase "));
    assert!((2..60).contains(&steps.count()), "{told}");
}

/// Short schedules that broke a promise once.
mod a_promise_is_kept_where {
    use Action::{Begin, Hear, HearNothing, Lease, Serve, ServeTwice};
    use Call::{Acquire, ForceRelease, GiveBack, ReleaseByName, Status};

    use super::*;

    const A: Who = Who(0);
    const B: Who = Who(1);
    const C: Who = Who(2);

    /// Takes a lock that is free, or has expired.
    fn takes(who: Who) -> [Action; 5] {
        let begin = Begin(who, Acquire);
        [begin, Serve(who), Hear(who), Serve(who), Hear(who)]
    }

    fn scenario() -> Scenario {
        let calls = Calls {
            acquire: PLENTY,
            status: PLENTY,
            release: PLENTY,
            force_release: PLENTY,
            ..Calls::default()
        };
        let roles = OWNERS[..3].iter().map(|owner| Role::of(owner, calls));
        let roles = roles.collect();
        with_plenty(roles, vec![0], MARGIN)
    }

    fn replay(actions: &[&[Action]]) {
        let scenario = scenario();
        let mut world = World::new(&scenario, 0, 0);
        for action in actions.concat() {
            let mut possible = Vec::new();
            world.actions(&scenario, &mut possible);
            assert!(possible.contains(&action), "{action:?}");
            world.act(action, &scenario);
            let broken = broken(&promises(&scenario), &world, &scenario);
            assert_eq!(broken, None, "{action:?}");
        }
    }

    #[test]
    fn a_release_that_never_arrives_is_in_doubt_until_another_takes_the_lock_over() {
        let lost = [Begin(A, GiveBack), HearNothing(A)];
        let time = [Lease(0), Lease(0)];
        replay(&[&takes(A), &lost, &time, &takes(B), &[Serve(A), Hear(A)]]);
    }

    #[test]
    fn a_proxy_repeats_a_release_by_force_and_another_takes_the_lock_in_between() {
        let sees = [Begin(B, Status), Serve(B), Hear(B)];
        let breaks = [Begin(B, ForceRelease), Serve(B), Hear(B), ServeTwice(B)];
        let looks = [Serve(B), Hear(B), Serve(B), Hear(B)];
        replay(&[&takes(A), &sees, &breaks, &takes(C), &looks]);
    }

    #[test]
    fn a_proxy_repeats_a_release_by_name_and_another_takes_the_lock_in_between() {
        let frees = [Begin(B, ReleaseByName), Serve(B), Hear(B), ServeTwice(B)];
        let looks = [Serve(B), Hear(B), Serve(B), Hear(B)];
        replay(&[&takes(A), &frees, &takes(C), &looks]);
    }
}
