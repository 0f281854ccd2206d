//! What the command tells: lines on standard error, results on standard output, and exit statuses.

pub mod exit;
pub mod message;
pub mod stdout;
