//! A host with a final dot (`minio.example.`) is looked up as it is, but its certificate has the name
//! without the dot. So has what the client tells the server of it (SNI, RFC 6066).

use std::task::{Context, Poll};

use hyper::Uri;
use hyper::http::uri::Authority;
use hyper::service::Service;

/// Dials this address, whatever the name that TLS uses for it.
pub(super) struct FixedDialer<D> {
    pub dialer: D,
    pub uri: Uri,
}

impl<D: Service<Uri>> Service<Uri> for FixedDialer<D> {
    type Response = D::Response;
    type Error = D::Error;
    type Future = D::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.dialer.poll_ready(context)
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        self.dialer.call(self.uri.clone())
    }
}

/// The same address without the dot at the end of its host.
pub(super) fn without_final_dot(uri: &Uri) -> Uri {
    shortened(uri).unwrap_or_else(|| uri.clone())
}

fn shortened(uri: &Uri) -> Option<Uri> {
    let authority = uri.authority()?;
    let host = authority.host().strip_suffix('.')?;
    let port = authority
        .port_u16()
        .map_or(String::new(), |port| format!(":{port}"));
    let mut parts = uri.clone().into_parts();
    parts.authority = format!("{host}{port}").parse::<Authority>().ok();
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_dot_at_the_end_of_a_host_is_taken_away() {
        for (uri, without) in [
            (
                "https://a.example.:9000/b./c.",
                "https://a.example:9000/b./c.",
            ),
            ("https://a.example./", "https://a.example/"),
            ("https://a.example:443/", "https://a.example:443/"),
            ("https://127.0.0.1/", "https://127.0.0.1/"),
            ("https://[::1]:443/", "https://[::1]:443/"),
        ] {
            assert_eq!(without_final_dot(&uri.parse().unwrap()), without);
        }
    }
}
