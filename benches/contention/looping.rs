//! Processes and threads that want one lock again and again.

use std::thread;
use std::time::Duration;

use crate::common::{Contention, Crew, Event, Figures, Site, Tally, command};
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
        let site = Site::start(LATENCY);
        self.run_on(run, &site, LATENCY)
    }

    /// Runs it on a store that is prepared for it.
    pub fn run_on(&self, run: &Run, site: &Site, latency: Duration) -> Figures {
        let mut crew = Crew::default();
        let part = Part {
            queue: run.queue,
            threads: self.threads,
            ..Part::looping(self.hold)
        };
        for _ in 0..run.few(self.processes) {
            crew.add(command(&site.address, &part));
        }
        let queue = false;
        let unaware = Part { queue, ..part };
        for _ in 0..self.unaware {
            crew.add(command(&site.address, &unaware));
        }
        let from = crew.begin();
        thread::sleep(run.time(self.time));
        let to = crate::common::micros();
        crew.kill();
        let events = self.contenders(crew.events());
        let requests = Tally::of(&site.log(), from, to);
        let mut figures = run.figures(site, latency);
        let contention = Contention::of(&events, requests, from, to);
        let more = &mut figures.more;
        let gets = contention.requests.gets() as f64;
        more.insert("gets_per_s".to_owned(), gets / contention.seconds);
        if self.processes == 1 && self.threads > 1 {
            let floor = (self.hold + latency).as_secs_f64();
            let share = contention.per_second * floor;
            more.insert("share_of_one_over_hold_and_round_trip".to_owned(), share);
        }
        if self.unaware > 0 {
            let (aware, unaware) = contention
                .shares
                .split_at(contention.contenders - self.unaware);
            let least = aware.iter().copied().fold(f64::INFINITY, f64::min);
            more.insert("least_share_of_the_aware".to_owned(), least);
            let most = unaware.iter().copied().fold(0.0, f64::max);
            more.insert("most_share_of_the_unaware".to_owned(), most);
        }
        figures.contention = Some(contention);
        figures
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
