//! Reads what a bucket says about the versions of its objects.

use crate::store::s3::xml::Document;
use crate::types::store_report::Versioning;

/// Whether the bucket keeps them. None if it does not say.
pub(crate) fn read(body: &[u8]) -> Option<Versioning> {
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
