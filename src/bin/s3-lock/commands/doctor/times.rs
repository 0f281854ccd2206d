//! What round trips show: how long they take, and how far this machine's clock is from the store's. Pure.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::output::doctor::Percentiles;

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

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(times: impl IntoIterator<Item = u64>) -> Option<Percentiles> {
        Percentiles::of(times.into_iter().map(Duration::from_millis).collect())
    }

    #[test]
    fn percentiles_are_times_that_were_seen() {
        let found = millis((1..=20).rev()).unwrap();
        assert_eq!((found.n, found.p50_ms, found.p99_ms), (20, 10.0, 20.0));
        let found = millis(1..=1_000).unwrap();
        assert_eq!((found.p50_ms, found.p99_ms), (500.0, 990.0));
    }

    #[test]
    fn one_time_is_every_percentile_and_none_has_none() {
        let found = millis([7]).unwrap();
        assert_eq!((found.p50_ms, found.p99_ms), (7.0, 7.0));
        assert_eq!(millis([]), None);
    }

    /// A reply to what was sent at `sent` milliseconds, with this date in seconds.
    fn seen(sent: u64, took: u64, date: i64) -> DateSeen {
        DateSeen {
            sent: UNIX_EPOCH + Duration::from_millis(sent),
            took: Duration::from_millis(took),
            date,
        }
    }

    fn offset(seen: &[DateSeen]) -> (i64, i64) {
        let found = Offset::of(seen).unwrap();
        (found.ahead, found.give_or_take)
    }

    #[test]
    fn clocks_that_agree_are_told_so_anywhere_within_a_second() {
        for within in [1, 250, 500, 750, 999] {
            let (ahead, _) = offset(&[seen(1_000_000 + within, 10, 1_000)]);
            assert!(ahead.abs() <= 1, "{ahead}");
        }
        let many: Vec<_> = (0..20)
            .map(|n| seen(1_000_000 + n * 97, 5, 1_000 + (n * 97) as i64 / 1_000))
            .collect();
        assert_eq!(offset(&many), (0, 1));
    }

    #[test]
    fn a_clock_that_is_off_is_told_with_its_sign() {
        assert_eq!(offset(&[seen(1_300_500, 10, 1_000)]), (300, 1));
        assert_eq!(offset(&[seen(700_500, 10, 1_000)]), (-300, 1));
    }

    #[test]
    fn a_slow_reply_makes_it_less_sure() {
        assert_eq!(offset(&[seen(1_000_500, 4_000, 1_002)]), (0, 3));
    }

    #[test]
    fn replies_of_several_clocks_are_told_by_the_quickest() {
        let replies = [seen(1_000_500, 900, 1_030), seen(1_000_500, 10, 1_000)];
        assert_eq!(offset(&replies), (0, 1));
    }

    #[test]
    fn nothing_is_told_without_a_date() {
        assert_eq!(Offset::of(&[]), None);
    }
}
