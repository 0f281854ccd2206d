//! An exclusive lock kept in one small S3 object, for programs that have S3 and no database.
//!
//! Ask for the lock under an owner name, do your main operation, and the guard gives it back. No
//! server of its own, no async in your code; one request to acquire (two for the first time) and one
//! to release.
//!
//! ```no_run
//! use std::time::Duration;
//! use s3_lock::S3Lock;
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     // Bucket, folder, name, and the longest time that the main operation may take.
//!     let lock = S3Lock::new("my-bucket", "locks", "nightly-report", Duration::from_secs(120))?;
//!     let _guard = lock.acquire("host-17")?; // waits, bounded
//!     // ... main operation: nobody else is at it ...
//!     Ok(())
//! } // released here, also by `?` and by a panic
//! ```
//!
//! In unit tests, [`Client::in_memory`] takes the place of S3.
//!
//! # What it does not do
//!
//! * It does not protect an S3 object, or anything else, from programs that do not ask for the
//!   lock.
//! * **It cannot stop a holder that was paused beyond its lease** (a suspended laptop, a VM moved,
//!   a long stall) from finishing a write that is already on its way. No lease can. What protects
//!   you from that is the [fencing token](FencingToken), checked by the resource that is written to.
//! * It promises no order between clients: who looks first after a release gets the lock. Within
//!   one client, calls queue in order of arrival and hand the lock on at once, so a client whose
//!   queue never runs empty can keep the others waiting for as long.
//! * It does not let one owner take a lock twice. With
//!   [`reclaim_same_owner`](S3LockBuilder::reclaim_same_owner) a program that crashed gets its own
//!   lock back at once, if nobody else has its owner name.
//! * It cannot make up for a store that does not honour conditional writes: such a store gives no
//!   mutual exclusion, silently. AWS S3 honours them. A client with an
//!   [endpoint](ClientBuilder::endpoint) of its own finds out before it first locks anything in a
//!   bucket, and refuses a store that does not ([`S3Lock::check_store`]). It also refuses one that was
//!   seen to compare and write in two steps, and [`S3Lock::race_store`] looks for that in earnest. That
//!   a store never does, no number of races proves.
//!
//! # Expiry and fencing
//!
//! A lock is held on a lease: [`max_operation`](S3LockBuilder::max_operation), and an allowance for
//! acquiring it. Within the lease the holder is alone. [`LockGuard::renew`] begins it anew.
//! Once it has run out the lock falls to the next who asks, and the holder is not asked. So:
//!
//! * **call [`LockGuard::check`] before each effect that must not happen twice**; it costs nothing;
//! * hand [`LockGuard::fencing_token`] to what you write to, and let it refuse smaller ones.
//!
//! [`LockGuard::keep_alive`] renews a lock in the background for as long as its guard lives, and
//! [`LockGuard::on_trouble`] tells while there is still time that renewals fail, and
//! [`LockGuard::on_lost`] when it is lost all the same.
//!
//! An abandoned lock is free after lease + [`clock_margin`](S3LockBuilder::clock_margin) (2 s) +
//! lease / 500, counted from its last write. No two computers' clocks are ever compared for that:
//! the age of the record is told by the store's clock alone or by the observer's clock alone. A wall
//! clock that is wrong by minutes changes nothing; one that is wrong by more than 15 minutes has its
//! signatures refused by S3, and the error tells by how much it is off.
//!
//! What this rests on: any two clocks run equally fast to within 0.2 % over a lease; the machine's
//! clock goes on while it is suspended (a VM that its hypervisor pauses or restores, or a frozen
//! Lambda, has fencing only); the store's nodes agree to within 1 s and are never set forward; no
//! proxy stamps a `Date` of its own (nginx does; the check of a store at an endpoint notices one that
//! is ahead, be it in the replies to reads alone, and then the store's clock is [not used](StoreReport::uses_store_clock)); the store's
//! conditional writes are atomic and its reads current; nobody deletes, restores, expires or
//! replicates into the lock's object; and where a lock is released by owner name or reclaimed, one
//! live participant has that name. [`S3Lock::force_release`] ends the exclusion until the old holder
//! asks the store or its deadline passes. What is lost if one of these is not so, why the lock holds if
//! they are, and how that is checked is told in [why you can trust it](why_you_can_trust_it).
//!
//! # Dropping a guard
//!
//! Dropping a [`LockGuard`] sends the release and blocks for it. It never panics, logs what it cannot
//! report, and works inside async code too. [`LockGuard::release`] does the same and tells how it
//! went. `let _ = lock.acquire(..)?` drops the guard on that very line: bind it to `_guard`.
//!
//! # How long a call can block
//!
//! With T for [`request_timeout`](ClientBuilder::request_timeout), 5 s by default. No wait sleeps
//! for more than a second without looking at the clock.
//!
//! | call | requests, undisturbed | blocks for at most |
//! |---|---|---|
//! | [`S3Lock::acquire`] | 1 if this client released it last, else 2; 1 for each look while waiting | [`wait_limit`](S3LockBuilder::wait_limit) + 2 T |
//! | [`S3Lock::acquire_within`] | the same | its limit + 2 T |
//! | [`S3Lock::try_acquire`] | 1 or 2; 0 if a guard of the same client has it | 6 T; 12 T with a check of the store |
//! | [`S3Lock::status`] | 1 | T |
//! | [`S3Lock::release`], [`S3Lock::force_release`] | 2; 1 if there is nothing to release | 2 T; 8 T with a check of the store |
//! | [`S3Lock::check_store`] | 12; 2 more where nobody has checked before | 6 T |
//! | [`S3Lock::race_store`], [`S3Lock::race_store_with`] | those of a check, and 19 for each round | 6 T, and 5 T for each round |
//! | [`LockGuard::renew`] | 1, or a share in one of another thread's | 2 T, and never beyond the deadline |
//! | [`LockGuard::verify`] | the same | T |
//! | [`Client::list`] | 1 for 1,000 keys, and 1 for each lock | T for each request |
//! | [`LockGuard::release`], drop | 1 | 2 T |
//! | everything else | 0 | not at all |
//!
//! The 2 T after a limit are used only where an attempt has to be undone, a lock acquired too slowly to
//! be given back, or a sleeper that woke past its limit to look once more. At an
//! [endpoint](ClientBuilder::endpoint) of its own a client's first acquire in a bucket checks the store
//! besides, within its limit; if its first call there is a release by owner name or by force, the check
//! is made before that, on top. At AWS's
//! prices in us-east-1 ($0.005 for 1,000 PUTs, $0.0004 for 1,000 GETs) a million warm cycles cost $10, a
//! million cold ones $10.40; [`RequestPrices`] works out what waiting and renewing cost, and
//! [`Client::request_counts`] tells what was sent.
//!
//! # The background thread
//!
//! A client has none, until a guard of its is to be [kept alive](LockGuard::keep_alive) or its
//! loss [to be told](LockGuard::on_lost). Then it has one for all of them, until the last has gone.
//! Each guard has its own timer and its own request under way, so one that hangs delays no other. A
//! guard kept alive is renewed when a third of its lease has passed, give or take a tenth of that, and
//! a renewal that fails is repeated, with pauses that grow, until the deadline. It waits for no
//! verification, and for a renewal of another thread only to share the next one. Whoever releases the
//! lock stops a renewal under way, and knows it should it land all the same.
//!
//! Nobody's callback runs on it, and neither does your logger (crate `log`): what is to be logged there, a
//! thread that lives no longer than there is something to log hands to it. A call's own lines are
//! logged on its own thread when it is about to return; only that it waits, and for whom, is told at once,
//! by that other thread. So a logger may block, or call this crate; and where it panics, nobody notices
//! but the panic hook.
//!
//! A thousand guards cost 3 MB, and kept alive 5 MB more, one thread, and as many connections as are
//! renewed at the same moment; each of those may need a short-lived thread, of 16 at the most, to look
//! up a host name (Linux, release build, HTTP, a lease of 10 s for 25 s, none lost:
//! `cargo test --release --test it -- --ignored a_thousand_guards --nocapture`). Each is one PUT for
//! every third of its lease.
//!
//! # In async programs
//!
//! The calls block, and may be made anywhere: inside a runtime they run on a helper thread (about
//! 0.1 ms more) while the executor's thread waits. On a current-thread runtime that stalls every
//! other task; put the call into `spawn_blocking` where that matters.
//!
//! # Forking
//!
//! In a forked child the parent's guards are inert: what the parent holds it goes on holding, whatever
//! the child does and however it ends, and the child is refused it like any other process. A daemon
//! therefore acquires after it has forked. An owner name that is
//! [reclaimed](S3LockBuilder::reclaim_same_owner) must not be used by both.
//!
//! The clients and locks that a child inherited work there. Each starts afresh at its first use, with
//! connections, a look-up of the credentials, a check of the store, a queue and request counts of its
//! own, and leaves its parent's alone: their memory and their open sockets (which an `exec` closes) stay
//! with the child until its end. That goes on from child to child for eight processes of one line that
//! use the client; the ninth is told to make a new one, as a [`LockError::Config`]. A store in memory is
//! not shared with a child, and refuses it in the same way.
//!
//! A child is told from its parent, and from every other process that it descends from, by a number that
//! a fork takes away, and not by process ids: those can be alike, as where each is the first of a PID
//! namespace. On Linux since 4.14 that holds for a bare `clone` too; elsewhere a handler of
//! `pthread_atfork` does it, which a bare `clone` passes by, and then the ids have to differ. A child that
//! *shares* its parent's memory (`vfork`, `clone` with `CLONE_VM`) is the same process to this crate, like
//! a thread: it must not touch it before its `exec`.
//!
//! The parent may have threads, and may be in the midst of calls on them, be it of its very first: the
//! child waits for nothing that they had locked in this crate, nor for what tokio and OpenSSL set up or
//! lock on its behalf. For that a `fork` waits until no thread is in the midst of a step of those, for
//! microseconds as a rule and seconds at the most; and such a step waits for forks under way, for a
//! tenth of a second or so at the most. (A bare `clone` waits for nothing, and nothing waits over plain HTTP.)
//! What others had locked is theirs to see to:
//!
//! * Rust's standard library has a lock that each thread takes as it begins and as it ends. A child that is
//!   forked at such a moment cannot start threads that run (3 children of 13,000, with four threads that
//!   did nothing else; Rust 1.95). There calls inside an async runtime wait for ever, no guard is kept
//!   alive or its loss told, and host names are not found (that ends by the connect timeout).
//! * The C library's look-up of names, your allocator where it is not the C library's, your logger, and a
//!   `set_var` on another thread.
//! * OpenSSL as other code of the program uses it. It also tells processes by their ids alone: a child with
//!   its parent's id repeats its parent's random numbers in TLS.
//!
//! Where you can, fork while there is one thread.
//!
//! # Implementation
//!
//! One object per lock, `{folder}/{name}.lock`, holds a small JSON record that is replaced and never
//! deleted, so that fencing tokens only grow. Every write is conditional (`If-None-Match: *` or
//! `If-Match`) and carries a fresh random number, so that no version's ETag ever returns. A reply that
//! is lost leaves a write *unknown*, and it is found out by reading back; nothing is guessed. The
//! rules are pure code (`src/protocol`), which a model checker [goes through](why_you_can_trust_it),
//! and which a loop (`src/engine/driver.rs`) carries out over HTTP. Each client has a private current-thread
//! runtime that runs on the calling thread.

#![deny(unsafe_code)]
// With internals, the hidden items become reachable, and the lint would want them documented too.
#![cfg_attr(not(feature = "internals"), warn(missing_docs))]

mod api;
mod engine;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals;
mod protocol;
mod store;
mod sys;
mod types;
#[doc = include_str!("architecture.md")]
pub mod architecture {}
#[doc = include_str!("trust.md")]
pub mod why_you_can_trust_it {}

pub use api::client::Client;
pub use api::client_builder::ClientBuilder;
pub use api::guard::LockGuard;
pub use api::in_memory::InMemoryStore;
pub use api::lock::S3Lock;
pub use api::lock_builder::S3LockBuilder;
pub use types::errors::{ConfigError, LockError, LostCause, StorageError, StorageErrorKind};
pub use types::info::{FencingToken, ListedLock, LockInfo, LockStatus};
pub use types::names::default_owner;
pub use types::renewal_trouble::RenewalTrouble;
pub use types::request_counts::{OutcomeCounts, RequestCounts};
pub use types::request_prices::RequestPrices;
pub use types::store_report::{EtagForm, StoreReport};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
