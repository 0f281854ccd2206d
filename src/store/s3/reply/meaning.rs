//! What a reply means for the request that it answers: a read, a write or a list.

use crate::protocol::ETag;
use crate::store::interface::{Found, Object, Page, Put};
use crate::store::s3::list::unescaped;
use crate::store::s3::reply::asked::Asked;
use crate::store::s3::reply::http_reply::Reply;
use crate::store::s3::xml::Document;
use crate::types::errors::LockError;

impl Reply {
    /// The outcome of a read.
    pub fn into_found(self, asked: &Asked) -> Result<Found, LockError> {
        let date = self.date;
        match (self.status, self.code()) {
            (200, _) => match self.etag {
                Some(etag) => Ok(Found::Object(Object {
                    etag: ETag(etag),
                    body: self.body,
                    date,
                    modified: self.modified,
                })),
                None => Err(self.unexpected(asked, "without an ETag").into()),
            },
            // Only that code: a missing bucket or a proxy's own 404 is not an absent lock.
            (404, Some("NoSuchKey")) => Ok(Found::Absent { date }),
            (403, Some("AccessDenied")) => Ok(Found::Hidden {
                date,
                error: self.error(asked).into(),
            }),
            _ => Err(self.error(asked).into()),
        }
    }

    /// The outcome of one attempt to write.
    pub fn into_put(self, asked: &Asked) -> Put {
        if self.status != 200 {
            let error = self.error(asked).into();
            return match self.refusal() {
                Some(refusal) => Put::Refused(refusal, error),
                None => Put::Unknown(error),
            };
        }
        // An error, even if it does not parse.
        if String::from_utf8_lossy(&self.body).contains("<Error") {
            return Put::Unknown(self.failed_inside(asked).into());
        }
        match self.etag {
            Some(etag) => Put::Applied {
                etag: ETag(etag),
                date: self.date,
            },
            None => Put::Unknown(self.unexpected(asked, "without an ETag").into()),
        }
    }

    /// The outcome of a request for a list.
    pub fn into_list(self, asked: &Asked) -> Result<Page, LockError> {
        if self.status != 200 {
            return Err(self.error(asked).into());
        }
        let Some(list) = Document::read(&self.body, "ListBucketResult") else {
            return Err(self.unexpected(asked, "without a list").into());
        };
        let next = list.first("/ListBucketResult/NextContinuationToken");
        let is_cut = list
            .all("/ListBucketResult/IsTruncated")
            .any(|t| t == "true");
        if is_cut && next.is_none() {
            let how = "with part of a list and no continuation token";
            return Err(self.unexpected(asked, how).into());
        }
        // Some stores ignore that it was asked for.
        let is_escaped = list
            .all("/ListBucketResult/EncodingType")
            .any(|t| t == "url");
        let keys = list.all("/ListBucketResult/Contents/Key");
        let keys = keys.map(|key| {
            if is_escaped {
                unescaped(key)
            } else {
                key.to_owned()
            }
        });
        Ok(Page {
            keys: keys.collect(),
            next,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use hyper::HeaderMap;

    use super::*;
    use crate::protocol::Location;
    use crate::store::s3::settings::named::Named;
    use crate::types::errors::StorageErrorKind as Kind;

    fn asked(method: &str) -> Asked {
        Asked {
            method: method.to_owned(),
            at: Location {
                bucket: "b".to_owned(),
                key: "k.lock".to_owned(),
            },
            region: Named::new("us-east-1", "a test"),
            wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_399_200),
            endpoint: Some(Named::new("http://store", "a test")),
            keys_from: "a test".into(),
            forwarded_by: None,
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
        assert_eq!(put(412, &[], ""), "Condition");
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
        assert_eq!(put(301, &[], &xml("PermanentRedirect")), "Denied");
    }

    #[test]
    fn a_4xx_or_3xx_that_is_not_the_stores_own_word_is_unknown() {
        for status in [
            301, 302, 307, 400, 401, 403, 404, 405, 407, 408, 413, 425, 499,
        ] {
            for body in [
                "",
                "<html>no</html>",
                "<html><Error><Code>AccessDenied</Code></Error>",
            ] {
                assert_eq!(put(status, &[], body), "unknown", "{status} {body}");
            }
        }
        assert_eq!(put(409, &[], &xml("SomethingNew")), "unknown");
        assert_eq!(put(400, &[], &xml("SomethingNew")), "unknown");
    }

    #[test]
    fn a_lock_whose_text_looks_like_rejected_credentials_rejects_none() {
        let body = format!("{{\"purpose\":\"{}\"}}", xml("ExpiredToken"));
        for status in [200, 206] {
            for body in [body.as_str(), &xml("ExpiredToken")] {
                let found = reply(status, &[ETAG], body);
                assert!(!found.rejects_credentials(), "{status} {body}");
                assert_eq!(found.code(), None);
            }
        }
        assert!(reply(400, &[], &xml("ExpiredToken")).rejects_credentials());
        assert!(!reply(503, &[], &xml("ExpiredToken")).rejects_credentials());
    }

    #[test]
    fn the_text_of_a_lock_names_no_region() {
        let body = "<Error><Code>C</Code><Region>eu-west-1</Region></Error>";
        assert_eq!(reply(200, &[ETAG], body).other_region("us-east-1"), None);
    }

    #[test]
    fn a_temporary_redirect_names_a_host() {
        let body =
            "<Error><Code>TemporaryRedirect</Code><Endpoint>s3-x.amazonaws.com</Endpoint></Error>";
        let host = reply(307, &[], body).temporary_host();
        assert_eq!(host.as_deref(), Some("s3-x.amazonaws.com"));
        for status in [200, 301, 403] {
            assert_eq!(reply(status, &[], body).temporary_host(), None);
        }
        assert_eq!(
            reply(307, &[], &xml("TemporaryRedirect")).temporary_host(),
            None
        );
    }

    #[test]
    fn a_network_that_wants_a_login_is_not_the_store() {
        let error = reply(511, &[], "<html>log in</html>").error(&asked("GET"));
        assert_eq!(error.kind(), Kind::Unreachable);
        assert!(!error.is_answer());
        assert!(error.to_string().contains("requires a sign-in"), "{error}");
    }

    #[test]
    fn nobody_is_to_check_an_endpoint_that_he_has_not_set() {
        for status in [302, 403, 418, 511] {
            for at_aws in [true, false] {
                let mut asked = asked("PUT");
                asked.endpoint = asked.endpoint.filter(|_| !at_aws);
                let error = reply(status, &[], "<html>").error(&asked).to_string();
                assert!(!at_aws || !error.contains("http://store"), "{error}");
                assert!(!at_aws || !error.contains("endpoint"), "{error}");
            }
        }
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
