//! HTTP/2 is never spoken, over TLS or in a tunnel: it has to be offered in the hello (ALPN), and nothing is. So what is
//! wrong in the `h2` that `hyper` brings along cannot be reached (`deny.toml`).

use std::net::TcpStream;

use openssl::ssl::{SslConnector, SslMethod};

use crate::certificates::cycle;
use crate::client_builder_at;
use crate::proxies::patient;
use crate::support::{ConnectProxy, Server, Tls};

const H2_AND_HTTP_1: &[u8] = b"\x02h2\x08http/1.1";

#[test]
fn client_offers_no_protocol_in_its_hello_to_a_store() {
    let server = Server::start();
    let tls = Tls::start(&server);
    cycle(client_builder_at(&tls.endpoint()).ca_bundle(tls.certificate())).unwrap();
    let offered = tls.protocols_offered();
    assert!(offered.is_empty(), "{offered:?}");
}

#[test]
fn client_offers_no_protocol_in_its_hello_to_a_store_behind_a_tunnel() {
    let (server, proxy) = (Server::start(), ConnectProxy::start());
    let tls = Tls::start(&server);
    let client = client_builder_at(&tls.endpoint()).proxy(proxy.endpoint());
    cycle(patient(client).ca_bundle(tls.certificate())).unwrap();
    assert_eq!(proxy.methods(), ["CONNECT"]);
    let offered = tls.protocols_offered();
    assert!(offered.is_empty(), "{offered:?}");
}

/// What the other tests look for is seen, and HTTP/2 is spoken with whoever offers it.
#[test]
fn store_of_the_tests_sees_a_protocol_that_a_hello_offers() {
    let server = Server::start();
    let tls = Tls::start(&server);
    let mut connector = SslConnector::builder(SslMethod::tls()).unwrap();
    connector.set_ca_file(tls.certificate()).unwrap();
    connector.set_alpn_protos(H2_AND_HTTP_1).unwrap();
    let stream = TcpStream::connect(("127.0.0.1", tls.port())).unwrap();
    let stream = connector.build().connect("127.0.0.1", stream).unwrap();
    assert_eq!(stream.ssl().selected_alpn_protocol(), Some(&b"h2"[..]));
    assert_eq!(tls.protocols_offered(), [H2_AND_HTTP_1]);
}
