//! The JSON in a file of tokens. Fields that nobody here knows are kept. Pure.

use std::time::SystemTime;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Map, Value};

use crate::store::s3::credentials::json;

/// The content of a file of tokens. It has secrets, so it is not `Debug`.
#[derive(Clone)]
pub(crate) struct Document(Map<String, Value>);

/// Where a text stops being a JSON object. The text is not part of it, because it may be a secret.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Garbled {
    pub line: usize,
    pub column: usize,
}

impl Document {
    pub(super) fn parse(text: &[u8]) -> Result<Document, Garbled> {
        serde_json::from_slice(text)
            .map(Document)
            .map_err(|error| Garbled {
                line: error.line(),
                column: error.column(),
            })
    }

    /// A text in it that is not empty.
    pub(super) fn text(&self, field: &str) -> Option<&str> {
        self.0.get(field)?.as_str().filter(|text| !text.is_empty())
    }

    pub(super) fn number(&self, field: &str) -> Option<i64> {
        self.0.get(field)?.as_i64()
    }

    /// A time in it.
    pub(super) fn time(&self, field: &str) -> Option<DateTime<Utc>> {
        let text = self.text(field)?;
        // Older versions of the AWS CLI wrote the zone in letters.
        match text.strip_suffix("UTC") {
            Some(text) => json::expiry(&format!("{text}Z")),
            None => json::expiry(text),
        }
    }

    /// An object in it.
    pub(super) fn object(&self, field: &str) -> Option<Document> {
        Some(Document(self.0.get(field)?.as_object()?.clone()))
    }

    pub(super) fn set(&mut self, field: &str, text: impl Into<String>) {
        self.0.insert(field.to_owned(), Value::String(text.into()));
    }

    pub(super) fn set_time(&mut self, field: &str, time: DateTime<Utc>) {
        self.set(field, shown(time));
    }

    pub(super) fn set_object(&mut self, field: &str, object: Document) {
        self.0.insert(field.to_owned(), Value::Object(object.0));
    }

    /// The first of these fields that it does not have as a text.
    pub(super) fn lacks<'a>(&self, fields: &[&'a str]) -> Option<&'a str> {
        let mut fields = fields.iter().copied();
        fields.find(|field| self.text(field).is_none())
    }

    pub(super) fn to_json(&self) -> String {
        Value::Object(self.0.clone()).to_string()
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Document {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(texts: I) -> Document {
        let mut document = Document(Map::new());
        for (field, text) in texts {
            document.set(field, text);
        }
        document
    }
}

/// A time as AWS's tools write it, `2026-11-23T02:00:00Z`.
pub(super) fn shown(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// When something ends that is good for `seconds` from now on. None if no calendar has that time.
pub(super) fn end_of(seconds: i64, now: SystemTime) -> Option<DateTime<Utc>> {
    DateTime::<Utc>::from(now).checked_add_signed(TimeDelta::try_seconds(seconds)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Document {
        Document::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn what_is_no_object_is_told_by_its_position_alone() {
        for text in [r#""hunter2""#, r#"["hunter2"]"#, r#"{"a":hunter2"#, ""] {
            let Err(garbled) = Document::parse(text.as_bytes()) else {
                panic!("{text}");
            };
            assert!(!format!("{garbled:?}").contains("hunter2"));
        }
    }

    #[test]
    fn unknown_fields_are_kept() {
        let mut document = parsed(r#"{"a":[1,{"b":null}],"c":"old"}"#);
        document.set("c", "new");
        assert_eq!(document.to_json(), r#"{"a":[1,{"b":null}],"c":"new"}"#);
    }

    #[test]
    fn an_empty_text_or_another_kind_of_value_counts_as_absent() {
        let document = parsed(r#"{"a":"","b":7,"c":"x"}"#);
        assert_eq!(document.lacks(&["c", "a"]), Some("a"));
        assert_eq!(document.lacks(&["b"]), Some("b"));
        assert_eq!(document.lacks(&["c"]), None);
    }

    #[test]
    fn a_time_may_be_of_an_older_version() {
        let document = parsed(r#"{"a":"2026-11-23T02:00:00Z","b":"2026-11-23T02:00:00UTC"}"#);
        assert!(document.time("a").is_some());
        assert_eq!(document.time("a"), document.time("b"));
        assert_eq!(shown(document.time("b").unwrap()), "2026-11-23T02:00:00Z");
    }

    #[test]
    fn a_time_beyond_all_calendars_is_none() {
        let now = SystemTime::UNIX_EPOCH;
        assert_eq!(end_of(i64::MAX, now), None);
        let end = end_of(90, now).unwrap();
        assert_eq!(shown(end), "1970-01-01T00:01:30Z");
    }
}
