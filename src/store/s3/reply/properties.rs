//! Properties that must hold for any reply of a store. A fuzz target checks them, and every `cargo
//! test` does with seeded inputs. A property that does not hold panics.

use std::time::SystemTime;

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};

use crate::protocol::{Location, Refusal};
use crate::store::interface::{Found, Put};
use crate::store::s3::reply::asked::Asked;
use crate::store::s3::reply::http_reply::Reply;
use crate::store::s3::settings::named::Named;
use crate::store::s3::settings::region::is_region;
use crate::types::errors::LockError;

/// Checks what a reply is taken for. `message` is a reply as HTTP writes it: a status, headers, an
/// empty line and the body.
pub fn reply_properties(message: &[u8]) {
    let (status, headers, body) = split(message);
    let reply = || Reply::new(status, &headers, body.to_vec());
    let etag = headers.get("etag").and_then(|e| e.to_str().ok());
    let etag = etag.filter(|e| !e.is_empty());
    let facts = Facts { status, etag, body };
    facts.check_put(&reply().into_put(&asked("PUT", "k.lock")));
    facts.check_found(&reply().into_found(&asked("GET", "k.lock")));
    facts.check_list(&reply().into_list(&asked("GET", "")).map(drop));
    let region = reply().other_region("us-east-1");
    assert!(region.is_none_or(|r| is_region(&r) && r != "us-east-1"));
    if reply().rejects_credentials() {
        assert!((400..500).contains(&status) && facts.body_holds("<Code>"));
    }
}

/// Plain facts about a reply.
struct Facts<'a> {
    status: u16,
    etag: Option<&'a str>,
    body: &'a [u8],
}

impl Facts<'_> {
    fn body_holds(&self, text: &str) -> bool {
        let mut windows = self.body.windows(text.len());
        windows.any(|window| window == text.as_bytes())
    }

    fn check_put(&self, put: &Put) {
        let is_success = self.status == 200 && self.etag.is_some() && !self.body_holds("<Error");
        match put {
            Put::Applied { etag, .. } => assert!(is_success && Some(&*etag.0) == self.etag),
            Put::Refused(refusal, error) => {
                // The store itself refused it, not a proxy in front of it.
                assert!((300..500).contains(&self.status));
                assert!(matches!(self.status, 412 | 429) || self.body_holds("<Code>"));
                match refusal {
                    Refusal::Condition => assert!(matches!(self.status, 404 | 412)),
                    Refusal::Conflict => assert_eq!(self.status, 409),
                    Refusal::Denied => assert!(!matches!(self.status, 408 | 425 | 429 | 499)),
                    _ => {}
                }
                assert_is_short(error);
            }
            Put::Unknown(error) => {
                assert!(!is_success && self.status != 412);
                assert_is_short(error);
            }
            Put::NotSent(_) => panic!("it was answered"),
        }
    }

    fn check_found(&self, found: &Result<Found, LockError>) {
        match found {
            Ok(Found::Object(object)) => {
                assert!(self.status == 200 && Some(&*object.etag.0) == self.etag);
                assert_eq!(object.body, self.body);
            }
            Ok(Found::Absent { .. }) => assert!(self.status == 404 && self.body_holds("NoSuchKey")),
            Ok(Found::Hidden { error, .. }) => {
                assert!(self.status == 403 && self.body_holds("AccessDenied"));
                assert_is_short(error);
            }
            Err(error) => assert_is_short(error),
        }
    }

    fn check_list(&self, list: &Result<(), LockError>) {
        match list {
            Ok(()) => assert!(self.status == 200 && self.body_holds("ListBucketResult")),
            Err(error) => assert_is_short(error),
        }
    }
}

/// Checks that an error is one line that a log can take.
fn assert_is_short(error: &LockError) {
    let LockError::Storage(error) = error else {
        panic!("not the store's: {error:?}");
    };
    assert_is_one_line(&error.to_string());
    assert!(error.code().is_none_or(|c| !c.contains(char::is_control)));
}

fn assert_is_one_line(text: &str) {
    assert!(text.len() < 4_000, "{} bytes: {text:.200}", text.len());
    assert!(!text.contains(char::is_control), "{text:?}");
}

fn asked(method: &str, key: &str) -> Asked {
    Asked {
        method: method.to_owned(),
        at: Location {
            bucket: "my-bucket".to_owned(),
            key: key.to_owned(),
        },
        region: Named::new("us-east-1", "a test"),
        wall: SystemTime::UNIX_EPOCH,
        endpoint: Some(Named::new("http://store", "a test")),
        keys_from: "a test".into(),
        forwarded_by: None,
    }
}

/// A status from 100 to 999, the headers that are valid, and the body.
fn split(message: &[u8]) -> (u16, HeaderMap, &[u8]) {
    let end = message.windows(2).position(|w| w == b"\n\n");
    let (head, body) = match end {
        Some(end) => (&message[..end], &message[end + 2..]),
        None => (message, &[][..]),
    };
    let mut lines = head.split(|byte| *byte == b'\n');
    let status = lines.next().unwrap_or_default();
    let number = |sum: u16, byte: &u8| sum.wrapping_mul(10).wrapping_add(u16::from(*byte & 15));
    let status = status.iter().take(3).fold(0, number).clamp(100, 999);
    let mut headers = HeaderMap::new();
    for line in lines {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let name = HeaderName::from_bytes(parts.next().unwrap_or_default());
        let value = HeaderValue::from_bytes(parts.next().unwrap_or_default());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    (status, headers, body)
}
