//! Shares one request among all callers that ask for the same thing at about the same time.
//! `HeldLock::renew` and `HeldLock::verify` use it.
//!
//! Many threads may share a guard. Each call promises a result from a request that was sent after the call
//! began. So a call cannot use a request that is under way already. But the next request, which waits for
//! that one to end, serves all calls that come meanwhile.

use tokio::sync::watch;

use crate::sys::sync::{Mutex, lock};

/// Where calls of one kind meet.
pub(crate) struct SharedCall<T> {
    /// The call that begins next. Others may still join it.
    next: Mutex<Option<Ending<T>>>,
}

/// Where the outcome of a call arrives.
type Ending<T> = watch::Receiver<Option<T>>;

/// How a caller gets its outcome.
pub(crate) enum Role<'a, T> {
    /// It makes the call, for itself and all that join.
    Lead(Lead<'a, T>),
    /// It waits for another caller's call that has not begun yet.
    Join(Joined<T>),
}

/// A call made for all callers that ask before it begins. If this is dropped before the end, the callers
/// that joined ask again.
pub(crate) struct Lead<'a, T> {
    shared: &'a SharedCall<T>,
    tell: watch::Sender<Option<T>>,
}

/// The place of a caller that has joined a call.
pub(crate) struct Joined<T>(Ending<T>);

impl<T> Default for SharedCall<T> {
    fn default() -> Self {
        SharedCall {
            next: Mutex::default(),
        }
    }
}

impl<T: Clone> SharedCall<T> {
    pub(crate) fn ask(&self) -> Role<'_, T> {
        let mut next = lock(&self.next);
        if let Some(outcome) = &*next {
            return Role::Join(Joined(outcome.clone()));
        }
        let (tell, outcome) = watch::channel(None);
        *next = Some(outcome);
        Role::Lead(Lead { shared: self, tell })
    }
}

impl<T> Lead<'_, T> {
    /// Call this before sending the request: from now on nobody can join.
    pub(crate) fn begin(&self) {
        let mut next = lock(&self.shared.next);
        let is_own = |outcome: &Ending<T>| outcome.same_channel(&self.tell.subscribe());
        if next.as_ref().is_some_and(is_own) {
            *next = None;
        }
    }

    /// Passes the outcome to all callers that have joined.
    pub(crate) fn end(self, outcome: T) {
        self.tell.send_replace(Some(outcome));
    }
}

impl<T> Drop for Lead<'_, T> {
    fn drop(&mut self) {
        self.begin();
    }
}

impl<T: Clone> Joined<T> {
    /// The outcome, or `None` if the leading caller was stopped half way.
    pub(crate) async fn outcome(mut self) -> Option<T> {
        let ended = self.0.wait_for(Option::is_some).await;
        ended.ok()?.clone()
    }
}
