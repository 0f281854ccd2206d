//! One request to S3, whichever it is: addressed, signed, sent, and sent on if the bucket is elsewhere.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusoto_core::Region;
use rusoto_core::credential::AwsCredentials;
use rusoto_core::signature::SignedRequest;

use crate::clock::Clock;
use crate::error::{LockError, StorageError, StorageErrorKind};
use crate::logs;
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
    pub request_timeout: Duration,
    pub connect_timeout: Duration,
    pub expected_bucket_owner: Option<String>,
}

/// The way to one S3 endpoint, or to AWS.
pub(crate) struct Wire {
    config: Config,
    clock: Clock,
    credentials: Credentials,
    dispatcher: Arc<Dispatcher>,
    helpers: Helpers,
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
            helpers: helpers.clone(),
            clock: clock.clone(),
            limit: config.request_timeout * 4 / 5,
        };
        Wire {
            credentials: Credentials::new(tools),
            dispatcher,
            helpers,
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

    /// Sends a request about `at`, and once more if S3 names another region for the bucket, or rejects
    /// the credentials and there are others: it was refused for that alone, and did nothing.
    pub(crate) async fn send(
        &self,
        mut request: SignedRequest,
        at: &Location,
        limit: Duration,
    ) -> Result<(Reply, Asked), SendError> {
        let start = self.clock.now();
        let left = || limit.saturating_sub(self.clock.now().at_most_since(start));
        if let Some(owner) = &self.config.expected_bucket_owner {
            request.add_header("x-amz-expected-bucket-owner", owner);
        }
        let mut region = self.region_of(&at.bucket, left()).await?;
        let mut credentials = self.credentials.get(most_of(left())).await?;
        let (mut moved, mut renewed) = (false, false);
        loop {
            let sent = self.send_to(&region, &credentials, &mut request, at, left());
            let (reply, asked) = sent.await?;
            let elsewhere = reply.other_region(&region).filter(|_| !moved);
            if let Some(named) = elsewhere {
                logs::debug!("bucket {} is in region {named}, not {region}", at.bucket);
                self.remember_region(&at.bucket, &named);
                (region, moved) = (named, true);
                continue;
            }
            if !reply.rejects_credentials() {
                return Ok((reply, asked));
            }
            if renewed {
                // They may be renewed on disk meanwhile: the next request looks again.
                self.credentials.forget(&credentials);
                return Ok((reply, asked));
            }
            let newer = self.credentials.instead_of(&credentials, most_of(left()));
            match newer.await {
                Some(newer) => (credentials, renewed) = (newer, true),
                None => return Ok((reply, asked)),
            }
        }
    }

    async fn send_to(
        &self,
        region: &str,
        credentials: &AwsCredentials,
        request: &mut SignedRequest,
        at: &Location,
        limit: Duration,
    ) -> Result<(Reply, Asked), SendError> {
        let endpoint = match &self.config.endpoint {
            Some(endpoint) => endpoint.clone(),
            None => aws_endpoint("s3", region),
        };
        // A custom region in any case: rusoto's own list of regions ends in 2022.
        request.region = Region::Custom {
            name: region.to_owned(),
            endpoint: endpoint.clone(),
        };
        let host = endpoint.split_once("://").map_or("", |(_, host)| host);
        request.set_hostname(Some(host.to_owned()));
        // Those of another time may have had one, and these none.
        request.remove_header("x-amz-security-token");
        request.sign(credentials);
        let asked = Asked {
            method: request.method().to_owned(),
            at: at.clone(),
            region: region.to_owned(),
            wall: self.clock.wall(),
        };
        let sent = dispatch::to_hyper(request, &endpoint)?;
        let reply = self.send_counted(kind(&asked), sent, limit).await?;
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
    async fn region_of(&self, bucket: &str, limit: Duration) -> Result<String, LockError> {
        let known = lock(&self.regions).get(bucket).cloned();
        if let Some(region) = known {
            return Ok(region);
        }
        if let Some(region) = &self.config.region {
            return Ok(region.clone());
        }
        let custom = self.config.endpoint.is_some();
        let region = profile::region(&self.config.source, custom, &self.helpers);
        let region = tokio::time::timeout(most_of(limit), region).await;
        let region = region.map_err(|elapsed| {
            let what = "the profile's files, which may name the region, could not be read in time";
            let error = StorageError::new(StorageErrorKind::NoAnswer, what);
            LockError::Storage(error.with_source(elapsed).before_sending())
        })??;
        self.remember_region(bucket, &region);
        Ok(region)
    }
}

/// Not all of it, or a request that has its credentials at last would be cut short itself.
fn most_of(limit: Duration) -> Duration {
    limit * 9 / 10
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
