//! What a proxy says, or whatever answers in its place. Of a tunnel that it refuses, nothing was sent.

use std::time::Duration;

use super::{table, told};
use crate::proxies::patient;
use crate::support::{ConnectProxy, Server, Verdict};
use crate::{client_builder_at, lock_of};

/// What an attempt says of a proxy that answers with these bytes, and is asked for with this user.
fn bytes_for(user: &str, bytes: &[u8]) -> String {
    let bytes = bytes.to_vec();
    let proxy = ConnectProxy::with(move |_| Verdict::Say(bytes.clone()));
    let client = patient(client_builder_at("https://store.test")).proxy(proxy.endpoint_for(user));
    let lock = lock_of(&client.build().unwrap());
    told(lock.try_acquire("me")).replace(&proxy.endpoint(), "PROXY")
}

fn bytes(bytes: &[u8]) -> String {
    bytes_for("", bytes)
}

/// The same of a reply with this first line after the version, and these headers.
fn reply(status: &str, headers: &str) -> String {
    bytes(format!("HTTP/1.1 {status}\r\n{headers}\r\n<html>hunter2</html>").as_bytes())
}

/// What an attempt says of a proxy at this URL.
fn at(url: &str) -> String {
    let client = patient(client_builder_at("https://store.test")).proxy(url);
    told(lock_of(&client.build().unwrap()).try_acquire("me"))
}

/// What an attempt over http says of a proxy that answers its reads itself.
fn read(status: &str) -> String {
    let status = status.to_owned();
    let proxy = ConnectProxy::with(move |_| Verdict::reply(&status, &[]));
    let client = patient(client_builder_at("http://store.test")).proxy(proxy.endpoint());
    let lock = lock_of(&client.build().unwrap());
    let told = told(lock.try_acquire("me")).replace(&proxy.endpoint(), "PROXY");
    told.replace("http://store.test", "SERVER")
}

#[test]
fn acquire_tells_of_proxies_that_refuse_a_tunnel_what_helps() {
    let basic = "Proxy-Authenticate: Basic realm=\"hunter2\"\r\n";
    let others = "Proxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM\r\n";
    let wrong = format!("HTTP/1.1 407 Proxy Authentication Required\r\n{basic}\r\n");
    table! {
        reply("407 Proxy Authentication Required", basic) => "REFUSED 407 Proxy Authentication Required; put a user and a password into ClientBuilder::proxy, percent-encoded: http://USER:PASSWORD@HOST:PORT";
        bytes_for("me:hunter2", wrong.as_bytes()) => "REFUSED 407 Proxy Authentication Required; check the user and the password in ClientBuilder::proxy; special characters in them must be percent-encoded (%40 for @)";
        reply("407 No", others) => "REFUSED 407 No; the proxy asks for Negotiate or NTLM authentication, and only Basic is supported: name a proxy in ClientBuilder::proxy that takes a user and a password, or one on this machine that signs in for you";
        bytes_for("me:hunter2", b"HTTP/1.0 401 Unauthorized\r\n\r\n") => "REFUSED 401 Unauthorized; check the user and the password in ClientBuilder::proxy; special characters in them must be percent-encoded (%40 for @)";
        reply("403 Forbidden", "X-Squid-Error: ERR_ACCESS_DENIED 0\r\n") => "REFUSED 403 Forbidden (ERR_ACCESS_DENIED 0); ask who runs the proxy to allow store.test:443";
        reply("500 Unable to connect", "") => "REFUSED 500 Unable to connect; IS IT RIGHT";
        reply("502 Bad Gateway", "") => "REFUSED 502 Bad Gateway; IS IT RIGHT";
        reply("503", "") => "REFUSED 503; IS IT RIGHT";
        reply("504 Gateway Timeout", "") => "REFUSED 504 Gateway Timeout; IS IT RIGHT";
        reply("302 Found", "Location: http://hunter2/\r\n") => "REFUSED 302 Found; check that an HTTP proxy is at the host and port that ClientBuilder::proxy names";
        reply("405 Method Not Allowed", "") => "REFUSED 405 Method Not Allowed; check that an HTTP proxy is at the host and port that ClientBuilder::proxy names";
    }
}

#[test]
fn acquire_tells_of_what_is_no_proxy() {
    let huge = format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(20_000));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(200));
    table! {
        bytes(b"") => "NOT SENT: closed the connection instead of connecting to store.test:443; IS IT A PROXY AT ALL";
        bytes(b"HTTP/1.1 200 OK\r\n") => "NOT SENT: closed the connection instead of connecting to store.test:443; IS IT A PROXY AT ALL";
        bytes(b"SSH-2.0-OpenSSH_9.2\r\n") => "NOT SENT: answered with something that is not HTTP (invalid HTTP version); IS IT A PROXY AT ALL";
        bytes(b"\x15\x03\x01\x00\x02\x02\x16") => "NOT SENT: answered with something that is not HTTP (invalid HTTP version); IS IT A PROXY AT ALL";
        bytes(huge.as_bytes()) => "NOT SENT: answered with a head of more than 16 KiB; IS IT A PROXY AT ALL";
        bytes(many.as_bytes()) => "NOT SENT: answered with something that is not HTTP (too many headers); IS IT A PROXY AT ALL";
        bytes(b"HTTP/1.1 200 OK\r\n\r\nhello") => "NOT SENT: sent data of its own before TLS with store.test:443 began; IS IT A PROXY AT ALL";
        at("http://me:hunter2@127.0.0.1:1") => "GET https://store.test/locks-test/locks/nightly.lock was not sent: proxy http://127.0.0.1:1 (from ClientBuilder::proxy) was not reached: no connection to 127.0.0.1:1 (Connection refused (os error 111)); check the port in ClientBuilder::proxy, and that the proxy is up";
    }
}

#[test]
fn acquire_tells_of_a_proxy_whose_name_nobody_knows_as_of_a_proxy() {
    // Longer than a label may be: no name server is asked.
    let host = format!("{}.invalid:3128", "x".repeat(64));
    let told = at(&format!("http://{host}")).replace(&host, "PROXY");
    let start = "GET https://store.test/locks-test/locks/nightly.lock was not sent: proxy http://PROXY (from ClientBuilder::proxy) was not reached: no address is known for PROXY (";
    let end =
        "); check the spelling of the proxy's host in ClientBuilder::proxy, and this machine's DNS";
    assert!(told.starts_with(start) && told.ends_with(end), "{told}");
}

#[test]
fn acquire_tells_of_a_proxy_that_speaks_no_tls_as_of_a_proxy() {
    let server = Server::start();
    let told = at(&server.endpoint().replace("http://", "https://"));
    let start = "GET https://store.test/locks-test/locks/nightly.lock was not sent: proxy https://127.0.0.1:";
    assert!(told.starts_with(start), "{told}");
    assert!(
        told.contains(" was not reached: no TLS with 127.0.0.1:"),
        "{told}"
    );
}

/// What an attempt over http says of something that answers with these bytes where the proxy should be.
fn read_bytes(bytes: &'static [u8]) -> String {
    let proxy = ConnectProxy::with(move |_| Verdict::Say(bytes.to_vec()));
    let client = client_builder_at("http://store.test").proxy(proxy.endpoint());
    let client = client.request_timeout(Duration::from_secs(3));
    let lock = lock_of(&client.build().unwrap());
    told(lock.status()).replace(&proxy.endpoint(), "PROXY")
}

#[test]
fn acquire_names_the_proxy_that_gives_no_answer_to_a_request_over_http() {
    table! {
        read_bytes(b"") => "GET http://store.test/locks-test/locks/nightly.lock through proxy PROXY (from ClientBuilder::proxy) had no answer; if that goes on, IS IT A PROXY AT ALL";
        read_bytes(b"SSH-2.0-OpenSSH\r\n") => "GET http://store.test/locks-test/locks/nightly.lock through proxy PROXY (from ClientBuilder::proxy) NO HTTP (invalid HTTP version parsed); IS IT A PROXY AT ALL";
        read_bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nx") => "GET http://store.test/locks-test/locks/nightly.lock through proxy PROXY (from ClientBuilder::proxy) was answered in part";
    }
}

#[test]
fn acquire_tells_of_proxies_that_answer_requests_over_http_themselves() {
    table! {
        read("407 Proxy Authentication Required") => "GET: 407 (an HTML page), it seems by proxy PROXY (from ClientBuilder::proxy); put a user and a password into ClientBuilder::proxy, percent-encoded, or correct them";
        read("401 Unauthorized") => "GET: 401 (an HTML page), it seems by proxy PROXY (from ClientBuilder::proxy); put a user and a password into ClientBuilder::proxy, percent-encoded, or correct them";
        read("403 Forbidden") => "GET: 403 (an HTML page), it seems by proxy PROXY (from ClientBuilder::proxy); ask who runs the proxy to allow the store";
        read("502 Bad Gateway") => "GET: 502 (an HTML page), it seems by proxy PROXY (from ClientBuilder::proxy); ClientBuilder::endpoint says SERVER: check its spelling and its port, and that the proxy can reach it";
        read("504 Gateway Timeout") => "GET: 504 (an HTML page), it seems by proxy PROXY (from ClientBuilder::proxy); ClientBuilder::endpoint says SERVER: check its spelling and its port, and that the proxy can reach it";
        read("404 Not Found") => "GET: 404 (an HTML page); IS IT S3";
    }
}
