//! Listing: rusoto_s3 writes the query, this crate signs, sends and reads the answer.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::{HeaderMap, StatusCode};
use rusoto_core::request::{
    DispatchSignedRequest, DispatchSignedRequestFuture, HttpDispatchError, HttpResponse,
};
use rusoto_core::signature::SignedRequest;
use rusoto_core::{ByteStream, Client, Region};
use rusoto_s3::{ListObjectsV2Request, S3, S3Client};

use crate::protocol::Location;
use crate::store::interface::Page;
use crate::store::s3::dispatch::SendError;
use crate::store::s3::wire::Wire;
use crate::sys::sync::lock;
use crate::types::errors::{LockError, StorageError, StorageErrorKind};

/// One page of the keys under `prefix`, not below its folders.
pub(crate) async fn page(
    wire: &Arc<Wire>,
    bucket: &str,
    prefix: &str,
    after: Option<String>,
    limit: Duration,
) -> Result<Page, LockError> {
    let carrier = Carrier {
        wire: wire.clone(),
        bucket: Location {
            bucket: bucket.to_owned(),
            key: String::new(),
        },
        limit,
        answer: Arc::default(),
    };
    let answer = carrier.answer.clone();
    // The region is set when the request is sent.
    let region = Region::Custom {
        name: String::new(),
        endpoint: String::new(),
    };
    let client = S3Client::new_with_client(Client::new_not_signing(carrier), region);
    let request = ListObjectsV2Request {
        bucket: bucket.to_owned(),
        prefix: Some(prefix.to_owned()),
        delimiter: Some("/".to_owned()),
        continuation_token: after,
        ..ListObjectsV2Request::default()
    };
    let sent = client.list_objects_v2(request).await;
    let answer = lock(&answer).take();
    answer.unwrap_or_else(|| {
        let why = sent.err().map_or(String::new(), |e| format!(": {e}"));
        let what = format!("the list of bucket {bucket} cannot be asked for{why}");
        Err(StorageError::new(StorageErrorKind::Unexpected, what).into())
    })
}

/// Carries rusoto's request over this crate's own wire, and keeps the answer: rusoto's reader panics
/// on a number that is none, and its errors are texts.
struct Carrier {
    wire: Arc<Wire>,
    bucket: Location,
    limit: Duration,
    answer: Arc<Mutex<Option<Result<Page, LockError>>>>,
}

impl DispatchSignedRequest for Carrier {
    fn dispatch(&self, request: SignedRequest, _: Option<Duration>) -> DispatchSignedRequestFuture {
        let (wire, at, limit) = (self.wire.clone(), self.bucket.clone(), self.limit);
        let answer = self.answer.clone();
        Box::pin(async move {
            let listed = match wire.send(request, &at, limit).await {
                Ok((reply, asked)) => reply.into_list(&asked),
                Err(SendError::NotSent(error) | SendError::NoAnswer(error)) => Err(error),
            };
            *lock(&answer) = Some(listed);
            nothing_to_read()
        })
    }
}

/// A reply that rusoto makes nothing of.
pub(crate) fn nothing_to_read() -> Result<HttpResponse, HttpDispatchError> {
    Ok(HttpResponse {
        status: StatusCode::OK,
        body: ByteStream::from(Vec::new()),
        headers: HeaderMap::with_capacity(0),
    })
}
