//! HTTPS: whom a client trusts, what it shows of itself, and how it tells what is wrong.

use std::path::Path;

use s3_lock::{ClientBuilder, LockError};

use crate::support::{Authority, Issued, Server, Terms, Tls, Valid};
use crate::{client_builder_at, lock_of};

const HERE: &str = "IP:127.0.0.1,DNS:localhost";

fn outcome(builder: ClientBuilder) -> Result<(), LockError> {
    let lock = lock_of(&builder.build().unwrap());
    lock.try_acquire("me")?.release()
}

fn told(builder: ClientBuilder) -> String {
    let error = outcome(builder).unwrap_err();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text += &format!(" | {error}");
        cause = error.source();
    }
    text
}

#[test]
fn explore() {
    let server = Server::start();
    let ca = Authority::new();
    let usual = Terms::default();
    let show = |what: &str, issued: &Issued, terms: &Terms<'_>, bundle: Option<&Path>| {
        let tls = Tls::with(&server, issued, terms);
        let mut builder = client_builder_at(&tls.endpoint());
        if let Some(bundle) = bundle {
            builder = builder.ca_bundle(bundle);
        }
        println!("{what}: {}", told(builder));
    };
    let good = ca.issue(HERE);
    let ca_file = ca.certificate();
    show("unknown", &good, &usual, None);
    show(
        "expired",
        &ca.issue_for(HERE, Valid::Before),
        &usual,
        Some(&ca_file),
    );
    show(
        "later",
        &ca.issue_for(HERE, Valid::Later),
        &usual,
        Some(&ca_file),
    );
    show(
        "other name",
        &ca.issue("DNS:example.com"),
        &usual,
        Some(&ca_file),
    );
    show(
        "other ip",
        &ca.issue("IP:127.0.0.9"),
        &usual,
        Some(&ca_file),
    );
    show("self", &ca.self_signed(HERE), &usual, None);
    show("self", &ca.self_signed(HERE), &usual, Some(&ca_file));
    show(
        "1.1",
        &good,
        &Terms {
            only: Some(11),
            ..usual
        },
        Some(&ca_file),
    );
    let demands = |only| Terms {
        only,
        demands: Some(&ca_file),
    };
    show("client 1.2", &good, &demands(Some(12)), Some(&ca_file));
    show("client 1.3", &good, &demands(Some(13)), Some(&ca_file));
    let middle = ca.intermediate();
    let leaf = middle.issue(HERE);
    show("intermediate missing", &leaf, &usual, Some(&ca_file));
    show(
        "intermediate alone",
        &leaf,
        &usual,
        Some(&middle.certificate()),
    );
    let tls = Tls::with(&server, &good, &usual);
    println!(
        "http to tls: {}",
        told(client_builder_at(&tls.endpoint().replace("https", "http")))
    );
    println!(
        "tls to http: {}",
        told(client_builder_at(
            &server.endpoint().replace("http", "https")
        ))
    );
}
