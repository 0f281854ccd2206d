//! Races the store, if that was asked for.

use s3_lock::Client;
use s3_lock::inspection::Inspector;

use crate::commands::doctor::costs::of_puts;
use crate::output::doctor::{Finding, Race};
use crate::output::progress::Progress;

/// Requests of a check, and of each round (`S3Lock::race_store`).
const CHECK: u64 = 14;
const ROUND: u64 = 19;
const PUTS: u64 = 16;

/// What to race, from where.
pub struct Plan {
    pub rounds: u32,
    pub clients: Vec<Client>,
    pub endpoints: Vec<String>,
}

impl Plan {
    pub fn carry_out(self, inspector: &Inspector, progress: &Progress) -> Race {
        let Plan { rounds, .. } = self;
        let all = u64::from(rounds);
        progress.say(&format!(
            "racing {} in {rounds} rounds: up to {} requests, ${:.4} at S3's prices in us-east-1",
            self.endpoints.join(" and "),
            all * ROUND + CHECK,
            of_puts(all * PUTS),
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
