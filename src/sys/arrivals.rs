//! The way to a thread that is there only while it has something to do.

use std::io;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::sys::sync::{Mutex, lock};

/// Where items are handed to such a thread.
pub(crate) struct Arrivals<T> {
    /// There while the thread is.
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
    /// Hands an item to the thread; `start` is asked to run it if there is none.
    pub(crate) fn hand_over(
        &self,
        item: T,
        start: impl FnOnce(UnboundedReceiver<T>) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut line = lock(&self.line);
        // Where the thread is, it receives: it announces its end under the same mutex.
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

    /// Announces the end of the thread, unless there is more for it to do.
    pub(crate) fn end(&self, arrivals: &UnboundedReceiver<T>) -> bool {
        let mut line = lock(&self.line);
        if arrivals.is_empty() {
            *line = None;
        }
        line.is_none()
    }
}
