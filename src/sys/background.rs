//! Runs a client's background tasks on one thread. `engine/watch.rs` adds a task for each lock that it
//! watches.
//!
//! The thread starts with the first task and ends with the last. There is at most one. The tasks share it,
//! so none of them may block. A task that awaits a reply or a timer delays no other.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::{JoinError, JoinSet};

use crate::sys::arrivals::Arrivals;
use crate::sys::clock::Clock;

/// A task. Each call starts it from the beginning.
pub(crate) type Task = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// Hands tasks to the thread.
#[derive(Default)]
pub(crate) struct Background {
    arrivals: Arrivals<Task>,
}

/// The pause before a task that has panicked is started again.
const RESTART_PAUSE: Duration = Duration::from_millis(100);

impl Background {
    /// Hands a task to the thread. If there is no thread, calls `start`, which must start one that calls
    /// [`run`](Background::run).
    pub(crate) fn add(
        &self,
        task: Task,
        start: impl FnOnce(UnboundedReceiver<Task>) -> io::Result<()>,
    ) -> io::Result<()> {
        self.arrivals.hand_over(task, start)
    }

    /// The body of the thread: runs all tasks that arrive, until none is left. Starts a task again if it
    /// panics, which none should.
    pub(crate) async fn run(&self, mut arrivals: UnboundedReceiver<Task>, clock: &Clock) {
        let mut running = JoinSet::new();
        let mut tasks = HashMap::new();
        loop {
            tokio::select! {
                Some(task) = arrivals.recv() => {
                    tasks.insert(running.spawn(task()).id(), task);
                }
                Some(ended) = running.join_next_with_id() => {
                    let id = ended.as_ref().map_or_else(JoinError::id, |(id, ())| *id);
                    let task = tasks.remove(&id);
                    if let (Err(_), Some(task)) = (ended, task) {
                        let again = restarted(task.clone(), clock.clone());
                        tasks.insert(running.spawn(again).id(), task);
                    }
                    if running.is_empty() && self.arrivals.end(&arrivals) {
                        return;
                    }
                }
                else => return,
            }
        }
    }
}

async fn restarted(task: Task, clock: Clock) {
    clock.sleep(RESTART_PAUSE).await;
    task().await;
}
