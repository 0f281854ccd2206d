//! What is said when STS refuses a role, with advice on what to do. Pure.

use std::time::SystemTime;

use crate::store::s3::credentials::errors::{failed, misconfigured};
use crate::store::s3::credentials::json::without;
use crate::store::s3::credentials::role::Role;
use crate::store::s3::credentials::sts_caller::Caller;
use crate::store::s3::network::advice::advice_if_another_answers;
use crate::store::s3::reply::Reply;
use crate::store::s3::settings::service_endpoint::ServiceEndpoint;
use crate::types::errors::{LockError, StorageErrorKind};

pub(super) struct Refusal<'a> {
    pub reply: &'a Reply,
    pub role: &'a Role,
    /// The setting that names the role.
    pub role_by: &'a str,
    pub caller: &'a Caller<'a>,
    pub sts: &'a ServiceEndpoint,
    /// This machine's date and time when the request was sent.
    pub wall: SystemTime,
}

/// The longest session of a role whose keys are another role's, in seconds.
///
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html> ("Role chaining")
const LONGEST_IN_CHAIN: u32 = 3600;

impl Refusal<'_> {
    pub(super) fn error(&self) -> LockError {
        let status = self.reply.status();
        let (arn, session) = (&self.role.arn, &self.role.session_name);
        let to = self.caller.told();
        let said = self.said();
        let what = format!("STS refused role {arn} (session {session}) to {to}: {status} ({said})");
        if self.passes() {
            return failed(StorageErrorKind::Unavailable, what);
        }
        if self.is_about_the_clock() {
            let advice = self.reply.clock_advice(self.wall);
            return failed(StorageErrorKind::ClockSkewed, format!("{what}; {advice}"));
        }
        misconfigured(format!("{what}; {}", self.advice()))
    }

    fn said(&self) -> String {
        let message = self.reply.message();
        let message = message.filter(|_| self.reply.code().is_some());
        let secrets = self.caller.secrets();
        let message = secrets
            .iter()
            .fold(message, |said, secret| without(secret, said?));
        let code = self.reply.code().map(str::to_owned);
        let said: Vec<_> = code.into_iter().chain(message).collect();
        if said.is_empty() {
            "no reason".to_owned()
        } else {
            said.join(": ")
        }
    }

    /// Whether the same request may be granted later.
    fn passes(&self) -> bool {
        let busy = |code: &str| code.contains("Throttl") || code == "RequestLimitExceeded";
        let code_passes = |code: &str| code == "IDPCommunicationError" || busy(code);
        self.reply.is_busy() || self.reply.code().is_some_and(code_passes)
    }

    /// Whether the signature is too old or of the future. The code of STS for that is the same as for a wrong
    /// secret, and only the message tells.
    fn is_about_the_clock(&self) -> bool {
        let Some(code) = self.reply.code() else {
            return false;
        };
        let begins = ["Signature expired", "Signature not yet current"];
        let message = self.reply.message().unwrap_or_default();
        let is_late = begins.iter().any(|begin| message.starts_with(begin));
        matches!(code, "RequestExpired" | "RequestTimeTooSkewed") || is_late
    }

    fn advice(&self) -> String {
        let role_by = self.role_by;
        let Some(code) = self.reply.code() else {
            return advice_if_another_answers(self.sts);
        };
        if code == "RegionDisabledException" {
            let region = &self.sts.region.value;
            return format!("activate {region} for STS in the account, or set another region");
        }
        match self.caller {
            Caller::WebIdentity { file, .. } if code.starts_with("ExpiredToken") => {
                format!("the token in {file} has expired: check what renews that file")
            }
            Caller::WebIdentity { file, .. } => format!(
                "check {role_by}, its trust policy (provider, audience, subject), and that the token \
                 in {file} is current"
            ),
            Caller::Keys { from, .. } => self.advice_about_keys(code, from),
        }
    }

    fn advice_about_keys(&self, code: &str, from: &str) -> String {
        let role_by = self.role_by;
        let is_long = self.role.duration.is_some_and(|d| d > LONGEST_IN_CHAIN);
        match code {
            "ExpiredToken" | "ExpiredTokenException" => {
                format!("the session token of {from} has expired: get new keys")
            }
            "InvalidClientTokenId" | "UnrecognizedClientException" => {
                format!("check the access key and the session token of {from}")
            }
            "SignatureDoesNotMatch" | "InvalidSignatureException" => {
                format!("check the secret access key of {from}")
            }
            "ValidationError" if is_long => format!(
                "check duration_seconds beside {role_by}: a role has its own longest session, and one \
                 whose keys come from another role has an hour (3600) at most"
            ),
            "ValidationError" => format!(
                "check {role_by}, and role_session_name, external_id and duration_seconds beside it"
            ),
            _ => {
                let external_id = match self.role.external_id {
                    Some(_) => "external_id, which is set",
                    None => "external_id, which is not set",
                };
                format!(
                    "check {role_by}, that this identity may do sts:AssumeRole on it, and the role's \
                     trust policy with its conditions ({external_id}, MFA, the name of the session)"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hyper::HeaderMap;
    use rusoto_core::credential::AwsCredentials;

    use super::*;
    use crate::store::s3::settings::named::Named;
    use crate::store::s3::settings::service::Service;

    fn sts() -> ServiceEndpoint {
        ServiceEndpoint {
            service: Service::Sts,
            url: "http://a".to_owned(),
            set: Some(Named::new("http://a", "a test")),
            region: Named::new("eu-west-1", "a test"),
            signing_region: "eu-west-1".to_owned(),
        }
    }

    /// The keys that asked, with a session token.
    fn keys() -> AwsCredentials {
        let token = Some("hunter2-hunter2-hunter2".to_owned());
        AwsCredentials::new("AK", "secret-secret-secret", token, None)
    }

    fn told_of(role: &Role, caller: &Caller<'_>, status: u16, body: &str) -> LockError {
        let mut headers = HeaderMap::new();
        headers.insert("date", "Mon, 23 Nov 2026 02:00:00 GMT".parse().unwrap());
        let reply = Reply::new(status, &headers, body.as_bytes().to_vec());
        Refusal {
            reply: &reply,
            role,
            role_by: "role_arn of profile \"p\"",
            caller,
            sts: &sts(),
            // 02:20 of the same day.
            wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_400_400),
        }
        .error()
    }

    fn role() -> Role {
        Role {
            arn: "arn:r".to_owned(),
            session_name: "me".to_owned(),
            external_id: None,
            duration: None,
        }
    }

    fn error(code: &str, message: &str) -> String {
        format!(
            "<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error>\
             </ErrorResponse>"
        )
    }

    /// What is said to who asked with keys.
    fn told(role: &Role, status: u16, code: &str, message: &str) -> String {
        let keys = keys();
        let from = "profile \"q\"".to_owned();
        let caller = Caller::Keys { keys: &keys, from };
        told_of(role, &caller, status, &error(code, message)).to_string()
    }

    fn may_pass(status: u16, body: &str) -> bool {
        let caller = Caller::WebIdentity {
            token: "t",
            file: "/token",
        };
        told_of(&role(), &caller, status, body).may_pass()
    }

    #[test]
    fn only_trouble_that_may_pass_is_waited_out() {
        assert!(may_pass(503, ""));
        assert!(may_pass(429, ""));
        assert!(may_pass(400, &error("IDPCommunicationError", "m")));
        assert!(may_pass(400, &error("Throttling", "m")));
        assert!(!may_pass(400, &error("InvalidIdentityToken", "m")));
        assert!(!may_pass(403, &error("AccessDenied", "m")));
        assert!(!may_pass(302, ""));
    }

    #[test]
    fn a_denial_names_the_role_the_session_who_asked_and_what_to_check() {
        assert_eq!(
            told(&role(), 403, "AccessDenied", "not authorized"),
            "STS refused role arn:r (session me) to profile \"q\": 403 (AccessDenied: not \
             authorized); check role_arn of profile \"p\", that this identity may do sts:AssumeRole \
             on it, and the role's trust policy with its conditions (external_id, which is not set, \
             MFA, the name of the session)"
        );
        let with_id = Role {
            external_id: Some("x".to_owned()),
            ..role()
        };
        let told = told(&with_id, 403, "AccessDenied", "not authorized");
        assert!(told.contains("external_id, which is set"), "{told}");
    }

    #[test]
    fn keys_that_sts_does_not_take_are_named() {
        for (code, advice) in [
            (
                "InvalidClientTokenId",
                "check the access key and the session token of profile \"q\"",
            ),
            (
                "SignatureDoesNotMatch",
                "check the secret access key of profile \"q\"",
            ),
            (
                "ExpiredToken",
                "the session token of profile \"q\" has expired: get new keys",
            ),
        ] {
            let told = told(&role(), 403, code, "m");
            assert!(told.ends_with(advice), "{told}");
        }
    }

    #[test]
    fn a_clock_that_is_off_is_told_by_how_much() {
        for (code, message) in [
            (
                "SignatureDoesNotMatch",
                "Signature expired: 1 is now earlier than 2",
            ),
            (
                "SignatureDoesNotMatch",
                "Signature not yet current: 2 is still later than 1",
            ),
            ("RequestExpired", "m"),
        ] {
            let told = told(&role(), 403, code, message);
            let end = "; this machine's clock is 1200 s ahead: set it";
            assert!(told.ends_with(end), "{told}");
        }
    }

    #[test]
    fn a_long_duration_is_suspected_of_being_too_long() {
        let long = Role {
            duration: Some(3601),
            ..role()
        };
        let told_long = told(&long, 400, "ValidationError", "exceeds");
        assert!(told_long.contains("an hour (3600) at most"), "{told_long}");
        let hour = Role {
            duration: Some(3600),
            ..role()
        };
        let told = told(&hour, 400, "ValidationError", "m");
        assert!(!told.contains("an hour"), "{told}");
    }

    #[test]
    fn a_token_that_has_expired_is_told_with_its_file() {
        let caller = Caller::WebIdentity {
            token: "t",
            file: "/token",
        };
        let body = error("ExpiredTokenException", "m");
        let told = told_of(&role(), &caller, 400, &body).to_string();
        assert!(told.ends_with("the token in /token has expired: check what renews that file"));
    }

    #[test]
    fn a_region_that_is_not_active_is_told() {
        let told = told(&role(), 403, "RegionDisabledException", "m");
        assert!(told.ends_with("activate eu-west-1 for STS in the account, or set another region"));
    }

    #[test]
    fn what_repeats_a_secret_is_not_passed_on() {
        for secret in ["hunter2-hunter2-hunter2", "secret-secret-secret"] {
            let message = format!("x-amz-security-token:{secret}");
            let told = told(&role(), 403, "SignatureDoesNotMatch", &message);
            assert!(told.contains("403 (SignatureDoesNotMatch)"), "{told}");
        }
    }

    #[test]
    fn what_is_no_answer_of_sts_is_told_as_such() {
        let keys = keys();
        let from = "profile \"q\"".to_owned();
        let caller = Caller::Keys { keys: &keys, from };
        let told = told_of(&role(), &caller, 403, "<html>blocked</html>").to_string();
        let advice = "403 (no reason); check that http://a, which a test says, is STS, and that";
        assert!(told.contains(advice), "{told}");
    }
}
