//! A client's private tokio runtime, on which blocking calls run asynchronous code. `Session::run` calls
//! `Runtime::block_on` for each call.
//!
//! The runtime has no thread of its own. A call drives it on the caller's thread, and calls from several
//! threads share it. Between calls nothing runs.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{panic, thread};

use tokio::runtime::{Builder, Handle, Runtime as Tokio};

use crate::sys::forks::Section;

/// A current-thread runtime, built on first use.
#[derive(Default)]
pub(crate) struct Runtime {
    tokio: OnceLock<Tokio>,
}

impl Runtime {
    /// Runs `future` to its end on the caller's thread.
    ///
    /// Inside another runtime, tokio's `block_on` would panic. There the future runs on a helper thread,
    /// and this thread waits for it. That blocks the caller's executor, as any blocking call does.
    pub(crate) fn block_on<F>(&self, future: F) -> io::Result<F::Output>
    where
        F: Future + Send,
        F::Output: Send,
    {
        let tokio = self.get()?;
        let drive = move || {
            let _driving = Driving::begin();
            tokio.block_on(future)
        };
        if may_block_here() {
            return Ok(drive());
        }
        thread::scope(|scope| {
            let helper = thread::Builder::new().name("s3-lock-call".to_owned());
            let helper = helper.spawn_scoped(scope, drive)?;
            // A panic of the helper is a panic of this call.
            Ok(helper.join().unwrap_or_else(|p| panic::resume_unwind(p)))
        })
    }

    fn get(&self) -> io::Result<&Tokio> {
        if let Some(tokio) = self.tokio.get() {
            return Ok(tokio);
        }
        let built = build()?;
        if let Err(second) = self.tokio.set(built) {
            // Another thread was faster. A plain drop would panic inside another runtime.
            second.shutdown_background();
        }
        Ok(self
            .tokio
            .get()
            .expect("it was set here or by the faster thread"))
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        // A plain drop panics inside another runtime.
        if let Some(tokio) = self.tokio.take() {
            tokio.shutdown_background();
        }
    }
}

/// Sets up tokio's global state, as the first runtime in a process does. This state is the registry of
/// signals, which exists if anything in the program enables tokio's feature `signal`. If a process forks
/// during this, the child hangs when it builds a runtime. So each new client does it, before the program
/// can fork with that client.
pub(crate) fn set_up() {
    static IS_DONE: AtomicBool = AtomicBool::new(false);
    if !IS_DONE.load(Ordering::Acquire) {
        // If there is an error, the first call will meet it too and return it.
        if let Ok(tokio) = build() {
            tokio.shutdown_background();
            IS_DONE.store(true, Ordering::Release);
        }
    }
}

fn build() -> io::Result<Tokio> {
    let _section = Section::begin();
    let build = || {
        let mut builder = Builder::new_current_thread();
        builder.enable_io().enable_time().build()
    };
    // With too few file descriptors, setting up the registry panics.
    let built = panic::catch_unwind(build);
    built.unwrap_or_else(|_| Err(io::Error::other("a runtime could not be set up")))
}

thread_local! {
    /// How many of this crate's runtimes this thread drives. It has no destructor, so it can be read while
    /// the thread ends.
    static DRIVEN: Cell<u32> = const { Cell::new(0) };
}

/// Whether this thread drives a runtime of this crate. While it blocks, that client makes no progress.
pub(crate) fn is_driven_here() -> bool {
    DRIVEN.get() > 0
}

/// Exists while a thread drives a runtime.
struct Driving;

impl Driving {
    fn begin() -> Driving {
        DRIVEN.set(DRIVEN.get() + 1);
        Driving
    }
}

impl Drop for Driving {
    fn drop(&mut self) {
        DRIVEN.set(DRIVEN.get() - 1);
    }
}

/// Whether this thread may drive a runtime. It may not while it drives another one, nor during the
/// destruction of its thread-local storage, when tokio cannot tell.
fn may_block_here() -> bool {
    match Handle::try_current() {
        Ok(_) => false,
        Err(error) => !error.is_thread_local_destroyed(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sys::clock::Clock;

    #[test]
    fn a_call_drives_the_runtime_on_the_callers_own_thread() {
        let caller = thread::current().id();
        let ran_on = Runtime::default().block_on(async { thread::current().id() });
        assert_eq!(ran_on.unwrap(), caller);
    }

    #[test]
    fn a_call_inside_another_runtime_runs_beside_it() {
        let outer = Builder::new_current_thread().build().unwrap();
        let answer = outer.block_on(async { Runtime::default().block_on(async { 42 }) });
        assert_eq!(answer.unwrap(), 42);
    }

    #[test]
    fn several_threads_share_one_runtime() {
        let runtime = Runtime::default();
        let clock = Clock::default();
        let nap = || runtime.block_on(clock.sleep(Duration::from_millis(10)));
        thread::scope(|scope| {
            let naps: Vec<_> = (0..8).map(|_| scope.spawn(nap)).collect();
            for nap in naps {
                nap.join().unwrap().unwrap();
            }
        });
    }
}
