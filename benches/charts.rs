//! Draws the charts of the documentation from the figures that the other benches left in `target/bench-figures/`.
//!
//! This makes them anew, all of them, in half an hour on a machine that has nothing else to do:
//!
//! ```sh
//! B="cargo bench --features internals --bench"; $B scale && $B contention && $B contention -- --without-queue && $B charts
//! ```
//!
//! A chart whose figures are not there is left as it is. Each is an SVG of its own in `src/charts/`, for pages that
//! include it as text: it takes the colour of the text around it. Opened by itself it follows the system's theme.

#![allow(
    clippy::disallowed_methods,
    reason = "a bench reads the clock that it measures with"
)]

#[path = "../tests/support/mod.rs"]
mod support;

#[path = "charts/bars.rs"]
mod bars;
mod common;
#[path = "charts/lines.rs"]
mod lines;
#[path = "charts/svg.rs"]
mod svg;

use std::fs;
use std::path::Path;

use bars::{Bars, Group};
use common::{Arguments, Contention, Figures, rounded};
use lines::{Lines, Series};
use svg::Ink;

/// What draws a chart where its figures are there.
type Draw = fn() -> Option<String>;

/// The file of each chart, and what draws it.
const CHARTS: [(&str, Draw); 5] = [
    ("cycle", cycle),
    ("shares", shares),
    ("waits", waits),
    ("requests", requests),
    ("cost", cost),
];

fn main() {
    let is_test = Arguments::read().is_test;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/charts");
    for (name, draw) in CHARTS {
        let Some(chart) = draw() else {
            println!("{name}: no figures in {}", common::folder().display());
            continue;
        };
        if !is_test {
            let file = folder.join(format!("{name}.svg"));
            fs::create_dir_all(&folder).expect("the sources can be written to");
            fs::write(&file, chart).expect("the sources can be written to");
            println!("{}", file.display());
        }
    }
}

/// What several clients did that wanted one lock.
fn contention(scenario: &str, has_queue: bool) -> Option<Contention> {
    Figures::read(&Figures::run_of(scenario, has_queue))?.contention
}

const QUEUE: [(bool, &str, Ink); 2] = [
    (true, "with queue", Ink::Blue),
    (false, "without", Ink::Orange),
];

/// The time of a cycle against the number of its requests, beside the classic protocol.
fn cycle() -> Option<String> {
    let figures = Figures::read("calls-25ms")?;
    let point = |name: &str| -> Option<(f64, f64)> {
        let figure = |what: &str| figures.more.get(&format!("{name}_{what}")).copied();
        Some((figure("gets")? + figure("puts")?, figure("ms")?))
    };
    let named = |name: &str, label: &str| -> Option<((f64, f64), String)> {
        let (requests, ms) = point(name)?;
        Some(((requests, ms), format!("{label}: {} ms", rounded(ms))))
    };
    let ours = [
        named("renew", "renew")?,
        named("warm_cycle", "acquire and release, again")?,
        named("cold_cycle", "acquire and release, first time")?,
    ];
    let classic = [named(
        "classic_cycle",
        "classic protocol, acquire and release",
    )?];
    let latency = figures.latency_ms as f64;
    let floor = (0..=9).map(|n| (f64::from(n), f64::from(n) * latency));
    let chart = Lines {
        title: "A cycle costs its round trips".to_owned(),
        subtitle: format!("one client, {latency} ms for each request"),
        x_label: "requests, one after the other".to_owned(),
        y_label: "milliseconds".to_owned(),
        series: vec![
            Series::line("requests × latency", Ink::Faint, floor.collect()).dashed(),
            Series::points("s3-lock", Ink::Blue, ours.to_vec()),
            Series::points("aws-s3-lock 1.0.2", Ink::Orange, classic.to_vec()),
        ],
    };
    Some(chart.draw())
}

/// What each of eight processes gets.
fn shares() -> Option<String> {
    let mut groups = Vec::new();
    let mut subtitle = String::new();
    for (has_queue, name, ink) in QUEUE {
        let contention = contention("looping-8", has_queue)?;
        subtitle = format!(
            "sorted; each in a loop for {:.0} s: acquire, hold 50 ms, release; 25 ms for each request",
            contention.seconds
        );
        let mut shares = contention.shares;
        shares.sort_by(|one, other| other.total_cmp(one));
        groups.push(Group {
            name: name.to_owned(),
            ink,
            values: shares.into_iter().map(Some).collect(),
        });
    }
    let chart = Bars {
        title: "What each of eight processes gets".to_owned(),
        subtitle,
        labels: (1..=8).map(|n| format!("process {n}")).collect(),
        value_label: "acquisitions, as a multiple of an equal share".to_owned(),
        mark: Some((1.0, "equal share".to_owned())),
        groups,
    };
    Some(chart.draw_upright())
}

const CROWDS: [(&str, f64); 5] = [
    ("crowd-1", 1.0),
    ("crowd-3", 3.0),
    ("crowd-10", 10.0),
    ("crowd-30", 30.0),
    ("crowd-100", 100.0),
];
const CROWD: &str =
    "processes that arrive at once, each to hold the lock for 50 ms; 25 ms for each request";

/// A figure of each crowd.
fn of_crowds(has_queue: bool, figure: fn(&Contention) -> f64) -> Option<Vec<(f64, f64)>> {
    let point = |(scenario, size)| Some((size, figure(&contention(scenario, has_queue)?)));
    CROWDS.into_iter().map(point).collect()
}

/// How long the members of a crowd wait.
fn waits() -> Option<String> {
    let mut series = Vec::new();
    for (has_queue, name, ink) in QUEUE {
        let longest = of_crowds(has_queue, |c| c.longest_wait_s)?;
        series.push(Series::line(&format!("{name}, longest"), ink, longest));
        let median = of_crowds(has_queue, |c| c.median_wait_s)?;
        series.push(Series::line(&format!("{name}, median"), ink, median).dashed());
    }
    let chart = Lines {
        title: "How long a crowd waits".to_owned(),
        subtitle: CROWD.to_owned(),
        x_label: "processes that wait".to_owned(),
        y_label: "seconds".to_owned(),
        series,
    };
    Some(chart.draw())
}

/// How many requests the members of a crowd send.
fn requests() -> Option<String> {
    let mut series = Vec::new();
    for (has_queue, name, ink) in QUEUE {
        let all = of_crowds(has_queue, |c| c.requests_each)?;
        series.push(Series::line(&format!("{name}, all"), ink, all));
        let puts = of_crowds(has_queue, |c| c.puts_each)?;
        series.push(Series::line(&format!("{name}, PUTs"), ink, puts).dashed());
    }
    let chart = Lines {
        title: "What an acquisition in a crowd sends".to_owned(),
        subtitle: CROWD.to_owned(),
        x_label: "processes that wait".to_owned(),
        y_label: "requests for each acquisition and release".to_owned(),
        series,
    };
    Some(chart.draw())
}

/// US dollars for a thousand requests to S3 Standard in us-east-1, as `RequestPrices` has them.
const PUT_PRICE: f64 = 0.005;
const GET_PRICE: f64 = 0.000_4;

/// Dollars for a million times so many requests.
fn price(gets: f64, puts: f64) -> f64 {
    (gets * GET_PRICE + puts * PUT_PRICE) * 1_000.0
}

/// What a million acquisitions cost.
fn cost() -> Option<String> {
    let calls = Figures::read("calls-25ms")?;
    let alone = |name: &str| -> Option<f64> {
        let figure = |what: &str| calls.more.get(&format!("{name}_{what}")).copied();
        Some(price(figure("gets")?, figure("puts")?))
    };
    let [warm, cold, classic] = ["warm_cycle", "cold_cycle", "classic_cycle"].map(alone);
    let mut labels: Vec<_> = ["one client, again", "one client, first time"].into();
    let mut groups: Vec<Group> = Vec::new();
    for (has_queue, name, ink) in QUEUE {
        let mut values = vec![Some(warm?), Some(cold?)];
        for (scenario, _) in WANTED {
            let c = contention(scenario, has_queue)?;
            values.push(Some(price(c.gets_each, c.puts_each)));
        }
        values.push(None);
        let name = name.to_owned();
        groups.push(Group { name, ink, values });
    }
    labels.extend(WANTED.map(|(_, label)| label));
    labels.push("classic protocol, one client");
    let mut values = vec![None; labels.len() - 1];
    values.push(Some(classic?));
    groups.push(Group {
        name: "aws-s3-lock 1.0.2".to_owned(),
        ink: Ink::Grey,
        values,
    });
    let chart = Bars {
        title: "What a million acquisitions cost".to_owned(),
        subtitle: "at $0.005 for 1,000 PUTs and $0.0004 for 1,000 GETs (S3 Standard, us-east-1)"
            .to_owned(),
        labels: labels.into_iter().map(str::to_owned).collect(),
        value_label: "US dollars for a million acquisitions and releases".to_owned(),
        mark: None,
        groups,
    };
    Some(chart.draw_lying())
}

/// Where several want the lock, from few to many.
const WANTED: [(&str, &str); 4] = [
    ("looping-2", "2 processes in a loop"),
    ("looping-8", "8 processes in a loop"),
    ("looping-32", "32 processes in a loop"),
    ("crowd-100", "a crowd of 100"),
];
