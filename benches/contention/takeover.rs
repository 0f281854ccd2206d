//! How long after the earliest safe moment a waiter has the lock of a holder that crashed.
//!
//! That moment is the earliest at which the replies that the waiter had let it conclude that the record is older than
//! its lease and the margin. A reply shows the record's age in whole seconds, from two dates that are cut to seconds; and
//! the waiter knows since when it has seen this version. The margin covers what the dates may be off by.

use std::time::Duration;

use crate::Run;
use crate::common::{FOLDER, Figures, Logged, Site, quantile, with_queue};

const TIMES: usize = 20;
const ALLOWANCE: Duration = Duration::from_millis(900);
const OPERATION: Duration = Duration::from_millis(100);
/// The default `clock_margin`, and lease / 500: see `S3LockBuilder::clock_margin`.
const BEYOND: Duration = Duration::from_millis(2_002);
/// What a request takes here.
const SHORT: Duration = Duration::from_millis(5);

/// Lets a waiter take over a forgotten lock, again and again.
pub fn run(run: &Run) -> Figures {
    let site = Site::start(SHORT);
    let times = if run.is_test { 1 } else { TIMES };
    let late = (0..times).map(|serial| one(run, &site, serial));
    let mut late: Vec<f64> = late.collect();
    late.sort_by(f64::total_cmp);
    let mut figures = run.figures(&site, SHORT);
    for (name, value) in [
        ("times", late.len() as f64),
        ("median_past_earliest_ms", quantile(&late, 0.5)),
        ("best_past_earliest_ms", quantile(&late, 0.0)),
        ("worst_past_earliest_ms", quantile(&late, 1.0)),
    ] {
        figures.more.insert(name.to_owned(), value);
    }
    figures
}

/// Returns how many milliseconds after the earliest safe moment the waiter's write reached the store.
fn one(run: &Run, site: &Site, serial: usize) -> f64 {
    let name = format!("crashed-{serial}");
    let lock = || {
        let lock = site.address.lock_builder(&name, &site.address.client());
        let lock = lock.max_operation(OPERATION).acquire_allowance(ALLOWANCE);
        let lock = with_queue(lock, run.queue).build();
        lock.expect("the settings are valid")
    };
    let crashed = lock().acquire("crashed");
    std::mem::forget(crashed.expect("nobody else is there"));
    let guard = lock().acquire("waiter").expect("the lease runs out");
    let key = format!("{FOLDER}/{name}.lock");
    let log = site.log().into_iter().filter(|request| request.key == key);
    let log: Vec<_> = log.collect();
    guard.release().expect("it is held");
    past_earliest(&log)
}

fn past_earliest(log: &[Logged]) -> f64 {
    let latency = micros_of(SHORT);
    let landed = |request: &Logged| request.at + latency;
    let mut writes = log
        .iter()
        .filter(|r| r.method == "PUT" && r.status == Some(200));
    let written = landed(writes.next().expect("the holder took the lock"));
    let taken = writes.next().expect("the waiter took the lock").at;
    let expiry = micros_of(OPERATION + ALLOWANCE + BEYOND);
    let looks = log
        .iter()
        .filter(|r| r.method == "GET" && r.status == Some(200));
    let looks = looks.map(landed).filter(|look| *look > written);
    let safe = looks.map(|look| {
        let by_dates = (look / 1_000_000 - written / 1_000_000) * 1_000_000;
        look + expiry.saturating_sub(by_dates)
    });
    let earliest = safe.min().expect("the waiter looked");
    (taken as f64 - earliest as f64) / 1e3
}

fn micros_of(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).expect("it is short")
}
