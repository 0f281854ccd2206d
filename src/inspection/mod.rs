//! What the command's `doctor` asks of a client, besides what every program can ask. It is not part of the public
//! API, and changes with any release.
//!
//! `inspector.rs` asks; `answers.rs` has what comes back; `told.rs` parts the text of an error.

mod answers;
mod inspector;
mod told;

pub use answers::{Looked, Place, Probed, Seen, Version, Written};
pub use inspector::{Inspector, cost};
pub use told::Told;

pub use crate::types::inspection::{Setting, Signer, Way};
