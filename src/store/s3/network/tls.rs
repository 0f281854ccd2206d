//! TLS: what a client trusts, and why a handshake failed.

use std::error::Error;

use hyper_tls::native_tls::TlsConnector;

use crate::store::s3::network::connect_error::{ConnectError, Step};

/// Makes TLS handshakes. Building one reads the machine's certificates, which takes megabytes.
pub(super) fn connector() -> Result<TlsConnector, ConnectError> {
    let unusable = |error: native_tls::Error| {
        let what = format!("TLS cannot be set up on this machine ({error})");
        ConnectError::new(Step::Tls, what)
    };
    TlsConnector::new().map_err(unusable)
}

/// A handshake with `host` that failed.
pub(super) fn failed(host: &str, error: &(dyn Error + 'static)) -> ConnectError {
    ConnectError::new(Step::Tls, format!("no TLS with {host} ({error})"))
}
