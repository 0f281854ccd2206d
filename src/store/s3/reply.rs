//! What a reply means. Pure: bytes and headers in, one of the protocol's answers out.

use std::time::{Duration, SystemTime};

use chrono::DateTime;
use hyper::{HeaderMap, Uri};

use crate::error::{LockError, StorageError, StorageErrorKind as Kind, seconds, shown};
use crate::protocol::{ETag, Refusal, StoreSeconds};
use crate::store::s3::xml::Document;
use crate::store::{Found, Location, Object, Page, Put};

/// A whole HTTP reply, as far as the lock cares.
#[derive(Debug)]
pub struct Reply {
    status: u16,
    etag: Option<String>,
    date: Option<StoreSeconds>,
    modified: Option<StoreSeconds>,
    region: Option<String>,
    location: Option<String>,
    body: Vec<u8>,
}

/// The request that a reply answers.
#[derive(Debug)]
pub struct Asked {
    pub method: String,
    /// The object; for a list of the bucket, with an empty key.
    pub at: Location,
    /// The region that it was signed for.
    pub region: String,
    /// This machine's wall clock, to tell by how much it is off.
    pub wall: SystemTime,
}

impl Reply {
    /// Takes a reply apart. Headers that are not text are treated as absent.
    pub fn new(status: u16, headers: &HeaderMap, body: Vec<u8>) -> Reply {
        let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
        Reply {
            status,
            etag: text("etag").filter(|e| !e.is_empty()).map(str::to_owned),
            date: text("date").and_then(http_date),
            modified: text("last-modified").and_then(http_date),
            region: text("x-amz-bucket-region").map(str::to_owned),
            location: text("location").map(str::to_owned),
            body,
        }
    }

    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    /// The answer to a read.
    pub fn into_found(self, asked: &Asked) -> Result<Found, LockError> {
        let date = self.date;
        match (self.status, self.code().as_deref()) {
            (200, _) => match self.etag {
                Some(etag) => Ok(Found::Object(Object {
                    etag: ETag(etag),
                    body: self.body,
                    date,
                    modified: self.modified,
                })),
                None => Err(self.unexpected(asked, "without an ETag").into()),
            },
            // That code alone. A missing bucket or a proxy's own 404 is not an absent lock.
            (404, Some("NoSuchKey")) => Ok(Found::Absent { date }),
            (403, Some("AccessDenied")) => Ok(Found::Hidden {
                date,
                error: self.error(asked).into(),
            }),
            _ => Err(self.error(asked).into()),
        }
    }

    /// The answer to one attempt to write.
    pub fn into_put(self, asked: &Asked) -> Put {
        let error = || LockError::from(self.error(asked));
        match (self.status, self.code().as_deref()) {
            (200, _) if !self.is_error() => match self.etag {
                Some(etag) => Put::Applied {
                    etag: ETag(etag),
                    date: self.date,
                },
                None => Put::Unknown(self.unexpected(asked, "without an ETag").into()),
            },
            (200..300 | 500.., _) => Put::Unknown(error()),
            (412, _) | (404, Some("NoSuchKey")) => Put::Refused(Refusal::Condition, error()),
            (409, Some("ConditionalRequestConflict" | "OperationAborted")) => {
                Put::Refused(Refusal::Conflict, error())
            }
            (429, _) | (300..500, Some("RequestTimeout" | "SlowDown")) => {
                Put::Refused(Refusal::Busy, error())
            }
            (300..500, _) => Put::Refused(Refusal::Denied, error()),
            // Below 200 there is no final answer at all.
            _ => Put::Unknown(error()),
        }
    }

    /// The answer to a request for a list.
    pub fn into_list(self, asked: &Asked) -> Result<Page, LockError> {
        if self.status != 200 {
            return Err(self.error(asked).into());
        }
        let Some(list) = Document::read(&self.body, "ListBucketResult") else {
            return Err(self.unexpected(asked, "with no list").into());
        };
        let next = list.first("/ListBucketResult/NextContinuationToken");
        let is_cut = list
            .all("/ListBucketResult/IsTruncated")
            .any(|t| t == "true");
        if is_cut && next.is_none() {
            let how = "with a part of a list, and no way to go on";
            return Err(self.unexpected(asked, how).into());
        }
        let keys = list.all("/ListBucketResult/Contents/Key");
        Ok(Page {
            keys: keys.map(str::to_owned).collect(),
            next,
        })
    }

    /// The bucket's region, where that is why the request was refused.
    pub fn other_region(&self, used: &str) -> Option<String> {
        if !matches!(self.status, 301 | 302 | 307 | 308 | 400) {
            return None;
        }
        let named = self.region.clone().or_else(|| self.element("Region"))?;
        (named != used && is_region(&named)).then_some(named)
    }

    /// Whether the credentials, and not the permissions, are what is wrong.
    pub fn rejects_credentials(&self) -> bool {
        self.code().is_some_and(|code| is_about_credentials(&code))
    }

    /// The body as it came.
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    /// The code and the message of an XML error; AWS's other services write them as S3 does.
    pub(crate) fn said(&self) -> (Option<String>, Option<String>) {
        (self.code(), self.message())
    }

    /// Whether the body is an error, readable or not.
    fn is_error(&self) -> bool {
        String::from_utf8_lossy(&self.body).contains("<Error")
    }

    /// The error code in an XML body.
    fn code(&self) -> Option<String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let code = self.element("Code")?;
        (!code.is_empty() && code.chars().all(plain)).then_some(code)
    }

    /// What an XML error says to people.
    fn message(&self) -> Option<String> {
        let escaped = self.element("Message")?;
        let escapes = [
            ("&lt;", "<"),
            ("&gt;", ">"),
            ("&quot;", "\""),
            ("&apos;", "'"),
            ("&#39;", "'"),
            ("&amp;", "&"),
        ];
        let replace = |text: String, (from, to): (&str, &str)| text.replace(from, to);
        let message = shown(&escapes.into_iter().fold(escaped, replace));
        (!message.is_empty()).then_some(message)
    }

    /// The text of the first element of that name, as it is written. S3's error bodies are flat.
    fn element(&self, name: &str) -> Option<String> {
        let body = std::str::from_utf8(&self.body).ok()?;
        // An error is an `<Error>`; a lock's own JSON may hold any text.
        let error = &body[body.find("<Error>").or_else(|| body.find("<Error "))?..];
        let (_, rest) = error.split_once(&format!("<{name}>"))?;
        let (text, _) = rest.split_once(&format!("</{name}>"))?;
        Some(text.trim().chars().take(LONGEST_TEXT).collect())
    }

    fn error(&self, asked: &Asked) -> StorageError {
        let code = self.code();
        let kind = kind(self.status, code.as_deref());
        let said = match (&code, self.message()) {
            (Some(code), Some(message)) => format!("{code}: {message}"),
            (Some(code), None) => code.clone(),
            (None, _) => self.looks(),
        };
        let what = format!("{} was answered {} ({said})", asked, self.status);
        let error = StorageError::new(kind, what).with_code(code);
        let error = match self.hint(kind, asked) {
            Some(hint) => error.with_hint(hint),
            None => error,
        };
        let may_be_a_proxy = error.code().is_none() && !self.is_html();
        match kind {
            Kind::AccessDenied | Kind::Credentials if may_be_a_proxy => {
                error.with_hint("and see that no proxy or firewall answers in the store's place")
            }
            _ => error,
        }
    }

    /// What it looks like, if not like an answer of S3.
    fn looks(&self) -> String {
        let what = match self.body.as_slice() {
            [] => "an empty body",
            _ if self.is_html() => "an HTML page",
            _ => "no S3 error code",
        };
        // The rest of it may be a secret.
        let origin = |uri: Uri| {
            let port = uri
                .port_u16()
                .map_or(String::new(), |port| format!(":{port}"));
            Some(format!("{}://{}{port}", uri.scheme_str()?, uri.host()?))
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
        let start = &self.body[..self.body.len().min(LONGEST_TEXT)];
        let start = String::from_utf8_lossy(start).to_ascii_lowercase();
        start.contains("<html") || start.contains("<!doctype html")
    }

    fn unexpected(&self, asked: &Asked, how: &str) -> StorageError {
        let what = format!("{asked} was answered {} {how}", self.status);
        StorageError::new(Kind::Unexpected, what).with_hint(NOT_LIKE_S3)
    }

    fn hint(&self, kind: Kind, asked: &Asked) -> Option<String> {
        let Location { bucket, key } = &asked.at;
        let code = self.code();
        Some(match kind {
            Kind::AccessDenied | Kind::Credentials if self.is_html() => NOT_THE_STORE.into(),
            // Not a permission that is missing, and S3's message says what.
            Kind::AccessDenied if code.as_ref().is_some_and(|c| c != "AccessDenied") => {
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
            Kind::Credentials if code.as_deref() == Some("ExpiredToken") => {
                "the session token has expired: get new keys".into()
            }
            Kind::Credentials => "check the access key, its secret and its session token".into(),
            Kind::NoSuchBucket => format!("create the bucket {bucket}, or correct its name"),
            Kind::WrongRegion if code.as_deref() == Some("AuthorizationHeaderMalformed") => {
                format!(
                    "check the region, which was {}, and the access key",
                    asked.region
                )
            }
            Kind::WrongRegion => format!(
                "the bucket is not in {}, and S3 does not say where: set the region",
                asked.region
            ),
            Kind::ClockSkewed => self.skew(asked.wall),
            Kind::Unavailable => "try again later".into(),
            Kind::Contended => {
                "others are changing the lock at the same moment: try again; if nobody \
                                else uses it, this store does not honour conditions as S3 does"
                    .into()
            }
            Kind::Unexpected if code.as_ref().is_some_and(|c| c.starts_with("KMS.")) => {
                "check the key that the bucket is encrypted with, and the permission to use it"
                    .into()
            }
            Kind::Unexpected if code.as_deref() == Some("InvalidObjectState") => {
                "the object is archived: restore it, and keep lifecycle rules away from locks"
                    .into()
            }
            Kind::Unexpected => NOT_LIKE_S3.into(),
            _ => return None,
        })
    }

    /// By how much this machine's clock differs from the store's.
    fn skew(&self, wall: SystemTime) -> String {
        let server = self.element("ServerTime");
        let server = server.and_then(|t| DateTime::parse_from_rfc3339(&t).ok());
        let server = server.map(|t| t.timestamp()).or(self.date);
        let Some(server) = server.and_then(|s| u64::try_from(s).ok()) else {
            return "set this machine's clock (the store does not say by how much)".to_owned();
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

/// More than any code, region or message that S3 sends; a hostile body is not quoted at length.
const LONGEST_TEXT: usize = 500;

const NOT_LIKE_S3: &str = "check that the endpoint is an S3 store with conditional writes, and \
                           that no proxy answers in its place";

const NOT_THE_STORE: &str = "a proxy or firewall seems to answer in the store's place: check the \
                             endpoint and the way to it";

impl std::fmt::Display for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Location { bucket, key } = &self.at;
        match key.as_str() {
            "" => write!(f, "a list of bucket {bucket}"),
            key => write!(f, "{} of {key} in bucket {bucket}", self.method),
        }
    }
}

/// What kind of trouble a status and code are.
fn kind(status: u16, code: Option<&str>) -> Kind {
    match (status, code) {
        (_, Some("RequestTimeTooSkewed")) => Kind::ClockSkewed,
        (_, Some("NoSuchBucket" | "InvalidBucketName")) => Kind::NoSuchBucket,
        (_, Some(code)) if is_about_credentials(code) => Kind::Credentials,
        (_, Some("PermanentRedirect" | "TemporaryRedirect" | "AuthorizationHeaderMalformed")) => {
            Kind::WrongRegion
        }
        (_, Some("NotImplemented" | "InvalidObjectState")) | (501, _) => Kind::Unexpected,
        (_, Some("RequestTimeout" | "SlowDown" | "InternalError" | "ServiceUnavailable")) => {
            Kind::Unavailable
        }
        (429, _) => Kind::Unavailable,
        (409, Some("ConditionalRequestConflict" | "OperationAborted"))
        | (412, _)
        | (404, Some("NoSuchKey")) => Kind::Contended,
        (401, _) => Kind::Credentials,
        (403, _) => Kind::AccessDenied,
        (500..600, _) => Kind::Unavailable,
        _ => Kind::Unexpected,
    }
}

fn is_about_credentials(code: &str) -> bool {
    const CODES: [&str; 7] = [
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidSecurity",
        "InvalidToken",
        "NotSignedUp",
        "SignatureDoesNotMatch",
        "TokenRefreshRequired",
    ];
    CODES.contains(&code)
}

/// A region becomes part of a host name that credentials are sent to.
pub(crate) fn is_region(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=32).contains(&name.len()) && name.chars().all(plain)
}

/// The form of date that HTTP servers send: `Mon, 23 Nov 2026 02:00:00 GMT`.
fn http_date(text: &str) -> Option<StoreSeconds> {
    let date = DateTime::parse_from_rfc2822(text).ok()?;
    Some(date.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(method: &str) -> Asked {
        Asked {
            method: method.to_owned(),
            at: Location {
                bucket: "b".to_owned(),
                key: "k.lock".to_owned(),
            },
            region: "us-east-1".to_owned(),
            wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_399_200),
        }
    }

    fn xml(code: &str) -> String {
        format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>m</Message></Error>")
    }

    fn reply(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Reply {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        Reply::new(status, &map, body.as_bytes().to_vec())
    }

    fn put(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> String {
        match reply(status, headers, body).into_put(&asked("PUT")) {
            Put::Applied { etag, .. } => format!("applied {}", etag.0),
            Put::Refused(refusal, _) => format!("{refusal:?}"),
            Put::NotSent(_) => "not sent".to_owned(),
            Put::Unknown(_) => "unknown".to_owned(),
        }
    }

    const ETAG: (&str, &str) = ("etag", "\"1\"");

    #[test]
    fn a_200_with_an_etag_is_applied() {
        assert_eq!(put(200, &[ETAG], ""), "applied \"1\"");
    }

    #[test]
    fn a_200_without_an_etag_or_with_an_error_inside_is_unknown() {
        assert_eq!(put(200, &[], ""), "unknown");
        assert_eq!(put(200, &[ETAG], &xml("InternalError")), "unknown");
        assert_eq!(put(200, &[ETAG], "<Error/>"), "unknown");
        assert_eq!(put(204, &[ETAG], ""), "unknown");
    }

    #[test]
    fn a_5xx_is_unknown_whatever_it_says() {
        for status in [500, 501, 502, 503, 504, 599] {
            assert_eq!(put(status, &[], &xml("InternalError")), "unknown");
        }
    }

    #[test]
    fn a_failed_condition_is_told_from_other_refusals() {
        assert_eq!(put(412, &[], &xml("PreconditionFailed")), "Condition");
        assert_eq!(put(404, &[], &xml("NoSuchKey")), "Condition");
        assert_eq!(put(404, &[], &xml("NoSuchBucket")), "Denied");
        assert_eq!(
            put(409, &[], &xml("ConditionalRequestConflict")),
            "Conflict"
        );
        assert_eq!(put(409, &[], &xml("InvalidBucketState")), "Denied");
        assert_eq!(put(429, &[], ""), "Busy");
        assert_eq!(put(400, &[], &xml("RequestTimeout")), "Busy");
        assert_eq!(put(403, &[], &xml("AccessDenied")), "Denied");
        assert_eq!(put(301, &[], ""), "Denied");
    }

    #[test]
    fn only_no_such_key_is_an_absent_lock() {
        let found = reply(404, &[], &xml("NoSuchKey")).into_found(&asked("GET"));
        assert!(matches!(found, Ok(Found::Absent { date: None })));
        for body in [xml("NoSuchBucket"), String::new(), "<html>404".to_owned()] {
            assert!(reply(404, &[], &body).into_found(&asked("GET")).is_err());
        }
    }

    #[test]
    fn only_the_code_access_denied_may_mean_an_absent_lock() {
        let found = reply(403, &[], &xml("AccessDenied")).into_found(&asked("GET"));
        assert!(matches!(found, Ok(Found::Hidden { .. })));
        let found = reply(403, &[], &xml("SignatureDoesNotMatch")).into_found(&asked("GET"));
        assert!(found.is_err());
    }

    #[test]
    fn a_lock_whose_text_looks_like_an_error_is_still_a_lock() {
        let found = reply(200, &[ETAG], "{\"owner\":\"<Code>AccessDenied</Code>\"}");
        let found = found.into_found(&asked("GET"));
        assert!(matches!(found, Ok(Found::Object(_))));
    }

    #[test]
    fn the_bucket_region_is_found_in_header_or_body() {
        let redirect = reply(301, &[("x-amz-bucket-region", "eu-west-1")], "");
        assert_eq!(
            redirect.other_region("us-east-1").as_deref(),
            Some("eu-west-1")
        );
        let body =
            "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>";
        let malformed = reply(400, &[], body);
        assert_eq!(
            malformed.other_region("us-east-1").as_deref(),
            Some("eu-west-1")
        );
        assert_eq!(malformed.other_region("eu-west-1"), None);
    }

    #[test]
    fn a_region_that_would_make_another_host_is_not_followed() {
        let redirect = reply(301, &[("x-amz-bucket-region", "evil.example/")], "");
        assert_eq!(redirect.other_region("us-east-1"), None);
    }

    #[test]
    fn a_skewed_clock_is_told_by_how_much() {
        let date = ("date", "Mon, 23 Nov 2026 01:00:00 GMT");
        let skewed = reply(403, &[date], &xml("RequestTimeTooSkewed"));
        let error = skewed.error(&asked("GET"));
        assert_eq!(error.kind(), Kind::ClockSkewed);
        assert!(error.to_string().contains("3600 s ahead"), "{error}");
    }

    #[test]
    fn headers_that_are_not_text_count_as_absent() {
        let mut headers = HeaderMap::new();
        let bytes = hyper::header::HeaderValue::from_bytes(b"\xff").unwrap();
        headers.insert("date", bytes.clone());
        headers.insert("etag", bytes);
        let reply = Reply::new(200, &headers, Vec::new());
        assert!(matches!(reply.into_put(&asked("PUT")), Put::Unknown(_)));
    }
}
