//! A lock that is used now and then: which requests a cycle sends.

use std::thread;
use std::time::Duration;

use crate::common::{Figures, Site, Tally, micros, with_queue};
use crate::{LATENCY, Run};

/// Longer than a release is remembered as a sign of others.
const BETWEEN: Duration = Duration::from_millis(5_500);

/// Cycles of two clients, one after the other.
pub fn run(run: &Run) -> Figures {
    let site = Site::start(LATENCY);
    let client = || site.address.client();
    let (one, other) = (client(), client());
    let mut figures = run.figures(&site, LATENCY);
    for (name, client) in [
        ("new_lock", &one),
        ("warm", &one),
        ("warm_again", &one),
        ("cold", &other),
        ("after_another", &one),
    ] {
        let lock = with_queue(site.address.lock_builder("bench", client), run.queue);
        let lock = lock.build().expect("the settings are valid");
        let from = micros();
        let guard = lock.acquire(name).expect("nobody else is there");
        guard.release().expect("it is held");
        let to = micros();
        // What is sent after the call would be the cycle's, too.
        thread::sleep(run.time(BETWEEN));
        let log = site.log().into_iter().filter(|r| r.at >= from);
        let log: Vec<_> = log.collect();
        let requests: Vec<_> = log.iter().map(|request| request.describe()).collect();
        figures
            .notes
            .push(format!("{name}: {}", requests.join(", ")));
        let tally = Tally::of(&log, from, u64::MAX);
        for (kind, count) in [("gets", tally.gets()), ("puts", tally.puts())] {
            figures.more.insert(format!("{name}_{kind}"), count as f64);
        }
        let took = (to - from) as f64 / 1e3;
        figures.more.insert(format!("{name}_ms"), took);
    }
    figures
}
