//! What is told of a held lock: that it is lost, or could not be given back. (That it could not be renewed, the library logs.)

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use s3_lock::{LockError, LockGuard};

use crate::output::causes::with_causes;
use crate::output::message;
use crate::system::pipe::{self, Read, pipe};

/// Wakes up who waits when a lock is lost.
pub struct Alarm(OwnedFd);

impl Alarm {
    /// From now on, the loss of this lock wakes up who waits.
    pub fn of(guard: &LockGuard) -> io::Result<Alarm> {
        let (out, into) = pipe()?;
        guard.on_lost(move |_| {
            pipe::write(&into, &[1]);
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

/// Tells that a lock could not be given back.
pub fn tell_not_released(error: &LockError) {
    let why = with_causes(error);
    message::warning(&format!(
        "the lock was not released, and its lease ends it: {why}"
    ));
}
