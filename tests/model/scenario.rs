//! What is checked: who takes part, what may go wrong and how often, and what is broken on purpose.

use std::time::Duration;

use s3_lock::internals::Instant;
use s3_lock::internals::protocol::ExpiryRule;

use super::client::Who;
use super::lock::{EVERYBODY, Possible, TAKEOVER};
use super::world::{Action, Call};

/// The unit of time. A header's second has two, so that cutting to seconds has an effect.
pub const TICKS_PER_SECOND: u32 = 2;
pub const TICK: Duration = Duration::from_millis(1000 / TICKS_PER_SECOND as u64);
/// So long that two clocks may come apart by one tick, which is 0.2 % of it.
pub const LEASE: u32 = 500;
pub const DRIFT: u32 = 1;
/// How far apart the clocks of two of the store's nodes may be: 1 s.
pub const NODES: i64 = TICKS_PER_SECOND as i64;
/// How much older than its lease a record must be, without the share for the clocks' rates.
///
/// The default of 2 s has 1 s for the nodes and 1 s for what the headers cut off. In whole ticks
/// the latter is one tick less, and "older than" begins a tick later. These are 2 ticks too many
/// here, and would hide an error of one tick.
pub const MARGIN: u32 = 2 * TICKS_PER_SECOND - 2;

/// A point on some clock.
pub fn at(ticks: u32) -> Instant {
    Instant::from_origin(TICK * ticks)
}

/// What there is to explore.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub roles: Vec<Role>,
    pub budget: Budget,
    /// Which clocks may run fast while a lease passes. Each is a set of bits, the store's first.
    pub fast: Vec<u8>,
    /// How far the node that dates replies may be ahead of the one that stamps objects, in ticks.
    pub ahead: Vec<i64>,
    pub margin: u32,
    /// What has happened before.
    pub already: Vec<Action>,
    pub mutant: Option<Mutant>,
    /// Each client goes on while there is something to do, and a lease passes only when there is
    /// nothing else. So every path ends, and none too early.
    pub must_end: bool,
    /// What must happen in some history.
    pub possible: Vec<Possible>,
    /// The one promise to look at, or all if none. The checker goes on until it has broken each
    /// promise, and keeps the last way that it finds. Only with one promise is that way a shortest.
    pub only: Option<&'static str>,
}

/// One client, and what it may do.
#[derive(Clone, Debug)]
pub struct Role {
    pub owner: &'static str,
    /// In ticks.
    pub lease: u32,
    pub reclaims: bool,
    /// Whether it uses the store's clock. If not, the dates that it is told are far from the truth.
    pub store_clock: bool,
    /// Whether a front before the store dates its reads, but passes on the store's replies to its
    /// writes.
    pub front: bool,
    /// Whether it keeps to the lock's queue, in which there may be anything at any time.
    pub queues: bool,
    /// The client that this one is another thread of, if any. What one thread learns, the other
    /// knows.
    pub twin: Option<Who>,
    /// Whether its process never ends early.
    pub is_steady: bool,
    /// What it takes the lock for, if that is to be completed once.
    pub label: Option<Label>,
    pub calls: Calls,
}

/// What a client takes the lock for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    Once(&'static str),
    /// Another from time to time, and the same for all clients.
    Daily,
}

impl Role {
    pub fn of(owner: &'static str, calls: Calls) -> Role {
        Role {
            owner,
            lease: LEASE,
            reclaims: false,
            store_clock: true,
            front: false,
            queues: false,
            twin: None,
            is_steady: false,
            label: None,
            calls,
        }
    }

    /// Its label, if that is always the same.
    pub fn once(&self) -> Option<Box<str>> {
        match self.label? {
            Label::Once(label) => Some(label.into()),
            Label::Daily => None,
        }
    }

    /// Whether its reads are dated wrong.
    pub fn is_misdated(&self) -> bool {
        self.front || !self.store_clock
    }
}

/// How often a client may begin each call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Calls {
    pub acquire: u16,
    pub renew: u16,
    /// Beside a renewal or alone.
    pub verify: u16,
    pub detach: u16,
    pub status: u16,
    /// By owner name: that of the first client.
    pub release: u16,
    pub force_release: u16,
    /// To another thread of the same client, as part of a release.
    pub hand_over: u16,
    /// Alone or as part of a hand-over.
    pub complete: u16,
}

/// How often something may happen, to all clients together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Budget {
    pub ticks: u16,
    /// How often a lease may pass at once.
    pub leases: u16,
    /// Requests without a reply. A write that was not carried out may be carried out at any later
    /// time, or never.
    pub losses: u16,
    /// Writes that a proxy sends twice.
    pub repeats: u16,
    /// Requests that are refused without a look, or not sent because there is no connection. Or
    /// requests that are carried out and answered with an error that is not the store's.
    pub failures: u16,
    pub crashes: u16,
    /// By a program that does not follow the rules.
    pub deletions: u16,
}

/// A rule that is broken on purpose, to see that it is needed and that the checker notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// A holder counts its lease from the reply.
    DeadlineFromReply,
    /// What a read-back finds counts from the first send of the last renewal, even if it is an
    /// earlier one.
    DeadlineOfALaterRenewal,
    /// A write without a reply is taken for one that did not happen.
    NoReadBack,
    /// A write without a reply is taken for one whose condition was refused.
    LossTakenForRefusal,
    /// A read that shows that the condition still holds is taken for "not applied".
    UnchangedMeansNotApplied,
    /// A refusal of the second attempt is taken for "not applied".
    RefusalOfARetryBelieved,
    /// A refused condition is taken for "not applied" without a look, although the first of two
    /// copies may have been applied.
    RefusalBelieved,
    /// A conflict is taken for "not applied", although a copy of the same write may have caused it.
    ConflictBelieved,
    /// A renewal without a reply is forgotten when the next call begins.
    RenewalForgotten,
    /// A holder believes itself one tick longer.
    ValidOneTickPastTheDeadline,
    /// A renewal learned of after the deadline makes the guard valid again.
    LateRenewalRevives,
    /// A release replaces whatever is there.
    ReleaseUnconditional,
    /// A release by owner name forgets between two attempts which holding it was about.
    ReleaseRetriedByName,
    /// A release deletes the object.
    DeleteOnRelease,
    /// A write's body has no nonce.
    IdenticalBodies,
    /// A client that has reclaimed a holding, or released it by owner name, leaves no mark of that.
    ReclaimUnmarked,
    /// A release that was refused is taken for a loss wherever another has the lock.
    RefusedReleaseALoss,
    /// A record does not say which create made its object.
    OriginUnread,
    /// The check of a store looks at the date of what it writes, and not of what it reads.
    ReadsUnvetted,
    /// A look is believed although a renewal has landed while it was under way.
    MarkIgnored,
    /// An acquire that was given up does not undo a write that may yet land.
    NoUndo,
    /// A waiter forgets at each look what it has seen before.
    EachSightForgotten,
    /// A waiter looks again and again, and lets no time pass.
    WaitsForNothing,
    /// A hand-over gives the next holder the token of the one before.
    HandOverKeepsToken,
    /// The next holder believes that it has the lock as soon as the hand-over is sent.
    HandedOverAtTheSend,
    /// A holder that hands the lock over goes on until it hears that this was done.
    HandOverWhileHeld,
    /// A hand-over drops the mark of a holding that was broken by force.
    HandOverUnmarked,
    /// A release takes any record with the token of its hand-over for that hand-over.
    HandOverKnownByToken,
    /// A release takes the hand-over that it finds for a write of its own holding.
    HandOverAmongItsOwn,
    /// A release that finds its hand-over goes on to release.
    ReleasedOverAHandOver,
    /// A hand-over in doubt is reported as a release that was done.
    HandOverInDoubtADone,
    /// A chosen thread leaves before it is told.
    HandOverToNobody,
    /// A thread that unwinds in the middle of a hand-over tells nobody.
    HandOverUntold,
    /// The write of a hand-over in doubt has no entry in the registry.
    HandOverUnregistered,
    /// A claim of any client but the first does not look whether its label is done.
    DoneUnread,
    /// A takeover drops the labels done.
    TakeoverForgets,
    /// To undo an acquire drops the labels done.
    UndoForgets,
    /// A release marks the label of its holding.
    ReleaseMarks,
    /// A completion is taken for done wherever another holding is found, as by a release.
    CompletionInferred,
    /// A hand-over does not mark the label that its holding has completed.
    HandOverWithoutMark,
    /// A holding that has completed its label is handed over to one that wants the same.
    HandOverOfTheDone,
}

/// Sets of clocks that run fast: the store's, and the clients'.
pub const NONE: u8 = 0;
pub const STORES: u8 = 1;

/// A client's clock.
pub fn clock_of(who: Who) -> u8 {
    2 << who.0
}

impl Scenario {
    /// Clients among whom nothing goes wrong, and no time passes.
    pub fn of(roles: Vec<Role>) -> Scenario {
        Scenario {
            roles,
            budget: Budget::default(),
            fast: vec![NONE],
            ahead: vec![0, NODES],
            margin: MARGIN,
            already: Vec::new(),
            mutant: None,
            must_end: false,
            possible: Vec::new(),
            only: None,
        }
    }

    pub fn expiry_rule(&self, role: &Role) -> ExpiryRule {
        ExpiryRule {
            margin: TICK * self.margin,
            store_clock: role.store_clock,
        }
    }

    /// With each single clock running fast, and with none.
    pub fn with_any_clock_fast(mut self) -> Scenario {
        let clocks = (0..=self.roles.len()).map(|bit| 1 << bit);
        self.fast.extend(clocks);
        self
    }

    pub fn role(&self, who: Who) -> &Role {
        &self.roles[usize::from(who.0)]
    }

    pub fn has(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// Whether this client does not look whether its label is done. The first one does: it completes a label.
    pub fn does_not_look(&self, who: Who) -> bool {
        self.has(Mutant::DoneUnread) && who != Who(0)
    }

    /// Whether a version that was replaced may come back. The lock's own versions never do.
    pub fn versions_return(&self) -> bool {
        let is_deleted = self.has(Mutant::DeleteOnRelease) || self.budget.deletions > 0;
        is_deleted || self.has(Mutant::IdenticalBodies)
    }

    /// The client that this one is a thread of. The client itself, if it is the only thread.
    pub fn process(&self, who: Who) -> Who {
        self.role(who).twin.unwrap_or(who)
    }

    /// Whether the date of a reply may tell a record's age. The check of the store decides that,
    /// through the same front. It writes and reads, and takeovers rely on reads.
    pub fn trusts_date(&self, role: &Role) -> bool {
        self.has(Mutant::ReadsUnvetted) || !role.front
    }
}

/// The first client has acquired the lock.
pub fn held() -> Vec<Action> {
    let first = Who(0);
    vec![
        Action::Begin(first, Call::Acquire),
        Action::Serve(first),
        Action::Hear(first),
        Action::Serve(first),
        Action::Hear(first),
    ]
}

/// A holder that may crash or forget its guard, and a waiting client that has only its own clock.
pub fn patience() -> Scenario {
    let holder = Calls {
        acquire: 1,
        renew: 1,
        detach: 1,
        ..Calls::default()
    };
    let waiter = Calls {
        acquire: 1,
        ..Calls::default()
    };
    Scenario {
        budget: Budget {
            ticks: 1,
            // Two until the acquired lease has expired, two for a renewal, and one to spare.
            leases: 5,
            losses: 1,
            repeats: 1,
            crashes: 1,
            ..Budget::default()
        },
        must_end: true,
        possible: vec![EVERYBODY, TAKEOVER],
        ..Scenario::of(vec![
            Role::of("a", holder),
            Role {
                store_clock: false,
                is_steady: true,
                ..Role::of("b", waiter)
            },
        ])
    }
}
