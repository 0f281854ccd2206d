//! One HTTP proxy, as a URL names it.

use std::fmt;

use hyper::Uri;
use hyper::header::HeaderValue;
use percent_encoding::percent_decode_str;

use crate::store::s3::settings::endpoint::check_host;

/// The setting that names a proxy for everything.
pub(super) const IN_CODE: &str = "ClientBuilder::proxy";

/// A proxy, and what set it. Shown without its user and password.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::store::s3) struct Proxy {
    /// Scheme, host and port.
    uri: Uri,
    /// The scheme, the host, and the port if one was written.
    url: String,
    authorization: Option<HeaderValue>,
    by: String,
    /// What is wrong with the list of hosts that need no proxy.
    note: Option<String>,
}

impl Proxy {
    /// Reads the URL that a variable or a setting gives. The reason why it cannot be one never quotes
    /// it, because it may hold a password.
    pub(in crate::store::s3) fn parse(url: &str, by: &str) -> Result<Proxy, String> {
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        let scheme = scheme.to_ascii_lowercase();
        match scheme.as_str() {
            "http" | "https" => {}
            socks if socks.starts_with("socks") => {
                return Err(
                    "it is a SOCKS proxy, and only http:// and https:// proxies are supported"
                        .into(),
                );
            }
            _ => return Err("its scheme is neither http:// nor https://".into()),
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        // The last one: a password that was not encoded may have others.
        let (user, host) = match rest.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, rest),
        };
        if host.contains(char::is_whitespace) {
            return Err("it holds a space".into());
        }
        if host.contains(['/', '?', '#']) {
            return Err("nothing may follow the host and port".into());
        }
        check_host(host)?;
        let url = format!("{scheme}://{host}");
        let uri = url.parse::<Uri>();
        Ok(Proxy {
            uri: uri.map_err(|_| "it is no URL")?,
            url,
            authorization: user.filter(|user| !user.is_empty()).map(basic),
            by: by.to_owned(),
            note: None,
        })
    }

    /// The same proxy, whose errors say this, too.
    pub(super) fn with_note(self, note: Option<String>) -> Proxy {
        Proxy { note, ..self }
    }

    /// What errors of this proxy say last: what is wrong with the list of hosts that need no proxy, so that
    /// a host may go through the proxy by mistake.
    pub(in crate::store::s3) fn note(&self) -> String {
        let note = self.note.as_deref();
        note.map_or(String::new(), |note| format!("; {note}"))
    }

    /// As it is shown: without user and password.
    #[cfg(feature = "cli")]
    pub(in crate::store::s3) fn url(&self) -> &str {
        &self.url
    }

    pub(in crate::store::s3) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The variable or setting that names it.
    pub(in crate::store::s3) fn set_by(&self) -> &str {
        &self.by
    }

    /// Whether a variable names it. Then `NO_PROXY` has a say, too.
    pub(in crate::store::s3) fn is_of_environment(&self) -> bool {
        self.by != IN_CODE
    }

    /// What helps if it does not act as a proxy does.
    pub(in crate::store::s3) fn is_it_one(&self) -> String {
        format!(
            "check that an HTTP proxy is at the host and port that {} names, and whether it is \
             http:// or https:// there",
            self.by
        )
    }

    /// The value of `Proxy-Authorization`, if its URL has a user.
    pub(in crate::store::s3) fn authorization(&self) -> Option<&HeaderValue> {
        self.authorization.as_ref()
    }
}

/// Basic authentication (RFC 7617) of a user and a password as a URL has them.
fn basic(user_info: &str) -> HeaderValue {
    let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
    let mut plain: Vec<u8> = percent_decode_str(user).collect();
    plain.push(b':');
    plain.extend(percent_decode_str(password));
    let value = format!("Basic {}", base64::encode(plain));
    let value = HeaderValue::try_from(value);
    let mut value = value.expect("base64 has no characters that a header cannot have");
    value.set_sensitive(true);
    value
}

/// `proxy http://10.0.0.1:3128 (from HTTPS_PROXY)`
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "proxy {} (from {})", self.url, self.by)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> Proxy {
        Proxy::parse(url, "V").unwrap_or_else(|why| panic!("{url}: {why}"))
    }

    #[test]
    fn a_url_needs_no_scheme_and_may_have_a_slash_at_its_end() {
        for (url, told) in [
            ("10.0.0.1:3128", "proxy http://10.0.0.1:3128 (from V)"),
            ("proxy.corp", "proxy http://proxy.corp (from V)"),
            (
                "http://proxy.corp:3128/",
                "proxy http://proxy.corp:3128 (from V)",
            ),
            ("HTTPS://proxy.corp", "proxy https://proxy.corp (from V)"),
            ("http://[::1]:3128", "proxy http://[::1]:3128 (from V)"),
            ("me:hunter2@proxy:1", "proxy http://proxy:1 (from V)"),
        ] {
            assert_eq!(parsed(url).to_string(), told);
        }
    }

    fn credentials(url: &str) -> Option<String> {
        let value = parsed(url).authorization?;
        let encoded = value.to_str().unwrap().strip_prefix("Basic ").unwrap();
        let decoded = base64::decode(encoded).unwrap();
        Some(String::from_utf8(decoded).unwrap())
    }

    #[test]
    fn user_and_password_are_percent_decoded() {
        for (url, expected) in [
            ("http://proxy", None),
            ("http://@proxy", None),
            ("http://me@proxy", Some("me:")),
            ("http://me:hunter2@proxy", Some("me:hunter2")),
            (
                "http://corp%5Cme:p%40ss%3a%2F%25@proxy",
                Some("corp\\me:p@ss:/%"),
            ),
            ("http://me:a+b%zz@proxy", Some("me:a+b%zz")),
            ("http://me:a:b@proxy", Some("me:a:b")),
            // Not encoded as it should be, and plain all the same.
            ("http://me:p@ss/w?d#@proxy:3128", Some("me:p@ss/w?d#")),
            ("http://m%C3%A9:x@proxy", Some("mé:x")),
        ] {
            assert_eq!(credentials(url).as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn the_password_is_never_shown() {
        let proxy = parsed("http://me:hunter2@proxy:3128");
        let shown = format!(
            "{proxy} {proxy:?} {:?} {}",
            proxy.authorization(),
            proxy.uri()
        );
        assert!(
            !shown.contains("hunter2") && !shown.contains("bWU6"),
            "{shown}"
        );
    }

    #[test]
    fn what_cannot_be_a_proxy_is_refused_and_not_quoted() {
        for (url, reason) in [
            ("", "it has no host"),
            ("http://", "it has no host"),
            ("http://me:hunter2@", "it has no host"),
            ("http://me:hunter2@:80", "it has no host"),
            (
                "http://me:hunter2",
                "its port is not a number from 1 to 65535",
            ),
            ("http://proxy:0", "its port is not a number from 1 to 65535"),
            (
                "http://proxy/proxy.pac",
                "nothing may follow the host and port",
            ),
            ("http://pro xy", "it holds a space"),
            ("ftp://proxy", "its scheme is neither http:// nor https://"),
            (
                "SOCKS5h://me:hunter2@proxy",
                "it is a SOCKS proxy, and only http:// and https:// proxies are supported",
            ),
            ("http://::1", "an IPv6 address needs square brackets"),
        ] {
            assert_eq!(Proxy::parse(url, "V").unwrap_err(), reason, "{url}");
        }
    }
}
