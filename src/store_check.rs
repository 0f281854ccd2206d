//! Finds out whether a store honours the conditions that the lock rests on, by writing to one object
//! that is there for nothing else.
//!
//! Any number of clients may check at the same moment, on the same object; requests may be answered
//! late, twice or not at all. So every body is new, the object is never deleted, every write is
//! followed by a read, and a verdict rests only on what is true whoever else writes:
//!
//! * a create that was done although the object existed: the store ignores `If-None-Match`;
//! * a replacement that was done under an ETag that no version has, or has any more (none ever comes
//!   back, as no two bodies are alike): it ignores `If-Match`;
//! * a replacement that was refused under an ETag that stood both before and after: it does not take
//!   that form of it.
//!
//! A right ETag that was refused and does not stand any more proves nothing: another checker was
//! faster. Nor does a write without a clear answer. Both are tried anew, while there is time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::backoff::{self, Backoff};
use crate::clock::Instant;
use crate::drive::{Errors, PAUSE};
use crate::error::{LockError, StorageError, StorageErrorKind};
use crate::protocol::{Condition, ETag, Refusal, StoreSeconds, Trouble, Why};
use crate::record::{MAX_BODY, Nonce, NotOurs};
use crate::session::{Session, machine_error};
use crate::store::{Found, Location, Put};
use crate::store_report::{EtagForm, Finding, StoreReport, made_up};

/// The name of the object, in the folder of a lock.
const NAME: &str = ".s3-lock-check";
/// How often the store's dates are compared before they are given up: a slow store may write just
/// before a second ends and reply just after.
const DATE_TRIES: u32 = 5;

/// How many writes may be answered as no store does (200 without an ETag, 501) before it is taken for
/// lasting.
const MAX_NONSENSE: u32 = 2;
/// How long to keep away when another checker was faster: a few of its writes and reads.
const DETOUR: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(250));

const FOR_THE_CHECK: &str = "it is written and read (s3:PutObject, s3:GetObject) to see whether this \
                             store honours conditional writes; if you know that it does, build the \
                             client with assume_conditional_writes() instead";

/// Where the store of a lock is checked: next to its object.
pub(crate) fn scratch(lock: &Location) -> Location {
    let key = match lock.key.rsplit_once('/') {
        Some((folder, _)) => format!("{folder}/{NAME}"),
        None => NAME.to_owned(),
    };
    let bucket = lock.bucket.clone();
    Location { bucket, key }
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

/// What is written: for the reader of a bucket, and different each time.
#[derive(Serialize, Deserialize)]
struct Scratch {
    s3_lock_check: u32,
    nonce: Nonce,
}

/// The object as one reply showed it.
struct Version {
    etag: ETag,
    body: Vec<u8>,
    modified: Option<StoreSeconds>,
}

enum Sight {
    Absent,
    /// Absent or not readable, which cannot be told apart without a permission that may be missing.
    Hidden(LockError),
    There(Version),
}

/// What the store said to a write.
enum Told {
    Applied {
        etag: ETag,
        date: Option<StoreSeconds>,
    },
    /// The condition does not hold.
    Refused,
    /// No, for another reason, which asking again does not mend; the error is noted.
    Denied,
    /// Nothing that a verdict could rest on. Asking again may help.
    Nothing,
    /// The same, so often that asking again does not help.
    Nonsense(LockError),
}

/// A write, and what stood after it.
struct Tried {
    body: Vec<u8>,
    told: Told,
    after: Version,
}

enum Dates {
    Fit,
    /// `Date` is later.
    Differ,
    Missing,
    /// Another checker wrote between the write and the read, or the reply was lost.
    Untold,
}

/// The first replacement that was accepted.
struct Accepted {
    form: EtagForm,
    former: ETag,
    tried: Tried,
}

impl Tried {
    fn is_in_place(&self) -> bool {
        self.after.body == self.body
    }

    /// Whether it was done, whatever was said.
    fn was_done(&self) -> bool {
        matches!(self.told, Told::Applied { .. }) || self.is_in_place()
    }

    fn has_two_names(&self) -> bool {
        match &self.told {
            Told::Applied { etag, .. } => self.is_in_place() && *etag != self.after.etag,
            _ => false,
        }
    }

    /// What the reply's `Date` and the object's `Last-Modified` tell of the clocks behind them.
    fn dates(&self) -> Dates {
        let date = match &self.told {
            Told::Applied { date, .. } if self.is_in_place() => *date,
            // There will be no better answer.
            Told::Nonsense(_) if self.is_in_place() => return Dates::Missing,
            _ => return Dates::Untold,
        };
        match (date, self.after.modified) {
            // No second's tolerance: the margin of a takeover has to bear what passes here.
            (Some(date), Some(modified)) if date <= modified => Dates::Fit,
            (Some(_), Some(_)) => Dates::Differ,
            _ => Dates::Missing,
        }
    }
}

impl<'a> StoreCheck<'a> {
    /// A check next to the lock at `lock` that takes no longer than `limit`.
    pub(crate) fn new(client: &'a Session, lock: &Location, limit: Duration) -> StoreCheck<'a> {
        StoreCheck {
            patient: true,
            client,
            at: scratch(lock),
            start: client.clock().now(),
            limit,
            pauses: Backoff::new(PAUSE.0, PAUSE.1),
            detours: Backoff::new(DETOUR.0, DETOUR.1),
            errors: Errors::default(),
            nonsense: 0,
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
        let examined = self.examine().await;
        let Location { bucket, key } = &self.at;
        let gave_up = match examined {
            Ok((form, clock)) => return Ok(StoreReport::safe(bucket, key, form, clock)),
            Err(Stop::Found(finding)) => return Ok(StoreReport::broken(bucket, key, finding)),
            Err(Stop::Failed) => false,
            Err(Stop::TimeUp) => true,
        };
        Err(NoVerdict {
            errors: self.errors,
            gave_up,
        })
    }

    /// The whole check. Undisturbed it takes nine requests, and two more where the
    /// object is not there yet.
    async fn examine(&mut self) -> Result<(EtagForm, bool), Stop> {
        self.make_sure_it_exists().await?;
        let version = self
            .must_refuse(Condition::Absent, Finding::CreateIgnored)
            .await?;
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
        self.must_refuse(wrong, Finding::WrongAccepted).await?;
        let clock = self.dates_fit(form, tried).await?;
        Ok((form, clock))
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
            }
        }
        match denied {
            // It never got as far as to the condition.
            true => Err(Stop::Failed),
            false => Err(Stop::Found(Finding::RightRefused)),
        }
    }

    /// Whether the store's `Date` and `Last-Modified` are of one clock.
    async fn dates_fit(&mut self, form: EtagForm, mut tried: Tried) -> Result<bool, Stop> {
        let mut tries = 0;
        loop {
            match tried.dates() {
                Dates::Fit => return Ok(true),
                Dates::Missing => return Ok(false),
                Dates::Differ => tries += 1,
                // That was no try.
                Dates::Untold => self.pause(Why::Contended).await?,
            }
            if tries == DATE_TRIES {
                return Ok(false);
            }
            tried = self.replace(form, tried.after).await?;
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
            version = tried.after;
            match tried.told {
                Told::Denied => return Err(Stop::Failed),
                Told::Refused => self.pause(Why::Contended).await?,
                _ => self.pause(Why::Trouble).await?,
            }
        }
    }

    /// Writes once, and looks what became of it.
    async fn attempt(&mut self, condition: &Condition) -> Result<Tried, Stop> {
        let (body, told) = self.put(condition).await?;
        let after = self.version().await?;
        let tried = Tried { body, told, after };
        if tried.has_two_names() {
            return Err(Stop::Found(Finding::TwoNames));
        }
        if tried.was_done() {
            self.errors = Errors::default();
            self.pauses.reset();
            self.detours.reset();
            return Ok(tried);
        }
        match tried.told {
            Told::Nonsense(error) => Err(self.fail(error)),
            _ => Ok(tried),
        }
    }

    /// Writes once, a body that was never written before.
    async fn put(&mut self, condition: &Condition) -> Result<(Vec<u8>, Told), Stop> {
        let limit = self.time_for_one()?;
        let nonce = self.nonce()?;
        let scratch = Scratch {
            s3_lock_check: 1,
            nonce,
        };
        let body = serde_json::to_vec(&scratch).expect("it has string keys and no maps");
        // In this very form: what form the store takes is yet to be found out.
        let store = self.client.store();
        let put = store.write(&self.at, body.clone(), condition, limit).await;
        let told = match put {
            Put::Applied { etag, date } => {
                self.client.heard();
                Told::Applied { etag, date }
            }
            Put::Refused(refusal, error) => {
                self.client.heard();
                self.refused(refusal, error)?
            }
            Put::NotSent(error) => match self.trouble(error, limit) {
                Trouble::Passing => Told::Nothing,
                Trouble::Lasting => return Err(Stop::Failed),
            },
            Put::Unknown(error) if !error.may_pass() => {
                self.client.heard();
                self.nonsense += 1;
                match self.nonsense <= MAX_NONSENSE {
                    true => Told::Nothing,
                    false => Told::Nonsense(error),
                }
            }
            Put::Unknown(error) => {
                self.trouble(error, limit);
                Told::Nothing
            }
        };
        Ok((body, told))
    }

    fn refused(&mut self, refusal: Refusal, error: LockError) -> Result<Told, Stop> {
        if refusal == Refusal::Condition {
            return Ok(Told::Refused);
        }
        let unexpected = is(&error, StorageErrorKind::Unexpected);
        self.errors.fail(Self::explain(error));
        match refusal {
            Refusal::Conflict | Refusal::Busy => Ok(Told::Nothing),
            // Perhaps it dislikes the form of the ETag.
            _ if unexpected => Ok(Told::Denied),
            _ => Err(Stop::Failed),
        }
    }

    /// The object, which is known to exist.
    async fn version(&mut self) -> Result<Version, Stop> {
        match self.look().await? {
            Sight::There(version) => Ok(version),
            Sight::Hidden(error) => Err(self.fail(error)),
            Sight::Absent => {
                let what = format!("{} was deleted while it was in use", self.at.key);
                let error = StorageError::new(StorageErrorKind::Contended, what);
                let hint = "stores are checked with it; leave it alone, and try again";
                Err(self.fail(error.with_hint(hint).into()))
            }
        }
    }

    /// Reads the object, and again until the store answers.
    async fn look(&mut self) -> Result<Sight, Stop> {
        loop {
            let limit = self.time_for_one()?;
            match self.client.read(&self.at, limit).await {
                Ok(found) => return self.sight(found),
                Err(error) => match self.trouble(error, limit) {
                    Trouble::Passing => self.pause(Why::Trouble).await?,
                    Trouble::Lasting => return Err(Stop::Failed),
                },
            }
        }
    }

    fn sight(&mut self, found: Found) -> Result<Sight, Stop> {
        let object = match found {
            Found::Absent { .. } => return Ok(Sight::Absent),
            Found::Hidden { error, .. } => return Ok(Sight::Hidden(Self::explain(error))),
            Found::Object(object) => object,
        };
        let body = object.body;
        if body.len() > MAX_BODY || serde_json::from_slice::<Scratch>(&body).is_err() {
            let not_ours =
                NotOurs::foreign("stores are checked there, and it holds something else");
            return Err(self.fail(LockError::foreign(&self.at.key, not_ours)));
        }
        Ok(Sight::There(Version {
            etag: object.etag,
            body,
            modified: object.modified,
        }))
    }

    fn trouble(&mut self, error: LockError, limit: Duration) -> Trouble {
        let hurried = limit < self.client.request_timeout();
        let early = matches!(&error, LockError::Storage(e) if e.is_before_sending());
        let error = Self::explain(error);
        match self.errors.trouble(self.client, error, hurried) {
            Trouble::Passing if early && !self.patient => Trouble::Lasting,
            trouble => trouble,
        }
    }

    fn fail(&mut self, error: LockError) -> Stop {
        self.errors.fail(error);
        Stop::Failed
    }

    /// Says what a permission that is missing is for, and how to do without it.
    fn explain(error: LockError) -> LockError {
        match error {
            LockError::Storage(error) if error.kind() == StorageErrorKind::AccessDenied => {
                error.with_hint(FOR_THE_CHECK).into()
            }
            other => other,
        }
    }

    fn nonce(&mut self) -> Result<Nonce, Stop> {
        backoff::nonce().map_err(|error| self.fail(machine_error(error)))
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

fn is(error: &LockError, kind: StorageErrorKind) -> bool {
    matches!(error, LockError::Storage(error) if error.kind() == kind)
}
