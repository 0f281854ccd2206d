//! The parts of a URL that connections need. Pure.

use hyper::Uri;
use hyper::http::uri::Scheme;

/// Whether TLS is spoken with the host.
pub(crate) fn is_https(uri: &Uri) -> bool {
    uri.scheme() != Some(&Scheme::HTTP)
}

/// The host, and the port if one was written.
pub(crate) fn authority(uri: &Uri) -> &str {
    uri.authority().map_or("", |authority| authority.as_str())
}

/// The port, or the usual one of the scheme.
pub(crate) fn port(uri: &Uri) -> u16 {
    let usual = if is_https(uri) { 443 } else { 80 };
    uri.port_u16().unwrap_or(usual)
}

/// The host and the port, as a request for a tunnel names them.
pub(crate) fn host_and_port(uri: &Uri) -> String {
    format!("{}:{}", uri.host().unwrap_or_default(), port(uri))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_not_written_is_that_of_the_scheme() {
        for (url, told) in [
            ("http://a/b", "a:80"),
            ("https://a/b", "a:443"),
            ("https://a:80", "a:80"),
            ("http://[::1]:9000/", "[::1]:9000"),
        ] {
            assert_eq!(host_and_port(&url.parse().unwrap()), told);
        }
    }
}
