//! Everything that can go wrong, told so that the reader knows what to do.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::protocol::record::UnusableRecord;
use crate::types::info::LockInfo;
use crate::types::store_report::StoreReport;
use crate::types::text::seconds;

pub use crate::types::storage_error::{StorageError, StorageErrorKind};

/// Why a call on a lock did not do what it was asked to do.
///
/// One variant for each thing that a caller would do differently.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use s3_lock::{Client, LockError, S3Lock};
///
/// let lock = S3Lock::builder("my-bucket", "nightly-report")
///     .client(Client::in_memory())
///     .build()?;
/// let guard = lock.try_acquire("host-17")?;
///
/// match lock.try_acquire("host-18") {
///     Err(LockError::Held(holder)) => assert_eq!(holder.owner(), "host-17"),
///     other => panic!("two holders at once: {other:?}"),
/// }
/// # drop(guard);
/// # Ok::<(), LockError>(())
/// ```
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Somebody has the lock. Try later, or wait for it with
    /// [`S3Lock::acquire`](crate::S3Lock::acquire).
    #[error("{0}; try again later")]
    Held(Box<LockInfo>),

    /// The lock did not become free while the call was willing to wait, or the limit was too short
    /// for a request. Wait longer, or look at what the holder is doing.
    #[error(
        "gave up waiting for the lock after {}{}",
        seconds(waited),
        still_held(holder)
    )]
    #[non_exhaustive]
    TimedOut {
        /// How long the call has waited.
        waited: Duration,
        /// Who held the lock when it was last looked at, if anybody was seen to.
        holder: Option<Box<LockInfo>>,
    },

    /// The lock was acquired, but so slowly that less than `max_operation` is left of its lease;
    /// it was given back. Raise
    /// [`acquire_allowance`](crate::S3LockBuilder::acquire_allowance), or find out why the store
    /// is slow.
    #[error(
        "the lock was acquired too slowly and given back: {} of its lease were left, and the \
         main operation may take {}; raise acquire_allowance if the store is always this slow",
        seconds(remaining),
        seconds(needed)
    )]
    #[non_exhaustive]
    TooSlow {
        /// What was left of the lease.
        remaining: Duration,
        /// What the main operation may need: `max_operation`.
        needed: Duration,
    },

    /// The lock is no longer held. Stop the main operation: somebody else may be at it.
    #[error(transparent)]
    Lost(LostCause),

    /// S3 said no, or did not answer. [`StorageError::is_retryable`] tells whether trying again
    /// may help, and the message what else to do.
    #[error(transparent)]
    Storage(#[from] StorageError),

    /// This store would break the lock: it does not honour the conditions of writes as S3 does, and
    /// nothing was locked there. Keep locks in another store; the message says what this one did.
    #[error("{0}")]
    UnsafeStore(Box<StoreReport>),

    /// The object at the lock's key is not a lock of this crate, or one that this version cannot use.
    /// It is never overwritten.
    ///
    /// * Somebody else's object: choose another lock name, or move that object away while nobody uses
    ///   the lock.
    /// * A lock of a newer version (`is_lock`): update this program.
    /// * A lock that something else has changed (`is_lock`), so that its lease, its fencing token or
    ///   what it tells of earlier holdings cannot be: stop every participant, wait 3 s, delete the
    ///   object or put the record right, and start them again. Only then does nobody hold the lock,
    ///   or remember the false token. A new record's tokens begin with the store's time in
    ///   microseconds: what has seen a larger one must forget that.
    #[error("the {}, and is left alone; {advice}", unusable(key, reason, is_lock))]
    #[non_exhaustive]
    Foreign {
        /// The key of the object.
        key: String,
        /// What is wrong with it.
        reason: String,
        /// What to do about it.
        advice: &'static str,
        /// Whether it is a lock all the same, so that moving it away would break that.
        is_lock: bool,
    },

    /// The code or the environment asks for something that cannot work, as when no credentials
    /// are to be found. Fix it: trying again does not help.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// What `fn main() -> Result<(), LockError>` prints: the variant, the message and the causes.
impl fmt::Debug for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let variant = match self {
            LockError::Held(_) => "Held",
            LockError::TimedOut { .. } => "TimedOut",
            LockError::TooSlow { .. } => "TooSlow",
            LockError::Lost(_) => "Lost",
            LockError::Storage(_) => "Storage",
            LockError::UnsafeStore(_) => "UnsafeStore",
            LockError::Foreign { .. } => "Foreign",
            LockError::Config(_) => "Config",
        };
        write!(f, "{variant}: {self}")?;
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            write!(f, "; because: {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl LockError {
    pub(crate) fn foreign(key: &str, not_ours: UnusableRecord) -> LockError {
        LockError::Foreign {
            key: key.to_owned(),
            reason: not_ours.reason,
            advice: not_ours.advice,
            is_lock: not_ours.is_lock,
        }
    }

    /// This machine, not the store, would not do what a call needs.
    pub(crate) fn of_this_machine(error: io::Error) -> LockError {
        let what =
            "this machine could not start what a request needs (a thread, a file descriptor)";
        StorageError::new(StorageErrorKind::Local, what)
            .with_source(error)
            .into()
    }

    /// Whether sending the same request again may help.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self, LockError::Storage(error) if error.is_retryable())
    }
}

fn unusable(key: &str, reason: &str, is_lock: &bool) -> String {
    match is_lock {
        true => format!("lock {key} cannot be used ({reason})"),
        false => format!("object {key} is not a lock of ours ({reason})"),
    }
}

fn still_held(holder: &Option<Box<LockInfo>>) -> String {
    match holder {
        Some(info) => format!(": {info}"),
        None => {
            "; nobody was seen to hold it: the limit may be too short, or the store slow".to_owned()
        }
    }
}

/// How a lock that was held came to be held no longer.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use s3_lock::{InMemoryStore, LockError, LostCause, S3Lock};
///
/// let store = InMemoryStore::new();
/// let lock = S3Lock::builder("my-bucket", "nightly-report")
///     .max_operation(Duration::from_secs(60))
///     .client(store.client())
///     .build()?;
/// let guard = lock.acquire("host-17")?;
/// store.advance(Duration::from_secs(600));
/// match guard.check() {
///     Err(LockError::Lost(LostCause::Expired { last_error: None, .. })) => {}
///     other => panic!("held beyond its lease: {other:?}"),
/// }
/// # Ok::<(), LockError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum LostCause {
    /// The lease ran out before it was renewed or released.
    #[non_exhaustive]
    Expired {
        /// Why the last attempt to renew it failed, if there was one.
        last_error: Option<Arc<StorageError>>,
    },
    /// Somebody else acquired the lock after the lease had run out; or, with
    /// [`reclaim_same_owner`](crate::S3LockBuilder::reclaim_same_owner), before that under the same
    /// owner name.
    TakenOver(Box<LockInfo>),
    /// The record of the holding is gone: it was released by owner name elsewhere, or the object
    /// was deleted, overwritten or restored to an older version. Or this guard is a forked child's
    /// copy: its parent holds the lock.
    Vanished,
    /// An operator broke the lock by force
    /// ([`S3Lock::force_release`](crate::S3Lock::force_release)). If somebody else has acquired the
    /// lock since, this is still told, unless that holding was broken as well: then it is
    /// [`TakenOver`](LostCause::TakenOver).
    Broken,
}

impl fmt::Display for LostCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the lock is lost: ")?;
        match self {
            LostCause::Expired { last_error: None } => f.write_str("its lease ran out"),
            LostCause::Expired {
                last_error: Some(error),
            } => write!(f, "its lease ran out (it could not be renewed: {error})"),
            LostCause::TakenOver(info) => write!(
                f,
                "{:?} took over {} with fencing token {}",
                info.owner(),
                info.location().key,
                info.fencing_token()
            ),
            LostCause::Vanished => f.write_str(
                "its record is gone (released by owner name elsewhere, or the object was deleted; or \
                 this process was forked from the one that holds it)",
            ),
            LostCause::Broken => f.write_str("an operator broke it by force"),
        }?;
        f.write_str("; stop the main operation, somebody else may be at it")
    }
}

impl std::error::Error for LostCause {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            LostCause::Expired {
                last_error: Some(error),
            } => error.source(), // the error itself is in the message
            _ => None,
        }
    }
}

/// Something in the code or the environment that has to be changed before a lock can work.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use s3_lock::{LockError, S3Lock};
///
/// let refused = S3Lock::new("my-bucket", "locks", "a/b", Duration::from_secs(60));
/// let Err(LockError::Config(error)) = refused else { panic!("a slash was let through") };
/// assert_eq!(error.field(), "name");
/// assert_eq!(error.to_string(), "invalid name \"a/b\": it holds a '/'; put folders into `folder`");
/// ```
#[derive(Clone, Debug)]
pub struct ConfigError {
    field: &'static str,
    message: String,
}

impl ConfigError {
    pub(crate) fn new(field: &'static str, message: impl Into<String>) -> ConfigError {
        ConfigError {
            field,
            message: message.into(),
        }
    }

    /// A value that is not allowed for `field`, and the reason.
    pub(crate) fn invalid(field: &'static str, value: &str, reason: &str) -> ConfigError {
        ConfigError::new(field, format!("invalid {field} {}: {reason}", cited(value)))
    }

    /// The same of a value that was set elsewhere than in code.
    pub(crate) fn invalid_in(
        field: &'static str,
        value: &str,
        place: &str,
        reason: &str,
    ) -> ConfigError {
        let value = cited(value);
        ConfigError::new(
            field,
            format!("invalid {field} {value} in {place}: {reason}"),
        )
    }

    /// What has to be changed: the name of an argument or setting, or `credentials`.
    pub fn field(&self) -> &str {
        self.field
    }
}

/// A value in quotation marks, or as much of it as tells which it is.
fn cited(value: &str) -> String {
    let start: String = value.chars().take(80).collect();
    let cut = if start.len() < value.len() { "…" } else { "" };
    format!("{start:?}{cut}")
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ConfigError {}
