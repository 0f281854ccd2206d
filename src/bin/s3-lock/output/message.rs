//! Lines on standard error. Each begins with the name of the command, so that a log shows where it came from.

use std::io::Write;

use anstyle::{AnsiColor, Style};

use crate::output::text::visible;

/// Something failed.
pub fn error(text: &str) {
    line(AnsiColor::Red.on_default().bold(), text);
}

/// Something may go wrong.
pub fn warning(text: &str) {
    line(AnsiColor::Yellow.on_default(), text);
}

/// What happens.
pub fn note(text: &str) {
    line(Style::new(), text);
}

fn line(style: Style, text: &str) {
    // Text from elsewhere (an owner's name, a server's message) must not make a second line, nor move the cursor.
    let text = visible(&text.replace(['\n', '\r'], " "));
    // There is nobody to tell if standard error cannot be written to.
    let _ = writeln!(anstream::stderr(), "{style}s3-lock:{style:#} {text}");
}
