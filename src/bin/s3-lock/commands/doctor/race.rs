//! Races the store, if that was asked for.

use s3_lock::inspection::Inspector;
use s3_lock::{Client, LockError};

use crate::commands::doctor::finding::Finding;
use crate::commands::doctor::report::Race;
use crate::commands::wording;
use crate::output::message;
use crate::output::progress::Progress;

/// Requests of a check, and of each round (`S3Lock::race_store`).
const CHECK: u32 = 14;
const ROUND: u32 = 19;

/// What to race, from where.
pub struct Plan {
    pub rounds: u32,
    pub clients: Vec<Client>,
    pub endpoints: Vec<String>,
}

impl Plan {
    pub fn carry_out(self, inspector: &Inspector, progress: &Progress) -> Race {
        let Plan { rounds, .. } = self;
        let requests = u64::from(rounds) * u64::from(ROUND) + u64::from(CHECK);
        message::note(&format!(
            "racing {} in {rounds} rounds: up to {requests} requests, of which {} are PUTs",
            self.endpoints.join(" and "),
            u64::from(rounds) * 16 + 7,
        ));
        progress.count("racing", rounds);
        let raced = inspector.race_store(rounds, &self.clients, &mut |done| progress.done(done));
        match raced {
            Ok(report) => {
                let races = report.races();
                let found =
                    format!("{races} races did not show that it compares and writes in two steps");
                self.race(Finding::ok(found), Some(races))
            }
            Err(error) => {
                let finding = Finding::failed(&error);
                self.race(finding, None)
            }
        }
    }

    pub fn not_tried(self, why: &str) -> Race {
        self.race(Finding::not_tried(why), None)
    }

    fn race(self, finding: Finding, races: Option<u32>) -> Race {
        Race {
            finding,
            rounds: self.rounds,
            endpoints: self.endpoints,
            races,
        }
    }
}
