//! What each process of a line of forks has for itself.
//!
//! A forked child has a copy of all of its parent's memory and none of its threads. What such a thread
//! had locked stays locked there for ever, and what it was about to build stays half built: a `Mutex`,
//! a `OnceLock`. So a child must neither use nor take apart what its parent shared between threads;
//! it makes its own, and needs a slot for it that no process before it ever touched.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::sys::forks::Process;

/// How many processes, each forked from the one before, can have something of their own. Those that
/// never ask for it do not count, as the one in the middle of a daemon's double fork.
pub(crate) const GENERATIONS: usize = 8;

/// A slot for this process, and one for each of those that it descends from by forking alone.
///
/// A slot is taken by writing the process's number there, in one step that is done or not done: never
/// half done in a child. Whatever else is in a slot, only the process whose number it bears looks at it.
/// So a slot that a parent's thread was still filling when another one forked is, to the child, just
/// one that is taken.
pub(crate) struct PerProcess<T> {
    slots: [Slot<T>; GENERATIONS],
}

struct Slot<T> {
    /// The process that it belongs to; 0 as long as it is nobody's.
    process: AtomicU64,
    own: OnceLock<T>,
}

impl<T> PerProcess<T> {
    pub(crate) const fn new() -> PerProcess<T> {
        PerProcess {
            slots: [const { Slot::new() }; GENERATIONS],
        }
    }

    /// What this process has; made if it has none yet. Nothing if all slots are taken.
    pub(crate) fn own(&self, make: impl FnOnce() -> T) -> Option<&T> {
        self.of(Process::own(), make)
    }

    fn of(&self, process: Process, make: impl FnOnce() -> T) -> Option<&T> {
        let slot = self.slots.iter().find(|slot| slot.take(process))?;
        // Another thread of this process may be at it: that one is here, and comes to an end.
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

    /// Takes it for a process, unless it is another's.
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
    fn those_that_come_when_all_places_are_taken_have_none() {
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
