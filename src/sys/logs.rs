//! The one way to the program's logger, which is foreign code: it may panic, block, or call this crate.
//!
//! So it is called where nothing of this crate is half done, and a panic of its ends here. A thread that
//! drives the client's runtime must not wait for it: while that thread waits, nobody of the client gets
//! on, and a logger that waits for one of them would wait for ever. There a line is kept: that of a call
//! until the call leaves the runtime ([`CallLines`](crate::sys::log_line::CallLines)), that of a task in the background until a thread of
//! its own has taken it.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::thread;

use crate::sys::foreign_code::contain;
use crate::sys::log_line::{CallSite, Line};
use crate::sys::per_process::PerProcess;
use crate::sys::sync::lock;
use crate::sys::{call, runtime};

/// Logs a line.
macro_rules! line {
    ($level:ident, $($text:tt)+) => {
        $crate::sys::logs::log(
            $crate::sys::log_line::CallSite {
                level: ::log::Level::$level,
                module: module_path!(),
                file: file!(),
                line: line!(),
            },
            &|| format!($($text)+),
        )
    };
}
macro_rules! error { ($($text:tt)+) => { $crate::sys::logs::line!(Error, $($text)+) } }
macro_rules! warn_ { ($($text:tt)+) => { $crate::sys::logs::line!(Warn, $($text)+) } }
macro_rules! info { ($($text:tt)+) => { $crate::sys::logs::line!(Info, $($text)+) } }
macro_rules! debug { ($($text:tt)+) => { $crate::sys::logs::line!(Debug, $($text)+) } }
pub(crate) use {debug, error, info, line, warn_ as warn};

/// What a thread of its own is to write.
#[derive(Default)]
struct Queue {
    lines: VecDeque<Line>,
    /// Whether that thread is there.
    is_served: bool,
}

/// One for each process of a line of forks: another's may be locked for ever.
static QUEUES: PerProcess<Mutex<Queue>> = PerProcess::new();
/// As many lines wait for a logger that hangs; those that come then are dropped.
const MAX_WAITING: usize = 1_000;

/// Logs a line, at once or as soon as that harms nobody. Never panics.
pub(crate) fn log(site: CallSite, text: &dyn Fn() -> String) {
    if site.level > log::STATIC_MAX_LEVEL || site.level > log::max_level() {
        return;
    }
    let Some(text) = contain(text) else {
        return;
    };
    let line = Line { site, text };
    if !runtime::is_driven_here() {
        return line.write();
    }
    if let Err(line) = call::keep(line) {
        write_apart([line]);
    }
}

/// Has a thread of its own write what this call has logged so far: it may be long before it ends.
pub(crate) fn flush() {
    write_apart(call::kept());
}

/// Has a thread of its own write these, in the order in which they came.
fn write_apart(lines: impl IntoIterator<Item = Line>) {
    let Some(queue) = QUEUES.own(Mutex::default) else {
        return;
    };
    let mut waiting = lock(queue);
    for line in lines {
        if waiting.lines.len() < MAX_WAITING {
            waiting.lines.push_back(line);
        }
    }
    if waiting.is_served || waiting.lines.is_empty() {
        return;
    }
    let thread = thread::Builder::new().name("s3-lock-log".to_owned());
    // Without one they wait for the next line.
    waiting.is_served = thread.spawn(|| serve(queue)).is_ok();
}

/// Writes all that waits, and all that comes meanwhile.
fn serve(queue: &Mutex<Queue>) {
    loop {
        let line = {
            let mut waiting = lock(queue);
            let line = waiting.lines.pop_front();
            waiting.is_served = line.is_some();
            line
        };
        match line {
            Some(line) => line.write(),
            None => return,
        }
    }
}
