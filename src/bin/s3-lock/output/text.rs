//! Texts for people, who may read them on a terminal.

use std::time::Duration;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::output::wording::as_options;

/// The text with everything escaped that a terminal would act on or not show: `\u{1b}`, `\n`.
pub fn plain(text: &str) -> String {
    // Debug escapes what cannot be seen, and also quotation marks and backslashes, which can.
    let escaped = format!("{text:?}");
    let mut inner = escaped[1..escaped.len() - 1].chars().peekable();
    let mut shown = String::new();
    while let Some(c) = inner.next() {
        match inner.peek() {
            Some('"' | '\\') if c == '\\' => shown.extend(inner.next()),
            _ => shown.push(c),
        }
    }
    shown
}

/// How many columns of a terminal a plain text takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// The text, cut to this many columns if it has more. The end of a text that was cut is `…`.
pub fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut start = String::new();
    let mut taken = 1;
    for c in text.chars() {
        taken += c.width().unwrap_or(0);
        if taken > columns {
            break;
        }
        start.push(c);
    }
    start.push('…');
    start
}

/// A span in its two largest units: `52s`, `4m 12s`, `3d 4h`.
pub fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let units = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];
    let first = units.iter().position(|(_, unit)| seconds >= *unit);
    let Some(first) = first else {
        return "0s".to_owned();
    };
    let (name, unit) = units[first];
    let mut text = format!("{}{name}", seconds / unit);
    if let Some((next, smaller)) = units.get(first + 1) {
        match seconds % unit / smaller {
            0 => {}
            count => text = format!("{text} {count}{next}"),
        }
    }
    text
}

/// An error and its causes, which do not repeat each other, in the words of the command line.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    as_options(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_text_has_no_escape_sequences_and_no_line_ends() {
        let text = "a\u{1b}[31m\u{9b}2J\nb\u{7f}\u{202e}";
        assert_eq!(plain(text), "a\\u{1b}[31m\\u{9b}2J\\nb\\u{7f}\\u{202e}");
    }

    #[test]
    fn a_text_that_can_be_seen_stays_as_it_is() {
        let text = "the \"six\" o'clock réport of C:\\temp\\new 報告 🔒";
        assert_eq!(plain(text), text);
    }

    #[test]
    fn a_wide_character_takes_two_columns() {
        assert_eq!(width("報告"), 4);
        assert_eq!(width("e\u{301}"), 1);
    }

    #[test]
    fn a_text_is_cut_to_the_columns_that_there_are() {
        assert_eq!(cut("nightly", 7), "nightly");
        assert_eq!(cut("nightly", 6), "night…");
        assert_eq!(cut("報告報告", 6), "報告…");
        assert_eq!(width(&cut("報告報告", 7)), 7);
    }

    #[test]
    fn a_span_has_its_two_largest_units() {
        let text = |seconds| span(Duration::from_secs(seconds));
        assert_eq!(text(0), "0s");
        assert_eq!(text(52), "52s");
        assert_eq!(text(60), "1m");
        assert_eq!(text(252), "4m 12s");
        assert_eq!(text(3_605), "1h");
        assert_eq!(text(90_061), "1d 1h");
    }
}
