//! Lines on standard error. Each begins with the name of the command, so that a log shows where it came from.

use std::io::{Write, stderr};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};

use crate::output::text::visible;
use crate::system::events::can_be_written;

/// Something failed.
pub fn error(text: &str) {
    line(AnsiColor::Red.on_default().bold(), text);
}

/// Something may go wrong.
pub fn warning(text: &str) {
    line(AnsiColor::Yellow.on_default(), text);
}

/// What happens, unless s3-lock is to be quiet.
pub fn note(text: &str) {
    if !is_quiet() {
        line(Style::new(), text);
    }
}

/// From now on, only what goes wrong is told.
pub fn be_quiet() {
    QUIET.store(true, Ordering::Relaxed);
}

pub fn is_quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

static QUIET: AtomicBool = AtomicBool::new(false);

fn line(style: Style, text: &str) {
    // Text from elsewhere (an owner's name, a server's message) must not make a second line, nor move the cursor.
    let text = visible(&text.replace(['\n', '\r'], " "));
    let text = cut(&text);
    let style = match AutoStream::choice(&stderr()) {
        ColorChoice::Never => Style::new(),
        _ => style,
    };
    // In one piece, so that the lines of two processes do not mix.
    let line = format!("{style}s3-lock:{style:#} {text}\n");
    // A reader that has stopped reading must not stop s3-lock, which holds a lock.
    if can_be_written(stderr().as_fd()) {
        // There is nobody to tell if standard error cannot be written to.
        let _ = stderr().write_all(line.as_bytes());
    }
}

/// A line may have so many bytes: a pipe that is ready takes them at once.
const MAX_LINE: usize = 3_000;

fn cut(text: &str) -> &str {
    let mut end = MAX_LINE.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
