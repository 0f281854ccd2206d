//! A token of another identity provider, exchanged for credentials by STS: EKS service accounts,
//! CI jobs. rusoto_sts writes the request, this crate sends it and reads the answer.

use std::process;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusoto_core::credential::AwsCredentials;
use rusoto_core::request::{DispatchSignedRequest, DispatchSignedRequestFuture};
use rusoto_core::signature::SignedRequest;
use rusoto_core::{Client, Region};
use rusoto_sts::{AssumeRoleWithWebIdentityRequest, Credentials, Sts, StsClient};

use crate::store::s3::credentials::chain::half;
use crate::store::s3::credentials::document::{expiry, without};
use crate::store::s3::credentials::source::checked;
use crate::store::s3::credentials::tools::{Failure, Found, Tools};
use crate::store::s3::dispatch;
use crate::store::s3::dispatch::Dispatcher;
use crate::store::s3::endpoint::{Endpoint, Malformed};
use crate::store::s3::list::nothing_to_read;
use crate::store::s3::named::Named;
use crate::store::s3::profile::variable;
use crate::store::s3::reply::Reply;
use crate::store::s3::wire::aws_endpoint;
use crate::store::s3::xml::Document;
use crate::sys::sync::lock;
use crate::types::errors::{ConfigError, StorageErrorKind};

/// Who to be, and the token that permits it.
pub(super) struct WebIdentity {
    pub token_file: String,
    pub role_arn: String,
    pub session_name: Option<String>,
}

impl WebIdentity {
    pub(super) fn from_environment() -> Result<Option<WebIdentity>, ConfigError> {
        let (file, role) = ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN");
        let Some(token_file) = variable(file) else {
            return Ok(None);
        };
        Ok(Some(WebIdentity {
            token_file,
            role_arn: variable(role).ok_or_else(|| half(file, role))?,
            session_name: variable("AWS_ROLE_SESSION_NAME"),
        }))
    }

    /// Exchanges the token. It is read each time, because it is replaced before it expires.
    pub(super) async fn assume(&self, tools: &Tools, limit: Duration) -> Result<Found, Failure> {
        let token = self.token(tools).await?;
        let (endpoint, advice) = endpoint(&tools.region().await?)?;
        let carrier = Carrier {
            dispatcher: tools.dispatcher.clone(),
            endpoint,
            advice,
            role_arn: self.role_arn.clone(),
            token: token.clone(),
            limit,
            answer: Arc::default(),
        };
        let answer = carrier.answer.clone();
        // The carrier knows where it is sent.
        let nowhere = Region::Custom {
            name: String::new(),
            endpoint: String::new(),
        };
        let sts = StsClient::new_with_client(Client::new_not_signing(carrier), nowhere);
        let request = AssumeRoleWithWebIdentityRequest {
            role_arn: self.role_arn.clone(),
            role_session_name: self.session_name(),
            web_identity_token: token,
            ..AssumeRoleWithWebIdentityRequest::default()
        };
        let sent = sts.assume_role_with_web_identity(request).await;
        let answer = lock(&answer).take();
        match answer {
            Some(reply) => match granted(&reply?) {
                Some(credentials) => self.found(credentials),
                None => Err(self.unreadable()),
            },
            None => {
                let why = sent.err().map_or(String::new(), |e| format!(": {e}"));
                Err(Failure::config(format!("STS cannot be asked{why}")))
            }
        }
    }

    async fn token(&self, tools: &Tools) -> Result<String, Failure> {
        let file = &self.token_file;
        let token = tools.read(file).await?;
        let token = token.map_err(|error| {
            Failure::config(format!(
                "the web identity token {file} cannot be read: {error}"
            ))
        })?;
        match token.trim() {
            "" => Err(Failure::config(format!(
                "the web identity token {file} is empty"
            ))),
            token => Ok(token.to_owned()),
        }
    }

    fn session_name(&self) -> String {
        let own = || format!("s3-lock-{}", process::id());
        self.session_name.clone().unwrap_or_else(own)
    }

    fn found(&self, credentials: Credentials) -> Result<Found, Failure> {
        let expires_at = expiry(&credentials.expiration).ok_or_else(|| self.unreadable())?;
        let found = AwsCredentials::new(
            credentials.access_key_id,
            credentials.secret_access_key,
            Some(credentials.session_token),
            Some(expires_at),
        );
        Ok(Found(checked(found, &format!("role {}", self.role_arn))?))
    }

    fn unreadable(&self) -> Failure {
        Failure::config(format!(
            "STS gave no credentials for role {}, in an answer that cannot be read; check that \
             AWS_ENDPOINT_URL_STS or AWS_ENDPOINT_URL, if set, is an STS",
            self.role_arn
        ))
    }
}

/// Where STS is, without a trailing slash; and what to check if it is not there.
fn endpoint(region: &Named) -> Result<(String, String), Failure> {
    let names = ["AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"];
    let set = names.into_iter().find_map(|n| Some((n, variable(n)?)));
    let Some((set, url)) = set else {
        let advice = region.region_advice("STS");
        return Ok((aws_endpoint("sts", &region.value), advice));
    };
    let reason = match Endpoint::parse(&url) {
        Ok(Endpoint(url)) => {
            let advice = Named::new(&url, set).endpoint_advice();
            return Ok((url, advice));
        }
        Err(Malformed::HoldsCredentials) => "it holds credentials",
        Err(Malformed::Otherwise(reason)) => reason,
    };
    // Not quoted: it may hold a secret.
    Err(Failure::config(format!(
        "STS cannot be asked at the URL in {set}: {reason}"
    )))
}

/// Carries rusoto's request over this crate's own connections, and keeps the answer: rusoto's reader
/// panics on a number that is none, and its errors are texts.
struct Carrier {
    dispatcher: Arc<Dispatcher>,
    endpoint: String,
    /// What to check if nobody answers there.
    advice: String,
    role_arn: String,
    token: String,
    limit: Duration,
    answer: Arc<Mutex<Option<Result<Reply, Failure>>>>,
}

impl DispatchSignedRequest for Carrier {
    fn dispatch(
        &self,
        mut request: SignedRequest,
        _: Option<Duration>,
    ) -> DispatchSignedRequestFuture {
        let (dispatcher, limit) = (self.dispatcher.clone(), self.limit);
        let what = format!("a request for credentials to {}", self.endpoint);
        let host = self.endpoint.split_once("://").map_or("", |(_, host)| host);
        request.set_hostname(Some(host.to_owned()));
        request.complement();
        let request = dispatch::to_hyper(&request, &self.endpoint);
        let (role_arn, token) = (self.role_arn.clone(), self.token.clone());
        let advice = self.advice.clone();
        let answer = self.answer.clone();
        Box::pin(async move {
            let exchange = async {
                let request = request.map_err(dispatch::SendError::NotSent)?;
                let reply = dispatcher.send_as(&what, request, limit).await;
                let reply = reply.map_err(|error| error.advised(|| advice))?;
                not_refused(reply, &role_arn, &token)
            };
            *lock(&answer) = Some(exchange.await);
            nothing_to_read()
        })
    }
}

/// The credentials in an answer.
fn granted(reply: &Reply) -> Option<Credentials> {
    let answer = Document::read(reply.body(), "AssumeRoleWithWebIdentityResponse")?;
    let place = "/AssumeRoleWithWebIdentityResponse/AssumeRoleWithWebIdentityResult/Credentials";
    let text = |name: &str| answer.first(&format!("{place}/{name}"));
    Some(Credentials {
        access_key_id: text("AccessKeyId")?,
        secret_access_key: text("SecretAccessKey")?,
        session_token: text("SessionToken")?,
        expiration: text("Expiration")?,
    })
}

/// The reply, if it is one that should hold credentials.
fn not_refused(reply: Reply, role_arn: &str, token: &str) -> Result<Reply, Failure> {
    if reply.status() == 200 {
        return Ok(reply);
    }
    let (code, message) = reply.said();
    let parts = [code.clone(), message.and_then(|m| without(token, m))];
    let said: Vec<_> = parts.into_iter().flatten().collect();
    let said = match said.is_empty() {
        true => "no reason".to_owned(),
        false => said.join(": "),
    };
    let status = reply.status();
    let what = format!("STS did not let role {role_arn} be assumed: {status} ({said})");
    match passes(status, code.as_deref()) {
        true => Err(Failure::storage(StorageErrorKind::Unavailable, what)),
        false => Err(Failure::config(format!(
            "{what}; check AWS_ROLE_ARN, its trust policy, and that the token is current"
        ))),
    }
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
