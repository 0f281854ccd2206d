//! One guard that is kept alive, over a store that leaves one renewal without a reply and lets
//! reads hang. Does it keep the lock while its other writes are answered in time?
//!
//! Here time is what requests take. The other configurations have too coarse a clock for that, and
//! no limits of requests. This does what `keep_renewing` of `src/engine/watch.rs` and
//! `src/engine/driver.rs` do.

use std::time::Duration;

use super::store::{UNKNOWN, Written, applied, refused};
use s3_lock::internals::Instant;
use s3_lock::internals::protocol::record::{Advice, Holder, Nonce, Record, Stamp};
use s3_lock::internals::protocol::{
    Condition, ETag, Event, Inputs, Lease, Operation, ReadOutcome, Refusal, Renew, Renewed,
    Snapshot, Step, StoredRecord, Trouble, Write,
};
use stateright::{Checker, HasDiscoveries, Model, Property};

/// The lease, in parts of itself.
const LEASE: u32 = 60;
/// When a renewal is due: after a third of the lease, plus or minus a tenth of that.
const DUE: [u32; 2] = [18, 22];
/// The longest pause after a renewal that failed: a thirtieth of the lease.
const PAUSE: u32 = 2;
/// What is answered is answered within this part of the lease.
const TENTH: u32 = LEASE / 10;
const THIRTIETH: u32 = LEASE / 30;
/// The history ends after this time.
const END: u32 = 3 * LEASE;

const KEPT: &str = "a holder whose writes are answered in time keeps the lock";
const RENEWED: &str = "renewed after a renewal without an answer, while reads hung";
const FOUND: &str = "a renewal without an answer is found to have landed";

/// What there is to explore.
#[derive(Clone)]
struct Keeping {
    /// How long a request may take.
    timeout: u32,
    /// How long a reply may take.
    in_time: u32,
    /// The part of its time that a renewal gives to the look that it begins with.
    look_takes: fn(u32) -> u32,
    /// Whether to look only at the promise. Then the history that breaks it is the shortest.
    only_kept: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    now: u32,
    holding: Lease,
    stored: StoredRecord,
    writes: u32,
    mishap: Mishap,
    /// Whether a read has hung since, and whether one was answered.
    hung: bool,
    shown: bool,
    renewed_blindly: bool,
    task: Task,
    lost: bool,
}

/// The one renewal without a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Mishap {
    NotYet,
    NotApplied,
    Applied,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::large_enum_variant, reason = "there is one to a state")]
enum Task {
    /// The guard sleeps until the next renewal is due.
    Sleeping,
    Renewing {
        renew: Renew,
        until: u32,
        request: Request,
        limit: u32,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::large_enum_variant, reason = "there is one to a state")]
enum Request {
    Read,
    Write(Write),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Action {
    /// The guard sleeps until this much of the lease has passed, and renews.
    Due(u32),
    /// The request under way is done, and is answered after this time.
    Answer(u32),
    /// A read has no reply.
    Hang,
    /// The write is never done. The connection is cut at once, or hangs.
    Cut,
    HangAndDrop,
    /// The write is done, and its reply is lost.
    HangAndApply,
}

impl Model for Keeping {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let holder = Holder {
            owner: "a".to_owned(),
            lease: part(LEASE),
            acquired_at: stamp(),
            host: String::new(),
            pid: 1,
            purpose: None,
            label: None,
        };
        let stored = StoredRecord {
            etag: etag(0),
            record: Record::held(holder, 1, Nonce(0)),
        };
        vec![State {
            now: 0,
            holding: Lease::new(stored.clone(), at(0)),
            stored,
            writes: 0,
            mishap: Mishap::NotYet,
            hung: false,
            shown: false,
            renewed_blindly: false,
            task: Task::Sleeping,
            lost: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        match &state.task {
            _ if state.lost || state.now > END => {}
            Task::Sleeping => actions.extend(DUE.map(Action::Due)),
            Task::Renewing { request, .. } => {
                actions.extend([0, self.in_time].map(Action::Answer));
                match request {
                    Request::Read => actions.push(Action::Hang),
                    Request::Write(_) if state.mishap == Mishap::NotYet => {
                        actions.extend([Action::Cut, Action::HangAndDrop, Action::HangAndApply]);
                    }
                    Request::Write(_) => {}
                }
            }
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        match (std::mem::replace(&mut next.task, Task::Sleeping), action) {
            (_, Action::Due(part)) => {
                let left = ticks(next.holding.remaining(at(next.now)));
                next.now += part.saturating_sub(LEASE - left);
                self.begin(&mut next);
            }
            (
                Task::Renewing {
                    renew,
                    until,
                    request,
                    limit,
                },
                action,
            ) => {
                let event = next.answered(request, limit, action);
                self.go_on(&mut next, renew, until, event);
            }
            (Task::Sleeping, _) => return None,
        }
        next.lost = next.holding.check(at(next.now)).is_some();
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Keeping>> {
        let mut properties = vec![
            // If a renewal has landed and nothing has told the holder of it, only a read can name
            // the version that it made. That may be a renewal that the holder has stopped waiting
            // for, but not where replies are quick.
            Property::always(KEPT, |model: &Keeping, state: &State| {
                let is_untold = state.holding.record() != &state.stored.record;
                let by_mishap = state.mishap == Mishap::Applied && !state.shown;
                !state.lost || by_mishap || (is_untold && model.in_time > THIRTIETH)
            }),
            Property::sometimes(RENEWED, |_, state: &State| state.renewed_blindly),
            Property::sometimes(FOUND, |_, state: &State| {
                state.mishap == Mishap::Applied && state.shown && !state.lost
            }),
        ];
        if self.only_kept {
            properties.truncate(1);
        }
        properties
    }
}

impl Keeping {
    fn begin(&self, next: &mut State) {
        let request = part(self.timeout.min(LEASE / 3));
        let limit = ticks(next.holding.renewal_limit(request));
        let left = ticks(next.holding.remaining(at(next.now)));
        let until = next.now + limit.min(left);
        self.go_on(next, Renew::default(), until, Event::Resume);
    }

    /// Gives the operation an event, and takes its next step.
    fn go_on(&self, next: &mut State, mut renew: Renew, until: u32, mut event: Event) {
        loop {
            let turn = Inputs {
                now: at(next.now),
                nonce: Nonce(u128::from(next.writes) + 1),
                wall: stamp(),
                trusts_date: true,
                advice: Advice::default(),
                others_wait: false,
            };
            let step = renew.on(event, &turn, &mut next.holding);
            let left = until.saturating_sub(next.now);
            let attempt = self.timeout.min(LEASE / 3).min(left);
            let (request, limit) = match step {
                Step::Done(Renewed::Yes) => {
                    next.renewed_blindly |= next.hung && !next.shown;
                    return;
                }
                Step::Done(_) => {
                    // Again, after a pause.
                    next.now += PAUSE;
                    if next.holding.check(at(next.now)).is_none() {
                        self.begin(next);
                    }
                    return;
                }
                Step::Pause(_) => {
                    next.now += PAUSE.min(left);
                    event = if next.now < until {
                        Event::Resume
                    } else {
                        Event::GiveUp
                    };
                    continue;
                }
                Step::Read => (Request::Read, attempt),
                Step::Peek => (Request::Read, attempt.min((self.look_takes)(left))),
                Step::Write(write) => {
                    next.writes += 1;
                    (Request::Write(write), attempt)
                }
                Step::Wait { .. }
                | Step::SeeQueue
                | Step::WriteQueue(_)
                | Step::WriteAndSeeQueue(_) => unreachable!("a renewal waits for nobody"),
            };
            if limit > 0 {
                next.task = Task::Renewing {
                    renew,
                    until,
                    request,
                    limit,
                };
                return;
            }
            event = Event::GiveUp;
        }
    }
}

impl State {
    /// What a request brings, and when that is known.
    fn answered(&mut self, request: Request, limit: u32, action: Action) -> Event {
        let sent = self.now;
        let took = match action {
            Action::Answer(took) => took,
            Action::Cut => 0,
            _ => limit,
        };
        self.now += took.min(limit);
        let in_time = matches!(action, Action::Answer(_)) && took < limit.max(1);
        match request {
            Request::Read if in_time => {
                self.shown = true;
                Event::Read(Ok(self.sight(sent)))
            }
            Request::Read => {
                self.hung = true;
                Event::Read(Err(Trouble::Transient))
            }
            Request::Write(write) => Event::Wrote(self.wrote(write, action, in_time)),
        }
    }

    fn wrote(&mut self, write: Write, action: Action, in_time: bool) -> Written {
        match action {
            Action::Cut | Action::HangAndDrop => self.mishap = Mishap::NotApplied,
            Action::HangAndApply => self.mishap = Mishap::Applied,
            _ => {}
        }
        let is_done = !matches!(action, Action::Cut | Action::HangAndDrop);
        let stands = write.condition == Condition::Matches(self.stored.etag.clone());
        if is_done && stands {
            self.stored = StoredRecord {
                etag: etag(self.writes),
                record: write.record,
            };
        }
        match in_time {
            false => UNKNOWN,
            true if stands => applied(self.stored.etag.clone()),
            true => refused(Refusal::Condition),
        }
    }

    fn sight(&self, sent: u32) -> ReadOutcome {
        ReadOutcome::Present(Snapshot {
            etag: self.stored.etag.clone(),
            record: self.stored.record.clone(),
            date: None,
            modified: None,
            sent: at(sent),
            arrived: at(self.now),
            live_here: true,
        })
    }
}

fn part(ticks: u32) -> Duration {
    Duration::from_secs(u64::from(ticks))
}

fn ticks(span: Duration) -> u32 {
    u32::try_from(span.as_secs()).expect("it is shorter than the lease")
}

fn at(ticks: u32) -> Instant {
    Instant::from_origin(part(ticks))
}

fn stamp() -> Stamp {
    Stamp::from(std::time::SystemTime::UNIX_EPOCH)
}

fn etag(number: u32) -> ETag {
    ETag(format!("\"{number}\""))
}

fn half(left: u32) -> u32 {
    left / 2
}

#[track_caller]
fn keeps(timeout: u32, in_time: u32, states: usize) {
    let model = Keeping {
        timeout,
        in_time,
        look_takes: half,
        only_kept: false,
    };
    let checker = model.checker().spawn_bfs().join();
    checker.assert_properties();
    assert_eq!(checker.unique_state_count(), states);
}

#[test]
fn a_holder_whose_writes_are_answered_in_time_keeps_the_lock() {
    keeps(LEASE, TENTH, 4_461);
}

#[test]
fn a_holder_whose_requests_are_given_up_soon_keeps_the_lock() {
    keeps(LEASE / 6, TENTH, 13_047);
}

#[test]
fn a_holder_whose_requests_are_answered_quickly_keeps_the_lock_but_for_the_one_mishap() {
    keeps(LEASE, THIRTIETH, 3_045);
}

/// Checks that a look that takes this much of a renewal's time loses the lock, in these steps.
#[track_caller]
fn loses(in_time: u32, look_takes: fn(u32) -> u32, steps: &[Action]) {
    let model = Keeping {
        timeout: LEASE,
        in_time,
        look_takes,
        only_kept: true,
    };
    let checker = model.checker().finish_when(HasDiscoveries::AnyFailures);
    let found = checker.spawn_bfs().join().discovery(KEPT);
    assert_eq!(found.expect("the checker sees it").into_actions(), steps);
}

#[test]
fn a_look_that_leaves_no_time_for_the_write() {
    let steps = [Action::Due(18), Action::HangAndDrop, Action::Hang];
    loses(TENTH, |left| left, &steps);
}

#[test]
fn a_look_that_leaves_a_quarter_of_the_time_for_the_write() {
    let steps = [
        Action::Due(18),
        Action::HangAndApply,
        Action::Hang,
        Action::Answer(2),
        Action::Answer(2),
        Action::Answer(2),
        Action::Hang,
        Action::Answer(0),
        Action::Hang,
    ];
    loses(THIRTIETH, |left| left * 3 / 4, &steps);
}
