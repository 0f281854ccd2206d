//! What the operating system and the async runtime give: time, threads, processes, logs.

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
