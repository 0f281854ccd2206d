//! Quotes another program's text, so that it fits into one line of a log.

/// The most characters that are quoted of another program's text.
const LONGEST_QUOTE: usize = 300;

/// Another program's text as part of one line.
pub(crate) fn shown(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.trim().chars().take(LONGEST_QUOTE).map(plain).collect()
}
