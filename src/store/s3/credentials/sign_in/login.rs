//! Credentials of `aws login`: a person signs in with a browser, as for AWS's console.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use hyper::{Body, Request};
use rusoto_core::credential::AwsCredentials;
use sha2::{Digest, Sha256};

use crate::store::s3::credentials::context::LookUpContext;
use crate::store::s3::credentials::errors::{misconfigured, no_thread};
use crate::store::s3::credentials::sign_in::document::{Document, end_of};
use crate::store::s3::credentials::sign_in::refusal::Refusal;
use crate::store::s3::credentials::sign_in::renewing::{Renewal, SignIn, cache_file, current};
use crate::store::s3::credentials::sign_in::{command, dpop};
use crate::store::s3::credentials::source::checked;
use crate::store::s3::settings::named::Named;
use crate::store::s3::settings::region::is_region;
use crate::store::s3::settings::service::Service;
use crate::store::s3::settings::variables::{expanded, path_in};
use crate::sys::random::nonce;
use crate::types::errors::LockError;

/// The variable that moves the folder of the tokens.
const FOLDER: &str = "AWS_LOGIN_CACHE_DIRECTORY";
/// How long before their end credentials are renewed, as AWS's own tools do it. They are good for a
/// quarter of an hour.
const EARLY: Duration = Duration::from_secs(5 * 60);
/// The field of the credentials.
const KEYS: &str = "accessToken";

/// The profile for which somebody has signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LoginSettings {
    pub profile: String,
    /// Whoever signed in: the ARN of a user or role.
    pub session: String,
}

impl LoginSettings {
    fn file_name(&self) -> String {
        format!("{:x}", Sha256::digest(self.session.as_bytes()))
    }
}

/// The credentials of whoever has signed in.
pub(crate) async fn look(
    settings: &LoginSettings,
    context: &LookUpContext,
) -> Result<AwsCredentials, LockError> {
    let path = path(settings, context).await?;
    let token = current(settings, &path, context).await?;
    let keys = token.object(KEYS).and_then(|keys| credentials(&keys));
    // `expiry` has looked for them.
    let keys = keys.ok_or_else(|| misconfigured("the sign-in has no keys"))?;
    Ok(checked(
        keys,
        &format!("the sign-in to {}", settings.told()),
    )?)
}

async fn path(settings: &LoginSettings, context: &LookUpContext) -> Result<PathBuf, LockError> {
    let name = settings.file_name();
    let folder = path_in(FOLDER).filter(|folder| !folder.as_os_str().is_empty());
    let Some(folder) = folder else {
        return cache_file(settings, "login", &name, context).await;
    };
    let path = expanded(&folder.to_string_lossy(), &context.threads)
        .await
        .map_err(no_thread)?;
    let path = path.ok_or_else(|| {
        misconfigured(format!(
            "{FOLDER} names a home directory that is not there; correct it"
        ))
    })?;
    Ok(Path::new(&path).join(format!("{name}.json")))
}

fn credentials(keys: &Document) -> Option<AwsCredentials> {
    Some(AwsCredentials::new(
        keys.text("accessKeyId")?,
        keys.text("secretAccessKey")?,
        Some(keys.text("sessionToken")?.to_owned()),
        Some(keys.time("expiresAt")?),
    ))
}

impl SignIn for LoginSettings {
    fn told(&self) -> String {
        format!("AWS with profile {:?}", self.profile)
    }

    fn command(&self) -> String {
        command::login(&self.profile)
    }

    fn expiry(&self, token: &Document) -> Option<DateTime<Utc>> {
        credentials(&token.object(KEYS)?)?.expires_at().to_owned()
    }

    fn early(&self) -> Duration {
        EARLY
    }

    fn service(&self, token: &Document) -> (Service, Option<Named>) {
        let region = token
            .text("signInRegion")
            .filter(|region| is_region(region));
        let region = region.map(|region| Named::new(region, "the sign-in"));
        (Service::SignIn, region)
    }

    fn renewal(&self, token: &Document, url: &str, now: SystemTime) -> Result<Renewal, String> {
        if !dpop::IS_POSSIBLE {
            let line = command::export(&self.profile);
            return Err(format!(
                "only AWS's own tools renew it on this system: use a profile that has the line `{line}`"
            ));
        }
        let needed = ["refreshToken", "clientId", "dpopKey"];
        if let Some(missing) = token.lacks(&needed) {
            return Err(format!("cannot be renewed: its token has no {missing}"));
        }
        let text = |field| token.text(field).unwrap_or_default();
        let [refresh_token, client_id, key] = needed.map(text);
        let url = format!("{url}/v1/token");
        let id = nonce().map_err(|e| format!("cannot be renewed: no random numbers ({e})"))?;
        let proof = dpop::proof(key, &url, now, id)
            .ok_or("cannot be renewed: the dpopKey of its token is not usable")?;
        let body: Document = [
            ("clientId", client_id),
            ("refreshToken", refresh_token),
            ("grantType", "refresh_token"),
        ]
        .into_iter()
        .collect();
        let request = Request::post(url)
            .header("content-type", "application/json")
            .header("dpop", proof)
            .body(Body::from(body.to_json()));
        Ok(Renewal {
            request,
            secrets: vec![refresh_token.to_owned()],
        })
    }

    fn renewed(&self, token: &Document, reply: &[u8], sent: SystemTime) -> Option<Document> {
        let reply = Document::parse(reply).ok()?;
        let new = reply.object(KEYS)?;
        let mut token = token.clone();
        // The number of the account stays.
        let mut keys = token.object(KEYS)?;
        for field in ["accessKeyId", "secretAccessKey", "sessionToken"] {
            keys.set(field, new.text(field)?);
        }
        keys.set_time("expiresAt", end_of(reply.number("expiresIn")?, sent)?);
        token.set_object(KEYS, keys);
        if let Some(refresh_token) = reply.text("refreshToken") {
            token.set("refreshToken", refresh_token);
        }
        Some(token)
    }

    fn remedy(&self, refusal: &Refusal) -> String {
        match refusal.code.as_str() {
            "INSUFFICIENT_PERMISSIONS" => {
                format!("grant signin:CreateOAuth2Token to {}", self.session)
            }
            _ => format!("sign in again: {}", self.command()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login() -> LoginSettings {
        LoginSettings {
            profile: "p".to_owned(),
            session: "arn:aws:iam::123456789012:user/me".to_owned(),
        }
    }

    const TOKEN: &str = r#"{
        "accessToken": {"accessKeyId": "k", "secretAccessKey": "s", "sessionToken": "t",
            "accountId": "123456789012", "expiresAt": "1970-01-01T00:10:00Z"},
        "refreshToken": "old refresh", "idToken": "kept", "clientId": "c"
    }"#;

    fn token() -> Document {
        Document::parse(TOKEN.as_bytes()).unwrap()
    }

    fn renewed(reply: &str) -> Option<Document> {
        let sent = SystemTime::UNIX_EPOCH + Duration::from_secs(100);
        login().renewed(&token(), reply.as_bytes(), sent)
    }

    #[test]
    fn the_file_is_named_after_the_session() {
        // `printf %s arn:... | sha256sum`
        let expected = "286187707741fc2ccb93cf9e56dbd0ee0a16208feed5fbc8ae1baa86d44c283f";
        assert_eq!(login().file_name(), expected);
    }

    #[test]
    fn a_renewed_token_keeps_what_is_not_new() {
        let reply = r#"{"accessToken":{"accessKeyId":"k2","secretAccessKey":"s2","sessionToken":"t2"},
            "expiresIn":900,"refreshToken":"new refresh","tokenType":"aws_sigv4"}"#;
        let token = renewed(reply).unwrap();
        let keys = token.object(KEYS).unwrap();
        let text = |field| keys.text(field).unwrap();
        assert_eq!((text("accessKeyId"), text("sessionToken")), ("k2", "t2"));
        assert_eq!(text("accountId"), "123456789012");
        assert_eq!(text("expiresAt"), "1970-01-01T00:16:40Z");
        assert_eq!(token.text("refreshToken"), Some("new refresh"));
        assert_eq!(token.text("idToken"), Some("kept"));
    }

    #[test]
    fn a_reply_without_keys_is_none() {
        for reply in [
            "",
            "{}",
            r#"{"accessToken":"a","expiresIn":1}"#,
            r#"{"accessToken":{"accessKeyId":"k","secretAccessKey":"s"},"expiresIn":1}"#,
        ] {
            assert!(renewed(reply).is_none(), "{reply}");
        }
    }

    #[test]
    fn a_token_without_all_of_its_keys_has_no_end() {
        assert!(login().expiry(&token()).is_some());
        let mut half = token();
        half.set_object(KEYS, [("accessKeyId", "k")].into_iter().collect());
        assert!(login().expiry(&half).is_none());
    }
}
