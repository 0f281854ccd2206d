//! Measures round trips on the scratch object, and this machine's clock by the replies.

use std::time::Duration;

use s3_lock::LockError;
use s3_lock::inspection::{Inspector, Looked, Place, Seen, Version};

use crate::commands::doctor::permits::Trust;
use crate::commands::doctor::times::{DateSeen, Offset};
use crate::output::doctor::{ClockOffset, Finding, Percentiles, RoundTrips, Status};

/// How many requests of each kind.
const SAMPLES: usize = 20;
/// When to stop with fewer.
const LONGEST: Duration = Duration::from_secs(10);
/// Beyond this a clock is not looked after.
const USUAL: i64 = 60;

/// What the requests showed.
#[derive(Default)]
pub struct Measured {
    gets: Vec<Duration>,
    puts: Vec<Duration>,
    dates: Vec<DateSeen>,
    error: Option<LockError>,
}

impl Measured {
    /// Reads and writes, in turn. Without trust in the store it reads alone.
    pub fn by(inspector: &Inspector, trust: Trust) -> Result<Measured, LockError> {
        let mut measured = Measured::default();
        while measured.gets.len() < SAMPLES && measured.so_far() < LONGEST {
            let looked = inspector.look(Place::Scratch);
            measured.note(&looked);
            let version = match looked.seen {
                Ok(Seen::Object(version)) => version,
                Ok(Seen::Absent | Seen::Hidden(_)) => continue,
                Err(error) => {
                    measured.error = Some(error);
                    break;
                }
            };
            if trust == Trust::Proven && !measured.write(inspector, &version)? {
                break;
            }
        }
        Ok(measured)
    }

    fn so_far(&self) -> Duration {
        self.gets.iter().chain(&self.puts).sum()
    }

    /// Notes the date of a reply.
    fn note(&mut self, looked: &Looked) {
        if looked.seen.is_ok() {
            self.gets.push(looked.took);
        }
        self.dates.extend(looked.date.map(|date| DateSeen {
            sent: looked.sent,
            took: looked.took,
            date,
        }));
    }

    fn write(&mut self, inspector: &Inspector, over: &Version) -> Result<bool, LockError> {
        let written = inspector.replace_scratch(over)?;
        match written.version {
            // Another check may have been faster. That took as long.
            Ok(_) => self.puts.push(written.took),
            Err(error) => self.error = Some(error),
        }
        Ok(self.error.is_none())
    }

    pub fn round_trips(&self) -> RoundTrips {
        let get = Percentiles::of(self.gets.clone());
        let put = Percentiles::of(self.puts.clone());
        let finding = match (&self.error, &get) {
            (Some(error), _) => Finding::of_error(Status::Warn, error),
            (None, None) => Finding::not_tried("nothing could be read"),
            (None, Some(get)) => Finding::ok(told(get, put.as_ref())),
        };
        RoundTrips { finding, get, put }
    }

    /// How far this machine's clock is from the store's, and what that means. `uses_store_clock`: whether the store's
    /// tells that a lock has expired, as far as that is known.
    pub fn clock(&self, uses_store_clock: Option<bool>) -> ClockOffset {
        let Some(offset) = Offset::of(&self.dates) else {
            let why = "the store's replies have no date that can be read";
            return ClockOffset::untold(Finding::new(Status::Warn, why));
        };
        let Offset {
            ahead,
            give_or_take,
        } = offset;
        let found = format!(
            "{} (± {give_or_take} s); {}",
            shown(ahead),
            expiry(uses_store_clock)
        );
        let finding = if ahead.abs() <= USUAL {
            Finding::ok(found)
        } else {
            let remedy = "set this machine's clock: locks do not depend on it, but S3 refuses what is signed 15 \
                          minutes early or late";
            Finding::new(Status::Warn, found).with_remedy(remedy)
        };
        ClockOffset {
            finding,
            ahead_seconds: Some(ahead),
            give_or_take_seconds: Some(give_or_take),
        }
    }
}

impl ClockOffset {
    pub fn untold(finding: Finding) -> ClockOffset {
        ClockOffset {
            finding,
            ahead_seconds: None,
            give_or_take_seconds: None,
        }
    }
}

fn told(get: &Percentiles, put: Option<&Percentiles>) -> String {
    let one = |name: &str, times: &Percentiles| {
        let Percentiles { n, p50_ms, p99_ms } = times;
        format!("{name} p50 {p50_ms:.1} ms, p99 {p99_ms:.1} ms (n = {n})")
    };
    match put {
        Some(put) => format!("{}; {}", one("GET", get), one("PUT", put)),
        None => format!("{}; PUT not tried", one("GET", get)),
    }
}

fn shown(ahead: i64) -> String {
    match ahead {
        0 => "this machine's clock agrees with the store's".to_owned(),
        1.. => format!("this machine's clock is {ahead} s ahead of the store's"),
        _ => format!("this machine's clock is {} s behind the store's", -ahead),
    }
}

fn expiry(uses_store_clock: Option<bool>) -> &'static str {
    match uses_store_clock {
        Some(true) => "the store's tells whether a lock has expired",
        Some(false) => {
            "the store's does not tell whether a lock has expired (a proxy may stamp its own Date): who waits for a \
             whole lease finds out"
        }
        None => "whether the store's tells that a lock has expired was not found out",
    }
}
