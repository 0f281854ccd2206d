//! HTTP proxies between a client and its store: which requests go through one, and what the client says
//! of one that does not pass them on.

mod kept;
mod tunnels;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use s3_lock::{Client, ClientBuilder, LockError, StorageError, StorageErrorKind};

use crate::child::{self, Home};
use crate::support::{
    ACCESS_KEY, Answer, ConnectProxy, Fate, Message, Proxy, SECRET_KEY, Server, StandIn, Verdict,
};
use crate::{client_builder_at, lock_of, requests_of, storage, stored_state};

pub use tunnels::{PARTS, play};

/// A name that only a proxy knows.
const STORE: &str = "http://store.test";
/// `me:p@ss`, as a URL and as a header have it.
const USER: &str = "me:p%40ss";
const BASIC: &str = "bWU6cEBzcw==";

/// A proxy that has the address of this server for every name.
fn proxy_to(server: &Server) -> ConnectProxy {
    let address = server.endpoint().replace("http://", "");
    ConnectProxy::with(move |_| Verdict::PassTo(address.clone()))
}

fn through(proxy: &ConnectProxy) -> ClientBuilder {
    client_builder_at(STORE).proxy(proxy.endpoint())
}

/// With time for whatever a busy machine does at the first connection.
pub fn patient(builder: ClientBuilder) -> ClientBuilder {
    builder
        .request_timeout(Duration::from_secs(60))
        .connect_timeout(Duration::from_secs(50))
}

fn built(builder: ClientBuilder) -> Client {
    builder.build().expect("the settings are valid")
}

#[test]
fn client_sends_requests_over_http_to_the_proxy_with_their_whole_url() {
    let server = Server::start();
    let proxy = proxy_to(&server);
    let lock = lock_of(&built(through(&proxy)));
    let (sent, guard) = requests_of(&server, || lock.acquire("me").unwrap());
    assert_eq!(sent, ["GET", "PUT"]);
    guard.release().unwrap();
    assert_eq!(stored_state(&server).as_deref(), Some("released"));
    for request in proxy.requests() {
        let url = format!("{STORE}/locks-test/locks/nightly.lock");
        assert_eq!(request.target(), url);
        assert_eq!(request.header("host"), Some("store.test"));
        assert_eq!(request.header("proxy-authorization"), None);
    }
}

#[test]
fn client_signs_in_to_the_proxy_with_each_request_over_http() {
    let server = Server::start();
    let address = server.endpoint().replace("http://", "");
    let proxy = ConnectProxy::with(move |request| match Verdict::for_password(request, BASIC) {
        Verdict::Pass => Verdict::PassTo(address.clone()),
        refusal => refusal,
    });
    let client = client_builder_at(STORE).proxy(proxy.endpoint_for(USER));
    lock_of(&built(client))
        .acquire("me")
        .unwrap()
        .release()
        .unwrap();
    assert_eq!(proxy.methods(), ["GET", "PUT", "PUT"]);
    // What was signed is what the store has got.
    assert_eq!(server.count("PUT"), 2);
}

/// The error of an attempt of a client that a proxy of this rule stands before.
fn refused(endpoint: &str, rule: fn(&Message) -> Verdict) -> (StorageError, ConnectProxy) {
    let proxy = ConnectProxy::with(rule);
    let client = patient(client_builder_at(endpoint)).proxy(proxy.endpoint());
    let error = lock_of(&built(client)).acquire("me").unwrap_err();
    (storage(error), proxy)
}

#[test]
fn acquire_tells_at_once_of_a_proxy_that_refuses_a_tunnel_and_that_nothing_was_sent() {
    let (error, proxy) = refused("https://store.test", |_| {
        Verdict::reply("403 Forbidden", &[])
    });
    assert_eq!(error.kind(), StorageErrorKind::Unreachable);
    assert!(
        error.is_retryable() && !error.is_outcome_unknown(),
        "{error}"
    );
    assert_eq!(proxy.methods(), ["CONNECT"]);
    let asked = &proxy.requests()[0];
    assert_eq!(asked.target(), "store.test:443");
    assert_eq!(asked.header("host"), Some("store.test:443"));
}

#[test]
fn client_asks_for_a_tunnel_to_the_port_and_the_address_that_the_endpoint_has() {
    for (endpoint, target) in [
        ("https://store.test:9000", "store.test:9000"),
        ("https://[fd00::1]", "[fd00::1]:443"),
        ("https://10.0.0.1:8443", "10.0.0.1:8443"),
    ] {
        let (_, proxy) = refused(endpoint, |_| Verdict::reply("403 Forbidden", &[]));
        assert_eq!(proxy.requests()[0].target(), target);
    }
}

#[test]
fn acquire_whose_write_a_proxy_answers_itself_has_an_unknown_outcome() {
    for status in [
        "407 Proxy Authentication Required",
        "403 Forbidden",
        "502 Bad Gateway",
        "504 Gateway Timeout",
    ] {
        let server = Server::start();
        let address = server.endpoint().replace("http://", "");
        let proxy = ConnectProxy::with(move |request| match request.method().as_str() {
            "PUT" => Verdict::reply(status, &[]),
            _ => Verdict::PassTo(address.clone()),
        });
        let lock = lock_of(&built(through(&proxy)));
        let error = storage(lock.try_acquire("me").unwrap_err());
        assert!(error.is_outcome_unknown(), "{error}");
        let told = error.to_string();
        let named = format!(
            "it seems by proxy {} (from ClientBuilder::proxy)",
            proxy.endpoint()
        );
        assert!(told.contains(&named), "{told}");
    }
}

#[test]
fn acquire_does_not_blame_the_proxy_for_what_the_store_says() {
    let server = Server::start();
    let client = through(&proxy_to(&server)).credentials(ACCESS_KEY, "wrong", None);
    let error = storage(lock_of(&built(client)).acquire("me").unwrap_err());
    assert_eq!(error.kind(), StorageErrorKind::Credentials);
    assert!(!error.to_string().contains("proxy"), "{error}");
}

#[test]
fn acquire_and_release_over_http_come_through_what_befalls_them_behind_the_proxy() {
    let server = Server::start();
    let network = Proxy::obedient(&server.endpoint());
    let address = network.endpoint().replace("http://", "");
    let proxy = ConnectProxy::with(move |_| Verdict::PassTo(address.clone()));
    let lock = lock_of(&built(through(&proxy)));
    for fate in [
        Fate::DroppedBefore,
        Fate::DroppedAfter,
        Fate::ResetAfter,
        Fate::ResetMidway,
        Fate::Truncated,
        Fate::InternalErrorAfter,
    ] {
        network.script("PUT", fate);
        let guard = lock.acquire("me").unwrap();
        guard.verify().unwrap();
        network.script("PUT", fate);
        guard.renew().unwrap();
        network.script("PUT", fate);
        guard.release().unwrap();
        assert_eq!(
            stored_state(&server).as_deref(),
            Some("released"),
            "{fate:?}"
        );
        assert_eq!(network.counts().faults[&fate], 3);
    }
}

/// The error of an attempt through a proxy that takes all its time, which must end soon after the
/// connect timeout.
fn late(rule: fn(&Message) -> Verdict) -> String {
    let timeout = Duration::from_secs(5);
    let proxy = ConnectProxy::with(rule);
    let client = client_builder_at("https://store.test")
        .proxy(proxy.endpoint())
        .request_timeout(timeout * 2)
        .connect_timeout(timeout);
    let lock = lock_of(&built(client));
    let start = Instant::now();
    let error = storage(lock.acquire("me").unwrap_err());
    let took = start.elapsed();
    assert!(took >= timeout && took < timeout * 6, "{took:?}");
    assert_eq!(error.kind(), StorageErrorKind::Unreachable);
    assert!(!error.is_outcome_unknown());
    error.to_string().replace(&proxy.endpoint(), "PROXY")
}

#[test]
fn acquire_gives_up_a_proxy_that_does_not_answer_within_the_connect_timeout() {
    let told = late(|_| Verdict::SayAndHang(Vec::new()));
    let expected = "was not sent: proxy PROXY (from ClientBuilder::proxy) made no connection to store.test:443 \
                    within 5.0 s; ClientBuilder::endpoint says https://store.test: check its spelling and \
                    its port, and that the proxy can reach it";
    assert!(told.ends_with(expected), "{told}");
}

#[test]
fn acquire_gives_up_a_tunnel_that_nobody_speaks_tls_in_within_the_connect_timeout() {
    let told = late(|_| Verdict::SayAndHang(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()));
    let expected = "was not sent: connected to store.test through proxy PROXY (from ClientBuilder::proxy), but no \
                    TLS handshake within 5.0 s; ClientBuilder::endpoint says https://store.test: check whether it \
                    is https there, and the way to it";
    assert!(told.ends_with(expected), "{told}");
}

/// What a child with these variables says of its attempt to take the lock of a server.
fn complaint(server: &Server, variables: &[(&str, &str)]) -> String {
    let mut command = child::command("complain", &server.endpoint());
    command.envs(variables.iter().copied());
    child::complaint(command)
}

/// Where nobody listens.
const CLOSED: &str = "127.0.0.1:1";

#[test]
fn client_reads_the_variables_for_http_in_both_cases() {
    let server = Server::start();
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        let told = complaint(&server, &[(name, CLOSED)]);
        assert!(
            told.contains(&format!(
                "proxy http://{CLOSED} (from {name}) was not reached"
            )),
            "{told}"
        );
    }
    let told = complaint(&server, &[("HTTPS_PROXY", CLOSED), ("https_proxy", CLOSED)]);
    assert!(told.starts_with("none"), "{told}");
}

#[test]
fn client_tells_what_set_the_region_whose_host_a_proxy_does_not_reach() {
    let proxy = ConnectProxy::with(|_| Verdict::reply("502 Bad Gateway", &[]));
    let mut command = child::command("complain", "");
    command
        .env_remove("AWS_ENDPOINT_URL_S3")
        .env("AWS_REGION", "eu-centrall-1")
        .env("HTTPS_PROXY", proxy.endpoint());
    let told = child::complaint(command);
    let expected = "refused to connect to s3.eu-centrall-1.amazonaws.com:443: 502 Bad Gateway; no endpoint is \
                    set, so S3 is looked for in a region, and AWS_REGION says eu-centrall-1: check that there \
                    is such a region, and that the proxy can reach its host; if it needs no proxy, add \
                    s3.eu-centrall-1.amazonaws.com to NO_PROXY";
    assert!(told.contains(expected), "{told}");
}

#[test]
fn client_reads_the_variables_for_https_in_both_cases() {
    let server = Server::start();
    let https = ("AWS_ENDPOINT_URL_S3", "https://store.test");
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        let told = complaint(&server, &[https, (name, CLOSED)]);
        assert!(
            told.contains(&format!(
                "proxy http://{CLOSED} (from {name}) was not reached"
            )),
            "{told}"
        );
    }
}

#[test]
fn client_takes_the_variable_in_lower_case_first() {
    let server = Server::start();
    let proxy = ConnectProxy::start();
    let variables = [("HTTP_PROXY", CLOSED), ("http_proxy", &proxy.endpoint())];
    assert!(complaint(&server, &variables).starts_with("none"));
    assert!(!proxy.requests().is_empty());
}

#[test]
fn client_tells_of_an_entry_of_no_proxy_that_it_cannot_read() {
    let server = Server::start();
    let proxy = ConnectProxy::with(|_| Verdict::reply("403 Forbidden", &[]));
    let proxy = proxy.endpoint();
    let over_tls = ("AWS_ENDPOINT_URL_S3", "https://store.test");
    for (variables, name) in [
        (vec![("ALL_PROXY", CLOSED)], "NO_PROXY"),
        (vec![("ALL_PROXY", proxy.as_str())], "NO_PROXY"),
        (vec![over_tls, ("ALL_PROXY", &proxy)], "no_proxy"),
    ] {
        let list = (name, "x.test,127.0.0.0/99,a;b");
        let told = complaint(&server, &[&variables[..], &[list]].concat());
        let end = format!("; {name} has an entry that cannot be read: \"127.0.0.0/99\"");
        assert!(told.contains(&end), "{told}");
    }
}

#[test]
fn client_in_a_cgi_program_does_not_read_http_proxy_in_capitals() {
    let server = Server::start();
    let variables = [("HTTP_PROXY", CLOSED), ("REQUEST_METHOD", "GET")];
    assert!(complaint(&server, &variables).starts_with("none"));
}

#[test]
fn client_connects_directly_to_what_no_proxy_names() {
    let server = Server::start();
    let host = server.endpoint().replace("http://", "");
    let of_the_port = format!("a.test, {host}");
    for list in [
        "127.0.0.1",
        "x,127.0.0.0/8",
        "*",
        "127.0.0.2 127.0.0.1",
        &of_the_port,
    ] {
        for name in ["NO_PROXY", "no_proxy"] {
            let told = complaint(&server, &[("ALL_PROXY", CLOSED), (name, list)]);
            assert!(told.starts_with("none"), "{name}={list}: {told}");
        }
    }
    for list in ["localhost", "127.0.0.1:1", "10.0.0.0/8", ""] {
        let told = complaint(&server, &[("ALL_PROXY", CLOSED), ("NO_PROXY", list)]);
        assert!(told.contains("(from ALL_PROXY)"), "{list}: {told}");
    }
}

#[test]
fn client_sends_no_password_of_a_proxy_to_what_it_connects_to_directly() {
    let server = Server::start();
    let url = format!("http://{USER}@{CLOSED}");
    let told = complaint(&server, &[("ALL_PROXY", &url), ("NO_PROXY", "127.0.0.1")]);
    assert!(told.starts_with("none"), "{told}");
    for request in server.requests() {
        let mut names = request.headers.iter().map(|(name, _)| name.as_str());
        assert!(!names.any(|name| name.starts_with("proxy-") || name == "cache-control"));
    }
}

#[test]
fn client_of_no_proxy_and_of_another_does_not_ask_the_environment() {
    // The part of the child is here, as nothing of this process's environment may be changed.
    let server = Server::start();
    let mut command = child::command(&format!("{PARTS}: settings"), &server.endpoint());
    command.envs([("ALL_PROXY", CLOSED), ("NO_PROXY", "127.0.0.1")]);
    child::ends_well(command);
}

/// What container and instance metadata give.
fn credentials() -> String {
    format!(
        r#"{{"AccessKeyId":"{ACCESS_KEY}","SecretAccessKey":"{SECRET_KEY}","Token":"","Expiration":"2199-01-01T00:00:00Z"}}"#
    )
}

/// A child without keys, for which everything goes through a proxy, and what it says.
fn complaint_without_keys(server: &Server, variables: &[(&str, &str)]) -> String {
    let mut command = child::command("complain", &server.endpoint());
    static HOMES: AtomicUsize = AtomicUsize::new(0);
    let home = HOMES.fetch_add(1, Ordering::Relaxed);
    let home = Home::new(&format!("proxies-{home}"));
    for key in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        command.env_remove(key);
    }
    command
        .env("HOME", home.path())
        .envs(variables.iter().copied());
    child::complaint(command)
}

#[test]
fn client_asks_the_endpoint_of_a_container_without_the_proxy() {
    let (server, proxy) = (Server::start(), ConnectProxy::start());
    let container = StandIn::start(|_| Answer::Say(200, credentials()));
    let told = complaint_without_keys(
        &server,
        &[
            ("ALL_PROXY", &proxy.endpoint()),
            (
                "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                &format!("{}/get", container.endpoint()),
            ),
        ],
    );
    assert_eq!(container.requests().len(), 1, "{told}");
    let stray = |request: &Message| request.target().contains(&container.endpoint());
    assert!(!proxy.requests().is_empty() && !proxy.requests().iter().any(stray));
}

#[test]
fn client_asks_the_metadata_of_an_instance_without_the_proxy() {
    let (server, proxy) = (Server::start(), ConnectProxy::start());
    let instance = StandIn::start(|asked| {
        Answer::Say(
            200,
            match asked.len() {
                1 => "token".to_owned(),
                2 => "role".to_owned(),
                _ => credentials(),
            },
        )
    });
    let told = complaint_without_keys(
        &server,
        &[
            ("ALL_PROXY", &proxy.endpoint()),
            ("AWS_EC2_METADATA_DISABLED", "false"),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &instance.endpoint()),
        ],
    );
    assert_eq!(instance.requests().len(), 3, "{told}");
    let stray = |request: &Message| request.target().contains(&instance.endpoint());
    assert!(!proxy.requests().is_empty() && !proxy.requests().iter().any(stray));
}

#[test]
fn client_asks_sts_through_the_proxy() {
    let server = Server::start();
    let proxy = ConnectProxy::with(|_| Verdict::reply("403 Forbidden", &[]));
    let home = Home::new("proxies-sts");
    home.write("token", "a token");
    let told = complaint_without_keys(
        &server,
        &[
            ("ALL_PROXY", &proxy.endpoint()),
            ("NO_PROXY", "127.0.0.1"),
            ("AWS_ENDPOINT_URL_STS", "http://sts.test"),
            ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/r"),
            (
                "AWS_WEB_IDENTITY_TOKEN_FILE",
                &home.path().join(".aws/token").to_string_lossy(),
            ),
        ],
    );
    let asked: Vec<_> = proxy.requests().iter().map(Message::target).collect();
    assert_eq!(asked, ["http://sts.test/"], "{told}");
}

#[test]
fn client_tells_of_a_proxy_that_wants_a_password_before_sts() {
    let server = Server::start();
    let proxy = ConnectProxy::with(|_| Verdict::reply("407 Proxy Authentication Required", &[]));
    let home = Home::new("proxies-sts-407");
    home.write("token", "a token");
    let told = complaint_without_keys(
        &server,
        &[
            ("ALL_PROXY", &proxy.endpoint()),
            ("NO_PROXY", "127.0.0.1"),
            ("AWS_ENDPOINT_URL_STS", "http://sts.test"),
            ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/r"),
            (
                "AWS_WEB_IDENTITY_TOKEN_FILE",
                &home.path().join(".aws/token").to_string_lossy(),
            ),
        ],
    );
    let expected = format!(
        "a request for credentials to STS http://sts.test for role arn:aws:iam::123456789012:role/r was \
         answered 407 by proxy {} (from ALL_PROXY); \
         put a user and a password into ALL_PROXY",
        proxy.endpoint()
    );
    assert!(told.contains(&expected), "{told}");
}

/// What no error and no log may have of a proxy's URL.
#[test]
fn acquire_tells_of_a_proxy_without_its_password() {
    for endpoint in ["http://store.test", "https://store.test"] {
        let proxy = ConnectProxy::with(|_| {
            let asks = "Proxy-Authenticate: Basic realm=\"x\"";
            Verdict::reply("407 Proxy Authentication Required", &[asks])
        });
        let client = patient(client_builder_at(endpoint));
        let client = built(client.proxy(proxy.endpoint_for("me:hunter2")));
        let error: LockError = lock_of(&client).acquire("me").unwrap_err();
        let told = format!("{error} {error:?}");
        assert!(told.contains(&proxy.endpoint()), "{told}");
        assert!(
            !told.contains("hunter2") && !told.contains("bWU6"),
            "{told}"
        );
    }
}
