//! Tunnels through a proxy, with TLS inside them. Each test runs in a child that trusts the certificate of
//! its servers.

use std::env;
use std::time::Duration;

use s3_lock::{Client, ClientBuilder, LockError, LockStatus, S3Lock, StorageErrorKind};

use super::{BASIC, USER, built, patient};
use crate::support::{
    Certificate, ConnectProxy, FATES, Fate, Fault, Match, Message, Proxy, Server, TlsFront, Verdict,
};
use crate::{
    checking_builder_at, child, client, client_builder_at, leased, lock_of, requests_of, storage,
    stored_state,
};

/// What the names of these parts begin with.
pub const PARTS: &str = "proxies";
/// The directory of the certificate.
const CERTIFICATE: &str = "S3_LOCK_TEST_CERTIFICATE";

fn in_child(part: &str) {
    let certificate = Certificate::make(&part.replace(' ', "-"));
    let mut command = child::bare_command(&format!("{PARTS}: {part}"));
    command
        .env("SSL_CERT_FILE", certificate.file())
        .env(CERTIFICATE, certificate.dir());
    child::ends_well(command);
}

/// Plays a part in a child.
pub fn play(part: &str) {
    match part {
        "settings" => settings(),
        "cycle" => cycle(),
        "password" => password(),
        "tls to the proxy" => tls_to_the_proxy(),
        "faults" => faults(),
        "fates" => fates(),
        "silence" => silence(),
        "wrong name" => wrong_name(),
        "real" => real(),
        other => panic!("no such part: {other}"),
    }
}

/// A store over https, a network that goes wrong before it, and a proxy before both.
struct Way {
    server: Server,
    network: Proxy,
    store: TlsFront,
    proxy: ConnectProxy,
    certificate: Certificate,
}

impl Way {
    fn new(rule: impl Fn(&Message) -> Verdict + Send + Sync + 'static) -> Way {
        let certificate = Certificate::at(env::var(CERTIFICATE).expect("the parent made one"));
        let server = Server::start();
        let network = Proxy::obedient(&server.endpoint());
        let store = TlsFront::start(&network.endpoint(), &certificate);
        let proxy = ConnectProxy::with(rule);
        Way {
            server,
            network,
            store,
            proxy,
            certificate,
        }
    }

    fn open() -> Way {
        Way::new(|_| Verdict::Pass)
    }

    fn builder(&self) -> ClientBuilder {
        patient(client_builder_at(&self.store.endpoint())).proxy(self.proxy.endpoint())
    }

    fn client(&self) -> Client {
        built(self.builder())
    }
}

/// A client whose requests soon time out.
fn hasty(builder: ClientBuilder) -> Client {
    let builder = builder.request_timeout(Duration::from_secs(1));
    built(builder.connect_timeout(Duration::from_millis(800)))
}

/// In an environment that names a proxy that is not there, and says that it is not for the server.
fn settings() {
    let (server, proxy) = (Server::start(), ConnectProxy::start());
    lock_of(&built(client_builder_at(&server.endpoint()).no_proxy()))
        .status()
        .unwrap();
    let client = built(client_builder_at(&server.endpoint()).proxy(proxy.endpoint()));
    lock_of(&client).status().unwrap();
    assert_eq!(proxy.methods(), ["GET"]);
    let refused = client_builder_at("http://store.test");
    let error = lock_of(&built(refused)).status().unwrap_err();
    assert!(error.to_string().contains("(from ALL_PROXY)"), "{error}");
    let error = lock_of(&built(client_builder_at("http://127.0.0.1:1").no_proxy()))
        .status()
        .unwrap_err();
    assert!(!error.to_string().contains("(from ALL_PROXY)"), "{error}");
}

#[test]
fn client_asks_for_one_tunnel_and_sends_no_more_requests_than_without() {
    in_child("cycle");
}

fn cycle() {
    let way = Way::open();
    let lock = lock_of(&way.client());
    let (sent, guard) = requests_of(&way.server, || lock.acquire("me").unwrap());
    assert_eq!(sent, ["GET", "PUT"]);
    guard.release().unwrap();
    for _ in 0..5 {
        let (sent, _) = requests_of(&way.server, || drop(lock.acquire("me").unwrap()));
        assert_eq!(sent, ["PUT", "PUT"]);
    }
    assert_eq!(way.proxy.methods(), ["CONNECT"]);
    let target = way.store.endpoint().replace("https://", "");
    assert_eq!(way.proxy.requests()[0].target(), target);
    let checking = patient(checking_builder_at(&way.store.endpoint()));
    let checking = checking.proxy(way.proxy.endpoint());
    let report = lock_of(&built(checking)).check_store().unwrap();
    assert!(report.is_safe());
}

#[test]
fn client_signs_in_to_the_proxy_for_a_tunnel_and_not_in_it() {
    in_child("password");
}

fn password() {
    let way = Way::new(|request| Verdict::for_password(request, BASIC));
    let client = way.builder().proxy(way.proxy.endpoint_for(USER));
    lock_of(&built(client))
        .acquire("me")
        .unwrap()
        .release()
        .unwrap();
    for request in way.server.requests() {
        assert_eq!(request.header("proxy-authorization"), None);
    }
    for (user, advice) in [
        ("", "put a user and a password into ClientBuilder::proxy"),
        (
            "me:wrong@",
            "check the user and the password in ClientBuilder::proxy",
        ),
    ] {
        let url = way
            .proxy
            .endpoint()
            .replace("http://", &format!("http://{user}"));
        let error = lock_of(&built(way.builder().proxy(url)))
            .acquire("me")
            .unwrap_err();
        assert!(error.to_string().contains(advice), "{error}");
        assert!(!storage(error).is_outcome_unknown());
    }
}

#[test]
fn client_speaks_tls_with_a_proxy_that_wants_it_and_again_with_the_store() {
    in_child("tls to the proxy");
}

fn tls_to_the_proxy() {
    let way = Way::open();
    let front = TlsFront::start(&way.proxy.endpoint(), &way.certificate);
    for store in [way.store.endpoint(), way.network.endpoint()] {
        let client = built(patient(client_builder_at(&store)).proxy(front.endpoint()));
        lock_of(&client).acquire("me").unwrap().release().unwrap();
    }
    // The second client looks at the lock's queue, too: another has had the lock.
    let forwarded = ["GET", "GET", "PUT", "PUT"];
    assert_eq!(way.proxy.methods()[0], "CONNECT");
    assert_eq!(way.proxy.methods()[1..], forwarded);
}

#[test]
fn acquire_renew_and_release_come_through_what_befalls_a_write_behind_a_tunnel() {
    in_child("faults");
}

/// What befalls a write that is carried out once, before it or after it.
const FAULTS: [Fate; 7] = [
    Fate::DroppedBefore,
    Fate::ResetBefore,
    Fate::DroppedAfter,
    Fate::ResetAfter,
    Fate::ResetMidway,
    Fate::Truncated,
    Fate::InternalErrorAfter,
];

fn faults() {
    let way = Way::open();
    come_through_faults(&way, &lock_of(&way.client()));
}

/// Acquires, renews and releases, while each of the faults befalls a write.
fn come_through_faults(way: &Way, lock: &S3Lock) {
    for fate in FAULTS {
        let before = way.network.counts().faults.get(&fate).copied();
        let written_once = |what: &str, call: &mut dyn FnMut()| {
            way.network.script("PUT", fate);
            way.server.clear_requests();
            call();
            assert_eq!(way.server.count("PUT"), 1, "{what} after {fate:?}");
        };
        let mut guard = None;
        written_once("acquire", &mut || guard = Some(lock.acquire("me").unwrap()));
        let held = guard.take().expect("it was acquired");
        held.verify().unwrap();
        written_once("renew", &mut || held.renew().unwrap());
        let mut guard = Some(held);
        written_once("release", &mut || guard.take().unwrap().release().unwrap());
        assert_eq!(stored_state(&way.server).as_deref(), Some("released"));
        let befell = way.network.counts().faults[&fate] - before.unwrap_or(0);
        assert_eq!(befell, 3);
    }
}

#[test]
fn acquire_has_one_holder_whatever_befalls_a_request_behind_a_tunnel() {
    in_child("fates");
}

fn fates() {
    let way = Way::open();
    let onlooker = client(&way.server);
    for (fate, _) in FATES {
        for method in ["GET", "PUT"] {
            let client = hasty(way.builder());
            // The first connection takes its time: this machine's certificates are read.
            let _ = lock_of(&client).status();
            way.network.script(method, fate);
            match leased(&client, 3_000).build().unwrap().acquire("one") {
                Ok(guard) => {
                    let second = leased(&onlooker, 3_000).build().unwrap().try_acquire("two");
                    // Unless the lease is over, on a busy machine.
                    assert!(
                        second.is_err() || !guard.is_held(),
                        "{fate:?} of a {method}"
                    );
                    drop(second);
                    let _ = guard.release();
                }
                // Given back, on a busy machine.
                Err(LockError::TooSlow { .. }) => {}
                // Refused for certain, or a page instead of the record.
                Err(LockError::Storage(error)) => assert!(!error.is_outcome_unknown(), "{fate:?}"),
                Err(error) => panic!("{fate:?} of a {method}: {error:?}"),
            }
            let another = lock_of(&client).acquire("another");
            another.unwrap().release().unwrap();
        }
    }
    assert!(way.network.falls_silent());
    let counts = way.network.counts();
    assert!(FATES.iter().all(|(fate, _)| counts.faults[fate] == 2));
    assert!(way.proxy.methods().iter().all(|method| method == "CONNECT"));
}

#[test]
fn renew_that_nobody_answers_in_a_tunnel_may_have_left() {
    in_child("silence");
}

fn silence() {
    let way = Way::open();
    let client = hasty(way.builder());
    let _ = lock_of(&client).status();
    let guard = lock_of(&client).acquire("me").unwrap();
    let stalled = Fault::Stall(Duration::from_secs(60));
    way.server.fault(Match::any().always(), stalled);
    let error = storage(guard.renew().unwrap_err());
    assert_eq!(error.kind(), StorageErrorKind::NoAnswer);
    assert!(error.is_outcome_unknown());
    way.server.clear_faults();
    guard.verify().unwrap();
}

#[test]
fn client_names_the_proxy_if_the_certificate_in_the_tunnel_is_of_another_host() {
    in_child("wrong name");
}

fn wrong_name() {
    let way = Way::open();
    let address = way.store.endpoint().replace("https://", "");
    let proxy = ConnectProxy::with(move |_| Verdict::PassTo(address.clone()));
    let client = patient(client_builder_at("https://store.test")).proxy(proxy.endpoint());
    let error = lock_of(&built(client)).acquire("me").unwrap_err();
    let told = error.to_string();
    let named = format!(
        "through proxy {} (from ClientBuilder::proxy)",
        proxy.endpoint()
    );
    assert!(
        told.contains("no TLS with store.test") && told.contains(&named),
        "{told}"
    );
    assert!(!storage(error).is_outcome_unknown());
}

#[test]
#[ignore = "needs tinyproxy and Squid: run it by .ci/with-proxy"]
fn client_locks_through_proxies_that_others_wrote() {
    in_child("real");
}

fn real() {
    let url = |name| env::var(name).expect("the script named the proxies");
    let open = url("S3_LOCK_TEST_PROXY");
    works_through(&open);
    for url in [
        url("S3_LOCK_TEST_PROXY_WITH_PASSWORD"),
        url("S3_LOCK_TEST_SQUID"),
    ] {
        works_through(&url);
        let (_, address) = url.rsplit_once('@').expect("it has a password");
        asks_for_a_password(address);
    }
}

/// What a client says of this endpoint, which it cannot come to through this proxy.
fn told(endpoint: &str, proxy: &str) -> String {
    let lock = lock_of(&built(patient(client_builder_at(endpoint)).proxy(proxy)));
    let error = lock.try_acquire("me").unwrap_err();
    let told = error.to_string();
    let is_unknown = storage(error).is_outcome_unknown();
    assert!(
        !is_unknown && told.contains("(from ClientBuilder::proxy)"),
        "{told}"
    );
    told
}

fn works_through(proxy: &str) {
    let way = Way::open();
    for store in [way.store.endpoint(), way.network.endpoint()] {
        let builder = || patient(client_builder_at(&store)).proxy(proxy);
        let checking = patient(checking_builder_at(&store)).proxy(proxy);
        assert!(lock_of(&built(checking)).check_store().unwrap().is_safe());
        let lock = lock_of(&built(builder()));
        lock.acquire("me").unwrap().release().unwrap();
        for _ in 0..3 {
            let (sent, _) = requests_of(&way.server, || drop(lock.acquire("me").unwrap()));
            assert_eq!(sent, ["PUT", "PUT"], "{store} through {proxy}");
        }
        // Somebody else's change is seen at once: no cache answers.
        let other = lock_of(&client(&way.server)).acquire("you").unwrap();
        assert!(matches!(lock.try_acquire("me"), Err(LockError::Held(_))));
        other.release().unwrap();
        assert_eq!(lock.status().unwrap(), LockStatus::Free);
    }
    come_through_faults(&way, &lock_of(&built(way.builder().proxy(proxy))));
    let told_of = |endpoint| told(endpoint, proxy);
    for (endpoint, status, advice) in [
        (
            "https://forbidden.test",
            "403",
            "ask who runs the proxy to allow forbidden.test:443",
        ),
        (
            "http://forbidden.test",
            "403",
            "ask who runs the proxy to allow the store",
        ),
        (
            "https://127.0.0.1:1",
            "50",
            "and that the proxy can reach it",
        ),
        (
            "http://127.0.0.1:1",
            "50",
            "and that the proxy can reach it",
        ),
    ] {
        let told = told_of(endpoint);
        assert!(told.contains(status) && told.contains(advice), "{told}");
    }
}

fn asks_for_a_password(address: &str) {
    for (user, advice) in [
        ("", "put a user and a password into ClientBuilder::proxy"),
        (
            "me:wrong@",
            "check the user and the password in ClientBuilder::proxy",
        ),
    ] {
        let told = told("https://127.0.0.1:1", &format!("http://{user}{address}"));
        assert!(told.contains(": 40") && told.contains(advice), "{told}");
    }
    let told = told("http://127.0.0.1:1", &format!("http://{address}"));
    assert!(
        told.contains("was answered 407 (an HTML page), it seems by proxy"),
        "{told}"
    );
}
