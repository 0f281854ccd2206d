//! Tells whom s3-lock waits for: on a terminal one line that changes, elsewhere a line for each change.

use std::io::{IsTerminal, stderr};
use std::os::fd::AsFd;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use s3_lock::{LockInfo, WaitStatus};

use crate::output::message;
use crate::output::text::visible;
use crate::output::times::span;
use crate::system::events::can_be_written;

/// What is told of a wait for one lock.
pub struct WaitLine {
    url: String,
    live: Option<ProgressBar>,
    told: Option<Told>,
}

/// What was told. Only what differs from it is told again.
#[derive(PartialEq, Eq)]
struct Told {
    holding: String,
    ahead: Option<usize>,
    has_trouble: bool,
}

impl WaitLine {
    pub fn new(url: &str) -> WaitLine {
        WaitLine {
            url: url.to_owned(),
            live: (stderr().is_terminal() && !message::is_quiet()).then(spinner),
            told: None,
        }
    }

    /// Tells what a wait knows.
    pub fn show(&mut self, status: Option<WaitStatus>, now: std::time::SystemTime) {
        let Some(status) = status else {
            return;
        };
        // What is over before anybody could read it is not told.
        let is_free = status.holder().is_none() && status.ahead().is_none_or(|ahead| ahead == 0);
        if is_free && status.trouble().is_none() {
            return;
        }
        match &self.live {
            Some(live) => {
                let waited = span(status.waited());
                live.set_message(format!("waiting {waited}: {}", described(&status, now)));
                // A terminal that was stopped by Ctrl-S takes nothing.
                if can_be_written(stderr().as_fd()) {
                    live.tick();
                }
            }
            None => self.tell_change(&status, now),
        }
    }

    /// Takes the live line away.
    pub fn clear(&mut self) {
        if let Some(live) = self.live.take() {
            live.finish_and_clear();
        }
    }

    fn tell_change(&mut self, status: &WaitStatus, now: std::time::SystemTime) {
        let holding = status.holder().map_or_else(String::new, |holder| {
            format!("{} {}", holder.owner(), holder.fencing_token())
        });
        let change = Some(Told {
            holding,
            ahead: status.ahead(),
            has_trouble: status.trouble().is_some(),
        });
        if self.told != change {
            self.told = change;
            let described = described(status, now);
            message::note(&format!("waiting for {}: {described}", self.url));
        }
    }
}

impl Drop for WaitLine {
    fn drop(&mut self) {
        self.clear();
    }
}

fn spinner() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {wide_msg}");
    ProgressBar::new_spinner().with_style(style.expect("the template is right"))
}

/// What cannot be long comes first: the live line is cut to the width of the terminal.
fn described(status: &WaitStatus, now: std::time::SystemTime) -> String {
    if let Some(trouble) = status.trouble() {
        return format!("no answer from the store: {trouble}");
    }
    let holder = match status.holder() {
        Some(holder) => held_by(holder, status.seen_ago(), now),
        None => "it is free".to_owned(),
    };
    match status.ahead() {
        None => holder,
        Some(0) => format!("next in line; {holder}"),
        Some(ahead) => format!("{ahead} before us in line; {holder}"),
    }
}

fn held_by(holder: &LockInfo, seen_ago: Duration, now: std::time::SystemTime) -> String {
    let owner = visible(holder.owner());
    let purpose = holder
        .purpose()
        .map(|purpose| format!(" ({})", visible(purpose)));
    let purpose = purpose.unwrap_or_default();
    let age = span(now.duration_since(holder.acquired_at()).unwrap_or_default());
    let left = span(holder.remaining().saturating_sub(seen_ago));
    format!("lease {left} left; held for {age} by {owner}{purpose}")
}
