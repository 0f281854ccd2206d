//! What the command tells: lines on standard error, results on standard output, and exit statuses.

pub mod causes;
pub mod doctor;
pub mod exit;
pub mod holding;
pub mod json;
pub mod logger;
pub mod message;
pub mod progress;
pub mod question;
pub mod released;
pub mod stdout;
pub mod table;
pub mod text;
pub mod times;
pub mod wait_line;
