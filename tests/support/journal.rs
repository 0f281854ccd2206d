//! The journal: every request that reached the server.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use hyper1::header::{HeaderMap, IF_MATCH, IF_NONE_MATCH};
use hyper1::http::request::Parts;

/// Older requests are forgotten, so that a long benchmark does not eat the memory that it measures.
const CAPACITY: usize = 50_000;

/// One request as it came in, and the status that it was answered with.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method in capitals, such as `PUT`.
    pub method: String,
    /// The bucket, the first segment of the path.
    pub bucket: String,
    /// The key, percent-decoded; empty for a request about the bucket.
    pub key: String,
    /// The query without its question mark, as sent.
    pub query: String,
    /// The text of `If-Match`, its quotes (or their lack) as sent.
    pub if_match: Option<String>,
    /// The text of `If-None-Match`, as sent.
    pub if_none_match: Option<String>,
    /// Every header, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body as sent.
    pub body: Vec<u8>,
    /// The status answered; `None` while there is no answer, and for good when the connection was cut.
    pub status: Option<u16>,
    /// The number of the connection that it came on, counted from 1.
    pub connection: u64,
    /// When it had arrived in full.
    pub at: Instant,
}

impl Request {
    pub(super) fn new(connection: u64, head: &Parts, body: &[u8]) -> Request {
        let path = head.uri.path().trim_start_matches('/');
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        let header = |name| head.headers.get(name).map(|value| text(value.as_bytes()));
        Request {
            method: head.method.to_string(),
            bucket: bucket.to_owned(),
            key: percent_decode(key),
            query: head.uri.query().unwrap_or_default().to_owned(),
            if_match: header(IF_MATCH),
            if_none_match: header(IF_NONE_MATCH),
            headers: all_headers(&head.headers),
            body: body.to_vec(),
            status: None,
            connection,
            at: Instant::now(),
        }
    }

    /// Returns the first value of a header by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find_map(|(other, value)| (other == name).then_some(value.as_str()))
    }
}

/// The latest requests, each with the serial number by which its status is filled in.
#[derive(Default)]
pub struct Journal {
    entries: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    next: u64,
    requests: VecDeque<(u64, Request)>,
}

impl Journal {
    /// Writes a request down and returns its serial number.
    pub fn push(&self, request: Request) -> u64 {
        let mut entries = self.lock();
        let serial = entries.next;
        entries.next += 1;
        if entries.requests.len() == CAPACITY {
            entries.requests.pop_front();
        }
        entries.requests.push_back((serial, request));
        serial
    }

    /// Fills in the status of a request, unless it has been forgotten meanwhile.
    pub fn answered(&self, serial: u64, status: u16) {
        let mut entries = self.lock();
        if let Ok(place) = entries
            .requests
            .binary_search_by_key(&serial, |entry| entry.0)
        {
            entries.requests[place].1.status = Some(status);
        }
    }

    /// Returns a copy of the log, oldest first.
    pub fn requests(&self) -> Vec<Request> {
        let entries = self.lock();
        entries
            .requests
            .iter()
            .map(|(_, request)| request.clone())
            .collect()
    }

    /// Counts the requests of one method.
    pub fn count(&self, method: &str) -> usize {
        let entries = self.lock();
        entries
            .requests
            .iter()
            .filter(|(_, request)| request.method == method)
            .count()
    }

    /// Forgets every request.
    pub fn clear(&self) {
        self.lock().requests.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries
            .lock()
            .expect("nothing panics while it holds the journal")
    }
}

fn all_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let pairs = headers.iter();
    pairs
        .map(|(name, value)| (name.to_string(), text(value.as_bytes())))
        .collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Decodes `%41` to `A`; what is no valid escape stays as it is.
fn percent_decode(encoded: &str) -> String {
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        match escaped_byte(rest) {
            Some(byte) => {
                decoded.push(byte);
                rest = &rest[3..];
            }
            None => {
                decoded.push(first);
                rest = tail;
            }
        }
    }
    text(&decoded)
}

fn escaped_byte(bytes: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = *bytes else {
        return None;
    };
    let digit = |byte| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}
