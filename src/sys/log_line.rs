//! One line for the program's logger, and the kept lines of one call. `logs.rs` makes lines; `Session::run`
//! writes those of a call when the call has left the runtime.

use std::mem;
use std::sync::Mutex;

use log::{Level, Record};

use crate::sys::foreign_code::contain;
use crate::sys::sync::lock;

/// The place in the source that a line comes from.
#[derive(Clone, Copy)]
pub(crate) struct CallSite {
    pub level: Level,
    pub module: &'static str,
    pub file: &'static str,
    pub line: u32,
}

pub(crate) struct Line {
    pub site: CallSite,
    pub text: String,
}

/// The lines of one call, to write when it has left the runtime.
#[derive(Default)]
pub(crate) struct CallLines(Mutex<Vec<Line>>);

impl Line {
    /// Passes the line to the logger. Catches a panic of the logger.
    pub(crate) fn write(&self) {
        let Line { site, text } = self;
        contain(|| {
            log::logger().log(
                &Record::builder()
                    .level(site.level)
                    .target(site.module)
                    .module_path_static(Some(site.module))
                    .file_static(Some(site.file))
                    .line(Some(site.line))
                    .args(format_args!("{text}"))
                    .build(),
            );
        });
    }
}

impl CallLines {
    pub(crate) fn keep(&self, line: Line) {
        lock(&self.0).push(line);
    }

    pub(crate) fn take(&self) -> Vec<Line> {
        mem::take(&mut *lock(&self.0))
    }

    /// Writes the kept lines. Do not call this on a thread that drives the runtime.
    pub(crate) fn write(&self) {
        for line in self.take() {
            line.write();
        }
    }
}
