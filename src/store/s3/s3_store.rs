//! A client of one S3 endpoint, or of AWS: what it keeps, and how it implements [`Store`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::protocol::{Condition, Location};
use crate::store::counters::Counters;
use crate::store::interface::{Found, Origin, Page, Pending, Put, Store};
use crate::store::s3::blocking::BlockingThreads;
use crate::store::s3::credentials::{CredentialsCache, LookUpContext, Source};
use crate::store::s3::network::proxy::proxies::Proxies;
use crate::store::s3::network::resolver::Resolver;
use crate::store::s3::network::tls::Tls;
use crate::store::s3::network::transport::{SendError, Transport};
use crate::store::s3::settings::named::Named;
use crate::store::s3::settings::tls_files::TlsFiles;
use crate::store::s3::{list, request, versioning};
use crate::sys::clock::Clock;
use crate::types::errors::{LockError, StorageError, StorageErrorKind};
use crate::types::request_counts::RequestCounts;
use crate::types::store_report::Versioning;

/// Where requests go and how.
#[derive(Clone, Debug)]
pub(crate) struct S3Config {
    /// The endpoint with its scheme and without a trailing slash. AWS's own if none.
    pub endpoint: Option<Named>,
    /// The region, if the caller or the environment named one.
    pub region: Option<Named>,
    pub source: Source,
    pub request_timeout: Duration,
    pub connect_timeout: Duration,
    pub proxies: Proxies,
    pub expected_bucket_owner: Option<String>,
    pub tls: TlsFiles,
}

pub(super) struct S3Store {
    pub(super) config: S3Config,
    pub(super) clock: Clock,
    pub(super) credentials: CredentialsCache,
    pub(super) transport: Arc<Transport>,
    pub(super) threads: BlockingThreads,
    pub(super) counters: Counters,
    /// The region of each bucket, as S3 or a profile names it.
    pub(super) regions: Mutex<HashMap<String, Named>>,
}

impl Origin for S3Config {
    fn connect(&self, clock: &Clock) -> Box<dyn Store> {
        let threads = BlockingThreads::default();
        let tls = Arc::new(Tls::new(self.tls.clone(), threads.clone(), clock.clone()));
        let transport = |proxies| {
            let resolver = Resolver::new(threads.clone());
            let tls = tls.clone();
            Arc::new(Transport::new(resolver, tls, self.connect_timeout, proxies))
        };
        let nearby = transport(Proxies::default());
        let transport = if self.proxies.are_none() {
            nearby.clone()
        } else {
            transport(self.proxies.clone())
        };
        let credentials = CredentialsCache::new(LookUpContext {
            source: self.source.clone(),
            region: self.region.clone(),
            transport: transport.clone(),
            nearby,
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
    fn ready(&self, limit: Duration) -> Pending<'_, ()> {
        Box::pin(self.credentials.ready(limit))
    }

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
        go: Option<Pending<'a, ()>>,
    ) -> Pending<'a, Put> {
        Box::pin(async move {
            let mut request = request::unsigned("PUT", at);
            match condition {
                Condition::Absent => request.add_header("if-none-match", "*"),
                Condition::Matches(etag) => request.add_header("if-match", &etag.0),
            }
            request.set_content_type("application/json".to_owned());
            request.set_payload(Some(body));
            // Buckets with Object Lock require it.
            request.maybe_set_content_md5_header();
            match self.send(request, at, limit, go).await {
                Ok((reply, asked)) => reply.into_put(&asked),
                Err(SendError::NotSent(error)) => Put::NotSent(error),
                Err(SendError::NoAnswer(error)) => Put::Unknown(error),
            }
        })
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
            // Without the permission or a reply, nothing is known. It is not asked again.
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

/// The bucket itself.
fn whole_bucket(bucket: &str) -> Location {
    Location {
        bucket: bucket.to_owned(),
        key: String::new(),
    }
}
