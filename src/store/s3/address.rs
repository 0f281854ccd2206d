//! The address of a request: the bucket in the path, or in front of the host's name. Pure.

use std::net::Ipv4Addr;

use crate::store::s3::settings::aws_host::names_bucket;
use crate::store::s3::settings::endpoint::Endpoint;
use crate::store::s3::settings::named::Named;
use crate::types::errors::ConfigError;

/// Where a request names its bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Style {
    #[default]
    Path,
    VirtualHosted,
}

/// Where to send one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// Scheme, host and port, without a trailing slash.
    pub origin: String,
    pub path: String,
}

impl Style {
    /// The address at the endpoint `url` for a request to `path`, which begins with the bucket.
    pub(crate) fn address(self, url: &str, path: &str) -> Address {
        let (scheme, host, prefix) = Endpoint::split(url);
        if self == Style::Path {
            return Address {
                origin: format!("{scheme}{host}"),
                path: format!("{prefix}{path}"),
            };
        }
        let path = path.trim_start_matches('/');
        let (bucket, rest) = path.split_once('/').unwrap_or((path, ""));
        Address {
            origin: format!("{scheme}{bucket}.{host}"),
            path: format!("{prefix}/{rest}"),
        }
    }

    /// Whether this style can be used at an endpoint.
    pub(crate) fn check_endpoint(self, endpoint: &Named) -> Result<(), ConfigError> {
        let Named { value, by } = endpoint;
        let (_, host, _) = Endpoint::split(value);
        if self == Style::Path || !is_address(host) {
            return Ok(());
        }
        let message = format!(
            "invalid virtual_hosted: {by} says {value}, whose host is an address, and a bucket can stand \
             only before a name; give the host's name, or leave virtual_hosted out"
        );
        Err(ConfigError::new("virtual_hosted", message))
    }

    /// Whether requests can name this bucket at the endpoint. It may not be known yet.
    pub(crate) fn check_bucket(
        self,
        bucket: &str,
        endpoint: Option<&Named>,
    ) -> Result<(), ConfigError> {
        if let Some(endpoint) = endpoint {
            check_not_named_twice(bucket, endpoint)?;
        }
        let is_https = endpoint.is_none_or(|e| e.value.starts_with("https:"));
        match self {
            Style::Path => Ok(()),
            Style::VirtualHosted => check_label(bucket, is_https),
        }
    }
}

/// A lock has one key. With the bucket in the endpoint, requests would name it twice, and this client
/// would take a lock at another key than clients with the right endpoint.
fn check_not_named_twice(bucket: &str, endpoint: &Named) -> Result<(), ConfigError> {
    let Named { value, by } = endpoint;
    let (_, host, path) = Endpoint::split(value);
    let is_last = path
        .rsplit_once('/')
        .is_some_and(|(_, last)| last == bucket);
    if !is_last && !names_bucket(host, bucket) {
        return Ok(());
    }
    let reason = format!(
        "{by} says {value}, which names it already, so that requests would name it twice; leave it out \
         there"
    );
    Err(ConfigError::invalid("bucket", bucket, &reason))
}

/// Whether a bucket can be a part of a host's name.
fn check_label(bucket: &str, is_https: bool) -> Result<(), ConfigError> {
    let refuse = |reason| Err(ConfigError::invalid("bucket", bucket, reason));
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    if !bucket.chars().all(plain) {
        return refuse(
            "with virtual_hosted it is a part of a host's name, where only lower-case letters, digits, \
             '-' and '.' may be; leave virtual_hosted out",
        );
    }
    if is_https && bucket.contains('.') {
        return refuse(
            "with virtual_hosted it is a part of a host's name, and certificates do not match one with \
             such a '.'; leave virtual_hosted out",
        );
    }
    let is_label = |l: &str| !l.is_empty() && !l.starts_with('-') && !l.ends_with('-');
    if !bucket.split('.').all(is_label) {
        return refuse(
            "with virtual_hosted it is a part of a host's name, which cannot begin or end with a '-' or '.'; \
             leave virtual_hosted out",
        );
    }
    Ok(())
}

/// Whether a host is an address, and not a name.
fn is_address(host: &str) -> bool {
    let name = host.split(':').next().unwrap_or_default();
    host.starts_with('[') || name.parse::<Ipv4Addr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(style: Style, url: &str, path: &str) -> String {
        let Address { origin, path } = style.address(url, path);
        format!("{origin} {path}")
    }

    #[test]
    fn the_path_names_the_bucket_after_the_path_of_the_endpoint() {
        for (url, address) in [
            ("http://host:9000", "http://host:9000 /my-bucket/a/k.lock"),
            ("https://host/s3", "https://host /s3/my-bucket/a/k.lock"),
            ("https://host/a/b", "https://host /a/b/my-bucket/a/k.lock"),
        ] {
            assert_eq!(told(Style::Path, url, "/my-bucket/a/k.lock"), address);
        }
        let list = told(Style::Path, "https://host/s3", "/my-bucket");
        assert_eq!(list, "https://host /s3/my-bucket");
    }

    #[test]
    fn the_host_names_the_bucket_and_the_path_no_longer_does() {
        for (url, address) in [
            ("http://host:9000", "http://my-bucket.host:9000 /a/k.lock"),
            ("https://host/s3", "https://my-bucket.host /s3/a/k.lock"),
        ] {
            let style = Style::VirtualHosted;
            assert_eq!(told(style, url, "/my-bucket/a/k.lock"), address);
        }
        for path in ["/my-bucket", "/my-bucket/"] {
            let list = told(Style::VirtualHosted, "https://host", path);
            assert_eq!(list, "https://my-bucket.host /");
        }
    }

    fn endpoint(url: &str) -> Named {
        Named::new(url, "a test")
    }

    #[test]
    fn a_bucket_stands_before_a_name_and_not_before_an_address() {
        for url in [
            "http://127.0.0.1:9000",
            "https://10.0.0.1",
            "http://[::1]:80",
        ] {
            let endpoint = endpoint(url);
            assert!(Style::VirtualHosted.check_endpoint(&endpoint).is_err());
            assert!(Style::Path.check_endpoint(&endpoint).is_ok());
        }
        for url in [
            "http://localhost:9000",
            "https://host",
            "http://1.2.3.example",
        ] {
            assert!(Style::VirtualHosted.check_endpoint(&endpoint(url)).is_ok());
        }
    }

    #[test]
    fn a_bucket_that_cannot_be_in_a_hosts_name_is_refused() {
        let check = |bucket: &str, url: Option<&str>| {
            let endpoint = url.map(endpoint);
            Style::VirtualHosted
                .check_bucket(bucket, endpoint.as_ref())
                .is_ok()
        };
        for bucket in [
            "my_bucket",
            "My-Bucket",
            "-bucket",
            "bucket-",
            "a..b",
            ".ab",
        ] {
            assert!(!check(bucket, Some("http://host")), "{bucket}");
            assert!(!check(bucket, None), "{bucket}");
            let by_path = Style::Path.check_bucket(bucket, None);
            assert!(by_path.is_ok(), "{bucket}");
        }
        assert!(check("my.bucket", Some("http://host")));
        assert!(!check("my.bucket", Some("https://host")));
        assert!(!check("my.bucket", None));
        assert!(check("my-bucket-1", None));
    }

    #[test]
    fn a_bucket_is_not_named_twice() {
        for url in [
            "http://host/my-bucket",
            "http://host/s3/my-bucket",
            "https://my-bucket.s3.eu-west-1.amazonaws.com",
            "https://my-bucket.s3-fips.us-gov-west-1.amazonaws.com",
            "https://my-bucket.s3.eu-west-1.amazonaws.com:443",
            "https://my-bucket.s3.eu-west-1.amazonaws.com.",
            "https://my-bucket.s3.dualstack.eu-west-1.amazonaws.com.:443",
            "https://my-bucket.s3-accelerate.amazonaws.com",
            "https://my-bucket.bucket.vpce-1-2.s3.eu-west-1.vpce.amazonaws.com",
        ] {
            for style in [Style::Path, Style::VirtualHosted] {
                let endpoint = endpoint(url);
                let checked = style.check_bucket("my-bucket", Some(&endpoint));
                assert!(checked.is_err(), "{url}");
            }
        }
        for url in [
            "http://my-bucket.example.com",
            "http://host/my-bucket/s3",
            "https://s3.eu-west-1.amazonaws.com",
            "https://bucket.vpce-1-2.s3.eu-west-1.vpce.amazonaws.com",
        ] {
            let endpoint = endpoint(url);
            let checked = Style::Path.check_bucket("my-bucket", Some(&endpoint));
            assert!(checked.is_ok(), "{url}");
        }
        let of_vpc = endpoint("https://bucket.vpce-1-2.s3.eu-west-1.vpce.amazonaws.com");
        assert!(Style::Path.check_bucket("bucket", Some(&of_vpc)).is_ok());
    }
}
