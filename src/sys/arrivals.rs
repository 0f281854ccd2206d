//! Hands items to a thread that exists only while it has work. `Background` uses it to pass tasks to a
//! client's background thread.

use std::io;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::sys::sync::{Mutex, lock};

/// Hands items to such a thread.
pub(crate) struct Arrivals<T> {
    /// `Some` while the thread runs.
    line: Mutex<Option<UnboundedSender<T>>>,
}

impl<T> Default for Arrivals<T> {
    fn default() -> Self {
        Arrivals {
            line: Mutex::default(),
        }
    }
}

impl<T: Clone + Send + Sync + 'static> Arrivals<T> {
    /// Hands an item to the thread. Calls `start` to start the thread if there is none.
    pub(crate) fn hand_over(
        &self,
        item: T,
        start: impl FnOnce(UnboundedReceiver<T>) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut line = lock(&self.line);
        // A running thread receives the item: it announces its end under this mutex.
        if line
            .as_ref()
            .is_some_and(|line| line.send(item.clone()).is_ok())
        {
            return Ok(());
        }
        let (sender, arrivals) = unbounded_channel();
        start(arrivals)?;
        let sent = sender.send(item).map_err(io::Error::other);
        *line = Some(sender);
        sent
    }

    /// Announces the end of the thread, unless there is more work. Returns whether the thread may end.
    pub(crate) fn end(&self, arrivals: &UnboundedReceiver<T>) -> bool {
        let mut line = lock(&self.line);
        if arrivals.is_empty() {
            *line = None;
        }
        line.is_none()
    }
}
