//! What the library logs, as lines on standard error.

use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::arguments::as_options;
use crate::output::message;

/// What the library calls itself in the log.
const LIBRARY: &str = "s3_lock";
/// The commands tell by themselves what these parts of the library log: a lock that was broken, or lost.
const TOLD_BY_THE_COMMANDS: [&str; 2] = [
    "s3_lock::engine::without_guard",
    "s3_lock::engine::held_lock",
];

struct Logger;

/// Has warnings and errors told from now on, and, if it is `verbose`, what goes on as well.
pub fn install(level: Verbosity) {
    let level = match level {
        Verbosity::Normal => LevelFilter::Warn,
        Verbosity::Verbose => LevelFilter::Info,
    };
    // It fails if there is a logger. Then somebody is told already.
    if log::set_logger(&Logger).is_ok() {
        log::set_max_level(level);
    }
}

/// How much is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verbosity {
    Normal,
    Verbose,
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        is_told(metadata.level(), metadata.target(), log::max_level())
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let text = as_options(&record.args().to_string());
        match record.level() {
            Level::Error => message::error(&text),
            Level::Warn => message::warning(&format!("warning: {text}")),
            _ => message::note(&text),
        }
    }

    fn flush(&self) {}
}

/// Of other crates' lines, only errors are told: the rest is not about locks.
fn is_told(level: Level, target: &str, most: LevelFilter) -> bool {
    let is_ours = target.split("::").next() == Some(LIBRARY);
    let is_told_elsewhere = TOLD_BY_THE_COMMANDS.contains(&target) && most < LevelFilter::Info;
    level <= most && (is_ours || level == Level::Error) && !is_told_elsewhere
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_and_errors_of_the_library_are_told_and_more_only_on_demand() {
        let target = "s3_lock::engine::watch";
        assert!(is_told(Level::Error, target, LevelFilter::Warn));
        assert!(is_told(Level::Warn, target, LevelFilter::Warn));
        assert!(!is_told(Level::Info, target, LevelFilter::Warn));
        assert!(is_told(Level::Info, target, LevelFilter::Info));
        assert!(!is_told(Level::Debug, target, LevelFilter::Info));
    }

    #[test]
    fn nothing_of_other_crates_is_told_but_errors() {
        for target in ["hyper::proto", "s3_lockx"] {
            assert!(is_told(Level::Error, target, LevelFilter::Info));
            assert!(!is_told(Level::Warn, target, LevelFilter::Info));
        }
    }

    #[test]
    fn what_a_command_tells_itself_is_not_told_twice() {
        for target in TOLD_BY_THE_COMMANDS {
            assert!(!is_told(Level::Error, target, LevelFilter::Warn));
            assert!(is_told(Level::Error, target, LevelFilter::Info));
        }
    }
}
