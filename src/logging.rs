//! The one place that logs.
//!
//! The logger is the program's own, and may do anything: one that prints panics when its output is closed.
//! A lock that is given back while such a panic unwinds would end the program, and one that was just
//! acquired would be held by nobody. So a logger's panic ends here, and its line is lost.

use std::mem;
use std::panic::{self, AssertUnwindSafe, Location};

use log::{Level, Record};

/// Logs a line: `log_at!(Warn, "took over {key}")`. The line is put together within the logger's call, and
/// a panic of its parts ends there as well.
macro_rules! log_at {
    ($level:ident, $($text:tt)+) => {
        $crate::logging::write(log::Level::$level, module_path!(), format_args!($($text)+))
    };
}
pub(crate) use log_at;

#[track_caller]
pub(crate) fn write(level: Level, module: &'static str, text: std::fmt::Arguments<'_>) {
    if level > log::STATIC_MAX_LEVEL || level > log::max_level() {
        return;
    }
    let place = Location::caller();
    let logged = panic::catch_unwind(AssertUnwindSafe(|| {
        let record = Record::builder()
            .level(level)
            .target(module)
            .module_path_static(Some(module))
            .file(Some(place.file()))
            .line(Some(place.line()))
            .args(text)
            .build();
        log::logger().log(&record);
    }));
    if let Err(payload) = logged {
        // Dropping what it panicked with might panic in its turn.
        mem::forget(payload);
    }
}
