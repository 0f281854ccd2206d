//! Sends one write and one read of a check, and says what they show. `check`, `dates` and `pair` are built
//! from these attempts.

use std::time::Duration;

use crate::engine::last_errors::LastErrors;
use crate::engine::session::{RAN_AHEAD, Session};
use crate::engine::store_check::scratch;
use crate::engine::store_check::scratch::Scratch;
use crate::engine::time_budget::TimeBudget;
use crate::protocol::record::{MAX_BODY, Nonce, UnusableRecord};
use crate::protocol::{
    Condition, DateSample, ETag, Instant, Location, PauseReason, Refusal, StoreSeconds, Trouble,
};
use crate::store::interface::{Found, Put};
use crate::sys::random;
use crate::sys::random::Backoff;
use crate::types::errors::{LockError, StorageError, StorageErrorKind};
use crate::types::store_report::{EtagForm, Finding, WriteKind};

/// The shortest and longest pause when another checker was faster: the time of a few of its requests.
const DETOUR: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(250));

const FOR_THE_CHECK: &str = "it is written and read (s3:PutObject, s3:GetObject) to see whether this \
                             store honours conditional writes; if you know that it does, build the \
                             client with assume_conditional_writes() instead";
/// How many writes may get an answer that no store gives (200 without an ETag, 501) before the check gives
/// up.
const MAX_NONSENSE: u32 = 2;

/// One check of one store.
pub(crate) struct StoreCheck<'a> {
    pub(super) session: &'a Session,
    pub(super) at: Location,
    pub(super) budget: TimeBudget,
    /// Whether to retry errors that come before any request, as with credentials.
    pub(super) patient: bool,
    /// The pauses when other checkers write as well.
    pub(super) detours: Backoff,
    pub(super) errors: LastErrors,
    /// How many answers said nothing.
    pub(super) nonsense: u32,
    /// The story of a race that two writers won, if there was one.
    pub(super) race: Option<String>,
}

/// Why a check stops.
pub(super) enum Stop {
    /// The finding is proof.
    Found(Finding),
    /// A retry does not help; the error is noted.
    Failed,
    TimeUp,
}

/// The object as one reply showed it.
#[derive(Clone)]
pub(super) struct Version {
    pub etag: ETag,
    pub body: Vec<u8>,
    pub modified: Option<StoreSeconds>,
    /// The reply's `Date`.
    pub date: Option<StoreSeconds>,
}

pub(super) enum ScratchRead {
    Absent,
    /// Absent or not readable. Telling these apart needs a permission that may be missing.
    Hidden(LockError),
    There(Version),
}

/// What the store said to a write.
pub(super) enum Answer {
    Applied {
        etag: ETag,
        date: Option<StoreSeconds>,
    },
    /// The condition does not hold.
    Refused,
    /// Refused for another reason; a retry does not help, and the error is noted.
    Denied,
    /// Nothing that a verdict could use. A retry may help.
    Nothing,
    /// The same, so often that a retry does not help.
    Nonsense(LockError),
}

/// A write, and the version that a read showed after it.
pub(super) struct Tried {
    pub body: Vec<u8>,
    pub answer: Answer,
    pub after: Version,
}

impl Tried {
    pub(super) fn is_in_place(&self) -> bool {
        self.after.body == self.body
    }

    /// Whether the store carried out the write, whatever it answered.
    pub(super) fn was_done(&self) -> bool {
        matches!(self.answer, Answer::Applied { .. }) || self.is_in_place()
    }

    pub(super) fn has_two_etags(&self) -> bool {
        match &self.answer {
            Answer::Applied { etag, .. } => self.is_in_place() && *etag != self.after.etag,
            _ => false,
        }
    }
}

impl<'a> StoreCheck<'a> {
    /// A check in the folder of `lock`, within `budget`.
    pub(crate) fn new(session: &'a Session, lock: &Location, budget: TimeBudget) -> StoreCheck<'a> {
        StoreCheck {
            patient: true,
            session,
            at: scratch::at(lock),
            budget,
            detours: Backoff::new(DETOUR.0, DETOUR.1),
            errors: LastErrors::default(),
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
}

impl StoreCheck<'_> {
    /// Replaces the object, and retries if others write as well.
    pub(super) async fn replace(
        &mut self,
        form: EtagForm,
        mut version: Version,
    ) -> Result<Tried, Stop> {
        loop {
            let condition = Condition::Matches(form.spell(&version.etag));
            let tried = self.attempt(&condition).await?;
            if tried.was_done() {
                return Ok(tried);
            }
            match tried.answer {
                Answer::Denied => return Err(Stop::Failed),
                Answer::Refused => self.pause(PauseReason::Contended).await?,
                _ => self.pause(PauseReason::Trouble).await?,
            }
            version = self.version().await?;
        }
    }

    /// How long the next request may take.
    pub(super) fn time_for_one(&self) -> Result<Duration, Stop> {
        self.budget.next_request().ok_or(Stop::TimeUp)
    }

    /// Pauses, for longer each time.
    pub(super) async fn pause(&mut self, why: PauseReason) -> Result<(), Stop> {
        let goes_on = match why {
            PauseReason::Contended => self.budget.sleep(self.detours.next()).await,
            PauseReason::Trouble => self.budget.pause().await,
        };
        if goes_on { Ok(()) } else { Err(Stop::TimeUp) }
    }

    /// Writes once, and reads what became of it.
    pub(super) async fn attempt(&mut self, condition: &Condition) -> Result<Tried, Stop> {
        let sent = self.session.clock().now();
        let (body, answer) = self.put(condition).await?;
        let after = self.version().await?;
        let tried = Tried {
            body,
            answer,
            after,
        };
        if tried.has_two_etags() {
            return Err(Stop::Found(Finding::TwoEtags));
        }
        self.watch_dates(&tried, sent);
        if tried.was_done() {
            self.note_progress();
            return Ok(tried);
        }
        match tried.answer {
            Answer::Nonsense(error) => Err(self.fail(error)),
            _ => Ok(tried),
        }
    }

    pub(super) fn note_progress(&mut self) {
        self.errors = LastErrors::default();
        self.budget.trouble_is_over();
        self.detours.reset();
    }

    /// Distrusts the store's clock if one reply proves it wrong. The object was written after `sent`, so its
    /// date and the dates of all replies until now must lie in that time. The session has already compared
    /// each reply with the one before.
    fn watch_dates(&self, tried: &Tried, sent: Instant) {
        let Some(modified) = tried.after.modified.filter(|_| tried.is_in_place()) else {
            return;
        };
        let written = DateSample {
            sent,
            date: modified,
        };
        let now = self.session.clock().now();
        let answer = match tried.answer {
            Answer::Applied { date, .. } => date,
            _ => None,
        };
        let mut dates = [answer, tried.after.date].into_iter().flatten();
        if dates.any(|date| written.is_outrun_by(date, now)) {
            self.session.distrust_date(RAN_AHEAD);
        }
    }

    /// Writes once, with a body that was never written before.
    pub(super) async fn put(&mut self, condition: &Condition) -> Result<(Vec<u8>, Answer), Stop> {
        let limit = self.time_for_one()?;
        let body = Scratch::body(self.nonce()?);
        // The condition is sent exactly as given: the check is still finding out which form works.
        let put = self
            .session
            .write(&self.at, body.clone(), condition, limit, None);
        let put = put.await;
        Ok((body, self.answer(put, WriteKind::of(condition), limit)?))
    }

    fn answer(&mut self, put: Put, kind: WriteKind, limit: Duration) -> Result<Answer, Stop> {
        if !matches!(put, Put::NotSent(_)) {
            self.note_heard(&put);
        }
        Ok(match put {
            Put::Applied { etag, date } => Answer::Applied { etag, date },
            Put::Refused(_, error) | Put::Unknown(error) if is_not_implemented(&error) => {
                if self.is_nonsense_again() {
                    return Err(Stop::Found(Finding::NotImplemented(kind)));
                } else {
                    Answer::Nothing
                }
            }
            Put::Refused(refusal, error) => self.refused(refusal, error)?,
            Put::NotSent(error) => match self.trouble(error, limit) {
                Trouble::Transient => Answer::Nothing,
                Trouble::Permanent => return Err(Stop::Failed),
            },
            Put::Unknown(error) if !error.may_pass() => {
                if self.is_nonsense_again() {
                    Answer::Nonsense(error)
                } else {
                    Answer::Nothing
                }
            }
            Put::Unknown(error) => {
                self.trouble(error, limit);
                Answer::Nothing
            }
        })
    }

    fn note_heard(&self, put: &Put) {
        match put {
            Put::Unknown(error) if error.may_pass() => {}
            _ => self.session.note_answer(),
        }
    }

    /// Counts an answer that no store gives. Returns whether there were too many.
    fn is_nonsense_again(&mut self) -> bool {
        self.nonsense += 1;
        self.nonsense > MAX_NONSENSE
    }

    fn refused(&mut self, refusal: Refusal, error: LockError) -> Result<Answer, Stop> {
        if refusal == Refusal::Condition {
            return Ok(Answer::Refused);
        }
        let unexpected = is(&error, StorageErrorKind::Unexpected);
        self.errors.fail(Self::explain(error));
        match refusal {
            Refusal::Conflict | Refusal::Busy => Ok(Answer::Nothing),
            // Perhaps the store rejects the form of the ETag.
            _ if unexpected => Ok(Answer::Denied),
            _ => Err(Stop::Failed),
        }
    }

    /// The object, which is known to exist.
    pub(super) async fn version(&mut self) -> Result<Version, Stop> {
        match self.look().await? {
            ScratchRead::There(version) => Ok(version),
            ScratchRead::Hidden(error) => Err(self.fail(error)),
            ScratchRead::Absent => {
                let what = format!("{} was deleted during a check of the store", self.at.key);
                let error = StorageError::new(StorageErrorKind::Contended, what);
                let hint = "the check needs this object: do not delete it, and try again";
                Err(self.fail(error.with_hint(hint).into()))
            }
        }
    }

    /// Reads the object, and again until the store answers.
    pub(super) async fn look(&mut self) -> Result<ScratchRead, Stop> {
        loop {
            let limit = self.time_for_one()?;
            match self.session.read(&self.at, limit).await {
                Ok(found) => return self.parse(found),
                Err(error) => match self.trouble(error, limit) {
                    Trouble::Transient => self.pause(PauseReason::Trouble).await?,
                    Trouble::Permanent => return Err(Stop::Failed),
                },
            }
        }
    }

    fn parse(&mut self, found: Found) -> Result<ScratchRead, Stop> {
        let object = match found {
            Found::Absent { .. } => return Ok(ScratchRead::Absent),
            Found::Hidden { error, .. } => return Ok(ScratchRead::Hidden(Self::explain(error))),
            Found::Object(object) => object,
        };
        let body = object.body;
        if body.len() > MAX_BODY || serde_json::from_slice::<Scratch>(&body).is_err() {
            let not_ours = UnusableRecord::foreign(
                "store checks use this key, and another program wrote to it",
            );
            return Err(self.fail(LockError::foreign(&self.at.key, not_ours)));
        }
        Ok(ScratchRead::There(Version {
            etag: object.etag,
            body,
            modified: object.modified,
            date: object.date,
        }))
    }

    fn trouble(&mut self, error: LockError, limit: Duration) -> Trouble {
        let cut_short = self.budget.cuts_short(limit);
        let early = matches!(&error, LockError::Storage(e) if e.is_before_sending());
        let error = Self::explain(error);
        match self.errors.note(self.session, error, cut_short) {
            Trouble::Transient if early && !self.patient => Trouble::Permanent,
            trouble => trouble,
        }
    }

    pub(super) fn fail(&mut self, error: LockError) -> Stop {
        self.errors.fail(error);
        Stop::Failed
    }

    /// Adds what a missing permission is for, and how to do without it.
    fn explain(error: LockError) -> LockError {
        match error {
            LockError::Storage(error) if is_missing_permission(&error) => {
                error.with_hint(FOR_THE_CHECK).into()
            }
            other => other,
        }
    }

    pub(super) fn nonce(&mut self) -> Result<Nonce, Stop> {
        random::nonce().map_err(|error| self.fail(LockError::of_this_machine(error)))
    }
}

/// Whether the store answers that it has no conditional writes at all, as OpenStack's Swift does.
fn is_not_implemented(error: &LockError) -> bool {
    matches!(error, LockError::Storage(error) if error.code() == Some("NotImplemented"))
}

/// Whether the store denied something. Without a code of its own it was perhaps a proxy, or no S3 store at all.
/// Nobody should assume anything of that.
pub(super) fn is_missing_permission(error: &StorageError) -> bool {
    error.kind() == StorageErrorKind::AccessDenied && error.code().is_some()
}

fn is(error: &LockError, kind: StorageErrorKind) -> bool {
    matches!(error, LockError::Storage(error) if error.kind() == kind)
}
