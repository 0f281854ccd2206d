//! The mutexes and threads of this crate. `tests/interleavings.rs` compiles some files anew with shuttle's
//! mutexes and threads in place of these, to explore their schedules.

use std::sync::PoisonError;

pub(crate) use std::sync::{Mutex, MutexGuard};
pub(crate) use std::thread;

/// Locks a mutex, poisoned or not. No code of this crate leaves data half changed when it panics.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
