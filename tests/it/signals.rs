//! Calls that signals interrupt, in a process that is sent one every millisecond.

use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use s3_lock::internals::Time;
use s3_lock::{Client, LockError};

use crate::by_hand::{self, DUE, is_renewed};
use crate::support::Server;
use crate::{KEY, builder, child};

/// What the parts of these tests are called by.
pub const PARTS: &str = "signals";

/// In the process of its own.
pub fn play(part: &str) {
    bombard();
    match part {
        "cycle" => cycle(),
        "wait" => wait(),
        "keep alive" => keep_alive(),
        other => panic!("no such part: {other}"),
    }
    // A machine that is busy delivers several as one.
    assert!(SIGNALS.load(Ordering::Relaxed) > 20, "too few signals");
}

static SIGNALS: AtomicU64 = AtomicU64::new(0);

extern "C" fn count(_: libc::c_int) {
    SIGNALS.fetch_add(1, Ordering::Relaxed);
}

/// Has this process interrupted every millisecond from now on. The handler is installed without
/// `SA_RESTART`: what blocks comes back with `EINTR`.
fn bombard() {
    let millisecond = libc::timeval {
        tv_sec: 0,
        tv_usec: 1_000,
    };
    let every = libc::itimerval {
        it_interval: millisecond,
        it_value: millisecond,
    };
    // SAFETY: an action of zeros is a valid one without flags; the handler does nothing but add to an
    // atomic number; all that is pointed to lives until the calls have returned.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = count as extern "C" fn(libc::c_int) as usize;
        assert_eq!(libc::sigaction(libc::SIGALRM, &action, ptr::null_mut()), 0);
        let set = libc::setitimer(libc::ITIMER_REAL, &every, ptr::null_mut());
        assert_eq!(set, 0);
    }
}

#[test]
fn client_calls_that_signals_interrupt_go_on_and_send_nothing_twice() {
    let server = Server::start();
    server.set_latency(Duration::from_millis(5));
    child::play(PARTS, "cycle", &server);
    let mut sent = server.requests();
    sent.retain(|request| request.key == KEY);
    let count = |method: &str| sent.iter().filter(|r| r.method == method).count();
    assert_eq!((count("GET"), count("PUT")), (1 + 2 * CYCLES, 3 * CYCLES));
}

const CYCLES: usize = 20;

fn cycle() {
    let client = Client::new().unwrap();
    let lock = builder(&client).build().unwrap();
    for _ in 0..CYCLES {
        let guard = lock.acquire("me").unwrap();
        guard.renew().unwrap();
        guard.verify().unwrap();
        lock.status().unwrap();
        guard.release().unwrap();
    }
}

#[test]
fn acquire_within_that_signals_interrupt_ends_on_time() {
    let server = Server::start();
    let _guard = crate::lock(&server).acquire("other").unwrap();
    child::play(PARTS, "wait", &server);
}

fn wait() {
    let lock = builder(&Client::new().unwrap()).build().unwrap();
    let limit = Duration::from_millis(500);
    let start = Instant::now();
    match lock.acquire_within("me", limit) {
        Err(LockError::TimedOut { waited, .. }) => assert!(waited >= limit),
        other => panic!("{other:?}"),
    }
    let took = start.elapsed();
    assert!((limit..limit * 20).contains(&took), "{took:?}");
}

#[test]
fn keep_alive_is_not_disturbed_by_signals() {
    let server = Server::start();
    server.set_latency(Duration::from_millis(20));
    child::play(PARTS, "keep alive", &server);
}

fn keep_alive() {
    let time = Time::default();
    let client = time.of(Client::builder()).build().unwrap();
    let guard = by_hand::kept_lock(&client).build().unwrap();
    let guard = guard.acquire("me").unwrap();
    for _ in 0..30 {
        time.advance(DUE);
        is_renewed(&guard);
        guard.check().unwrap();
    }
    guard.release().unwrap();
}
