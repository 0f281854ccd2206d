//! Reads the JSON in which commands, containers and instances give credentials. Pure.

use chrono::{DateTime, Utc};
use rusoto_core::credential::AwsCredentials;
use serde::Deserialize;

use crate::protocol::quote::shown;
use crate::store::s3::credentials::errors::misconfigured;
use crate::store::s3::credentials::source::checked;
use crate::types::errors::LockError;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct JsonCredentials {
    access_key_id: String,
    secret_access_key: String,
    /// A command uses this name, an endpoint the next one.
    session_token: Option<String>,
    token: Option<String>,
    expiration: Option<String>,
}

/// Reads the credentials that `origin` gave.
pub(super) fn read(json: &[u8], origin: &str) -> Result<AwsCredentials, LockError> {
    let document: JsonCredentials = serde_json::from_slice(json).map_err(|error| {
        // Only the position: the parser quotes the data, and that may be the secret.
        misconfigured(format!(
            "{origin} gave no credentials in JSON (AccessKeyId, SecretAccessKey): it does not \
             parse at line {}, column {}",
            error.line(),
            error.column()
        ))
    })?;
    let expires_at = match filled(document.expiration) {
        Some(text) => Some(expiry(&text).ok_or_else(|| {
            misconfigured(format!("{origin} gave an Expiration that is not a time"))
        })?),
        None => None,
    };
    let found = AwsCredentials::new(
        document.access_key_id,
        document.secret_access_key,
        filled(document.session_token).or(filled(document.token)),
        expires_at,
    );
    Ok(checked(found, origin)?)
}

/// Reads an expiry as AWS writes it, `2026-11-23T02:00:00Z`, or with `+0000` as others do.
pub(super) fn expiry(text: &str) -> Option<DateTime<Utc>> {
    let expiry = DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z"))
        .ok()?;
    Some(expiry.with_timezone(&Utc))
}

fn filled(text: Option<String>) -> Option<String> {
    text.filter(|t| !t.is_empty())
}

#[derive(Deserialize)]
struct Complaint {
    #[serde(alias = "Code")]
    code: Option<String>,
    #[serde(alias = "Message")]
    message: Option<String>,
}

/// The error that a source reports, if it does so in JSON: `Code: message`.
pub(super) fn complaint(json: &[u8]) -> Option<String> {
    let Complaint { code, message } = serde_json::from_slice(json).ok()?;
    let parts: Vec<_> = [code, message].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| shown(&parts.join(": ")))
}

/// `text`, unless it repeats a secret or the beginning of one.
pub(super) fn without(secret: &str, text: String) -> Option<String> {
    let start: String = secret.chars().take(12).collect();
    (start.is_empty() || !text.contains(&start)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(json: &str) -> String {
        match read(json.as_bytes(), "it") {
            Ok(_) => "none".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_token_may_have_either_name_or_be_left_out() {
        for (token, expected) in [
            (r#","SessionToken":"t""#, Some("t")),
            (r#","Token":"t""#, Some("t")),
            (r#","Token":"t","SessionToken":"t""#, Some("t")),
            (r#","Token":"""#, None),
            ("", None),
        ] {
            let json = format!(r#"{{"AccessKeyId":"k","SecretAccessKey":"s"{token}}}"#);
            let Ok(found) = read(json.as_bytes(), "it") else {
                panic!("{json}");
            };
            assert_eq!(found.token().as_deref(), expected);
        }
    }

    #[test]
    fn an_expiry_that_is_no_time_is_told() {
        let json = r#"{"AccessKeyId":"k","SecretAccessKey":"s","Expiration":"soon"}"#;
        assert!(failure(json).contains("Expiration"), "{}", failure(json));
    }

    #[test]
    fn an_expiry_may_have_a_zone_without_a_colon() {
        let expected = expiry("2026-11-23T02:00:00Z");
        assert!(expected.is_some());
        assert_eq!(expiry("2026-11-23T02:00:00+0000"), expected);
    }

    #[test]
    fn what_does_not_parse_is_not_quoted() {
        for json in [
            r#"{"AccessKeyId":"k","SecretAccessKey":["hunter2"]}"#,
            r#"{"AccessKeyId":"k","SecretAccessKey":"hunter2"#,
            r#""hunter2""#,
        ] {
            let told = failure(json);
            assert!(told.contains("does not parse at line 1"), "{told}");
            assert!(!told.contains("hunter2"), "{told}");
        }
    }

    #[test]
    fn a_complaint_that_repeats_a_secret_is_not_passed_on() {
        let said = || "no such token: abcdefghijkl...".to_owned();
        assert_eq!(without("abcdefghijklmnop", said()), None);
        assert_eq!(without("other", said()), Some(said()));
        assert_eq!(without("", said()), Some(said()));
    }
}
