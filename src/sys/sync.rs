//! Mutexes and threads as this crate uses them.
//!
//! Files that take theirs from here are explored by `tests/interleavings.rs`, which gives them others.

use std::sync::PoisonError;

pub(crate) use std::sync::{Mutex, MutexGuard};
pub(crate) use std::thread;

/// Locks a mutex, poisoned or not: nothing here leaves its data half changed when it panics.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
