//! Pipes between threads and between processes. Programs that are started do not inherit them.

use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};

/// The end to read from, and the end to write to. Neither ever blocks.
pub fn pipe() -> std::io::Result<(OwnedFd, OwnedFd)> {
    Ok(pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?)
}

/// The same, but reading waits for what is written.
pub fn blocking_pipe() -> std::io::Result<(OwnedFd, OwnedFd)> {
    Ok(pipe_with(PipeFlags::CLOEXEC)?)
}

/// What came out of a pipe.
pub enum Read {
    Bytes(usize),
    /// Nothing is there now.
    Nothing,
    /// All that could write to it are gone.
    Closed,
}

/// Reads what is there.
pub fn read(pipe: impl AsFd, into: &mut [u8]) -> Read {
    loop {
        match rustix::io::read(&pipe, &mut *into) {
            Ok(0) => return Read::Closed,
            Ok(bytes) => return Read::Bytes(bytes),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Read::Nothing,
            Err(_) => return Read::Closed,
        }
    }
}

/// Writes a message of at most 512 bytes, whole or not at all. Returns whether the other end is there.
pub fn write(pipe: impl AsFd, message: &[u8]) -> bool {
    loop {
        match rustix::io::write(&pipe, message) {
            Ok(_) => return true,
            Err(Errno::INTR) => {}
            // It is full of messages that say enough.
            Err(Errno::AGAIN) => return true,
            Err(_) => return false,
        }
    }
}
