//! The object at a lock's queue key, `{name}.queue`: one JSON object, changed by compare-and-swap only.
//! Clients that wait for the lock have tickets in it.
//!
//! The queue only ever delays. A free lock is taken by the same conditional write as ever, and whether it
//! is a client's turn decides only when that write is sent. So nothing in this object, be it stale, lost,
//! forged or deleted, can make two holders or a wrong fencing token.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::protocol::object::Condition;
use crate::protocol::quote::shown;
use crate::protocol::record::{MAX_ADVISORY, MAX_BODY, Nonce};

/// What the object at a lock's queue key says.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Queue {
    format: u32,
    /// Makes every version's body, and so its ETag, unique.
    nonce: Nonce,
    /// The number of the next ticket, unless a larger one is known to have had its turn.
    next: u64,
    /// Every ticket up to this number had its turn or was passed over.
    pub served: u64,
    /// In order.
    pub tickets: Vec<Ticket>,
}

/// A place in the queue.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ticket {
    #[serde(rename = "n")]
    pub number: u64,
    /// Tells this ticket from any other, and orders tickets of one number.
    pub nonce: Nonce,
    /// How long its client may take to notice that the lock is free, in milliseconds.
    pub react_ms: u64,
    /// Who waits; for people.
    pub label: String,
}

/// One write of a queue's object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct QueueWrite {
    pub queue: Queue,
    pub condition: Condition,
}

/// Why the object at a queue's key cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnusableQueue(pub &'static str);

/// The version of the queue that this crate writes, and the only one that it uses.
const FORMAT: u32 = 1;
/// The most tickets there may be.
const MAX_TICKETS: usize = 256;
/// The longest label, in bytes.
const MAX_LABEL: usize = 64;

impl Queue {
    /// An empty queue whose first ticket is `next`.
    pub(in crate::protocol) fn starting_at(next: u64) -> Queue {
        Queue {
            format: FORMAT,
            nonce: Nonce(0),
            next,
            served: 0,
            tickets: Vec::new(),
        }
    }

    /// The bytes to store.
    pub fn to_body(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a queue has string keys and serialises without failing")
    }

    /// Reads stored bytes, or says why they are no usable queue.
    pub fn parse(body: &[u8]) -> Result<Queue, UnusableQueue> {
        if body.len() > MAX_BODY {
            return Err(UnusableQueue("it is too long"));
        }
        let parsed = serde_json::from_slice::<Queue>(body);
        let mut queue =
            parsed.map_err(|_| UnusableQueue("it is no queue that this version knows"))?;
        if queue.format != FORMAT {
            return Err(UnusableQueue(
                "it has a format that this version does not know",
            ));
        }
        if queue.tickets.len() > MAX_TICKETS {
            return Err(UnusableQueue("it has too many tickets"));
        }
        let numbers = queue.tickets.iter().map(|ticket| ticket.number);
        if numbers
            .chain([queue.next, queue.served])
            .any(|n| n > MAX_ADVISORY)
        {
            return Err(UnusableQueue("a number in it is too large to be true"));
        }
        queue.tickets.sort_by_key(Ticket::rank);
        Ok(queue)
    }

    /// The same without the tickets up to `served` and those with `own` nonce.
    pub(in crate::protocol) fn without(&self, own: Nonce, served: u64, nonce: Nonce) -> Queue {
        let served = self.served.max(served);
        let is_left = |ticket: &&Ticket| ticket.number > served && ticket.nonce != own;
        Queue {
            nonce,
            served,
            tickets: self.tickets.iter().filter(is_left).cloned().collect(),
            ..*self
        }
    }

    /// Whether there is a place and a number for one more ticket.
    pub(in crate::protocol) fn has_room(&self) -> bool {
        let number = self.next.max(self.served + 1);
        self.tickets.len() < MAX_TICKETS && number < MAX_ADVISORY
    }

    /// The same with one more ticket: with this `number`, or at the end. None if the queue is full or its
    /// numbers are used up.
    pub(in crate::protocol) fn with(
        mut self,
        number: Option<u64>,
        own: Nonce,
        react: Duration,
        label: &str,
    ) -> Option<Queue> {
        let number = number.unwrap_or(self.next.max(self.served + 1));
        if !self.has_room() {
            return None;
        }
        self.next = self.next.max(number + 1);
        self.tickets.push(Ticket {
            number,
            nonce: own,
            react_ms: u64::try_from(react.as_millis()).unwrap_or(u64::MAX),
            label: cut(label),
        });
        self.tickets.sort_by_key(Ticket::rank);
        Some(self)
    }
}

impl Ticket {
    /// Where it stands among others: the smallest is the first.
    pub(in crate::protocol) fn rank(&self) -> (u64, u128) {
        (self.number, self.nonce.0)
    }

    pub(in crate::protocol) fn react(&self) -> Duration {
        Duration::from_millis(self.react_ms)
    }
}

/// At most so many bytes, without control characters.
fn cut(label: &str) -> String {
    let mut label = shown(label);
    let fits = |at: &usize| label.is_char_boundary(*at);
    let end = (0..=label.len().min(MAX_LABEL)).rev().find(fits);
    label.truncate(end.unwrap_or(0));
    label
}
