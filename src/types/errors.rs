//! The error types that every call on a lock returns, and their messages. Each message says what went
//! wrong and what the caller can do about it.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::protocol::record::{DoneLabel, Stamp, UnusableRecord};
use crate::types::info::{FencingToken, LockInfo};
use crate::types::store_report::StoreReport;
use crate::types::text::seconds;

pub use crate::types::storage_error::{StorageError, StorageErrorKind};

/// Why a call on a lock failed.
///
/// There is one variant for each way in which a caller would react.
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
    /// Another holder has the lock. Try again later, or wait for it with
    /// [`S3Lock::acquire`](crate::S3Lock::acquire).
    #[error("{0}; try again later")]
    Held(Box<LockInfo>),

    /// The lock did not become free within the wait limit, or was left to others that come first, or the
    /// limit was too short for a request. Wait longer, or find out what the holder is doing.
    #[error(
        "gave up waiting for the lock after {}{}{}",
        seconds(waited),
        still_held(holder, ahead),
        others_ahead(ahead)
    )]
    #[non_exhaustive]
    TimedOut {
        /// How long the call waited.
        waited: Duration,
        /// Who held the lock when the call last looked, if it saw a holder.
        holder: Option<Box<LockInfo>>,
        /// How many others came before this call in the lock's queue when it last looked, if it has looked. If
        /// it saw no holder either, the lock was free, and was left to them.
        ahead: Option<usize>,
    },

    /// What was to be done once is done: a guard that was acquired for this label has called
    /// [`LockGuard::complete`](crate::LockGuard::complete). There is nothing left to do, and the lock was not
    /// taken. Only [`S3Lock::acquire_once`](crate::S3Lock::acquire_once) and its like return this.
    #[error(
        "the label {label:?} is done: {owner:?} completed it under lock {key}, which it had acquired at {} (fencing token \
         {fencing_token}); there is nothing left to do",
        Stamp::from(*acquired_at)
    )]
    #[non_exhaustive]
    AlreadyDone {
        /// The key of the lock's object.
        key: String,
        /// What was to be done.
        label: String,
        /// The owner name under which it was done.
        owner: String,
        /// When the holding began in which it was done, in whole seconds by the holder's wall clock. It is for
        /// people: do not compare it with your own clock.
        acquired_at: SystemTime,
        /// The token of that holding.
        fencing_token: FencingToken,
    },

    /// The lock's [`WaitHandle`](crate::WaitHandle) was cancelled before the call had the lock. Nothing of the call
    /// remains; it has given its ticket back as after a limit. To wait again, build the lock with a new handle.
    #[error(
        "cancelled after waiting {} for the lock{}{}; to wait again, build the lock with a new wait handle",
        seconds(waited),
        seen_held(holder),
        others_ahead(ahead)
    )]
    #[non_exhaustive]
    Cancelled {
        /// How long the call waited.
        waited: Duration,
        /// Who held the lock when the call last looked, if it saw a holder.
        holder: Option<Box<LockInfo>>,
        /// How many others came before this call in the lock's queue when it last looked, if it has looked.
        ahead: Option<usize>,
    },

    /// The acquire took so long that less than `max_operation` of the lease was left, so the client
    /// released the lock again. Raise
    /// [`acquire_allowance`](crate::S3LockBuilder::acquire_allowance), or find out why the store
    /// is slow.
    #[error(
        "the lock was acquired too slowly and given back: {} of its lease was left, and the \
         main operation may take {}; raise acquire_allowance if the store is always this slow",
        seconds(remaining),
        seconds(needed)
    )]
    #[non_exhaustive]
    TooSlow {
        /// How much of the lease was left.
        remaining: Duration,
        /// How long the main operation may take: `max_operation`.
        needed: Duration,
    },

    /// The guard no longer holds the lock. Stop the main operation: another holder may have started
    /// it.
    #[error(transparent)]
    Lost(LostCause),

    /// S3 refused a request or did not answer. [`StorageError::is_retryable`] says whether trying
    /// again may help. The message says what else to do.
    #[error(transparent)]
    Storage(#[from] StorageError),

    /// This store would break the lock: it does not honour conditional writes as S3 does. Nothing was
    /// locked there. Keep locks in another store; the message says what this one did.
    #[error("{0}")]
    UnsafeStore(Box<StoreReport>),

    /// The object at the lock's key is not a lock of this crate, or this version cannot use it. The
    /// client never overwrites it.
    ///
    /// * If another program wrote the object: choose another lock name, or move the object away while
    ///   nobody uses the lock.
    /// * If a newer version of this crate wrote the lock (`is_lock`): update this program.
    /// * If something else changed the lock (`is_lock`), its lease, its fencing token or its notes on
    ///   earlier holdings are invalid. Stop every participant, wait 3 s, delete the object or correct
    ///   the record, and start them again. Stopping all of them makes sure that nobody holds the lock
    ///   and nobody remembers the false token. The tokens of a new record start at the store's time in
    ///   microseconds. If the protected resource has seen a larger token, reset that there.
    #[error("the {}, and is left alone; {advice}", unusable(key, reason, is_lock))]
    #[non_exhaustive]
    Foreign {
        /// The key of the object.
        key: String,
        /// What is wrong with it.
        reason: String,
        /// What to do about it.
        advice: &'static str,
        /// Whether it is a lock nevertheless. Moving it away would then break that lock.
        is_lock: bool,
    },

    /// The code or the environment asks for something that cannot work, for example when no
    /// credentials are found. Fix it: trying again does not help.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// `fn main() -> Result<(), LockError>` prints this: the variant, the message and the causes.
impl fmt::Debug for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let variant = match self {
            LockError::Held(_) => "Held",
            LockError::TimedOut { .. } => "TimedOut",
            LockError::AlreadyDone { .. } => "AlreadyDone",
            LockError::Cancelled { .. } => "Cancelled",
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

    pub(crate) fn already_done(key: &str, done: DoneLabel) -> LockError {
        LockError::AlreadyDone {
            key: key.to_owned(),
            label: done.label.into(),
            owner: done.owner.into(),
            acquired_at: done.acquired_at.into(),
            fencing_token: FencingToken::new(done.fencing_token),
        }
    }

    /// This machine, not the store, failed to provide what a call needs.
    pub(crate) fn of_this_machine(error: io::Error) -> LockError {
        let what = "this machine could not start a thread or open a file descriptor for a request";
        StorageError::new(StorageErrorKind::Local, what)
            .with_source(error)
            .into()
    }

    /// Marks an error that came up before the store could be asked at all.
    pub(crate) fn before_sending(self) -> LockError {
        match self {
            LockError::Storage(error) => error.before_sending().into(),
            other => other,
        }
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

fn still_held(holder: &Option<Box<LockInfo>>, ahead: &Option<usize>) -> String {
    match holder {
        Some(info) => format!(": {info}"),
        None if ahead.is_some_and(|ahead| ahead > 0) => ": it is free".to_owned(),
        None => {
            "; no holder was seen: the limit may be too short, or the store too slow".to_owned()
        }
    }
}

fn seen_held(holder: &Option<Box<LockInfo>>) -> String {
    let of_holder = |info: &LockInfo| format!(": {info}");
    holder.as_deref().map(of_holder).unwrap_or_default()
}

fn others_ahead(ahead: &Option<usize>) -> String {
    match ahead {
        None | Some(0) => String::new(),
        Some(1) => "; 1 other comes first".to_owned(),
        Some(ahead) => format!("; {ahead} others come first"),
    }
}

/// Why a guard no longer holds its lock.
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
        /// [`max_hold`](crate::S3LockBuilder::max_hold), if the lease ran out because that was reached: the guard was
        /// then no longer renewed in the background.
        max_hold: Option<Duration>,
        /// Whether the guard was kept alive, and yet no renewal was sent in time: this process or its machine stood
        /// still, or waited for credentials.
        kept_alive: bool,
    },
    /// Another holder acquired the lock after the lease had run out. With
    /// [`reclaim_same_owner`](crate::S3LockBuilder::reclaim_same_owner), a holder with the same owner
    /// name may have acquired it before that.
    TakenOver(Box<LockInfo>),
    /// The record of this holding is gone. Either another process released it by owner name, or the
    /// object was deleted, overwritten or restored to an older version. Or this guard is a forked
    /// child's copy, and the parent holds the lock.
    Vanished,
    /// An operator broke the lock by force
    /// ([`S3Lock::force_release`](crate::S3Lock::force_release)). This stays the cause if another holder
    /// has acquired the lock since. If that holding was broken too, the cause is
    /// [`TakenOver`](LostCause::TakenOver).
    Broken,
}

impl fmt::Display for LostCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the lock is lost: ")?;
        match self {
            LostCause::Expired {
                last_error: Some(error),
                ..
            } => write!(f, "its lease ran out (it could not be renewed: {error})"),
            LostCause::Expired {
                max_hold: Some(span),
                ..
            } => write!(
                f,
                "its lease ran out (it was renewed no longer, as it had been held for max_hold, {})",
                seconds(span)
            ),
            LostCause::Expired {
                kept_alive: true, ..
            } => f.write_str(
                "its lease ran out although it was kept alive (this process or its machine stood still, or waited for \
                 credentials)",
            ),
            LostCause::Expired { .. } => f.write_str(
                "its lease ran out (if the work takes longer than max_operation, raise that, or keep the lock alive)",
            ),
            LostCause::TakenOver(info) => write!(
                f,
                "{:?} took over {} with fencing token {}",
                info.owner(),
                info.location().key,
                info.fencing_token()
            ),
            LostCause::Vanished => f.write_str(
                "its record is gone (another process released it by owner name, or the object was \
                 deleted; or this process was forked from the holder)",
            ),
            LostCause::Broken => f.write_str("an operator broke it by force"),
        }?;
        f.write_str("; stop the main operation: another holder may have started it")
    }
}

impl std::error::Error for LostCause {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            LostCause::Expired {
                last_error: Some(error),
                ..
            } => error.source(), // the error itself is in the message
            _ => None,
        }
    }
}

/// An invalid argument, setting or environment. Change it before trying again.
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
/// let remedy = "it holds a '/'; put folders into `folder`";
/// assert_eq!(error.to_string(), format!("invalid name \"a/b\": {remedy}"));
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

    /// The same for a value that was set outside the code, in `place`.
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

    /// What to change: the name of an argument or setting, or `credentials`.
    pub fn field(&self) -> &str {
        self.field
    }
}

/// The value in quotation marks, cut after 80 characters.
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
