//! Asking a bucket whether it keeps the versions of its objects.

use std::time::Duration;

use crate::protocol::Location;
use crate::store::s3::wire::Wire;
use crate::store::s3::xml::Document;
use crate::types::store_report::Versioning;

/// What the bucket says. Whoever may not ask, or gets no answer, knows nothing, and asks but once.
pub(crate) async fn of(wire: &Wire, bucket: &str, limit: Duration) -> Option<Versioning> {
    let at = Location {
        bucket: bucket.to_owned(),
        key: String::new(),
    };
    let mut request = wire.request("GET", &at);
    request.add_param("versioning", "");
    let (reply, _) = wire.send(request, &at, limit).await.ok()?;
    match reply.status() {
        200 => read(reply.body()),
        _ => None,
    }
}

fn read(body: &[u8]) -> Option<Versioning> {
    let document = Document::read(body, "VersioningConfiguration")?;
    match document.first("/VersioningConfiguration/Status")?.as_str() {
        "Enabled" => Some(Versioning::Enabled),
        "Suspended" => Some(Versioning::Suspended),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configuration(inner: &str) -> Vec<u8> {
        let open = "<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
        format!("{open}{inner}</VersioningConfiguration>").into_bytes()
    }

    #[test]
    fn versioning_is_what_the_bucket_says() {
        let cases = [
            ("<Status>Enabled</Status>", Some(Versioning::Enabled)),
            ("<Status>Suspended</Status>", Some(Versioning::Suspended)),
            ("<Status>Perhaps</Status>", None),
            ("", None),
        ];
        for (inner, versioning) in cases {
            assert_eq!(read(&configuration(inner)), versioning, "{inner}");
        }
        assert_eq!(read(b"{}"), None);
    }
}
