//! The command `s3-lock` as people and scripts run it: the real program against a real S3 server in this process.

#![cfg(unix)]
#![allow(
    clippy::disallowed_methods,
    reason = "a test may wait and look at the clock as it likes"
)]

mod bad_input;
mod break_holding;
mod doctor;
mod folder;
mod help;
mod hold;
mod list;
mod made_texts;
mod other_server;
mod outputs;
mod program;
mod release;
mod run;
mod status;
mod store;
mod terminal;

#[path = "../support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

/// Waits until something is so, for as long as a test may take.
#[allow(dead_code, reason = "it is for tests that are yet to come")]
fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
