//! One look-up of credentials, and those who wait for it.

use std::sync::{Arc, Mutex};

use rusoto_core::credential::AwsCredentials;
use tokio::sync::watch;

use crate::store::s3::credentials::tools::Failure;
use crate::sys::sync::lock;

/// How a look-up ended.
#[derive(Clone)]
pub(super) enum Outcome {
    Found(AwsCredentials),
    Failed(Failure),
}

/// A look-up that is under way, or was.
#[derive(Clone)]
pub(super) struct LookUp {
    outcome: watch::Receiver<Option<Outcome>>,
    waiting: Arc<Mutex<Waiting>>,
}

struct Waiting {
    count: usize,
    /// Whether there was a time when nobody waited.
    neglected: bool,
}

/// The end at which the outcome is told.
pub(super) struct Teller {
    outcome: watch::Sender<Option<Outcome>>,
    waiting: Arc<Mutex<Waiting>>,
}

impl LookUp {
    pub(super) fn begin() -> (LookUp, Teller) {
        let (sender, outcome) = watch::channel(None);
        let waiting = Arc::new(Mutex::new(Waiting {
            count: 0,
            neglected: false,
        }));
        let teller = Teller {
            outcome: sender,
            waiting: waiting.clone(),
        };
        (LookUp { outcome, waiting }, teller)
    }

    /// Whether an outcome is to be expected: not if its task has panicked.
    pub(super) fn is_alive(&self) -> bool {
        self.outcome.has_changed().is_ok()
    }

    pub(super) fn wait(self) -> Waiter {
        let mut waiting = lock(&self.waiting);
        waiting.count += 1;
        let late = waiting.neglected;
        drop(waiting);
        Waiter {
            look_up: self,
            late,
        }
    }
}

impl Teller {
    pub(super) fn was_neglected(&self) -> bool {
        let waiting = lock(&self.waiting);
        waiting.neglected || waiting.count == 0
    }

    pub(super) fn tell(&self, outcome: Outcome) {
        self.outcome.send_replace(Some(outcome));
    }
}

/// Somebody who waits for a look-up.
pub(super) struct Waiter {
    look_up: LookUp,
    late: bool,
}

impl Waiter {
    /// How it ended; nothing if its task has panicked.
    pub(super) async fn outcome(&mut self) -> Option<Outcome> {
        let told = self.look_up.outcome.wait_for(Option::is_some).await;
        told.ok()?.clone()
    }

    /// Whether nobody was waiting at some time before this one came. Between calls nobody drives a
    /// look-up, and its time may have run out while it stood still.
    pub(super) fn came_late(&self) -> bool {
        self.late
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut waiting = lock(&self.look_up.waiting);
        waiting.count -= 1;
        waiting.neglected |= waiting.count == 0;
    }
}
