//! Keeps credentials: looks them up when first needed, and renews them before they expire.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use rusoto_core::credential::AwsCredentials;

use crate::protocol::Instant;
use crate::store::s3::credentials::chain;
use crate::store::s3::credentials::chain::Provider;
use crate::store::s3::credentials::context::LookUpContext;
use crate::store::s3::credentials::errors::failed;
use crate::store::s3::credentials::found::Found;
use crate::store::s3::credentials::freshness::{CachedCredentials, Freshness, are_same};
use crate::store::s3::credentials::source::Source;
#[cfg(feature = "cli")]
use crate::store::s3::settings::profile::Profile;
use crate::sys::sync::lock;
use crate::sys::{call, logs};
use crate::types::errors::{LockError, StorageErrorKind};
use crate::types::text::seconds;

/// Credentials that are looked up when first needed and kept while they are valid.
///
/// A look-up is a task of its own. A request that has no time left stops waiting for it, and the
/// next request finds it further on. The calls that were under way get its error. The error is not
/// kept.
pub(crate) struct CredentialsCache {
    inner: Arc<Inner>,
}

/// What a look-up works with. It must not own the client: then one of the runtime's own tasks would
/// drop the runtime.
struct Inner {
    context: LookUpContext,
    state: Mutex<CacheState>,
}

#[derive(Default)]
struct CacheState {
    cached: Option<CachedCredentials>,
    /// For people: where these were found.
    origin: Arc<str>,
    /// Where the last ones were found.
    provider: Option<Provider>,
    /// How many look-ups have begun.
    lookups: u64,
    under_way: Option<LookUp>,
    /// The error of the last look-up, if it failed.
    failure: Option<Failure>,
}

type LookUpOutcome = Result<Found, LockError>;
type SharedOutcome = Shared<BoxFuture<'static, LookUpOutcome>>;

struct LookUp {
    began: Instant,
    outcome: SharedOutcome,
    /// Whether nothing waited for it at some time: when another call came, or when it ended.
    /// Between calls nothing drives a look-up, and its time may have run out while it stood still.
    neglected: bool,
}

impl LookUp {
    fn is_neglected(&self) -> bool {
        // `self.outcome` is one of the clones itself.
        self.neglected || self.outcome.strong_count() == Some(1)
    }
}

struct Failure {
    error: LockError,
    /// The number of the look-up, and when it ended.
    number: u64,
    ended: Instant,
}

impl CredentialsCache {
    pub(crate) fn new(context: LookUpContext) -> CredentialsCache {
        let state = Mutex::default();
        CredentialsCache {
            inner: Arc::new(Inner { context, state }),
        }
    }

    /// Credentials to sign with, within `limit`.
    pub(crate) async fn get(&self, limit: Duration) -> LookUpOutcome {
        if let Source::Fixed(credentials) = &self.inner.context.source {
            let keys = credentials.clone();
            return Ok(Found::new(keys, "ClientBuilder::credentials"));
        }
        let (freshness, origin) = self.inner.freshness();
        match freshness {
            Freshness::Good(keys) => Ok(Found { keys, origin }),
            Freshness::Ageing(keys) => {
                // The look-up runs beside this request and later ones, which have credentials.
                drop(self.inner.join());
                Ok(Found { keys, origin })
            }
            Freshness::Missing => self.waited_for(limit).await,
        }
    }

    /// Waits for credentials when there are none, for `limit` at most. If there are still none, the next
    /// request of the same call says why.
    /// Returns the error if the time was too short for that.
    pub(crate) async fn ready(&self, limit: Duration) -> Option<LockError> {
        let is_fixed = matches!(self.inner.context.source, Source::Fixed(_));
        let is_missing = || matches!(self.inner.freshness().0, Freshness::Missing);
        if is_fixed || !is_missing() || self.inner.has_news() {
            return None;
        }
        let found = self.inner.context.clock.within(limit, self.inner.found());
        // Either outcome is kept.
        let found = found.await.map(drop);
        found.is_none().then(|| self.inner.unfinished())
    }

    /// The files that have the profile, if the credentials come from one, for people.
    #[cfg(feature = "cli")]
    pub(crate) async fn files(&self) -> Option<String> {
        if lock(&self.inner.state).provider != Some(Provider::Profile) {
            return None;
        }
        let context = &self.inner.context;
        let files = context.shared_files().await.ok()?;
        Some(Profile::among(&files, context.source.profile()).looked_in)
    }

    /// Makes the next request look them up anew, unless `used` have been replaced already.
    pub(crate) fn forget(&self, used: &AwsCredentials) {
        let mut state = lock(&self.inner.state);
        state.cached.take_if(|cached| cached.are(used));
    }

    /// Credentials other than `used`, which S3 has rejected, if the look-up finds some within
    /// `limit`.
    pub(crate) async fn instead_of(&self, used: &AwsCredentials, limit: Duration) -> Option<Found> {
        self.forget(used);
        let newer = self.get(limit).await.ok()?;
        (!are_same(&newer.keys, used)).then_some(newer)
    }

    /// Waits for credentials when there are none.
    async fn waited_for(&self, limit: Duration) -> LookUpOutcome {
        if let Some(error) = self.inner.news() {
            return Err(error);
        }
        let found = self.inner.context.clock.within(limit, self.inner.found());
        let found = found.await;
        if let Some(Err(_)) = found {
            // This call has reported it now.
            self.inner.news();
        }
        found.unwrap_or_else(|| Err(self.inner.unfinished()))
    }
}

impl Inner {
    /// What to do with the credentials, and where they were found.
    fn freshness(&self) -> (Freshness, Arc<str>) {
        let (now, wall) = (self.context.clock.now(), self.context.clock.wall());
        let state = lock(&self.state);
        let freshness = match &state.cached {
            Some(cached) => cached.freshness(now, wall),
            None => Freshness::Missing,
        };
        (freshness, state.origin.clone())
    }

    /// The error of the last look-up, if this call was under way when it ended. Otherwise each of
    /// many threads would wait in turn for the same failure.
    fn news(&self) -> Option<LockError> {
        let state = lock(&self.state);
        let failure = state.failure.as_ref()?;
        call::is_news(failure.number, failure.ended).then(|| failure.error.clone())
    }

    /// Whether [`news`](Inner::news) has an error. Leaves it to be told.
    fn has_news(&self) -> bool {
        let state = lock(&self.state);
        let failure = state.failure.as_ref();
        failure.is_some_and(|failure| call::has_news(failure.number, failure.ended))
    }

    /// The error for a call that has no time left to wait for a look-up.
    fn unfinished(&self) -> LockError {
        let now = self.context.clock.now();
        let state = lock(&self.state);
        let began = state
            .under_way
            .as_ref()
            .map_or(now, |look_up| look_up.began);
        let so_far = seconds(&now.at_least_since(began));
        // A source that hangs again and again is the reason, and not this look-up alone.
        let before = state.failure.as_ref();
        let before = before.map(|f| format!("; the one before failed: {}", f.error));
        let what = format!(
            "the credentials are still being looked up, for {so_far} so far; a later call finds the look-up \
             further on{}",
            before.unwrap_or_default()
        );
        failed(StorageErrorKind::NoAnswer, what)
    }

    /// The result of the look-up under way, or of one that this call starts.
    async fn found(self: &Arc<Self>) -> LookUpOutcome {
        loop {
            let (outcome, was_neglected) = self.join();
            match outcome.await {
                Ok(found) => return Ok(found),
                // Nothing may have driven it, so its time passed unused.
                Err(_) if was_neglected => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The outcome of the look-up that is under way. Starts one if there is none. Also returns
    /// whether the look-up was neglected before.
    fn join(self: &Arc<Self>) -> (SharedOutcome, bool) {
        let mut state = lock(&self.state);
        // A look-up with an outcome that is still listed here has panicked.
        let under_way = state.under_way.as_mut();
        if let Some(look_up) = under_way.filter(|l| l.outcome.peek().is_none()) {
            look_up.neglected = look_up.is_neglected();
            return (look_up.outcome.clone(), look_up.neglected);
        }
        state.lookups += 1;
        let (number, last, inner) = (state.lookups, state.provider, self.clone());
        let task = tokio::spawn(async move {
            let found = chain::look_up(&inner.context, last).await;
            inner.end(number, found)
        });
        let panicked = || {
            failed(
                StorageErrorKind::Local,
                "the look-up of the credentials ended without a result",
            )
        };
        let outcome = task.map(move |ended| ended.unwrap_or_else(|_| Err(panicked())));
        let outcome = outcome.boxed().shared();
        state.under_way = Some(LookUp {
            began: self.context.clock.now(),
            outcome: outcome.clone(),
            neglected: false,
        });
        (outcome, false)
    }

    /// Keeps the result of a look-up.
    fn end(&self, number: u64, found: Result<(Found, Provider), LockError>) -> LookUpOutcome {
        let (now, wall) = (self.context.clock.now(), self.context.clock.wall());
        let mut state = lock(&self.state);
        let look_up = state.under_way.take();
        let error = match found {
            Ok((found, provider)) => {
                state.cached = Some(CachedCredentials::new(found.keys.clone(), now, wall));
                state.origin = found.origin.clone();
                state.provider = Some(provider);
                state.failure = None;
                return Ok(found);
            }
            Err(error) => error,
        };
        let has_waiters = look_up.is_some_and(|look_up| !look_up.is_neglected());
        state.failure = has_waiters.then(|| Failure {
            error: error.clone(),
            number,
            ended: now,
        });
        let is_renewal = state.cached.is_some();
        if let Some(cached) = &mut state.cached {
            cached.leave_alone(now, wall);
        }
        drop(state);
        if is_renewal {
            logs::warn!("credentials that soon expire could not be renewed yet: {error}");
        }
        Err(error)
    }
}
