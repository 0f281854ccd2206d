//! Sends one request of an [`S3Store`]. It sends it again if the bucket is elsewhere or the
//! credentials were rejected.

use std::time::Duration;

use rusoto_core::signature::SignedRequest;

use crate::protocol::Location;
use crate::store::counters::{Kind, RequestOutcome};
use crate::store::interface::Pending;
use crate::store::s3::address::Address;
use crate::store::s3::credentials::Found;
use crate::store::s3::network::advice::advice_for;
use crate::store::s3::network::transport::{SendError, Told};
use crate::store::s3::redirect::detour;
use crate::store::s3::reply::{Asked, Reply};
use crate::store::s3::request;
use crate::store::s3::s3_store::S3Store;
use crate::store::s3::settings::named::Named;
use crate::store::s3::site::Site;
use crate::sys::logs;
use crate::sys::sync::lock;
use crate::types::errors::LockError;

/// How often one request may be redirected to another host.
const MAX_DETOURS: u32 = 2;

/// The route of a request to its bucket.
struct Route<'a> {
    site: &'a Site,
    region: Named,
    /// The path as the request was built, with the bucket in front.
    path: String,
    /// An address to use instead of the usual one.
    detour: Option<Address>,
    /// Whether S3 has already named another region, and how often another host.
    moved: bool,
    detours: u32,
}

impl S3Store {
    /// Sends a request about `at`. It sends it once more if S3 names another region for the bucket,
    /// names another host for the time being, or rejects the credentials and there are others. Such
    /// a reply means that the request was refused for that reason alone, and did nothing.
    ///
    /// The last byte of the body leaves only once `go` is done. A second request does not wait for
    /// it.
    pub(super) async fn send(
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
        let site = self.site(most_of(left())).await?;
        let style = self.config.style;
        style
            .check_bucket(&at.bucket, site.set_endpoint())
            .map_err(LockError::from)?;
        let mut route = Route {
            site,
            region: self.region_of(&at.bucket, site),
            path: request.path.clone(),
            detour: None,
            moved: false,
            detours: 0,
        };
        let mut found = site.credentials.get(most_of(left())).await?;
        let mut renewed = false;
        loop {
            let go = go.take();
            let sent = self.send_once(&route, &found, &mut request, at, left(), go);
            let (reply, asked) = sent.await?;
            // Another reply may come from a proxy, which may have passed the write on.
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
                site.credentials.forget(&found.keys);
                return Ok((reply, asked));
            }
            let newer = site.credentials.instead_of(&found.keys, most_of(left()));
            match newer.await {
                Some(newer) => (found, renewed) = (newer, true),
                None => return Ok((reply, asked)),
            }
        }
    }

    /// Takes the route that a reply names, if it names one that may be taken.
    fn reroute(&self, route: &mut Route<'_>, reply: &Reply, bucket: &str) -> bool {
        let from = &route.region.value;
        if let Some(named) = reply.other_region(from).filter(|_| !route.moved) {
            logs::debug!("bucket {bucket} is in region {named}, not {from}");
            route.region = Named::new(named, "S3's answer");
            (route.detour, route.moved) = (None, true);
            lock(&self.regions).insert(bucket.to_owned(), route.region.clone());
            return true;
        }
        let host = reply.temporary_host();
        let host = host.filter(|_| route.detours < MAX_DETOURS);
        let detour = host.and_then(|host| {
            let endpoint = route.site.endpoint(&route.region).ok()?;
            detour(&host, &endpoint.url, &route.path)
        });
        let Some(detour) = detour else {
            return false;
        };
        logs::debug!("bucket {bucket} is at {} for now", detour.origin);
        route.detour = Some(detour);
        route.detours += 1;
        true
    }

    /// Addresses, signs, sends and counts one request.
    async fn send_once(
        &self,
        route: &Route<'_>,
        found: &Found,
        request: &mut SignedRequest,
        at: &Location,
        limit: Duration,
        go: Option<Pending<'_, ()>>,
    ) -> Result<(Reply, Asked), SendError> {
        let endpoint = route
            .site
            .endpoint(&route.region)
            .map_err(LockError::from)?;
        let address = match &route.detour {
            Some(detour) => detour.clone(),
            None => self.config.style.address(&endpoint.url, &route.path),
        };
        request::sign(request, &address, &route.region.value, &found.keys);
        let signed = request::to_hyper(request, &address.origin)?;
        let asked = Asked {
            method: request.method().to_owned(),
            at: at.clone(),
            region: route.region.clone(),
            wall: self.clock.wall(),
            endpoint: endpoint.set.clone(),
            keys_from: found.origin.clone(),
            forwarded_by: route.site.transport.forwarding_proxy(signed.uri()).cloned(),
        };
        let (signed, last_byte) = request::hold_back(signed, request, go);
        let what = format!("{} {}", signed.method(), signed.uri());
        let sending = counted_as(&asked).map(|kind| self.counters.sending(kind));
        let advice = |step| advice_for(&endpoint, step);
        let told = Told {
            what: &what,
            advice: &advice,
        };
        let reply = route.site.transport.send(told, signed, limit);
        tokio::pin!(reply);
        let reply = tokio::select! {
            // The store may refuse it before it is whole.
            reply = &mut reply => reply,
            () = last_byte => reply.await,
        };
        if let Some(sending) = sending {
            sending.ended(match &reply {
                Ok(reply) => Some(RequestOutcome::of_status(reply.status())),
                Err(SendError::NoAnswer(_)) => Some(RequestOutcome::Unanswered),
                Err(SendError::NotSent(_)) => None,
            });
        }
        Ok((reply?, asked))
    }

    /// The region to sign for: where the bucket was found to be, else as configured.
    fn region_of(&self, bucket: &str, site: &Site) -> Named {
        let known = lock(&self.regions).get(bucket).cloned();
        known.unwrap_or_else(|| site.region.clone())
    }
}

/// Only a part of the time: otherwise no time is left for the request once it has its credentials.
fn most_of(limit: Duration) -> Duration {
    limit * 9 / 10
}

/// The kind by which S3 charges for a request. S3 charges nothing for a DELETE.
fn counted_as(asked: &Asked) -> Option<Kind> {
    match asked.method.as_str() {
        "PUT" | "POST" => Some(Kind::Write),
        "GET" if asked.at.key.is_empty() => Some(Kind::List),
        "DELETE" => None,
        _ => Some(Kind::Read),
    }
}
