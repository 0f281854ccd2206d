//! A stream of new processes, each of which takes the lock once, past one process that waits for it.

use std::thread;
use std::time::{Duration, Instant};

use crate::common::{Contention, Crew, Event, Figures, Site, Tally, What, command, micros};
use crate::part::Part;
use crate::{LATENCY, Run};

const HOLD: Duration = Duration::from_millis(20);
/// Twenty a second, which is more than can hold the lock one after the other.
const EVERY: Duration = Duration::from_millis(50);
/// How long the waiter rests between two waits.
const REST: Duration = Duration::from_millis(500);

/// A stream.
pub struct Stream {
    /// How long it flows before the waiter comes: so many of its processes wait before it.
    pub before: Duration,
    /// How long it flows once the waiter is there.
    pub time: Duration,
    /// How long its processes wait at most; none for as long as it takes.
    pub patience: Option<Duration>,
}

/// Runs the stream, and one that waits again and again.
pub fn run(run: &Run, stream: &Stream) -> Figures {
    let site = Site::start(LATENCY);
    let queue = run.queue;
    let part = Part {
        queue,
        pause: REST,
        ..Part::looping(HOLD)
    };
    let mut waiter = Crew::default();
    waiter.add(command(&site.address, &part));
    waiter.set_up();

    let passing = Part {
        queue,
        patience: stream.patience,
        ..Part::once(HOLD)
    };
    let mut crew = Crew::default();
    flow(&mut crew, run.time(stream.before), || {
        command(&site.address, &passing)
    });
    let from = micros();
    waiter.go();
    flow(&mut crew, run.time(stream.time), || {
        command(&site.address, &passing)
    });
    let to = micros();
    crew.kill();
    waiter.kill();

    let requests = Tally::of(&site.log(), from, to);
    let tickets = site.tickets(&part.lock).len();
    let (waiter, passed) = (waiter.events(), crew.events());
    let since = |events: &[Event]| -> Vec<Event> {
        let events = events.iter().filter(|event| event.at >= from);
        events.copied().collect()
    };
    let new: Vec<_> = passed.iter().map(|events| since(events)).collect();
    let of_waiter = Contention::of(&waiter, requests, from, to);
    let of_stream = Contention::of(&new, requests, from, to);
    let mut figures = run.figures(&site, LATENCY);
    for (name, value) in [
        ("waiter_first_wait_s", first_wait(&waiter[0], from, to)),
        ("waiter_got", of_waiter.acquisitions as f64),
        ("waiter_median_wait_s", of_waiter.median_wait_s),
        ("waiter_longest_wait_s", of_waiter.longest_wait_s),
        ("waiter_open_waits", of_waiter.open_waits as f64),
        ("tickets_at_end", tickets as f64),
        ("stream_started", passed.len() as f64),
        ("stream_got", of_stream.acquisitions as f64),
        ("stream_median_wait_s", of_stream.median_wait_s),
        ("stream_open_waits", of_stream.open_waits as f64),
    ] {
        figures.more.insert(name.to_owned(), value);
    }
    figures.contention = Some(Contention::of(&[waiter, new].concat(), requests, from, to));
    figures
}

/// How long the waiter waited the first time, in seconds, if only until the end.
fn first_wait(events: &[Event], from: u64, to: u64) -> f64 {
    let got = events.iter().find(|event| event.what == What::Got);
    let got = got.map_or(to, |event| event.at);
    got.saturating_sub(from) as f64 / 1e6
}

/// Starts a process every so often, for this long.
fn flow(stream: &mut Crew, time: Duration, next: impl Fn() -> std::process::Command) {
    let start = Instant::now();
    let mut due = Duration::ZERO;
    while due < time {
        stream.send(next());
        due += EVERY;
        thread::sleep(due.saturating_sub(start.elapsed()));
    }
}
