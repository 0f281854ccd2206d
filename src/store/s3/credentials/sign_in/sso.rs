//! Credentials of a role in AWS's single sign-on (IAM Identity Center).

use chrono::DateTime;
use hyper::{Body, Request};
use rusoto_core::credential::AwsCredentials;
use serde::Deserialize;

use crate::store::s3::credentials::context::LookUpContext;
use crate::store::s3::credentials::errors::{failed, misconfigured};
use crate::store::s3::credentials::sign_in::refusal::Refusal;
use crate::store::s3::credentials::sign_in::renewing::{SignIn, cache_file, current};
use crate::store::s3::credentials::sign_in::settings::SsoSettings;
use crate::store::s3::credentials::source::checked;
use crate::store::s3::network::advice::{advice_for, advice_if_another_answers};
use crate::store::s3::settings::service::Service;
use crate::store::s3::settings::service_endpoint::ServiceEndpoint;
use crate::types::errors::{LockError, StorageErrorKind};

/// The role's credentials, by the token of whoever has signed in.
pub(crate) async fn look(
    settings: &SsoSettings,
    context: &LookUpContext,
) -> Result<AwsCredentials, LockError> {
    let path = cache_file(settings, "sso", &settings.file_name(), context).await?;
    let token = current(settings, &path, context).await?;
    let token = token.text("accessToken").unwrap_or_default();
    let region = Some(settings.region.clone());
    let endpoint = context.endpoint_of(Service::Sso, region).await?;
    let place = format!("{} {}", Service::Sso.name(), endpoint.url);
    let request = Request::get(url(settings, &endpoint.url))
        .header("x-amz-sso_bearer_token", token)
        .body(Body::empty());
    let advice = |step| advice_for(&endpoint, step);
    let asked = context.ask(&place, request, &advice, context.limit);
    let reply = asked.await?;
    if reply.status() != 200 {
        return Err(refused(settings, &place, &Refusal::read(&reply, &[token])));
    }
    let granted = granted(reply.body()).ok_or_else(|| unreadable(settings, &place, &endpoint))?;
    Ok(checked(granted, &told(settings))?)
}

fn url(settings: &SsoSettings, endpoint: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs([
        ("role_name", &settings.role),
        ("account_id", &settings.account),
    ]);
    format!("{endpoint}/federation/credentials?{}", query.finish())
}

/// For people: the role.
fn told(settings: &SsoSettings) -> String {
    let SsoSettings { role, account, .. } = settings;
    format!("SSO role {role:?} of account {account:?}")
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Granted {
    role_credentials: RoleCredentials,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RoleCredentials {
    access_key_id: String,
    secret_access_key: String,
    session_token: String,
    /// In milliseconds since 1970.
    expiration: i64,
}

/// The credentials in a reply.
fn granted(json: &[u8]) -> Option<AwsCredentials> {
    let Granted { role_credentials } = serde_json::from_slice(json).ok()?;
    let RoleCredentials {
        access_key_id,
        secret_access_key,
        session_token,
        expiration,
    } = role_credentials;
    Some(AwsCredentials::new(
        access_key_id,
        secret_access_key,
        Some(session_token),
        Some(DateTime::from_timestamp_millis(expiration)?),
    ))
}

fn refused(settings: &SsoSettings, place: &str, refusal: &Refusal) -> LockError {
    let (role, said) = (told(settings), refusal.told());
    let what = format!("{place} gave no credentials for {role}: {said}");
    if refusal.may_pass() {
        return failed(StorageErrorKind::Unavailable, what);
    }
    if refusal.status == 401 || refusal.code == "UnauthorizedException" {
        let (told, command) = (settings.told(), settings.command());
        return misconfigured(format!(
            "{what}; the sign-in to {told} has ended: sign in again: {command}"
        ));
    }
    misconfigured(format!(
        "{what}; check sso_account_id and sso_role_name of profile {:?}, and that whoever signed in \
         has that role",
        settings.profile
    ))
}

fn unreadable(settings: &SsoSettings, place: &str, endpoint: &ServiceEndpoint) -> LockError {
    let (role, advice) = (told(settings), advice_if_another_answers(endpoint));
    misconfigured(format!(
        "{place} gave no credentials for {role}, in a reply that cannot be read; {advice}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::s3::settings::named::Named;

    #[test]
    fn a_role_may_have_any_character() {
        let settings = SsoSettings {
            profile: "p".to_owned(),
            session: None,
            start_url: "u".to_owned(),
            region: Named::new("eu-west-1", "a test"),
            account: "123456789012".to_owned(),
            role: "a+b=c@d&e".to_owned(),
        };
        assert_eq!(
            url(&settings, "http://portal"),
            "http://portal/federation/credentials?role_name=a%2Bb%3Dc%40d%26e&account_id=123456789012"
        );
    }

    #[test]
    fn an_expiration_is_in_milliseconds() {
        let json = |expiration| {
            format!(
                r#"{{"roleCredentials":{{"accessKeyId":"k","secretAccessKey":"s","sessionToken":"t","expiration":{expiration}}}}}"#
            )
        };
        let found = granted(json("1764489600000").as_bytes()).unwrap();
        let expiry = found.expires_at().unwrap();
        assert_eq!(expiry.to_rfc3339(), "2025-11-30T08:00:00+00:00");
        for expiration in ["9223372036854775807", "\"soon\""] {
            assert!(granted(json(expiration).as_bytes()).is_none());
        }
    }
}
