//! Shows that something goes on which takes a while: on a terminal alone, and it leaves nothing behind.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::output::message;

/// How often it turns.
const TURN: Duration = Duration::from_millis(100);

/// One thing after another, of unknown length.
pub struct Progress(ProgressBar);

impl Progress {
    /// Nothing is shown yet.
    pub fn start() -> Progress {
        let bar = ProgressBar::new_spinner();
        bar.enable_steady_tick(TURN);
        Progress(bar)
    }

    /// Says something that stays.
    pub fn say(&self, text: &str) {
        self.0.suspend(|| message::note(text));
    }

    /// What goes on now.
    pub fn now(&self, what: &str) {
        self.0.set_message(what.to_owned());
    }

    /// So many of `all` are to be done.
    pub fn count(&self, what: &str, all: u32) {
        let style = ProgressStyle::with_template("{spinner} {msg} {bar:30} {pos}/{len} {eta}");
        if let Ok(style) = style {
            self.0.set_style(style);
        }
        self.0.set_length(all.into());
        self.now(what);
    }

    /// So many of them are done.
    pub fn done(&self, so_far: u32) {
        self.0.set_position(so_far.into());
    }

    /// Nothing goes on any more.
    pub fn end(self) {
        self.0.finish_and_clear();
    }
}
