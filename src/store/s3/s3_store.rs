//! A client of one S3 endpoint, or of AWS: what it keeps, and how it implements [`Store`].

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::OnceCell;

use crate::protocol::{Condition, Location};
use crate::store::counters::Counters;
use crate::store::interface::{Found, Origin, Page, Pending, Put, Store};
use crate::store::s3::blocking::BlockingThreads;
#[cfg(feature = "cli")]
use crate::store::s3::inspection;
use crate::store::s3::network::transport::SendError;
use crate::store::s3::settings::named::Named;
use crate::store::s3::site::{S3Config, Site};
use crate::store::s3::{list, request, versioning};
use crate::sys::clock::Clock;
use crate::types::errors::{ConfigError, LockError, StorageError, StorageErrorKind};
#[cfg(feature = "cli")]
use crate::types::inspection::{Signer, Way};
use crate::types::request_counts::RequestCounts;
use crate::types::store_report::Versioning;

pub(super) struct S3Store {
    pub(super) config: S3Config,
    pub(super) clock: Clock,
    site: OnceCell<Site>,
    threads: BlockingThreads,
    pub(super) counters: Counters,
    /// The region of each bucket, as S3 names it.
    pub(super) regions: Mutex<HashMap<String, Named>>,
}

impl Origin for S3Config {
    fn check_bucket(&self, bucket: &str) -> Result<(), ConfigError> {
        // A profile may still name another endpoint. That is checked with the first request.
        self.style.check_bucket(bucket, self.known_endpoint())
    }

    fn connect(&self, clock: &Clock) -> Box<dyn Store> {
        Box::new(S3Store {
            config: self.clone(),
            clock: clock.clone(),
            site: OnceCell::new(),
            threads: BlockingThreads::default(),
            counters: Counters::default(),
            regions: Mutex::default(),
        })
    }
}

impl S3Store {
    /// Where requests go. The first request finds it out, within `limit`.
    pub(super) async fn site(&self, limit: Duration) -> Result<&Site, LockError> {
        if let Some(site) = self.site.get() {
            return Ok(site);
        }
        let find = || self.config.find_site(&self.clock, &self.threads);
        let found = tokio::time::timeout(limit, self.site.get_or_try_init(find)).await;
        let found = found.map_err(|elapsed| {
            let what = "the profile's files, which may name the endpoint and the region, could not be \
                        read in time";
            let error = StorageError::new(StorageErrorKind::NoAnswer, what);
            LockError::Storage(error.with_source(elapsed))
        });
        found
            .and_then(|found| found)
            .map_err(LockError::before_sending)
    }
}

impl Store for S3Store {
    fn must_be_checked<'a>(&'a self, limit: Duration) -> Pending<'a, Result<bool, LockError>> {
        // AWS honours conditions.
        Box::pin(async move { Ok(self.site(limit).await?.is_set()) })
    }

    fn ready(&self, limit: Duration) -> Pending<'_, Option<LockError>> {
        Box::pin(async move {
            let began = self.clock.now();
            let left = || limit.saturating_sub(self.clock.now().at_most_since(began));
            let of_a_request = || left().min(self.config.request_timeout);
            // Errors are told by the next request, which finds them again.
            let site = self.site(of_a_request()).await.ok()?;
            if site.is_tls() {
                site.transport.ready(of_a_request()).await;
            }
            site.credentials.ready(left()).await
        })
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

    #[cfg(feature = "cli")]
    fn way<'a>(&'a self, bucket: &'a str, limit: Duration) -> Pending<'a, Result<Way, LockError>> {
        Box::pin(async move {
            let site = self.site(limit).await?;
            let set = site.set_endpoint();
            self.config.style.check_bucket(bucket, set)?;
            inspection::way(site, self.config.style, bucket)
        })
    }

    #[cfg(feature = "cli")]
    fn signer(&self, limit: Duration) -> Pending<'_, Result<Signer, LockError>> {
        Box::pin(async move {
            let site = self.site(self.config.request_timeout).await?;
            inspection::signer(site, limit).await
        })
    }
}

/// The bucket itself.
fn whole_bucket(bucket: &str) -> Location {
    Location {
        bucket: bucket.to_owned(),
        key: String::new(),
    }
}
