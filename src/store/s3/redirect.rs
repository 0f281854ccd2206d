//! AWS's temporary redirects (307): the host to which one request goes once.
//!
//! A host that gets a signed request can act for its sender, and the request may carry a session
//! token. So a request follows a redirect only from AWS to AWS, to a host that only S3 has, and
//! over https.

use crate::store::s3::address::Address;
use crate::store::s3::settings::aws_host::{is_fips, is_s3, within_aws, without_bucket};

/// The redirect to `host`, if it may be followed. The store at the endpoint `url`, without a bucket, has
/// named that host for a request to `path`, which begins with the bucket.
pub(crate) fn detour(host: &str, url: &str, path: &str) -> Option<Address> {
    let (from, domain) = within_aws(url.strip_prefix("https://")?)?;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-');
    let (service, other_domain) = within_aws(host)?;
    if other_domain != domain || !host.chars().all(plain) {
        return None;
    }
    let bucket = path.strip_prefix('/')?.split('/').next()?;
    let origin = format!("https://{host}");
    // The name of the bucket may be in the host. Then it is no longer in the path.
    let (service, path) = match without_bucket(service, bucket) {
        Some(service) => {
            let rest = &path[1 + bucket.len()..];
            (service, if rest.is_empty() { "/" } else { rest })
        }
        None => (service, path),
    };
    // Who wants the cryptography of these endpoints gets no other.
    let is_as_strict = is_fips(service) || !is_fips(from);
    let may_be_followed = is_s3(service) && is_as_strict;
    may_be_followed.then(|| Address {
        origin,
        path: path.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const AWS: &str = "https://s3.us-east-1.amazonaws.com";

    fn told(host: &str, from: &str) -> Option<String> {
        let Address { origin, path } = detour(host, from, "/my-bucket/a/k.lock")?;
        Some(format!("{origin}{path}"))
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

    #[test]
    fn a_detour_is_made_within_any_partition_and_to_no_other() {
        let hosts = [
            "s3.eu-west-1.amazonaws.com",
            "s3.cn-north-1.amazonaws.com.cn",
            "s3.us-iso-east-1.c2s.ic.gov",
            "s3.us-isob-east-1.sc2s.sgov.gov",
            "s3.eu-isoe-west-1.cloud.adc-e.uk",
            "s3.us-isof-south-1.csp.hci.ic.gov",
            "s3.eusc-de-east-1.amazonaws.eu",
        ];
        for from in hosts {
            let from_url = format!("https://{from}");
            for to in hosts {
                let is_followed = told(to, &from_url).is_some();
                assert_eq!(is_followed, from == to, "from {from} to {to}");
                let of_bucket = format!("my-bucket.{to}");
                let is_followed = told(&of_bucket, &from_url).is_some();
                assert_eq!(is_followed, from == to, "from {from} to {of_bucket}");
            }
        }
    }

    #[test]
    fn a_detour_does_not_lead_from_fips_to_anything_else() {
        let fips = "https://s3-fips.dualstack.us-east-1.amazonaws.com";
        assert!(told("s3-us-west-2.amazonaws.com", fips).is_none());
        assert!(told("my-bucket.s3.us-west-2.amazonaws.com", fips).is_none());
        assert!(told("s3-fips.us-west-2.amazonaws.com", fips).is_some());
        assert!(told("my-bucket.s3-fips.us-west-2.amazonaws.com", fips).is_some());
        assert!(told("s3-fips.us-west-2.amazonaws.com", AWS).is_some());
    }
}
