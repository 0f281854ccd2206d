//! Endpoints: which URL may be one, and where AWS has its own.

use hyper::http::uri::Authority;

/// A URL of a scheme, a host, an optional port and an optional path, without a trailing slash. Scheme
/// and host are in lower case.
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
        match Self::normal(url) {
            Ok(url) => Ok(Endpoint(url)),
            Err(reason) => Err(Malformed::Otherwise(reason)),
        }
    }

    fn normal(url: &str) -> Result<String, &'static str> {
        if url.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err("it holds a space or a control character");
        }
        let (scheme, rest) = match url.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => ("http", rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => ("https", rest),
            _ => return Err("it needs a scheme: http:// or https://"),
        };
        if rest.contains(['?', '#']) {
            return Err("only a path may follow the host and port");
        }
        let end = rest.find('/').unwrap_or(rest.len());
        let (host, path) = rest.split_at(end);
        check_host(host)?;
        let path = path.strip_suffix('/').unwrap_or(path);
        check_path(path)?;
        Ok(format!("{scheme}://{}{path}", host.to_ascii_lowercase()))
    }

    /// What may be quoted of a text that is no such URL: after a `?`, a signed URL has its secrets.
    pub(crate) fn quotable(text: &str) -> String {
        match text.split_once('?') {
            Some((before, _)) => format!("{before}?…"),
            None => text.to_owned(),
        }
    }

    /// The parts of such a URL: the scheme with its slashes, the host with its port, the path or nothing.
    pub(crate) fn split(url: &str) -> (&str, &str, &str) {
        let host = url.find("://").map_or(0, |at| at + 3);
        let (scheme, rest) = url.split_at(host);
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        (scheme, host, path)
    }
}

/// Whether it can be what stands in front of every path: segments that nothing reads in another way, and
/// that are signed as they stand.
fn check_path(path: &str) -> Result<(), &'static str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~' | '/');
    if !path.chars().all(plain) {
        return Err("only letters, digits, '-', '.', '_' and '~' may be in its path");
    }
    let mut segments = path.split('/').skip(1);
    if segments.any(|segment| matches!(segment, "" | "." | "..")) {
        return Err("its path has an empty segment, '.' or '..'");
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn told(url: &str) -> String {
        match Endpoint::parse(url) {
            Ok(Endpoint(url)) => url,
            Err(malformed) => malformed.reason().to_owned(),
        }
    }

    #[test]
    fn an_endpoint_has_a_scheme_a_host_and_perhaps_a_port_and_a_path() {
        for (url, normal) in [
            ("http://localhost:9000", "http://localhost:9000"),
            ("https://host/", "https://host"),
            ("https://host/s3", "https://host/s3"),
            ("https://host/gateway/s3-1/", "https://host/gateway/s3-1"),
            ("http://[::1]:9000/s3", "http://[::1]:9000/s3"),
            ("HTTPS://Host.Example/S3", "https://host.example/S3"),
            ("Http://127.0.0.1:80", "http://127.0.0.1:80"),
        ] {
            assert_eq!(told(url), normal);
        }
    }

    #[test]
    fn what_would_be_read_in_two_ways_is_no_endpoint() {
        for (url, reason) in [
            ("localhost:9000", "it needs a scheme: http:// or https://"),
            ("ftp://host", "it needs a scheme: http:// or https://"),
            ("http:///bucket", "it has no host"),
            ("http://", "it has no host"),
            (
                "http://host//",
                "its path has an empty segment, '.' or '..'",
            ),
            (
                "http://host/a//b",
                "its path has an empty segment, '.' or '..'",
            ),
            (
                "http://host/a/../b",
                "its path has an empty segment, '.' or '..'",
            ),
            ("http://host?x", "only a path may follow the host and port"),
            (
                "http://host/a#b",
                "only a path may follow the host and port",
            ),
            (
                "http://host/a%2fb",
                "only letters, digits, '-', '.', '_' and '~' may be in its path",
            ),
            ("http://host:0", "its port is not a number from 1 to 65535"),
            ("http://me:secret@host", "it holds credentials"),
            ("http://host/@", "it holds credentials"),
        ] {
            assert_eq!(told(url), reason, "{url}");
        }
    }

    #[test]
    fn an_endpoint_is_split_into_its_parts() {
        for (url, parts) in [
            ("http://host:1", ("http://", "host:1", "")),
            ("https://host/a/b", ("https://", "host", "/a/b")),
        ] {
            assert_eq!(Endpoint::split(url), parts);
        }
    }
}
