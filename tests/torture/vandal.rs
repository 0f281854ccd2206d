//! Who spoils the queues of locks: deletes, restores, overwrites and forges them, and has them denied. Nothing in
//! a queue can make a lock wrong, so none of this may be noticed but by who waits how long.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::support::{Dice, Fault, Match, Server};

pub struct Vandal {
    dice: Dice,
    locks: u64,
    next: Instant,
    /// What some queues were like earlier.
    saved: HashMap<String, Vec<u8>>,
    pub deeds: Deeds,
}

/// What was done to queues.
#[derive(Clone, Copy, Debug, Default)]
pub struct Deeds {
    pub deleted: u64,
    pub restored: u64,
    pub overwritten: u64,
    pub raised: u64,
    pub forged: u64,
    pub denied: u64,
}

/// How long queues are left alone.
const PEACE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(400));
/// The queues of all other locks are never touched. The use of those that are spoiled is given up for a minute by
/// the processes that find them so.
const SPARED: u64 = 3;

/// The key of a lock's queue.
pub fn queue_of(lock: u64) -> String {
    format!("torture/lock-{lock}.queue")
}

impl Vandal {
    pub fn new(seed: u64, locks: u64) -> Vandal {
        Vandal {
            dice: Dice::new(seed, &[u64::MAX, u64::MAX]),
            locks,
            next: Instant::now(),
            saved: HashMap::new(),
            deeds: Deeds::default(),
        }
    }

    /// Does what is due.
    pub fn tick(&mut self, server: &Server) {
        if self.next > Instant::now() {
            return;
        }
        self.next = Instant::now() + self.dice.between(PEACE.0, PEACE.1);
        let lock = self.dice.below(self.locks);
        if lock % SPARED == 0 {
            return;
        }
        let key = queue_of(lock);
        let stored = server.object(&key).map(|object| object.body);
        let parsed: Option<Value> = stored
            .as_ref()
            .and_then(|body| serde_json::from_slice(body).ok());
        let Some(queue) = parsed else {
            // Not there, or another program's: that does not stay for long.
            server.delete_object(&key);
            return;
        };
        self.strike(server, &key, queue);
    }

    fn strike(&mut self, server: &Server, key: &str, queue: Value) {
        match self.dice.below(16) {
            0..3 => {
                self.deeds.deleted += 1;
                server.delete_object(key);
            }
            3..6 => {
                if let Some(old) = self.saved.remove(key) {
                    self.deeds.restored += 1;
                    server.put_object(key, old);
                }
            }
            6..9 => drop(self.saved.insert(key.to_owned(), queue.to_string().into())),
            9 => {
                self.deeds.overwritten += 1;
                let length = self.dice.below(200);
                let bytes: Vec<u8> = (0..length).map(|_| self.dice.throw() as u8).collect();
                server.put_object(key, bytes);
            }
            10..12 => {
                self.deeds.raised += 1;
                server.put_object(key, self.raised(queue).to_string());
            }
            12..14 => {
                self.deeds.forged += 1;
                server.put_object(key, self.with_strangers(queue).to_string());
            }
            _ => {
                self.deeds.denied += 1;
                let rule = match self.dice.below(3) {
                    0 => Match::get(),
                    1 => Match::put(),
                    _ => Match::any(),
                };
                let times = usize::try_from(1 + self.dice.below(10)).expect("it is small");
                let rule = rule.key(key).times(times);
                server.fault(rule, Fault::answer(403, "AccessDenied"));
            }
        }
    }

    /// All who wait seem to have had their turn, or some of them, or nobody does any more.
    fn raised(&mut self, mut queue: Value) -> Value {
        let next = queue["next"].as_u64().unwrap_or(1);
        let served = match self.dice.below(8) {
            0 => 0,
            1 => next + 1_000_000,
            _ => next.saturating_sub(self.dice.below(4)),
        };
        queue["served"] = served.into();
        queue
    }

    /// Some come before or after those who wait, and never take the lock.
    fn with_strangers(&mut self, mut queue: Value) -> Value {
        let next = queue["next"].as_u64().unwrap_or(1);
        let strangers = 1 + self.dice.below(4);
        for _ in 0..strangers {
            let stranger = json!({
                "n": (next + self.dice.below(8)).saturating_sub(5),
                "nonce": format!("{:032x}", u128::from(self.dice.throw())),
                "react_ms": self.dice.below(1_200),
                "label": "nobody",
            });
            if let Some(tickets) = queue["tickets"].as_array_mut() {
                tickets.push(stranger);
            }
        }
        queue["next"] = (next + 4).into();
        queue
    }
}
