//! What the body of an S3 error says.

use std::ops::Range;

use crate::protocol::quote::shown;

/// More than any code, region or message that S3 sends; a hostile body is not quoted at length.
const LONGEST_TEXT: usize = 500;

/// An error of S3's: the body is an `<Error>` that has a code, and nothing else. A page or a record
/// that merely holds such text is none.
#[derive(Debug)]
pub(super) struct Said {
    /// Where in the body the elements of the error are; they are flat.
    inside: Range<usize>,
    pub code: String,
}

impl Said {
    /// The error that a body is, if it is one. AWS's other services put theirs into an
    /// `<ErrorResponse>`.
    pub(super) fn read(body: &[u8]) -> Option<Said> {
        let text = std::str::from_utf8(body).ok()?;
        let start = text.trim_start_matches('\u{feff}').trim_start();
        let root = match start.strip_prefix("<?xml") {
            Some(declared) => declared.split_once("?>")?.1.trim_start(),
            None => start,
        };
        let error = match begins(root, "ErrorResponse") {
            true => &root[root.find("<Error>")?..],
            false if begins(root, "Error") => root,
            false => return None,
        };
        let mut said = Said {
            inside: body.len() - error.len()..body.len(),
            code: String::new(),
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        said.code = said.element(body, "Code")?;
        (!said.code.is_empty() && said.code.chars().all(plain)).then_some(said)
    }

    /// The text of the first element of that name, as it is written.
    pub(super) fn element(&self, body: &[u8], name: &str) -> Option<String> {
        let error = std::str::from_utf8(&body[self.inside.clone()]).ok()?;
        let (_, rest) = error.split_once(&format!("<{name}>"))?;
        let (text, _) = rest.split_once(&format!("</{name}>"))?;
        Some(text.trim().chars().take(LONGEST_TEXT).collect())
    }

    /// What it says to people.
    pub(super) fn message(&self, body: &[u8]) -> Option<String> {
        let escaped = self.element(body, "Message")?;
        let escapes = [
            ("&lt;", "<"),
            ("&gt;", ">"),
            ("&quot;", "\""),
            ("&apos;", "'"),
            ("&#39;", "'"),
            ("&amp;", "&"),
        ];
        let replace = |text: String, (from, to): (&str, &str)| text.replace(from, to);
        let message = shown(&escapes.into_iter().fold(escaped, replace));
        (!message.is_empty()).then_some(message)
    }
}

/// Whether the text begins with the start of an element of that name.
fn begins(text: &str, name: &str) -> bool {
    let rest = text.strip_prefix('<').and_then(|t| t.strip_prefix(name));
    rest.is_some_and(|r| r.starts_with('>') || r.starts_with(char::is_whitespace))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(body: &str) -> Option<String> {
        Said::read(body.as_bytes()).map(|said| said.code)
    }

    #[test]
    fn an_error_is_read_whatever_stands_before_it() {
        for body in [
            "<Error><Code>NoSuchKey</Code></Error>",
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Message>m</Message>\n<Code> NoSuchKey </Code></Error>",
            "\u{feff}<?xml version='1.0'?><Error xmlns=\"x\"><Code>NoSuchKey</Code></Error>",
            "<ErrorResponse xmlns=\"x\"><Error><Type>Sender</Type><Code>NoSuchKey</Code></Error></ErrorResponse>",
        ] {
            assert_eq!(code(body).as_deref(), Some("NoSuchKey"), "{body}");
        }
    }

    #[test]
    fn text_that_holds_an_error_and_is_none_says_nothing() {
        for body in [
            "",
            "<Code>NoSuchKey</Code>",
            "<Errors><Code>NoSuchKey</Code></Errors>",
            "<html><body><Error><Code>NoSuchKey</Code></Error></body></html>",
            "{\"purpose\":\"<Error><Code>NoSuchKey</Code></Error>\"}",
            "<Error></Error>",
            "<Error><Code></Code></Error>",
            "<Error><Code>no such key</Code></Error>",
        ] {
            assert_eq!(code(body), None, "{body}");
        }
    }

    #[test]
    fn a_message_is_a_line_without_escapes() {
        let body = b"<Error><Code>C</Code><Message>a &lt;b&gt;\n&amp;lt;</Message></Error>";
        let said = Said::read(body).unwrap();
        assert_eq!(said.message(body).as_deref(), Some("a <b> &lt;"));
    }
}
