//! S3 over HTTP: signed requests in, the store's three kinds of answer out.
//!
//! rusoto signs and lists. It does not send: its PUT has no precondition fields, and its dispatcher
//! folds "never left" and "no answer" into one, which is the difference that a lock lives by.

mod credentials;
mod dispatch;
mod endpoint;
mod helpers;
mod list;
mod named;
mod profile;
mod redirect;
pub(crate) mod reply;
mod resolver;
mod undivided;
mod versioning;
mod wire;
mod xml;

use std::sync::Arc;
use std::time::Duration;

use crate::protocol::{Condition, Location};
use crate::store::interface::{Found, Origin, Page, Pending, Put, Store};
use crate::sys::clock::Clock;
use crate::types::errors::LockError;
use crate::types::request_counts::RequestCounts;
use crate::types::store_report::Versioning;

pub(crate) use credentials::Source;
use dispatch::SendError;
pub(crate) use endpoint::{Endpoint, Malformed};
pub(crate) use named::Named;
pub(crate) use profile::variable;
pub(crate) use reply::is_region;
pub(crate) use wire::Config;
use wire::Wire;

/// A client of one S3 endpoint, or of AWS.
pub(crate) struct S3Store {
    wire: Arc<Wire>,
}

impl Origin for Config {
    fn connect(&self, clock: &Clock) -> Box<dyn Store> {
        let wire = Arc::new(Wire::new(self.clone(), clock.clone()));
        Box::new(S3Store { wire })
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
        let mut request = self.wire.request("PUT", at);
        match condition {
            Condition::Absent => request.add_header("if-none-match", "*"),
            Condition::Matches(etag) => request.add_header("if-match", &etag.0),
        }
        request.set_content_type("application/json".to_owned());
        request.set_payload(Some(body));
        // Buckets with Object Lock demand it.
        request.maybe_set_content_md5_header();
        match self.wire.send_held_back(request, at, limit, go).await {
            Ok((reply, asked)) => reply.into_put(&asked),
            Err(SendError::NotSent(error)) => Put::NotSent(error),
            Err(SendError::NoAnswer(error)) => Put::Unknown(error),
        }
    }
}

impl Store for S3Store {
    fn read<'a>(
        &'a self,
        at: &'a Location,
        limit: Duration,
    ) -> Pending<'a, Result<Found, LockError>> {
        Box::pin(async move {
            let request = self.wire.request("GET", at);
            match self.wire.send(request, at, limit).await {
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
        go: Option<Pending<'a, ()>>,
    ) -> Pending<'a, Put> {
        Box::pin(self.put(at, body, condition, limit, go))
    }

    fn remove<'a>(&'a self, at: &'a Location, limit: Duration) -> Pending<'a, bool> {
        Box::pin(async move {
            let request = self.wire.request("DELETE", at);
            let sent = self.wire.send(request, at, limit).await;
            sent.is_ok_and(|(reply, _)| (200..300).contains(&reply.status()))
        })
    }

    fn versioning<'a>(
        &'a self,
        bucket: &'a str,
        limit: Duration,
    ) -> Pending<'a, Option<Versioning>> {
        Box::pin(versioning::of(&self.wire, bucket, limit))
    }

    fn list<'a>(
        &'a self,
        bucket: &'a str,
        prefix: &'a str,
        after: Option<String>,
        limit: Duration,
    ) -> Pending<'a, Result<Page, LockError>> {
        Box::pin(list::page(&self.wire, bucket, prefix, after, limit))
    }

    fn request_counts(&self) -> RequestCounts {
        self.wire.request_counts()
    }
}
