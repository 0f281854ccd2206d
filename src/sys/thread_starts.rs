//! Whether the threads that this process starts begin.
//!
//! Each thread takes a lock of the standard library as it begins, and again as it ends. A child that is forked
//! in between inherits that lock, and nobody releases it there. Then the child can start threads, but none
//! ever begins. Where one has begun, all will, however late.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::sys::forks::Process;

/// What is known of it. Each half holds the number of the process that found it out, so a child does not
/// take over what its parent knew. 0 is no process's number.
pub(crate) struct ThreadStarts {
    begun: AtomicU64,
    late: AtomicU64,
}

impl ThreadStarts {
    pub(crate) const fn new() -> ThreadStarts {
        ThreadStarts {
            begun: AtomicU64::new(0),
            late: AtomicU64::new(0),
        }
    }

    /// A thread calls this first.
    pub(crate) fn note_begun(&self) {
        self.begun.store(Process::own().number(), Ordering::Relaxed);
    }

    /// Whoever has waited long enough for a thread calls this.
    pub(crate) fn note_late(&self) {
        self.late.store(Process::own().number(), Ordering::Relaxed);
    }

    /// Whether a thread has begun.
    pub(crate) fn have_begun(&self) -> bool {
        self.have_begun_in(Process::own())
    }

    /// Whether one was late, and none has begun since or before.
    pub(crate) fn do_not_begin(&self) -> bool {
        self.do_not_begin_in(Process::own())
    }

    fn have_begun_in(&self, process: Process) -> bool {
        self.begun.load(Ordering::Relaxed) == process.number()
    }

    fn do_not_begin_in(&self, process: Process) -> bool {
        self.late.load(Ordering::Relaxed) == process.number() && !self.have_begun_in(process)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_do_not_begin_while_one_is_late_and_none_has_begun() {
        let starts = ThreadStarts::new();
        assert!(!starts.do_not_begin());
        starts.note_late();
        assert!(starts.do_not_begin());
        starts.note_begun();
        assert!(!starts.do_not_begin() && starts.have_begun());
        starts.note_late();
        assert!(!starts.do_not_begin());
    }

    #[test]
    fn a_child_finds_out_for_itself() {
        let starts = ThreadStarts::new();
        let child = Process::other(7);
        starts.note_late();
        assert!(!starts.do_not_begin_in(child));
        starts.note_begun();
        assert!(!starts.have_begun_in(child));
    }
}
