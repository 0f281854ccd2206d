//! Where keys come from, and for how long: looked up when first needed, kept, and renewed before
//! they expire.

mod chain;
mod container;
mod document;
mod instance;
mod kept;
mod look_up;
mod process;
mod profile_keys;
mod source;
mod tools;
mod web_identity;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusoto_core::credential::AwsCredentials;

use crate::protocol::Instant;
use crate::sys::sync::lock;
use crate::sys::{call, logs};
use crate::types::errors::{LockError, StorageErrorKind};
use crate::types::text::seconds;

use chain::Place;
use kept::{Kept, Standing};
use look_up::{LookUp, Outcome, Teller};
pub(crate) use source::Source;
pub(crate) use tools::Tools;
use tools::{Failure, Found};

/// Credentials, looked up when first needed and kept for as long as they are good.
///
/// A look-up is a task of its own: a request that has no time left stops waiting for it, and the next
/// one finds it further on. A failure is told to the calls that were under way, and not kept.
pub(crate) struct Credentials {
    shared: Arc<Shared>,
}

/// What a look-up works with. It must not own the client: the runtime would be dropped by a task of
/// its own.
struct Shared {
    tools: Tools,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    kept: Option<Kept>,
    /// Where the last ones were found.
    place: Option<Place>,
    /// How many look-ups have begun.
    lookups: u64,
    under_way: Option<LookUp>,
    /// How the last look-up failed, if it did.
    failed: Option<Failed>,
}

struct Failed {
    failure: Failure,
    /// The number of the look-up, and when it ended.
    number: u64,
    ended: Instant,
}

impl Credentials {
    pub(crate) fn new(tools: Tools) -> Credentials {
        let state = Mutex::default();
        Credentials {
            shared: Arc::new(Shared { tools, state }),
        }
    }

    /// Credentials to sign with, within `limit`.
    pub(crate) async fn get(&self, limit: Duration) -> Result<AwsCredentials, LockError> {
        if let Source::Fixed(credentials) = &self.shared.tools.source {
            return Ok(credentials.clone());
        }
        match self.shared.standing() {
            Standing::Good(credentials) => Ok(credentials),
            Standing::Ageing(credentials) => {
                // Beside this request and those to come, which have what they need.
                self.shared.look_up();
                Ok(credentials)
            }
            Standing::Missing => Ok(self.waited_for(limit).await?),
        }
    }

    /// Looks them up anew next time, unless `used` have been replaced already.
    pub(crate) fn forget(&self, used: &AwsCredentials) {
        let mut state = lock(&self.shared.state);
        if state.kept.as_ref().is_some_and(|kept| kept.are(used)) {
            state.kept = None;
        }
    }

    /// Others than `used`, which S3 has rejected, if they are to be had within `limit`.
    pub(crate) async fn instead_of(
        &self,
        used: &AwsCredentials,
        limit: Duration,
    ) -> Option<AwsCredentials> {
        self.forget(used);
        let newer = self.get(limit).await.ok()?;
        (!kept::are_same(&newer, used)).then_some(newer)
    }

    /// Credentials where there are none.
    async fn waited_for(&self, limit: Duration) -> Result<AwsCredentials, Failure> {
        if let Some(failure) = self.shared.news() {
            return Err(failure);
        }
        let found = tokio::time::timeout(limit, self.shared.found()).await;
        found.unwrap_or_else(|_| {
            let what = format!(
                "the look-up of the credentials did not end within {}",
                seconds(&limit)
            );
            Err(Failure::storage(StorageErrorKind::NoAnswer, what))
        })
    }
}

impl Shared {
    fn standing(&self) -> Standing {
        let (now, wall) = (self.tools.clock.now(), self.tools.clock.wall());
        match &lock(&self.state).kept {
            Some(kept) => kept.standing(now, wall),
            None => Standing::Missing,
        }
    }

    /// How the last look-up failed, if this call was under way by then: or else each of many threads
    /// would wait in turn for the same failure.
    fn news(&self) -> Option<Failure> {
        let state = lock(&self.state);
        let failed = state.failed.as_ref()?;
        call::is_news(failed.number, failed.ended).then(|| failed.failure.clone())
    }

    /// What the look-up under way brings, or one of this call's own.
    async fn found(self: &Arc<Self>) -> Result<AwsCredentials, Failure> {
        loop {
            let look_up = self.look_up();
            let mut waiter = look_up.wait();
            match waiter.outcome().await {
                Some(Outcome::Found(found)) => return Ok(found),
                Some(Outcome::Failed(failure)) if !waiter.came_late() => {
                    // It has been told now.
                    self.news();
                    return Err(failure);
                }
                // Where nobody waited, nobody may have driven it, and its time has passed unused.
                Some(Outcome::Failed(_)) | None => {}
            }
        }
    }

    /// The look-up that is under way: begun by this, if there was none.
    fn look_up(self: &Arc<Self>) -> LookUp {
        let mut state = lock(&self.state);
        if let Some(look_up) = state.under_way.as_ref().filter(|l| l.is_alive()) {
            return look_up.clone();
        }
        state.lookups += 1;
        let (look_up, teller) = LookUp::begin();
        state.under_way = Some(look_up.clone());
        let (number, last, shared) = (state.lookups, state.place, self.clone());
        drop(state);
        tokio::spawn(async move {
            let result = chain::look_up(&shared.tools, last).await;
            shared.end(number, result, &teller);
        });
        look_up
    }

    /// Keeps what a look-up has found, and tells those who wait for it.
    fn end(&self, number: u64, result: Result<(Found, Place), Failure>, teller: &Teller) {
        let (now, wall) = (self.tools.clock.now(), self.tools.clock.wall());
        let mut warning = None;
        let mut state = lock(&self.state);
        state.under_way = None;
        let outcome = match result {
            Ok((Found(found), place)) => {
                state.kept = Some(Kept::new(found.clone(), now, wall));
                state.place = Some(place);
                state.failed = None;
                Outcome::Found(found)
            }
            Err(failure) => {
                if let Some(kept) = &mut state.kept {
                    kept.leave_alone(now, wall);
                    warning = Some(failure.clone());
                }
                state.failed = (!teller.was_neglected()).then(|| Failed {
                    failure: failure.clone(),
                    number,
                    ended: now,
                });
                Outcome::Failed(failure)
            }
        };
        drop(state);
        teller.tell(outcome);
        if let Some(failure) = warning {
            logs::warn!("credentials that soon expire could not be renewed yet: {failure}");
        }
    }
}
