//! AWS's temporary redirects (307): the host to which one request goes once.
//!
//! A host that gets a signed request can act for its sender, and the request may carry a session
//! token. So a request follows a redirect only from AWS to AWS, to a host that only S3 has, and
//! over https.

use crate::store::s3::settings::region::is_region;

/// Where to send one request, and no later one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Detour {
    /// With its scheme, without a trailing slash.
    pub endpoint: String,
    pub path: String,
}

/// AWS's domains. One ends in another, so the longer one comes first.
const DOMAINS: [&str; 2] = [".amazonaws.com.cn", ".amazonaws.com"];

/// The redirect to `host`, if it may be followed. The store at `endpoint` has named that host for a
/// request to `path`, which begins with the bucket.
pub(crate) fn detour(host: &str, endpoint: &str, path: &str) -> Option<Detour> {
    let (_, domain) = within_aws(endpoint.strip_prefix("https://")?)?;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-');
    let (service, other_domain) = within_aws(host)?;
    if other_domain != domain || !host.chars().all(plain) {
        return None;
    }
    let bucket = path.strip_prefix('/')?.split('/').next()?;
    let endpoint = format!("https://{host}");
    // The name of the bucket may be in the host. Then it is no longer in the path.
    let of_bucket = service
        .strip_prefix(bucket)
        .and_then(|s| s.strip_prefix('.'));
    match of_bucket.filter(|service| !bucket.is_empty() && is_s3(service)) {
        Some(_) => {
            let rest = &path[1 + bucket.len()..];
            let path = if rest.is_empty() { "/" } else { rest }.to_owned();
            Some(Detour { endpoint, path })
        }
        None if is_s3(service) => Some(Detour {
            endpoint,
            path: path.to_owned(),
        }),
        None => None,
    }
}

/// Splits a host of AWS into what is before the domain, and the domain.
fn within_aws(host: &str) -> Option<(&str, &'static str)> {
    let mut domains = DOMAINS.into_iter();
    domains.find_map(|domain| Some((host.strip_suffix(domain)?, domain)))
}

/// Whether these labels are S3's: `s3` or `s3-something`, an optional `dualstack`, and a region.
/// Customers have hosts in AWS's domains, too, but with a service between the region and the
/// domain.
fn is_s3(labels: &str) -> bool {
    let mut labels = labels.split('.');
    let first = labels.next().unwrap_or_default();
    let is_first = first == "s3" || first.strip_prefix("s3-").is_some_and(is_region);
    let mut rest = labels.skip_while(|label| *label == "dualstack");
    let region = rest.next();
    is_first && region.is_none_or(looks_like_a_region) && rest.next().is_none()
}

/// Whether it ends as the names of regions do: `eu-central-1`.
fn looks_like_a_region(label: &str) -> bool {
    let end = label.rsplit_once('-').map_or("", |(_, end)| end);
    is_region(label) && !end.is_empty() && end.chars().all(|c| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const AWS: &str = "https://s3.us-east-1.amazonaws.com";

    fn told(host: &str, from: &str) -> Option<String> {
        let Detour { endpoint, path } = detour(host, from, "/my-bucket/a/k.lock")?;
        Some(format!("{endpoint}{path}"))
    }

    #[test]
    fn a_detour_to_a_host_of_s3_keeps_the_bucket_in_the_path() {
        for host in [
            "s3.amazonaws.com",
            "s3-gztb4pa9sq.amazonaws.com",
            "s3-us-west-2.amazonaws.com",
            "s3.eu-west-1.amazonaws.com",
            "s3.dualstack.eu-west-1.amazonaws.com",
        ] {
            let to = format!("https://{host}/my-bucket/a/k.lock");
            assert_eq!(told(host, AWS), Some(to));
        }
    }

    #[test]
    fn a_detour_to_the_buckets_own_host_does_not() {
        let host = "my-bucket.s3-gztb4pa9sq.amazonaws.com";
        assert_eq!(told(host, AWS), Some(format!("https://{host}/a/k.lock")));
        let listed = detour(host, AWS, "/my-bucket").unwrap();
        assert_eq!(listed.path, "/");
    }

    #[test]
    fn a_detour_to_anybody_else_is_not_made() {
        for host in [
            "",
            "evil.example",
            "s3.amazonaws.com.evil.example",
            "s3.us-east-1.amazonaws.com:8080",
            "user@s3.amazonaws.com",
            "s3.amazonaws.com/path",
            "S3.amazonaws.com",
            "evilamazonaws.com",
            ".amazonaws.com",
            "other-bucket.s3.amazonaws.com",
            "abc123.execute-api.us-east-1.amazonaws.com",
            "ec2-1-2-3-4.compute-1.amazonaws.com",
            "s3-mine-1234567890.us-east-1.elb.amazonaws.com",
            "s3.elb.amazonaws.com",
            // Another partition does not know these credentials.
            "s3.cn-north-1.amazonaws.com.cn",
        ] {
            assert_eq!(told(host, AWS), None, "{host}");
        }
    }

    #[test]
    fn a_detour_begins_at_aws_and_over_https() {
        let host = "s3-gztb4pa9sq.amazonaws.com";
        for from in [
            "http://s3.us-east-1.amazonaws.com",
            "https://s3.us-east-1.amazonaws.com:8443",
            "https://minio.example",
            "http://127.0.0.1:9000",
        ] {
            assert_eq!(told(host, from), None, "{from}");
        }
        let china = "https://s3.cn-north-1.amazonaws.com.cn";
        assert_eq!(told(host, china), None);
        assert!(told("s3.cn-northwest-1.amazonaws.com.cn", china).is_some());
    }
}
