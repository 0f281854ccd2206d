//! HTTPS by nginx, in front of a store that others wrote: `.ci/with-nginx` says how it is found.

use std::env;
use std::path::PathBuf;

use s3_lock::{Client, ClientBuilder, S3Lock};

use crate::conformance::{Other, suite};

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is set by .ci/with-nginx"))
}

fn file(name: &str) -> PathBuf {
    PathBuf::from(variable("S3_LOCK_TEST_NGINX_FILES")).join(name)
}

fn builder(other: &Other, endpoint: &str) -> ClientBuilder {
    let client = Client::builder().endpoint(endpoint).region("us-east-1");
    client.credentials(&other.key, &other.secret, None)
}

/// What is said of an attempt to take a lock.
fn told(other: &Other, builder: ClientBuilder) -> String {
    let lock = S3Lock::builder(&other.bucket, "told").client(builder.build().unwrap());
    lock.build()
        .unwrap()
        .try_acquire("me")
        .unwrap_err()
        .to_string()
}

#[test]
#[ignore = "needs the nginx of .ci/with-nginx"]
fn nginx_conforms_for_those_who_trust_its_authority() {
    let other = Other::new("nginx");
    let builder = builder(&other, &variable("S3_LOCK_TEST_NGINX")).ca_bundle(file("ca.pem"));
    suite(&other.bucket, &|| builder.clone().build().unwrap());
}

#[test]
#[ignore = "needs the nginx of .ci/with-nginx"]
fn nginx_conforms_for_those_who_show_it_a_certificate() {
    let other = Other::new("nginx-mutual");
    let builder = builder(&other, &variable("S3_LOCK_TEST_NGINX_MUTUAL")).ca_bundle(file("ca.pem"));
    let builder = builder.client_certificate(file("client.pem"), file("client.key"));
    suite(&other.bucket, &|| builder.clone().build().unwrap());
}

#[test]
#[ignore = "needs the nginx of .ci/with-nginx"]
fn client_tells_what_nginx_demands() {
    let other = Other::new("nginx-told");
    let (usual, mutual) = (
        variable("S3_LOCK_TEST_NGINX"),
        variable("S3_LOCK_TEST_NGINX_MUTUAL"),
    );
    let at = |endpoint: &str| told(&other, builder(&other, endpoint).ca_bundle(file("ca.pem")));
    let by_address = usual.replace("localhost", "127.0.0.1");
    assert!(
        told(
            &other,
            builder(&other, &by_address).ca_bundle(file("client.pem"))
        )
        .contains("has signed its certificate")
    );
    let told = at(&usual.replace("https", "http"));
    assert!(
        told.contains("it is https there, so begin it with https://"),
        "{told}"
    );
    let told = at(&mutual);
    assert!(told.contains("it demands a client certificate"), "{told}");
}
