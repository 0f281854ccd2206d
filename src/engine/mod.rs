//! Carries out the calls on a lock. `api/` calls into this room; this room runs the state machines of
//! `protocol/` against a store from `store/`. It also keeps a client's queue, renewals, callbacks and
//! store checks.
//!
//! | file | what it does |
//! |---|---|
//! | `session` | is one client in one process: runs calls, sends requests |
//! | `lock_context` | is one lock, as calls see it |
//! | `acquire`, `without_guard` | carry out the calls of `S3Lock` |
//! | `held_lock`, `verify`, `renew` | carry out the calls of `LockGuard` |
//! | `hand_over` | gives a lock back and to the next call of the same client in one write |
//! | `driver`, `queue_requests`, `time_budget`, `last_errors` | run an operation of the protocol: requests, time, errors |
//! | `wait_queue`, `registry`, `shared_call` | keep the threads and guards of one process apart, and let them share |
//! | `waits`, `cancel`, `cancellation` | let others watch and end the calls that wait |
//! | `watch`, `loss_callbacks`, `trouble_callbacks` | work in the background for a held lock |
//! | `check_first`, `check_cache`, `store_check` | check stores before they are used |

pub(crate) mod acquire;
mod cancel;
mod cancellation;
pub(crate) mod check_cache;
mod check_first;
mod driver;
mod hand_over;
pub(crate) mod held_lock;
mod last_errors;
pub(crate) mod lock_context;
pub(crate) mod loss_callbacks;
mod queue_requests;
pub(crate) mod registry;
mod renew;
pub(crate) mod session;
mod shared_call;
pub(crate) mod store_check;
mod time_budget;
#[cfg(test)]
mod time_budget_tests;
mod trouble_callbacks;
mod verify;
mod wait_queue;
pub(crate) mod waits;
mod watch;
mod without_guard;
