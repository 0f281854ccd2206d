//! The errors of the services that people sign in with. Pure.

use serde::Deserialize;

use crate::protocol::quote::shown;
use crate::store::s3::credentials::json::without;
use crate::store::s3::reply::Reply;

/// What a service says instead of doing what it was asked.
pub(super) struct Refusal {
    pub status: u16,
    /// `invalid_grant`, `UnauthorizedException`, `TOKEN_EXPIRED`. Empty if it gives none.
    pub code: String,
    message: Option<String>,
}

/// The fields of OAuth's errors, and of AWS's own.
#[derive(Default, Deserialize)]
struct Complaint {
    error: Option<String>,
    error_description: Option<String>,
    #[serde(rename = "__type")]
    kind: Option<String>,
    code: Option<String>,
    #[serde(alias = "Message")]
    message: Option<String>,
}

impl Refusal {
    /// Reads it from a reply. A message that repeats one of the secrets is left out.
    pub(super) fn read(reply: &Reply, secrets: &[&str]) -> Refusal {
        Refusal::of(reply.status(), reply.body(), secrets)
    }

    fn of(status: u16, body: &[u8], secrets: &[&str]) -> Refusal {
        let complaint = serde_json::from_slice::<Complaint>(body).unwrap_or_default();
        let harmless = |text: String| {
            let cleared = secrets
                .iter()
                .try_fold(shown(&text), |text, s| without(s, text));
            cleared.filter(|text| !text.is_empty())
        };
        let code = complaint.error.or(complaint.kind).or(complaint.code);
        let code = code.and_then(harmless).unwrap_or_default();
        // `com.amazonaws.portal#UnauthorizedException`
        let code = code.rsplit('#').next().unwrap_or_default().to_owned();
        let message = complaint.error_description.or(complaint.message);
        Refusal {
            status,
            code,
            message: message.and_then(harmless),
        }
    }

    /// Whether the same request may succeed later.
    pub(super) fn may_pass(&self) -> bool {
        let codes = ["slow_down", "rate_exceeded", "service_unavailable"];
        let is_busy = self.code.contains("Throttl") || self.code.contains("TooManyRequests");
        matches!(self.status, 429 | 500..) || is_busy || codes.contains(&self.code.as_str())
    }

    /// For people: `400 (invalid_grant: it has expired)`.
    pub(super) fn told(&self) -> String {
        let message = self.message.as_deref().unwrap_or_default();
        let parts = [self.code.as_str(), message].into_iter();
        let parts: Vec<_> = parts.filter(|part| !part.is_empty()).collect();
        if parts.is_empty() {
            return self.status.to_string();
        }
        format!("{} ({})", self.status, parts.join(": "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(body: &str) -> String {
        Refusal::of(400, body.as_bytes(), &["hunter2-hunter2"]).told()
    }

    #[test]
    fn each_kind_of_error_is_read() {
        for (body, expected) in [
            (
                r#"{"error":"invalid_grant","error_description":"Invalid refresh token"}"#,
                "400 (invalid_grant: Invalid refresh token)",
            ),
            (
                r#"{"__type":"com.amazonaws.portal#UnauthorizedException","message":"No session"}"#,
                "400 (UnauthorizedException: No session)",
            ),
            (
                r#"{"error":"TOKEN_EXPIRED","message":"later"}"#,
                "400 (TOKEN_EXPIRED: later)",
            ),
            (r#"{"message":"No access"}"#, "400 (No access)"),
            ("<html>", "400"),
            ("{}", "400"),
        ] {
            assert_eq!(told(body), expected);
        }
    }

    #[test]
    fn a_message_that_repeats_a_secret_is_left_out() {
        let body = r#"{"error":"invalid_grant","error_description":"no hunter2-hunter2"}"#;
        assert_eq!(told(body), "400 (invalid_grant)");
    }

    #[test]
    fn only_trouble_that_may_pass_is_waited_out() {
        let may_pass = |status, code: &str| {
            let body = format!(r#"{{"error":"{code}"}}"#);
            Refusal::of(status, body.as_bytes(), &[]).may_pass()
        };
        assert!(may_pass(503, ""));
        assert!(may_pass(429, "TooManyRequestsException"));
        assert!(may_pass(400, "slow_down"));
        assert!(!may_pass(400, "invalid_grant"));
        assert!(!may_pass(401, "invalid_client"));
        assert!(!may_pass(302, ""));
    }
}
