//! Processes that were killed while they waited, before one that lives.

use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::common::{Crew, Figures, Site, Tally, What, command, micros, with_queue};
use crate::part::Part;
use crate::{LATENCY, Run};

/// How long the dead may take to register before they die. Without a queue they cannot.
const REGISTERING: Duration = Duration::from_secs(60);
const WAITING: Duration = Duration::from_secs(3);
/// How long the living one has waited when the lock becomes free.
const BEFORE: Duration = Duration::from_secs(3);
const LIMIT: Duration = Duration::from_secs(120);

/// Measures how long a free lock stays unused because of so many dead.
pub fn run(run: &Run, dead: usize) -> Figures {
    let site = Site::start(LATENCY);
    let part = Part {
        queue: run.queue,
        ..Part::once(Duration::ZERO)
    };
    let client = site.address.client();
    let lock = site.address.lock_builder(&part.lock, &client);
    let lock = lock.max_operation(Duration::from_secs(600));
    let lock = with_queue(lock, run.queue).build();
    let lock = lock.expect("the settings are valid");
    let guard = lock.acquire("holder").expect("nobody else is there");

    let mut crew = Crew::default();
    for _ in 0..run.few(dead) {
        crew.add(command(&site.address, &part));
    }
    crew.begin();
    let tickets = wait_for_tickets(run, &site, &part.lock, crew.len());
    crew.kill();

    let mut living = Crew::default();
    living.add(command(&site.address, &part));
    living.begin();
    thread::sleep(run.time(BEFORE));
    let freed = micros();
    guard.release().expect("it is held");
    let released = micros();
    let events = |all: &[Vec<crate::common::Event>], what| {
        let mut events = all.iter().flatten();
        events
            .find(|event| event.what == what)
            .map(|event| event.at)
    };
    living.wait_until(LIMIT, |all| events(all, What::Got).is_some());
    let to = micros();
    let got = events(&living.events(), What::Got).unwrap_or(to);

    let mut figures = run.figures(&site, LATENCY);
    let requests = Tally::of(&site.log(), freed, to);
    for (name, value) in [
        ("dead", crew.len() as f64),
        ("dead_tickets", tickets.len() as f64),
        ("grace_s", grace(&tickets)),
        ("free_for_s", got.saturating_sub(released) as f64 / 1e6),
        ("requests_meanwhile", requests.total() as f64),
    ] {
        figures.more.insert(name.to_owned(), value);
    }
    figures
}

/// Waits until as many wait, and returns their tickets.
fn wait_for_tickets(run: &Run, site: &Site, lock: &str, dead: usize) -> Vec<Value> {
    let limit = if run.queue { REGISTERING } else { WAITING };
    let end = micros() + u64::try_from(run.time(limit).as_micros()).expect("it is short");
    loop {
        let found = site.tickets(lock);
        if found.len() >= dead || micros() > end {
            return found;
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// For how long, in seconds, the living leave a free lock to the first of the dead: the longest time to react that
/// one of their tickets names, at least 1 s and at most 10 s.
fn grace(tickets: &[Value]) -> f64 {
    let react = tickets
        .iter()
        .filter_map(|ticket| ticket["react_ms"].as_f64());
    react.fold(0.0, f64::max).clamp(1_000.0, 10_000.0) / 1e3
}
