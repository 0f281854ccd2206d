//! A lock kept in one small S3 object, for programs that have S3 and no database.
//!
//! ```no_run
//! use std::time::Duration;
//! use s3_lock::S3Lock;
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     // Bucket, folder, name, and the longest time that the work may take.
//!     let lock = S3Lock::new("my-bucket", "locks", "nightly-report", Duration::from_secs(120))?;
//!     let _guard = lock.acquire("host-17")?; // waits, for a limited time
//!     // ... no other process is here at the same time ...
//!     Ok(())
//! } // released here, also by `?` and by a panic
//! ```
//!
//! | to | see |
//! |---|---|
//! | skip a run if another is under way | [`S3Lock::try_acquire`] |
//! | wait for the lock, and how long | [`S3Lock::acquire`], [`S3Lock::acquire_within`] |
//! | have one of ten hosts do tonight's work, once | [`S3Lock::acquire_once`], [`LockGuard::complete`] |
//! | work for longer than a lease | [`LockGuard::keep_alive`], [`LockGuard::renew`] |
//! | stop in time when the lock is lost | [`LockGuard::check`], [`LockGuard::on_lost`], [`LockGuard::on_trouble`] |
//! | acquire here and release there | [`LockGuard::detach`], [`S3Lock::release`] |
//! | see who has it; all locks of a folder | [`S3Lock::status`], [`Client::list`] |
//! | end a wait from another thread | [`WaitHandle`] |
//! | break the lock of a dead holder | [`S3Lock::force_release`] |
//! | test your own code without S3 | [`InMemoryStore`] |
//! | lock from a shell, cron or CI | [the command `s3-lock`](command) |
//!
//! The folder `examples` of the sources has short programs for these, which bring their own S3 server:
//! `cargo run --example ten_lines`.
//!
//! | page | |
//! |---|---|
//! | [`operations`] | permissions, the bucket, settings, costs, what to do after a crash, what messages mean |
//! | [`network`] | endpoints, proxies, certificates, credentials |
//! | [`fenced_publish`] | how to keep even a paused holder from undoing a result, with S3 alone |
//! | [`performance_and_fairness`] | what a lock costs, and who gets it when many want it |
//! | [`why_you_can_trust_it`] | what is assumed, why two holders cannot overlap, how that is checked |
//! | [`forking`] | what becomes of a lock in a forked child |
//! | [`architecture`], [`maintaining`] | for those who change the crate |
//!
//! # What it does not do
//!
//! * It does not protect an S3 object, or anything else, from programs that do not ask for the lock.
//! * **It cannot stop a holder that was paused beyond its lease** (a suspended laptop, a VM that was moved)
//!   from finishing a write that is already on its way. No lease can. The [fencing token](FencingToken) can,
//!   if what is written to checks it; [S3 itself can be made to](fenced_publish).
//! * It has no lock for readers, no semaphore, and no second lock for an owner that has one: a thread that
//!   acquires again waits for itself.
//! * It does not enforce the order in which clients get the lock. Clients that wait let each other go first, so
//!   none starves. But [`try_acquire`](S3Lock::try_acquire) and clients
//!   [without the queue](S3LockBuilder::without_queue) take a free lock as they find it.
//! * It does not work on a store that ignores conditional writes. AWS S3 honours them. At any other
//!   [endpoint](ClientBuilder::endpoint) a client [checks](S3Lock::check_store) the store before it first locks
//!   anything there, and refuses one that it has seen to be unsafe. A check can prove that a store is unsafe,
//!   but not that it is safe; [`S3Lock::race_store`] looks harder.
//!
//! # Expiry and fencing
//!
//! A lock is held on a lease: [`max_operation`](S3LockBuilder::max_operation) plus an allowance for
//! acquiring it. Within the lease the holder is alone. [`LockGuard::renew`] restarts it. Once it has run
//! out, the next client that asks takes the lock over without asking the holder. So:
//!
//! * **call [`LockGuard::check`] before each effect that must not happen twice**; it sends nothing;
//! * pass [`LockGuard::fencing_token`] to what you write to, and let it refuse smaller tokens.
//!
//! An abandoned lock is free 2 s and lease / 500 after its lease ([after a crash](operations#after-a-crash)). The clocks of two computers are never compared: the record's
//! age comes from the store's clock alone or from the observer's clock alone. A wall clock that is wrong
//! by minutes does no harm. Beyond 15 minutes S3 refuses its signatures, and the error says by how much.
//!
//! That holds as long as any two clocks run equally fast to within 0.2 %, the machine's clock goes on while the
//! machine sleeps, the store's conditional writes are atomic, and nobody deletes or restores the lock's object.
//! [Why you can trust it](why_you_can_trust_it) has the whole list, and what is lost if an assumption fails.
//!
//! # Dropping a guard
//!
//! Dropping a [`LockGuard`] sends the release and blocks for the reply, inside async code too. Drop never
//! panics. It logs a failure, which [`LockGuard::release`] returns. `let _ = lock.acquire(..)?` drops the
//! guard on that very line: bind it to `_guard`. After `process::exit`, a signal or `mem::forget` nothing is
//! dropped, and the lease ends the holding.
//!
//! # How long a call can block
//!
//! T is [`request_timeout`](ClientBuilder::request_timeout), 5 s by default. No wait sleeps for more
//! than a second without looking at the clock.
//!
//! | call | requests, undisturbed | blocks for at most | if credentials are missing |
//! |---|---|---|---|
//! | [`S3Lock::acquire`] | 1 if this client released it last, else 2; 1 more for the queue where the lock is wanted; 1 for each look while waiting, and 2 for a ticket; 0 if a guard of this client hands it over | [`wait_limit`](S3LockBuilder::wait_limit) + 2 T | within that |
//! | the same [without the queue](S3LockBuilder::without_queue) | 1 if this client released it last, else 2; 1 for each look while waiting; in a loop 1 more once a second, and where its own record says that others wait | the same | within that |
//! | [`S3Lock::acquire_within`] | the same | its limit + 2 T | within that |
//! | [`S3Lock::try_acquire`] | 1 or 2; 0 if a guard of the same client has it | 6 T; 12 T with a check of the store | + C |
//! | [`S3Lock::acquire_once`], [`S3Lock::acquire_once_within`], [`S3Lock::try_acquire_once`] | as the same call without a label; if the label is done: 1, or 0 if this client has seen that | as that call | as there |
//! | [`S3Lock::status`] | 1 | T | + C |
//! | [`S3Lock::release`], [`S3Lock::force_release`] | 2; 1 if there is nothing to release | 2 T; 8 T with a check of the store | + C |
//! | [`S3Lock::check_store`] | 12; 2 more if nobody has checked before | 6 T | + C |
//! | [`S3Lock::race_store`], [`S3Lock::race_store_with`] | those of a check, and 19 for each round | 6 T, and 5 T for each round | + C for each client |
//! | [`LockGuard::renew`] | 1, or a share in one of another thread's | 2 T, and never beyond the deadline | + C, until the deadline |
//! | [`LockGuard::verify`] | the same | T | + C, until the deadline |
//! | [`Client::list`] | 1 for 1,000 keys, and 1 for each lock | T for each request | + C, once |
//! | [`LockGuard::release`], [`LockGuard::complete`], drop | 1, also if it hands the lock over to another thread | 2 T | + C, until the deadline |
//! | everything else | 0 | not at all | |
//!
//! **C is the time of a look-up of credentials: a minute at the most.** A client looks them up for its first call, and
//! when they have expired. It renews those that still hold beside the calls, and no call waits for that. A look-up takes
//! nothing for keys in the environment; one file or two for keys of a profile; 4/5 T at the most for each
//! request to STS, to a single sign-on or to a container; 1 s at the most for each of three requests to an
//! instance's metadata; 55 s at the most for a `credential_process`. It goes on when a call has no time left, and
//! the next call finds it further on. A call of a guard waits for it until the deadline, and then has its own
//! time: so the drop of a guard whose helper command hangs takes a minute and 2 T at the most. Over https, the first call
//! also reads the certificates that it trusts: some 0.2 s, and T at the most.
//!
//! A lock is wanted where its record says that others wait, or where, in the last 5 s, another client released
//! it or its holding expired. Then an acquire also reads the queue, once a second at most while it sees nobody there
//! ([who comes first](performance_and_fairness#who-comes-first)).
//!
//! A call that waits takes its ticket at the second look, or at the first where others are known to wait: a
//! GET and a PUT. A call that waits for less than 1 s takes none.
//!
//! A [`WaitHandle`] ends the acquires that it was given to, as if their limit was up: at once, and at most 2 T
//! after that.
//!
//! The 2 T after a limit are used only to undo an attempt, to give a ticket back (a GET and a PUT, and up to
//! eight times that, with pauses, if others write the queue first, or the GETs fail), to give back a lock that was acquired too
//! slowly, or to look once more after a sleep that ended past the limit.
//! A client's first acquire in a bucket at a custom [endpoint](ClientBuilder::endpoint) checks the store
//! within its limit. If its first call there is a release by owner name or by force, the check comes on top.
//!
//! # In async programs
//!
//! The calls block, and may be made anywhere. Inside a runtime they run on a helper thread (about
//! 0.1 ms more) while the executor's thread waits. On a current-thread runtime that stalls every
//! other task: use `spawn_blocking` where that matters.
//!
//! # The background thread
//!
//! A client has none until a guard is to be [kept alive](LockGuard::keep_alive) or to
//! [report its loss](LockGuard::on_lost). Then one thread serves all such guards until the last is gone.
//! Each guard has its own timer and its own request, so one that hangs delays no other. Each may need a
//! short-lived thread, 16 at the most, to look up a host name.
//!
//! Callbacks and your logger (crate `log`) never run on this thread. A call logs its lines on its own thread
//! just before it returns, and at once that it waits or has had no answer. So a logger may block or call this crate. If it panics,
//! only the panic hook notices.
//!
//! # Forking
//!
//! In a forked child the parent's guards are inert, and inherited clients and locks start afresh. So a daemon
//! acquires after it has forked. [The page on forking](forking) has the details.
//!
//! # Implementation
//!
//! Each lock is one object, `{folder}/{name}.lock`, with a small JSON record. It is replaced and never
//! deleted, so fencing tokens only grow. Clients that wait have tickets in a second object beside it,
//! `{folder}/{name}.queue`. Whose turn it is only delays a write; nothing in the queue can make two holders.
//! Every write is conditional (`If-None-Match: *` or `If-Match`) and
//! carries a fresh random number, so no version's ETag ever returns. A write whose reply is lost is
//! *unknown* until the client has read back what happened; it never guesses. The rules are pure code
//! (`src/protocol`), which a model checker [explores](why_you_can_trust_it). A loop
//! (`src/engine/driver.rs`) carries them out over HTTP. Each client has a private current-thread runtime
//! that runs on the calling thread.
//! [How the sources are laid out](architecture) has a page of its own.
#![doc = ""]
#![doc = include_str!("tables.html")]
#![deny(unsafe_code)]
// With `internals`, hidden items become reachable, and the lint would ask for their docs too.
#![cfg_attr(not(feature = "internals"), warn(missing_docs))]

mod api;
mod engine;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod inspection;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals;
mod protocol;
mod store;
mod sys;
mod types;
#[doc = include_str!("architecture.md")]
#[doc = ""]
#[doc = include_str!("tables.html")]
pub mod architecture {}
// The diagrams of a page follow its text, hidden, and the text shows each where it belongs (`<use href>`).
#[doc = include_str!("command.md")]
#[doc = ""]
#[doc = "<div hidden>"]
#[doc = include_str!("diagrams/command_end.svg")]
#[doc = "</div>"]
#[doc = include_str!("tables.html")]
pub mod command {}
#[doc = include_str!("fenced_publish.md")]
#[doc = ""]
#[doc = "```rust,ignore"]
#[doc = include_str!("../examples/fenced_publish/fence.rs")]
#[doc = "```"]
#[doc = ""]
#[doc = "<div hidden>"]
#[doc = include_str!("diagrams/fenced_publish.svg")]
#[doc = "</div>"]
#[doc = include_str!("tables.html")]
pub mod fenced_publish {}
#[doc = include_str!("forking.md")]
#[doc = ""]
#[doc = include_str!("tables.html")]
pub mod forking {}
#[doc = include_str!("maintaining.md")]
#[doc = ""]
#[doc = include_str!("tables.html")]
pub mod maintaining {}
#[doc = include_str!("network/intro.md")]
#[doc = ""]
#[doc = include_str!("network/endpoints.md")]
#[doc = ""]
#[doc = include_str!("network/proxies.md")]
#[doc = ""]
#[doc = include_str!("network/certificates.md")]
#[doc = ""]
#[doc = include_str!("network/credentials.md")]
#[doc = ""]
#[doc = include_str!("network/sign_in.md")]
#[doc = ""]
#[doc = include_str!("network/compared.md")]
#[doc = ""]
#[doc = include_str!("tables.html")]
pub mod network {}
#[doc = include_str!("operations.md")]
#[doc = ""]
#[doc = include_str!("tables.html")]
pub mod operations {}
#[doc = include_str!("performance.md")]
#[doc = ""]
#[doc = "<div style=\"overflow-x:auto\" tabindex=\"0\">"]
#[doc = include_str!("charts/cycle.svg")]
#[doc = include_str!("charts/shares.svg")]
#[doc = include_str!("charts/waits.svg")]
#[doc = include_str!("charts/requests.svg")]
#[doc = include_str!("charts/cost.svg")]
#[doc = "</div>"]
#[doc = "<div hidden>"]
#[doc = include_str!("diagrams/queue.svg")]
#[doc = "</div>"]
#[doc = include_str!("tables.html")]
pub mod performance_and_fairness {}
#[doc = include_str!("trust.md")]
#[doc = ""]
#[doc = "<div hidden>"]
#[doc = include_str!("diagrams/takeover.svg")]
#[doc = include_str!("diagrams/record_states.svg")]
#[doc = include_str!("diagrams/client_states.svg")]
#[doc = "</div>"]
#[doc = include_str!("tables.html")]
pub mod why_you_can_trust_it {}

pub use api::client::Client;
pub use api::client_builder::ClientBuilder;
pub use api::guard::LockGuard;
pub use api::in_memory::InMemoryStore;
pub use api::lock::S3Lock;
pub use api::lock_builder::S3LockBuilder;
pub use api::wait_handle::WaitHandle;
pub use types::errors::{ConfigError, LockError, LostCause, StorageError, StorageErrorKind};
pub use types::info::{FencingToken, ListedLock, LockInfo, LockStatus};
pub use types::names::default_owner;
pub use types::renewal_trouble::RenewalTrouble;
pub use types::request_counts::{OutcomeCounts, RequestCounts};
pub use types::request_prices::RequestPrices;
pub use types::store_report::{EtagForm, StoreReport};
pub use types::wait_status::WaitStatus;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
