//! Shared calls: each caller gets the outcome of a request that was sent after it asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use shuttle::future::block_on;
use shuttle::rand::{Rng, thread_rng};
use shuttle::sync::Mutex;
use shuttle::thread;

use crate::explore;
use crate::shared_call::{Role, SharedCall};
use crate::sync::lock;

/// A guard's calls of one kind.
#[derive(Default)]
struct Calls {
    shared: SharedCall<usize>,
    /// Held while a request is under way.
    serial: Mutex<()>,
    /// How many requests were sent.
    sent: AtomicUsize,
}

impl Calls {
    /// Calls as `HeldLock::renew` does. Some leading callers are stopped half way and call again. Returns
    /// the number of the request whose outcome it got.
    fn call(&self) -> usize {
        loop {
            match self.shared.ask() {
                Role::Join(joined) => {
                    if let Some(outcome) = block_on(joined.outcome()) {
                        return outcome;
                    }
                }
                Role::Lead(lead) => {
                    if thread_rng().gen_range(0..4) == 0 {
                        continue;
                    }
                    let serial = lock(&self.serial);
                    lead.begin();
                    thread::yield_now();
                    let outcome = self.sent.fetch_add(1, Ordering::SeqCst) + 1;
                    thread::yield_now();
                    drop(serial);
                    lead.end(outcome);
                    return outcome;
                }
            }
        }
    }
}

#[test]
fn ask_leads_to_a_request_that_is_sent_later() {
    explore(|| {
        let calls = Arc::<Calls>::default();
        let callers = [(); 3].map(|()| {
            let calls = calls.clone();
            thread::spawn(move || {
                for _ in 0..2 {
                    let before = calls.sent.load(Ordering::SeqCst);
                    let outcome = calls.call();
                    assert!(outcome > before, "request {outcome} was sent before");
                }
            })
        });
        for caller in callers {
            caller.join().unwrap();
        }
    });
}
