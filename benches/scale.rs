//! What a lock costs in time, memory and instructions: with one lock and with ten thousand, call by call, and beside the
//! protocol of the npm package that this crate descends from.
//!
//! ```sh
//! cargo bench --features internals --bench scale                  # everything
//! cargo bench --features internals --bench scale -- locks holder  # these
//! ```
//!
//! * `calls-0ms`, `calls-25ms`: the time of each call at this latency for each request. Criterion measures these; the
//!   lines below its reports have the medians, and how many requests there were.
//! * `locks`: memory and warm cycle of 1, 100 and 10,000 locks on one client.
//! * `first-call`: a process that starts, makes a client, and takes a lock.
//! * `holder`: the threads and the memory of a process that holds a lock.
//! * `callgrind`: instructions of a warm cycle, and where they go. It needs `valgrind`, which hides the instructions for
//!   SHA-256 that many processors have: the digests of signatures cost a fraction elsewhere.
//!
//! All but the first are processes of their own, run as a whole: Criterion has no part in them. Memory is what malloc
//! says is in use, its own overhead included, and for whole processes what `/proc` says is resident; so this needs Linux
//! with glibc. Figures go to `target/bench-figures/`. The store is this process's own server.

#![allow(
    clippy::disallowed_methods,
    reason = "a bench reads the clock that it measures with"
)]

#[path = "../tests/support/mod.rs"]
mod support;

#[path = "scale/callgrind.rs"]
mod callgrind;
#[path = "scale/calls.rs"]
mod calls;
#[path = "scale/classic.rs"]
mod classic;
mod common;
#[path = "scale/part.rs"]
mod part;
#[path = "scale/processes.rs"]
mod processes;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use common::{Arguments, Figures, orders};
use part::Part;

/// What measures something, and whether for a moment only.
type Measure = fn(is_test: bool) -> Option<Figures>;

const SCENARIOS: [(&str, Measure); 6] = [
    ("calls-0ms", |is_test| {
        Some(calls::run(Duration::ZERO, is_test))
    }),
    ("calls-25ms", |is_test| {
        Some(calls::run(Duration::from_millis(25), is_test))
    }),
    ("locks", |is_test| Some(processes::locks(is_test))),
    ("first-call", |is_test| Some(processes::first_call(is_test))),
    ("holder", |_| Some(processes::holder())),
    ("callgrind", callgrind::run),
];

fn main() -> ExitCode {
    let start = Instant::now();
    if let Some((address, part)) = orders::<Part>() {
        part.play(&address, start);
        return ExitCode::SUCCESS;
    }
    let arguments = Arguments::read();
    let names = SCENARIOS.map(|(name, _)| name);
    let unknown = arguments.unknown(&names);
    if !unknown.is_empty() {
        let (unknown, names) = (unknown.join(", "), names.join(", "));
        eprintln!("no such scenario: {unknown}; there are {names}");
        return ExitCode::FAILURE;
    }
    for (name, measure) in SCENARIOS {
        if !arguments.asks_for(name) {
            continue;
        }
        let Some(mut figures) = measure(arguments.is_test) else {
            continue;
        };
        figures.scenario = name.to_owned();
        figures.print();
        if !arguments.is_test {
            figures.write();
        }
    }
    ExitCode::SUCCESS
}
