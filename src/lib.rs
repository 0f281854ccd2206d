//! An exclusive lock kept in one small S3 object, for programs that have S3 and no database.
//!
//! A program acquires the lock under an owner name and does its main operation. Dropping the guard
//! releases the lock. No server of its own, no async in your code. An acquire takes one request (two the
//! first time), a release one.
//!
//! ```no_run
//! use std::time::Duration;
//! use s3_lock::S3Lock;
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     // Bucket, folder, name, and the longest time that the main operation may take.
//!     let lock = S3Lock::new("my-bucket", "locks", "nightly-report", Duration::from_secs(120))?;
//!     let _guard = lock.acquire("host-17")?; // waits, for a limited time
//!     // ... main operation: no other process is in it ...
//!     Ok(())
//! } // released here, also by `?` and by a panic
//! ```
//!
//! In unit tests, [`Client::in_memory`] takes the place of S3.
//!
//! # What it does not do
//!
//! * It does not protect an S3 object, or anything else, from programs that do not ask for the lock.
//! * **It cannot stop a holder that was paused beyond its lease** (a suspended laptop, a VM moved,
//!   a long stall) from finishing a write that is already on its way. No lease can. The
//!   [fencing token](FencingToken) protects you, if the resource that is written to checks it.
//! * It does not enforce the order in which clients get the lock. Clients that wait take tickets, and let
//!   each other go first by them, so none of them starves. But [`try_acquire`](S3Lock::try_acquire) and
//!   clients [without the queue](S3LockBuilder::without_queue) take a free lock as they find it.
//!   [Performance and fairness](performance_and_fairness) has the rules and their exceptions.
//! * It does not let one owner take a lock twice. With
//!   [`reclaim_same_owner`](S3LockBuilder::reclaim_same_owner) a program that crashed gets its own
//!   lock back at once, if no other participant has its owner name.
//! * It gives no mutual exclusion, silently, on a store that ignores conditional writes. AWS S3 honours
//!   them. A client with a custom [endpoint](ClientBuilder::endpoint), whoever set it,
//!   [checks](S3Lock::check_store) the store before it first locks anything in a bucket. It refuses a store that ignores conditions, or that
//!   was seen to compare and write in two steps. [`S3Lock::race_store`] looks harder for the latter, but
//!   no number of races proves that a store never does it.
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
//! [`LockGuard::keep_alive`] renews a lock in the background for as long as its guard lives.
//! [`LockGuard::on_trouble`] reports failing renewals while there is still time, and
//! [`LockGuard::on_lost`] reports the loss.
//!
//! An abandoned lock is free after lease + [`clock_margin`](S3LockBuilder::clock_margin) (2 s) +
//! lease / 500, counted from its last write. The clocks of two computers are never compared: the record's
//! age comes from the store's clock alone or from the observer's clock alone. A wall clock that is wrong
//! by minutes does no harm. Beyond 15 minutes S3 refuses its signatures, and the error says by how much.
//!
//! The lock relies on this:
//!
//! * any two clocks run equally fast to within 0.2 % over a lease;
//! * a machine's clock keeps running while the machine is suspended (a VM that its hypervisor pauses or
//!   restores, or a frozen Lambda, has fencing only);
//! * the store's nodes agree to within 1 s and are never set forward;
//! * no proxy stamps its own `Date`, as nginx does (the check of a store notices one that is ahead, even
//!   in replies to reads alone; the client then [does without](StoreReport::uses_store_clock) that clock);
//! * the store's conditional writes are atomic, and its reads current;
//! * nobody deletes, restores, expires or replicates into the lock's object;
//! * where a lock is released by owner name or reclaimed, one live participant has that name.
//!
//! [`S3Lock::force_release`] ends the exclusion until the old holder asks the store or its deadline
//! passes. [Why you can trust it](why_you_can_trust_it) says what is lost if an assumption fails, why
//! the lock holds if none does, and how that is checked.
//!
//! # Work that is to be done once
//!
//! Ten hosts have the same crontab, and one of them is to make the report. [`S3Lock::acquire_once`] takes the lock for a
//! label, such as today's date. [`LockGuard::complete`] marks that label as done and releases the lock, in one write. Who
//! asks for the label later, or has waited, gets [`LockError::AlreadyDone`] instead of the lock. A run that fails, or ends
//! before it is marked, is made again. The lock remembers the last 16 labels.
//!
//! # Dropping a guard
//!
//! Dropping a [`LockGuard`] sends the release and blocks for the reply, inside async code too. Drop never
//! panics. It logs a failure, which [`LockGuard::release`] returns. `let _ = lock.acquire(..)?` drops the
//! guard on that very line: bind it to `_guard`.
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
//! it or its holding expired. (A client that cannot use the store's clock takes any other client's release
//! for that, when it first sees it.) Then an acquire reads the queue: once for each release that it finds,
//! else once a second. A client that takes its own release again and again reads it once a second, beside
//! its own write. After a row of hand-overs it reads it before it takes the lock on, unless it has done so
//! within the last second. Where cycles are more than 5 s apart, nobody touches the queue.
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
//! At AWS's prices in us-east-1 ($0.005 for 1,000 PUTs, $0.0004 for 1,000 GETs) a million warm cycles
//! cost $10, a million cold ones $10.40. [`RequestPrices`] computes what waiting and renewing cost;
//! [`Client::request_counts`] counts what was sent.
//!
//! # The background thread
//!
//! A client has none until a guard is to be [kept alive](LockGuard::keep_alive) or to
//! [report its loss](LockGuard::on_lost). Then one thread serves all such guards until the last is gone.
//! Each guard has its own timer and its own request, so one that hangs delays no other.
//! [`LockGuard::keep_alive`] says when it renews.
//!
//! Callbacks and your logger (crate `log`) never run on this thread: its log lines go to a short-lived
//! thread. A call logs its own lines on its own thread just before it returns. One line that other thread
//! logs at once: that the call waits, for which holder, and behind how many others. So a logger may block
//! or call this crate. If it panics, only the panic hook notices.
//!
//! A thousand guards cost 3 MB. Kept alive, they cost 5 MB more, one thread, and as many connections as
//! are renewed at the same moment; each may need a short-lived thread, 16 at the most, to look up a host
//! name (Linux, release build, HTTP, a lease of 10 s for 25 s, none lost:
//! `cargo test --release --test it -- --ignored a_thousand_guards --nocapture`). Each guard sends one PUT
//! per third of its lease.
//!
//! # In async programs
//!
//! The calls block, and may be made anywhere. Inside a runtime they run on a helper thread (about
//! 0.1 ms more) while the executor's thread waits. On a current-thread runtime that stalls every
//! other task: use `spawn_blocking` where that matters.
//!
//! # Forking
//!
//! In a forked child the parent's guards are inert. The parent keeps what it holds, whatever the child
//! does and however it ends; the child is refused the lock like any other process. So a daemon acquires
//! after it has forked. Parent and child must not share an owner name that is
//! [reclaimed](S3LockBuilder::reclaim_same_owner).
//!
//! Inherited clients and locks work in the child. Each starts afresh at its first use, with its own
//! connections, look-up of the credentials, check of the store, queue and request counts. The parent's
//! memory and open sockets (which an `exec` closes) stay with the child until it ends. Eight processes of
//! one line of forks can use the client; the ninth is told to make a new one, as a [`LockError::Config`].
//! A store in memory is not shared with a child, and refuses it in the same way.
//!
//! The crate tells a child from its ancestors by a number that a fork takes away, not by process ids:
//! those can be alike, as where each is the first of a PID namespace. On Linux since 4.14 this holds for
//! a bare `clone` too. Elsewhere it takes a `pthread_atfork` handler, which a bare `clone` bypasses; then
//! the ids have to differ. A child that *shares* its parent's memory (`vfork`, `clone` with `CLONE_VM`) is
//! the same process to this crate, like a thread: it must not touch it before its `exec`.
//!
//! The parent may have threads in the middle of calls, even of its very first. The child waits for
//! nothing that they had locked in this crate, nor for what tokio and OpenSSL set up or lock on its
//! behalf. For that, a `fork` waits until no thread is inside such a step: microseconds as a rule, seconds
//! at the most. Such a step waits for forks under way, a tenth of a second or so at the most. (A bare
//! `clone` waits for nothing, and nothing waits over plain HTTP.) The crate cannot help with what other
//! code had locked:
//!
//! * Rust's standard library has a lock that each thread takes as it begins and as it ends. A child forked
//!   at such a moment cannot start threads that run (3 children of 13,000, with four threads that did
//!   nothing else; Rust 1.95). There calls inside an async runtime wait for ever, guards are not kept alive
//!   and report no loss, and a `credential_process` gives no keys, which is an error. Names are looked up and
//!   files are read all the same: the first half a second later, and on the thread that calls, so no limit of
//!   time ends a look-up that hangs.
//! * The C library's look-up of names, your allocator if it is not the C library's, your logger, and a
//!   `set_var` on another thread.
//! * OpenSSL as other code of the program uses it. It also tells processes by their ids alone: a child with
//!   its parent's id repeats its parent's random numbers in TLS.
//!
//! Where you can, fork while there is one thread.
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
//! that runs on the calling thread. [How the sources are laid out](architecture), and how to add to them, has a
//! page of its own.

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
pub mod architecture {}
#[doc = include_str!("command.md")]
pub mod command {}
#[doc = include_str!("fenced_publish.md")]
#[doc = "```rust,ignore"]
#[doc = include_str!("../examples/fenced_publish/fence.rs")]
#[doc = "```"]
pub mod fenced_publish {}
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
pub mod network {}
#[doc = include_str!("performance.md")]
#[doc = ""]
#[doc = include_str!("charts/cycle.svg")]
#[doc = include_str!("charts/shares.svg")]
#[doc = include_str!("charts/waits.svg")]
#[doc = include_str!("charts/requests.svg")]
#[doc = include_str!("charts/cost.svg")]
pub mod performance_and_fairness {}
#[doc = include_str!("trust.md")]
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
