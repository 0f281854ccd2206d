//! Handles forks of this process. It tells a child from its parent even if their process ids are equal. It
//! also delays a fork that would leave the child with a lock that nobody releases. Sessions, guards and the
//! per-process slots ask here which process they run in.
//!
//! **Which process this is.** A child may have the id of its parent (if each is the first process of its PID
//! namespace) or of a dead ancestor. So each process draws a number for itself, and a fork erases it: the
//! number lives in a page of memory that the kernel wipes in every child (`MADV_WIPEONFORK`, Linux 4.14),
//! made by `fork` or by a bare `clone`. The counter for the numbers is in ordinary memory, which a child
//! inherits. So the child draws a number that no process before it has had. If the kernel cannot wipe the
//! page, and on other systems, a `pthread_atfork` handler clears the number, and the process id is compared
//! as well. That finds a bare `clone` if its id differs.
//!
//! A child that shares its parent's memory (`vfork`, or `CLONE_VM`) counts as the same process, like a
//! thread.
//!
//! **What a fork waits for.** Some state is set up once for a whole process, outside this crate: tokio's
//! registry of signals, OpenSSL, and OpenSSL's own locks. A child that inherits it half done hangs. A thread
//! that works on such state is in a [`Section`], and a fork waits until no thread is in one.
//!
//! Each step in this file is one atomic operation, so a child never finds one half done.

#![expect(
    unsafe_code,
    reason = "only the C library offers memory that a fork wipes, and handlers of forks"
)]

use std::cell::Cell;
use std::marker::PhantomData;
use std::process;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

/// The identity of a process. It differs from that of every ancestor and descendant by forking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process(u64);

/// A thread is in a section while a fork would harm the child. A fork waits for all sections to end, and for
/// threads that already wait to begin one. A thread that begins a section waits for the forks under way.
/// Neither waits for ever: if two threads wait for each other this way, a stall is better than a deadlock.
pub(crate) struct Section {
    process: Process,
    /// Makes this `!Send`: it counts for the thread that began it.
    _of_this_thread: PhantomData<*const ()>,
}

/// The state that a child must not inherit.
struct ProcessPage {
    /// The number of the process; 0 if it has not drawn one yet.
    number: AtomicU64,
    /// The number of threads in sections; in the upper half, the number of threads that fork.
    gate: AtomicU32,
    /// How many threads wait to begin a section. They go before forks that come later.
    waiting: AtomicU32,
}

/// This process's page.
static PAGE: AtomicPtr<ProcessPage> = AtomicPtr::new(ptr::null_mut());
/// The page to use if the system has no memory that a fork wipes.
static UNWIPED: ProcessPage = ProcessPage {
    number: AtomicU64::new(0),
    gate: AtomicU32::new(0),
    waiting: AtomicU32::new(0),
};
/// The next number. A child inherits it and counts on from there.
static NEXT: AtomicU32 = AtomicU32::new(1);
/// One forking thread, in the upper half of the gate.
const FORK: u32 = 1 << 16;
/// How often a fork checks the gate: for over a second, with naps of [`NAP`].
const LOOKS: u32 = 10_000;
/// The same for a thread that begins a section. A request has many sections, and their waits must not add up
/// to a lease. If forks take longer than this, a child that hangs is better than a parent that loses its lock.
const SECTION_LOOKS: u32 = 500;
const NAP: std::time::Duration = std::time::Duration::from_micros(100);

thread_local! {
    /// How many sections this thread is in.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    /// Whether this thread is forking.
    static FORKING: Cell<bool> = const { Cell::new(false) };
}

impl Process {
    /// This process. Costs a few nanoseconds; without a wiped page, a system call (160 ns on Linux 6.18).
    pub(crate) fn own() -> Process {
        let page = page();
        let number = page.number.load(Ordering::Relaxed);
        if number != 0 && (is_wiped(page) || has_this_process_id(number)) {
            return Process(number);
        }
        page.draw(number)
    }

    /// The number of the process, never 0.
    pub(crate) fn number(self) -> u64 {
        self.0
    }

    /// Whether it is the current process.
    pub(crate) fn is_own(self) -> bool {
        self == Process::own()
    }

    /// An identity that no real process has.
    #[cfg(test)]
    pub(crate) const fn other(number: u32) -> Process {
        Process(number as u64)
    }
}

impl ProcessPage {
    /// Draws a number for this process, and replaces `stale`, which is another process's number or 0.
    #[cold]
    fn draw(&self, stale: u64) -> Process {
        // The upper half is never 0, so the number is not 0 either.
        let drawn = u64::from(NEXT.fetch_add(1, Ordering::Relaxed)) << 32;
        let drawn = drawn | u64::from(process::id());
        let set = self
            .number
            .compare_exchange(stale, drawn, Ordering::Relaxed, Ordering::Relaxed);
        // Another thread of this process may have been faster.
        Process(set.err().unwrap_or(drawn))
    }
}

impl ProcessPage {
    /// Counts this thread as in a section, once the forks under way are over.
    fn enter(&self) {
        let is_open = |state: u32| (state < FORK).then_some(state + 1);
        let gate = &self.gate;
        let enter = || gate.fetch_update(Ordering::AcqRel, Ordering::Acquire, is_open);
        if enter().is_ok() {
            return;
        }
        self.waiting.fetch_add(1, Ordering::AcqRel);
        if !wait(SECTION_LOOKS, || enter().is_ok()) {
            gate.fetch_add(1, Ordering::AcqRel);
        }
        self.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Whether a process with this process's id drew the number.
fn has_this_process_id(number: u64) -> bool {
    number & u64::from(u32::MAX) == u64::from(process::id())
}

fn is_wiped(page: &ProcessPage) -> bool {
    !ptr::eq(page, &raw const UNWIPED)
}

fn page() -> &'static ProcessPage {
    page_if_set_up().unwrap_or_else(set_up)
}

fn page_if_set_up() -> Option<&'static ProcessPage> {
    let page = PAGE.load(Ordering::Acquire);
    // SAFETY: it is null, or `UNWIPED`, or a mapping that is large enough, aligned to a page, never
    // unmapped once it is in `PAGE`, and only ever reached by atomic operations. All bits zero, as the
    // kernel leaves them, is a valid page.
    unsafe { page.as_ref() }
}

#[cold]
fn set_up() -> &'static ProcessPage {
    // First, before any thread is in a section, or has a number that only a handler clears.
    register_handlers();
    let page = map_wiped().unwrap_or((&raw const UNWIPED).cast_mut());
    let set = PAGE.compare_exchange(ptr::null_mut(), page, Ordering::AcqRel, Ordering::Acquire);
    if set.is_err() {
        unmap(page);
    }
    self::page()
}

/// Maps a page that a fork wipes, if the kernel supports that.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn map_wiped() -> Option<*mut ProcessPage> {
    let (read_write, private) = (
        libc::PROT_READ | libc::PROT_WRITE,
        libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
    );
    // SAFETY: a new mapping at an address that the kernel chooses touches no memory that is in use.
    let page = unsafe { libc::mmap(ptr::null_mut(), SIZE, read_write, private, -1, 0) };
    if page == libc::MAP_FAILED {
        return None;
    }
    // SAFETY: the range is the mapping that was just made, and nothing is in it yet.
    let refused = unsafe { libc::madvise(page, SIZE, libc::MADV_WIPEONFORK) } != 0;
    if refused {
        unmap(page.cast());
    }
    (!refused).then_some(page.cast())
}

#[cfg(any(target_os = "linux", target_os = "android"))]
const SIZE: usize = size_of::<ProcessPage>();

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn map_wiped() -> Option<*mut ProcessPage> {
    None
}

/// Unmaps a page that was never published in `PAGE`.
fn unmap(page: *mut ProcessPage) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if !ptr::eq(page, &raw const UNWIPED) {
        // SAFETY: it is a mapping of this size, and there is no reference to it.
        unsafe { libc::munmap(page.cast(), SIZE) };
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = page;
}

/// Registers the fork handlers. They may be registered twice, if a second thread sets up at the same time,
/// or a child forked during the set-up. The handlers allow for that.
#[cfg(unix)]
fn register_handlers() {
    // SAFETY: the handlers are functions of this program without arguments. They do only what is permitted
    // in a forked child: atomic operations, and thread-locals that need no set-up.
    // Registering fails if there is no memory for it. Then no fork waits for a section, but a wiped page
    // still tells a child from its parent.
    let _ = unsafe {
        libc::pthread_atfork(
            Some(before_fork),
            Some(after_fork_in_parent),
            Some(after_fork_in_child),
        )
    };
}

#[cfg(not(unix))]
fn register_handlers() {}

#[cfg(unix)]
extern "C" fn before_fork() {
    if FORKING.get() {
        return; // called already
    }
    // Never set up here: no handlers may be registered while handlers are called.
    let Some(ProcessPage { gate, waiting, .. }) = page_if_set_up() else {
        return;
    };
    // Otherwise threads that fork again and again would keep all others out of sections.
    let _ = wait(LOOKS, || waiting.load(Ordering::Acquire) == 0);
    gate.fetch_add(FORK, Ordering::AcqRel);
    FORKING.set(true);
    let own = u32::from(DEPTH.get() > 0);
    let _ = wait(LOOKS, || gate.load(Ordering::Acquire) % FORK <= own);
}

#[cfg(unix)]
extern "C" fn after_fork_in_parent() {
    if let (true, Some(page)) = (FORKING.replace(false), page_if_set_up()) {
        page.gate.fetch_sub(FORK, Ordering::AcqRel);
    }
}

#[cfg(unix)]
extern "C" fn after_fork_in_child() {
    FORKING.set(false);
    // The other threads do not exist here. This thread's section is over too: it began in the parent.
    DEPTH.set(0);
    if let Some(page) = page_if_set_up() {
        page.number.store(0, Ordering::Relaxed);
        page.gate.store(0, Ordering::Release);
        page.waiting.store(0, Ordering::Release);
    }
}

impl Section {
    pub(crate) fn begin() -> Section {
        let depth = DEPTH.get();
        if depth == 0 {
            page().enter();
        }
        DEPTH.set(depth + 1);
        Section {
            process: Process::own(),
            _of_this_thread: PhantomData,
        }
    }
}

impl Drop for Section {
    fn drop(&mut self) {
        if !self.process.is_own() {
            return;
        }
        let depth = DEPTH.get() - 1;
        DEPTH.set(depth);
        if depth == 0 {
            page().gate.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

/// Waits until `is_so` is true, for at most `looks` checks. Returns whether it became true.
#[expect(
    clippy::disallowed_methods,
    reason = "it lasts only as long as a fork, and a fork handler has no clock"
)]
fn wait(looks: u32, is_so: impl Fn() -> bool) -> bool {
    for look in 0..looks {
        if is_so() {
            return true;
        }
        match look {
            0..100 => std::thread::yield_now(),
            _ => std::thread::sleep(NAP),
        }
    }
    false
}

#[cfg(all(test, unix))]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::sync::{Mutex, mpsc};
    use std::thread;
    use std::time::Duration;

    use super::*;

    /// Forks, and returns the result of `child` in the child process.
    fn in_child(child: impl FnOnce() -> u8) -> i32 {
        // SAFETY: the child calls only the functions under test, which neither allocate nor lock, and then
        // ends.
        unsafe {
            let pid = libc::fork();
            assert!(pid >= 0, "this process can fork");
            if pid == 0 {
                libc::_exit(i32::from(child()));
            }
            let mut status = 0;
            assert_eq!(libc::waitpid(pid, &raw mut status, 0), pid);
            assert!(libc::WIFEXITED(status));
            libc::WEXITSTATUS(status)
        }
    }

    #[test]
    fn a_process_is_the_same_in_all_of_its_threads_and_another_in_a_child() {
        let own = Process::own();
        assert!(thread::spawn(move || own.is_own()).join().unwrap());
        assert_eq!(in_child(|| u8::from(own.is_own())), 0);
        assert!(own.is_own());
    }

    #[test]
    fn a_child_draws_a_number_that_no_process_before_it_had() {
        let own = Process::own();
        let drawn = |process: Process| process.number() >> 32;
        assert_eq!(in_child(|| u8::from(drawn(Process::own()) > drawn(own))), 1);
    }

    #[test]
    fn a_number_that_was_drawn_under_another_id_is_not_this_ones() {
        assert!(has_this_process_id(Process::own().number()));
        assert!(!has_this_process_id(Process::own().number() ^ 1));
    }

    #[test]
    fn a_fork_waits_for_the_end_of_a_section_of_another_thread() {
        let is_over = AtomicBool::new(false);
        let (begun, begins) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(|| {
                let _section = Section::begin();
                begun.send(()).unwrap();
                #[expect(
                    clippy::disallowed_methods,
                    reason = "a fork that does not wait must come before the end of the section"
                )]
                thread::sleep(Duration::from_millis(100));
                is_over.store(true, Ordering::Relaxed);
            });
            begins.recv().unwrap();
            assert_eq!(in_child(|| u8::from(is_over.load(Ordering::Relaxed))), 1);
        });
    }

    #[test]
    fn a_fork_waits_behind_a_thread_that_waits_for_a_section_already() {
        let order = Mutex::new(Vec::new());
        thread::scope(|scope| {
            before_fork();
            let waiting = page().waiting.load(Ordering::Relaxed);
            let section = scope.spawn(|| {
                let _section = Section::begin();
                order.lock().unwrap().push("section");
            });
            while page().waiting.load(Ordering::Relaxed) <= waiting && !section.is_finished() {
                thread::yield_now();
            }
            let fork = scope.spawn(|| {
                before_fork();
                order.lock().unwrap().push("fork");
                after_fork_in_parent();
            });
            section.join().unwrap();
            after_fork_in_parent();
            fork.join().unwrap();
        });
        assert_eq!(order.into_inner().unwrap(), ["section", "fork"]);
    }

    #[test]
    fn a_thread_that_forks_within_its_own_section_waits_for_nobody_and_its_child_has_left_it() {
        let outer = Section::begin();
        let inner = Section::begin();
        let depth_in_child = || u8::try_from(DEPTH.get()).unwrap_or(u8::MAX);
        assert_eq!(in_child(depth_in_child), 0);
        drop((inner, outer));
        assert_eq!(DEPTH.get(), 0);
    }

    #[test]
    fn a_section_that_was_begun_in_another_process_ends_nothing_in_this_one() {
        let section = Section::begin();
        let ended = || {
            drop(section);
            drop(Section::begin());
            u8::from(page().gate.load(Ordering::Relaxed) == 0)
        };
        assert_eq!(in_child(ended), 1);
    }
}
