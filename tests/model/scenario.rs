//! What is checked: who takes part, what may go wrong and how often, and what is broken on purpose.

use std::time::Duration;

use s3_lock::internals::Instant;
use s3_lock::internals::protocol::ExpiryRule;

use super::client::Who;
use super::lock::{EVERYBODY, Possible, TAKEOVER};
use super::world::{Action, Call};

/// The unit of time. A header's second has two of them, so that what it cuts off is real.
pub const TICKS_PER_SECOND: u32 = 2;
pub const TICK: Duration = Duration::from_millis(1000 / TICKS_PER_SECOND as u64);
/// So long that two clocks may come apart by one tick, which is 0.2 % of it.
pub const LEASE: u32 = 500;
pub const DRIFT: u32 = 1;
/// How far apart the clocks of two of the store's nodes may be: 1 s.
pub const NODES: i64 = TICKS_PER_SECOND as i64;
/// What a record's age must exceed its lease by, beside the share for the clocks' rates.
///
/// The default of 2 s has 1 s for the nodes and 1 s for what the headers cut off. In whole ticks
/// the latter is one tick less, and "older than" begins a tick later: with the 2 ticks that are
/// too many here, what is wrong by a tick would stay hidden.
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
    /// Which clocks may run fast while a lease passes: each a set of bits, the store's first.
    pub fast: Vec<u8>,
    /// How far the node that dates replies may be ahead of the one that stamps objects, in ticks.
    pub ahead: Vec<i64>,
    pub margin: u32,
    /// What has happened before.
    pub already: Vec<Action>,
    pub mutant: Option<Mutant>,
    /// Everybody goes on for as long as there is something to do, and a lease passes only when
    /// there is nothing else: so every path ends, and none before its time.
    pub must_end: bool,
    /// What has to be among what happens.
    pub possible: Vec<Possible>,
    /// The one promise to look at, if not all. The checker goes on until it has found a way to break
    /// each, and keeps the last way that it comes across: only where there is one, it is a shortest.
    pub only: Option<&'static str>,
}

/// One client, and what it may do.
#[derive(Clone, Debug)]
pub struct Role {
    pub owner: &'static str,
    /// In ticks.
    pub lease: u32,
    pub reclaims: bool,
    /// Whether it goes by the store's clock. Else what it is told of that is far from the truth.
    pub store_clock: bool,
    /// Whether there is a front before the store that dates what it reads on its own, and passes on
    /// what the store says to its writes.
    pub front: bool,
    /// The client that this is another thread of, if not one of its own: what the one learns, the
    /// other knows.
    pub twin: Option<Who>,
    /// Whether its process never ends before its time.
    pub is_steady: bool,
    pub calls: Calls,
}

impl Role {
    pub fn of(owner: &'static str, calls: Calls) -> Role {
        Role {
            owner,
            lease: LEASE,
            reclaims: false,
            store_clock: true,
            front: false,
            twin: None,
            is_steady: false,
            calls,
        }
    }

    /// By how much its reads are dated wrong, if not by nothing.
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
}

/// How often something may happen to anybody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Budget {
    pub ticks: u16,
    /// Lengths of a lease that pass at once.
    pub leases: u16,
    /// Requests that are not answered. A write that was not carried out may be at any later time, or
    /// never.
    pub losses: u16,
    /// Writes that a proxy sends twice.
    pub repeats: u16,
    /// Requests that come to nothing: refused without a look, or not sent for want of a connection. Or
    /// what was carried out, and is answered with somebody else's error.
    pub failures: u16,
    pub crashes: u16,
    /// By somebody who does not follow the rules.
    pub deletions: u16,
}

/// A rule that is broken on purpose, to see that it is needed and that it would be noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// A holder counts its lease from the reply.
    DeadlineFromReply,
    /// What a read-back finds counts from the first send of the last renewal, whichever it is.
    DeadlineOfALaterRenewal,
    /// A write without an answer is taken for one that did not happen.
    NoReadBack,
    /// Or for one whose condition was refused.
    LossTakenForRefusal,
    /// A read that shows the condition still standing is taken for "not applied".
    UnchangedMeansNotApplied,
    /// So is a refusal of the second attempt.
    RefusalOfARetryBelieved,
    /// So is a refused condition, without a look, although the first of two copies may have changed
    /// what it was about.
    RefusalBelieved,
    /// So is a conflict, although it may be one with a copy of the same write.
    ConflictBelieved,
    /// A renewal without an answer is forgotten when the next call begins.
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
    /// Whoever has reclaimed a holding, or released it by owner name, leaves no mark of that.
    ReclaimUnmarked,
    /// A release that was refused is taken for a loss wherever another has the lock.
    RefusedReleaseALoss,
    /// A record does not say which create made its object.
    OriginUnread,
    /// The check of a store looks at the date of what it writes, and not of what it reads.
    ReadsUnvetted,
    /// A look is believed although a renewal has landed while it was under way.
    MarkIgnored,
    /// An acquire that was given up does not undo what may yet land.
    NoUndo,
    /// A waiter forgets at each look what it has seen before.
    EachSightForgotten,
    /// A waiter looks again and again, and lets no time pass.
    WaitsForNothing,
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

    /// With every single clock running fast, and none.
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

    /// Whether a version that was replaced may come back. The lock's own never do.
    pub fn versions_return(&self) -> bool {
        let is_deleted = self.has(Mutant::DeleteOnRelease) || self.budget.deletions > 0;
        is_deleted || self.has(Mutant::IdenticalBodies)
    }

    /// The client that this one is a thread of: itself, if it is the only one.
    pub fn process(&self, who: Who) -> Who {
        self.role(who).twin.unwrap_or(who)
    }

    /// What the check of the store has found, as it is made through the same front: whether the date
    /// of a reply may tell a record's age. It writes and reads, and what is relied on is what it reads.
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

/// A holder that may crash or forget its guard, and somebody who waits, with nothing to go by but
/// its own clock.
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
            // Two until what was acquired has expired, two for a renewal, and one to spare.
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
