//! The error of a request: what the store answered, or why no answer came. The store in `store/` makes
//! these errors; callers get them inside `LockError::Storage`.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// A request that failed: S3 refused it, or no answer came.
///
/// Its message names the request, the answer, and what to do about it.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use s3_lock::{Client, LockError, S3Lock, StorageErrorKind};
///
/// # let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
/// # let endpoint = format!("http://{closed}");
/// let client = Client::builder()
///     .endpoint(endpoint) // where nobody listens
///     .credentials("key", "secret", None)
///     .build()?;
/// let lock = S3Lock::builder("my-bucket", "nightly-report").client(client).build()?;
/// match lock.try_acquire("host-17") {
///     Err(LockError::Storage(error)) => {
///         assert_eq!(error.kind(), StorageErrorKind::Unreachable);
///         assert!(error.is_retryable()); // the server may come up
///         assert!(!error.is_outcome_unknown()); // and nothing was sent to it
///     }
///     other => panic!("{other:?}"),
/// }
/// # Ok::<(), LockError>(())
/// ```
#[derive(Clone)]
pub struct StorageError(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: StorageErrorKind,
    what: String,
    code: Option<String>,
    outcome_unknown: bool,
    before_sending: bool,
    hint: Option<String>,
    source: Option<Cause>,
}

// It never changes, and the foreign errors among its causes are only displayed.
impl UnwindSafe for StorageError {}
impl RefUnwindSafe for StorageError {}

/// The kind of a [`StorageError`], for programs to match on. The message is for people.
///
/// # Examples
///
/// ```
/// use s3_lock::{StorageError, StorageErrorKind};
///
/// /// Whether to wake somebody up.
/// fn needs_a_person(error: &StorageError) -> bool {
///     match error.kind() {
///         StorageErrorKind::AccessDenied | StorageErrorKind::Credentials => true,
///         StorageErrorKind::NoSuchBucket | StorageErrorKind::WrongRegion => true,
///         _ => !error.is_retryable(),
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StorageErrorKind {
    /// A permission is missing; the message names it.
    AccessDenied,
    /// S3 does not accept the credentials: they are unknown or expired, or the secret is wrong. The
    /// client looks them up again for the next request.
    Credentials,
    /// The bucket does not exist.
    NoSuchBucket,
    /// The bucket is in another region than the one asked, and S3 did not say in which.
    WrongRegion,
    /// This machine's clock is too far from S3's clock, so S3 rejects the signature.
    ClockSkewed,
    /// No connection could be made to S3 or to the source of the credentials, or a proxy refused to
    /// make it. Or something else answers there: a server with another protocol, or a network that wants a login (511).
    Unreachable,
    /// The request was sent, and no complete answer came in time. Or the source of the credentials
    /// took too long, and nothing was sent to S3.
    NoAnswer,
    /// S3 or the source of the credentials answered that it is overloaded or failing.
    Unavailable,
    /// Other clients changed the lock at the same moment, repeatedly.
    Contended,
    /// The store refused a write although its condition held, or its answer is not one that S3 gives.
    Unexpected,
    /// This machine could not start a thread or open a file descriptor that a request needs.
    Local,
}

impl StorageError {
    pub(crate) fn new(kind: StorageErrorKind, what: impl Into<String>) -> StorageError {
        StorageError(Box::new(Inner {
            kind,
            what: what.into(),
            code: None,
            outcome_unknown: false,
            before_sending: false,
            hint: None,
            source: None,
        }))
    }

    pub(crate) fn with_code(mut self, code: Option<String>) -> StorageError {
        self.0.code = code;
        self
    }

    /// Adds advice, after any hint that is there already.
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> StorageError {
        let hint = hint.into();
        self.0.hint = Some(match self.0.hint.take() {
            Some(first) => format!("{first}; {hint}"),
            None => hint,
        });
        self
    }

    pub(crate) fn with_source<E>(mut self, source: E) -> StorageError
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        self.0.source = Some(Arc::new(source));
        self
    }

    pub(crate) fn with_outcome_unknown(mut self, unknown: bool) -> StorageError {
        self.0.outcome_unknown = unknown;
        self
    }

    /// Marks a failure that came before any request to the store, as with credentials.
    pub(crate) fn before_sending(mut self) -> StorageError {
        self.0.before_sending = true;
        self
    }

    pub(crate) fn is_before_sending(&self) -> bool {
        self.0.before_sending
    }

    /// Whether the store itself answered with this error.
    pub(crate) fn is_answer(&self) -> bool {
        let is_silence = match self.0.kind {
            StorageErrorKind::Unreachable
            | StorageErrorKind::NoAnswer
            | StorageErrorKind::Local => true,
            StorageErrorKind::AccessDenied
            | StorageErrorKind::Credentials
            | StorageErrorKind::NoSuchBucket
            | StorageErrorKind::WrongRegion
            | StorageErrorKind::ClockSkewed
            | StorageErrorKind::Unavailable
            | StorageErrorKind::Contended
            | StorageErrorKind::Unexpected => false,
        };
        !self.0.before_sending && !is_silence
    }

    /// What happened, and what to do about it: its message in two parts.
    #[cfg(feature = "cli")]
    pub(crate) fn parts(&self) -> (&str, Option<&str>) {
        (&self.0.what, self.0.hint.as_deref())
    }

    /// The kind of this error.
    pub fn kind(&self) -> StorageErrorKind {
        self.0.kind
    }

    /// The error code in S3's answer, such as `AccessDenied`.
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// Whether the same call may succeed later although nobody changes anything.
    pub fn is_retryable(&self) -> bool {
        match self.0.kind {
            StorageErrorKind::Unreachable
            | StorageErrorKind::NoAnswer
            | StorageErrorKind::Unavailable
            | StorageErrorKind::Contended
            | StorageErrorKind::Local => true,
            StorageErrorKind::AccessDenied
            | StorageErrorKind::Credentials
            | StorageErrorKind::NoSuchBucket
            | StorageErrorKind::WrongRegion
            | StorageErrorKind::ClockSkewed
            | StorageErrorKind::Unexpected => false,
        }
    }

    /// Whether the call may have changed the lock despite this error, or may still change it.
    ///
    /// After an acquire: the lock may be held under your owner name until its lease has run out.
    /// After a release: the lock may still be held until then. After a renewal: the guard keeps its
    /// old deadline. Call [`S3Lock::status`](crate::S3Lock::status) to see the lock's state.
    pub fn is_outcome_unknown(&self) -> bool {
        self.0.outcome_unknown
    }
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.what)?;
        if self.0.outcome_unknown {
            f.write_str("; the lock may have been changed all the same")?;
        }
        match &self.0.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

/// `fn main() -> Result<(), LockError>` prints this: the message, not the fields it is built from.
impl fmt::Debug for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StorageError")
            .field("kind", &self.0.kind)
            .field("message", &format_args!("{self}"))
            .field("source", &self.0.source)
            .finish()
    }
}

impl std::error::Error for StorageError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|s| s as _)
    }
}
