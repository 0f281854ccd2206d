//! Text from elsewhere, such as an owner's name, made fit for a terminal.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The text with everything escaped that a terminal would act on or not show: `\u{1b}`, `\n`.
pub fn visible(text: &str) -> String {
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

/// How many columns of a terminal a visible text takes.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visible_text_has_no_escape_sequences_and_no_line_ends() {
        let text = "a\u{1b}[31m\u{9b}2J\nb\u{7f}\u{202e}";
        assert_eq!(visible(text), "a\\u{1b}[31m\\u{9b}2J\\nb\\u{7f}\\u{202e}");
    }

    #[test]
    fn a_text_that_can_be_seen_stays_as_it_is() {
        let text = "the \"six\" o'clock réport of C:\\temp\\new 報告 🔒";
        assert_eq!(visible(text), text);
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
}
