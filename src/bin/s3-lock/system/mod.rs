//! Processes, signals, timers and the terminal.

pub mod child;
pub mod clock;
pub mod events;
pub mod find;
pub mod introduction;
pub mod parent;
pub mod pipe;
pub mod process;
pub mod signals;
pub mod terminal;
mod unsafe_calls;
pub mod wall_clock;
