//! What round trips show: how long they take, and how far this machine's clock is from the store's. Pure.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

/// How long requests of one kind took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Percentiles {
    pub n: usize,
    pub p50_ms: f64,
    pub p99_ms: f64,
}

impl Percentiles {
    /// `None` without any.
    pub fn of(mut times: Vec<Duration>) -> Option<Percentiles> {
        times.sort_unstable();
        // The nearest rank: a time that was really seen.
        let at = |percent: usize| {
            let rank = (times.len() * percent).div_ceil(100);
            let time = times.get(rank.checked_sub(1)?)?;
            Some((time.as_secs_f64() * 1e5).round() / 1e2)
        };
        Some(Percentiles {
            n: times.len(),
            p50_ms: at(50)?,
            p99_ms: at(99)?,
        })
    }
}

/// One reply's `Date`, in whole seconds, and this machine's time around it.
#[derive(Clone, Copy, Debug)]
pub struct DateSeen {
    pub sent: SystemTime,
    pub took: Duration,
    pub date: i64,
}

/// How far this machine's clock is ahead of the store's, in seconds, and how sure that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offset {
    pub ahead: i64,
    pub give_or_take: i64,
}

impl Offset {
    /// What all replies agree on; if they do not agree, what the quickest says. `None` without any.
    pub fn of(seen: &[DateSeen]) -> Option<Offset> {
        let all = seen.iter().map(bounds);
        let (low, high) = all.reduce(|a, b| (a.0.max(b.0), a.1.min(b.1)))?;
        if low <= high {
            return Some(Offset::between(low, high));
        }
        let quickest = seen.iter().min_by_key(|seen| seen.took)?;
        let (low, high) = bounds(quickest);
        Some(Offset::between(low, high))
    }

    fn between(low: f64, high: f64) -> Offset {
        let middle = f64::midpoint(low, high);
        Offset {
            ahead: middle.round() as i64,
            give_or_take: ((high - low) / 2.0).ceil().max(1.0) as i64,
        }
    }
}

/// The least and the most that this machine's clock can be ahead: the store's clock showed some time within the
/// second that it told, while this machine's went from the sending to the reply.
fn bounds(seen: &DateSeen) -> (f64, f64) {
    let sent = match seen.sent.duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_secs_f64(),
        Err(before) => -before.duration().as_secs_f64(),
    };
    let date = seen.date as f64;
    (sent - (date + 1.0), sent + seen.took.as_secs_f64() - date)
}
