//! One that waits behind a holder of ten minutes, by a clock that is moved forward.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use s3_lock::{Client, InMemoryStore, S3Lock};

use crate::Run;
use crate::common::{Figures, with_queue};

const HELD: Duration = Duration::from_secs(600);
/// How far the clock moves at a time, and how long the waiter has to do what is due by then.
const STEP: Duration = Duration::from_millis(20);
const BREATH: Duration = Duration::from_micros(200);

/// Counts the requests of a waiter with the default settings, and how long it takes to notice the end.
pub fn run(run: &Run) -> Figures {
    let store = InMemoryStore::new();
    let of = |client: &Client| -> S3Lock {
        let lock = S3Lock::builder("bucket", "bench").max_operation(HELD * 2);
        let lock = with_queue(lock, run.queue).client(client.clone());
        lock.build().expect("the settings are valid")
    };
    let guard = of(&store.client()).acquire("holder");
    let guard = guard.expect("nobody else is there");
    let client = store.client();
    let lock = of(&client);
    let has_got = AtomicBool::new(false);
    let mut noticed = Duration::ZERO;
    let held = if run.is_test { HELD / 60 } else { HELD };
    thread::scope(|scope| {
        scope.spawn(|| {
            let guard = lock.acquire("waiter").expect("the holder releases");
            has_got.store(true, Ordering::SeqCst);
            guard.release().expect("it is held");
        });
        let mut passed = Duration::ZERO;
        while passed < held {
            step(&store, &mut passed);
        }
        guard.release().expect("it is held");
        while !has_got.load(Ordering::SeqCst) {
            step(&store, &mut noticed);
        }
    });
    let counts = client.request_counts();
    let mut figures = Figures {
        scenario: run.scenario.to_owned(),
        has_queue: run.queue,
        store: "in-process".to_owned(),
        ..Figures::default()
    };
    for (name, value) in [
        ("held_s", held.as_secs_f64()),
        ("requests", counts.total() as f64),
        ("gets", counts.reads().total() as f64),
        ("puts", counts.writes().total() as f64),
        ("noticed_after_s", noticed.as_secs_f64()),
    ] {
        figures.more.insert(name.to_owned(), value);
    }
    figures
        .notes
        .push("in memory, by a simulated clock".to_owned());
    figures
}

fn step(store: &InMemoryStore, passed: &mut Duration) {
    store.advance(STEP);
    *passed += STEP;
    thread::sleep(BREATH);
}
