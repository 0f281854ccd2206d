//! The record's fields that only advise, about the lock's queue. What cannot be believed is left out when they
//! are read, and the record stays usable.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::protocol::record::limits::MAX_ADVISORY;

/// What a write of the record says of the lock's queue. Nobody's safety rests on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Advice {
    /// The highest ticket that is known to have had its turn; 0 if none is.
    pub served: u64,
    /// Whether others wait, if that was seen a moment ago.
    pub queued: Option<bool>,
}

/// A number that can be believed, if it is one.
pub(super) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let number: Option<u64> = lenient(deserializer)?;
    Ok(number.filter(|number| *number <= MAX_ADVISORY))
}

/// A truth value, if it is one.
pub(super) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    lenient(deserializer)
}

fn lenient<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: for<'a> Deserialize<'a>,
{
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str(raw.get()).unwrap_or(None))
}
