//! What is told of a lock that is held: that it cannot be renewed, and that it is lost.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use s3_lock::LockGuard;

use crate::output::message;
use crate::system::pipe::{self, Read, pipe};

/// Wakes up who waits when a lock is lost.
pub struct Alarm(OwnedFd);

impl Alarm {
    /// From now on, trouble with this lock is told, and its loss wakes up who waits.
    pub fn of(guard: &LockGuard) -> io::Result<Alarm> {
        let (out, into) = pipe()?;
        guard.on_lost(move |_| {
            pipe::write(&into, &[1]);
        });
        guard.on_trouble(|trouble| {
            let (left, error) = (trouble.remaining().as_secs(), trouble.error());
            message::warning(&format!(
                "the lock could not be renewed, and is held for {left} s more: {error}"
            ));
        });
        Ok(Alarm(out))
    }

    /// What to wait for.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Waits for the next one.
    pub fn reset(&self) {
        let mut bytes = [0; 8];
        while let Read::Bytes(_) = pipe::read(&self.0, &mut bytes) {}
    }
}
