//! What carries out calls on a lock.

pub(crate) mod check_cache;
pub(crate) mod driver;
pub(crate) mod held_lock;
pub(crate) mod lock_context;
pub(crate) mod loss_callbacks;
pub(crate) mod registry;
pub(crate) mod renewal;
pub(crate) mod session;
pub(crate) mod shared_call;
pub(crate) mod store_check;
pub(crate) mod store_race;
pub(crate) mod trouble_callbacks;
pub(crate) mod wait_queue;
