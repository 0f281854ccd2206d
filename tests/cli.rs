//! The command `s3-lock` as people and scripts run it: the real program against a real S3 server in this process.

#![cfg(unix)]
#![allow(
    clippy::disallowed_methods,
    reason = "a test may wait and look at the clock as it likes"
)]

#[path = "cli/bad_input.rs"]
mod bad_input;
#[path = "cli/break_holding.rs"]
mod break_holding;
#[path = "cli/doctor/mod.rs"]
mod doctor;
#[path = "cli/folder.rs"]
mod folder;
#[path = "cli/help.rs"]
mod help;
#[path = "cli/hold.rs"]
mod hold;
#[path = "cli/list.rs"]
mod list;
#[path = "cli/made_texts.rs"]
mod made_texts;
#[path = "cli/other_server.rs"]
mod other_server;
#[path = "cli/outputs.rs"]
mod outputs;
#[path = "cli/program/mod.rs"]
mod program;
#[path = "cli/release.rs"]
mod release;
#[path = "cli/run/mod.rs"]
mod run;
#[path = "cli/status.rs"]
mod status;
#[path = "cli/store.rs"]
mod store;
#[path = "cli/terminal.rs"]
mod terminal;

#[path = "support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

/// Waits until something is so, for as long as a test may take.
fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
