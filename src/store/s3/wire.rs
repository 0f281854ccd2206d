//! One request to S3, whichever it is: addressed, signed, sent, and sent on if the bucket is elsewhere.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusoto_core::Region;
use rusoto_core::signature::SignedRequest;

use crate::clock::Clock;
use crate::error::LockError;
use crate::request_counts::{Counters, Kind, Outcome, RequestCounts};
use crate::store::Location;
use crate::store::s3::credentials::{Credentials, Source, Tools};
use crate::store::s3::dispatch::{self, Dispatcher, SendError};
use crate::store::s3::helpers::Helpers;
use crate::store::s3::profile;
use crate::store::s3::reply::{Asked, Reply};
use crate::sync::lock;

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

/// The way to one S3 endpoint, or to AWS.
pub(crate) struct Wire {
    config: Config,
    clock: Clock,
    credentials: Credentials,
    dispatcher: Arc<Dispatcher>,
    counters: Counters,
    /// The region of each bucket, as S3 named it or as a profile says.
    regions: Mutex<HashMap<String, String>>,
}

impl Wire {
    pub(crate) fn new(config: Config, clock: Clock) -> Wire {
        let helpers = Helpers::default();
        let dispatcher = Dispatcher::new(config.connect_timeout, helpers.clone());
        let dispatcher = Arc::new(dispatcher);
        let tools = Tools {
            source: config.source.clone(),
            region: config.region.clone(),
            dispatcher: dispatcher.clone(),
            helpers,
            clock: clock.clone(),
        };
        Wire {
            credentials: Credentials::new(tools),
            dispatcher,
            counters: Counters::default(),
            regions: Mutex::default(),
            config,
            clock,
        }
    }

    /// A request that is yet to be signed. Its region is set when it is sent.
    pub(crate) fn request(&self, method: &str, at: &Location) -> SignedRequest {
        let nowhere = Region::Custom {
            name: String::new(),
            endpoint: String::new(),
        };
        let path = format!("/{}/{}", at.bucket, at.key);
        SignedRequest::new(method, "s3", &nowhere, &path)
    }

    /// Sends a request about `at`, and once more if S3 names another region for the bucket: the
    /// first was refused for that alone, and did nothing.
    pub(crate) async fn send(
        &self,
        mut request: SignedRequest,
        at: &Location,
        limit: Duration,
    ) -> Result<(Reply, Asked), SendError> {
        let start = self.clock.now();
        if let Some(owner) = &self.config.expected_bucket_owner {
            request.add_header("x-amz-expected-bucket-owner", owner);
        }
        let region = self.region_of(&at.bucket)?;
        let (reply, asked) = self.send_to(region, &mut request, at, limit).await?;
        let Some(named) = reply.other_region(&asked.region) else {
            return Ok((reply, asked));
        };
        log::debug!(
            "bucket {} is in region {named}, not {}",
            at.bucket,
            asked.region
        );
        self.remember_region(&at.bucket, &named);
        let left = limit.saturating_sub(self.clock.now().at_most_since(start));
        self.send_to(named, &mut request, at, left).await
    }

    async fn send_to(
        &self,
        region: String,
        request: &mut SignedRequest,
        at: &Location,
        limit: Duration,
    ) -> Result<(Reply, Asked), SendError> {
        let start = self.clock.now();
        // Not all of it, or a request that has its credentials at last would be cut short itself.
        let credentials = self.credentials.get(limit * 9 / 10).await?;
        let endpoint = match &self.config.endpoint {
            Some(endpoint) => endpoint.clone(),
            None => aws_endpoint("s3", &region),
        };
        // A custom region in any case: rusoto's own list of regions ends in 2022.
        request.region = Region::Custom {
            name: region.clone(),
            endpoint: endpoint.clone(),
        };
        let host = endpoint.split_once("://").map_or("", |(_, host)| host);
        request.set_hostname(Some(host.to_owned()));
        request.sign(&credentials);
        let asked = Asked {
            method: request.method().to_owned(),
            at: at.clone(),
            region,
            wall: self.clock.wall(),
        };
        let sent = dispatch::to_hyper(request, &endpoint)?;
        let left = limit.saturating_sub(self.clock.now().at_most_since(start));
        let reply = self.send_counted(kind(&asked), sent, left).await?;
        if reply.rejects_credentials() {
            // They may be renewed on disk meanwhile: the next request looks again.
            self.credentials.forget(&credentials);
        }
        Ok((reply, asked))
    }

    async fn send_counted(
        &self,
        kind: Kind,
        request: hyper::Request<hyper::Body>,
        limit: Duration,
    ) -> Result<Reply, SendError> {
        let sending = self.counters.sending(kind);
        let reply = self.dispatcher.send(request, limit).await;
        sending.ended(match &reply {
            Ok(reply) => Some(Outcome::of_status(reply.status())),
            Err(SendError::NoAnswer(_)) => Some(Outcome::Unanswered),
            Err(SendError::NotSent(_)) => None,
        });
        reply
    }

    pub(crate) fn request_counts(&self) -> RequestCounts {
        self.counters.snapshot()
    }

    fn remember_region(&self, bucket: &str, region: &str) {
        let mut regions = lock(&self.regions);
        regions.insert(bucket.to_owned(), region.to_owned());
    }

    /// The region to sign for: where the bucket was found to be, else as configured.
    fn region_of(&self, bucket: &str) -> Result<String, LockError> {
        let regions = lock(&self.regions);
        if let Some(region) = regions.get(bucket) {
            return Ok(region.clone());
        }
        drop(regions);
        if let Some(region) = &self.config.region {
            return Ok(region.clone());
        }
        let custom = self.config.endpoint.is_some();
        let region = profile::region(&self.config.source, custom)?;
        self.remember_region(bucket, &region);
        Ok(region)
    }
}

/// As what S3 charges for a request.
fn kind(asked: &Asked) -> Kind {
    match asked.method.as_str() {
        "PUT" | "POST" => Kind::Write,
        "GET" if asked.at.key.is_empty() => Kind::List,
        _ => Kind::Read,
    }
}

/// Where AWS has a service in a region.
pub(crate) fn aws_endpoint(service: &str, region: &str) -> String {
    let suffix = match region.starts_with("cn-") {
        true => "amazonaws.com.cn",
        false => "amazonaws.com",
    };
    format!("https://{service}.{region}.{suffix}")
}
