//! Finds what a program has started by a mark in the environment, which children inherit.

use std::fs;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

/// The variable that is the mark.
pub const MARK: &str = "S3_LOCK_TEST_MARK";

/// A mark that nothing else has.
pub fn new_mark() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The processes with this mark that run (or are stopped), where the system shows their environment.
pub fn marked(mark: &str) -> Vec<i32> {
    let wanted = format!("{MARK}={mark}");
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let ids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    let is_marked = |id: &i32| {
        // A process that has ended has no environment any more, also before it is reaped.
        let environment = fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
        let mut variables = environment.split(|byte| *byte == 0);
        variables.any(|variable| variable == wanted.as_bytes())
    };
    ids.filter(is_marked).collect()
}

/// Kills them, also those that they start meanwhile.
pub fn kill_marked(mark: &str) {
    for _ in 0..500 {
        let left = marked(mark);
        if left.is_empty() {
            return;
        }
        for id in left {
            signal(id, libc::SIGKILL);
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// Sends a signal to a process, or to a group by its negative id. That it has ended already is no error.
pub fn signal(id: i32, signal: i32) {
    // SAFETY: the call takes two numbers.
    unsafe { libc::kill(id, signal) };
}
