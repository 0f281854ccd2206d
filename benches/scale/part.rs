//! What a process that is measured does, and what it says of itself.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use s3_lock::{Client, LockGuard, S3Lock};
use serde::{Deserialize, Serialize};

use crate::common::{Address, quantile};

/// The part of a process. It ends by itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Part {
    /// So many locks on one client: each is used once, or taken and held.
    Locks { count: usize, held: bool },
    /// The first call of a process.
    FirstCall { lock: String },
    /// A holder that renews in the background, or does not.
    Holder { keep_alive: bool },
    /// So many warm cycles, and as little else as can be.
    Cycles { count: usize },
}

/// The lines by which a figure is told.
pub const FIGURE: &str = "figure ";

fn say(name: &str, value: f64) {
    println!("{FIGURE}{name} {value}");
}

const SOUND: &str = "the store answers, and nobody else is there";

impl Part {
    /// Plays the part in a process that began at `start`.
    pub fn play(&self, address: &Address, start: Instant) {
        match self {
            Part::Locks { count, held } => locks(address, *count, *held),
            Part::FirstCall { lock: name } => first_call(address, name, start),
            Part::Holder { keep_alive } => holder(address, *keep_alive),
            Part::Cycles { count } => {
                let lock = lock(address, &address.client(), "cycles");
                (0..*count).for_each(|_| cycle(&lock));
            }
        }
    }
}

fn lock(address: &Address, client: &Client, name: &str) -> S3Lock {
    let lock = address.lock_builder(name, client);
    let lock = lock.max_operation(Duration::from_secs(600)).build();
    lock.expect("the settings are valid")
}

fn cycle(lock: &S3Lock) {
    let guard = lock.acquire("bench").expect(SOUND);
    guard.release().expect(SOUND);
}

fn locks(address: &Address, count: usize, held: bool) {
    let client = address.client();
    // The connection, and whatever else the first lock of a client needs.
    cycle(&lock(address, &client, "first"));
    let (in_use, resident) = (in_use(), resident());
    let each = |before: f64, after: f64| (after - before) / count as f64;
    let name = |serial| format!("lock-{serial}");
    let locks = (0..count).map(|serial| lock(address, &client, &name(serial)));
    let locks: Vec<S3Lock> = locks.collect();
    say("handle_bytes", each(in_use, self::in_use()));

    let mut guards: Vec<LockGuard> = Vec::new();
    for lock in &locks {
        let guard = lock.acquire("bench").expect(SOUND);
        if held {
            guards.push(guard);
        } else {
            guard.release().expect(SOUND);
        }
    }
    say("in_use_bytes", each(in_use, self::in_use()));
    say("resident_bytes", each(resident, self::resident()));
    drop(guards);
    say("warm_cycle_ms", warm_cycle(&locks));
    drop(locks);
    say("left_bytes", each(in_use, self::in_use()));
}

/// After so long a lock is quiet again: nobody looks whether others wait for it.
const QUIET: Duration = Duration::from_millis(5_500);
const FEW: usize = 10;

/// The median time of cycles of locks that this client knows and released last. Of many locks each has its turn once,
/// and after it was quiet.
fn warm_cycle(locks: &[S3Lock]) -> f64 {
    let turns = if locks.len() > FEW {
        thread::sleep(QUIET);
        locks.len().min(200)
    } else {
        200
    };
    let times = (0..turns).map(|turn| {
        let start = Instant::now();
        cycle(&locks[turn * 7_919 % locks.len()]);
        start.elapsed().as_secs_f64() * 1e3
    });
    let mut times: Vec<f64> = times.collect();
    times.sort_by(f64::total_cmp);
    quantile(&times, 0.5)
}

fn first_call(address: &Address, name: &str, start: Instant) {
    let client = address.client();
    let lock = lock(address, &client, name);
    let made = start.elapsed();
    let guard = lock.acquire("bench").expect(SOUND);
    let got = start.elapsed();
    say("made_client_ms", made.as_secs_f64() * 1e3);
    say("first_acquire_ms", got.as_secs_f64() * 1e3);
    guard.release().expect(SOUND);
}

fn holder(address: &Address, keep_alive: bool) {
    let client = address.client();
    let lock = address.lock_builder("holder", &client);
    let lock = lock.max_operation(Duration::from_secs(1));
    let lock = lock.acquire_allowance(Duration::from_secs(2));
    let lock = lock.build().expect("the settings are valid");
    let start = Instant::now();
    let guard = lock.acquire("holder").expect(SOUND);
    say("first_acquire_ms", start.elapsed().as_secs_f64() * 1e3);
    if keep_alive {
        guard.keep_alive().expect(SOUND);
    }
    // It is renewed after a third of its lease, of 3 s.
    thread::sleep(Duration::from_millis(1_500));
    let threads = fs::read_dir("/proc/self/task").expect("this is Linux");
    say("threads", threads.count() as f64);
    say("resident_mb", resident() / 1e6);
    guard.release().expect(SOUND);
}

/// The bytes that malloc has given out, with its own overhead, of all its arenas.
fn in_use() -> f64 {
    // SAFETY: it takes nothing, and only looks.
    let info = unsafe { libc::mallinfo2() };
    (info.uordblks + info.hblkhd) as f64
}

/// The bytes of this process that are in memory, what it shares with others included.
fn resident() -> f64 {
    let status = fs::read_to_string("/proc/self/status").expect("this is Linux");
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|l| l.trim().strip_suffix(" kB"));
    let kilobytes = kilobytes.and_then(|k| k.parse::<f64>().ok());
    kilobytes.expect("it is a number of kB") * 1_024.0
}
