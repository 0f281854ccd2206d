//! Races a store in many rounds, with writers on connections of their own, possibly to several endpoints.
//! `S3Lock::race_store` and `race_store_with` call this; each round races creates, then replacements.

use std::thread;
use std::time::Duration;

use crate::engine::lock_context::LockContext;
use crate::engine::session::Session;
use crate::engine::store_check::attempt::is_missing_permission;
use crate::engine::store_check::race::{
    Departure, Judgement, Run, Start, WriterPlan, judge, run_writers,
};
use crate::engine::store_check::scratch;
use crate::engine::store_check::story::story;
use crate::protocol::{Condition, ETag, Location, Refusal};
use crate::store::interface::{Found, Put};
use crate::sys::{logs, random};
use crate::types::errors::{ConfigError, LockError};
use crate::types::store_report::{EtagForm, Finding, StoreReport, WriteKind};

/// How many writers a race has.
pub(crate) const WRITERS: usize = 8;
/// The most rounds of one call. Hundreds of rounds find a store that fails now and then. For more, the
/// caller can call again.
pub(crate) const MAX_ROUNDS: u32 = 1_000;
/// After this many races in a row without any answer, the call fails.
const MAX_SILENCE: u32 = 3;

/// The start of the objects' names, in the folder of the lock.
const NAME: &str = ".s3-lock-race-";

const FOR_THE_RACE: &str = "race_store writes and reads (s3:PutObject, s3:GetObject) objects in the lock's \
                            folder whose names start with .s3-lock-race-";

impl LockContext {
    /// Checks the store, and then races it in `rounds` rounds, over the connections of all `sessions`.
    /// Remembers the report. Tells `progress` how many rounds are over.
    pub(crate) fn race_store(
        &self,
        rounds: u32,
        sessions: Vec<Session>,
        progress: &mut dyn FnMut(u32),
    ) -> Result<StoreReport, LockError> {
        if !(1..=MAX_ROUNDS).contains(&rounds) {
            let reason = format!("it must be from 1 to {MAX_ROUNDS}");
            return Err(ConfigError::invalid("rounds", &rounds.to_string(), &reason).into());
        }
        if !(1..=WRITERS).contains(&sessions.len()) {
            let reason = format!("there must be from 1 to {WRITERS}");
            let number = sessions.len().to_string();
            return Err(ConfigError::invalid("clients", &number, &reason).into());
        }
        let checked = self.session.run(self.check_store())?;
        for session in &sessions {
            // A writer that came late to a race would spoil it.
            session.run(async {
                session.ready(Duration::MAX).await;
                Ok(())
            })?;
        }
        let form = checked.etag_form().unwrap_or(EtagForm::Quoted);
        let mut races = Races {
            context: self,
            sessions,
            form,
            decided: 0,
            silence: 0,
            may_remove: true,
        };
        for round in 1..=rounds {
            if let Some(broken) = races.round(round)? {
                self.remember(&broken);
                return Err(LockError::UnsafeStore(Box::new(broken)));
            }
            progress(round);
        }
        let report = checked.raced(races.decided);
        self.remember(&report);
        Ok(report)
    }
}

/// The races of one call.
struct Races<'a> {
    context: &'a LockContext,
    sessions: Vec<Session>,
    form: EtagForm,
    decided: u32,
    /// How many races in a row had no answer at all.
    silence: u32,
    may_remove: bool,
}

/// The object after a race.
struct Standing {
    etag: ETag,
    body: Vec<u8>,
}

impl Races<'_> {
    /// One race of creates, and one of replacements of the object that they made. Returns a report if one
    /// of them refutes the store.
    fn round(&mut self, round: u32) -> Result<Option<StoreReport>, LockError> {
        let at = scratch::beside(&self.context.location, &self.name()?);
        let raced = self.race_both(&at);
        let remove = self.may_remove && !matches!(raced, Err(LockError::Config(_)));
        if remove && !self.remove(&at)? {
            // A permission is missing, so it would fail for the next object too.
            logs::debug!(
                "{} and other race objects could not be deleted, and stay",
                at.key
            );
            self.may_remove = false;
        }
        let race = raced?;
        Ok(race.map(|(kind, race)| {
            let report = StoreReport::broken(&at.bucket, &at.key, Finding::NotAtomic(kind));
            report.with_race(Some(race)).in_round(round)
        }))
    }

    fn race_both(&mut self, at: &Location) -> Result<Option<(WriteKind, String)>, LockError> {
        let (race, standing) = self.race(at, &Condition::Absent, None)?;
        if let Some(race) = race {
            return Ok(Some((WriteKind::Create, race)));
        }
        let Some(Standing { etag, .. }) = standing else {
            return Ok(None);
        };
        let condition = Condition::Matches(self.form.spell(&etag));
        let (race, _) = self.race(at, &condition, Some(&etag))?;
        Ok(race.map(|race| (WriteKind::Replace, race)))
    }

    /// One race. Returns its story if it refutes the store, and the object after it.
    fn race(
        &mut self,
        at: &Location,
        condition: &Condition,
        over: Option<&ETag>,
    ) -> Result<(Option<String>, Option<Standing>), LockError> {
        let runs = self.run(at, condition)?;
        self.note_silence(&runs)?;
        let standing = self.read(at)?;
        let body = standing.as_ref().map(|standing| standing.body.as_slice());
        let race = match judge(&runs, WRITERS, body) {
            Judgement::Refuted(done) => Some(story(&at.key, over, &runs, &done)),
            Judgement::Decided => {
                self.decided += 1;
                None
            }
            Judgement::Open => {
                fail_if_permanent(runs)?;
                None
            }
        };
        Ok((race, standing))
    }

    /// Runs all writers, with a thread for each client: a client's connections belong to its runtime.
    fn run(&self, at: &Location, condition: &Condition) -> Result<Vec<Run>, LockError> {
        let start = Start::of(WRITERS);
        let mut teams: Vec<_> = self.sessions.iter().map(|s| (s, Vec::new())).collect();
        for number in 1..=WRITERS {
            let team = number % teams.len();
            teams[team].1.push(WriterPlan {
                number,
                body: scratch::scratch_body()?,
                departure: departure(number),
            });
        }
        let run = |session: &Session, plans: Vec<WriterPlan>| {
            let limit = session.request_timeout();
            session
                .run(async { Ok(run_writers(session, at, condition, plans, &start, limit).await) })
        };
        thread::scope(|scope| {
            let mut threads = Vec::new();
            for (session, plans) in teams {
                let thread = thread::Builder::new().name("s3-lock-race".to_owned());
                let thread = thread.spawn_scoped(scope, || run(session, plans));
                threads.push(thread.map_err(LockError::of_this_machine)?);
            }
            let mut runs = Vec::new();
            for thread in threads {
                let team = thread.join();
                runs.extend(team.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
            }
            runs.sort_by_key(|run| run.number);
            Ok(runs)
        })
    }

    /// Fails after too many races without any answer.
    fn note_silence(&mut self, runs: &[Run]) -> Result<(), LockError> {
        let no_answer = |run: &Run| match &run.put {
            Put::NotSent(_) => true,
            Put::Unknown(LockError::Storage(error)) => !error.is_answer(),
            _ => false,
        };
        self.silence = if runs.iter().all(no_answer) {
            self.silence + 1
        } else {
            0
        };
        if self.silence < MAX_SILENCE {
            return Ok(());
        }
        let error = runs.iter().find_map(|run| match &run.put {
            Put::NotSent(LockError::Storage(error)) | Put::Unknown(LockError::Storage(error)) => {
                Some(error.clone())
            }
            _ => None,
        });
        error.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Reads the object. `None` if it does not exist or the read failed in passing.
    fn read(&self, at: &Location) -> Result<Option<Standing>, LockError> {
        let client = &self.context.session;
        let limit = client.request_timeout();
        match client.run(client.read(at, limit)) {
            Ok(Found::Object(object)) => Ok(Some(Standing {
                etag: object.etag,
                body: object.body,
            })),
            Ok(Found::Absent { .. }) => Ok(None),
            Ok(Found::Hidden { error, .. }) => Err(explain(error)),
            Err(error) if error.may_pass() => Ok(None),
            Err(error) => Err(explain(error)),
        }
    }

    fn remove(&self, at: &Location) -> Result<bool, LockError> {
        let client = &self.context.session;
        let limit = client.request_timeout();
        client.run(async { Ok(client.store().remove(at, limit).await) })
    }

    /// A new name that nobody has written to.
    fn name(&self) -> Result<String, LockError> {
        let nonce = random::nonce().map_err(LockError::of_this_machine)?;
        Ok(format!("{NAME}{}", String::from(nonce)))
    }
}

/// Half of the writers send their last byte together, the other half after another writer was answered.
fn departure(number: usize) -> Departure {
    if number <= WRITERS / 2 {
        Departure::Together
    } else {
        Departure::AfterAnAnswer
    }
}

/// Fails if a writer got an error that a retry would not fix.
fn fail_if_permanent(runs: Vec<Run>) -> Result<(), LockError> {
    for run in runs {
        match run.put {
            Put::Refused(Refusal::Denied, error) => return Err(explain(error)),
            Put::NotSent(error) if !error.may_pass() => return Err(explain(error)),
            _ => {}
        }
    }
    Ok(())
}

/// Adds what a missing permission is for.
fn explain(error: LockError) -> LockError {
    match error {
        LockError::Storage(error) if is_missing_permission(&error) => {
            error.with_hint(FOR_THE_RACE).into()
        }
        other => other,
    }
}
