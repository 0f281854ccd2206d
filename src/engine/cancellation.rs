//! Ends calls from outside: a flag that calls look at, and news that wakes those that sleep.

use std::future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

use crate::sys::per_process::PerProcess;

/// Whether calls are to end. Clones are the same. A forked child inherits the flag, and has news of its own.
#[derive(Clone, Default)]
pub(crate) struct Cancellation(Arc<Shared>);

struct Shared {
    is_cancelled: AtomicBool,
    news: PerProcess<Notify>,
}

impl Default for Shared {
    fn default() -> Shared {
        Shared {
            is_cancelled: AtomicBool::new(false),
            news: PerProcess::new(),
        }
    }
}

impl Cancellation {
    /// Ends the calls, now and later.
    pub(crate) fn cancel(&self) {
        // Before the news: who is woken, or is about to sleep, must see it.
        self.0.is_cancelled.store(true, Ordering::SeqCst);
        if let Some(news) = self.news() {
            news.notify_waiters();
        }
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.0.is_cancelled.load(Ordering::SeqCst)
    }

    /// Ends when the calls are to end.
    pub(crate) async fn cancelled(&self) {
        let Some(news) = self.news() else {
            // No slot is left for this process. Its calls look at the flag when they wake.
            return future::pending().await;
        };
        // Made before the flag is read: from here on it hears of a change.
        let told = news.notified();
        if !self.is_cancelled() {
            told.await;
        }
    }

    fn news(&self) -> Option<&Notify> {
        self.0.news.own(Notify::new)
    }
}
