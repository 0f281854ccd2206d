//! What a proxy replies to a request for a tunnel, and what helps if it is no.

use crate::protocol::quote::shown;
use crate::store::s3::network::connect_error::{ConnectError, Step};
use crate::store::s3::settings::proxy::one_proxy::Proxy;

/// The most bytes of the head of a reply.
pub(super) const LONGEST_HEAD: usize = 16 << 10;
/// The most headers that a reply may have.
const MOST_HEADERS: usize = 100;
/// How much is quoted of what a proxy says.
const LONGEST_QUOTE: usize = 60;

/// The head of a reply.
#[derive(Debug)]
pub(super) struct TunnelReply {
    status: u16,
    /// The text of the status, and the name of an error as Squid gives it.
    said: String,
    /// The schemes of authentication that the proxy knows.
    schemes: Vec<String>,
    /// Where the head ends.
    length: usize,
}

/// A request for a tunnel: to which host and port, and of which proxy.
#[derive(Clone, Copy)]
pub(super) struct Tunnel<'a> {
    pub to: &'a str,
    pub proxy: &'a Proxy,
}

impl TunnelReply {
    /// Reads a head, once it is there as a whole.
    fn parse(bytes: &[u8]) -> Result<Option<TunnelReply>, httparse::Error> {
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut reply = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(length) = reply.parse(bytes)? else {
            return Ok(None);
        };
        let all = |name: &'static str| {
            let fit = reply.headers.iter().filter(move |header| {
                header.name.eq_ignore_ascii_case(name) && !header.value.is_empty()
            });
            fit.map(|header| String::from_utf8_lossy(header.value))
        };
        let reason = reply.reason.unwrap_or_default();
        let mut said = [status_text(reason), String::new()];
        if let Some(error) = all("x-squid-error").next() {
            said[1] = format!(" ({})", short(&error));
        }
        let scheme = |offer: &str| offer.split([' ', ',']).next().map(short);
        Ok(Some(TunnelReply {
            status: reply.code.unwrap_or_default(),
            said: said.concat(),
            schemes: all("proxy-authenticate")
                .filter_map(|offer| scheme(&offer))
                .collect(),
            length,
        }))
    }

    /// Takes the head of the reply, once it is there as a whole, and drops the interim ones before it.
    pub(super) fn take(bytes: &mut Vec<u8>) -> Result<Option<TunnelReply>, httparse::Error> {
        loop {
            match TunnelReply::parse(bytes)? {
                Some(reply) if (100..200).contains(&reply.status) => {
                    bytes.drain(..reply.length);
                }
                found => return Ok(found),
            }
        }
    }

    /// Whether the tunnel is there, when the proxy has sent these bytes.
    pub(super) fn outcome(&self, tunnel: Tunnel<'_>, bytes: &[u8]) -> Result<(), ConnectError> {
        if !(200..300).contains(&self.status) {
            return Err(self.refusal(tunnel));
        }
        if bytes.len() > self.length {
            let what = format!("sent data of its own before TLS with {} began", tunnel.to);
            return Err(tunnel.failed(&what));
        }
        Ok(())
    }

    fn refusal(&self, tunnel: Tunnel<'_>) -> ConnectError {
        let Tunnel { to, proxy } = tunnel;
        let TunnelReply { status, said, .. } = self;
        let what = format!("{proxy} refused to connect to {to}: {status}{said}");
        let around = way_around(proxy, to);
        match status {
            // The host's name may be wrong, and that is told by what set it.
            500 | 502..=504 => ConnectError::new(Step::BeyondProxy, what).or(around),
            403 => refused(what, tunnel.how_to_be_allowed()).or(around),
            // tinyproxy answers a wrong password with 401.
            401 | 407 => refused(what, self.how_to_sign_in(proxy)),
            _ => {
                let by = proxy.set_by();
                let remedy =
                    format!("check that an HTTP proxy is at the host and port that {by} names");
                refused(what, remedy)
            }
        }
    }

    fn how_to_sign_in(&self, proxy: &Proxy) -> String {
        let by = proxy.set_by();
        let is_basic = |scheme: &String| scheme.eq_ignore_ascii_case("basic");
        if !self.schemes.is_empty() && !self.schemes.iter().any(is_basic) {
            let schemes = self.schemes.join(" or ");
            return format!(
                "the proxy asks for {schemes} authentication, and only Basic is supported: name a proxy in \
                 {by} that takes a user and a password, or one on this machine that signs in for you"
            );
        }
        if proxy.authorization().is_some() {
            return format!(
                "check the user and the password in {by}; special characters in them must be \
                 percent-encoded (%40 for @)"
            );
        }
        format!(
            "put a user and a password into {by}, percent-encoded: \
             http://USER:PASSWORD@HOST:PORT"
        )
    }
}

impl Tunnel<'_> {
    /// The error if the proxy did `what` instead of answering yes or no.
    pub(super) fn failed(self, what: &str) -> ConnectError {
        let Tunnel { proxy, .. } = self;
        ConnectError::new(Step::Proxy, format!("{proxy} {what}")).with_remedy(proxy.is_it_one())
    }

    fn how_to_be_allowed(self) -> String {
        let to = self.to;
        let of_port = if to.ends_with(":443") {
            ""
        } else {
            " (many proxies allow port 443 alone)"
        };
        format!("ask who runs the proxy to allow {to}{of_port}")
    }
}

fn refused(what: String, remedy: String) -> ConnectError {
    ConnectError::new(Step::Proxy, what).with_remedy(remedy)
}

/// The way around a proxy to a host and port. There is none if the program's code names the proxy for
/// everything.
pub(super) fn way_around(proxy: &Proxy, to: &str) -> Option<String> {
    let host = to.rsplit_once(':').map_or(to, |(host, _)| host);
    let is_avoidable = proxy.is_of_environment();
    is_avoidable.then(|| format!("if it needs no proxy, add {host} to NO_PROXY"))
}

fn status_text(reason: &str) -> String {
    match short(reason) {
        reason if reason.is_empty() => reason,
        reason => format!(" {reason}"),
    }
}

fn short(text: &str) -> String {
    shown(text).chars().take(LONGEST_QUOTE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TO: &str = "s3.example.com:443";

    fn told_by(url: &str, to: &str, reply: &str) -> String {
        let proxy = Proxy::parse(url, "HTTPS_PROXY").unwrap();
        let tunnel = Tunnel { to, proxy: &proxy };
        let parsed = TunnelReply::parse(reply.as_bytes()).unwrap().unwrap();
        match parsed.outcome(tunnel, reply.as_bytes()) {
            Ok(()) => "passes".to_owned(),
            Err(error) => {
                let remedy = match (error.step, &error.remedy) {
                    (Step::Proxy, Some(remedy)) => remedy,
                    (Step::BeyondProxy, None) => "ADVICE",
                    other => panic!("{other:?}"),
                };
                let around = error.alternative.as_ref();
                let around = around.map_or(String::new(), |around| format!("; {around}"));
                format!("{error}; {remedy}{around}")
            }
        }
    }

    fn told(reply: &str) -> String {
        told_by("http://10.0.0.1:3128", TO, reply)
    }

    #[test]
    fn every_2xx_with_nothing_after_its_head_passes() {
        for reply in [
            "HTTP/1.1 200 Connection established\r\n\r\n",
            "HTTP/1.0 200 OK\r\nProxy-agent: x\r\n\r\n",
            "HTTP/1.1 204\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        ] {
            assert_eq!(told(reply), "passes", "{reply:?}");
        }
    }

    #[test]
    fn a_head_is_read_once_it_is_whole() {
        let head = "HTTP/1.1 200 OK\r\nvia: x\r\n\r\n";
        for end in 0..head.len() {
            let part = TunnelReply::parse(&head.as_bytes()[..end]).unwrap();
            assert!(part.is_none(), "{end}");
        }
        assert!(TunnelReply::parse(head.as_bytes()).unwrap().is_some());
    }

    #[test]
    fn an_interim_reply_is_passed_over() {
        let mut bytes = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\na: b\r\n\r\n".to_vec();
        assert!(TunnelReply::take(&mut bytes).unwrap().is_none());
        bytes.extend(b"HTTP/1.1 407 No\r\n\r\n");
        let reply = TunnelReply::take(&mut bytes).unwrap().unwrap();
        assert_eq!((reply.status, reply.length), (407, bytes.len()));
    }

    #[test]
    fn what_is_no_http_is_no_head() {
        for bytes in [
            "SSH-2.0-x\r\n",
            "\x15\x03\x01",
            "HTTP/2 200\r\n\r\n",
            "HTTP/1.1 x\r\n",
        ] {
            assert!(TunnelReply::parse(bytes.as_bytes()).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn a_refusal_tells_what_helps() {
        let start = "proxy http://10.0.0.1:3128 (from HTTPS_PROXY) refused to connect to s3.example.com:443: ";
        for (reply, expected) in [
            (
                "HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic realm=\"hunter2\"\r\n\r\n<html>",
                "407 Proxy Authentication Required; put a user and a password into HTTPS_PROXY, percent-encoded: http://USER:PASSWORD@HOST:PORT",
            ),
            (
                "HTTP/1.1 407 No\r\nProxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM abc\r\n\r\n",
                "407 No; the proxy asks for Negotiate or NTLM authentication, and only Basic is supported: name a proxy in HTTPS_PROXY that takes a user and a password, or one on this machine that signs in for you",
            ),
            (
                "HTTP/1.1 407 No\r\nProxy-Authenticate: Negotiate\r\nProxy-Authenticate: basic realm=x\r\n\r\n",
                "407 No; put a user and a password into HTTPS_PROXY, percent-encoded: http://USER:PASSWORD@HOST:PORT",
            ),
            (
                "HTTP/1.1 403 Forbidden\r\nX-Squid-Error: ERR_ACCESS_DENIED 0\r\n\r\n",
                "403 Forbidden (ERR_ACCESS_DENIED 0); ask who runs the proxy to allow s3.example.com:443; if it needs no proxy, add s3.example.com to NO_PROXY",
            ),
            (
                "HTTP/1.1 502 Bad Gateway\r\n\r\n",
                "502 Bad Gateway; ADVICE; if it needs no proxy, add s3.example.com to NO_PROXY",
            ),
            (
                "HTTP/1.1 405\r\n\r\n",
                "405; check that an HTTP proxy is at the host and port that HTTPS_PROXY names",
            ),
        ] {
            assert_eq!(told(reply), format!("{start}{expected}"));
        }
    }

    #[test]
    fn a_wrong_password_is_told_without_it() {
        let reply = "HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=x\r\n\r\n";
        let told = told_by("http://me:hunter2@10.0.0.1:3128", TO, reply);
        assert!(told.ends_with("407 No; check the user and the password in HTTPS_PROXY; special characters in them must be percent-encoded (%40 for @)"), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }

    #[test]
    fn a_port_that_many_proxies_forbid_is_told() {
        let told = told_by(
            "http://10.0.0.1:3128",
            "minio.corp:9000",
            "HTTP/1.1 403 No\r\n\r\n",
        );
        assert!(
            told.contains("allow minio.corp:9000 (many proxies allow port 443 alone)"),
            "{told}"
        );
    }

    #[test]
    fn what_a_proxy_says_is_quoted_in_part_and_in_one_line() {
        let reply = format!("HTTP/1.1 403 {}\r\n\r\n", "x".repeat(1_000));
        assert!(told(&reply).len() < 400);
    }

    #[test]
    fn bytes_after_the_head_are_an_error() {
        let told = told("HTTP/1.1 200 OK\r\n\r\nx");
        assert!(
            told.contains("sent data of its own before TLS with s3.example.com:443 began"),
            "{told}"
        );
    }
}
