//! One request to S3: built, addressed, signed, and handed to hyper.

use std::future;

use hyper::body::Bytes;
use hyper::{Body, Request};
use rusoto_core::Region;
use rusoto_core::credential::AwsCredentials;
use rusoto_core::signature::{SignedRequest, SignedRequestPayload};

use crate::protocol::Location;
use crate::store::interface::Pending;
use crate::store::s3::address::Address;
use crate::types::errors::{LockError, StorageError, StorageErrorKind};

/// A request that is not yet addressed and signed.
pub(crate) fn unsigned(method: &str, at: &Location) -> SignedRequest {
    let path = format!("/{}/{}", at.bucket, at.key);
    SignedRequest::new(method, "s3", &custom_region("", ""), &path)
}

/// Always a custom region: rusoto's own list of regions ends in 2022.
pub(crate) fn custom_region(name: &str, endpoint: &str) -> Region {
    Region::Custom {
        name: name.to_owned(),
        endpoint: endpoint.to_owned(),
    }
}

/// Addresses a request and signs it, even if it was sent to another host before.
pub(crate) fn sign(
    request: &mut SignedRequest,
    address: &Address,
    region: &str,
    credentials: &AwsCredentials,
) {
    let Address { origin, path } = address;
    request.path.clone_from(path);
    request.region = custom_region(region, origin);
    let host = origin.split_once("://").map_or("", |(_, host)| host);
    request.set_hostname(Some(host.to_owned()));
    // Credentials of an earlier attempt may have had a session token, and these may have none.
    request.remove_header("x-amz-security-token");
    request.sign(credentials);
}

/// Copies a signed request into one of hyper's by hand: rusoto's own conversion logs the secrets in
/// its headers.
pub(crate) fn to_hyper(signed: &SignedRequest, origin: &str) -> Result<Request<Body>, LockError> {
    let refused = |error: hyper::http::Error| {
        let what = format!(
            "{} {origin}{} cannot be sent",
            signed.method(),
            signed.path()
        );
        let error = StorageError::new(StorageErrorKind::Unexpected, what).with_source(error);
        LockError::Storage(error)
    };
    let body = payload(signed).map_or_else(Body::empty, Body::from);
    let mut request = Request::builder()
        .method(signed.method())
        .uri(uri(signed, origin));
    for (name, values) in signed.headers() {
        for value in values {
            request = request.header(name.as_str(), value.as_slice());
        }
    }
    request.body(body).map_err(refused)
}

fn payload(signed: &SignedRequest) -> Option<Bytes> {
    match &signed.payload {
        Some(SignedRequestPayload::Buffer(bytes)) => Some(bytes.clone()),
        _ => None,
    }
}

/// The request, and a task to run while it is under way. If there is a `go`, the last byte of the
/// body leaves only once `go` is done. Its length was signed, and is sent as it was.
pub(crate) fn hold_back<'a>(
    request: Request<Body>,
    signed: &SignedRequest,
    go: Option<Pending<'a, ()>>,
) -> (Request<Body>, Pending<'a, ()>) {
    let bytes = payload(signed).filter(|bytes| !bytes.is_empty());
    let (Some(go), Some(mut bytes)) = (go, bytes) else {
        return (request, Box::pin(future::pending()));
    };
    let last = bytes.split_off(bytes.len() - 1);
    let (mut sender, body) = Body::channel();
    let last_byte = async move {
        // An error means that the body has no reader any more: the request itself reports how it
        // ended.
        if sender.send_data(bytes).await.is_err() {
            return;
        }
        // There is room for more once the connection has taken what came before.
        if future::poll_fn(|cx| sender.poll_ready(cx)).await.is_err() {
            return;
        }
        go.await;
        let _ = sender.send_data(last).await;
    };
    (request.map(|_| body), Box::pin(last_byte))
}

fn uri(signed: &SignedRequest, origin: &str) -> String {
    let path = signed.canonical_path();
    match signed.canonical_query_string() {
        "" => format!("{origin}{path}"),
        query => format!("{origin}{path}?{query}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::s3::address::Style;
    use crate::store::s3::redirect::detour;

    const AWS: &str = "https://s3.us-east-1.amazonaws.com";
    const PATH: &str = "/my-bucket/a/k.lock";

    /// The URL and some headers of a request as it is sent to this address.
    fn signed(request: &mut SignedRequest, address: &Address) -> (String, String, String) {
        let token = Some("token".to_owned());
        let credentials = AwsCredentials::new("key", "secret", token, None);
        sign(request, address, "us-east-1", &credentials);
        let sent = to_hyper(request, &address.origin).unwrap_or_else(|e| panic!("{e}"));
        let header = |name| {
            let values: Vec<_> = sent.headers().get_all(name).iter().collect();
            assert_eq!(values.len(), 1, "{name}: {values:?}");
            values[0].to_str().unwrap().to_owned()
        };
        assert_eq!(header("x-amz-security-token"), "token");
        (
            sent.uri().to_string(),
            header("host"),
            header("authorization"),
        )
    }

    fn put() -> SignedRequest {
        unsigned(
            "PUT",
            &Location {
                bucket: "my-bucket".to_owned(),
                key: "a/k.lock".to_owned(),
            },
        )
    }

    #[test]
    fn a_detour_is_addressed_and_signed_anew_and_so_is_the_way_back() {
        let mut request = put();
        let usual = Style::Path.address(AWS, PATH);
        let (uri, host, straight) = signed(&mut request, &usual);
        assert_eq!(uri, format!("{AWS}{PATH}"));
        assert_eq!(host, "s3.us-east-1.amazonaws.com");
        let to = "my-bucket.s3-gztb4pa9sq.amazonaws.com";
        let detour = detour(to, AWS, PATH).unwrap();
        let (uri, host, round) = signed(&mut request, &detour);
        assert_eq!(uri, format!("https://{to}/a/k.lock"));
        assert_eq!(host, to);
        assert_ne!(straight, round);
        let (uri, _, _) = signed(&mut request, &usual);
        assert_eq!(uri, format!("{AWS}{PATH}"));
    }

    #[test]
    fn what_is_sent_is_what_was_signed_in_each_style() {
        for (style, url, uri, host) in [
            (
                Style::Path,
                "https://host/s3",
                "https://host/s3/my-bucket/a/k.lock",
                "host",
            ),
            (
                Style::VirtualHosted,
                "http://host:9000/s3",
                "http://my-bucket.host:9000/s3/a/k.lock",
                "my-bucket.host:9000",
            ),
        ] {
            let mut request = put();
            let address = style.address(url, PATH);
            let (sent, sent_host, _) = signed(&mut request, &address);
            assert_eq!((sent.as_str(), sent_host.as_str()), (uri, host));
            assert_eq!(request.path, address.path);
            assert_eq!(request.hostname(), host);
        }
    }
}
