//! Translates between the typed requests of `s3s` and the store.

use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use hyper1::header::IF_MATCH;
use s3s::auth::{S3Auth, SecretKey, SimpleAuth};
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::crypto::{Checksum, Md5};
use s3s::dto::*;
use s3s::host::{S3Host, VirtualHost};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, S3, S3Request, S3Response, S3Result, s3_error};

use super::quirks::{Quirks, Told};
use super::store::{Condition, Page, Query, Store, StoredObject};
use super::{ACCESS_KEY, REGION, SECRET_KEY};

/// The largest body accepted; a lock's record has some hundred bytes.
pub const MAX_BODY: usize = 16 << 20;

/// The largest page that AWS gives, and its default.
const MAX_KEYS: i32 = 1_000;

/// Builds the service that checks signatures and hands typed requests to the store.
pub fn service(store: Arc<Store>, quirks: Arc<Quirks>) -> S3Service {
    let mut config = S3Config::default();
    // s3s compares request times with the system's clock; this server does it with its own, which tests may set.
    config.presigned_url_max_skew_time_secs = u32::MAX;

    let mut builder = S3ServiceBuilder::new(Backend { store, quirks });
    builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
    builder.set_host(UnderLocalhost);
    builder.set_auth(Keys(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY)));
    builder.build()
}

/// Buckets in the host's name, before `.localhost` or a host of S3's. Any other host names none.
struct UnderLocalhost;

impl S3Host for UnderLocalhost {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        let of_aws = name.ends_with(".amazonaws.com");
        let before = name.split_once(".s3").filter(|_| of_aws);
        let before = before.map(|(bucket, _)| bucket);
        Ok(match before.or(name.strip_suffix(".localhost")) {
            Some(bucket) => VirtualHost::new("localhost").with_bucket(bucket),
            None => VirtualHost::new(name),
        })
    }
}

/// `SimpleAuth` with the answer that AWS gives to an unknown key.
struct Keys(SimpleAuth);

#[async_trait]
impl S3Auth for Keys {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        self.0.lookup(access_key).cloned().ok_or_else(|| {
            s3_error!(
                InvalidAccessKeyId,
                "The AWS Access Key Id you provided does not exist in our records."
            )
        })
    }
}

struct Backend {
    store: Arc<Store>,
    quirks: Arc<Quirks>,
}

#[async_trait]
impl S3 for Backend {
    async fn get_object(
        &self,
        request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        let input = request.input;
        let object = self.store.get(&input.bucket, &input.key)?;
        Ok(S3Response::new(GetObjectOutput {
            content_length: Some(length(&object)),
            e_tag: Some(self.quirks.named(typed_etag(&object.etag), Told::ToReader)),
            last_modified: Some(timestamp(&object)),
            body: Some(StreamingBlob::from(Body::from(object.body))),
            ..GetObjectOutput::default()
        }))
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = request.input;
        let object = self.store.get(&input.bucket, &input.key)?;
        Ok(S3Response::new(HeadObjectOutput {
            content_length: Some(length(&object)),
            e_tag: Some(typed_etag(&object.etag)),
            last_modified: Some(timestamp(&object)),
            ..HeadObjectOutput::default()
        }))
    }

    async fn put_object(
        &self,
        request: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        let input = request.input;
        let body = read_body(input.body).await?;
        if let Some(expected) = &input.content_md5 {
            check_md5(&body, expected)?;
        }
        let condition = condition(input.if_match, input.if_none_match)?;
        let sent = request.headers.get(IF_MATCH);
        let is_quoted = sent.is_some_and(|etag| etag.as_bytes().ends_with(b"\""));
        let current = self.store.get(&input.bucket, &input.key).ok();
        let condition = self.quirks.bend(condition, is_quoted, current.as_ref())?;
        let condition = if self.quirks.is_slow(&input.key, &condition) {
            let (bucket, key) = (&input.bucket, &input.key);
            self.store.compare(bucket, key, &condition)?;
            self.quirks.between_steps().await;
            Condition::Always
        } else {
            condition
        };
        let put = self.store.put(&input.bucket, &input.key, body, &condition);
        let etag = put.map_err(|error| self.quirks.refusal(error))?;
        Ok(S3Response::new(PutObjectOutput {
            e_tag: Some(self.quirks.named(typed_etag(&etag), Told::ToWriter)),
            ..PutObjectOutput::default()
        }))
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let input = request.input;
        let condition = condition(input.if_match, None)?;
        self.store.delete(&input.bucket, &input.key, &condition)?;
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        let max_keys = input.max_keys.unwrap_or(MAX_KEYS).clamp(0, MAX_KEYS);
        let after = input
            .continuation_token
            .as_ref()
            .or(input.start_after.as_ref());
        let page = self.store.list(
            &input.bucket,
            &Query {
                prefix: input.prefix.as_deref().unwrap_or_default(),
                delimiter: input.delimiter.as_deref(),
                after: after.map_or("", String::as_str),
                limit: usize::try_from(max_keys).expect("max_keys is clamped to at least 0"),
            },
        )?;
        Ok(S3Response::new(listing(input, max_keys, page)))
    }

    async fn head_bucket(
        &self,
        request: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        self.store.check_bucket(&request.input.bucket)?;
        Ok(S3Response::new(HeadBucketOutput {
            bucket_region: Some(REGION.to_owned()),
            ..HeadBucketOutput::default()
        }))
    }

    async fn create_bucket(
        &self,
        request: S3Request<CreateBucketInput>,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        let bucket = request.input.bucket;
        if !self.store.create_bucket(&bucket) {
            return Err(s3_error!(
                BucketAlreadyOwnedByYou,
                "The bucket is yours already"
            ));
        }
        Ok(S3Response::new(CreateBucketOutput {
            location: Some(format!("/{bucket}")),
        }))
    }
}

/// Translates the two headers; AWS knows no other forms of them for a write either.
fn condition(if_match: Option<IfMatch>, if_none_match: Option<IfNoneMatch>) -> S3Result<Condition> {
    match (if_match, if_none_match) {
        (None, None) => Ok(Condition::Always),
        (None, Some(ETagCondition::Any)) => Ok(Condition::Absent),
        (Some(ETagCondition::ETag(ETag::Strong(etag))), None) => {
            Ok(Condition::Etag(format!("\"{etag}\"")))
        }
        _ => Err(s3_error!(
            NotImplemented,
            "A header you provided implies functionality that is not implemented"
        )),
    }
}

async fn read_body(body: Option<StreamingBlob>) -> S3Result<Vec<u8>> {
    let Some(stream) = body else {
        return Ok(Vec::new());
    };
    let mut body = Body::from(stream);
    match body.store_all_limited(MAX_BODY).await {
        Ok(bytes) => Ok(bytes.to_vec()),
        // The body has arrived in full; s3s compares it with the signed digest only while it is read.
        Err(_) => Err(s3_error!(
            InvalidRequest,
            "The body is not the one that was signed"
        )),
    }
}

fn check_md5(body: &[u8], expected: &str) -> S3Result {
    let digest = Md5::checksum(body);
    let actual = base64(digest.as_ref());
    if expected.len() != actual.len() {
        return Err(s3_error!(
            InvalidDigest,
            "The Content-MD5 you specified is not valid."
        ));
    }
    if expected != actual {
        return Err(s3_error!(
            BadDigest,
            "The Content-MD5 you specified did not match what we received."
        ));
    }
    Ok(())
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |place| usize::from(chunk.get(place).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let digit = char::from(DIGITS[bits >> (18 - 6 * place) & 63]);
            text.push(if place > chunk.len() { '=' } else { digit });
        }
    }
    text
}

fn listing(input: ListObjectsV2Input, max_keys: i32, page: Page) -> ListObjectsV2Output {
    let count = page.objects.len() + page.prefixes.len();
    let form = input.encoding_type.as_ref().map(EncodingType::as_str);
    let is_escaped = form == Some(EncodingType::URL);
    let contents = page.objects.into_iter().map(|(key, object)| {
        let key = if is_escaped { escaped(&key) } else { key };
        listed((key, object))
    });
    let contents = contents.collect();
    let prefixes = page.prefixes.into_iter().map(|prefix| CommonPrefix {
        prefix: Some(prefix),
    });
    ListObjectsV2Output {
        name: Some(input.bucket),
        prefix: Some(input.prefix.unwrap_or_default()),
        delimiter: input.delimiter,
        start_after: input.start_after,
        continuation_token: input.continuation_token,
        encoding_type: input.encoding_type,
        max_keys: Some(max_keys),
        key_count: Some(i32::try_from(count).expect("a page has at most 1,000 entries")),
        is_truncated: Some(page.next.is_some()),
        next_continuation_token: page.next,
        contents: Some(contents),
        common_prefixes: Some(prefixes.collect()),
        ..ListObjectsV2Output::default()
    }
}

/// A key as AWS escapes it in a list, if it is asked to: a space becomes a plus.
fn escaped(key: &str) -> String {
    let bytes = key.bytes().map(|byte| match byte {
        b' ' => "+".to_owned(),
        b'/' | b'.' | b'-' | b'_' => char::from(byte).to_string(),
        _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    });
    bytes.collect()
}

fn listed((key, object): (String, StoredObject)) -> Object {
    Object {
        e_tag: Some(typed_etag(&object.etag)),
        size: Some(length(&object)),
        last_modified: Some(timestamp(&object)),
        key: Some(key),
        ..Object::default()
    }
}

fn typed_etag(quoted: &str) -> ETag {
    ETag::Strong(quoted.trim_matches('"').to_owned())
}

fn timestamp(object: &StoredObject) -> Timestamp {
    Timestamp::from(SystemTime::from(object.last_modified))
}

fn length(object: &StoredObject) -> i64 {
    i64::try_from(object.body.len()).expect("a body has at most MAX_BODY bytes")
}
