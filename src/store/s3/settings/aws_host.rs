//! Hosts of AWS, and which of them are S3's. Customers have hosts in AWS's domains, too.

use crate::store::s3::settings::partition::Partition;
use crate::store::s3::settings::region::is_region;

/// Splits a host of AWS into what is before the domain, and the domain.
pub(crate) fn within_aws(host: &str) -> Option<(&str, &'static str)> {
    let domains = Partition::ALL.into_iter().map(Partition::domain);
    domains
        .filter_map(|domain| Some((host.strip_suffix(domain)?.strip_suffix('.')?, domain)))
        .next()
}

/// What is left of the labels of a host if they begin with the bucket.
pub(crate) fn without_bucket<'a>(labels: &'a str, bucket: &str) -> Option<&'a str> {
    let rest = labels.strip_prefix(bucket)?.strip_prefix('.')?;
    (!bucket.is_empty() && is_s3(rest)).then_some(rest)
}

/// Whether a host is one of S3's that has this bucket in its name. A port may follow it.
pub(crate) fn names_bucket(host: &str, bucket: &str) -> bool {
    let host = host.split(':').next().unwrap_or_default();
    let host = host.strip_suffix('.').unwrap_or(host);
    let rest_of = |labels: &str| {
        let rest = labels.strip_prefix(bucket)?.strip_prefix('.')?;
        // The endpoints of S3 in a private network begin with `bucket`, whatever the bucket is.
        Some(is_s3(rest) || rest.starts_with("bucket.vpce-"))
    };
    within_aws(host).and_then(|(labels, _)| rest_of(labels)) == Some(true)
}

/// Whether these labels are S3's: `s3` or `s3-something`, an optional `dualstack`, and a region.
/// Customers have hosts in AWS's domains, too, but with a service between the region and the
/// domain.
pub(crate) fn is_s3(labels: &str) -> bool {
    let mut labels = labels.split('.');
    let first = labels.next().unwrap_or_default();
    let is_first = first == "s3" || first.strip_prefix("s3-").is_some_and(is_region);
    let mut rest = labels.skip_while(|label| *label == "dualstack");
    let region = rest.next();
    is_first && region.is_none_or(looks_like_a_region) && rest.next().is_none()
}

/// Whether these labels of S3 are those of its endpoints with validated cryptography.
pub(crate) fn is_fips(labels: &str) -> bool {
    labels.split('.').next() == Some("s3-fips")
}

/// Whether it ends as the names of regions do: `eu-central-1`.
fn looks_like_a_region(label: &str) -> bool {
    let end = label.rsplit_once('-').map_or("", |(_, end)| end);
    is_region(label) && !end.is_empty() && end.chars().all(|c| c.is_ascii_digit())
}
