//! A race that a store has lost, told for people.

use std::fmt;

use crate::engine::store_race::race::Run;
use crate::protocol::ETag;
use crate::protocol::quote::shown;
use crate::store::interface::Put;

/// One race that more than one writer has won, step by step.
#[derive(Clone, Debug)]
pub(crate) struct StoreRace(String);

impl StoreRace {
    /// The race for `key`, of writers under the ETag `over` or of creates; those of the numbers in
    /// `done` were done.
    pub(crate) fn new(key: &str, over: Option<&ETag>, runs: &[Run], done: &[usize]) -> StoreRace {
        let writers = runs.len();
        let (stood, sent) = match over {
            Some(ETag(etag)) => {
                let etag = shown(etag);
                (
                    format!("{key} had the ETag {etag}"),
                    format!("If-Match: {etag}"),
                )
            }
            None => (
                format!("{key} did not exist"),
                "If-None-Match: *".to_owned(),
            ),
        };
        let told = |run: &Run| format!("writer {} was answered {}", run.number, told(&run.put));
        let told: Vec<_> = runs
            .iter()
            .filter(|run| done.contains(&run.number))
            .map(told)
            .collect();
        let mut steps = format!(
            "(1) {stood}; (2) {writers} writers sent a PUT with {sent} at the same moment; (3) {}",
            told.join(", ")
        );
        let is_told = |run: &Run| matches!(run.put, Put::Applied { .. });
        let mut silent = runs
            .iter()
            .filter(|r| done.contains(&r.number) && !is_told(r));
        if let Some(run) = silent.next() {
            steps += &format!(
                "; (4) a GET then showed what writer {} had written",
                run.number
            );
        }
        StoreRace(steps)
    }

    /// The same, as one of several.
    pub(crate) fn in_round(self, round: u32) -> StoreRace {
        StoreRace(format!("in round {round} {}", self.0))
    }
}

impl fmt::Display for StoreRace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a writer was told.
fn told(put: &Put) -> String {
    match put {
        Put::Applied {
            etag: ETag(etag), ..
        } => format!("200 with ETag {}", shown(etag)),
        Put::Refused(_, error) | Put::NotSent(error) | Put::Unknown(error) => error.to_string(),
    }
}
