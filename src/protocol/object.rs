//! What a store is asked and what it replies: locations of objects, their versions, and conditional
//! writes.

/// Where an object is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    pub bucket: String,
    pub key: String,
}

/// The version of an object, as the store names it (with its quotes).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ETag(pub String);

/// What must be true of the stored object for a write to happen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Condition {
    /// There is no object: `If-None-Match: *`.
    Absent,
    /// The object is this version: `If-Match`.
    Matches(ETag),
}

/// Whole seconds since the epoch on the store's clock.
pub type StoreSeconds = i64;

/// How the store refuses a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The condition does not hold (412, or 404 for a key that is gone).
    Condition,
    /// Another write is under way (409 `ConditionalRequestConflict`). It may be a copy of this one:
    /// ask again.
    Conflict,
    /// Asked too often (429, `SlowDown` below 500), maybe by a copy of this one: ask again later.
    Busy,
    /// Something that asking again does not fix.
    Denied,
}

/// What is known of one attempt to write. These four cases are all there are. `E` says why it was
/// not done.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum WriteOutcome<E> {
    /// It was done, and made this version.
    Applied {
        etag: ETag,
        /// The reply's `Date`.
        date: Option<StoreSeconds>,
    },
    /// The store refuses this attempt, and speaks for this attempt alone.
    Refused(Refusal, E),
    /// Nothing was written to the network.
    NotSent(E),
    /// It may have been done, or may yet be.
    Unknown(E),
}

impl<E> WriteOutcome<E> {
    /// The same, with each error mapped.
    pub fn map_error<F>(self, mut map: impl FnMut(E) -> F) -> WriteOutcome<F> {
        match self {
            WriteOutcome::Applied { etag, date } => WriteOutcome::Applied { etag, date },
            WriteOutcome::Refused(refusal, error) => WriteOutcome::Refused(refusal, map(error)),
            WriteOutcome::NotSent(error) => WriteOutcome::NotSent(map(error)),
            WriteOutcome::Unknown(error) => WriteOutcome::Unknown(map(error)),
        }
    }
}
