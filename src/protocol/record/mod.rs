//! The stored bytes: what the object at a lock's key holds.

mod advisory;
mod done;
mod fields;
mod limits;
mod nonce;
#[cfg(feature = "internals")]
mod properties;
#[expect(clippy::module_inception, reason = "it is what the folder is about")]
mod record;
mod stamp;
#[cfg(test)]
mod tests;
mod unusable;

pub use advisory::Advice;
pub(crate) use done::is_label;
pub use done::{DoneLabel, DoneLabels};
pub(in crate::protocol) use limits::MAX_ADVISORY;
pub use limits::{MAX_BODY, MAX_LEASE, MAX_TOKEN};
pub(crate) use limits::{MAX_LABEL, MAX_OWNER};
pub use nonce::Nonce;
#[cfg(feature = "internals")]
pub use properties::record_properties;
#[cfg(feature = "internals")]
pub use record::State;
pub use record::{Holder, Record};
pub use stamp::Stamp;
pub use unusable::UnusableRecord;
