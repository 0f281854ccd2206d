//! Watches a process that is not a child of this one.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

/// A process on whose behalf this one works.
pub struct Parent {
    id: Pid,
    /// Can be read once the process has ended. It stands for the process even if its id goes to another. None if the
    /// system has no such thing.
    ended: Option<OwnedFd>,
}

impl Parent {
    /// An error if there is no such process.
    pub fn watch(id: u32) -> io::Result<Parent> {
        let id = i32::try_from(id).ok().and_then(Pid::from_raw);
        let id = id.ok_or(io::ErrorKind::NotFound)?;
        if !exists(id) {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(Parent {
            id,
            ended: end_of(id),
        })
    }

    /// What to wait for.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.ended.as_ref().map(AsFd::as_fd)
    }

    pub fn has_ended(&self) -> bool {
        match &self.ended {
            Some(ended) => crate::system::events::can_be_read(ended.as_fd()),
            None => !exists(self.id),
        }
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn end_of(id: Pid) -> Option<OwnedFd> {
    use rustix::process::{PidfdFlags, pidfd_open};
    pidfd_open(id, PidfdFlags::empty()).ok()
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn end_of(_: Pid) -> Option<OwnedFd> {
    None
}

fn exists(id: Pid) -> bool {
    // Somebody else's process is one, too.
    matches!(test_kill_process(id), Ok(()) | Err(Errno::PERM))
}
