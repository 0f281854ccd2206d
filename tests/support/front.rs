//! What happens to a request around `s3s`: the journal, scripted faults, latency, refusals, the `Date` header.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use hyper1::Method;
use hyper1::body::{Bytes, Incoming};
use hyper1::header::{DATE, ETAG, HeaderMap};
use hyper1::http::request::Parts;
use s3s::service::S3Service;
use s3s::{Body, HttpRequest, HttpResponse};
use tokio::time::sleep;

use super::backend::MAX_BODY;
use super::clock::{Clock, http_date};
use super::faults::{Fault, Faults, Gate};
use super::journal::{Journal, Request};
use super::settings::{DateHeader, Settings};
use super::{refusal, reply};

/// The way in to the service: everything that is needed to answer a request.
pub struct Front {
    pub clock: Arc<Clock>,
    pub journal: Journal,
    pub faults: Faults,
    pub service: S3Service,
    settings: Mutex<Settings>,
    /// When each path was last written to, where that matters.
    writes: Mutex<HashMap<String, Instant>>,
}

/// The answer that is none: hyper closes the connection without a byte when a service fails.
#[derive(Debug)]
pub struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection is cut on purpose")
    }
}

impl std::error::Error for Cut {}

impl Front {
    /// Makes a front that behaves well until told otherwise.
    pub fn new(clock: Arc<Clock>, service: S3Service) -> Front {
        Front {
            clock,
            service,
            journal: Journal::default(),
            faults: Faults::default(),
            settings: Mutex::default(),
            writes: Mutex::default(),
        }
    }

    /// Returns the settings, to read or to change.
    pub fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings
            .lock()
            .expect("nothing panics while it holds the settings")
    }

    /// Whether a write comes too soon after another to the same path. If not, it counts as one.
    fn is_hasty(&self, head: &Parts) -> bool {
        let pause = self.settings().write_pause;
        if pause.is_zero() || head.method == Method::GET || head.method == Method::HEAD {
            return false;
        }
        let mut writes = self.writes.lock().expect("nothing panics with it");
        let (path, now) = (head.uri.path(), Instant::now());
        let last = writes.get(path);
        let is_hasty = last.is_some_and(|last| now - *last < pause);
        if !is_hasty {
            writes.insert(path.to_owned(), now);
        }
        is_hasty
    }

    /// Answers a request that came on the connection of this number.
    pub async fn answer(
        self: Arc<Self>,
        connection: u64,
        request: HttpRequest<Incoming>,
    ) -> Result<HttpResponse, Cut> {
        let (head, body) = request.into_parts();
        let body = Body::from(body)
            .store_all_limited(MAX_BODY)
            .await
            .map_err(|_| Cut)?;
        let request = Request::new(connection, &head, &body);
        let fault = self.faults.take(&request);
        let serial = self.journal.push(request);

        // On a task of its own: hyper drops this future when the client hangs up, but a request that S3 has received
        // is carried out all the same. Joining fails only where that task has panicked.
        let exchange = Exchange {
            front: self,
            head,
            body,
            serial,
        };
        let task = tokio::spawn(exchange.run(fault));
        task.await.unwrap_or(Err(Cut))
    }
}

async fn pass(gate: &Gate) {
    while !gate.is_open() {
        sleep(Duration::from_millis(5)).await;
    }
}

/// A request in the course of being answered.
struct Exchange {
    front: Arc<Front>,
    head: Parts,
    body: Bytes,
    serial: u64,
}

impl Exchange {
    async fn run(self, fault: Option<Fault>) -> Result<HttpResponse, Cut> {
        let latency = self.front.settings().latency;
        if latency > Duration::ZERO {
            sleep(latency).await;
        }
        let reply = match fault {
            Some(fault) => self.go_wrong(fault).await?,
            None if self.front.is_hasty(&self.head) => {
                let fields = [
                    ("Code", "SlowDown"),
                    ("Message", "Reduce your request rate."),
                ];
                self.scripted(reply::error(429, &fields), &[])
            }
            None => self.process().await?,
        };
        self.front
            .journal
            .answered(self.serial, reply.status().as_u16());
        Ok(reply)
    }

    async fn go_wrong(&self, fault: Fault) -> Result<HttpResponse, Cut> {
        match fault {
            Fault::Answer {
                status,
                code,
                message,
                headers,
            } => Ok(self.scripted(
                reply::error(status, &[("Code", &code), ("Message", &message)]),
                &headers,
            )),
            Fault::RawAnswer {
                status,
                headers,
                body,
            } => Ok(self.scripted(reply::raw(status, body), &headers)),
            Fault::DropBefore => Err(Cut),
            Fault::DropAfter => {
                self.process().await?;
                Err(Cut)
            }
            Fault::AnswerAfter { status, code } => {
                self.process().await?;
                Ok(self.scripted(
                    reply::error(status, &[("Code", &code), ("Message", "scripted")]),
                    &[],
                ))
            }
            Fault::PageAfter(status) => {
                self.process().await?;
                Ok(self.scripted(reply::raw(status, reply::PAGE.to_vec()), &[]))
            }
            Fault::Stall(wait) => {
                sleep(wait).await;
                self.process().await
            }
            Fault::StallAfter(wait) => {
                let reply = self.process().await?;
                sleep(wait).await;
                Ok(reply)
            }
            Fault::StripEtag => {
                let mut reply = self.process().await?;
                reply.headers_mut().remove(ETAG);
                Ok(reply)
            }
            Fault::EditHeader { name, value } => {
                let mut reply = self.process().await?;
                reply::set_header(reply.headers_mut(), &name, &value);
                Ok(reply)
            }
            Fault::DateAhead(seconds) => {
                let mut reply = self.process().await?;
                let date = http_date(self.front.clock.now() + TimeDelta::seconds(seconds));
                reply::set_header(reply.headers_mut(), DATE.as_str(), date.as_bytes());
                Ok(reply)
            }
            Fault::Duplicate => {
                self.process().await?;
                self.process().await
            }
            Fault::HoldAt(gate) => {
                pass(&gate).await;
                self.process().await
            }
            Fault::HoldReplyAt(gate) => {
                let reply = self.process().await?;
                pass(&gate).await;
                Ok(reply)
            }
            Fault::RepeatAt(gate) => {
                self.process().await?;
                pass(&gate).await;
                self.process().await
            }
        }
    }

    /// Does what was asked, in the order of AWS: the clock, the region, and only then the signature and the rest.
    async fn process(&self) -> Result<HttpResponse, Cut> {
        let mut reply = match self.refuse() {
            Some(refusal) => refusal,
            None => {
                let body = Body::from(self.body.clone());
                let request = HttpRequest::from_parts(self.head.clone(), body);
                self.front.service.call(request).await.map_err(|_| Cut)?
            }
        };
        self.stamp_date(reply.headers_mut());
        Ok(reply)
    }

    fn refuse(&self) -> Option<HttpResponse> {
        let now = self.front.clock.now();
        refusal::skewed(&self.head, now)
            .or_else(|| refusal::misdirected(&self.head, &self.front.settings()))
    }

    fn scripted(&self, mut reply: HttpResponse, headers: &[(String, String)]) -> HttpResponse {
        self.stamp_date(reply.headers_mut());
        for (name, value) in headers {
            reply::set_header(reply.headers_mut(), name, value.as_bytes());
        }
        reply
    }

    fn stamp_date(&self, headers: &mut HeaderMap) {
        let date = self.front.settings().date.clone();
        let is_read = self.head.method == Method::GET;
        let ahead = |seconds| http_date(self.front.clock.now() + TimeDelta::seconds(seconds));
        let date = match date {
            DateHeader::AheadOnReads(seconds) if is_read => ahead(seconds),
            DateHeader::AheadOnWrites(seconds) if !is_read => ahead(seconds),
            DateHeader::Clock | DateHeader::AheadOnReads(_) | DateHeader::AheadOnWrites(_) => {
                ahead(0)
            }
            DateHeader::Ahead(seconds) => ahead(seconds),
            DateHeader::Fixed(text) => text,
            DateHeader::Absent => return,
        };
        reply::set_header(headers, DATE.as_str(), date.as_bytes());
    }
}
