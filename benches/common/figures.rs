//! The figures of a run: computed, printed, and kept for the charts.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Event, Tally, What};

/// What was measured in one run of a scenario.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Figures {
    pub scenario: String,
    pub has_queue: bool,
    pub store: String,
    pub latency_ms: u64,
    /// Figures that only some scenarios have. A name ends with its unit.
    pub more: BTreeMap<String, f64>,
    pub contention: Option<Contention>,
    /// What a number cannot say.
    pub notes: Vec<String>,
}

/// What was measured where several want one lock.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Contention {
    pub contenders: usize,
    pub seconds: f64,
    pub acquisitions: usize,
    pub per_second: f64,
    pub requests: Tally,
    pub requests_each: f64,
    pub gets_each: f64,
    pub puts_each: f64,
    /// What each contender got, as a share of an equal share.
    pub shares: Vec<f64>,
    pub least_share: f64,
    pub most_share: f64,
    pub median_wait_s: f64,
    /// Waits that were still open at the end count with the time that they had lasted by then.
    pub longest_wait_s: f64,
    pub open_waits: usize,
    pub failures: usize,
    /// How often two held the lock at once, as far as the wall clock shows it.
    pub overlaps: usize,
}

/// A wait, in microseconds since 1970.
struct Wait {
    asked: u64,
    /// None for one that was open at the end.
    got: Option<u64>,
}

impl Contention {
    /// Computes the figures of what `contenders` did between two moments.
    pub fn of(contenders: &[Vec<Event>], requests: Tally, from: u64, to: u64) -> Contention {
        let waits: Vec<_> = contenders.iter().map(|events| waits(events, to)).collect();
        let counts = waits.iter().map(|waits| got(waits));
        let counts: Vec<usize> = counts.collect();
        let acquisitions: usize = counts.iter().sum();
        let seconds = (to - from) as f64 / 1e6;
        let equal = acquisitions as f64 / contenders.len() as f64;
        let shares: Vec<_> = counts.iter().map(|n| *n as f64 / equal.max(1e-9)).collect();
        let waits: Vec<Wait> = waits.into_iter().flatten().collect();
        let mut spans: Vec<_> = waits
            .iter()
            .map(|wait| (wait.got.unwrap_or(to).saturating_sub(wait.asked)) as f64 / 1e6)
            .collect();
        spans.sort_by(f64::total_cmp);
        let each = |count: u64| count as f64 / acquisitions.max(1) as f64;
        let events = contenders.iter().flatten();
        Contention {
            contenders: contenders.len(),
            seconds,
            acquisitions,
            per_second: acquisitions as f64 / seconds,
            requests,
            requests_each: each(requests.total()),
            gets_each: each(requests.gets()),
            puts_each: each(requests.puts()),
            least_share: shares.iter().copied().fold(f64::INFINITY, f64::min),
            most_share: shares.iter().copied().fold(0.0, f64::max),
            shares,
            median_wait_s: quantile(&spans, 0.5),
            longest_wait_s: spans.last().copied().unwrap_or(0.0),
            open_waits: waits.iter().filter(|wait| wait.got.is_none()).count(),
            failures: events.filter(|e| e.what == What::Failed).count(),
            overlaps: overlaps(contenders),
        }
    }
}

fn got(waits: &[Wait]) -> usize {
    waits.iter().filter(|wait| wait.got.is_some()).count()
}

/// The waits of a process's threads that began before `end`. What an error ended, it ended for its caller, too.
fn waits(events: &[Event], end: u64) -> Vec<Wait> {
    let mut open = BTreeMap::new();
    let mut waits = Vec::new();
    for event in events.iter().filter(|event| event.at < end) {
        match event.what {
            What::Asked => {
                open.insert(event.thread, event.at);
            }
            What::Got => {
                let got = Some(event.at);
                let asked = open.remove(&event.thread);
                waits.extend(asked.map(|asked| Wait { asked, got }));
            }
            What::GaveUp | What::Failed => {
                open.remove(&event.thread);
            }
            What::Leaving | What::Left => {}
        }
    }
    let still = open.into_values().map(|asked| Wait { asked, got: None });
    waits.extend(still);
    waits
}

/// Counts the holdings that began before the one before them was given up.
fn overlaps(contenders: &[Vec<Event>]) -> usize {
    let mut holdings = Vec::new();
    for events in contenders {
        let mut since = BTreeMap::new();
        for event in events {
            match event.what {
                What::Got => {
                    since.insert(event.thread, event.at);
                }
                What::Leaving => {
                    let since = since.remove(&event.thread);
                    holdings.extend(since.map(|since| (since, event.at)));
                }
                _ => {}
            }
        }
    }
    holdings.sort_unstable();
    let pairs = holdings.windows(2);
    pairs.filter(|pair| pair[1].0 < pair[0].1).count()
}

impl Figures {
    /// The name of the run: that of the scenario, and how it was run if not as usual.
    pub fn run(&self) -> String {
        Figures::run_of(&self.scenario, self.has_queue)
    }

    /// The name of a run of this scenario.
    pub fn run_of(scenario: &str, has_queue: bool) -> String {
        let queue = if has_queue { "" } else { "-without-queue" };
        format!("{scenario}{queue}")
    }

    /// Prints one line of the table, and what else there is below it.
    pub fn print(&self) {
        if let Some(c) = &self.contention {
            println!(
                "{:<28} {:>6} {:>7.2} {:>7.2} {:>6.2} {:>6.2} {:>6.2} {:>6.2} {:>8.2} {:>8.2} {:>5}",
                self.run(),
                c.acquisitions,
                c.per_second,
                c.requests_each,
                c.gets_each,
                c.puts_each,
                c.least_share,
                c.most_share,
                c.median_wait_s,
                c.longest_wait_s,
                c.open_waits,
            );
            let r = &c.requests;
            println!(
                "    lock {} GET {} PUT, queue {} GET {} PUT; {} conflicts, {} slow-downs, {} failures, {} overlaps",
                r.lock_gets,
                r.lock_puts,
                r.queue_gets,
                r.queue_puts,
                r.conflicts,
                r.slow_downs,
                c.failures,
                c.overlaps,
            );
        } else {
            println!("{}", self.run());
        }
        for (name, value) in &self.more {
            println!("    {name} {}", rounded(*value));
        }
        for note in &self.notes {
            println!("    {note}");
        }
    }

    /// Prints what the columns are.
    pub fn print_heading() {
        println!(
            "{:<28} {:>6} {:>7} {:>7} {:>6} {:>6} {:>6} {:>6} {:>8} {:>8} {:>5}",
            "scenario",
            "got",
            "per s",
            "req.",
            "GET",
            "PUT",
            "least",
            "most",
            "wait s",
            "longest",
            "open"
        );
    }

    /// Keeps the figures where the charts are made from.
    pub fn write(&self) {
        let text = serde_json::to_string_pretty(self).expect("it is made of texts and numbers");
        let folder = match self.store.as_str() {
            "in-process" => folder(),
            // The charts are of the store that everybody has.
            _ => folder().join("other-stores"),
        };
        fs::create_dir_all(&folder).expect("the target directory can be written to");
        let file = folder.join(format!("{}.json", self.run()));
        fs::write(file, text + "\n").expect("the target directory can be written to");
    }

    /// Reads the figures of a run, if there are any.
    pub fn read(run: &str) -> Option<Figures> {
        let text = fs::read_to_string(folder().join(format!("{run}.json"))).ok()?;
        Some(serde_json::from_str(&text).expect("these benches wrote it"))
    }
}

/// Where the figures of the latest runs are.
pub fn folder() -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.unwrap_or(Path::new(env!("CARGO_MANIFEST_DIR")).join("target"));
    target.join("bench-figures")
}

/// A number as people read it: three digits that count.
pub fn rounded(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// The value below which this share of sorted values lies; zero if there are none.
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * sorted.len().saturating_sub(1) as f64;
    sorted.get(place.round() as usize).copied().unwrap_or(0.0)
}
