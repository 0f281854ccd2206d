//! The token of `aws sso login`: what its file has, and how it is renewed. Pure.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use hyper::{Body, Request};

use crate::store::s3::credentials::sign_in::command;
use crate::store::s3::credentials::sign_in::document::{Document, end_of, shown};
use crate::store::s3::credentials::sign_in::renewing::{Renewal, SignIn};
use crate::store::s3::credentials::sign_in::settings::SsoSettings;
use crate::store::s3::settings::named::Named;
use crate::store::s3::settings::service::Service;

/// How long before its end a token is renewed, as AWS's own tools do it.
const EARLY: Duration = Duration::from_secs(15 * 60);

impl SsoSettings {
    /// The name of the token's file, without its ending.
    pub(super) fn file_name(&self) -> String {
        let name = self.session.as_ref().unwrap_or(&self.start_url);
        sha1_smol::Sha1::from(name).digest().to_string()
    }
}

impl SignIn for SsoSettings {
    fn told(&self) -> String {
        match &self.session {
            Some(session) => format!("SSO session {session:?}"),
            None => format!("SSO at {:?}", self.start_url),
        }
    }

    fn command(&self) -> String {
        match &self.session {
            Some(session) => command::sso_login(session),
            None => command::sso_login_of_profile(&self.profile),
        }
    }

    fn expiry(&self, token: &Document) -> Option<DateTime<Utc>> {
        token.text("accessToken")?;
        token.time("expiresAt")
    }

    fn early(&self) -> Duration {
        match self.session {
            Some(_) => EARLY,
            None => Duration::ZERO,
        }
    }

    fn service(&self, _: &Document) -> (Service, Option<Named>) {
        (Service::SsoOidc, Some(self.region.clone()))
    }

    fn renewal(&self, token: &Document, url: &str, now: SystemTime) -> Result<Renewal, String> {
        if self.session.is_none() {
            return Err(
                "only a profile with an sso_session is renewed without a person".to_owned(),
            );
        }
        let needed = ["refreshToken", "clientId", "clientSecret"];
        if let Some(missing) = token.lacks(&needed) {
            return Err(format!("cannot be renewed: its token has no {missing}"));
        }
        let registered = token.time("registrationExpiresAt");
        if let Some(end) = registered.filter(|end| SystemTime::from(*end) <= now) {
            let end = shown(end);
            return Err(format!(
                "cannot be renewed: its registration ended at {end}"
            ));
        }
        let text = |field| token.text(field).unwrap_or_default();
        let [refresh_token, client_id, client_secret] = needed.map(text);
        let body: Document = [
            ("grantType", "refresh_token"),
            ("clientId", client_id),
            ("clientSecret", client_secret),
            ("refreshToken", refresh_token),
        ]
        .into_iter()
        .collect();
        let request = Request::post(format!("{url}/token"))
            .header("content-type", "application/json")
            .body(Body::from(body.to_json()));
        let secrets = [refresh_token, client_secret, text("accessToken")];
        Ok(Renewal {
            request,
            secrets: secrets.map(str::to_owned).to_vec(),
        })
    }

    fn renewed(&self, token: &Document, reply: &[u8], sent: SystemTime) -> Option<Document> {
        let reply = Document::parse(reply).ok()?;
        let mut token = token.clone();
        token.set("accessToken", reply.text("accessToken")?);
        token.set_time("expiresAt", end_of(reply.number("expiresIn")?, sent)?);
        // Without a new one, the old one stays good.
        if let Some(refresh_token) = reply.text("refreshToken") {
            token.set("refreshToken", refresh_token);
        }
        token.set("startUrl", &self.start_url);
        token.set("region", &self.region.value);
        Some(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> SsoSettings {
        SsoSettings {
            profile: "p".to_owned(),
            session: Some("corp".to_owned()),
            start_url: "https://corp.awsapps.com/start".to_owned(),
            region: Named::new("eu-west-1", "[sso-session corp]"),
            account: "1".to_owned(),
            role: "r".to_owned(),
        }
    }

    fn older() -> SsoSettings {
        SsoSettings {
            session: None,
            ..session()
        }
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn token() -> Document {
        [
            ("accessToken", "old access"),
            ("expiresAt", "1970-01-01T00:10:00Z"),
            ("clientId", "id"),
            ("clientSecret", "secret"),
            ("refreshToken", "old refresh"),
            ("registrationExpiresAt", "1970-03-01T00:00:00Z"),
            ("startUrl", "https://before"),
            ("others", "kept"),
        ]
        .into_iter()
        .collect()
    }

    fn renewed(reply: &str) -> Option<Document> {
        session().renewed(&token(), reply.as_bytes(), at(100))
    }

    fn why_not(sign_in: &SsoSettings, token: &Document) -> String {
        match sign_in.renewal(token, "http://localhost", at(0)) {
            Ok(_) => "it is".to_owned(),
            Err(why) => why,
        }
    }

    #[test]
    fn the_file_is_named_after_the_session_or_the_start_url() {
        // `printf %s corp | sha1sum`
        let of_session = "ee0bfd2552fbd840c02cc48b6e823320543c450f";
        assert_eq!(session().file_name(), of_session);
        let of_start_url = "a51746d4aa793ae07b25e90c3a5db96fc7832bd7";
        assert_eq!(older().file_name(), of_start_url);
    }

    #[test]
    fn a_renewed_token_keeps_what_is_not_new() {
        let token = renewed(r#"{"accessToken":"a","expiresIn":3600,"refreshToken":"r"}"#).unwrap();
        let text = |field| token.text(field).unwrap();
        assert_eq!((text("accessToken"), text("refreshToken")), ("a", "r"));
        assert_eq!(text("expiresAt"), "1970-01-01T01:01:40Z");
        assert_eq!(text("startUrl"), "https://corp.awsapps.com/start");
        assert_eq!(text("region"), "eu-west-1");
        assert_eq!((text("clientSecret"), text("others")), ("secret", "kept"));
    }

    #[test]
    fn a_renewed_token_without_a_refresh_token_keeps_the_old_one() {
        let token = renewed(r#"{"accessToken":"a","expiresIn":3600}"#).unwrap();
        assert_eq!(token.text("refreshToken"), Some("old refresh"));
    }

    #[test]
    fn a_reply_without_a_token_is_none() {
        for reply in [
            "",
            "{}",
            r#"{"accessToken":"","expiresIn":1}"#,
            r#"{"accessToken":"a"}"#,
            r#"{"accessToken":"a","expiresIn":9223372036854775807}"#,
        ] {
            assert!(renewed(reply).is_none(), "{reply}");
        }
    }

    #[test]
    fn what_cannot_be_renewed_says_why() {
        assert_eq!(why_not(&session(), &token()), "it is");
        for field in ["refreshToken", "clientId", "clientSecret"] {
            let mut token = token();
            token.set(field, "");
            let expected = format!("cannot be renewed: its token has no {field}");
            assert_eq!(why_not(&session(), &token), expected);
        }
        let mut over = token();
        over.set("registrationExpiresAt", "1970-01-01T00:00:00Z");
        let expected = "cannot be renewed: its registration ended at 1970-01-01T00:00:00Z";
        assert_eq!(why_not(&session(), &over), expected);
        assert!(why_not(&older(), &token()).starts_with("only a profile with an sso_session"));
    }
}
