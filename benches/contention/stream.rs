//! A stream of new processes, each of which takes the lock once, past one process that waits for it.

use std::thread;
use std::time::{Duration, Instant};

use crate::common::{Contention, Crew, Event, Figures, Site, Tally, command, micros};
use crate::part::Part;
use crate::{LATENCY, Run};

const HOLD: Duration = Duration::from_millis(20);
/// Twenty a second, which is more than can hold the lock one after the other.
const EVERY: Duration = Duration::from_millis(50);
/// How long the stream flows before the waiter comes, and with it.
const BEFORE: Duration = Duration::from_secs(2);
const TIME: Duration = Duration::from_secs(12);
/// How long the waiter rests between two waits.
const REST: Duration = Duration::from_millis(500);

/// Runs the stream, and one that waits again and again.
pub fn run(run: &Run) -> Figures {
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
        ..Part::once(HOLD)
    };
    let mut stream = Crew::default();
    flow(&mut stream, run.time(BEFORE), || {
        command(&site.address, &passing)
    });
    let from = micros();
    waiter.go();
    flow(&mut stream, run.time(TIME), || {
        command(&site.address, &passing)
    });
    let to = micros();
    stream.kill();
    waiter.kill();

    let requests = Tally::of(&site.log(), from, to);
    let (waiter, stream) = (waiter.events(), stream.events());
    let since = |events: &[Event]| -> Vec<Event> {
        let events = events.iter().filter(|event| event.at >= from);
        events.copied().collect()
    };
    let new: Vec<_> = stream.iter().map(|events| since(events)).collect();
    let of_waiter = Contention::of(&waiter, requests, from, to);
    let of_stream = Contention::of(&new, requests, from, to);
    let mut figures = run.figures(&site, LATENCY);
    figures.contention = Some(Contention::of(&[waiter, new].concat(), requests, from, to));
    for (name, value) in [
        ("waiter_got", of_waiter.acquisitions as f64),
        ("waiter_median_wait_s", of_waiter.median_wait_s),
        ("waiter_longest_wait_s", of_waiter.longest_wait_s),
        ("waiter_open_waits", of_waiter.open_waits as f64),
        ("stream_started", stream.len() as f64),
        ("stream_got", of_stream.acquisitions as f64),
        ("stream_median_wait_s", of_stream.median_wait_s),
        ("stream_open_waits", of_stream.open_waits as f64),
    ] {
        figures.more.insert(name.to_owned(), value);
    }
    figures
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
