//! Credentials of an EC2 instance's role, from version 2 of its metadata service. Version 1 is not
//! used: it gives credentials to anybody who can make a program on the machine fetch a URL.

use std::time::Duration;

use hyper::{Body, Request};
use rusoto_core::credential::AwsCredentials;

use crate::protocol::Instant;
use crate::protocol::quote::shown;
use crate::store::s3::credentials::context::{LookUpContext, NoCredentials};
use crate::store::s3::credentials::errors::{failed, misconfigured};
use crate::store::s3::credentials::json;
use crate::store::s3::credentials::json::complaint;
use crate::store::s3::reply::Reply;
use crate::store::s3::settings::endpoint::Endpoint;
use crate::store::s3::settings::variables::variable;
use crate::types::errors::{LockError, StorageErrorKind};
use crate::types::text::seconds;

const DISABLED: &str = "AWS_EC2_METADATA_DISABLED";
const ENDPOINT: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
const ENDPOINT_MODE: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE";

const IPV4: &str = "http://169.254.169.254";
const IPV6: &str = "http://[fd00:ec2::254]";

const ROLES: &str = "/latest/meta-data/iam/security-credentials/";

/// How long each of three replies may take, with the connection. The service is next door. Where
/// there is none, most likely nothing answers at all, and a person is waiting.
const LIMIT: Duration = Duration::from_secs(1);
/// How often a request is sent while the service replies that it is busy, and the pause in between.
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(100);

pub(super) async fn look(context: &LookUpContext) -> Result<AwsCredentials, NoCredentials> {
    if is_disabled(variable(DISABLED))? {
        let note = format!("the metadata of an EC2 instance ({DISABLED} is true)");
        return Err(NoCredentials::Nothing(note));
    }
    let service = Service {
        context,
        base: base(variable(ENDPOINT), variable(ENDPOINT_MODE))?,
        start: context.clock.now(),
    };
    let token = service.token().await?;
    let reply = service.get(ROLES, &token).await?;
    let role = match reply.status() {
        200 => role(reply.body()),
        404 => None,
        _ => return Err(service.refused(&reply)),
    };
    let none = || service.nothing("no role is attached to this instance");
    let role = role.ok_or_else(none)?;
    let reply = service.get(&format!("{ROLES}{role}"), &token).await?;
    if reply.status() != 200 || is_failure(reply.body()) {
        return Err(service.refused(&reply));
    }
    Ok(json::read(reply.body(), &service.name())?)
}

/// Whether the service is switched off. AWS's tools take all but `true` for `false`, and so ask the service
/// when this is 1. Here that is refused, like another value of the other switches.
fn is_disabled(value: Option<String>) -> Result<bool, LockError> {
    match value {
        None => Ok(false),
        Some(value) if value.eq_ignore_ascii_case("true") => Ok(true),
        Some(value) if value.eq_ignore_ascii_case("false") => Ok(false),
        Some(value) => Err(refused(DISABLED, &value, "true or false")),
    }
}

fn refused(variable: &str, value: &str, choice: &str) -> LockError {
    let value = shown(value);
    misconfigured(format!("{variable} is \"{value}\": it must be {choice}"))
}

/// The service's URL, by what names it and by the mode that chooses it otherwise.
fn base(url: Option<String>, mode: Option<String>) -> Result<String, LockError> {
    let Some(url) = url else {
        return match mode {
            None => Ok(IPV4.to_owned()),
            Some(mode) if mode.eq_ignore_ascii_case("ipv4") => Ok(IPV4.to_owned()),
            Some(mode) if mode.eq_ignore_ascii_case("ipv6") => Ok(IPV6.to_owned()),
            Some(mode) => Err(refused(ENDPOINT_MODE, &mode, "IPv4 or IPv6")),
        };
    };
    let endpoint = Endpoint::parse(&url).map_err(|malformed| {
        let reason = malformed.reason();
        misconfigured(format!(
            "the metadata of an EC2 instance cannot be asked at the URL in {ENDPOINT}: {reason}"
        ))
    });
    endpoint.map(|endpoint| endpoint.0)
}

/// A session token. Something else that answers in the place of the service hardly gives one.
fn token(text: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let is_token = !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic() && c != '<');
    is_token.then(|| text.to_owned())
}

/// The first role of a list, which has only one. Its name is a part of a URL.
fn role(list: &[u8]) -> Option<String> {
    let list = std::str::from_utf8(list).ok()?;
    let role = list.lines().next()?.trim();
    let plain = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    (!role.is_empty() && role.chars().all(plain)).then(|| role.to_owned())
}

/// Whether a reply with status 200 says that the role cannot be assumed.
fn is_failure(body: &[u8]) -> bool {
    complaint(body).is_some_and(|said| said != "Success" && !said.starts_with("Success:"))
}

/// The metadata service during one look-up.
struct Service<'a> {
    context: &'a LookUpContext,
    base: String,
    start: Instant,
}

impl Service<'_> {
    fn name(&self) -> String {
        format!("the metadata of an EC2 instance at {}", self.base)
    }

    fn nothing(&self, why: &str) -> NoCredentials {
        NoCredentials::Nothing(format!("{} ({why})", self.name()))
    }

    /// A session token. It tells version 2 from version 1, and from any other service.
    async fn token(&self) -> Result<String, NoCredentials> {
        let ttl = ("x-aws-ec2-metadata-token-ttl-seconds", "60");
        let reply = self.ask("PUT", "/latest/api/token", ttl).await?;
        match reply.status() {
            200 => token(reply.body()).ok_or_else(|| {
                self.nothing(
                    "it answered a PUT of /latest/api/token with something that is no token",
                )
            }),
            403 => Err(self.nothing("it is switched off: 403")),
            status @ 300..500 => Err(self.nothing(&format!(
                "it answered {status} to a PUT of /latest/api/token: it has no version 2, and \
                 version 1 is not used"
            ))),
            _ => Err(self.refused(&reply)),
        }
    }

    async fn get(&self, path: &str, token: &str) -> Result<Reply, NoCredentials> {
        let header = ("x-aws-ec2-metadata-token", token);
        self.ask("GET", path, header).await
    }

    async fn ask(
        &self,
        method: &str,
        path: &str,
        header: (&str, &str),
    ) -> Result<Reply, NoCredentials> {
        let url = format!("{}{path}", self.base);
        let name = self.name();
        let mut attempts = 1;
        loop {
            let request = Request::builder().method(method).uri(&url);
            let request = request.header(header.0, header.1).body(Body::empty());
            let so_far = self.context.clock.now().at_most_since(self.start);
            let left = self.context.limit.saturating_sub(so_far);
            let asked = self.context.ask_directly(&name, request, left.min(LIMIT));
            let reply = asked.await.map_err(|error| self.silent(error))?;
            if attempts == ATTEMPTS || !reply.is_busy() || left < PAUSE * 2 {
                return Ok(reply);
            }
            attempts += 1;
            self.context.clock.sleep(PAUSE).await;
        }
    }

    /// Nothing answered: this is not an EC2 instance, or the reply does not come this far. It does
    /// not matter how far the look-up got: other clouds and proxies answer here in part.
    fn silent(&self, error: LockError) -> NoCredentials {
        let LockError::Storage(trouble) = &error else {
            return error.into();
        };
        let why = match trouble.kind() {
            StorageErrorKind::Unreachable => "no connection".to_owned(),
            StorageErrorKind::NoAnswer => format!(
                "no answer within {}; if this is a container on EC2, raise the instance's metadata \
                 hop limit to 2",
                seconds(&self.context.limit.min(LIMIT))
            ),
            _ => return error.into(),
        };
        let note = format!("{} ({why})", self.name());
        NoCredentials::Silent { note, error }
    }

    fn refused(&self, reply: &Reply) -> NoCredentials {
        let (name, status) = (self.name(), reply.status());
        let said = complaint(reply.body()).map_or(String::new(), |said| format!(" ({said})"));
        let what = format!("{name} answered {status}{said}");
        if reply.is_busy() {
            let note = format!("{name} (it answered {status})");
            let error = failed(StorageErrorKind::Unavailable, what);
            return NoCredentials::Silent { note, error };
        }
        misconfigured(format!("{what}; check the role of the instance")).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told<T>(result: Result<T, LockError>) -> String {
        result.map_or_else(|error| error.to_string(), |_| "no error".to_owned())
    }

    #[test]
    fn the_service_is_switched_off_by_true_alone_and_what_is_neither_is_refused() {
        let is_off = |value: Option<&str>| is_disabled(value.map(str::to_owned));
        assert!(is_off(Some("true")).unwrap() && is_off(Some("TRUE")).unwrap());
        assert!(!is_off(Some("false")).unwrap() && !is_off(None).unwrap());
        for value in ["1", "yes", " true"] {
            let told = told(is_off(Some(value)));
            let start = format!("AWS_EC2_METADATA_DISABLED is \"{}\"", value.trim());
            assert_eq!(told, format!("{start}: it must be true or false"));
        }
    }

    #[test]
    fn the_mode_chooses_the_address_if_no_url_is_set() {
        let of = |url: Option<&str>, mode: Option<&str>| {
            base(url.map(str::to_owned), mode.map(str::to_owned))
        };
        assert_eq!(of(None, None).unwrap(), IPV4);
        assert_eq!(of(None, Some("IPv4")).unwrap(), IPV4);
        assert_eq!(of(None, Some("ipv6")).unwrap(), IPV6);
        let url = "http://127.0.0.1:1338";
        assert_eq!(of(Some(url), Some("ipv6")).unwrap(), url);
        let expected = "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE is \"6\": it must be IPv4 or IPv6";
        assert_eq!(told(of(None, Some("6"))), expected);
    }

    #[test]
    fn the_first_role_counts() {
        assert_eq!(role(b"one\ntwo\n").as_deref(), Some("one"));
        assert_eq!(role(b"\n"), None);
        assert_eq!(role(b""), None);
    }

    #[test]
    fn what_is_no_token_or_role_is_none() {
        assert_eq!(token(b"AQAE-x==\n").as_deref(), Some("AQAE-x=="));
        for text in ["", "<html>", "two words", "a\nb"] {
            assert_eq!(token(text.as_bytes()), None);
        }
        for text in ["<html>", "a/b", "two words", "../a"] {
            assert_eq!(role(text.as_bytes()), None);
        }
    }

    #[test]
    fn a_failure_is_told_from_credentials() {
        assert!(is_failure(br#"{"Code":"AssumeRoleUnauthorizedAccess"}"#));
        assert!(!is_failure(br#"{"Code":"Success","AccessKeyId":"k"}"#));
        assert!(!is_failure(br#"{"AccessKeyId":"k"}"#));
    }
}
