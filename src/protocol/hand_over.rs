//! Giving the lock back and to the next holder, in one conditional write. Only a client that speaks for
//! both may do it: its one write ends the one holding and begins the other.
//!
//! The write gets one attempt. Its record is the next holder's, with the next token, and its lease counts
//! from the first send of that write. Where nothing tells whether it was applied, it belongs to the next
//! holder, who resolves it as any acquire does its own ([`Acquire::resolving`]). The holding that was to
//! end keeps it apart from its own unresolved writes: it is no write of that holding, and nothing that
//! renews or releases that holding may adopt it.
//!
//! [`Acquire::resolving`]: crate::protocol::acquire::Acquire::resolving

use crate::protocol::acquire::Claim;
use crate::protocol::cas::{Cas, Progress};
use crate::protocol::instant::Instant;
use crate::protocol::lease::Lease;
use crate::protocol::observations::Observations;
use crate::protocol::operation::{Event, Inputs, Operation, Step};
use crate::protocol::release::Ending;
use crate::protocol::snapshot::StoredRecord;

/// Giving the lock to the next holder.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HandOver {
    ending: Ending,
    claim: Claim,
    token: u64,
}

/// How a hand-over ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::large_enum_variant, reason = "there is one to a hand-over")]
pub enum HandedOver {
    /// The old holding is given back, and this is the new one.
    Yes(Lease),
    /// Not handed over, now or later. The old holding is what it was.
    No,
    /// It may have been handed over, or may yet be: see [`Lease::hand_over_in_doubt`].
    Unknown,
}

impl HandOver {
    /// A hand-over of this holding, which ends so, to `claim`. None unless the holding lives, no write of its own is
    /// unresolved, the client can read the record, there is a token left, and what is claimed is yet to be done.
    pub fn of(
        lease: &mut Lease,
        ending: Ending,
        claim: Claim,
        known: &Observations,
        now: Instant,
    ) -> Option<HandOver> {
        let may = lease.check(now).is_none() && !lease.has_unresolved() && !known.hidden;
        let token = known.next_token(lease.record().fencing_token)?;
        let is_done = claim.is_done_in(&ending.of(lease.record()));
        let hand_over = HandOver {
            ending,
            claim,
            token,
        };
        (may && !is_done).then_some(hand_over)
    }

    /// The token of the new holding.
    pub fn token(&self) -> u64 {
        self.token
    }

    fn start(&self, inputs: &Inputs, lease: &mut Lease) -> Step<HandedOver> {
        if lease.check(inputs.now).is_some() || lease.has_unresolved() {
            return Step::Done(HandedOver::No);
        }
        let holder = self.claim.holder(inputs);
        let record = self.ending.of(lease.record());
        let next = record.succeeded_by(holder, self.token, inputs.nonce);
        let write = lease.write(next.advised(&inputs.advice));
        // Kept before it is sent: the caller may be stopped at any moment.
        lease.hand_over = Some(Box::new(Cas::new(write.clone(), inputs.now)));
        Step::Write(write)
    }
}

impl Operation for HandOver {
    type Memory = Lease;
    type End = HandedOver;

    fn on(&mut self, event: Event, inputs: &Inputs, lease: &mut Lease) -> Step<HandedOver> {
        let Some(mut cas) = lease.hand_over.take() else {
            return match event {
                Event::Resume => self.start(inputs, lease),
                _ => Step::Done(HandedOver::No),
            };
        };
        let step = match cas.on(event) {
            Progress::Applied(etag) => {
                let record = cas.write().record.clone();
                let next = Lease::new(StoredRecord { etag, record }, cas.first_send());
                // The write is kept even so: the caller may be stopped before it tells the next holder.
                Step::Done(HandedOver::Yes(next))
            }
            Progress::NotApplied | Progress::ConditionIgnored | Progress::Overtaken(_) => {
                return Step::Done(HandedOver::No);
            }
            Progress::Refused if !cas.may_stand() => return Step::Done(HandedOver::No),
            // A refusal speaks for one copy of the write, and a proxy may have sent two.
            Progress::Refused | Progress::Read if !cas.is_unresolved() => Step::Peek,
            // There is one attempt. What is left to do is the next holder's.
            Progress::Refused
            | Progress::Read
            | Progress::Send(_)
            | Progress::Pause(_)
            | Progress::Unresolved => Step::Done(HandedOver::Unknown),
        };
        lease.hand_over = Some(cas);
        step
    }
}
