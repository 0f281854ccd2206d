//! One request to S3, whichever it is: addressed, signed, sent, and sent on if the bucket is elsewhere.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusoto_core::Region;
use rusoto_core::credential::AwsCredentials;
use rusoto_core::signature::SignedRequest;

use crate::protocol::Location;
use crate::store::interface::Pending;
use crate::store::s3::credentials::{Credentials, Source, Tools};
use crate::store::s3::dispatch::{Dispatcher, SendError};
use crate::store::s3::helpers::Helpers;
use crate::store::s3::named::Named;
use crate::store::s3::redirect::{Detour, detour};
use crate::store::s3::reply::{Asked, Reply};
use crate::store::s3::{dispatch, profile};
use crate::sys::clock::Clock;
use crate::sys::logs;
use crate::sys::sync::lock;
use crate::types::errors::{LockError, StorageError, StorageErrorKind};
use crate::types::request_counts::{Counters, Kind, Outcome, RequestCounts};

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

/// The way to one S3 endpoint, or to AWS.
pub(crate) struct Wire {
    config: Config,
    clock: Clock,
    credentials: Credentials,
    dispatcher: Arc<Dispatcher>,
    helpers: Helpers,
    counters: Counters,
    /// The region of each bucket, as S3 named it or as a profile says.
    regions: Mutex<HashMap<String, Named>>,
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

    /// Sends a request about `at`, and once more if S3 names another region for the bucket or another
    /// host for the time being, or rejects the credentials and there are others: it was refused for
    /// that alone, and did nothing.
    pub(crate) async fn send(
        &self,
        request: SignedRequest,
        at: &Location,
        limit: Duration,
    ) -> Result<(Reply, Asked), SendError> {
        self.send_held_back(request, at, limit, None).await
    }

    /// The same, but the last byte of the body leaves only once `go` is done. A second request waits
    /// for nothing.
    pub(crate) async fn send_held_back(
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
        let mut way = Way {
            region: self.region_of(&at.bucket, left()).await?,
            path: request.path.clone(),
            detour: None,
        };
        let mut credentials = self.credentials.get(most_of(left())).await?;
        let (mut moved, mut detours, mut renewed) = (false, 0, false);
        loop {
            let go = go.take();
            let sent = self.send_to(&way, &credentials, &mut request, at, left(), go);
            let (reply, asked) = sent.await?;
            // Whatever else stands between may have passed a write on.
            if asked.method != "GET" && !reply.did_nothing() {
                return Ok((reply, asked));
            }
            let elsewhere = reply.other_region(&way.region.value).filter(|_| !moved);
            if let Some(named) = elsewhere {
                let from = &way.region.value;
                logs::debug!("bucket {} is in region {named}, not {from}", at.bucket);
                way.region = Named::new(named, "S3's answer");
                way.detour = None;
                self.remember_region(&at.bucket, &way.region);
                moved = true;
                continue;
            }
            let detour = self.detour(&reply, &way).filter(|_| detours < MAX_DETOURS);
            if let Some(detour) = detour {
                logs::debug!("bucket {} is at {} for now", at.bucket, detour.endpoint);
                (way.detour, detours) = (Some(detour), detours + 1);
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

    /// Where a reply sends this one request, if it is to be followed.
    fn detour(&self, reply: &Reply, way: &Way) -> Option<Detour> {
        let host = reply.temporary_host()?;
        detour(&host, &self.endpoint(&way.region), &way.path)
    }

    /// Where a bucket of this region is asked.
    fn endpoint(&self, region: &Named) -> String {
        match &self.config.endpoint {
            Some(endpoint) => endpoint.value.clone(),
            None => aws_endpoint("s3", &region.value),
        }
    }

    async fn send_to(
        &self,
        way: &Way,
        credentials: &AwsCredentials,
        request: &mut SignedRequest,
        at: &Location,
        limit: Duration,
        go: Option<Pending<'_, ()>>,
    ) -> Result<(Reply, Asked), SendError> {
        let endpoint = match &way.detour {
            Some(detour) => detour.endpoint.clone(),
            None => self.endpoint(&way.region),
        };
        sign(request, way, &endpoint, credentials);
        let asked = Asked {
            method: request.method().to_owned(),
            at: at.clone(),
            region: way.region.value.clone(),
            wall: self.clock.wall(),
            set_endpoint: self.config.endpoint.is_some(),
        };
        let sent = dispatch::to_hyper(request, &endpoint)?;
        let (sent, last_byte) = match go {
            Some(go) => dispatch::hold_back(sent, request, go),
            None => (sent, None),
        };
        let reply = beside(self.send_counted(kind(&asked), sent, limit), last_byte).await;
        let advice = || match &self.config.endpoint {
            Some(endpoint) => endpoint.endpoint_advice(),
            None => way.region.region_advice("S3"),
        };
        Ok((reply.map_err(|error| error.advised(advice))?, asked))
    }

    async fn send_counted(
        &self,
        kind: Option<Kind>,
        request: hyper::Request<hyper::Body>,
        limit: Duration,
    ) -> Result<Reply, SendError> {
        let sending = kind.map(|kind| self.counters.sending(kind));
        let reply = self.dispatcher.send(request, limit).await;
        if let Some(sending) = sending {
            sending.ended(match &reply {
                Ok(reply) => Some(Outcome::of_status(reply.status())),
                Err(SendError::NoAnswer(_)) => Some(Outcome::Unanswered),
                Err(SendError::NotSent(_)) => None,
            });
        }
        reply
    }

    pub(crate) fn request_counts(&self) -> RequestCounts {
        self.counters.snapshot()
    }

    fn remember_region(&self, bucket: &str, region: &Named) {
        let mut regions = lock(&self.regions);
        regions.insert(bucket.to_owned(), region.clone());
    }

    /// The region to sign for: where the bucket was found to be, else as configured.
    async fn region_of(&self, bucket: &str, limit: Duration) -> Result<Named, LockError> {
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

/// How often one request is sent on to another host.
const MAX_DETOURS: u32 = 2;

/// How one attempt goes to its bucket.
struct Way {
    region: Named,
    /// Of the request as it was made, with the bucket in front.
    path: String,
    /// Instead of the usual endpoint and that path.
    detour: Option<Detour>,
}

/// Addresses a request and signs it, whatever it was addressed to before.
fn sign(request: &mut SignedRequest, way: &Way, endpoint: &str, credentials: &AwsCredentials) {
    let path = way.detour.as_ref().map_or(&way.path, |d| &d.path);
    request.path.clone_from(path);
    // A custom region in any case: rusoto's own list of regions ends in 2022.
    request.region = Region::Custom {
        name: way.region.value.clone(),
        endpoint: endpoint.to_owned(),
    };
    let host = endpoint.split_once("://").map_or("", |(_, host)| host);
    request.set_hostname(Some(host.to_owned()));
    // Those of another time may have had one, and these none.
    request.remove_header("x-amz-security-token");
    request.sign(credentials);
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

/// Where AWS has a service in a region.
pub(crate) fn aws_endpoint(service: &str, region: &str) -> String {
    let suffix = match region.starts_with("cn-") {
        true => "amazonaws.com.cn",
        false => "amazonaws.com",
    };
    format!("https://{service}.{region}.{suffix}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The address and some headers of a request for an object, as it is sent on this way.
    fn signed(request: &mut SignedRequest, detour: Option<Detour>) -> (String, String, String) {
        let way = Way {
            region: Named::new("us-east-1", "a test"),
            path: "/my-bucket/a/k.lock".to_owned(),
            detour,
        };
        let endpoint = way.detour.as_ref().map(|d| d.endpoint.clone());
        let endpoint = endpoint.unwrap_or(aws_endpoint("s3", "us-east-1"));
        let token = Some("token".to_owned());
        let credentials = AwsCredentials::new("key", "secret", token, None);
        sign(request, &way, &endpoint, &credentials);
        let sent = dispatch::to_hyper(request, &endpoint).unwrap_or_else(|e| panic!("{e}"));
        let header = |name| {
            let values: Vec<_> = sent.headers().get_all(name).iter().collect();
            assert_eq!(values.len(), 1, "{name}: {values:?}");
            values[0].to_str().unwrap().to_owned()
        };
        assert_eq!(header("x-amz-security-token"), "token");
        (
            sent.uri().to_string(),
            header("host"),
            header("authorization"),
        )
    }

    #[test]
    fn a_detour_is_addressed_and_signed_anew_and_so_is_the_way_back() {
        let nowhere = Region::Custom {
            name: String::new(),
            endpoint: String::new(),
        };
        let mut request = SignedRequest::new("PUT", "s3", &nowhere, "/my-bucket/a/k.lock");
        let (uri, host, straight) = signed(&mut request, None);
        assert_eq!(uri, "https://s3.us-east-1.amazonaws.com/my-bucket/a/k.lock");
        assert_eq!(host, "s3.us-east-1.amazonaws.com");
        let to = "my-bucket.s3-gztb4pa9sq.amazonaws.com";
        let detour = detour(
            to,
            "https://s3.us-east-1.amazonaws.com",
            "/my-bucket/a/k.lock",
        );
        assert!(detour.is_some());
        let (uri, host, round) = signed(&mut request, detour);
        assert_eq!(uri, format!("https://{to}/a/k.lock"));
        assert_eq!(host, to);
        assert_ne!(straight, round);
        let (uri, _, _) = signed(&mut request, None);
        assert_eq!(uri, "https://s3.us-east-1.amazonaws.com/my-bucket/a/k.lock");
    }
}
