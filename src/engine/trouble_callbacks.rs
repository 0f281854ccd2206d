//! Who wants to be told that a lock cannot be renewed, and telling them while there is still time.

use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::protocol::Instant;
use crate::sys::clock::Clock;
use crate::sys::logs;
use crate::sys::sync::lock;
use crate::types::errors::StorageError;

/// A lock that could not be renewed in the background, and is still held: what
/// [`LockGuard::on_trouble`](crate::LockGuard::on_trouble) tells.
///
/// # Examples
///
/// ```
/// use s3_lock::RenewalTrouble;
///
/// fn describe(trouble: &RenewalTrouble) -> String {
///     format!("{} for {:?} more", trouble.error(), trouble.remaining())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct RenewalTrouble {
    error: Arc<StorageError>,
    remaining: Duration,
}

impl RenewalTrouble {
    /// Why the last renewal failed. Credentials that are missing are
    /// [`StorageErrorKind::Credentials`](crate::StorageErrorKind::Credentials) here.
    pub fn error(&self) -> &StorageError {
        &self.error
    }

    /// How long the lease still runs as the callback is called, which is more than nothing: renewals are
    /// tried again until then, and then the lock is lost.
    pub fn remaining(&self) -> Duration {
        self.remaining
    }
}

pub(crate) type Callback = Box<dyn FnMut(&RenewalTrouble) + Send>;

/// The callbacks of one guard.
#[derive(Default)]
pub(crate) struct Troubles(Mutex<State>);

#[derive(Default)]
struct State {
    listeners: Vec<Arc<Listener>>,
    /// Why renewals have failed since the last that did not.
    failing: Option<Arc<StorageError>>,
}

/// One callback, which never runs twice at once.
struct Listener(Mutex<Place>);

// No callback runs while one of these mutexes is locked.
impl UnwindSafe for Troubles {}
impl RefUnwindSafe for Troubles {}

struct Place {
    /// Not here while it runs.
    callback: Option<Callback>,
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
            trouble: RenewalTrouble { error, remaining },
            since: clock.now(),
            clock: clock.clone(),
        }
    }

    /// What is to be told by now; nothing once the lock is lost, which is not told here.
    fn by_now(self) -> Option<RenewalTrouble> {
        let passed = self.clock.now().at_most_since(self.since);
        let remaining = self.trouble.remaining.saturating_sub(passed);
        (!remaining.is_zero()).then_some(RenewalTrouble {
            remaining,
            ..self.trouble
        })
    }
}

impl Troubles {
    /// Adds one; called at once where renewals are failing, `remaining` before the deadline.
    pub(crate) fn add(&self, callback: Callback, remaining: Duration, clock: &Clock) {
        let listener = Arc::new(Listener(Mutex::new(Place {
            callback: Some(callback),
            waiting: None,
            is_over: false,
        })));
        let failing = {
            let mut state = lock(&self.0);
            state.listeners.push(listener.clone());
            state.failing.clone()
        };
        if let Some(error) = failing {
            listener.tell(News::of(error, remaining, clock));
        }
    }

    /// Notes that a renewal in the background has failed. The first of a row is told.
    pub(crate) fn failed(&self, error: Arc<StorageError>, remaining: Duration, clock: &Clock) {
        let (first, listeners) = {
            let mut state = lock(&self.0);
            let first = state.failing.replace(error.clone()).is_none();
            (first, state.listeners.clone())
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
    pub(crate) fn over(&self) {
        lock(&self.0).failing = None;
    }

    /// Drops all callbacks; one that runs, when it has ended. What it owns may itself call the client
    /// when it is dropped, so this is not for a thread that drives its runtime.
    pub(crate) fn dismiss(&self) {
        let listeners = std::mem::take(&mut lock(&self.0).listeners);
        for listener in listeners {
            let callback = {
                let mut place = lock(&listener.0);
                place.is_over = true;
                place.waiting = None;
                place.callback.take()
            };
            logs::contain(|| drop(callback));
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
            let place = lock(&self.0);
            place.waiting.is_some() && place.callback.is_some()
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
            let mut place = lock(&self.0);
            // Of several threads the first has it.
            if place.callback.is_none() {
                return false;
            }
            match (place.waiting.take(), place.callback.take()) {
                (Some(news), Some(callback)) => (news, callback),
                (_, callback) => {
                    place.callback = callback;
                    return false;
                }
            }
        };
        if let Some(trouble) = news.by_now() {
            logs::contain(|| callback(&trouble));
        }
        let mut place = lock(&self.0);
        if place.is_over {
            drop(place);
            logs::contain(|| drop(callback));
            return false;
        }
        place.callback = Some(callback);
        true
    }
}
