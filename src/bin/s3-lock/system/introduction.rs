//! How a new process introduces itself to the watchdog.

use std::os::fd::BorrowedFd;

/// What a new process does before the program begins.
#[derive(Clone, Copy)]
pub struct Introduction<'a> {
    /// It says its number here, as four bytes,
    pub hello: BorrowedFd<'a>,
    /// and waits for one byte here.
    pub welcome: BorrowedFd<'a>,
    /// The kernel kills it when the thread ends that has started it.
    pub dies_with_parent: bool,
}
