//! The calls that wait with one handle, and whom they wait for. Nobody tells a handle anything: when it is
//! asked, it looks at what the calls' client knows of the lock.

use std::fmt;
use std::sync::Arc;

use crate::engine::cancellation::Cancellation;
use crate::engine::session::Session;
use crate::engine::wait_queue::WaitQueue;
use crate::protocol::{ExpiryRule, Instant, Location};
use crate::sys::per_process::PerProcess;
use crate::sys::sync::{Mutex, lock};
use crate::types::info::LockInfo;
use crate::types::wait_status::WaitStatus;

/// The calls of one handle. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Waits(Arc<Shared>);

#[derive(Default)]
struct Shared {
    cancellation: Cancellation,
    /// A forked child has none of its parent's calls.
    calls: Calls,
}

struct Calls(PerProcess<Mutex<Vec<Arc<WaitingCall>>>>);

impl Default for Calls {
    fn default() -> Calls {
        Calls(PerProcess::new())
    }
}

/// A call that waits for a lock.
pub(crate) struct WaitingCall {
    pub session: Session,
    pub location: Arc<Location>,
    pub queue: Arc<WaitQueue>,
    pub expiry_rule: ExpiryRule,
    pub start: Instant,
}

/// Keeps a call among those of its handle until this is dropped.
pub(crate) struct Listed<'a> {
    waits: &'a Waits,
    call: Arc<WaitingCall>,
}

impl Waits {
    pub(crate) fn cancellation(&self) -> &Cancellation {
        &self.0.cancellation
    }

    /// Adds a call, which waits from now on.
    pub(crate) fn add(&self, call: WaitingCall) -> Listed<'_> {
        let call = Arc::new(call);
        if let Some(calls) = self.calls() {
            lock(calls).push(call.clone());
        }
        Listed { waits: self, call }
    }

    /// What is known of the call that has waited longest.
    pub(crate) fn status(&self) -> Option<WaitStatus> {
        let calls = lock(self.calls()?);
        calls.first().map(|call| call.status())
    }

    fn calls(&self) -> Option<&Mutex<Vec<Arc<WaitingCall>>>> {
        self.0.calls.0.own(Mutex::default)
    }
}

impl fmt::Debug for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waits")
            .field("is_cancelled", &self.cancellation().is_cancelled())
            .finish_non_exhaustive()
    }
}

impl WaitingCall {
    fn status(&self) -> WaitStatus {
        let now = self.session.clock().now();
        let rule = self.expiry_rule.trusting(self.session.trusts_date());
        let seen = self.queue.last_seen(now, &rule, self.start);
        WaitStatus {
            waited: now.at_least_since(self.start),
            holder: seen.map(|seen| {
                let seen_ago = now.at_least_since(seen.seen_at);
                let info = LockInfo::new(&self.location, seen.record, seen.free_in);
                (info, seen_ago)
            }),
            ahead: self.queue.observations().place.ahead(),
            trouble: self.session.trouble_since(self.start),
        }
    }
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        if let Some(calls) = self.waits.calls() {
            lock(calls).retain(|call| !Arc::ptr_eq(call, &self.call));
        }
    }
}
