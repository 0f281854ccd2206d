//! Finds out whether a store honours the conditions that the lock rests on, by writing to one object
//! that is there for nothing else.
//!
//! Any number of clients may check at the same moment, on the same object; requests may be answered
//! late, twice or not at all. So every body is new, the object is never deleted, every write is
//! followed by a read, and a verdict rests only on what is true whoever else writes:
//!
//! * creates that were done, three in a row, although the object existed each time: the store ignores
//!   `If-None-Match`;
//! * a replacement that was done under an ETag that no version has, or has any more (none ever comes
//!   back, as no two bodies are alike): it ignores `If-Match`;
//! * a replacement that was refused under an ETag that stood both before and after: it does not take
//!   that form of it;
//! * two replacements that were done under one ETag: it compares and writes in two steps.
//!
//! A right ETag that was refused and does not stand any more proves nothing: another checker was
//! faster. Nor does a write without a clear answer. Both are tried anew, while there is time.

use crate::engine::last_errors::LastErrors;
use crate::engine::store_check::attempt::{ScratchRead, Stop, StoreCheck, Told, Tried, Version};
use crate::protocol::{Condition, ETag, Location, PauseReason};
use crate::types::store_report::{EtagForm, Finding, StoreReport, made_up};

/// How many creates in a row must be done over the object before the store is convicted: whoever cleans up
/// in the bucket may delete it once at a bad moment, and hardly each time.
const CREATES: u32 = 3;
/// What a check found out of a store that honours conditions.
struct Fit {
    form: EtagForm,
    /// Whether its `Date` tells how old an object is.
    clock: bool,
    /// How many races were decided.
    races: u32,
}

/// A check that found out nothing.
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
        // Some stores do so in buckets with versions alone: Ceph's gateway 16 does the first where they
        // are kept, and the second where that is suspended. The verdict does not depend on it.
        let limit = self.budget.next_request().unwrap_or_default();
        let versioning = self.session.store().versioning(bucket, limit);
        report.with_versioning(versioning.await)
    }

    /// The whole check. Undisturbed it takes twelve requests, and two more where the
    /// object is not there yet.
    async fn examine(&mut self) -> Result<Fit, Stop> {
        self.make_sure_it_exists().await?;
        let version = self.must_not_create().await?;
        let wrong = made_up(&version.etag, self.nonce()?);
        let Accepted {
            form,
            former,
            tried,
        } = self.must_accept(version).await?;
        // A version that has been replaced is what a lock's loser holds in its hand.
        let former = Condition::Matches(form.spell(&former));
        self.must_refuse(former, Finding::FormerAccepted).await?;
        let wrong = Condition::Matches(form.spell(&wrong));
        let version = self.must_refuse(wrong, Finding::WrongAccepted).await?;
        let (version, races) = self.must_take_one(form, version).await?;
        let clock = self.dates_fit(form, tried, version).await?;
        Ok(Fit { form, clock, races })
    }

    async fn make_sure_it_exists(&mut self) -> Result<(), Stop> {
        let mut told = Told::Nothing;
        loop {
            match (self.look().await?, told) {
                (ScratchRead::There(_), _) => return Ok(()),
                (_, Told::Denied) => return Err(Stop::Failed),
                (_, Told::Nonsense(error)) => return Err(self.fail(error)),
                // Created, by this client or another, and still it cannot be read.
                (ScratchRead::Hidden(error), Told::Applied { .. } | Told::Refused) => {
                    return Err(self.fail(error));
                }
                (ScratchRead::Absent, Told::Applied { .. } | Told::Refused) => {
                    self.pause(PauseReason::Trouble).await?;
                }
                (ScratchRead::Absent | ScratchRead::Hidden(_), _) => {}
            }
            (_, told) = self.put(&Condition::Absent).await?;
            if matches!(told, Told::Nothing) {
                self.pause(PauseReason::Trouble).await?;
            }
        }
    }

    /// Tries to create the object over itself until that is refused. One create that is done proves
    /// nothing: somebody may have deleted the object a moment before.
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

    /// Tries a write whose condition does not hold until it is refused. Returns what stands then.
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
            match tried.told {
                Told::Refused => return Ok(tried.after),
                Told::Denied => return Err(Stop::Failed),
                _ => self.pause(PauseReason::Trouble).await?,
            }
        }
    }

    /// Replaces the object, in whichever form of its ETag the store takes.
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
                let why = match tried.told {
                    Told::Refused if stands => break,
                    Told::Refused => PauseReason::Contended,
                    Told::Denied => {
                        denied = true;
                        break;
                    }
                    _ => PauseReason::Trouble,
                };
                self.pause(why).await?;
                // What was seen before a pause is seldom what stands after it, where others check.
                version = self.version().await?;
            }
        }
        if denied {
            // It never got as far as to the condition.
            Err(Stop::Failed)
        } else {
            Err(Stop::Found(Finding::RightRefused))
        }
    }
}
