//! Results as JSON: one value in one line.

use serde::Serialize;

/// The value in one line, with its newline. No character of it makes a terminal do anything.
pub fn line(value: &impl Serialize) -> String {
    // What is made here has text keys and finite numbers alone, so there is nothing that JSON cannot say.
    let text = serde_json::to_string(value).expect("it can be said in JSON");
    let mut line = String::with_capacity(text.len() + 1);
    for c in text.chars() {
        // JSON escapes the control characters of ASCII by itself. These stand within strings only.
        if c.is_control() {
            line.push_str(&format!("\\u{:04x}", u32::from(c)))
        } else {
            line.push(c)
        }
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_json_has_no_control_characters_and_says_the_same() {
        let text = "a\u{1b}[31m\n\u{7f}\u{9b}2Jé";
        let line = line(&text);
        assert_eq!(line, "\"a\\u001b[31m\\n\\u007f\\u009b2Jé\"\n");
        assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
    }
}
