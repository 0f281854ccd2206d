use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use s3_lock::LockError;

use crate::support::{Fault, Match, Server};
use crate::{builder, client_builder};

#[test]
#[ignore = "attack"]
fn attack() {
    let seconds: u64 = std::env::var("ATTACK").map_or(60, |s| s.parse().unwrap());
    let seed: u64 = std::env::var("SEED").map_or(1, |s| s.parse().unwrap());
    let server = Server::start();
    let current = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let oks: Mutex<HashMap<u64, Vec<u64>>> = Mutex::default();
    let unknown: Mutex<HashMap<u64, Vec<u64>>> = Mutex::default();
    let tally: Mutex<HashMap<&'static str, u64>> = Mutex::default();
    let count = |what| *tally.lock().unwrap().entry(what).or_default() += 1;
    thread::scope(|scope| {
        for c in 0..4u64 {
            let client = client_builder(&server)
                .request_timeout(Duration::from_millis(250))
                .build()
                .unwrap();
            for t in 0..3u64 {
                let (server, current, stop, oks, unknown, count, client) = (
                    &server,
                    &current,
                    &stop,
                    &oks,
                    &unknown,
                    &count,
                    client.clone(),
                );
                let _ = server;
                scope.spawn(move || {
                    let mut rng = SmallRng::seed_from_u64(seed * 1000 + c * 10 + t);
                    let lock = builder(&client)
                        .max_operation(Duration::from_millis(50))
                        .acquire_allowance(Duration::from_millis(550))
                        .poll_interval(Duration::from_millis(5), Duration::from_millis(60))
                        .without_store_clock()
                        .clock_margin(Duration::from_millis(150));
                    let lock = if t == 2 && c == 3 {
                        lock.without_queue()
                    } else {
                        lock
                    };
                    let lock = lock.build().unwrap();
                    while !stop.load(Ordering::SeqCst) {
                        let label =
                            current.load(Ordering::SeqCst) + u64::from(rng.random_bool(0.2));
                        let was_done = oks.lock().unwrap().contains_key(&label);
                        let owner = format!("{c}/{t}");
                        let plain = rng.random_bool(0.05);
                        let got = if plain {
                            lock.acquire_within(&owner, Duration::from_millis(1500))
                        } else if rng.random_bool(0.2) {
                            lock.try_acquire_once(&owner, label.to_string())
                        } else {
                            lock.acquire_once_within(
                                &owner,
                                label.to_string(),
                                Duration::from_millis(rng.random_range(300..4000)),
                            )
                        };
                        match got {
                            Ok(guard) if plain => {
                                count("plain");
                                drop(guard)
                            }
                            Ok(guard) => {
                                assert!(!was_done, "label {label} handed out again");
                                let token = guard.fencing_token().get();
                                thread::sleep(Duration::from_millis(rng.random_range(0..30)));
                                let slow = rng.random_bool(0.08);
                                if slow {
                                    thread::sleep(Duration::from_millis(
                                        rng.random_range(500..1200),
                                    ));
                                }
                                match rng.random_range(0..10) {
                                    0 => {
                                        count("dropped");
                                        drop(guard)
                                    }
                                    1 => {
                                        count("released");
                                        let _ = guard.release();
                                    }
                                    2 if rng.random_bool(0.3) => {
                                        count("forgot");
                                        std::mem::forget(guard);
                                    }
                                    _ => match guard.complete() {
                                        Ok(()) => {
                                            count("ok");
                                            let mut oks = oks.lock().unwrap();
                                            let all = oks.entry(label).or_default();
                                            all.push(token);
                                            assert_eq!(
                                                all.len(),
                                                1,
                                                "label {label} completed twice: {all:?}"
                                            );
                                            drop(oks);
                                            current.fetch_max(label + 1, Ordering::SeqCst);
                                        }
                                        Err(LockError::Lost(_)) => count("lost"),
                                        Err(LockError::Storage(e)) if e.is_outcome_unknown() => {
                                            count("unknown");
                                            unknown
                                                .lock()
                                                .unwrap()
                                                .entry(label)
                                                .or_default()
                                                .push(token);
                                        }
                                        Err(LockError::Storage(_)) => count("failed"),
                                        Err(e) => panic!("{e:?}"),
                                    },
                                }
                            }
                            Err(LockError::AlreadyDone { fencing_token, .. }) => {
                                count("already");
                                let token = fencing_token.get();
                                // oks may lag behind a complete that is just returning
                                let known = |m: &Mutex<HashMap<u64, Vec<u64>>>| {
                                    m.lock()
                                        .unwrap()
                                        .get(&label)
                                        .is_some_and(|v| v.contains(&token))
                                };
                                let began = Instant::now();
                                while !known(oks) && !known(unknown) {
                                    assert!(
                                        began.elapsed() < Duration::from_secs(5),
                                        "label {label} done by nobody: {token}"
                                    );
                                    thread::sleep(Duration::from_millis(1));
                                }
                                current.fetch_max(label + 1, Ordering::SeqCst);
                            }
                            Err(LockError::TimedOut { .. }) => count("timed out"),
                            Err(LockError::TooSlow { .. }) => count("too slow"),
                            Err(LockError::Held(_)) => count("held"),
                            Err(LockError::Storage(_)) => count("storage"),
                            Err(e) => panic!("{e:?}"),
                        }
                    }
                });
            }
        }
        let mut rng = SmallRng::seed_from_u64(seed);
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(seconds) {
            thread::sleep(Duration::from_millis(rng.random_range(1..40)));
            let what = match rng.random_range(0..3) {
                0 => Match::get(),
                _ => Match::put(),
            };
            let fault = match rng.random_range(0..9) {
                0 => Fault::DropBefore,
                1 | 2 => Fault::DropAfter,
                3 => Fault::Duplicate,
                4 => Fault::Stall(Duration::from_millis(rng.random_range(50..900))),
                5 => Fault::StallAfter(Duration::from_millis(rng.random_range(50..400))),
                6 => Fault::answer_after(500, "InternalError"),
                7 => Fault::answer(409, "ConditionalRequestConflict"),
                _ => Fault::answer_after(503, "SlowDown"),
            };
            server.fault(what, fault);
        }
        server.clear_faults();
        stop.store(true, Ordering::SeqCst);
    });
    println!(
        "{:?}; labels {}",
        tally.lock().unwrap(),
        current.load(Ordering::SeqCst)
    );
    // A label may be done by an unknown or an Ok, never by two.
    let oks = oks.lock().unwrap();
    assert!(oks.values().all(|v| v.len() == 1));
}
