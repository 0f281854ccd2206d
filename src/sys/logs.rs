//! The crate's only access to the program's logger. All files log with the macros defined here.
//!
//! A logger is foreign code: it may panic, block, or call this crate. So it is called only where no data of
//! this crate is half changed, and its panics are caught. A thread that drives the client's runtime must
//! not call it: while that thread waits, no call of the client goes on, and a logger that waits for one of
//! them would deadlock. On such a thread, lines are kept. A call's lines wait until the call leaves the
//! runtime ([`CallLines`](crate::sys::log_line::CallLines)). The lines of a background task go to a separate
//! thread.

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

/// The lines that a separate thread writes.
#[derive(Default)]
struct Queue {
    lines: VecDeque<Line>,
    /// Whether that thread is running.
    is_served: bool,
}

/// One queue for each process in a chain of forks: an inherited one may stay locked for ever.
static QUEUES: PerProcess<Mutex<Queue>> = PerProcess::new();
/// The most lines that wait for a logger that hangs. Further lines are dropped.
const MAX_WAITING: usize = 1_000;

/// Logs a line, at once or as soon as that is safe. Never panics.
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
        write_on_own_thread([line]);
    }
}

/// Has a separate thread write this call's lines so far. Use it before a long wait.
pub(crate) fn flush() {
    write_on_own_thread(call::kept());
}

/// Has a separate thread write these lines, in order.
fn write_on_own_thread(lines: impl IntoIterator<Item = Line>) {
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
    // If it does not start, the lines wait for the next line.
    waiting.is_served = thread.spawn(|| serve(queue)).is_ok();
}

/// Writes all waiting lines, and those that arrive meanwhile.
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
