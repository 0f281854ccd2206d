//! One request for all who ask for the same thing at about the same time.
//!
//! Many threads may share a guard, and each of its calls promises to be told of what was so after it
//! had begun. So a request that is under way already is of no use to a call; but the next one, which
//! waits for that to end, serves all that come meanwhile.

use tokio::sync::watch;

use crate::sys::sync::{Mutex, lock};

/// Where calls of one kind meet.
pub(crate) struct SharedCall<T> {
    /// The call that is to begin next, which others may still join.
    next: Mutex<Option<Ending<T>>>,
}

/// What becomes of a call.
type Ending<T> = watch::Receiver<Option<T>>;

/// How a caller comes to an outcome.
pub(crate) enum Role<'a, T> {
    /// By making the call, for itself and all who join.
    Lead(Lead<'a, T>),
    /// By waiting for another's that has not begun yet.
    Join(Joined<T>),
}

/// A call that is made for everybody who asks before it begins. Where it is dropped before its end,
/// those who have joined ask anew.
pub(crate) struct Lead<'a, T> {
    shared: &'a SharedCall<T>,
    tell: watch::Sender<Option<T>>,
}

/// The place of one who has joined a call.
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
    /// To be called before the request is sent: from now on nobody can join.
    pub(crate) fn begin(&self) {
        let mut next = lock(&self.shared.next);
        let is_own = |outcome: &Ending<T>| outcome.same_channel(&self.tell.subscribe());
        if next.as_ref().is_some_and(is_own) {
            *next = None;
        }
    }

    /// Tells all who have joined.
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
    /// What became of it; nothing if who made the call was stopped half way.
    pub(crate) async fn outcome(mut self) -> Option<T> {
        let ended = self.0.wait_for(Option::is_some).await;
        ended.ok()?.clone()
    }
}
