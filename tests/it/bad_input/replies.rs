//! What the store, or whatever answers in its place, says.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use s3_lock::{Client, LockError, LockStatus};

use super::{table, told};
use crate::support::{BUCKET, DateHeader, Fault, Match, Server};
use crate::{checking_client, client, client_builder, lock, lock_of};

fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Fault {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Fault::RawAnswer {
        status,
        headers: headers.iter().map(own).collect(),
        body: body.into(),
    }
}

fn xml(code: &str, message: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    )
}

const PAGE: &str = "<!DOCTYPE html><html><title>hunter2</title></html>";

fn reading(status: u16, headers: &[(&str, &str)], body: &str) -> Server {
    let server = Server::start();
    server.set_date(DateHeader::Absent);
    server.fault(Match::get().always(), answer(status, headers, body));
    server
}

/// What an attempt to take the lock says of the reply to its read. It reads but once.
fn get(status: u16, headers: &[(&str, &str)], body: &str) -> String {
    let server = reading(status, headers, body);
    told_at(&server, lock(&server).try_acquire("me"))
}

/// What a look at the lock says of the same, where an attempt would be made without having read.
fn status(status: u16, body: &str) -> String {
    let server = reading(status, &[], body);
    told_at(&server, lock(&server).status())
}

/// What an attempt to take the lock says of the reply to its write. What it does about it goes well.
fn put(status: u16, headers: &[(&str, &str)], body: &str) -> String {
    let server = Server::start();
    server.set_date(DateHeader::Absent);
    server.fault(Match::put(), answer(status, headers, body));
    told_at(&server, lock(&server).try_acquire("me"))
}

/// What a check of the store says of the reply to its first request.
fn check(status: u16, body: &str) -> String {
    let server = reading(status, &[], body);
    told_at(&server, lock_of(&checking_client(&server)).check_store())
}

fn list(status: u16, body: &str) -> String {
    let server = Server::start();
    server.fault(Match::list().always(), answer(status, &[], body));
    told_at(&server, client(&server).list(BUCKET, "a"))
}

fn told_at<T>(server: &Server, result: Result<T, LockError>) -> String {
    told(result).replace(&server.endpoint(), "SERVER")
}

const ETAG: (&str, &str) = ("etag", "\"1\"");

#[test]
fn status_tells_of_replies_that_cannot_be() {
    let twice = ["NoSuchKey", "AccessDenied"]
        .map(|code| xml(code, "m"))
        .concat();
    let long = xml("InternalError", &"hunter2 ".repeat(10_000));
    table! {
        get(200, &[], "{}") => "GET: 200 without an ETag; IS IT S3";
        get(200, &[("etag", "")], "{}") => "GET: 200 without an ETag; IS IT S3";
        get(200, &[], PAGE) => "GET: 200 without an ETag; IS IT S3";
        get(200, &[ETAG], PAGE) => "FOREIGN (it does not parse: expected value at line 1 column 1), MOVE IT";
        get(200, &[ETAG], &xml("InternalError", "m")) => "FOREIGN (it does not parse: expected value at line 1 column 1), MOVE IT";
        get(201, &[ETAG], "{}") => "GET: 201 (no S3 error code); IS IT S3";
        get(204, &[ETAG], "") => "GET: 204 (an empty body); IS IT S3";
        get(206, &[ETAG], "{}") => "GET: 206 (no S3 error code); IS IT S3";
        get(301, &[], &xml("PermanentRedirect", "Use another endpoint.")) => "GET: 301 (PermanentRedirect: Use another endpoint.); ClientBuilder::region says us-east-1: the bucket is not there, and S3 does not say where: set the region";
        get(301, &[("x-amz-bucket-region", "evil.example/")], "") => "GET: 301 (an empty body); IT IS A PROXY";
        get(301, &[("location", "https://s3.example.com:9000/hunter2?x")], PAGE) => "GET: 301 (an HTML page that redirects to https://s3.example.com:9000); IT IS A PROXY";
        get(302, &[("location", "/login?hunter2")], PAGE) => "GET: 302 (an HTML page); IT IS A PROXY";
        get(304, &[ETAG], "") => "GET: 304 (an empty body); IT IS A PROXY";
        get(307, &[], &xml("TemporaryRedirect", "Wait for DNS.")) => "GET: 307 (TemporaryRedirect: Wait for DNS.); ClientBuilder::region says us-east-1: the bucket is not there, and S3 does not say where: set the region";
        get(400, &[], "") => "GET: 400 (an empty body); IS IT S3";
        get(400, &[], PAGE) => "GET: 400 (an HTML page); IS IT S3";
        get(400, &[], "<html>\r\n<head><title>400 The plain HTTP request was sent to HTTPS port</title></head>") => "GET: 400 (an HTML page); ClientBuilder::endpoint says SERVER: it is https there, so begin it with https://";
        get(400, &[], "Client sent an HTTP request to an HTTPS server.\n") => "GET: 400 (no S3 error code); ClientBuilder::endpoint says SERVER: it is https there, so begin it with https://";
        get(400, &[], "<html><p>Reason: You're speaking plain HTTP to an SSL-enabled server port.<br />") => "GET: 400 (an HTML page); ClientBuilder::endpoint says SERVER: it is https there, so begin it with https://";
        get(400, &[], "<html>\r\n<head><title>400 No required SSL certificate was sent</title></head>") => "GET: 400 (an HTML page); it demands a client certificate: name one with ClientBuilder::client_identity";
        get(400, &[], "<html>\r\n<head><title>400 The SSL certificate error</title></head>") => "GET: 400 (an HTML page); it does not accept the client certificate: check the one that was set";
        get(400, &[], &xml("InvalidBucketName", "The specified bucket is not valid.")) => "GET: 400 (InvalidBucketName: The specified bucket is not valid.); create the bucket locks-test, or correct its name or the endpoint: ClientBuilder::endpoint says SERVER";
        get(400, &[], &xml("AuthorizationHeaderMalformed", "the region &apos;x&apos; is wrong")) => "GET: 400 (AuthorizationHeaderMalformed: the region 'x' is wrong); ClientBuilder::region says us-east-1: check the region and the access key";
        get(400, &[], &xml("ExpiredToken", "The provided token has expired.")) => "GET: 400 (ExpiredToken: The provided token has expired.); the session token has expired: get new keys; KEYS OF CODE";
        get(400, &[], &xml("InvalidToken", "The token is malformed.")) => "GET: 400 (InvalidToken: The token is malformed.); check the access key, its secret and its session token; KEYS OF CODE";
        get(400, &[], &xml("KMS.DisabledException", "The key is disabled.")) => "GET: 400 (KMS.DisabledException: The key is disabled.); check the key that the bucket is encrypted with, and the permission to use it";
        get(401, &[], "") => "GET: 401 (an empty body); check the access key, its secret and its session token; KEYS OF CODE; IS IT A PROXY";
        get(401, &[], PAGE) => "GET: 401 (an HTML page); IT IS A PROXY";
        get(403, &[], "") => "GET: 403 (an empty body); GRANT GET; IS IT A PROXY";
        get(403, &[], PAGE) => "GET: 403 (an HTML page); IT IS A PROXY";
        status(403, &xml("AccessDenied", "Access Denied")) => "GET: 403 (AccessDenied: Access Denied); GRANT GET";
        get(403, &[], &xml("InvalidAccessKeyId", "No such key.")) => "GET: 403 (InvalidAccessKeyId: No such key.); check the access key, its secret and its session token; KEYS OF CODE";
        get(403, &[], &xml("SignatureDoesNotMatch", "Check your key.")) => "GET: 403 (SignatureDoesNotMatch: Check your key.); check the access key, its secret and its session token; KEYS OF CODE";
        get(403, &[], &xml("RequestTimeTooSkewed", "m")) => "GET: 403 (RequestTimeTooSkewed: m); set this machine's clock (the reply does not say by how much)";
        get(403, &[], &xml("InvalidObjectState", "It is archived.")) => "GET: 403 (InvalidObjectState: It is archived.); the object is archived: restore it, and keep lifecycle rules away from locks";
        get(403, &[], &xml("AccountProblem", "Pay first.")) => "GET: 403 (AccountProblem: Pay first.)";
        get(403, &[], "<Error><Code>AccessDenied") => "GET: 403 (no S3 error code); GRANT GET; IS IT A PROXY";
        get(404, &[], "") => "GET: 404 (an empty body); IS IT S3";
        get(404, &[], PAGE) => "GET: 404 (an HTML page); IS IT S3";
        get(404, &[], &xml("NoSuchBucket", "There is none.")) => "GET: 404 (NoSuchBucket: There is none.); create the bucket locks-test, or correct its name or the endpoint: ClientBuilder::endpoint says SERVER";
        get(404, &[], "{\"Code\":\"NoSuchKey\"}") => "GET: 404 (no S3 error code); IS IT S3";
        get(404, &[], &xml("&#78;oSuchKey", "m")) => "GET: 404 (no S3 error code); IS IT S3";
        get(404, &[], &xml("NoSuchKey\u{1b}[31m", "m")) => "GET: 404 (no S3 error code); IS IT S3";
        get(404, &[], "<!DOCTYPE a [<!ENTITY b \"NoSuchKey\">]><Error><Code>&b;</Code></Error>") => "GET: 404 (no S3 error code); IS IT S3";
        get(405, &[], PAGE) => "GET: 405 (an HTML page); IS IT S3";
        get(407, &[], PAGE) => "GET: 407 (an HTML page); IS IT S3";
        get(409, &[], &twice) => "GET: 409 (NoSuchKey: m); IS IT S3";
        get(418, &[], "hunter2") => "GET: 418 (no S3 error code); IS IT S3";
        get(429, &[], "") => "GET: 429 (an empty body); try again later";
        get(500, &[], &long) => "GET: 500 (InternalError: HUNTERS); try again later";
        get(500, &[], &xml("InternalError", "a\nb\u{1b}[31m &lt;c&gt; &amp;lt;")) => "GET: 500 (InternalError: a b [31m <c> &lt;); try again later";
        get(501, &[], &xml("NotImplemented", "A header is not.")) => "GET: 501 (NotImplemented: A header is not.); IS IT S3";
        get(502, &[], PAGE) => "GET: 502 (an HTML page); try again later";
        get(503, &[], &xml("SlowDown", "Reduce your rate.")) => "GET: 503 (SlowDown: Reduce your rate.); try again later";
        get(599, &[], "") => "GET: 599 (an empty body); try again later";
        get(999, &[], "") => "GET: 999 (an empty body); IS IT S3";
    }
}

#[test]
fn acquire_tells_of_replies_to_its_write_that_cannot_be() {
    table! {
        put(200, &[], "") => "PUT: 200 without an ETag; IS IT S3";
        put(200, &[ETAG], &xml("InternalError", "m")) => "PUT: 200 with an error inside; try again later";
        put(200, &[], PAGE) => "PUT: 200 without an ETag; IS IT S3";
        put(201, &[ETAG], "") => "PUT: 201 (an empty body); IS IT S3";
        put(204, &[ETAG], "") => "PUT: 204 (an empty body); IS IT S3";
        put(302, &[], PAGE) => "PUT: 302 (an HTML page); IT IS A PROXY";
        put(304, &[ETAG], "") => "PUT: 304 (an empty body); IT IS A PROXY";
        put(400, &[], &xml("BadDigest", "The body is another.")) => "PUT: 400 (BadDigest: The body is another.); try again later";
        put(403, &[], PAGE) => "PUT: 403 (an HTML page); IT IS A PROXY";
        put(403, &[], &xml("AccessDenied", "Access Denied")) => "PUT: 403 (AccessDenied: Access Denied); grant s3:PutObject on arn:aws:s3:::locks-test/locks/nightly.lock";
        put(404, &[], &xml("NoSuchBucket", "There is none.")) => "PUT: 404 (NoSuchBucket: There is none.); create the bucket locks-test, or correct its name or the endpoint: ClientBuilder::endpoint says SERVER";
        put(405, &[], PAGE) => "PUT: 405 (an HTML page); IS IT S3";
        put(409, &[], &xml("InvalidBucketState", "m")) => "PUT: 409 (InvalidBucketState: m); IS IT S3";
        put(411, &[], PAGE) => "PUT: 411 (an HTML page); IS IT S3";
        put(413, &[], PAGE) => "PUT: 413 (an HTML page); IS IT S3";
        put(429, &[], "") => "PUT: 429 (an empty body); try again later";
        put(500, &[], "") => "PUT: 500 (an empty body); try again later";
        put(501, &[], &xml("NotImplemented", "A header is not.")) => "PUT: 501 (NotImplemented: A header is not.); IS IT S3";
        put(502, &[], PAGE) => "PUT: 502 (an HTML page); try again later";
        put(507, &[], &xml("XMinioStorageFull", "The disk is full.")) => "PUT: 507 (XMinioStorageFull: The disk is full.); try again later";
    }
}

#[test]
fn check_store_advises_to_do_without_only_where_the_store_itself_denied() {
    let denied = "CHECK: 403 (AccessDenied: m); grant s3:GetObject on arn:aws:s3:::locks-test/locks/.s3-lock-check (and, to tell an absent lock from a forbidden one, s3:ListBucket on the bucket); it is written and read (s3:PutObject, s3:GetObject) to see whether this store honours conditional writes; if you know that it does, build the client with assume_conditional_writes() instead";
    table! {
        check(403, &xml("AccessDenied", "m")) => denied;
        check(403, PAGE) => "CHECK: 403 (an HTML page); IT IS A PROXY";
        check(403, "") => "CHECK: 403 (an empty body); grant s3:GetObject on arn:aws:s3:::locks-test/locks/.s3-lock-check (and, to tell an absent lock from a forbidden one, s3:ListBucket on the bucket); IS IT A PROXY";
    }
}

#[test]
fn list_tells_of_lists_that_cannot_be() {
    let deep = format!("<ListBucketResult>{}", "<a>".repeat(100_000));
    let mut bomb = "<!DOCTYPE a [<!ENTITY e0 \"ha\">".to_owned();
    for n in 1..30 {
        let m = n - 1;
        bomb += &format!("<!ENTITY e{n} \"&e{m};&e{m};&e{m};&e{m};\">");
    }
    bomb += "]><ListBucketResult><Contents><Key>&e29;</Key></Contents></ListBucketResult>";
    let within = |text: &str| list(200, &format!("<ListBucketResult>{text}</ListBucketResult>"));
    table! {
        list(200, "") => "LIST: 200 without a list; IS IT S3";
        list(200, PAGE) => "LIST: 200 without a list; IS IT S3";
        list(200, "{\"Contents\":[]}") => "LIST: 200 without a list; IS IT S3";
        list(200, "<ListBucketResult><Contents>") => "LIST: 200 without a list; IS IT S3";
        list(200, "<ListAllMyBucketsResult/>") => "LIST: 200 without a list; IS IT S3";
        list(200, &xml("InternalError", "m")) => "LIST: 200 without a list; IS IT S3";
        list(200, &deep) => "LIST: 200 without a list; IS IT S3";
        list(200, &bomb) => "LIST: 200 without a list; IS IT S3";
        list(206, "<ListBucketResult/>") => "LIST: 206 (no S3 error code); IS IT S3";
        list(403, "") => "LIST: 403 (an empty body); grant s3:ListBucket on arn:aws:s3:::locks-test; IS IT A PROXY";
        list(403, PAGE) => "LIST: 403 (an HTML page); IT IS A PROXY";
        list(404, &xml("NoSuchBucket", "There is none.")) => "LIST: 404 (NoSuchBucket: There is none.); create the bucket locks-test, or correct its name or the endpoint: ClientBuilder::endpoint says SERVER";
        within("<IsTruncated>true</IsTruncated>") => "LIST: 200 with part of a list and no continuation token; IS IT S3";
        within("<KeyCount>many</KeyCount><MaxKeys/><IsTruncated>perhaps</IsTruncated>") => "no error";
        within("<Contents><Key>a/b.txt</Key><Size>large</Size></Contents>") => "no error";
    }
}

/// A port where each connection gets these bytes in answer to its request, and is closed.
fn bytes(bytes: &'static [u8]) -> String {
    after_reading(4096, bytes)
}

/// The same where no more than so many bytes of the request are read. The system resets a connection that
/// is closed with bytes that nobody has read.
fn after_reading(count: usize, bytes: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut vec![0; count]);
            let _ = stream.write_all(bytes);
        }
    });
    let client = Client::builder()
        .endpoint(&endpoint)
        .credentials("key", "secret", None)
        .assume_conditional_writes()
        .request_timeout(Duration::from_secs(2));
    let lock = lock_of(&client.build().unwrap());
    let error = lock.try_acquire("me").unwrap_err();
    let cause = std::error::Error::source(&error).map_or(String::new(), |e| format!(" | {e}"));
    format!("{error}{cause}").replace(&endpoint, "SERVER")
}

#[test]
fn status_tells_of_answers_that_are_no_whole_http() {
    table! {
        bytes(b"") => "GET SERVER/locks-test/locks/nightly.lock had no answer; MAYBE HTTPS | connection closed before message completed";
        bytes(b"\n\n\n") => "GET SERVER/locks-test/locks/nightly.lock had no answer; MAYBE HTTPS | connection closed before message completed";
        bytes(b"SSH-2.0-OpenSSH_9.2\r\n") => "GET SERVER/locks-test/locks/nightly.lock NO HTTP (invalid HTTP version parsed); HTTP OR HTTPS";
        bytes(b"\x15\x03\x01\x00\x02\x02\x16") => "GET SERVER/locks-test/locks/nightly.lock NO HTTP (invalid HTTP version parsed); HTTP OR HTTPS";
        bytes(b"HTTP/3 200\r\n\r\n") => "GET SERVER/locks-test/locks/nightly.lock NO HTTP (invalid HTTP version parsed); HTTP OR HTTPS";
        bytes(b"HTTP/1.1 20\r\n\r\n") => "GET SERVER/locks-test/locks/nightly.lock NO HTTP (invalid HTTP status-code parsed); HTTP OR HTTPS";
        bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n{}") => "GET SERVER/locks-test/locks/nightly.lock was answered in part | error reading a body from connection: end of file before message length reached";
        bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n{}") => "GET SERVER/locks-test/locks/nightly.lock NO HTTP (invalid content-length parsed); HTTP OR HTTPS";
        bytes(b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n{}") => "GET SERVER/locks-test/locks/nightly.lock NO HTTP (invalid content-length parsed); HTTP OR HTTPS";
        bytes(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n") => "GET SERVER/locks-test/locks/nightly.lock was answered in part | error reading a body from connection: Invalid chunk size line: missing size digit";
        bytes(b"HTTP/1.1 200 OK\r\netag") => "GET SERVER/locks-test/locks/nightly.lock had no answer; MAYBE HTTPS | connection closed before message completed";
        bytes(b"HTTP/1.1 100 Continue\r\n\r\n") => "GET SERVER/locks-test/locks/nightly.lock had no answer; MAYBE HTTPS | connection closed before message completed";
        bytes(b"HTTP/1.1 101 Switching Protocols\r\n\r\n") => "GET: 101 (an empty body); IS IT S3";
        bytes(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 503 Slow\r\ncontent-length: 0\r\n\r\n") => "GET: 503 (an empty body); try again later";
    }
}

#[test]
fn status_tells_of_a_connection_that_is_reset_as_of_one_that_is_closed() {
    table! {
        after_reading(1, b"") => "GET SERVER/locks-test/locks/nightly.lock had no answer; MAYBE HTTPS | connection error: Connection reset by peer (os error 104)";
    }
}

#[test]
fn status_tells_of_connections_that_cannot_be_made() {
    let server = Server::start();
    let tls = server.endpoint().replace("http:", "https:");
    let at = |endpoint: &str| {
        // Whatever proxy this machine is told to use.
        let client = client_builder(&server).endpoint(endpoint).no_proxy();
        let client = client.build().unwrap();
        let told = told(lock_of(&client).status()).replace(endpoint, "SERVER");
        let told = told.replace(endpoint.split_once("://").unwrap().1, "HOST");
        // What OpenSSL and the resolver say depends on the machine.
        let (start, rest) = told.split_once('(').unwrap();
        format!("{start}(CAUSE);{}", rest.split_once(");").unwrap().1)
    };
    table! {
        at(&tls) => "NOT SENT: no TLS with HOST: what answers there does not speak TLS (CAUSE); IS IT HTTP";
        at("http://no-such-host.invalid") => "NOT SENT: no address is known for HOST (CAUSE); ClientBuilder::endpoint says SERVER: check its spelling, and this machine's DNS";
    }
}

/// What `status` says to an error whose texts the store has not escaped.
fn status_told(status: u16, body: &str) -> Result<LockStatus, LockError> {
    let server = Server::start();
    server.fault(Match::get(), answer(status, &[], body));
    lock(&server).status()
}

#[test]
fn status_finds_the_code_behind_a_key_that_the_store_has_not_escaped() {
    let body = "<Error><Key>a&b.lock</Key><Code>NoSuchKey</Code></Error>";
    assert_eq!(status_told(404, body).unwrap(), LockStatus::Free);
}

#[test]
fn status_finds_the_region_behind_a_message_that_the_store_has_not_escaped() {
    let body = "<Error><Code>AuthorizationHeaderMalformed</Code><Message>a & b</Message>\
                <Region>eu-west-1</Region></Error>";
    assert_eq!(status_told(400, body).unwrap(), LockStatus::Free);
}

#[test]
fn status_tells_a_message_that_the_store_has_not_escaped() {
    let body = "<Error><Code>AccountProblem</Code><Message>call Smith & Co.</Message></Error>";
    let error = status_told(403, body).unwrap_err().to_string();
    assert!(error.contains("call Smith & Co."), "{error}");
}
