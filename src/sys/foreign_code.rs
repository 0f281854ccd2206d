//! Runs foreign code, such as callbacks and loggers, and stops its panics. Call it only where no data of
//! this crate is half changed and no mutex is locked.

use std::any::Any;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs foreign code and catches its panics. `None` if it panicked.
pub(crate) fn contain<T>(foreign: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(foreign)) {
        Ok(value) => Some(value),
        Err(panic) => {
            discard(panic);
            None
        }
    }
}

/// Drops a panic's payload. Leaks the second payload if that drop panics too.
fn discard(panic: Box<dyn Any + Send>) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        mem::forget(second);
    }
}
