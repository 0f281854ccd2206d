//! Explores in many schedules the parts of the crate that threads share, with shuttle. Shuttle runs them on
//! its own threads, decides at each mutex or wait which thread goes on, and finds threads that would wait
//! for ever.
//!
//! The tests compile the files of `src` anew, below. Those files take their mutexes and threads from
//! `crate::sys::sync`; here that module has shuttle's. Time stands still unless a test moves it, so only that
//! or a wake-up ends a wait. Steps inside tokio's `Notify`, channels and `watch` are not explored: each counts as one step.

// The files of `src` contain more than the tests use.
#![allow(dead_code)]

#[path = "../src/sys/arrivals.rs"]
mod arrivals;
#[path = "../src/engine/cancellation.rs"]
mod cancellation;
#[path = "../src/sys/foreign_code.rs"]
mod foreign_code;
#[path = "../src/engine/loss_callbacks.rs"]
mod loss_callbacks;
#[path = "../src/engine/shared_call.rs"]
mod shared_call;
#[path = "../src/engine/time_budget.rs"]
mod time_budget;
#[path = "../src/engine/wait_queue.rs"]
mod wait_queue;

mod interleavings {
    mod cancel;
    mod hand_over;
    mod labels;
    mod losses;
    mod queue;
    mod sharing;
    mod thread;
}

use s3_lock::internals::protocol;

mod types {
    pub(crate) mod errors {
        pub(crate) use s3_lock::LostCause;
    }
}

mod engine {
    pub(crate) use crate::{cancellation, time_budget};

    pub(crate) mod registry {
        /// Stands for an entry in the registry.
        pub(crate) struct Entry;
    }
}

mod sys {
    pub(crate) use crate::{clock, foreign_code, logs, per_process, random, sync};
}

/// Shuttle's mutexes and threads.
mod sync {
    use std::sync::PoisonError;

    pub(crate) use shuttle::sync::{Mutex, MutexGuard};

    pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) mod thread {
        use std::io;

        use shuttle::rand::{Rng, thread_rng};

        /// Starts a thread three times out of four, and fails otherwise.
        pub(crate) struct Builder(shuttle::thread::Builder);

        impl Builder {
            pub(crate) fn new() -> Builder {
                Builder(shuttle::thread::Builder::new())
            }

            pub(crate) fn name(self, name: String) -> Builder {
                Builder(self.0.name(name))
            }

            pub(crate) fn spawn(
                self,
                run: impl FnOnce() + Send + 'static,
            ) -> io::Result<shuttle::thread::JoinHandle<()>> {
                if thread_rng().gen_range(0..4) == 0 {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                self.0.spawn(run)
            }
        }
    }
}

/// There is one process.
mod per_process {
    use std::sync::OnceLock;

    pub(crate) struct PerProcess<T>(OnceLock<T>);

    impl<T> PerProcess<T> {
        pub(crate) const fn new() -> PerProcess<T> {
            PerProcess(OnceLock::new())
        }

        pub(crate) fn own(&self, make: impl FnOnce() -> T) -> Option<&T> {
            Some(self.0.get_or_init(make))
        }
    }
}

/// Logs nothing.
mod logs {
    macro_rules! error {
        ($($text:tt)+) => { let _ = format!($($text)+); };
    }
    pub(crate) use error;
}

/// A clock that stands still unless a test moves it. Its clones move with it.
mod clock {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use tokio::sync::Notify;

    pub(crate) use s3_lock::internals::Instant;

    #[derive(Clone, Default)]
    pub(crate) struct Clock(Arc<Moves>);

    #[derive(Default)]
    struct Moves {
        seconds: AtomicU64,
        moved: Notify,
    }

    impl Clock {
        pub(crate) fn now(&self) -> Instant {
            let seconds = self.0.seconds.load(Ordering::SeqCst);
            Instant::from_origin(Duration::from_secs(1 + seconds))
        }

        pub(crate) fn advance(&self, seconds: u64) {
            self.0.seconds.fetch_add(seconds, Ordering::SeqCst);
            self.0.moved.notify_waiters();
        }

        pub(crate) async fn within<F: Future>(
            &self,
            span: Duration,
            future: F,
        ) -> Option<F::Output> {
            tokio::select! {
                biased;
                output = future => Some(output),
                () = self.sleep(span) => None,
            }
        }

        pub(crate) async fn sleep(&self, span: Duration) {
            let start = self.now();
            loop {
                let moved = self.0.moved.notified();
                tokio::pin!(moved);
                moved.as_mut().enable();
                if self.now().at_least_since(start) >= span {
                    return;
                }
                moved.await;
            }
        }
    }
}

/// Pauses that are not random.
mod random {
    use std::time::Duration;

    pub(crate) struct Backoff(Duration);

    impl Backoff {
        pub(crate) fn new(min: Duration, _: Duration) -> Backoff {
            Backoff(min)
        }

        pub(crate) fn next(&mut self) -> Duration {
            self.0
        }

        pub(crate) fn reset(&mut self) {}
    }
}

/// Runs a scenario in many schedules: half of them random, half with few thread switches, far apart.
fn explore(scenario: impl Fn() + Send + Sync + Clone + 'static) {
    const SCHEDULES: usize = 3_000;
    shuttle::check_random(scenario.clone(), SCHEDULES);
    shuttle::check_pct(scenario, SCHEDULES, 3);
}
