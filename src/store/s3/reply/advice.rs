//! The error message for a reply that is not the expected one, with advice on what to do.

use std::time::{Duration, SystemTime};

use chrono::DateTime;
use hyper::Uri;

use crate::protocol::Location;
use crate::protocol::quote::shown;
use crate::store::s3::reply::asked::Asked;
use crate::store::s3::reply::http_reply::Reply;
use crate::store::s3::reply::verdict::kind;
use crate::store::s3::settings::named::Named;
use crate::store::s3::settings::proxy::one_proxy::Proxy;
use crate::types::errors::{StorageError, StorageErrorKind as Kind};
use crate::types::text::seconds;

/// How much of a body is looked at to recognise a page.
const LOOKED_AT: usize = 500;

/// What helps if something else answers and no endpoint is set, so that it should be AWS.
const NOT_AWS: &str = "a proxy or firewall seems to answer in S3's place: check the way to it";

/// What helps with a reply to a request.
type Advice = fn(&Asked) -> String;

/// What servers say that expect TLS, or a certificate of the client: nginx, Go, Apache.
const OF_TLS: [(&str, Advice); 5] = [
    ("plain http request was sent to https port", is_https),
    ("client sent an http request to an https server", is_https),
    (
        "speaking plain http to an ssl-enabled server port",
        is_https,
    ),
    ("no required ssl certificate was sent", |_| {
        "it demands a client certificate: name one with ClientBuilder::client_identity".into()
    }),
    ("the ssl certificate error", |_| {
        "it does not accept the client certificate: check the one that was set".into()
    }),
];

const SIGN_IN: &str = "the network answers in the store's place and requires a sign-in: sign in, \
                       or use another network";

impl Reply {
    pub(super) fn error(&self, asked: &Asked) -> StorageError {
        let kind = kind(self.status, self.code());
        let said = match (self.code(), self.message()) {
            (Some(code), Some(message)) => format!("{code}: {message}"),
            (Some(code), None) => code.to_owned(),
            (None, _) => self.looks(),
        };
        if let Some(proxy) = asked
            .forwarded_by
            .as_ref()
            .filter(|_| self.may_be_of_a_proxy())
        {
            let status = self.status;
            let what = format!("{asked} was answered {status} ({said}), it seems by {proxy}");
            return StorageError::new(kind, what).with_hint(self.hint_about_proxy(proxy, asked));
        }
        let what = format!("{asked} was answered {} ({said})", self.status);
        let error = StorageError::new(kind, what).with_code(self.code().map(str::to_owned));
        let error = match self.hint(kind, asked) {
            Some(hint) => error.with_hint(hint),
            None => error,
        };
        let may_be_a_proxy = error.code().is_none() && !self.is_html();
        match kind {
            Kind::AccessDenied | Kind::Credentials if may_be_a_proxy => {
                error.with_hint("and check that no proxy or firewall answers in the store's place")
            }
            _ => error,
        }
    }

    /// Whether a proxy that read the request may have answered itself. No S3 error says that it was
    /// the store.
    fn may_be_of_a_proxy(&self) -> bool {
        self.code().is_none() && matches!(self.status, 401 | 403 | 407 | 500 | 502..=504)
    }

    /// What helps then.
    fn hint_about_proxy(&self, proxy: &Proxy, asked: &Asked) -> String {
        let by = proxy.set_by();
        let around = if proxy.is_of_environment() {
            "; if it needs no proxy, add its host to NO_PROXY"
        } else {
            ""
        };
        let help = match self.status {
            403 => format!("ask who runs the proxy to allow the store{around}"),
            401 | 407 => {
                format!("put a user and a password into {by}, percent-encoded, or correct them")
            }
            _ => {
                let way = match &asked.endpoint {
                    Some(set) => format!(
                        "{}: check its spelling and its port, and that the proxy can reach it",
                        set.says()
                    ),
                    None => "check that the proxy can reach the store".to_owned(),
                };
                way + around
            }
        };
        format!("{help}{}", proxy.note())
    }

    /// What a reply looks like that is not an S3 error.
    fn looks(&self) -> String {
        let what = match self.body.as_slice() {
            [] => "an empty body",
            _ if self.is_html() => "an HTML page",
            _ => "no S3 error code",
        };
        // The rest of the location may be a secret.
        let origin = |uri: Uri| {
            let port = uri
                .port_u16()
                .map_or(String::new(), |port| format!(":{port}"));
            let origin = format!("{}://{}{port}", uri.scheme_str()?, uri.host()?);
            Some(shown(&origin))
        };
        let target = self.location.as_ref().and_then(|l| origin(l.parse().ok()?));
        match target {
            Some(target) if (300..400).contains(&self.status) => {
                format!("{what} that redirects to {target}")
            }
            _ => what.to_owned(),
        }
    }

    fn is_html(&self) -> bool {
        let start = self.start();
        start.contains("<html") || start.contains("<!doctype html")
    }

    /// The beginning of the body, in small letters.
    fn start(&self) -> String {
        let start = &self.body[..self.body.len().min(LOOKED_AT)];
        String::from_utf8_lossy(start).to_ascii_lowercase()
    }

    /// What helps if a server complains of TLS in a reply.
    fn hint_of_tls(&self, asked: &Asked) -> Option<String> {
        if self.status != 400 || self.code().is_some() {
            return None;
        }
        let start = self.start();
        let told = OF_TLS.iter().find(|(text, _)| start.contains(text));
        told.map(|(_, hint)| hint(asked))
    }

    pub(super) fn unexpected(&self, asked: &Asked, how: &str) -> StorageError {
        let what = format!("{asked} was answered {} {how}", self.status);
        StorageError::new(Kind::Unexpected, what).with_hint(not_like_s3(asked))
    }

    /// A success that holds an error, as S3 documents it for slow requests. Trying again may help.
    pub(super) fn failed_inside(&self, asked: &Asked) -> StorageError {
        let what = format!("{asked} was answered {} with an error inside", self.status);
        StorageError::new(Kind::Unavailable, what).with_hint("try again later")
    }

    fn hint(&self, kind: Kind, asked: &Asked) -> Option<String> {
        let Location { bucket, key } = &asked.at;
        let code = self.code();
        if let Some(hint) = self.hint_of_tls(asked) {
            return Some(hint);
        }
        Some(match kind {
            Kind::AccessDenied | Kind::Credentials if self.is_html() => not_the_store(asked),
            // No permission is missing here, and S3's message says what is wrong.
            Kind::AccessDenied if code.is_some_and(|c| c != "AccessDenied") => {
                return None;
            }
            Kind::AccessDenied if key.is_empty() => {
                format!("grant s3:ListBucket on arn:aws:s3:::{bucket}")
            }
            Kind::AccessDenied if asked.method == "GET" => format!(
                "grant s3:GetObject on arn:aws:s3:::{bucket}/{key} (and, to tell an absent lock \
                 from a forbidden one, s3:ListBucket on the bucket)"
            ),
            Kind::AccessDenied => format!("grant s3:PutObject on arn:aws:s3:::{bucket}/{key}"),
            Kind::Credentials => self.hint_about_keys(&asked.keys_from),
            Kind::NoSuchBucket => no_such_bucket(bucket, asked),
            Kind::WrongRegion => self.hint_about_region(&asked.region),
            Kind::ClockSkewed => self.clock_advice(asked.wall),
            Kind::Unavailable => "try again later".into(),
            Kind::Contended => {
                "others are changing the lock at the same moment: try again; if nobody \
                                else uses it, this store does not honour conditions as S3 does"
                    .into()
            }
            Kind::Unexpected if code.is_some_and(|c| c.starts_with("KMS.")) => {
                "check the key that the bucket is encrypted with, and the permission to use it"
                    .into()
            }
            Kind::Unexpected if code == Some("InvalidObjectState") => {
                "the object is archived: restore it, and keep lifecycle rules away from locks"
                    .into()
            }
            // A captive portal replies so, and so does a proxy that wants to be addressed by
            // another name.
            Kind::Unexpected if (300..400).contains(&self.status) && code.is_none() => {
                not_the_store(asked)
            }
            Kind::Unexpected => not_like_s3(asked),
            Kind::Unreachable => SIGN_IN.into(),
            _ => return None,
        })
    }

    fn hint_about_keys(&self, from: &str) -> String {
        let advice = match self.code() {
            Some("ExpiredToken") => "the session token has expired: get new keys",
            _ => "check the access key, its secret and its session token",
        };
        format!("{advice}; the keys are from {from}")
    }

    fn hint_about_region(&self, region: &Named) -> String {
        let says = region.says();
        match self.code() {
            Some("AuthorizationHeaderMalformed") => {
                format!("{says}: check the region and the access key")
            }
            _ => format!(
                "{says}: the bucket is not there, and S3 does not say where: set the region"
            ),
        }
    }

    /// How much this machine's clock, which said `wall`, differs from that of who replied.
    pub(crate) fn clock_advice(&self, wall: SystemTime) -> String {
        let server = self.element("ServerTime");
        let server = server.and_then(|t| DateTime::parse_from_rfc3339(&t).ok());
        let server = server.map(|t| t.timestamp()).or(self.date);
        let Some(server) = server.and_then(|s| u64::try_from(s).ok()) else {
            return "set this machine's clock (the reply does not say by how much)".to_owned();
        };
        let server = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(server));
        match wall.duration_since(server.unwrap_or(SystemTime::UNIX_EPOCH)) {
            Ok(ahead) => format!("this machine's clock is {} ahead: set it", seconds(&ahead)),
            Err(behind) => {
                let behind = seconds(&behind.duration());
                format!("this machine's clock is {behind} behind: set it")
            }
        }
    }
}

/// The advice for a success that S3 does not give, or an error that is not one of its own.
fn not_like_s3(asked: &Asked) -> String {
    about_endpoint(asked, |says| {
        format!(
            "{says}: check that it is an S3 store with conditional writes, and that no proxy answers in \
             its place"
        )
    })
}

/// The advice for the reply of something that is hardly a store.
fn not_the_store(asked: &Asked) -> String {
    about_endpoint(asked, |says| {
        format!(
            "a proxy or firewall seems to answer in the store's place; {says}: check it, and the way to it"
        )
    })
}

fn is_https(asked: &Asked) -> String {
    about_endpoint(asked, |says| {
        format!("{says}: it is https there, so begin it with https://")
    })
}

/// Advice about the endpoint, made of what it is and who set it. If none is set, other advice.
fn about_endpoint(asked: &Asked, advice: impl FnOnce(String) -> String) -> String {
    match &asked.endpoint {
        Some(set) => advice(set.says()),
        None => NOT_AWS.to_owned(),
    }
}

fn no_such_bucket(bucket: &str, asked: &Asked) -> String {
    let what = format!("create the bucket {bucket}, or correct its name");
    match &asked.endpoint {
        Some(set) => format!("{what} or the endpoint: {}", set.says()),
        None => what,
    }
}
