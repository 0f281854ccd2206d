//! Signals that this process gets, as messages in a pipe.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::process::Signal;

use crate::system::pipe::{self, Read, pipe};
use crate::system::unsafe_calls;

/// What people and the terminal send to stop something.
pub const ENDING: [Signal; 4] = [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT];

/// A signal that has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    pub signal: Signal,
    /// Whether the system sent it, as a terminal does to its foreground, and not a process.
    pub by_system: bool,
}

/// Collects signals.
pub struct Signals {
    out: OwnedFd,
    into: OwnedFd,
}

impl Signals {
    pub fn new() -> io::Result<Signals> {
        let (out, into) = pipe()?;
        Ok(Signals { out, into })
    }

    /// Collects these from now on, instead of what they do by default. Those that were ignored when this process was
    /// started stay ignored, as `nohup` and the shell's `&` want it.
    pub fn collect(&self, signals: &[Signal]) -> io::Result<()> {
        for signal in signals {
            if !unsafe_calls::is_ignored(*signal)? {
                unsafe_calls::notify(*signal, self.into.try_clone()?)?;
            }
        }
        Ok(())
    }

    /// Collects this one even if it was ignored.
    pub fn collect_always(&self, signal: Signal) -> io::Result<()> {
        unsafe_calls::notify(signal, self.into.try_clone()?)
    }

    /// What to wait for.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.out.as_fd()
    }

    /// Those that came since the last call.
    pub fn received(&self) -> Vec<Received> {
        let mut received = Vec::new();
        let mut message = [0; 2];
        while let Read::Bytes(2) = pipe::read(&self.out, &mut message) {
            if let Some(signal) = Signal::from_named_raw(i32::from(message[0])) {
                let by_system = message[1] == 1;
                received.push(Received { signal, by_system });
            }
        }
        received
    }
}

/// Keeps this process from being stopped when it writes to a terminal, or sets the terminal's foreground, from the
/// background. What it starts is not kept from that.
pub fn write_to_terminal_from_background() {
    unsafe_calls::block(Signal::TTOU);
}
