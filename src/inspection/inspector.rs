//! Asks a client about what it goes by, and its store about what it permits, one request at a time.

use std::time::Duration;

use crate::api::client::Client;
use crate::api::lock::S3Lock;
use crate::engine::lock_context::LockContext;
use crate::engine::store_check::scratch;
use crate::inspection::answers::{Looked, Place, Probed, Seen, Version, Written};
use crate::protocol::{Condition, ETag, Location};
use crate::store::interface::Put;
use crate::sys::random;
use crate::types::errors::LockError;
use crate::types::inspection::{Signer, Way};
use crate::types::names::queue_of;
use crate::types::request_prices::RequestPrices;
use crate::types::store_report::{EtagForm, StoreReport, made_up};

/// Asks about one lock.
#[derive(Debug)]
pub struct Inspector {
    lock: S3Lock,
    absent: Location,
}

/// The start of a name that no object has. Whoever may race a store may write there.
const ABSENT: &str = ".s3-lock-race-";

impl Inspector {
    /// For this lock.
    pub fn of(lock: &S3Lock) -> Result<Inspector, LockError> {
        let nonce = random::nonce().map_err(LockError::of_this_machine)?;
        let name = format!("{ABSENT}{}", String::from(nonce));
        Ok(Inspector {
            absent: scratch::beside(&lock.context.location, &name),
            lock: lock.clone(),
        })
    }

    /// Where requests go. Reads files, and sends nothing.
    pub fn way(&self) -> Result<Way, LockError> {
        let session = &self.context().session;
        let bucket = &self.context().location.bucket;
        session.run(session.store().way(bucket, session.request_timeout()))
    }

    /// Who signs requests. Looks up the credentials, for a minute at the most.
    pub fn signer(&self) -> Result<Signer, LockError> {
        let session = &self.context().session;
        session.run(async {
            if let Some(error) = session.ready(Duration::MAX).await {
                return Err(error);
            }
            session.store().signer(session.request_timeout()).await
        })
    }

    /// The bucket of the lock.
    pub fn bucket(&self) -> &str {
        &self.context().location.bucket
    }

    /// The key of an object.
    pub fn key(&self, place: Place) -> String {
        self.location(place).key
    }

    /// Reads an object, with one request.
    pub fn look(&self, place: Place) -> Looked {
        let at = self.location(place);
        let session = &self.context().session;
        let clock = session.clock();
        let (sent, began) = (clock.wall(), clock.now());
        let found = session.run(session.read(&at, session.request_timeout()));
        let took = clock.now().at_most_since(began);
        let date = found.as_ref().ok().and_then(|found| found.date());
        Looked {
            seen: found.map(Seen::from),
            date,
            sent,
            took,
        }
    }

    /// Asks for the first page of the list of the lock's folder.
    pub fn list(&self) -> Result<(), LockError> {
        let Location { bucket, key } = &*self.context().location;
        let prefix = key.rsplit_once('/').map_or("", |(folder, _)| folder);
        let prefix = if prefix.is_empty() {
            String::new()
        } else {
            format!("{prefix}/")
        };
        let session = &self.context().session;
        let limit = session.request_timeout();
        let page = session.run(session.store().list(bucket, &prefix, None, limit));
        page.map(drop)
    }

    /// Sends a write whose condition cannot hold: it names an ETag that no version ever had. **Only a store that
    /// honours conditions may be asked this**: another one would write. The body is what was `seen` there.
    pub fn probe(&self, place: Place, seen: Option<&Version>) -> Result<Probed, LockError> {
        let at = self.location(place);
        let session = &self.context().session;
        let nonce = random::nonce().map_err(LockError::of_this_machine)?;
        let like = seen.map_or_else(usual_etag, |version| version.etag.clone());
        let form = session.check_cache().etag_form(&at.bucket);
        let etag = form
            .unwrap_or(EtagForm::Quoted)
            .spell(&made_up(&like, nonce));
        let body = seen.map_or_else(Vec::new, |version| version.body.clone());
        let put = self.put(&at, body, &Condition::Matches(etag))?;
        let probed = Probed::from(put);
        if place == Place::Absent && matches!(probed, Probed::Accepted) {
            // Whether that is permitted or not: it does no harm.
            session
                .run(async { Ok(session.store().remove(&at, session.request_timeout()).await) })?;
        }
        Ok(probed)
    }

    /// Creates the scratch object, unless it is there. Whether it was permitted is told by the answer.
    pub fn create_scratch(&self) -> Result<Probed, LockError> {
        let at = self.location(Place::Scratch);
        let body = scratch::scratch_body()?;
        Ok(match self.put(&at, body, &Condition::Absent)? {
            Put::Applied { .. } => Probed::Refused,
            other => Probed::from(other),
        })
    }

    /// Replaces this version of the scratch object, with one request.
    pub fn replace_scratch(&self, over: &Version) -> Result<Written, LockError> {
        let at = self.location(Place::Scratch);
        let body = scratch::scratch_body()?;
        let clock = self.context().session.clock();
        let session = &self.context().session;
        let form = session.check_cache().etag_form(&at.bucket);
        let etag = form.unwrap_or(EtagForm::Quoted).spell(&over.etag);
        let began = clock.now();
        let put = self.put(&at, body.clone(), &Condition::Matches(etag))?;
        let took = clock.now().at_most_since(began);
        let version = match put {
            Put::Applied { etag, .. } => Ok(Some(Version { etag, body })),
            put => match Probed::from(put) {
                Probed::Denied(error) | Probed::Undecided(error) => Err(error),
                _ => Ok(None),
            },
        };
        Ok(Written { version, took })
    }

    /// Races the store as [`S3Lock::race_store_with`] does. Tells `progress` how many rounds are over.
    pub fn race_store(
        &self,
        rounds: u32,
        clients: &[Client],
        progress: &mut dyn FnMut(u32),
    ) -> Result<StoreReport, LockError> {
        let sessions: Result<_, _> = clients.iter().map(Client::session).collect();
        self.context().race_store(rounds, sessions?, progress)
    }

    fn put(&self, at: &Location, body: Vec<u8>, condition: &Condition) -> Result<Put, LockError> {
        let session = &self.context().session;
        let limit = session.request_timeout();
        session.run(async { Ok(session.write(at, body, condition, limit, None).await) })
    }

    fn context(&self) -> &LockContext {
        &self.lock.context
    }

    fn location(&self, place: Place) -> Location {
        let lock = &*self.context().location;
        match place {
            Place::Lock => lock.clone(),
            Place::Queue => queue_of(lock),
            Place::Scratch => scratch::at(lock),
            Place::Absent => self.absent.clone(),
        }
    }
}

/// What so many requests cost.
pub fn cost(prices: RequestPrices, reads: u64, writes: u64) -> f64 {
    prices.cost(reads, writes, 0)
}

/// S3's own look like this.
fn usual_etag() -> ETag {
    ETag(format!("\"{}\"", "0".repeat(32)))
}
