//! Quoting other programs.

/// More than that of another program's words is not quoted.
const LONGEST_QUOTE: usize = 300;

/// Another program's words as part of one line.
pub(crate) fn shown(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.trim().chars().take(LONGEST_QUOTE).map(plain).collect()
}
