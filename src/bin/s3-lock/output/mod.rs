//! What the command tells: lines on standard error, results on standard output, and exit statuses.

pub mod checklist;
pub mod exit;
pub mod message;
pub mod progress;
pub mod stdout;
pub mod time;
