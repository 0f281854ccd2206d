//! The rules, one branch at a time: events in, steps out, no store and no clock.

use std::time::Duration;

use super::cas::{Cas, Progress};
use super::lease::Learned;
use super::record::{Advice, Holder, MAX_TOKEN, Nonce, Record, Stamp};
use super::*;

mod acquire;
mod cas;
mod expiry;
mod force_release;
mod hand_over;
mod instant;
mod lease;
mod once;
mod pace;
mod queue;
mod reclaim;
mod release;
mod release_by_name;
mod renew;
mod turn;
mod verify;
mod writes;

const LEASE: Duration = Duration::from_secs(100);
const MARGIN: Duration = Duration::from_secs(2);
const EXPIRY_RULE: ExpiryRule = ExpiryRule {
    margin: MARGIN,
    store_clock: true,
};

fn at(millis: u64) -> Instant {
    Instant::from_origin(Duration::from_millis(millis))
}

/// A point at which the machine may have slept for `slept`, by a clock that did not tell.
fn after_sleep(millis: u64, slept: u64) -> Instant {
    let awake = Duration::from_millis(millis);
    Instant::between(awake, awake + Duration::from_millis(slept))
}

fn stamp() -> Stamp {
    std::time::SystemTime::UNIX_EPOCH.into()
}

/// The inputs at a time, with a nonce that no other turn of the test has.
fn turn(millis: u64, nonce: u128) -> Inputs {
    Inputs {
        now: at(millis),
        nonce: Nonce(nonce),
        wall: stamp(),
        trusts_date: true,
        advice: Advice::default(),
        others_wait: false,
    }
}

fn record(owner: &str, token: u64, nonce: u128) -> Record {
    let holder = Holder {
        owner: owner.to_owned(),
        lease: LEASE,
        acquired_at: stamp(),
        host: String::new(),
        pid: 1,
        purpose: None,
        label: None,
    };
    let record = Record::held(holder, token, Nonce(nonce));
    of_object(Some(0xff), record)
}

/// The same record in an object that another create has made, or one that does not say which.
fn of_object(origin: Option<u128>, mut record: Record) -> Record {
    record.origin = origin.map(Nonce);
    record
}

fn etag(name: &str) -> ETag {
    ETag(name.to_owned())
}

/// What a read that arrived at `millis` showed, with no dates.
fn seen(name: &str, record: &Record, millis: u64) -> Snapshot {
    Snapshot {
        etag: etag(name),
        record: record.clone(),
        date: None,
        modified: None,
        sent: at(millis),
        arrived: at(millis),
        live_here: false,
    }
}

fn present(name: &str, record: &Record) -> ReadOutcome {
    ReadOutcome::Present(seen(name, record, 0))
}

fn read(found: ReadOutcome) -> Event {
    Event::Read(Ok(found))
}

fn replacing(name: &str, record: Record) -> Write {
    Write {
        record,
        condition: Condition::Matches(etag(name)),
    }
}

fn write_of<End: std::fmt::Debug>(step: Step<End>) -> Write {
    match step {
        Step::Write(write) => write,
        other => panic!("not a write: {other:?}"),
    }
}

fn claim() -> Claim {
    Claim {
        owner: "me".to_owned(),
        lease: LEASE,
        host: String::new(),
        pid: 1,
        purpose: None,
        label: None,
        expiry_rule: EXPIRY_RULE,
        reclaims: false,
        queue: None,
    }
}

const fn applied(etag: ETag) -> WriteOutcome<Trouble> {
    WriteOutcome::Applied { etag, date: None }
}

const fn refused(refusal: Refusal) -> WriteOutcome<Trouble> {
    WriteOutcome::Refused(refusal, Trouble::Permanent)
}

const fn not_sent(trouble: Trouble) -> WriteOutcome<Trouble> {
    WriteOutcome::NotSent(trouble)
}

const fn unknown() -> WriteOutcome<Trouble> {
    WriteOutcome::Unknown(Trouble::Transient)
}

fn held() -> Lease {
    let record = record("me", 5, 1);
    Lease::new(
        StoredRecord {
            etag: etag("e0"),
            record,
        },
        at(0),
    )
}

/// Sends a renewal first at `millis` that gets no reply. Returns what it wrote.
fn unresolved_renewal(holding: &mut Lease, millis: u64, nonce: u128) -> Record {
    let mut renew = Renew::default();
    let mut step = renew.on(Event::Resume, &turn(millis, nonce), holding);
    if step == Step::Peek {
        // The read does not show the earlier renewal yet.
        let still = present("e0", &holding.record().clone());
        step = renew.on(read(still), &turn(millis, nonce), holding);
    }
    let write = write_of(step);
    renew.on(Event::Wrote(unknown()), &turn(millis, 0), holding);
    let end = renew.on(Event::GiveUp, &turn(millis, 0), holding);
    assert_eq!(end, Step::Done(Renewed::Unknown));
    write.record
}

/// The wall clock of a machine whose other clock stops in suspend: set forward, then back again.
fn jumps() -> [Instant; 2] {
    [after_sleep(1_000, 99_000), after_sleep(2_000, 0)]
}

/// A verification that is under way since `millis`.
fn looking(holding: &mut Lease, millis: u64) -> Verify {
    let mut verify = Verify::default();
    let step = verify.on(Event::Resume, &turn(millis, 0), holding);
    assert_eq!(step, Step::Read);
    verify
}

/// Hands `verify` a read that shows `found`, at `millis`.
fn shown(
    verify: &mut Verify,
    holding: &mut Lease,
    found: ReadOutcome,
    millis: u64,
) -> Step<Verified> {
    verify.on(read(found), &turn(millis, 0), holding)
}

fn refused_release(
    holding: &mut Lease,
    millis: u64,
    answer: WriteOutcome<Trouble>,
    found: ReadOutcome,
) -> Step<Released> {
    let mut release = Release::default();
    write_of(release.on(Event::Resume, &turn(millis, 7), holding));
    assert_eq!(
        release.on(Event::Wrote(answer), &turn(millis, 0), holding),
        Step::Read
    );
    release.on(read(found), &turn(millis, 8), holding)
}
