//! Reads the body of an S3 error: its code, its message and other elements.

use crate::protocol::quote::shown;
use crate::store::s3::xml::Document;

/// More than any code, region or message that S3 sends. A hostile body is not quoted at length.
const LONGEST_TEXT: usize = 500;

/// Where the first error of a body may be: alone, in a response, or in a list in a response, as some
/// stand-ins for AWS's other services have it.
const PLACES: [&str; 3] = [
    "/Error",
    "/ErrorResponse/Error",
    "/ErrorResponse/Errors/Error",
];

/// What S3 escapes in a message.
const ESCAPES: [(&str, &str); 6] = [
    ("&lt;", "<"),
    ("&gt;", ">"),
    ("&quot;", "\""),
    ("&apos;", "'"),
    ("&#39;", "'"),
    ("&amp;", "&"),
];

/// An S3 error: the body is an `<Error>` with a code. A page or a record that merely contains such
/// text is not one.
#[derive(Debug)]
pub(super) struct S3Error {
    pub code: String,
    /// The path in the document of the error's elements.
    place: &'static str,
    document: Document,
}

impl S3Error {
    /// Reads a body as an error, if it is one. AWS's other services put theirs into an
    /// `<ErrorResponse>`.
    ///
    /// What follows the code need not be XML: some stores do not escape the text of a message. The
    /// code itself must be written as S3 writes it, without escapes and entities.
    pub(super) fn read(body: &[u8]) -> Option<S3Error> {
        let text = std::str::from_utf8(body).ok()?;
        let text = text.trim_start_matches('\u{feff}').trim_start();
        // Control characters are not XML, but some stores put them into messages.
        let stray = |c: char| c.is_control() && !c.is_whitespace();
        // Nor is every `&` an escape: some stores quote keys and messages as they are.
        let text_of_xml = text.replace(stray, " ").replace('&', "&amp;");
        let document = Document::read_start(text_of_xml.as_bytes());
        let mut codes = PLACES
            .into_iter()
            .filter_map(|at| Some((at, document.first(&format!("{at}/Code"))?)));
        let (place, code) = codes.next()?;
        if !text.contains(&format!("<Code>{code}</Code>")) {
            return None;
        }
        let code = code.trim().to_owned();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let is_code = code.len() <= LONGEST_TEXT && code.chars().all(plain);
        is_code.then_some(S3Error {
            code,
            place,
            document,
        })
    }

    /// The text of the first element with this name, as it is written.
    pub(super) fn element(&self, name: &str) -> Option<String> {
        let text = self.document.first(&format!("{}/{name}", self.place))?;
        Some(text.trim().chars().take(LONGEST_TEXT).collect())
    }

    /// The error's message.
    pub(super) fn message(&self) -> Option<String> {
        let escaped = self.element("Message")?;
        let replace = |text: String, (from, to): &(&str, &str)| text.replace(from, to);
        Some(shown(&ESCAPES.iter().fold(escaped, replace)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(body: &str) -> Option<String> {
        S3Error::read(body.as_bytes()).map(|error| error.code)
    }

    #[test]
    fn an_error_is_read_whatever_stands_before_it() {
        for body in [
            "<Error><Code>NoSuchKey</Code></Error>",
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Message>m</Message>\n<Code>\nNoSuchKey </Code></Error>",
            "\u{feff}<?xml version='1.0'?><Error xmlns=\"x\"><Code>NoSuchKey</Code></Error>",
            "\n<?xml version='1.0'?><Error><Code>NoSuchKey</Code></Error>",
            "<ErrorResponse xmlns=\"x\"><Error><Type>Sender</Type><Code>NoSuchKey</Code></Error></ErrorResponse>",
            "<ErrorResponse><Errors><Error><Code>NoSuchKey</Code></Error></Errors></ErrorResponse>",
        ] {
            assert_eq!(code(body).as_deref(), Some("NoSuchKey"), "{body}");
        }
    }

    #[test]
    fn an_error_is_read_whatever_stands_after_its_code() {
        for rest in [
            "</Error>",
            "<Key>a & b</Key></Error>",
            "<Message>&nbsp;\u{1b}</Message></Error>",
            "</Error><?xml version=\"1.0\"?><Error/>",
            "",
        ] {
            let body = format!("<Error><Code>NoSuchKey</Code>{rest}");
            assert_eq!(code(&body).as_deref(), Some("NoSuchKey"), "{body}");
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
            "<Error><Code>NoSuchKey",
            "<Error><Code>NoSuchKey\u{1b}</Code></Error>",
            "<Error><Code>&#78;oSuchKey</Code></Error>",
            "<Error><Code>NoSuchKey&amp;</Code></Error>",
            "<Error><Code><![CDATA[NoSuchKey]]></Code></Error>",
        ] {
            assert_eq!(code(body), None, "{body}");
        }
    }

    #[test]
    fn a_text_that_is_longer_than_any_code_is_none() {
        let body = |letters| format!("<Error><Code>{}</Code></Error>", "C".repeat(letters));
        assert!(code(&body(LONGEST_TEXT)).is_some());
        assert_eq!(code(&body(LONGEST_TEXT + 1)), None);
    }

    #[test]
    fn a_message_is_a_line_without_escapes() {
        let body = b"<Error><Code>C</Code><Message>a &lt;b&gt;\n&amp;lt;</Message></Error>";
        let error = S3Error::read(body).unwrap();
        assert_eq!(error.message().as_deref(), Some("a <b> &lt;"));
    }

    #[test]
    fn what_a_store_has_not_escaped_is_taken_as_it_stands() {
        for text in ["a & b", "&nbsp;", "k?x=1&y=2;", "&#27;", "&#x;", "&;", "&"] {
            let body = format!("<Error><Message>{text}</Message><Code>C</Code></Error>");
            let error = S3Error::read(body.as_bytes()).expect(text);
            assert_eq!(error.message().as_deref(), Some(text));
            assert_eq!(error.code, "C");
        }
    }
}
