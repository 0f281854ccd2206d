//! A client of one S3 endpoint, or of AWS: what a lock asks of it, and how a request is sent on if the bucket
//! is elsewhere or the credentials are rejected.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusoto_core::credential::AwsCredentials;
use rusoto_core::signature::SignedRequest;

use crate::clock::Clock;
use crate::error::{LockError, StorageError, StorageErrorKind};
use crate::logs;
use crate::protocol::Condition;
use crate::request_counts::{Counters, Kind, Outcome, RequestCounts};
use crate::store::s3::blocking::BlockingThreads;
use crate::store::s3::credentials::{CredentialsCache, LookUpContext, Source};
use crate::store::s3::endpoint::aws_endpoint;
use crate::store::s3::named::Named;
use crate::store::s3::redirect::detour;
use crate::store::s3::reply::{Asked, Reply};
use crate::store::s3::request::{self, Route};
use crate::store::s3::resolver::Resolver;
use crate::store::s3::transport::{SendError, Transport};
use crate::store::s3::{list, profile, versioning};
use crate::store::{Found, Location, Origin, Page, Pending, Put, Store, Versioning};
use crate::sync::lock;

/// Where requests go and how.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// The endpoint with its scheme and without a trailing slash; AWS's own if none.
    pub endpoint: Option<Named>,
    /// The region, if the caller or the environment named one.
    pub region: Option<Named>,
    pub source: Source,
    pub request_timeout: Duration,
    pub connect_timeout: Duration,
    pub expected_bucket_owner: Option<String>,
}

/// How often one request is sent on to another host.
const MAX_DETOURS: u32 = 2;

struct S3Store {
    config: Config,
    clock: Clock,
    credentials: CredentialsCache,
    transport: Arc<Transport>,
    threads: BlockingThreads,
    counters: Counters,
    /// The region of each bucket, as S3 named it or as a profile says.
    regions: Mutex<HashMap<String, Named>>,
}

impl Origin for Config {
    fn connect(&self, clock: &Clock) -> Box<dyn Store> {
        let threads = BlockingThreads::default();
        let transport = Transport::new(Resolver::new(threads.clone()), self.connect_timeout);
        let transport = Arc::new(transport);
        let credentials = CredentialsCache::new(LookUpContext {
            source: self.source.clone(),
            region: self.region.clone(),
            transport: transport.clone(),
            threads: threads.clone(),
            clock: clock.clone(),
            limit: self.request_timeout * 4 / 5,
        });
        Box::new(S3Store {
            config: self.clone(),
            clock: clock.clone(),
            credentials,
            transport,
            threads,
            counters: Counters::default(),
            regions: Mutex::default(),
        })
    }
}

impl Store for S3Store {
    fn read<'a>(
        &'a self,
        at: &'a Location,
        limit: Duration,
    ) -> Pending<'a, Result<Found, LockError>> {
        Box::pin(async move {
            let request = request::unsigned("GET", at);
            let (reply, asked) = self.send(request, at, limit, None).await?;
            reply.into_found(&asked)
        })
    }

    fn write<'a>(
        &'a self,
        at: &'a Location,
        body: Vec<u8>,
        condition: &'a Condition,
        limit: Duration,
    ) -> Pending<'a, Put> {
        Box::pin(self.put(at, body, condition, limit, None))
    }

    fn write_held_back<'a>(
        &'a self,
        at: &'a Location,
        body: Vec<u8>,
        condition: &'a Condition,
        limit: Duration,
        go: Pending<'a, ()>,
    ) -> Pending<'a, Put> {
        Box::pin(self.put(at, body, condition, limit, Some(go)))
    }

    fn remove<'a>(&'a self, at: &'a Location, limit: Duration) -> Pending<'a, bool> {
        Box::pin(async move {
            let request = request::unsigned("DELETE", at);
            let sent = self.send(request, at, limit, None).await;
            sent.is_ok_and(|(reply, _)| (200..300).contains(&reply.status()))
        })
    }

    fn versioning<'a>(
        &'a self,
        bucket: &'a str,
        limit: Duration,
    ) -> Pending<'a, Option<Versioning>> {
        Box::pin(async move {
            let at = whole_bucket(bucket);
            let mut request = request::unsigned("GET", &at);
            request.add_param("versioning", "");
            // Whoever may not ask, or gets no answer, knows nothing, and asks but once.
            let (reply, _) = self.send(request, &at, limit, None).await.ok()?;
            let is_answer = reply.status() == 200;
            is_answer.then(|| versioning::read(reply.body())).flatten()
        })
    }

    fn list<'a>(
        &'a self,
        bucket: &'a str,
        prefix: &'a str,
        after: Option<String>,
        limit: Duration,
    ) -> Pending<'a, Result<Page, LockError>> {
        Box::pin(async move {
            let Some(request) = list::request(bucket, prefix, after).await else {
                let what = format!("the list of bucket {bucket} cannot be asked for");
                return Err(StorageError::new(StorageErrorKind::Unexpected, what).into());
            };
            let (reply, asked) = self
                .send(request, &whole_bucket(bucket), limit, None)
                .await?;
            reply.into_list(&asked)
        })
    }

    fn request_counts(&self) -> RequestCounts {
        self.counters.snapshot()
    }
}

impl S3Store {
    async fn put(
        &self,
        at: &Location,
        body: Vec<u8>,
        condition: &Condition,
        limit: Duration,
        go: Option<Pending<'_, ()>>,
    ) -> Put {
        let mut request = request::unsigned("PUT", at);
        match condition {
            Condition::Absent => request.add_header("if-none-match", "*"),
            Condition::Matches(etag) => request.add_header("if-match", &etag.0),
        }
        request.set_content_type("application/json".to_owned());
        request.set_payload(Some(body));
        // Buckets with Object Lock demand it.
        request.maybe_set_content_md5_header();
        match self.send(request, at, limit, go).await {
            Ok((reply, asked)) => reply.into_put(&asked),
            Err(SendError::NotSent(error)) => Put::NotSent(error),
            Err(SendError::NoAnswer(error)) => Put::Unknown(error),
        }
    }

    /// Sends a request about `at`, and once more if S3 names another region for the bucket or another
    /// host for the time being, or rejects the credentials and there are others: it was refused for
    /// that alone, and did nothing.
    ///
    /// The last byte of the body leaves only once `go` is done. A second request does not wait for it.
    async fn send(
        &self,
        mut request: SignedRequest,
        at: &Location,
        limit: Duration,
        mut go: Option<Pending<'_, ()>>,
    ) -> Result<(Reply, Asked), SendError> {
        let start = self.clock.now();
        let left = || limit.saturating_sub(self.clock.now().at_most_since(start));
        if let Some(owner) = &self.config.expected_bucket_owner {
            request.add_header("x-amz-expected-bucket-owner", owner);
        }
        let region = self.region_of(&at.bucket, most_of(left())).await?;
        let mut route = Route::new(region, request.path.clone());
        let mut credentials = self.credentials.get(most_of(left())).await?;
        let mut renewed = false;
        loop {
            let go = go.take();
            let sent = self.send_once(&route, &credentials, &mut request, at, left(), go);
            let (reply, asked) = sent.await?;
            // Whatever else stands between may have passed a write on.
            if asked.method != "GET" && !reply.did_nothing() {
                return Ok((reply, asked));
            }
            if self.reroute(&mut route, &reply, &at.bucket) {
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

    /// Takes the way that a reply names, if it names one that may be taken.
    fn reroute(&self, route: &mut Route, reply: &Reply, bucket: &str) -> bool {
        let from = &route.region.value;
        if let Some(named) = reply.other_region(from).filter(|_| !route.moved) {
            logs::debug!("bucket {bucket} is in region {named}, not {from}");
            route.region = Named::new(named, "S3's answer");
            (route.detour, route.moved) = (None, true);
            self.remember_region(bucket, &route.region);
            return true;
        }
        let host = reply.temporary_host();
        let host = host.filter(|_| route.detours < MAX_DETOURS);
        let detour = host.and_then(|h| detour(&h, &self.endpoint(&route.region), &route.path));
        let Some(detour) = detour else {
            return false;
        };
        logs::debug!("bucket {bucket} is at {} for now", detour.endpoint);
        route.detour = Some(detour);
        route.detours += 1;
        true
    }

    /// Addresses, signs, sends and counts one request.
    async fn send_once(
        &self,
        route: &Route,
        credentials: &AwsCredentials,
        request: &mut SignedRequest,
        at: &Location,
        limit: Duration,
        go: Option<Pending<'_, ()>>,
    ) -> Result<(Reply, Asked), SendError> {
        let endpoint = match &route.detour {
            Some(detour) => detour.endpoint.clone(),
            None => self.endpoint(&route.region),
        };
        request::sign(request, route, &endpoint, credentials);
        let asked = Asked {
            method: request.method().to_owned(),
            at: at.clone(),
            region: route.region.value.clone(),
            wall: self.clock.wall(),
            set_endpoint: self.config.endpoint.is_some(),
        };
        let signed = request::to_hyper(request, &endpoint)?;
        let (signed, last_byte) = match go {
            Some(go) => request::hold_back(signed, request, go),
            None => (signed, None),
        };
        let what = format!("{} {}", signed.method(), signed.uri());
        let sending = kind(&asked).map(|kind| self.counters.sending(kind));
        let reply = self.transport.send(&what, signed, limit);
        let reply = beside(reply, last_byte).await;
        if let Some(sending) = sending {
            sending.ended(match &reply {
                Ok(reply) => Some(Outcome::of_status(reply.status())),
                Err(SendError::NoAnswer(_)) => Some(Outcome::Unanswered),
                Err(SendError::NotSent(_)) => None,
            });
        }
        let advice = || match &self.config.endpoint {
            Some(endpoint) => endpoint.endpoint_advice(),
            None => route.region.region_advice("S3"),
        };
        Ok((reply.map_err(|error| error.advised(advice))?, asked))
    }

    /// Where a bucket of this region is asked.
    fn endpoint(&self, region: &Named) -> String {
        match &self.config.endpoint {
            Some(endpoint) => endpoint.value.clone(),
            None => aws_endpoint("s3", &region.value),
        }
    }

    /// The region to sign for: where the bucket was found to be, else as configured.
    async fn region_of(&self, bucket: &str, limit: Duration) -> Result<Named, LockError> {
        let known = lock(&self.regions).get(bucket).cloned();
        if let Some(region) = known.or_else(|| self.config.region.clone()) {
            return Ok(region);
        }
        let is_custom = self.config.endpoint.is_some();
        let region = profile::region(self.config.source.profile(), is_custom, &self.threads);
        let region = tokio::time::timeout(limit, region).await;
        let region = region.map_err(|elapsed| {
            let what = "the profile's files, which may name the region, could not be read in time";
            let error = StorageError::new(StorageErrorKind::NoAnswer, what);
            LockError::Storage(error.with_source(elapsed).before_sending())
        })??;
        self.remember_region(bucket, &region);
        Ok(region)
    }

    fn remember_region(&self, bucket: &str, region: &Named) {
        let mut regions = lock(&self.regions);
        regions.insert(bucket.to_owned(), region.clone());
    }
}

/// A bucket as a whole.
fn whole_bucket(bucket: &str) -> Location {
    Location {
        bucket: bucket.to_owned(),
        key: String::new(),
    }
}

/// Not all of it, or a request that has its credentials at last would be cut short itself.
fn most_of(limit: Duration) -> Duration {
    limit * 9 / 10
}

/// As what S3 charges for a request; for a DELETE it charges nothing.
fn kind(asked: &Asked) -> Option<Kind> {
    match asked.method.as_str() {
        "PUT" | "POST" => Some(Kind::Write),
        "GET" if asked.at.key.is_empty() => Some(Kind::List),
        "DELETE" => None,
        _ => Some(Kind::Read),
    }
}

/// The reply to a request whose last byte is seen to beside it.
async fn beside(
    reply: impl Future<Output = Result<Reply, SendError>>,
    last_byte: Option<Pending<'_, ()>>,
) -> Result<Reply, SendError> {
    let Some(last_byte) = last_byte else {
        return reply.await;
    };
    tokio::pin!(reply);
    tokio::select! {
        // It may be refused before it is whole.
        reply = &mut reply => reply,
        () = last_byte => reply.await,
    }
}
