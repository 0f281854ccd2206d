//! Watching and cancelling calls that wait for a lock.

use std::fmt;

use crate::engine::waits::Waits;
use crate::types::wait_status::WaitStatus;

/// Watches the calls that wait for a lock, and ends them: for a program that shows whom it waits for, or that is
/// told to stop while it waits. Give it to [`S3LockBuilder::wait_handle`](crate::S3LockBuilder::wait_handle).
///
/// Clones are the same handle. Several locks may be built with one.
///
/// # Examples
///
/// ```
/// use std::thread;
/// use std::time::Duration;
/// use s3_lock::{Client, LockError, S3Lock, WaitHandle};
///
/// let client = Client::in_memory();
/// let held = S3Lock::builder("my-bucket", "nightly").client(client.clone()).build()?;
/// let _guard = held.acquire("host-17")?;
///
/// let handle = WaitHandle::new();
/// let lock = S3Lock::builder("my-bucket", "nightly").wait_handle(&handle);
/// let lock = lock.client(client).build()?;
/// let refused = thread::scope(|scope| {
///     let waiting = scope.spawn(|| lock.acquire_within("host-18", Duration::MAX));
///     // Another thread shows the wait, and ends it when the program is told to stop.
///     let status = loop {
///         match handle.status() {
///             Some(status) if status.holder().is_some() => break status,
///             _ => thread::sleep(Duration::from_millis(10)),
///         }
///     };
///     assert_eq!(status.holder().map(|holder| holder.owner()), Some("host-17"));
///     handle.cancel();
///     waiting.join().unwrap()
/// });
/// assert!(matches!(refused, Err(LockError::Cancelled { .. })));
/// # Ok::<(), LockError>(())
/// ```
#[derive(Clone, Default)]
pub struct WaitHandle {
    pub(crate) waits: Waits,
}

impl WaitHandle {
    /// A new handle, which nothing waits with yet.
    pub fn new() -> WaitHandle {
        WaitHandle::default()
    }

    /// Ends every acquire of the locks that were built with this handle, now and later: each returns
    /// [`LockError::Cancelled`](crate::LockError::Cancelled). It cannot be taken back; to wait again, build a lock
    /// with a new handle. Does not block, and may be called on any thread (but not in a signal handler, as it
    /// takes a mutex).
    ///
    /// A call ends within a few milliseconds if it has nothing to clear up, wherever it stands: asleep, behind
    /// another thread of its client, in a read that hangs, in a look-up of credentials. As after a limit, it has
    /// 2 × `request_timeout` to give its ticket back and to undo an attempt. A write that is under way has a fifth
    /// of a `request_timeout` of that to be answered. If it turns out to have taken the lock, the call returns the
    /// guard, so a cancelled call may still succeed. If the outcome stays unknown, the call says so
    /// ([`LockError::Storage`](crate::LockError::Storage)). A call that is cancelled before it begins sends
    /// nothing.
    ///
    /// Guards that were handed out before stay as they are, and all other calls of the locks.
    pub fn cancel(&self) {
        self.waits.cancellation().cancel();
    }

    /// Whether it was cancelled. Local, no I/O. A forked child inherits it.
    pub fn is_cancelled(&self) -> bool {
        self.waits.cancellation().is_cancelled()
    }

    /// What the call knows that has waited longest with this handle; none if no call waits. Local, no I/O; it
    /// does not block.
    ///
    /// A call waits from its beginning to its end. [`try_acquire`](crate::S3Lock::try_acquire) never does. A
    /// forked child sees none of its parent's calls.
    pub fn status(&self) -> Option<WaitStatus> {
        self.waits.status()
    }
}

impl fmt::Debug for WaitHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitHandle")
            .field("is_cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}
