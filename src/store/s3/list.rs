//! The request for a list, as rusoto_s3 writes it. This crate sends the request and reads the reply
//! itself: rusoto's reader panics on a malformed number.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use percent_encoding::percent_decode_str;
use rusoto_core::Client;
use rusoto_core::request::{DispatchSignedRequest, DispatchSignedRequestFuture, HttpDispatchError};
use rusoto_core::signature::SignedRequest;
use rusoto_s3::{ListObjectsV2Request, S3, S3Client};

use crate::store::s3::request::custom_region;
use crate::sys::sync::lock;

/// A request for one page of the keys under `prefix`, without those below its folders.
pub(crate) async fn request(
    bucket: &str,
    prefix: &str,
    after: Option<String>,
) -> Option<SignedRequest> {
    let written = Written::default();
    let client = S3Client::new_with_client(
        Client::new_not_signing(written.clone()),
        custom_region("", ""),
    );
    let asked = client.list_objects_v2(ListObjectsV2Request {
        bucket: bucket.to_owned(),
        prefix: Some(prefix.to_owned()),
        delimiter: Some("/".to_owned()),
        continuation_token: after,
        // One key with a control character would spoil the whole list: no XML can hold that.
        encoding_type: Some("url".to_owned()),
        ..ListObjectsV2Request::default()
    });
    // Always an error: no store has answered.
    let _ = asked.await;
    lock(&written.0).take()
}

/// A key as it is, from a list whose keys are escaped. AWS writes a space as a plus, and a plus as `%2B`.
pub(crate) fn unescaped(key: &str) -> String {
    let spaced = key.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

/// Takes rusoto's request, and sends nothing.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Option<SignedRequest>>>);

impl DispatchSignedRequest for Written {
    fn dispatch(&self, request: SignedRequest, _: Option<Duration>) -> DispatchSignedRequestFuture {
        *lock(&self.0) = Some(request);
        Box::pin(async { Err(HttpDispatchError::new("it is sent later".to_owned())) })
    }
}
