//! S3 over HTTP: signed requests in, the store's three kinds of answer out.
//!
//! rusoto signs. It does not send: its PUT has no precondition fields, and its dispatcher folds
//! "never left" and "no answer" into one, which is the difference that a lock lives by.

mod credentials;
mod dispatch;
mod profile;
pub(crate) mod reply;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hyper::body::Bytes;
use rusoto_core::Region;
use rusoto_core::signature::SignedRequest;

use crate::clock::Clock;
use crate::error::LockError;
use crate::protocol::Condition;
use crate::store::{Found, Location, Pending, Put, Store};

use credentials::Credentials;
pub(crate) use credentials::Source;
use dispatch::{Dispatcher, SendError};
pub(crate) use profile::variable;
pub(crate) use reply::is_region;
use reply::{Asked, Reply};

/// Where requests go and how.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// The endpoint with its scheme and without a trailing slash; AWS's own if none.
    pub endpoint: Option<String>,
    /// The region, if the caller or the environment named one.
    pub region: Option<String>,
    pub source: Source,
    pub connect_timeout: Duration,
    pub expected_bucket_owner: Option<String>,
}

/// A client of one S3 endpoint, or of AWS.
pub(crate) struct S3Store {
    config: Config,
    clock: Clock,
    credentials: Credentials,
    dispatcher: Dispatcher,
    /// The region of each bucket that turned out to be elsewhere, as S3 named it.
    regions: Mutex<HashMap<String, String>>,
}

/// One request to be signed and sent.
struct Request<'a> {
    method: &'static str,
    at: &'a Location,
    condition: Option<&'a Condition>,
    body: Option<Bytes>,
}

impl S3Store {
    pub(crate) fn new(config: Config, clock: Clock) -> S3Store {
        S3Store {
            credentials: Credentials::new(config.source.clone()),
            dispatcher: Dispatcher::new(config.connect_timeout),
            regions: Mutex::default(),
            config,
            clock,
        }
    }

    /// Whether `text` can be the host, and port, of a URL.
    pub(crate) fn is_host(text: &str) -> bool {
        let authority = text.parse::<hyper::http::uri::Authority>();
        let port_fits = |a: &hyper::http::uri::Authority| {
            let port = a
                .as_str()
                .strip_prefix(a.host())
                .and_then(|p| p.strip_prefix(':'));
            port.is_none_or(|p| p.parse::<u16>().is_ok())
        };
        authority.is_ok_and(|a| !a.host().is_empty() && port_fits(&a))
    }

    /// Sends a request, and once more if S3 names another region for the bucket: the first was
    /// refused for that alone, and did nothing.
    async fn send(
        &self,
        request: &Request<'_>,
        limit: Duration,
    ) -> Result<(Reply, Asked), SendError> {
        let start = self.clock.now();
        let region = self.region_of(&request.at.bucket)?;
        let (reply, asked) = self.send_to(request, region, limit).await?;
        let Some(named) = reply.other_region(&asked.region) else {
            return Ok((reply, asked));
        };
        log::debug!(
            "bucket {} is in region {named}, not {}",
            request.at.bucket,
            asked.region
        );
        self.remember_region(&request.at.bucket, &named);
        let left = limit.saturating_sub(self.clock.now().at_most_since(start));
        self.send_to(request, named, left).await
    }

    async fn send_to(
        &self,
        request: &Request<'_>,
        region: String,
        limit: Duration,
    ) -> Result<(Reply, Asked), SendError> {
        let credentials = self.credentials.get().await?;
        let endpoint = match &self.config.endpoint {
            Some(endpoint) => endpoint.clone(),
            None => aws_endpoint(&region),
        };
        let signed = {
            let mut signed = self.unsigned(request, &region, &endpoint);
            signed.sign(&credentials);
            dispatch::to_hyper(&signed, &endpoint)?
        };
        let reply = self.dispatcher.send(signed, limit).await?;
        let asked = Asked {
            method: request.method,
            at: request.at.clone(),
            region,
            endpoint,
            wall: self.clock.wall(),
        };
        if reply.rejects_credentials() {
            // They may be renewed on disk meanwhile: the next request looks again.
            self.credentials.forget();
        }
        Ok((reply, asked))
    }

    fn unsigned(&self, request: &Request<'_>, region: &str, endpoint: &str) -> SignedRequest {
        let Location { bucket, key } = request.at;
        // A custom region in any case: rusoto's own list of regions ends in 2022.
        let region = Region::Custom {
            name: region.to_owned(),
            endpoint: endpoint.to_owned(),
        };
        let path = format!("/{bucket}/{key}");
        let mut signed = SignedRequest::new(request.method, "s3", &region, &path);
        let host = endpoint
            .split_once("://")
            .map_or(endpoint, |(_, host)| host);
        signed.set_hostname(Some(host.to_owned()));
        match request.condition {
            Some(Condition::Absent) => signed.add_header("if-none-match", "*"),
            Some(Condition::Matches(etag)) => signed.add_header("if-match", &etag.0),
            None => {}
        }
        if let Some(owner) = &self.config.expected_bucket_owner {
            signed.add_header("x-amz-expected-bucket-owner", owner);
        }
        if let Some(body) = &request.body {
            signed.set_content_type("application/json".to_owned());
            signed.set_payload(Some(body.clone()));
            // Buckets with Object Lock demand it.
            signed.maybe_set_content_md5_header();
        }
        signed
    }

    fn remember_region(&self, bucket: &str, region: &str) {
        let mut regions = self.regions.lock().unwrap_or_else(PoisonError::into_inner);
        regions.insert(bucket.to_owned(), region.to_owned());
    }

    /// The region to sign for: where the bucket was found to be, else as configured.
    fn region_of(&self, bucket: &str) -> Result<String, LockError> {
        let regions = self.regions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(region) = regions.get(bucket) {
            return Ok(region.clone());
        }
        drop(regions);
        if let Some(region) = &self.config.region {
            return Ok(region.clone());
        }
        let custom = self.config.endpoint.is_some();
        Ok(profile::region(&self.config.source, custom)?)
    }
}

fn aws_endpoint(region: &str) -> String {
    let suffix = match region.starts_with("cn-") {
        true => "amazonaws.com.cn",
        false => "amazonaws.com",
    };
    format!("https://s3.{region}.{suffix}")
}

impl Store for S3Store {
    fn read<'a>(
        &'a self,
        at: &'a Location,
        limit: Duration,
    ) -> Pending<'a, Result<Found, LockError>> {
        let request = Request {
            method: "GET",
            at,
            condition: None,
            body: None,
        };
        Box::pin(async move {
            match self.send(&request, limit).await {
                Ok((reply, asked)) => reply.into_found(&asked),
                Err(SendError::NotSent(error) | SendError::NoAnswer(error)) => Err(error),
            }
        })
    }

    fn write<'a>(
        &'a self,
        at: &'a Location,
        body: Vec<u8>,
        condition: &'a Condition,
        limit: Duration,
    ) -> Pending<'a, Put> {
        let request = Request {
            method: "PUT",
            at,
            condition: Some(condition),
            body: Some(Bytes::from(body)),
        };
        Box::pin(async move {
            match self.send(&request, limit).await {
                Ok((reply, asked)) => reply.into_put(&asked),
                Err(SendError::NotSent(error)) => Put::NotSent(error),
                Err(SendError::NoAnswer(error)) => Put::Unknown(error),
            }
        })
    }
}
