//! An exclusive lock kept in one small S3 object, for synchronous Rust.
#![forbid(unsafe_code)]
// With internals, the hidden items become reachable, and the lint would want them documented too.
#![cfg_attr(not(feature = "internals"), warn(missing_docs))]

mod backoff;
mod builder;
mod client;
mod clock;
mod drive;
mod error;
mod guard;
mod host;
mod info;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals;
mod local;
mod lock;
mod protocol;
mod record;
mod runtime;
mod store;

pub use builder::{ClientBuilder, S3LockBuilder};
pub use client::Client;
pub use error::{ConfigError, LockError, LostCause, StorageError, StorageErrorKind};
pub use guard::LockGuard;
pub use info::{FencingToken, LockInfo, LockStatus};
pub use lock::S3Lock;
pub use store::memory::InMemoryStore;
