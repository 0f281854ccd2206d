//! Times, as people read them. All times of day are UTC.

use std::time::{Duration, SystemTime};

/// A span in its two largest units: `52s`, `4m 12s`, `3d 4h`.
pub fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let units = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];
    let first = units.iter().position(|(_, unit)| seconds >= *unit);
    let Some(first) = first else {
        return "0s".to_owned();
    };
    let (name, unit) = units[first];
    let mut text = format!("{}{name}", seconds / unit);
    if let Some((next, smaller)) = units.get(first + 1) {
        match seconds % unit / smaller {
            0 => {}
            count => text = format!("{text} {count}{next}"),
        }
    }
    text
}

/// When something began: `02:00:00 UTC (4m 12s ago)`, with its date if that is another day.
///
/// Clocks differ: what seems to begin later than now gets no age.
pub fn since(begin: SystemTime, now: SystemTime) -> String {
    let (date, time) = date_and_time(begin);
    let at = if date == date_and_time(now).0 {
        format!("{time} UTC")
    } else {
        format!("{date} {time} UTC")
    };
    match now.duration_since(begin) {
        Ok(age) => format!("{at} ({} ago)", span(age)),
        Err(_) => at,
    }
}

/// The same in as few columns as a table has for it: the time, or the date if that is another day.
pub fn since_shortly(begin: SystemTime, now: SystemTime) -> String {
    let (date, time) = date_and_time(begin);
    if date == date_and_time(now).0 {
        format!("{time}Z")
    } else {
        date
    }
}

/// As RFC 3339 has it: `2026-11-23T02:00:00Z`.
pub fn rfc3339(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(sane(time)).to_string()
}

fn date_and_time(time: SystemTime) -> (String, String) {
    let text = rfc3339(time);
    let (date, time) = text.split_once('T').unwrap_or((&text, ""));
    (date.to_owned(), time.trim_end_matches('Z').to_owned())
}

/// The time, if RFC 3339 can say it: from 1970 to the year 9999. A record may hold any.
fn sane(time: SystemTime) -> SystemTime {
    let last = SystemTime::UNIX_EPOCH + Duration::from_secs(253_402_300_799);
    time.clamp(SystemTime::UNIX_EPOCH, last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_span_has_its_two_largest_units() {
        let text = |seconds| span(Duration::from_secs(seconds));
        assert_eq!(text(0), "0s");
        assert_eq!(text(52), "52s");
        assert_eq!(text(60), "1m");
        assert_eq!(text(252), "4m 12s");
        assert_eq!(text(3_605), "1h");
        assert_eq!(text(90_061), "1d 1h");
    }

    #[test]
    fn a_time_of_today_has_no_date() {
        assert_eq!(since(at(7_200), at(7_452)), "02:00:00 UTC (4m 12s ago)");
        assert_eq!(since_shortly(at(7_200), at(7_452)), "02:00:00Z");
    }

    #[test]
    fn a_time_of_another_day_has_its_date() {
        let (then, now) = (at(7_200), at(2 * 86_400));
        assert_eq!(since(then, now), "1970-01-01 02:00:00 UTC (1d 22h ago)");
        assert_eq!(since_shortly(then, now), "1970-01-01");
    }

    #[test]
    fn a_time_ahead_of_this_clock_has_no_age() {
        assert_eq!(since(at(7_200), at(7_000)), "02:00:00 UTC");
    }

    #[test]
    fn a_time_that_no_text_can_say_is_the_nearest_that_one_can() {
        let early = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(rfc3339(early), "1970-01-01T00:00:00Z");
        let late = at(300_000_000_000);
        assert_eq!(rfc3339(late), "9999-12-31T23:59:59Z");
    }
}
