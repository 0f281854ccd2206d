//! The `on_trouble` callbacks of one guard. The background thread reports failed renewals here, and each
//! callback runs on a thread of its own.

use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::protocol::Instant;
use crate::sys::clock::Clock;
use crate::sys::sync::lock;
use crate::sys::{foreign_code, logs};
use crate::types::errors::StorageError;
use crate::types::renewal_trouble::RenewalTrouble;

pub(crate) type TroubleCallback = Box<dyn FnMut(&RenewalTrouble) + Send>;

/// The callbacks of one guard.
#[derive(Default)]
pub(crate) struct TroubleCallbacks(Mutex<Listeners>);

#[derive(Default)]
struct Listeners {
    listeners: Vec<Arc<Listener>>,
    /// Why renewals have failed since the last one that succeeded.
    failing: Option<Arc<StorageError>>,
}

/// One callback. It never runs twice at the same time.
struct Listener(Mutex<ListenerState>);

// No callback runs while one of these mutexes is locked.
impl UnwindSafe for TroubleCallbacks {}
impl RefUnwindSafe for TroubleCallbacks {}

struct ListenerState {
    /// `None` while it runs.
    callback: Option<TroubleCallback>,
    /// What to tell it next.
    waiting: Option<News>,
    /// Whether the guard is gone.
    is_over: bool,
}

/// A trouble that was not told yet: there may be no thread for it, or the callback may still be running.
struct News {
    trouble: RenewalTrouble,
    since: Instant,
    clock: Clock,
}

impl News {
    fn of(error: Arc<StorageError>, remaining: Duration, clock: &Clock) -> News {
        News {
            trouble: RenewalTrouble::new(error, remaining),
            since: clock.now(),
            clock: clock.clone(),
        }
    }

    /// The trouble as of now. `None` once the lock is lost: `on_lost` reports that.
    fn current(self) -> Option<RenewalTrouble> {
        let passed = self.clock.now().at_most_since(self.since);
        self.trouble.after(passed)
    }
}

impl TroubleCallbacks {
    /// Adds a callback. Calls it at once if renewals are failing, with `remaining` left of the lease.
    pub(crate) fn add(&self, callback: TroubleCallback, remaining: Duration, clock: &Clock) {
        let listener = Arc::new(Listener(Mutex::new(ListenerState {
            callback: Some(callback),
            waiting: None,
            is_over: false,
        })));
        let failing = {
            let mut callbacks = lock(&self.0);
            callbacks.listeners.push(listener.clone());
            callbacks.failing.clone()
        };
        if let Some(error) = failing {
            listener.tell(News::of(error, remaining, clock));
        }
    }

    /// Notes that a renewal in the background failed. Only the first failure in a row is told.
    pub(crate) fn note_failure(
        &self,
        error: Arc<StorageError>,
        remaining: Duration,
        clock: &Clock,
    ) {
        let (first, listeners) = {
            let mut callbacks = lock(&self.0);
            let first = callbacks.failing.replace(error.clone()).is_none();
            (first, callbacks.listeners.clone())
        };
        for listener in listeners {
            if first {
                let error = error.clone();
                listener.tell(News::of(error, remaining, clock));
            } else {
                // Tries again for a callback that no thread could be started for.
                listener.serve();
            }
        }
    }

    /// Notes that a renewal succeeded.
    pub(crate) fn note_success(&self) {
        lock(&self.0).failing = None;
    }

    /// Drops all callbacks; one that is running, when it has ended. What a callback owns may call the client
    /// in its `drop`, so do not call this on a thread that drives the runtime.
    pub(crate) fn dismiss(&self) {
        let listeners = std::mem::take(&mut lock(&self.0).listeners);
        for listener in listeners {
            let callback = {
                let mut state = lock(&listener.0);
                state.is_over = true;
                state.waiting = None;
                state.callback.take()
            };
            foreign_code::contain(|| drop(callback));
        }
    }
}

impl Listener {
    fn tell(self: Arc<Listener>, news: News) {
        lock(&self.0).waiting = Some(news);
        self.serve();
    }

    /// Starts a thread that calls it, if there is news and no thread is calling it already. If no thread
    /// can be started, the news stays.
    fn serve(self: Arc<Listener>) {
        let is_due = {
            let state = lock(&self.0);
            state.waiting.is_some() && state.callback.is_some()
        };
        if is_due {
            let thread = thread::Builder::new().name("s3-lock-trouble".to_owned());
            if let Err(error) = thread.spawn(move || while self.call() {}) {
                logs::error!("no thread for on_trouble, retrying at the next failure: {error}");
            }
        }
    }

    /// Calls it with the news. Returns whether to call it again: false if there was no news, or the guard
    /// is gone.
    fn call(&self) -> bool {
        let (news, mut callback) = {
            let mut state = lock(&self.0);
            // Another thread is calling it.
            if state.callback.is_none() {
                return false;
            }
            match (state.waiting.take(), state.callback.take()) {
                (Some(news), Some(callback)) => (news, callback),
                (_, callback) => {
                    state.callback = callback;
                    return false;
                }
            }
        };
        if let Some(trouble) = news.current() {
            foreign_code::contain(|| callback(&trouble));
        }
        let mut state = lock(&self.0);
        if state.is_over {
            drop(state);
            foreign_code::contain(|| drop(callback));
            return false;
        }
        state.callback = Some(callback);
        true
    }
}
