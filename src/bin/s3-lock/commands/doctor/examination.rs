//! The examination, step by step. A step that makes no sense after another has failed is not tried, and says so.

use s3_lock::inspection::{Inspector, Looked, Place, Probed, Seen};
use s3_lock::{LockError, LockStatus, S3Lock, StorageErrorKind, StoreReport};

use crate::commands::doctor::measure::Measured;
use crate::commands::doctor::permissions::ForAbsent;
use crate::commands::doctor::permits;
use crate::commands::doctor::permits::{Trust, Where};
use crate::commands::doctor::race::Plan;
use crate::commands::doctor::store_check::{self, Checked};
use crate::output::doctor::{
    ClockOffset, ConditionalWrites, CostTable, Costs, Credentials, Finding, Permit, Race, Report,
    RoundTrips, Settings, Status,
};
use crate::output::progress::Progress;

/// What is examined, and how.
pub struct Examination<'a> {
    pub lock: &'a S3Lock,
    pub inspector: Inspector,
    /// Whether a client uses a store that is not AWS without a check.
    pub assumes: bool,
    pub race: Option<Plan>,
    pub progress: &'a Progress,
}

/// What is examined, as the report names it.
pub struct Names {
    url: String,
    bucket: String,
    key: String,
}

impl Names {
    pub fn of(url: &str, inspector: &Inspector) -> Names {
        Names {
            url: url.to_owned(),
            bucket: inspector.bucket().to_owned(),
            key: inspector.key(Place::Lock),
        }
    }

    /// The report if the settings are wrong, so that nothing can be sent.
    pub fn without_settings(self, settings: Settings, race: Option<Plan>) -> Report {
        let why = "the settings are wrong";
        let credentials = Credentials::none(Finding::not_tried(why));
        self.report(settings, credentials, OfStore::not_tried(why, race))
    }

    fn report(self, settings: Settings, credentials: Credentials, of_store: OfStore) -> Report {
        let report = Report {
            url: self.url,
            bucket: self.bucket,
            key: self.key,
            locks_work: None,
            exit_status: 0,
            settings,
            credentials,
            reachable: of_store.reachable,
            lock: of_store.lock,
            permissions: of_store.permissions,
            conditional_writes: of_store.conditional_writes,
            clock: of_store.clock,
            round_trips: of_store.round_trips,
            costs: CostTable::in_us_east_1(),
            race: of_store.race,
        };
        report.judged()
    }
}

/// What was found out of the store.
struct OfStore {
    reachable: Finding,
    lock: Finding,
    permissions: Vec<Permit>,
    conditional_writes: ConditionalWrites,
    clock: ClockOffset,
    round_trips: RoundTrips,
    race: Option<Race>,
}

impl Examination<'_> {
    pub fn report(self, url: &str) -> Result<Report, LockError> {
        let settings = Settings::found(self.inspector.way());
        let names = Names::of(url, &self.inspector);
        let Some(is_aws) = settings.is_aws else {
            return Ok(names.without_settings(settings, self.race));
        };
        self.progress.now("credentials");
        let signer = self.inspector.signer();
        let has_keys = signer.is_ok();
        let credentials = Credentials::found(signer);
        let of_store = if has_keys {
            self.of_store(is_aws)?
        } else {
            OfStore::not_tried("there are no credentials", self.race)
        };
        Ok(names.report(settings, credentials, of_store))
    }

    fn of_store(self, is_aws: bool) -> Result<OfStore, LockError> {
        self.progress.now("the bucket");
        let looked = self.inspector.look(Place::Lock);
        if let Some(error) = out_of_reach(&looked) {
            return Ok(OfStore::out_of_reach(error, self.race));
        }
        self.progress.now("conditional writes");
        let at = Where {
            is_aws,
            is_needed: !is_aws && !self.assumes,
        };
        let absent = ForAbsent::seen_by(&self.inspector, at)?;
        let checked = self.check(&absent);
        let Checked {
            told,
            trust,
            is_unsafe,
        } = Checked::of(&checked, at);
        self.progress.now("permissions");
        let scratch = store_check::scratch(&self.inspector, &checked, at)?;
        let permissions =
            permits::examine(&self.inspector, &looked.seen, &scratch, &absent, trust)?;
        self.progress.now("round trips");
        let measured = Measured::by(&self.inspector, trust)?;
        Ok(OfStore {
            reachable: reached(self.inspector.bucket(), &permissions),
            lock: self.state(&looked),
            permissions,
            clock: measured.clock(told.uses_store_clock),
            round_trips: measured.round_trips(),
            race: self.race(trust, is_unsafe),
            conditional_writes: told,
        })
    }

    /// Checks the store, unless a first read and write came to nothing: the check would try again and again.
    fn check(&self, absent: &ForAbsent) -> Result<StoreReport, LockError> {
        match &absent.write {
            Probed::Undecided(error) if is_final(error) || absent.read.is_err() => {
                Err(error.clone())
            }
            _ => self.lock.check_store(),
        }
    }

    /// What the lock is, if it can be read.
    fn state(&self, looked: &Looked) -> Finding {
        if !matches!(looked.seen, Ok(Seen::Object(_) | Seen::Absent)) {
            return Finding::not_tried("it cannot be read");
        }
        match self.lock.status() {
            Ok(status @ LockStatus::Held(_)) => Finding::ok(format!("{status}; it is left alone")),
            Ok(status) => Finding::ok(status.to_string()),
            Err(error) => Finding::failed(&error),
        }
    }

    fn race(self, trust: Trust, is_unsafe: bool) -> Option<Race> {
        let plan = self.race?;
        Some(if is_unsafe {
            plan.not_tried("the store has failed already")
        } else if trust == Trust::Proven {
            plan.carry_out(&self.inspector, self.progress)
        } else {
            plan.not_tried("the store could not be checked")
        })
    }
}

/// A bucket that answers. Some stores deny everything to those whose keys are wrong: Ceph's gateway, with its STS.
fn reached(bucket: &str, permissions: &[Permit]) -> Finding {
    let is_ok = |permit: &Permit| permit.finding.status == Status::Ok;
    if permissions.iter().any(is_ok) {
        return Finding::ok(format!("{bucket} answers"));
    }
    let what = format!("{bucket} answers, and permits nothing");
    Finding::new(Status::Warn, what)
        .with_remedy("check the access key, its secret and its session token first")
}

/// The error after which no other request makes sense, if it is one.
fn out_of_reach(looked: &Looked) -> Option<&LockError> {
    looked.seen.as_ref().err().filter(|error| is_final(error))
}

/// Whether every other request would probably end in the same way.
fn is_final(error: &LockError) -> bool {
    use StorageErrorKind::{
        ClockSkewed, Credentials, Local, NoAnswer, NoSuchBucket, Unreachable, WrongRegion,
    };
    match error {
        LockError::Storage(error) => matches!(
            error.kind(),
            ClockSkewed | Credentials | Local | NoAnswer | NoSuchBucket | Unreachable | WrongRegion
        ),
        _ => true,
    }
}

impl OfStore {
    fn not_tried(why: &str, race: Option<Plan>) -> OfStore {
        let finding = || Finding::not_tried(why);
        OfStore {
            reachable: finding(),
            lock: finding(),
            permissions: Vec::new(),
            conditional_writes: ConditionalWrites::untold(finding(), None),
            clock: ClockOffset::untold(finding()),
            round_trips: RoundTrips {
                finding: finding(),
                get: None,
                put: None,
            },
            race: race.map(|plan| plan.not_tried(why)),
        }
    }

    fn out_of_reach(error: &LockError, race: Option<Plan>) -> OfStore {
        let reachable = Finding::failed(error);
        OfStore {
            reachable,
            ..OfStore::not_tried("the bucket does not answer as it should", race)
        }
    }
}

impl CostTable {
    pub fn in_us_east_1() -> CostTable {
        let costs = Costs::in_us_east_1();
        let found = format!(
            "a million cycles ${:.2}, each by a new client ${:.2}; to wait for an hour ${:.4}, among several \
             ${:.4}; to hold and renew for a day ${:.4} (S3 in us-east-1)",
            costs.cycle_warm * 1e6,
            costs.cycle_cold * 1e6,
            costs.waiter_hour,
            costs.waiter_hour_among_several,
            costs.held_day
        );
        CostTable {
            finding: Finding::new(Status::Ok, found),
            currency: "USD",
            costs,
        }
    }
}
