//! Runs one check of a store: it writes to a scratch object and sees whether the store honours the
//! conditions of the writes. `engine/check_first.rs` starts it.
//!
//! Any number of clients may check at the same moment, on the same object. Requests may be answered late,
//! twice or not at all. So every body is new, the check never deletes the object, and it reads after every
//! write. A verdict relies only on facts that hold even if others write too:
//!
//! * The store carried out three creates in a row, although the object existed each time: it ignores
//!   `If-None-Match`.
//! * The store carried out a replacement under an ETag that no version has now (no ETag ever comes back,
//!   because no two bodies are alike): it ignores `If-Match`.
//! * The store refused a replacement under an ETag that was current both before and after: it does not
//!   take that form of the ETag.
//! * The store carried out two replacements under one ETag: it compares and writes in two steps.
//!
//! A refusal of an ETag that is no longer current proves nothing: another checker may have been faster. A
//! write without a clear answer proves nothing either. The check tries both again while there is time.

use crate::engine::last_errors::LastErrors;
use crate::engine::store_check::attempt::{Answer, ScratchRead, Stop, StoreCheck, Tried, Version};
use crate::protocol::{Condition, ETag, Location, PauseReason};
use crate::types::store_report::{EtagForm, Finding, StoreReport, made_up};

/// How many creates in a row must succeed over the object before the verdict. A cleanup job may delete the
/// object at a bad moment once, but hardly three times in a row.
const CREATES: u32 = 3;

/// The findings about a store that honours conditions.
struct Fit {
    form: EtagForm,
    /// Whether its `Date` tells how old an object is.
    clock: bool,
    /// How many races were decided.
    races: u32,
}

/// A check that ended without a verdict.
pub(crate) struct NoVerdict {
    pub errors: LastErrors,
    /// Whether its time was up.
    pub gave_up: bool,
}

/// The first replacement that was accepted.
struct Accepted {
    form: EtagForm,
    former: ETag,
    tried: Tried,
}

impl<'a> StoreCheck<'a> {
    pub(crate) async fn run(mut self) -> Result<StoreReport, NoVerdict> {
        let gave_up = match self.examine().await {
            Ok(Fit { form, clock, races }) => {
                let Location { bucket, key } = &self.at;
                return Ok(StoreReport::safe(bucket, key, form, clock).raced(races));
            }
            Err(Stop::Found(finding)) => return Ok(self.broken(finding).await),
            Err(Stop::Failed) => false,
            Err(Stop::TimeUp) => true,
        };
        Err(NoVerdict {
            errors: self.errors,
            gave_up,
        })
    }

    async fn broken(mut self, finding: Finding) -> StoreReport {
        let Location { bucket, key } = &self.at;
        let report = StoreReport::broken(bucket, key, finding).with_race(self.race.take());
        if !matches!(finding, Finding::CreateIgnored | Finding::RightRefused) {
            return report;
        }
        // Some stores fail only in buckets with versions. Ceph's gateway 16 ignores creates' conditions
        // where versions are kept, and refuses right ETags where versioning is suspended. The verdict
        // does not depend on this.
        let limit = self.budget.next_request().unwrap_or_default();
        let versioning = self.session.store().versioning(bucket, limit);
        report.with_versioning(versioning.await)
    }

    /// The whole check. Undisturbed, it takes twelve requests, and two more if the object does not exist
    /// yet.
    async fn examine(&mut self) -> Result<Fit, Stop> {
        self.make_sure_it_exists().await?;
        let version = self.must_not_create().await?;
        let wrong = made_up(&version.etag, self.nonce()?);
        let Accepted {
            form,
            former,
            tried,
        } = self.must_accept(version).await?;
        // A client that loses a race for a lock writes under the ETag of a replaced version.
        let former = Condition::Matches(form.spell(&former));
        self.must_refuse(former, Finding::FormerAccepted).await?;
        let wrong = Condition::Matches(form.spell(&wrong));
        let version = self.must_refuse(wrong, Finding::WrongAccepted).await?;
        let (version, races) = self.must_take_one(form, version).await?;
        let clock = self.dates_fit(form, tried, version).await?;
        Ok(Fit { form, clock, races })
    }

    async fn make_sure_it_exists(&mut self) -> Result<(), Stop> {
        let mut answer = Answer::Nothing;
        loop {
            match (self.look().await?, answer) {
                (ScratchRead::There(_), _) => return Ok(()),
                (_, Answer::Denied) => return Err(Stop::Failed),
                (_, Answer::Nonsense(error)) => return Err(self.fail(error)),
                // The object exists, but it cannot be read.
                (ScratchRead::Hidden(error), Answer::Applied { .. } | Answer::Refused) => {
                    return Err(self.fail(error));
                }
                (ScratchRead::Absent, Answer::Applied { .. } | Answer::Refused) => {
                    self.pause(PauseReason::Trouble).await?;
                }
                (ScratchRead::Absent | ScratchRead::Hidden(_), _) => {}
            }
            (_, answer) = self.put(&Condition::Absent).await?;
            if matches!(answer, Answer::Nothing) {
                self.pause(PauseReason::Trouble).await?;
            }
        }
    }

    /// Tries to create the object over itself until the store refuses that. One create that succeeds
    /// proves nothing: another process may have deleted the object a moment before.
    async fn must_not_create(&mut self) -> Result<Version, Stop> {
        for _ in 1..CREATES {
            match self
                .must_refuse(Condition::Absent, Finding::CreateIgnored)
                .await
            {
                Err(Stop::Found(Finding::CreateIgnored)) => {
                    self.pause(PauseReason::Contended).await?
                }
                otherwise => return otherwise,
            }
        }
        self.must_refuse(Condition::Absent, Finding::CreateIgnored)
            .await
    }

    /// Tries a write whose condition does not hold until the store refuses it. Returns the version after
    /// that.
    async fn must_refuse(
        &mut self,
        condition: Condition,
        otherwise: Finding,
    ) -> Result<Version, Stop> {
        loop {
            let tried = self.attempt(&condition).await?;
            if tried.was_done() {
                return Err(Stop::Found(otherwise));
            }
            match tried.answer {
                Answer::Refused => return Ok(tried.after),
                Answer::Denied => return Err(Stop::Failed),
                _ => self.pause(PauseReason::Trouble).await?,
            }
        }
    }

    /// Replaces the object, with the ETag in the form that the store takes.
    async fn must_accept(&mut self, mut version: Version) -> Result<Accepted, Stop> {
        let mut denied = false;
        for form in EtagForm::to_try(&version.etag) {
            loop {
                let condition = Condition::Matches(form.spell(&version.etag));
                let tried = self.attempt(&condition).await?;
                if tried.was_done() {
                    let former = version.etag;
                    return Ok(Accepted {
                        form,
                        former,
                        tried,
                    });
                }
                let stands = tried.after.etag == version.etag;
                version = tried.after;
                let why = match tried.answer {
                    Answer::Refused if stands => break,
                    Answer::Refused => PauseReason::Contended,
                    Answer::Denied => {
                        denied = true;
                        break;
                    }
                    _ => PauseReason::Trouble,
                };
                self.pause(why).await?;
                // Other checkers have probably written during the pause.
                version = self.version().await?;
            }
        }
        if denied {
            // The store never got to the condition.
            Err(Stop::Failed)
        } else {
            Err(Stop::Found(Finding::RightRefused))
        }
    }
}
