//! A thread that runs tasks on a runtime, for as long as there are any.
//!
//! There is none until the first task is added, and at most one. The tasks share its thread, so none of
//! them may block; one that waits for its own reply or timer delays no other.

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

/// What a task does, from its beginning each time that it is called.
pub(crate) type Task = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// The way to the thread.
#[derive(Default)]
pub(crate) struct Background {
    arrivals: Arrivals<Task>,
}

/// How long a task that has panicked rests before it is begun again.
const REST: Duration = Duration::from_millis(100);

impl Background {
    /// Has the thread run a task. `start` is asked to start the thread if there is none, and has it call
    /// [`run`](Background::run).
    pub(crate) fn add(
        &self,
        task: Task,
        start: impl FnOnce(UnboundedReceiver<Task>) -> io::Result<()>,
    ) -> io::Result<()> {
        self.arrivals.hand_over(task, start)
    }

    /// What the thread does: runs all tasks that arrive, until none is left. One that panics, which none
    /// should, is begun again.
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
                        let again = begun_again(task.clone(), clock.clone());
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

async fn begun_again(task: Task, clock: Clock) {
    clock.sleep(REST).await;
    task().await;
}
