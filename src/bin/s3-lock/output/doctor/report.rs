//! All that was found out, as `--json` prints it.

use serde::Serialize;

use crate::output::doctor::finding::{Finding, Status};
use crate::output::exit::OWN_FAILURE;

/// Names here are a promise to those who monitor by them.
#[derive(Debug, Serialize)]
pub struct Report {
    pub url: String,
    pub bucket: String,
    pub key: String,
    /// Whether locks work here; `null` if it could not be found out.
    pub locks_work: Option<bool>,
    pub exit_status: u8,
    pub settings: Settings,
    pub credentials: Credentials,
    pub reachable: Finding,
    pub lock: Finding,
    pub permissions: Vec<Permit>,
    pub conditional_writes: ConditionalWrites,
    pub clock: ClockOffset,
    pub round_trips: RoundTrips,
    pub costs: CostTable,
    /// `null` unless it was asked for.
    pub race: Option<Race>,
}

/// Where requests go. All is `null` if the settings are wrong.
#[derive(Debug, Serialize)]
pub struct Settings {
    #[serde(flatten)]
    pub finding: Finding,
    pub region: Option<Set>,
    pub endpoint: Option<Set>,
    /// Whether the endpoint is AWS's own.
    pub is_aws: Option<bool>,
    pub proxy: Option<Set>,
    /// `null` without TLS.
    pub certificates: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct Set {
    pub value: String,
    pub set_by: String,
}

#[derive(Debug, Serialize)]
pub struct Credentials {
    #[serde(flatten)]
    pub finding: Finding,
    pub access_key_id: Option<String>,
    pub source: Option<String>,
    pub files: Option<String>,
    pub is_temporary: Option<bool>,
    /// `null` if they do not expire, or if their source does not say when.
    pub expires_at: Option<String>,
}

/// One permission on one object.
#[derive(Debug, Serialize)]
pub struct Permit {
    #[serde(flatten)]
    pub finding: Finding,
    pub action: &'static str,
    pub resource: String,
    /// Whether no lock works without it.
    pub is_required: bool,
}

#[derive(Debug, Serialize)]
pub struct ConditionalWrites {
    #[serde(flatten)]
    pub finding: Finding,
    /// `null` if it could not be found out.
    pub is_safe: Option<bool>,
    pub etag_form: Option<&'static str>,
    pub races: Option<u32>,
    pub uses_store_clock: Option<bool>,
}

#[derive(Debug, Serialize)]
pub struct ClockOffset {
    #[serde(flatten)]
    pub finding: Finding,
    /// How far this machine's clock is ahead of the store's.
    pub ahead_seconds: Option<i64>,
    pub give_or_take_seconds: Option<i64>,
}

#[derive(Debug, Serialize)]
pub struct RoundTrips {
    #[serde(flatten)]
    pub finding: Finding,
    pub get: Option<Percentiles>,
    pub put: Option<Percentiles>,
}

#[derive(Debug, Serialize)]
pub struct CostTable {
    #[serde(flatten)]
    pub finding: Finding,
    pub currency: &'static str,
    #[serde(flatten)]
    pub costs: Costs,
}

/// How long requests of one kind took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Percentiles {
    pub n: usize,
    pub p50_ms: f64,
    pub p99_ms: f64,
}

/// In US dollars, at S3's prices in us-east-1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Costs {
    /// An acquire and a release, by the client that had the lock last.
    pub cycle_warm: f64,
    /// The same by another client, as each run of the command is one.
    pub cycle_cold: f64,
    /// One that waits for an hour behind one holder, alone or not.
    pub waiter_hour: f64,
    pub waiter_hour_among_several: f64,
    /// A lock that is held and renewed for a day.
    pub held_day: f64,
}

#[derive(Debug, Serialize)]
pub struct Race {
    #[serde(flatten)]
    pub finding: Finding,
    pub rounds: u32,
    pub endpoints: Vec<String>,
    pub races: Option<u32>,
}

impl Report {
    /// Says what all of it means.
    pub fn judged(mut self) -> Report {
        let status = verdict(self.findings().map(|finding| finding.status));
        (self.locks_work, self.exit_status) = match status {
            Status::Fail => (Some(false), 1),
            Status::Unknown => (None, OWN_FAILURE),
            _ => (Some(true), 0),
        };
        self
    }

    fn findings(&self) -> impl Iterator<Item = &Finding> {
        let permits = self.permissions.iter().map(|permit| &permit.finding);
        let race = self.race.iter().map(|race| &race.finding);
        [
            &self.settings.finding,
            &self.credentials.finding,
            &self.reachable,
            &self.lock,
            &self.conditional_writes.finding,
            &self.clock.finding,
            &self.round_trips.finding,
        ]
        .into_iter()
        .chain(permits)
        .chain(race)
    }
}

/// What findings come to: the worst of them.
fn verdict(all: impl Iterator<Item = Status>) -> Status {
    all.fold(Status::Ok, |worst, status| match (worst, status) {
        (Status::Fail, _) | (_, Status::Fail) => Status::Fail,
        (Status::Unknown, _) | (_, Status::Unknown) => Status::Unknown,
        _ => Status::Ok,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(all: &[Status]) -> Status {
        verdict(all.iter().copied())
    }

    #[test]
    fn warnings_and_what_was_not_tried_keep_no_lock_from_working() {
        assert_eq!(
            of(&[Status::Ok, Status::Warn, Status::NotTried]),
            Status::Ok
        );
    }

    #[test]
    fn one_failure_decides() {
        assert_eq!(
            of(&[Status::Unknown, Status::Fail, Status::Ok]),
            Status::Fail
        );
        assert_eq!(of(&[Status::Fail, Status::Unknown]), Status::Fail);
    }

    #[test]
    fn what_could_not_be_found_out_is_no_success() {
        assert_eq!(
            of(&[Status::Ok, Status::Unknown, Status::Warn]),
            Status::Unknown
        );
    }
}
