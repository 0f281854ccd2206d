//! What S3 or the way to it had wrong.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// What S3 said, or that it said nothing.
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

// Nothing in it ever changes; what others say of their causes is only shown.
impl UnwindSafe for StorageError {}
impl RefUnwindSafe for StorageError {}

/// What kind of trouble a [`StorageError`] is, for the program; its message is for people.
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
    /// S3 does not accept the credentials: unknown, expired, or a wrong secret. They are looked up
    /// anew for the next request.
    Credentials,
    /// The bucket does not exist.
    NoSuchBucket,
    /// The bucket is in a region other than the one asked, and S3 did not say in which.
    WrongRegion,
    /// This machine's clock is too far from S3's for a signature to be accepted.
    ClockSkewed,
    /// No connection could be made, to S3 or to where the credentials come from; or what answers there
    /// is somebody else: it speaks another protocol, or is a network that wants a login (511).
    Unreachable,
    /// The request was sent, and no whole answer came in time; or what gives out the credentials
    /// took too long, and nothing was sent to S3.
    NoAnswer,
    /// S3 is overloaded or failing, and says so; or what gives out the credentials is.
    Unavailable,
    /// Others changed the lock at the same moment, again and again.
    Contended,
    /// The store refused a write although its condition held, or answered in a way that S3 does
    /// not.
    Unexpected,
    /// This machine could not start a thread or open what a request needs.
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

    /// Adds what to do about it to what was said already.
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

    /// Marks trouble with something that is needed before the store can be asked at all.
    pub(crate) fn before_sending(mut self) -> StorageError {
        self.0.before_sending = true;
        self
    }

    pub(crate) fn is_before_sending(&self) -> bool {
        self.0.before_sending
    }

    /// Whether it is something that the store said, and not that nothing was heard of it.
    pub(crate) fn is_answer(&self) -> bool {
        use StorageErrorKind::{Local, NoAnswer, Unreachable};
        !self.0.before_sending && !matches!(self.0.kind, Unreachable | NoAnswer | Local)
    }

    /// What kind of trouble it is.
    pub fn kind(&self) -> StorageErrorKind {
        self.0.kind
    }

    /// The error code that S3 gave, such as `AccessDenied`.
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// Whether the same call may succeed later with nothing changed.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self.0.kind,
            StorageErrorKind::Unreachable
                | StorageErrorKind::NoAnswer
                | StorageErrorKind::Unavailable
                | StorageErrorKind::Contended
                | StorageErrorKind::Local
        )
    }

    /// Whether the call may have changed the lock all the same, or may yet change it.
    ///
    /// After an acquire: the lock may be held under your owner name until its lease has run out.
    /// After a release: it may still be held until then. After a renewal: the guard's deadline is
    /// what it was. [`S3Lock::status`](crate::S3Lock::status) shows what became of it.
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

/// What `fn main() -> Result<(), LockError>` prints: the message, not the parts that it is made of.
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
