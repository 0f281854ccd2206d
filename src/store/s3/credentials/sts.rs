//! Asks STS for the credentials of a role: with other credentials (AssumeRole), or with another
//! identity provider's token (AssumeRoleWithWebIdentity).
//!
//! Region and endpoint are those of the profile in use, not of the profile that has the keys, as in
//! AWS's own tools.

use hyper::{Body, Request};
use rusoto_core::credential::AwsCredentials;
use rusoto_core::signature::SignedRequest;

use crate::store::s3::credentials::context::LookUpContext;
use crate::store::s3::credentials::errors::misconfigured;
use crate::store::s3::credentials::json::expiry;
use crate::store::s3::credentials::role::Role;
use crate::store::s3::credentials::source::checked;
use crate::store::s3::credentials::sts_caller::Caller;
use crate::store::s3::credentials::sts_refusal::Refusal;
use crate::store::s3::network::advice::{advice_for, advice_if_another_answers};
use crate::store::s3::request;
use crate::store::s3::settings::endpoint::Endpoint;
use crate::store::s3::settings::service::Service;
use crate::store::s3::settings::service_endpoint::ServiceEndpoint;
use crate::store::s3::xml::Document;
use crate::types::errors::LockError;

/// Asks for a role. `role_by` is the setting that names it.
pub(super) async fn assume(
    role: &Role,
    role_by: &str,
    caller: Caller<'_>,
    context: &LookUpContext,
) -> Result<AwsCredentials, LockError> {
    let sts = context.endpoint_of(Service::Sts, None).await?;
    let advice = |step| advice_for(&sts, step);
    let form = form(role, &caller);
    let request = match &caller {
        Caller::Keys { keys, .. } => signed(form, &sts.url, &sts.signing_region, keys)?,
        Caller::WebIdentity { .. } => unsigned(form, &sts.url)?,
    };
    let place = format!("STS {} for role {}", sts.url, role.arn);
    let asked = context.send(&place, request, &advice, context.limit);
    let reply = asked.await?;
    if reply.status() != 200 {
        let refusal = Refusal {
            reply: &reply,
            role,
            role_by,
            caller: &caller,
            sts: &sts,
            wall: context.clock.wall(),
        };
        return Err(refusal.error());
    }
    let granted = granted(reply.body(), caller.action()).ok_or_else(|| unreadable(role, &sts))?;
    Ok(checked(granted, &format!("role {}", role.arn))?)
}

/// The form of AWS's query protocol.
fn form(role: &Role, caller: &Caller<'_>) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs([
        ("Action", caller.action()),
        ("Version", "2011-06-15"),
        ("RoleArn", &role.arn),
        ("RoleSessionName", &role.session_name),
    ]);
    if let Some(id) = &role.external_id {
        form.append_pair("ExternalId", id);
    }
    if let Some(duration) = role.duration {
        form.append_pair("DurationSeconds", &duration.to_string());
    }
    if let Caller::WebIdentity { token, .. } = caller {
        form.append_pair("WebIdentityToken", token);
    }
    form.finish()
}

const FORM: &str = "application/x-www-form-urlencoded";

fn unsigned(form: String, endpoint: &str) -> Result<Request<Body>, LockError> {
    let request = Request::post(endpoint).header("content-type", FORM);
    let request = request.body(Body::from(form));
    request.map_err(|error| misconfigured(format!("STS cannot be asked at {endpoint}: {error}")))
}

fn signed(
    form: String,
    endpoint: &str,
    region: &str,
    keys: &AwsCredentials,
) -> Result<Request<Body>, LockError> {
    let (scheme, host, path) = Endpoint::split(endpoint);
    let origin = format!("{scheme}{host}");
    let path = if path.is_empty() { "/" } else { path };
    let region = request::custom_region(region, &origin);
    let mut request = SignedRequest::new("POST", "sts", &region, path);
    request.set_content_type(FORM.to_owned());
    request.set_payload(Some(form));
    request.set_hostname(Some(host.to_owned()));
    request.sign(keys);
    request::to_hyper(&request, &origin)
}

/// The credentials in a reply.
fn granted(xml: &[u8], action: &str) -> Option<AwsCredentials> {
    let root = format!("{action}Response");
    let answer = Document::read(xml, &root)?;
    let text = |name: &str| answer.first(&format!("/{root}/{action}Result/Credentials/{name}"));
    Some(AwsCredentials::new(
        text("AccessKeyId")?,
        text("SecretAccessKey")?,
        Some(text("SessionToken")?),
        Some(expiry(&text("Expiration")?)?),
    ))
}

fn unreadable(role: &Role, sts: &ServiceEndpoint) -> LockError {
    misconfigured(format!(
        "STS gave no credentials for role {}, in a reply that cannot be read; {}",
        role.arn,
        advice_if_another_answers(sts)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role() -> Role {
        Role {
            arn: "arn:aws:iam::1:role/a".to_owned(),
            session_name: "me@work".to_owned(),
            external_id: None,
            duration: None,
        }
    }

    #[test]
    fn the_form_of_a_role_with_keys_has_what_is_set() {
        let keys = AwsCredentials::new("AK", "hunter2", None, None);
        let caller = || Caller::Keys {
            keys: &keys,
            from: "a test".to_owned(),
        };
        let start = "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fa\
                     &RoleSessionName=me%40work";
        assert_eq!(form(&role(), &caller()), start);
        let whole = Role {
            external_id: Some("a&b".to_owned()),
            duration: Some(900),
            ..role()
        };
        let end = "&ExternalId=a%26b&DurationSeconds=900";
        assert_eq!(form(&whole, &caller()), format!("{start}{end}"));
    }

    #[test]
    fn an_endpoint_may_have_a_path() {
        let keys = AwsCredentials::new("AK", "hunter2", None, None);
        for (endpoint, uri) in [
            ("http://a:1", "http://a:1/"),
            ("http://a:1/b/c", "http://a:1/b/c"),
        ] {
            let Ok(sent) = signed(String::new(), endpoint, "eu-west-1", &keys) else {
                panic!("it can be sent");
            };
            assert_eq!(sent.uri(), uri);
        }
    }

    #[test]
    fn a_signed_request_has_the_scope_of_sts_and_the_session_token() {
        let token = Some("token".to_owned());
        let keys = AwsCredentials::new("AK", "hunter2", token, None);
        let form = "Action=AssumeRole".to_owned();
        let Ok(sent) = signed(form, "http://a:1/pre", "eu-west-1", &keys) else {
            panic!("it can be sent");
        };
        assert_eq!(sent.uri(), "http://a:1/pre");
        let header = |name| sent.headers()[name].to_str().unwrap();
        assert_eq!(header("host"), "a:1");
        assert_eq!(header("content-type"), FORM);
        assert_eq!(header("x-amz-security-token"), "token");
        let signature = header("authorization");
        assert!(signature.contains("Credential=AK/"), "{signature}");
        assert!(
            signature.contains("/eu-west-1/sts/aws4_request"),
            "{signature}"
        );
    }

    #[test]
    fn credentials_are_read_from_the_answer_to_the_same_request_alone() {
        let answer = |action: &str| {
            format!(
                "<{action}Response><{action}Result><Credentials><AccessKeyId>AK</AccessKeyId>\
                 <SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
                 <Expiration>2026-11-23T02:00:00Z</Expiration></Credentials></{action}Result>\
                 </{action}Response>"
            )
        };
        assert!(granted(answer("AssumeRole").as_bytes(), "AssumeRole").is_some());
        assert!(granted(answer("AssumeRoleWithSAML").as_bytes(), "AssumeRole").is_none());
        let without_expiry = answer("AssumeRole").replace("2026-11-23T02:00:00Z", "");
        assert!(granted(without_expiry.as_bytes(), "AssumeRole").is_none());
    }
}
