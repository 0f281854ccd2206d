//! Processes and threads that want one lock again and again.

use std::thread;
use std::time::Duration;

use crate::common::{Contention, Crew, Event, Figures, Site, Tally, command, micros};
use crate::part::Part;
use crate::{LATENCY, Run};

/// Processes that loop.
pub struct Looping {
    pub processes: usize,
    pub threads: usize,
    pub hold: Duration,
    pub time: Duration,
    /// How many processes more do the same without the queue.
    pub unaware: usize,
}

impl Looping {
    /// Processes of one thread.
    pub const fn of(processes: usize, seconds: u64) -> Looping {
        Looping {
            processes,
            threads: 1,
            hold: Duration::from_millis(50),
            time: Duration::from_secs(seconds),
            unaware: 0,
        }
    }

    /// Runs it on a store of its own.
    pub fn run(&self, run: &Run) -> Figures {
        self.run_on(run, &Site::start(LATENCY))
    }

    /// Runs it on a store that is prepared for it.
    fn run_on(&self, run: &Run, site: &Site) -> Figures {
        let round_trip = site.round_trip();
        let mut crew = self.crew(run, site);
        let from = crew.begin();
        thread::sleep(run.time(self.time));
        let to = micros();
        crew.kill();
        let events = self.contenders(crew.events());
        let requests = Tally::of(&site.log(), from, to);
        let contention = Contention::of(&events, requests, from, to);
        let mut figures = run.figures(site, LATENCY);
        for (name, value) in self.more(&contention, round_trip) {
            figures.more.insert(name.to_owned(), value);
        }
        figures.contention = Some(contention);
        figures
    }

    fn crew(&self, run: &Run, site: &Site) -> Crew {
        let mut crew = Crew::default();
        let aware = Part {
            queue: run.queue,
            threads: self.threads,
            ..Part::looping(self.hold)
        };
        for _ in 0..run.few(self.processes) {
            crew.add(command(&site.address, &aware));
        }
        let queue = false;
        let unaware = Part { queue, ..aware };
        for _ in 0..self.unaware {
            crew.add(command(&site.address, &unaware));
        }
        crew
    }

    /// The figures that not every run has.
    fn more(&self, contention: &Contention, round_trip: Duration) -> Vec<(&'static str, f64)> {
        let gets = contention.requests.gets() as f64;
        let mut more = vec![("gets_per_s", gets / contention.seconds)];
        if self.processes == 1 && self.threads > 1 {
            let floor = (self.hold + round_trip).as_secs_f64();
            more.push(("round_trip_ms", round_trip.as_secs_f64() * 1e3));
            let share = contention.per_second * floor;
            more.push(("share_of_one_over_hold_and_round_trip", share));
        }
        if self.unaware > 0 {
            let count = contention.contenders - self.unaware;
            let (aware, unaware) = contention.shares.split_at(count);
            let least = aware.iter().copied().fold(f64::INFINITY, f64::min);
            more.push(("least_share_of_the_aware", least));
            let most = unaware.iter().copied().fold(0.0, f64::max);
            more.push(("most_share_of_the_unaware", most));
        }
        more
    }

    /// Who shares the lock: processes, or the threads of the only one.
    fn contenders(&self, processes: Vec<Vec<Event>>) -> Vec<Vec<Event>> {
        let [events] = &processes[..] else {
            return processes;
        };
        let of = |thread| -> Vec<Event> {
            let events = events.iter().filter(|event| event.thread == thread);
            events.copied().collect()
        };
        (0..self.threads).map(of).collect()
    }
}

/// Four processes, on a store that takes one write a second for each key. Only this process's own server does.
pub fn on_slow_store(run: &Run) -> Figures {
    let site = Site::own();
    site.set_latency(LATENCY);
    let server = site.server().expect("it is this process's own");
    server.set_write_pause(Duration::from_secs(1));
    Looping::of(4, 60).run_on(run, &site)
}
