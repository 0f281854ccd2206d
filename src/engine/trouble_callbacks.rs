//! Who wants to be told that a lock cannot be renewed, and telling them while there is still time.

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
    /// Why renewals have failed since the last that did not.
    failing: Option<Arc<StorageError>>,
}

/// One callback, which never runs twice at once.
struct Listener(Mutex<ListenerState>);

// No callback runs while one of these mutexes is locked.
impl UnwindSafe for TroubleCallbacks {}
impl RefUnwindSafe for TroubleCallbacks {}

struct ListenerState {
    /// Not here while it runs.
    callback: Option<TroubleCallback>,
    /// What it is to be told next.
    waiting: Option<News>,
    /// Whether its guard is gone.
    is_over: bool,
}

/// A trouble that is yet to be told: there may be no thread for it, or the callback still be at the one
/// before.
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

    /// What is to be told by now; nothing once the lock is lost, which is not told here.
    fn by_now(self) -> Option<RenewalTrouble> {
        let passed = self.clock.now().at_most_since(self.since);
        self.trouble.after(passed)
    }
}

impl TroubleCallbacks {
    /// Adds one; called at once where renewals are failing, `remaining` before the deadline.
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

    /// Notes that a renewal in the background has failed. The first of a row is told.
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
                // For those that no thread could be had for.
                listener.serve();
            }
        }
    }

    /// Notes that a renewal went well.
    pub(crate) fn note_success(&self) {
        lock(&self.0).failing = None;
    }

    /// Drops all callbacks; one that runs, when it has ended. What it owns may itself call the client
    /// when it is dropped, so this is not for a thread that drives its runtime.
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

    /// Has a thread call it, if there is something to tell and none does already. Should no thread be
    /// had, it goes on waiting.
    fn serve(self: Arc<Listener>) {
        let is_due = {
            let state = lock(&self.0);
            state.waiting.is_some() && state.callback.is_some()
        };
        if is_due {
            let thread = thread::Builder::new().name("s3-lock-trouble".to_owned());
            if let Err(error) = thread.spawn(move || while self.call() {}) {
                logs::error!("no thread to tell of failing renewals on, for now: {error}");
            }
        }
    }

    /// Calls it with what waits, and says whether there was anything.
    fn call(&self) -> bool {
        let (news, mut callback) = {
            let mut state = lock(&self.0);
            // Of several threads the first has it.
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
        if let Some(trouble) = news.by_now() {
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
