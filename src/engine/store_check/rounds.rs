//! Racing a store in earnest: many races, of writers on connections of their own, perhaps to several
//! endpoints.

use std::thread;

use crate::engine::lock_context::LockContext;
use crate::engine::session::Session;
use crate::engine::store_check::race::{
    Departure, Judgement, Run, Start, WriterPlan, judge, run_writers,
};
use crate::engine::store_check::scratch;
use crate::engine::store_check::story::story;
use crate::protocol::{Condition, ETag, Location, Refusal};
use crate::store::interface::{Found, Put};
use crate::sys::{logs, random};
use crate::types::errors::{ConfigError, LockError, StorageErrorKind};
use crate::types::store_report::{EtagForm, Finding, StoreReport, WriteKind};

/// How many write at once.
pub(crate) const WRITERS: usize = 8;
/// The most rounds of one call. With hundreds a store that fails now and then is found out; more need
/// only be asked for again.
pub(crate) const MAX_ROUNDS: u32 = 1_000;
/// After so many races in a row in which nobody was answered, there is nobody to be asked.
const MAX_SILENCE: u32 = 3;

/// What the keys begin with, in the folder of a lock.
const NAME: &str = ".s3-lock-race-";

const FOR_THE_RACE: &str = "objects beginning with .s3-lock-race- in the lock's folder are written and \
                            read (s3:PutObject, s3:GetObject) to race the store";

impl LockContext {
    /// Checks the store, and then races it so often, with the connections of all these clients. What is
    /// found is remembered.
    pub(crate) fn race_store(
        &self,
        rounds: u32,
        sessions: Vec<Session>,
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
    /// How many races in a row were without any answer.
    silence: u32,
    may_remove: bool,
}

/// What is there after a race.
struct Standing {
    etag: ETag,
    body: Vec<u8>,
}

impl Races<'_> {
    /// One race of creates, and one of replacements of what it made. Returns what a store is told that
    /// has lost one of them.
    fn round(&mut self, round: u32) -> Result<Option<StoreReport>, LockError> {
        let at = scratch::beside(&self.context.location, &self.name()?);
        let raced = self.on(&at);
        let remove = self.may_remove && !matches!(raced, Err(LockError::Config(_)));
        if remove && !self.remove(&at)? {
            // Nor will the next one be.
            logs::debug!("{} and its like may not be removed, and are left", at.key);
            self.may_remove = false;
        }
        let race = raced?;
        Ok(race.map(|(kind, race)| {
            let report = StoreReport::broken(&at.bucket, &at.key, Finding::NotAtomic(kind));
            report.with_race(Some(race)).in_round(round)
        }))
    }

    fn on(&mut self, at: &Location) -> Result<Option<(WriteKind, String)>, LockError> {
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

    /// One race. Returns how it refutes the store, if it does, and what stands then.
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
                give_up_for_good(runs)?;
                None
            }
        };
        Ok((race, standing))
    }

    /// Has all the writers run, each client's on a thread of its own: its connections belong to its
    /// runtime.
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
        let run = |session: &Session, entries: Vec<WriterPlan>| {
            let limit = session.request_timeout();
            session.run(async {
                Ok(run_writers(session, at, condition, entries, &start, limit).await)
            })
        };
        thread::scope(|scope| {
            let mut threads = Vec::new();
            for (session, entries) in teams {
                let thread = thread::Builder::new().name("s3-lock-race".to_owned());
                let thread = thread.spawn_scoped(scope, || run(session, entries));
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

    /// Ends the call when there is nobody to be asked.
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

    /// What stands, if the store says.
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

    /// A name that nobody has ever written to.
    fn name(&self) -> Result<String, LockError> {
        let nonce = random::nonce().map_err(LockError::of_this_machine)?;
        Ok(format!("{NAME}{}", String::from(nonce)))
    }
}

/// Half of them go at once, and half when another was answered.
fn departure(number: usize) -> Departure {
    if number <= WRITERS / 2 {
        Departure::Together
    } else {
        Departure::AfterAnAnswer
    }
}

/// An error that asking again would not mend, if a writer was told of one.
fn give_up_for_good(runs: Vec<Run>) -> Result<(), LockError> {
    for run in runs {
        match run.put {
            Put::Refused(Refusal::Denied, error) => return Err(explain(error)),
            Put::NotSent(error) if !error.may_pass() => return Err(explain(error)),
            _ => {}
        }
    }
    Ok(())
}

/// Says what a permission that is missing is for.
fn explain(error: LockError) -> LockError {
    match error {
        LockError::Storage(error) if error.kind() == StorageErrorKind::AccessDenied => {
            error.with_hint(FOR_THE_RACE).into()
        }
        other => other,
    }
}
