//! Ways in which stores that call themselves S3 treat the conditions of a PUT.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use s3s::dto::ETag;
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};
use tokio::sync::watch;
use tokio::time::timeout;

use super::store::{Condition, StoredObject};

/// What a store does otherwise than S3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quirk {
    /// Writes in spite of `If-None-Match`.
    IgnoresIfNoneMatch,
    /// Writes in spite of `If-Match`, where there is an object.
    IgnoresIfMatch,
    /// Writes under an ETag that is not the object's, and only then.
    TakesWrongEtagsOnly,
    /// Gives every version the same ETag.
    SameEtagForAll,
    /// Tells writers another ETag than readers, a weak one.
    WeakEtagsForWriters,
    /// Takes `If-Match` without quotes alone, and refuses it with 412 where there is no object: Ceph's gateway 16.
    UnquotedIfMatchOnly,
    /// Takes `If-Match` with quotes alone.
    QuotedIfMatchOnly,
    /// Answers 500 to every other replacement whose condition does not hold: Ceph's gateway does so to losers of a race.
    ErrorsForLosers,
    /// Answers 400 to every `If-Match`.
    NoIfMatchAtAll,
    /// Compares, waits for another conditional write that has compared, and then writes, whatever there is by now.
    TwoSteps,
    /// The same for creates alone.
    TwoStepsToCreate,
    /// The same for replacements alone, and of some objects alone: not of the one that stores are checked with.
    TwoStepsToReplaceSome,
}

/// Whom an ETag is told.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Told {
    ToReader,
    ToWriter,
}

/// The quirk in force.
#[derive(Default)]
pub struct Quirks {
    quirk: Mutex<Option<Quirk>>,
    losers: AtomicUsize,
    /// How many writes have compared so far, of a store that does so in a step of its own.
    compared: watch::Sender<usize>,
}

/// How long a store of two steps waits between them for another write.
const BETWEEN: Duration = Duration::from_millis(500);

const SAME: &str = "5f4dcc3b5aa765d61d8327deb882cf99";

impl Quirks {
    /// Sets the quirk, or none.
    pub fn set(&self, quirk: Option<Quirk>) {
        *self.lock() = quirk;
    }

    /// Makes of a condition what the store makes of it.
    pub fn bend(
        &self,
        condition: Condition,
        is_quoted: bool,
        current: Option<&StoredObject>,
    ) -> S3Result<Condition> {
        let quirk = *self.lock();
        match (quirk, &condition) {
            (Some(Quirk::IgnoresIfNoneMatch), Condition::Absent) => Ok(Condition::Always),
            (Some(quirk), Condition::Etag(etag)) => match (quirk, current) {
                (Quirk::NoIfMatchAtAll, _) => Err(s3_error!(InvalidArgument, "What is If-Match?")),
                (Quirk::UnquotedIfMatchOnly, None) => Err(failed()),
                (Quirk::UnquotedIfMatchOnly, _) if is_quoted => Err(failed()),
                (Quirk::QuotedIfMatchOnly, _) if !is_quoted => Err(failed()),
                (Quirk::IgnoresIfMatch, Some(_)) => Ok(Condition::Always),
                (Quirk::TakesWrongEtagsOnly, Some(object)) => {
                    if *etag == object.etag {
                        Err(failed())
                    } else {
                        Ok(Condition::Always)
                    }
                }
                (Quirk::SameEtagForAll, Some(_)) if etag.contains(SAME) => Ok(Condition::Always),
                _ => Ok(condition),
            },
            _ => Ok(condition),
        }
    }

    /// Whether writes of this condition take two steps.
    pub fn is_slow(&self, key: &str, condition: &Condition) -> bool {
        let is_replacement = matches!(condition, Condition::Etag(_));
        match *self.lock() {
            Some(Quirk::TwoSteps) => *condition != Condition::Always,
            Some(Quirk::TwoStepsToCreate) => *condition == Condition::Absent,
            Some(Quirk::TwoStepsToReplaceSome) => is_replacement && !key.ends_with("-check"),
            _ => false,
        }
    }

    /// What a store of two steps does between them.
    pub async fn between_steps(&self) {
        let mut others = self.compared.subscribe();
        let mut mine = 0;
        self.compared.send_modify(|compared| {
            *compared += 1;
            mine = *compared;
        });
        // Every second one goes on at once, and lets the one before it go on.
        let pair = mine.div_ceil(2) * 2;
        let _ = timeout(BETWEEN, others.wait_for(|compared| *compared >= pair)).await;
        // Whoever was alone makes the next one the first of a pair.
        self.compared
            .send_modify(|compared| *compared = compared.next_multiple_of(2));
    }

    /// Makes of a refusal what the store makes of it.
    pub fn refusal(&self, error: S3Error) -> S3Error {
        let is_loss = *error.code() == S3ErrorCode::PreconditionFailed;
        if *self.lock() != Some(Quirk::ErrorsForLosers) || !is_loss {
            return error;
        }
        match self.losers.fetch_add(1, Ordering::Relaxed) % 2 {
            0 => s3_error!(InternalError, "UnknownError"),
            _ => error,
        }
    }

    /// Makes of an ETag what the store tells.
    pub fn named(&self, etag: ETag, told: Told) -> ETag {
        match *self.lock() {
            Some(Quirk::SameEtagForAll) => ETag::Strong(SAME.to_owned()),
            Some(Quirk::WeakEtagsForWriters) if told == Told::ToWriter => {
                ETag::Weak(etag.value().to_owned())
            }
            _ => etag,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Quirk>> {
        self.quirk
            .lock()
            .expect("nothing panics while it holds the quirk")
    }
}

fn failed() -> S3Error {
    s3_error!(
        PreconditionFailed,
        "At least one of the pre-conditions you specified did not hold"
    )
}
