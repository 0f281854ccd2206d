//! A value that each process makes for itself, even after a fork. Clients, the registry and the log
//! queue use it.
//!
//! A forked child has a copy of its parent's memory, but none of the parent's other threads. A `Mutex` that
//! such a thread had locked stays locked in the child for ever. A `OnceLock` that it was filling stays half
//! filled. So a child must neither use nor drop what its parent's threads shared. It makes its own value,
//! in a slot that no process before it has touched.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::sys::forks::Process;

/// How many processes in a chain of forks can have a value. Processes that never ask for one do not count,
/// such as the middle one in a daemon's double fork.
pub(crate) const GENERATIONS: usize = 8;

/// A slot for this process, and one for each ancestor in its chain of forks.
///
/// A process takes a slot by writing its number there, in one atomic step that is never half done in a
/// child. Only the process with that number looks at the rest of the slot. A parent's thread may have been
/// filling a slot at the fork; to the child, that slot is simply taken.
pub(crate) struct PerProcess<T> {
    slots: [Slot<T>; GENERATIONS],
}

struct Slot<T> {
    /// The number of the process that has this slot; 0 if the slot is free.
    process: AtomicU64,
    own: OnceLock<T>,
}

impl<T> PerProcess<T> {
    pub(crate) const fn new() -> PerProcess<T> {
        PerProcess {
            slots: [const { Slot::new() }; GENERATIONS],
        }
    }

    /// This process's value, made if there is none yet. `None` if all slots are taken.
    pub(crate) fn own(&self, make: impl FnOnce() -> T) -> Option<&T> {
        self.of(Process::own(), make)
    }

    fn of(&self, process: Process, make: impl FnOnce() -> T) -> Option<&T> {
        let slot = self.slots.iter().find(|slot| slot.take(process))?;
        // Another thread of this process may be making it. That thread exists here, so it will finish.
        Some(slot.own.get_or_init(make))
    }
}

impl<T> Slot<T> {
    const fn new() -> Slot<T> {
        Slot {
            process: AtomicU64::new(0),
            own: OnceLock::new(),
        }
    }

    /// Takes the slot for a process, unless another process has it.
    fn take(&self, process: Process) -> bool {
        let process = process.number();
        let taken = self
            .process
            .compare_exchange(0, process, Ordering::Relaxed, Ordering::Relaxed);
        taken.is_ok() || taken == Err(process)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    const SEVEN: Process = Process::other(7);

    #[test]
    fn a_process_has_the_same_each_time() {
        let per_process = PerProcess::new();
        assert_eq!(per_process.of(SEVEN, || "first"), Some(&"first"));
        assert_eq!(per_process.of(SEVEN, || "second"), Some(&"first"));
    }

    #[test]
    fn each_process_has_its_own() {
        let per_process = PerProcess::new();
        for process in [7, 8, 9] {
            assert_eq!(
                per_process.of(Process::other(process), || process),
                Some(&process)
            );
        }
        assert_eq!(per_process.of(Process::other(8), || 0), Some(&8));
    }

    #[test]
    fn a_process_gets_no_value_when_all_slots_are_taken() {
        let per_process = PerProcess::new();
        for process in 1..=8 {
            assert!(per_process.of(Process::other(process), || ()).is_some());
        }
        assert!(per_process.of(Process::other(9), || ()).is_none());
        assert!(per_process.of(Process::other(8), || ()).is_some());
    }

    #[test]
    fn a_child_does_not_wait_for_what_its_parent_was_making_when_it_forked() {
        let per_process = PerProcess::new();
        let (begun, begins) = mpsc::channel();
        let (end, ended) = mpsc::channel::<()>();
        thread::scope(|scope| {
            let making = move || {
                begun.send(()).unwrap();
                let _ = ended.recv();
                "parent"
            };
            scope.spawn(|| per_process.of(SEVEN, making));
            begins.recv().unwrap();
            assert_eq!(
                per_process.of(Process::other(8), || "child"),
                Some(&"child")
            );
            drop(end);
        });
        assert_eq!(per_process.of(SEVEN, || "again"), Some(&"parent"));
    }
}
