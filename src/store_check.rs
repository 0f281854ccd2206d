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

mod attempt;
mod dates;
mod race;

use std::time::Duration;

use crate::backoff::{self, Backoff};
use crate::clock::Instant;
use crate::drive::{Errors, PAUSE};
use crate::error::LockError;
use crate::protocol::{Condition, ETag, Why};
use crate::race::story::StoreRace;
use crate::session::Session;
use crate::store::Location;
use crate::store_report::{EtagForm, Finding, StoreReport, made_up};
use attempt::{Scratch, Sight, Told, Tried, Version};

/// The name of the object, in the folder of a lock.
const NAME: &str = ".s3-lock-check";
/// How many creates in a row must be done over the object before the store is convicted: whoever cleans up
/// in the bucket may delete it once at a bad moment, and hardly each time.
const CREATES: u32 = 3;
/// How long to keep away when another checker was faster: a few of its writes and reads.
const DETOUR: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(250));

const FOR_THE_CHECK: &str = "it is written and read (s3:PutObject, s3:GetObject) to see whether this \
                             store honours conditional writes; if you know that it does, build the \
                             client with assume_conditional_writes() instead";

/// The object of this name next to a lock's.
pub(crate) fn beside(lock: &Location, name: &str) -> Location {
    let key = match lock.key.rsplit_once('/') {
        Some((folder, _)) => format!("{folder}/{name}"),
        None => name.to_owned(),
    };
    let bucket = lock.bucket.clone();
    Location { bucket, key }
}

/// A body to write to such an object, that was never written before.
pub(crate) fn scratch_body() -> Result<Vec<u8>, LockError> {
    let nonce = backoff::nonce().map_err(LockError::of_this_machine)?;
    Ok(Scratch::body(nonce))
}

/// One check of one store.
pub(crate) struct StoreCheck<'a> {
    client: &'a Session,
    at: Location,
    start: Instant,
    limit: Duration,
    /// Whether to wait for what is needed before the store can be asked at all.
    patient: bool,
    /// After trouble with the store.
    pauses: Backoff,
    /// While others check as well.
    detours: Backoff,
    errors: Errors,
    /// How many answers meant nothing at all.
    nonsense: u32,
    /// A race that two have won, if that was found.
    race: Option<StoreRace>,
}

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
    pub errors: Errors,
    /// Whether its time was up.
    pub gave_up: bool,
}

/// Why a check goes no further.
enum Stop {
    /// What was found is proof enough.
    Found(Finding),
    /// Asking again does not help; the error is noted.
    Failed,
    TimeUp,
}

/// The first replacement that was accepted.
struct Accepted {
    form: EtagForm,
    former: ETag,
    tried: Tried,
}

impl<'a> StoreCheck<'a> {
    /// A check next to the lock at `lock` that takes no longer than `limit`.
    pub(crate) fn new(client: &'a Session, lock: &Location, limit: Duration) -> StoreCheck<'a> {
        StoreCheck {
            patient: true,
            client,
            at: beside(lock, NAME),
            start: client.clock().now(),
            limit,
            pauses: Backoff::new(PAUSE.0, PAUSE.1),
            detours: Backoff::new(DETOUR.0, DETOUR.1),
            errors: Errors::default(),
            nonsense: 0,
            race: None,
        }
    }

    /// A check for a call that does not wait.
    pub(crate) fn impatient(self) -> StoreCheck<'a> {
        StoreCheck {
            patient: false,
            ..self
        }
    }

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
        let limit = self.left().min(self.client.request_timeout());
        let versioning = self.client.store().versioning(bucket, limit);
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
                (Sight::There(_), _) => return Ok(()),
                (_, Told::Denied) => return Err(Stop::Failed),
                (_, Told::Nonsense(error)) => return Err(self.fail(error)),
                // Created, by this client or another, and still it cannot be read.
                (Sight::Hidden(error), Told::Applied { .. } | Told::Refused) => {
                    return Err(self.fail(error));
                }
                (Sight::Absent, Told::Applied { .. } | Told::Refused) => {
                    self.pause(Why::Trouble).await?;
                }
                (Sight::Absent | Sight::Hidden(_), _) => {}
            }
            (_, told) = self.put(&Condition::Absent).await?;
            if matches!(told, Told::Nothing) {
                self.pause(Why::Trouble).await?;
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
                Err(Stop::Found(Finding::CreateIgnored)) => self.pause(Why::Contended).await?,
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
                _ => self.pause(Why::Trouble).await?,
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
                    Told::Refused => Why::Contended,
                    Told::Denied => {
                        denied = true;
                        break;
                    }
                    _ => Why::Trouble,
                };
                self.pause(why).await?;
                // What was seen before a pause is seldom what stands after it, where others check.
                version = self.version().await?;
            }
        }
        match denied {
            // It never got as far as to the condition.
            true => Err(Stop::Failed),
            false => Err(Stop::Found(Finding::RightRefused)),
        }
    }

    /// Replaces the object, whatever others do.
    async fn replace(&mut self, form: EtagForm, mut version: Version) -> Result<Tried, Stop> {
        loop {
            let condition = Condition::Matches(form.spell(&version.etag));
            let tried = self.attempt(&condition).await?;
            if tried.was_done() {
                return Ok(tried);
            }
            match tried.told {
                Told::Denied => return Err(Stop::Failed),
                Told::Refused => self.pause(Why::Contended).await?,
                _ => self.pause(Why::Trouble).await?,
            }
            version = self.version().await?;
        }
    }

    fn left(&self) -> Duration {
        let so_far = self.client.clock().now().at_most_since(self.start);
        self.limit.saturating_sub(so_far)
    }

    /// How long the next request may take.
    fn time_for_one(&self) -> Result<Duration, Stop> {
        match self.left().min(self.client.request_timeout()) {
            Duration::ZERO => Err(Stop::TimeUp),
            limit => Ok(limit),
        }
    }

    /// Keeps away for a while, and for longer the next time.
    async fn pause(&mut self, why: Why) -> Result<(), Stop> {
        let pauses = match why {
            Why::Contended => &mut self.detours,
            Why::Trouble => &mut self.pauses,
        };
        let nap = pauses.next().min(self.left());
        self.client.clock().sleep(nap).await;
        match self.left().is_zero() {
            true => Err(Stop::TimeUp),
            false => Ok(()),
        }
    }
}
