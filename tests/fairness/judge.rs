//! Compares what happens with what is promised.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use s3_lock::internals::protocol::Queue;
use s3_lock::internals::protocol::record::Record;

use crate::client::{Call, Client};
use crate::network::is_in;

/// How long the answer to a look at the queue is on its way. What comes after that look cannot be in it.
const A_MOMENT: Duration = Duration::from_millis(20);

/// A write of the lock's record that the store has carried out.
pub struct Taking<'a> {
    pub by: usize,
    pub sent: Duration,
    pub at: Duration,
    pub record: &'a Record,
    pub before: Option<&'a Record>,
}

/// A ticket as it stood in the queue.
#[derive(Clone, Copy, Debug)]
struct Issued {
    /// None for one that was forged.
    owner: Option<usize>,
    number: u64,
    at: Duration,
}

/// Why somebody had the lock before a client that waited with a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excuse {
    /// It does not wait, or does not know the queue.
    Unaware,
    /// When the write was sent, the ticket was not there or could not yet be known.
    Earlier,
    /// It took its own release again, and had not looked since the ticket was there.
    Again,
    /// A dead ticket was before both. Who lets it have its time first goes first: each counts on its own, and
    /// not all look at once.
    BehindDead,
    /// There is none: it had no ticket and had looked.
    NoTicket,
    /// There is none: it had no ticket and had not looked.
    NoLook,
    /// There is none: its ticket was a later one.
    LaterTicket,
}

#[derive(Clone, Copy, Debug)]
#[expect(dead_code, reason = "shown where it fails")]
pub struct Bypass {
    pub by: usize,
    pub passed: usize,
    pub at: Duration,
    pub excuse: Excuse,
    /// For how long the ticket had been there when the write was sent.
    pub since: Duration,
}

#[derive(Debug, Default)]
pub struct Judge {
    /// What must never be.
    pub faults: Vec<String>,
    pub bypasses: Vec<Bypass>,
    /// Writes that used up a ticket without being by its owner: who, which and when.
    pub raised: Vec<(usize, u64, Duration)>,
    /// The longest that a free lock was left free while somebody waited, and when that ended.
    pub longest_free: (Duration, Duration),
    tickets: HashMap<u128, Issued>,
    /// Every ticket that a client ever had.
    ever: HashSet<(usize, u64)>,
    last_token: u64,
    /// The highest ticket that had its turn or was passed over.
    served: u64,
    free_since: Option<Duration>,
}

impl Judge {
    /// A client believes that it holds the lock.
    pub fn believes(&mut self, who: usize, clients: &mut [Client], now: Duration) {
        for (other, client) in clients.iter_mut().enumerate() {
            if other != who && client.believes(now) {
                self.faults
                    .push(format!("{who} and {other} hold the lock at {now:?}"));
            }
        }
    }

    pub fn has_ticket(&self, who: usize) -> bool {
        self.tickets
            .values()
            .any(|ticket| ticket.owner == Some(who))
    }

    /// This stands in place of the queue now, or nothing does.
    pub fn wrote_queue(&mut self, by: Option<usize>, queue: Option<&Queue>, now: Duration) {
        let tickets = queue.iter().flat_map(|queue| &queue.tickets);
        let there: HashSet<u128> = tickets.map(|ticket| ticket.nonce.0).collect();
        self.tickets.retain(|nonce, _| there.contains(nonce));
        let Some(queue) = queue else {
            return;
        };
        self.served = self.served.max(queue.served);
        for ticket in &queue.tickets {
            let issued = Issued {
                owner: by,
                number: ticket.number,
                at: now,
            };
            let known = self.tickets.entry(ticket.nonce.0).or_insert(issued);
            if known.number != ticket.number {
                *known = issued;
            }
            self.ever
                .extend(known.owner.map(|owner| (owner, ticket.number)));
        }
    }

    pub fn wrote_lock(&mut self, taking: &Taking, clients: &[Client], queue: Option<&Queue>) {
        let served = taking.record.served();
        if served > self.served && !self.ever.contains(&(taking.by, served)) {
            self.raised.push((taking.by, served, taking.at));
        }
        if !taking.record.is_held() {
            self.served = self.served.max(served);
            self.free_since = Some(taking.at);
            return;
        }
        if taking.record.fencing_token <= self.last_token {
            self.faults.push(format!(
                "token {} after {}",
                taking.record.fencing_token, self.last_token
            ));
        }
        self.last_token = taking.record.fencing_token;
        self.note_free(clients, taking.at);
        self.free_since = None;
        self.note_bypasses(taking, clients, queue);
        self.served = self.served.max(taking.record.served());
    }

    /// The run is over.
    pub fn ended(&mut self, clients: &[Client], now: Duration) {
        self.note_free(clients, now);
    }

    fn note_free(&mut self, clients: &[Client], now: Duration) {
        let Some(free_since) = self.free_since else {
            return;
        };
        let waits = |client: &&Client| client.waits_in_line() && !is_away(client, free_since, now);
        let waiting = clients
            .iter()
            .filter(waits)
            .map(|client| client.began)
            .min();
        if let Some(since) = waiting {
            let free = now - free_since.max(since);
            if free > self.longest_free.0 {
                self.longest_free = (free, now);
            }
        }
    }

    /// Who waited with an earlier ticket than that of whoever has just taken the lock.
    fn note_bypasses(&mut self, taking: &Taking, clients: &[Client], queue: Option<&Queue>) {
        let Some(queue) = queue else {
            return;
        };
        let served_before = self.served.max(taking.before.map_or(0, Record::served));
        let live = |ticket: &(u64, Issued)| ticket.0 > served_before;
        let tickets = queue.tickets.iter();
        let issued = tickets.filter_map(|ticket| {
            let issued = self.tickets.get(&ticket.nonce.0)?;
            Some((ticket.number, *issued))
        });
        let live: Vec<(u64, Issued)> = issued.filter(live).collect();
        // The ticket that it has used up.
        let used = taking.record.served();
        let is_own = self.ever.contains(&(taking.by, used));
        let own = Some(used).filter(|_| is_own && used > taking.before.map_or(0, Record::served));
        for (number, ticket) in &live {
            let Some(passed) = ticket.owner.filter(|owner| *owner != taking.by) else {
                continue;
            };
            let client = &clients[passed];
            let is_behind = own.is_some_and(|own| own <= *number);
            let stumbled = client.stumbled.is_some_and(|at| at >= ticket.at);
            let is_there = client.waits_in_line() && !is_away(client, ticket.at, taking.at);
            if is_behind || !is_there || stumbled {
                continue;
            }
            let is_dead = |(before, ticket): &(u64, Issued)| {
                let waits = ticket
                    .owner
                    .is_some_and(|owner| clients[owner].waits_in_line());
                before < number && !waits
            };
            let mut excuse = excuse(taking, &clients[taking.by], ticket.at, own.is_some());
            if excuse == Excuse::LaterTicket && live.iter().any(is_dead) {
                excuse = Excuse::BehindDead;
            }
            self.bypasses.push(Bypass {
                by: taking.by,
                passed,
                at: taking.at,
                excuse,
                since: taking.sent.saturating_sub(ticket.at),
            });
        }
    }

    /// The bypasses that nothing excuses.
    pub fn unexcused(&self) -> Vec<Bypass> {
        let bad = |bypass: &&Bypass| {
            use Excuse::{LaterTicket, NoLook, NoTicket};
            matches!(bypass.excuse, NoTicket | NoLook | LaterTicket)
        };
        self.bypasses.iter().filter(bad).copied().collect()
    }
}

fn excuse(taking: &Taking, taker: &Client, ticket_at: Duration, has_ticket: bool) -> Excuse {
    let base = taking.before.map(|record| record.nonce);
    let is_again = base.is_some() && base == taker.own_release;
    // A look beside the write comes too late for it.
    let has_looked = taker
        .looked
        .is_some_and(|looked| ticket_at < looked && looked < taking.sent);
    if taker.spec.tries || !taker.spec.queue {
        Excuse::Unaware
    } else if taking.sent <= ticket_at + A_MOMENT {
        Excuse::Earlier
    } else if has_ticket {
        Excuse::LaterTicket
    } else if has_looked {
        Excuse::NoTicket
    } else if is_again {
        Excuse::Again
    } else {
        Excuse::NoLook
    }
}

/// Whether it was suspended at some moment between, or is dead.
fn is_away(client: &Client, from: Duration, to: Duration) -> bool {
    let suspended = client.spec.suspended;
    let overlaps = suspended.is_some_and(|(begin, end)| begin < to && from < end);
    overlaps || is_in(suspended, to) || matches!(client.call, Call::Gone)
}
