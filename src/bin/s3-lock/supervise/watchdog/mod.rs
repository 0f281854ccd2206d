//! A small process that ends the command in time even if s3-lock itself is stopped or killed.
//!
//! s3-lock makes it first of all, as a copy of itself. It knows when the lease runs out, and learns the command's process id
//! from the command itself, before the command does anything. It is a member of the command's process group. So the group's
//! id cannot go to other processes while there is a watchdog, and Ctrl-C reaches it where the command has the terminal. It
//! then tells s3-lock.

mod link;
mod messages;
mod watch;

pub use link::Watchdog;
pub use messages::Notice;
pub use watch::Orphan;
