//! Where keys come from, and for how long: looked up when first needed, kept, and renewed before
//! they expire.

mod chain;
mod container;
mod document;
mod instance;
mod kept;
mod process;
mod profile_keys;
mod source;
mod tools;
mod web_identity;

use std::sync::Mutex;
use std::time::Duration;

use rusoto_core::credential::AwsCredentials;

use crate::error::{LockError, StorageErrorKind, seconds};
use crate::sync::lock;

use chain::Place;
use kept::{Kept, Standing};
pub(crate) use source::Source;
pub(crate) use tools::Tools;
use tools::{Failure, Found};

/// Credentials, looked up when first needed and kept for as long as they are good. A failure is
/// not kept.
pub(crate) struct Credentials {
    tools: Tools,
    state: Mutex<State>,
    /// Held by the one that looks them up; the others wait for it, or do with the old ones.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    kept: Option<Kept>,
    /// Where the last ones were found.
    place: Option<Place>,
    /// How many look-ups have ended, and how the last one failed, if it did: for those that were
    /// waiting for it.
    lookups: u64,
    failure: Option<Failure>,
}

impl Credentials {
    pub(crate) fn new(tools: Tools) -> Credentials {
        Credentials {
            tools,
            state: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// Credentials to sign with, within `limit`.
    pub(crate) async fn get(&self, limit: Duration) -> Result<AwsCredentials, LockError> {
        if let Source::Fixed(credentials) = &self.tools.source {
            return Ok(credentials.clone());
        }
        match self.standing() {
            Standing::Good(credentials) => Ok(credentials),
            Standing::Ageing(credentials) => Ok(self.renewed(credentials, limit).await),
            Standing::Missing => Ok(self.waited_for(limit).await?),
        }
    }

    /// Looks them up anew next time, unless `used` have been replaced already.
    pub(crate) fn forget(&self, used: &AwsCredentials) {
        let mut state = lock(&self.state);
        if state.kept.as_ref().is_some_and(|kept| kept.are(used)) {
            state.kept = None;
        }
    }

    fn standing(&self) -> Standing {
        let (now, wall) = (self.tools.clock.now(), self.tools.clock.wall());
        match &lock(&self.state).kept {
            Some(kept) => kept.standing(now, wall),
            None => Standing::Missing,
        }
    }

    /// Newer credentials than `old`, or `old` if somebody else is at it or none are to be had.
    async fn renewed(&self, old: AwsCredentials, limit: Duration) -> AwsCredentials {
        let Ok(_turn) = self.turn.try_lock() else {
            return old;
        };
        if let Standing::Good(newer) = self.standing() {
            return newer;
        }
        // The old ones still do, so the request must not suffer for this.
        match self.look_up(limit / 2).await {
            Ok(newer) => newer,
            Err(failure) => {
                log::warn!("credentials that soon expire could not be renewed yet: {failure}");
                old
            }
        }
    }

    /// Credentials where there are none: by a look-up of its own, or by that which is under way.
    async fn waited_for(&self, limit: Duration) -> Result<AwsCredentials, Failure> {
        let start = self.tools.clock.now();
        let before = lock(&self.state).lookups;
        let turn = tokio::time::timeout(limit, self.turn.lock()).await;
        let Ok(_turn) = turn else {
            let what = format!(
                "another thread's look-up of the credentials did not end within {}",
                seconds(&limit)
            );
            return Err(Failure::storage(StorageErrorKind::NoAnswer, what));
        };
        match self.standing() {
            Standing::Good(found) | Standing::Ageing(found) => return Ok(found),
            Standing::Missing => {}
        }
        if let Some(failure) = self.failed_since(before) {
            return Err(failure);
        }
        let left = limit.saturating_sub(self.tools.clock.now().at_most_since(start));
        self.look_up(left).await
    }

    /// How the latest look-up failed, if it ended after the first `before` of them: or else each
    /// of many threads would wait in turn for the same failure.
    fn failed_since(&self, before: u64) -> Option<Failure> {
        let state = lock(&self.state);
        let failure = state.failure.as_ref().filter(|_| state.lookups > before)?;
        // Another's time was too short, which says nothing of this one's.
        (failure.kind() != Some(StorageErrorKind::NoAnswer)).then(|| failure.clone())
    }

    async fn look_up(&self, limit: Duration) -> Result<AwsCredentials, Failure> {
        let last = lock(&self.state).place;
        let result = chain::look_up(&self.tools, last, limit).await;
        let (now, wall) = (self.tools.clock.now(), self.tools.clock.wall());
        let mut state = lock(&self.state);
        state.lookups += 1;
        match result {
            Ok((Found(found), place)) => {
                state.kept = Some(Kept::new(found.clone(), now, wall));
                state.place = Some(place);
                state.failure = None;
                Ok(found)
            }
            Err(failure) => {
                if let Some(kept) = &mut state.kept {
                    kept.leave_alone(now, wall);
                }
                state.failure = Some(failure.clone());
                Err(failure)
            }
        }
    }
}
