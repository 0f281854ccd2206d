//! Listing, through rusoto_s3: it writes the query and reads the XML, this crate signs and sends.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::{HeaderMap, StatusCode};
use rusoto_core::request::{
    DispatchSignedRequest, DispatchSignedRequestFuture, HttpDispatchError, HttpResponse,
};
use rusoto_core::signature::SignedRequest;
use rusoto_core::{ByteStream, Client, Region, RusotoError};
use rusoto_s3::{ListObjectsV2Error, ListObjectsV2Request, S3, S3Client};

use crate::error::{LockError, StorageError, StorageErrorKind};
use crate::store::s3::dispatch::SendError;
use crate::store::s3::wire::Wire;
use crate::store::{Location, Page};
use crate::sync::lock;

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
        error: Arc::default(),
    };
    let error = carrier.error.clone();
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
    match client.list_objects_v2(request).await {
        Ok(page) => Ok(Page {
            keys: page
                .contents
                .into_iter()
                .flatten()
                .filter_map(|o| o.key)
                .collect(),
            next: page.next_continuation_token,
        }),
        Err(other) => Err(lock(&error)
            .take()
            .unwrap_or_else(|| unreadable(bucket, &other))),
    }
}

fn unreadable(bucket: &str, error: &RusotoError<ListObjectsV2Error>) -> LockError {
    let what = format!("the list of bucket {bucket} cannot be read: {error}");
    StorageError::new(StorageErrorKind::Unexpected, what).into()
}

/// Carries rusoto's request over this crate's own wire. Its errors are texts, so the real one is
/// kept beside.
struct Carrier {
    wire: Arc<Wire>,
    bucket: Location,
    limit: Duration,
    error: Arc<Mutex<Option<LockError>>>,
}

impl DispatchSignedRequest for Carrier {
    fn dispatch(&self, request: SignedRequest, _: Option<Duration>) -> DispatchSignedRequestFuture {
        let (wire, at, limit) = (self.wire.clone(), self.bucket.clone(), self.limit);
        let error = self.error.clone();
        Box::pin(async move {
            let listed = match wire.send(request, &at, limit).await {
                Ok((reply, asked)) => reply.into_list(&asked),
                Err(SendError::NotSent(error) | SendError::NoAnswer(error)) => Err(error),
            };
            match listed {
                Ok(body) => Ok(HttpResponse {
                    status: StatusCode::OK,
                    body: ByteStream::from(body),
                    headers: HeaderMap::with_capacity(0),
                }),
                Err(failed) => {
                    let text = failed.to_string();
                    *lock(&error) = Some(failed);
                    Err(HttpDispatchError::new(text))
                }
            }
        })
    }
}
