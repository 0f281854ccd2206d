//! Many processes that arrive at once behind one that holds the lock.

use std::time::Duration;

use crate::common::{Contention, Crew, Event, Figures, Site, Tally, What, command, micros};
use crate::part::Part;
use crate::{LATENCY, Run};

/// How long the first one holds the lock, and each of the crowd after it.
const FIRST_HOLD: Duration = Duration::from_millis(100);
const HOLD: Duration = Duration::from_millis(50);
/// Far longer than the whole crowd needs.
const LIMIT: Duration = Duration::from_secs(240);

/// Runs a crowd of so many, each a process of its own, again and again. Returns the run whose longest wait was the median:
/// where few wait, chance has a large part in it.
pub fn run(run: &Run, size: usize) -> Figures {
    let times = if run.is_test { 1 } else { times(size) };
    let mut runs: Vec<_> = (0..times).map(|_| once(run, size)).collect();
    let longest = |figures: &Figures| {
        figures
            .contention
            .as_ref()
            .map_or(0.0, |c| c.longest_wait_s)
    };
    runs.sort_by(|one, other| longest(one).total_cmp(&longest(other)));
    let mut median = runs.swap_remove(times / 2);
    median.more.insert("runs".to_owned(), times as f64);
    median
}

/// How often a crowd of so many runs: all sizes take about as long.
fn times(size: usize) -> usize {
    match size {
        0..10 => 9,
        10..30 => 5,
        30..100 => 3,
        _ => 1,
    }
}

/// Runs it until all of them have been served.
fn once(run: &Run, size: usize) -> Figures {
    let site = Site::start(LATENCY);
    let part = |hold| Part {
        queue: run.queue,
        ..Part::once(hold)
    };
    let mut crowd = Crew::default();
    for _ in 0..run.few(size) {
        crowd.add(command(&site.address, &part(HOLD)));
    }
    crowd.set_up();
    let mut first = Crew::default();
    first.add(command(&site.address, &part(FIRST_HOLD)));
    first.begin();
    assert!(first.wait_until(LIMIT, |all| have(all, What::Got) == 1));

    let from = micros();
    crowd.go();
    let size = crowd.len();
    let is_over = |all: &[Vec<Event>]| have(all, What::Left) + have(all, What::Failed) == size;
    crowd.wait_until(LIMIT, is_over);
    let to = micros();
    crowd.kill();

    let mut figures = run.figures(&site, LATENCY);
    let mut requests = Tally::of(&site.log(), from, to);
    // The first one's release is not the crowd's.
    requests.lock_puts = requests.lock_puts.saturating_sub(1);
    figures.contention = Some(Contention::of(&crowd.events(), requests, from, to));
    figures
}

/// How many processes have reported this.
fn have(all: &[Vec<Event>], what: What) -> usize {
    let reported = |events: &&Vec<Event>| events.iter().any(|event| event.what == what);
    all.iter().filter(reported).count()
}
