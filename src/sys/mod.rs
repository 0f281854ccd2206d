//! The crate's access to the operating system and the async runtime: clocks, random numbers, threads,
//! processes and logs. All rooms above use it; it knows nothing about locks.

pub(crate) mod arrivals;
pub(crate) mod background;
pub(crate) mod call;
pub(crate) mod clock;
pub(crate) mod foreign_code;
pub(crate) mod forks;
pub(crate) mod host;
pub(crate) mod log_line;
pub(crate) mod logs;
pub(crate) mod per_process;
pub(crate) mod random;
pub(crate) mod runtime;
pub(crate) mod sync;
pub(crate) mod thread_starts;
