//! What becomes of a lock that many want at once: who gets it, how often, after how long a wait, and for how many
//! requests.
//!
//! ```sh
//! cargo bench --features internals --bench contention                        # everything
//! cargo bench --features internals --bench contention -- looping-8 crowd-100 # these
//! cargo bench --features internals --bench contention -- looping-8 --without-queue
//! ```
//!
//! The contenders are processes: this binary, run again. The store is this process's own server, with 25 ms for each
//! request unless a scenario says otherwise. With `S3_LOCK_BENCH_ENDPOINT` set it is the server at that URL, behind a
//! relay that adds the same latency; keys are `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`.
//!
//! These are plain runs that are measured once. Criterion repeats a short routine and reports its time; here one run
//! takes up to two minutes, and its outcome is a table, so there is nothing for Criterion to do.
//!
//! Each run prints a line, and writes its figures to `target/bench-figures/`. A wait that is open at the end of a run
//! counts with the time that it had lasted by then. Requests are counted by the store, or by the relay before it.

#![allow(
    clippy::disallowed_methods,
    reason = "a bench reads the clock that it measures with"
)]

#[path = "../tests/support/mod.rs"]
mod support;

mod common;
#[path = "contention/crowd.rs"]
mod crowd;
#[path = "contention/dead.rs"]
mod dead;
#[path = "contention/long_hold.rs"]
mod long_hold;
#[path = "contention/looping.rs"]
mod looping;
#[path = "contention/part.rs"]
mod part;
#[path = "contention/quiet.rs"]
mod quiet;
#[path = "contention/stream.rs"]
mod stream;
#[path = "contention/takeover.rs"]
mod takeover;

use std::process::ExitCode;
use std::time::Duration;

use common::{Arguments, Figures, Site, orders};
use looping::Looping;
use part::Part;
use stream::Stream;

/// How long a request takes, as on S3.
const LATENCY: Duration = Duration::from_millis(25);

/// A name, and what measures.
type Scenario = (&'static str, Box<dyn Fn(&Run) -> Figures>);

/// All scenarios.
fn scenarios() -> Vec<Scenario> {
    let mut all = looping_scenarios();
    let mut add = |name, measure: Box<dyn Fn(&Run) -> Figures>| all.push((name, measure));
    for (name, size) in [
        ("crowd-1", 1),
        ("crowd-3", 3),
        ("crowd-10", 10),
        ("crowd-30", 30),
        ("crowd-100", 100),
    ] {
        add(name, Box::new(move |run| crowd::run(run, size)));
    }
    for (name, before, seconds, patience) in [
        ("stream", 250, 12, None),
        ("stream-backlog", 2_000, 12, None),
        ("stream-impatient", 2_000, 60, Some(250)),
    ] {
        let stream = Stream {
            before: Duration::from_millis(before),
            time: Duration::from_secs(seconds),
            patience: patience.map(Duration::from_millis),
        };
        add(name, Box::new(move |run| stream::run(run, &stream)));
    }
    add("long-hold", Box::new(long_hold::run));
    add("takeover", Box::new(takeover::run));
    for (name, dead) in [("dead-1", 1), ("dead-60", 60)] {
        add(name, Box::new(move |run| dead::run(run, dead)));
    }
    add("quiet", Box::new(quiet::run));
    add("slow-store", Box::new(looping::on_slow_store));
    all
}

/// Those in which all want the lock again and again.
fn looping_scenarios() -> Vec<Scenario> {
    let short = |looping| Looping {
        threads: 8,
        hold: Duration::from_millis(10),
        ..looping
    };
    let mixed = Looping {
        unaware: 1,
        ..Looping::of(3, 20)
    };
    let all = [
        ("alone", Looping::of(1, 10)),
        ("looping-2", Looping::of(2, 20)),
        ("looping-8", Looping::of(8, 20)),
        ("looping-32", Looping::of(32, 120)),
        ("looping-8x8", short(Looping::of(8, 20))),
        ("threads-8", short(Looping::of(1, 20))),
        ("mixed", mixed),
    ];
    let scenario = |(name, looping): (&'static str, Looping)| -> Scenario {
        (name, Box::new(move |run| looping.run(run)))
    };
    all.into_iter().map(scenario).collect()
}

/// How a scenario is to run.
pub struct Run {
    scenario: &'static str,
    queue: bool,
    is_test: bool,
}

impl Run {
    /// How long to measure.
    fn time(&self, usual: Duration) -> Duration {
        if self.is_test {
            usual.min(Duration::from_millis(500))
        } else {
            usual
        }
    }

    /// How many of something there are.
    fn few(&self, usual: usize) -> usize {
        if self.is_test { usual.min(2) } else { usual }
    }

    /// Figures to be filled in.
    fn figures(&self, site: &Site, latency: Duration) -> Figures {
        Figures {
            scenario: self.scenario.to_owned(),
            has_queue: self.queue,
            store: site.name(),
            latency_ms: u64::try_from(latency.as_millis()).expect("it is short"),
            ..Figures::default()
        }
    }
}

fn main() -> ExitCode {
    if let Some((address, part)) = orders::<Part>() {
        part.play(&address);
        return ExitCode::SUCCESS;
    }
    let arguments = Arguments::read();
    let scenarios = scenarios();
    let names: Vec<_> = scenarios.iter().map(|(name, _)| *name).collect();
    let unknown = arguments.unknown(&names);
    if !unknown.is_empty() {
        eprintln!(
            "no such scenario: {}; there are {}",
            unknown.join(", "),
            names.join(", ")
        );
        return ExitCode::FAILURE;
    }
    Figures::print_heading();
    for (scenario, measure) in scenarios {
        if arguments.asks_for(scenario) {
            let figures = measure(&Run {
                scenario,
                queue: !arguments.without_queue,
                is_test: arguments.is_test,
            });
            figures.print();
            if !arguments.is_test {
                figures.write();
            }
        }
    }
    ExitCode::SUCCESS
}
