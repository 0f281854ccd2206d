//! Endpoints: which URL may be one, and where AWS has its own.

use hyper::http::uri::Authority;

/// A URL of a scheme, a host and an optional port, without a trailing slash.
pub(crate) struct Endpoint(pub String);

/// Why a text is not such a URL.
pub(crate) enum Malformed {
    /// Whether it must not be quoted.
    HoldsCredentials,
    Otherwise(&'static str),
}

impl Malformed {
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Malformed::HoldsCredentials => "it holds credentials",
            Malformed::Otherwise(reason) => reason,
        }
    }
}

impl Endpoint {
    pub(crate) fn parse(url: &str) -> Result<Endpoint, Malformed> {
        if url.contains('@') {
            return Err(Malformed::HoldsCredentials);
        }
        match Self::parts(url) {
            Ok((scheme, host)) => Ok(Endpoint(format!("{scheme}{host}"))),
            Err(reason) => Err(Malformed::Otherwise(reason)),
        }
    }

    fn parts(url: &str) -> Result<(&str, &str), &'static str> {
        if url.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err("it holds a space or a control character");
        }
        let end = ["http://", "https://"]
            .iter()
            .find(|s| url.starts_with(**s));
        let Some(end) = end.map(|scheme| scheme.len()) else {
            return Err("it needs a scheme: http:// or https://");
        };
        let (scheme, host) = url.split_at(end);
        let host = host.strip_suffix('/').unwrap_or(host);
        if host.starts_with('/') {
            return Err("it has no host");
        }
        if host.contains(['/', '?', '#']) {
            return Err("nothing may follow the host and port");
        }
        check_host(host).map(|()| (scheme, host))
    }
}

/// Whether it can be the host and port of a URL.
pub(crate) fn check_host(text: &str) -> Result<(), &'static str> {
    if text.starts_with("::") {
        return Err("an IPv6 address needs square brackets");
    }
    if text.is_empty() || text.starts_with(':') {
        return Err("it has no host");
    }
    let authority = text.parse::<Authority>();
    let authority =
        authority.map_err(|_| "its host is not a name or address that a URL can have")?;
    let rest = text.strip_prefix(authority.host()).unwrap_or_default();
    match rest.strip_prefix(':').map(str::parse::<u16>) {
        None if rest.is_empty() => Ok(()),
        Some(Ok(1..)) => Ok(()),
        _ => Err("its port is not a number from 1 to 65535"),
    }
}

/// Where AWS has a service in a region.
pub(crate) fn aws_endpoint(service: &str, region: &str) -> String {
    let is_china = region.starts_with("cn-");
    let suffix = if is_china { ".cn" } else { "" };
    format!("https://{service}.{region}.amazonaws.com{suffix}")
}
