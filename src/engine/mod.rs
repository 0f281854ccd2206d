//! Carries out the calls on a lock. `api/` calls into this room; this room runs the state machines of
//! `protocol/` against a store from `store/`. It also keeps a client's queue, renewals, callbacks and
//! store checks.

pub(crate) mod acquire;
pub(crate) mod check_cache;
mod check_first;
mod driver;
pub(crate) mod held_lock;
mod last_errors;
pub(crate) mod lock_context;
pub(crate) mod loss_callbacks;
pub(crate) mod registry;
mod renew;
pub(crate) mod session;
mod shared_call;
mod store_check;
mod time_budget;
#[cfg(test)]
mod time_budget_tests;
mod trouble_callbacks;
mod verify;
mod wait_queue;
mod watch;
mod without_guard;
