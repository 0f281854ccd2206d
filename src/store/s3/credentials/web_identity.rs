//! Exchanges another identity provider's token for credentials at STS: EKS service accounts, CI
//! jobs.

use std::process;

use hyper::{Body, Request};
use rusoto_core::credential::AwsCredentials;

use crate::store::s3::credentials::context::{LookUpContext, NoCredentials};
use crate::store::s3::credentials::errors::{failed, misconfigured};
use crate::store::s3::credentials::json::{expiry, without};
use crate::store::s3::credentials::source::checked;
use crate::store::s3::reply::Reply;
use crate::store::s3::settings::service::Service;
use crate::store::s3::settings::variables::{half, variable};
use crate::store::s3::xml::Document;
use crate::types::errors::{ConfigError, LockError, StorageErrorKind};

pub(super) async fn look(context: &LookUpContext) -> Result<AwsCredentials, NoCredentials> {
    match WebIdentity::from_environment()? {
        Some(identity) => Ok(identity.assume(context).await?),
        None => Err(NoCredentials::Nothing(format!("{TOKEN_FILE} (not set)"))),
    }
}

const TOKEN_FILE: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";

/// The role to assume, and the token that permits it.
pub(super) struct WebIdentity {
    pub token_file: String,
    pub role_arn: String,
    pub session_name: Option<String>,
}

impl WebIdentity {
    fn from_environment() -> Result<Option<WebIdentity>, ConfigError> {
        let role = "AWS_ROLE_ARN";
        let Some(token_file) = variable(TOKEN_FILE) else {
            return Ok(None);
        };
        Ok(Some(WebIdentity {
            token_file,
            role_arn: variable(role).ok_or_else(|| half(TOKEN_FILE, role))?,
            session_name: variable("AWS_ROLE_SESSION_NAME"),
        }))
    }

    /// Exchanges the token. The file is read each time, because it is replaced before the token
    /// expires.
    pub(super) async fn assume(
        &self,
        context: &LookUpContext,
    ) -> Result<AwsCredentials, LockError> {
        let token = self.token(context).await?;
        let sts = context.endpoint_of(Service::Sts, None).await?;
        let advice = |step| sts.advice(step);
        let request = Request::post(&sts.url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(self.form(&token)));
        let asked = context.ask(&sts.url, request, &advice, context.limit);
        let reply = asked.await?;
        if reply.status() != 200 {
            return Err(self.refused(&reply, &token));
        }
        let granted = granted(reply.body()).ok_or_else(|| self.unreadable())?;
        Ok(checked(granted, &format!("role {}", self.role_arn))?)
    }

    async fn token(&self, context: &LookUpContext) -> Result<String, LockError> {
        let file = &self.token_file;
        let token = context.read(file).await?;
        let token = token.map_err(|error| {
            misconfigured(format!(
                "the web identity token {file} cannot be read: {error}"
            ))
        })?;
        match token.trim() {
            "" => Err(misconfigured(format!(
                "the web identity token {file} is empty"
            ))),
            token => Ok(token.to_owned()),
        }
    }

    fn session_name(&self) -> String {
        let own = || format!("s3-lock-{}", process::id());
        self.session_name.clone().unwrap_or_else(own)
    }

    fn form(&self, token: &str) -> String {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs([
            ("Action", "AssumeRoleWithWebIdentity"),
            ("Version", "2011-06-15"),
            ("RoleArn", &self.role_arn),
            ("RoleSessionName", &self.session_name()),
            ("WebIdentityToken", token),
        ]);
        form.finish()
    }

    fn refused(&self, reply: &Reply, token: &str) -> LockError {
        let (status, code) = (reply.status(), reply.code());
        let message = reply.message().and_then(|said| without(token, said));
        let said: Vec<_> = code.map(str::to_owned).into_iter().chain(message).collect();
        let said = if said.is_empty() {
            "no reason".to_owned()
        } else {
            said.join(": ")
        };
        let role = &self.role_arn;
        let what = format!("STS refused role {role}: {status} ({said})");
        if passes(status, code) {
            return failed(StorageErrorKind::Unavailable, what);
        }
        misconfigured(format!(
            "{what}; check AWS_ROLE_ARN, its trust policy, and that the token is current"
        ))
    }

    fn unreadable(&self) -> LockError {
        misconfigured(format!(
            "STS gave no credentials for role {}, in a reply that cannot be read; check that \
             AWS_ENDPOINT_URL_STS or AWS_ENDPOINT_URL, if set, is an STS",
            self.role_arn
        ))
    }
}

/// The credentials in a reply.
fn granted(xml: &[u8]) -> Option<AwsCredentials> {
    let answer = Document::read(xml, "AssumeRoleWithWebIdentityResponse")?;
    let place = "/AssumeRoleWithWebIdentityResponse/AssumeRoleWithWebIdentityResult/Credentials";
    let text = |name: &str| answer.first(&format!("{place}/{name}"));
    Some(AwsCredentials::new(
        text("AccessKeyId")?,
        text("SecretAccessKey")?,
        Some(text("SessionToken")?),
        Some(expiry(&text("Expiration")?)?),
    ))
}

/// Whether the same request may be granted later.
fn passes(status: u16, code: Option<&str>) -> bool {
    let busy = |code: &str| code.contains("Throttl") || code == "RequestLimitExceeded";
    let code_passes = |code: &str| code == "IDPCommunicationError" || busy(code);
    status >= 500 || status == 429 || code.is_some_and(code_passes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trouble_that_may_pass_is_waited_out() {
        assert!(passes(503, None));
        assert!(passes(400, Some("IDPCommunicationError")));
        assert!(passes(400, Some("Throttling")));
        assert!(!passes(400, Some("InvalidIdentityToken")));
        assert!(!passes(403, Some("AccessDenied")));
        assert!(!passes(302, None));
    }
}
