//! The race in a check: two writers replace one version at the same moment, and the store may let one.

use crate::engine::store_check::attempt::{Stop, StoreCheck, Version};
use crate::engine::store_check::race::{
    Departure, Judgement, Start, WriterPlan, judge, run_writers,
};
use crate::engine::store_check::scratch::Scratch;
use crate::engine::store_check::story::story;
use crate::protocol::{Condition, PauseReason};
use crate::store::interface::Put;
use crate::types::store_report::{EtagForm, Finding, WriteKind};

/// How many writers take part. More would make every client's check more expensive; `race_store` has more.
const WRITERS: usize = 2;
/// How many races to try if neither writer wins, because another checker was faster or an answer was lost.
const TRIES: u32 = 3;

impl StoreCheck<'_> {
    /// Lets two writers replace one version. Returns the version after that, and how many races were
    /// decided.
    pub(super) async fn must_take_one(
        &mut self,
        form: EtagForm,
        mut version: Version,
    ) -> Result<(Version, u32), Stop> {
        for tries in 1.. {
            let condition = Condition::Matches(form.spell(&version.etag));
            let limit = self.time_for_one()?;
            let mut plans = Vec::new();
            for number in 1..=WRITERS {
                plans.push(WriterPlan {
                    number,
                    body: Scratch::body(self.nonce()?),
                    departure: Departure::Together,
                });
            }
            let start = Start::of(WRITERS);
            let runs = run_writers(self.session, &self.at, &condition, plans, &start, limit).await;
            let after = self.version().await?;
            match judge(&runs, WRITERS, Some(&after.body)) {
                Judgement::Refuted(done) => {
                    self.race = Some(story(&self.at.key, Some(&version.etag), &runs, &done));
                    return Err(Stop::Found(Finding::NotAtomic(WriteKind::Replace)));
                }
                Judgement::Decided => return Ok((after, 1)),
                Judgement::Open => {}
            }
            version = after;
            // The loser of such a race may get another answer than a failed condition.
            let is_won = runs
                .iter()
                .any(|run| matches!(run.put, Put::Applied { .. }));
            let is_quiet = runs
                .iter()
                .all(|run| !matches!(run.put, Put::Unknown(_) | Put::NotSent(_)));
            if (is_won && is_quiet) || tries == TRIES {
                break;
            }
            self.pause(PauseReason::Contended).await?;
            version = self.version().await?;
        }
        Ok((version, 0))
    }
}
