//! Renewals that fail are told while there is still time, and where that can do no harm.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, TryRecvError};
use std::thread;
use std::time::Duration;

use s3_lock::{LockGuard, RenewalTrouble};

use crate::by_hand::{self, DUE, LEASE, is_renewed};
use crate::support::{Fault, Match, Server};
use crate::{client, eventually, leased};

/// Long enough for anything that is to happen, and not waited for where it does.
const LONG: Duration = Duration::from_secs(60);

/// Where the troubles that a guard's callback is called with arrive.
fn told(guard: &LockGuard) -> Receiver<RenewalTrouble> {
    let (tell, told) = mpsc::channel();
    guard.on_trouble(move |trouble| tell.send(trouble.clone()).unwrap());
    told
}

/// Nothing more was told. A slow machine may overlook something, and sees nothing that is not there.
fn nothing_is_told<T>(told: &Receiver<T>) {
    thread::sleep(Duration::from_millis(200));
    assert_eq!(told.try_recv().err(), Some(TryRecvError::Empty));
}

fn denied() -> Fault {
    Fault::answer(403, "AccessDenied")
}

#[test]
fn on_trouble_tells_the_error_and_what_is_left_of_the_lease() {
    let server = Server::start();
    let (time, guard) = by_hand::kept(&server);
    let told = told(&guard);
    server.fault(Match::put().times(1), denied());
    time.advance(DUE);
    let trouble = told.recv_timeout(LONG).unwrap();
    assert_eq!(trouble.error().code(), Some("AccessDenied"));
    assert!(!trouble.remaining().is_zero());
    guard.check().unwrap();
}

#[test]
fn on_trouble_is_called_once_for_each_row_of_failures() {
    let server = Server::start();
    let (time, guard) = by_hand::kept(&server);
    let told = told(&guard);
    for _ in 0..2 {
        server.fault(Match::put().times(3), denied());
        time.advance(DUE);
        eventually("three have failed", || server.pending_faults() == 0);
        is_renewed(&guard);
        told.recv_timeout(LONG).unwrap();
        assert_eq!(told.try_recv().err(), Some(TryRecvError::Empty));
    }
}

#[test]
fn on_trouble_set_while_renewals_fail_is_called_at_once() {
    let server = Server::start();
    let (time, guard) = by_hand::kept(&server);
    let first = told(&guard);
    server.fault(Match::put().always(), denied());
    time.advance(DUE);
    first.recv_timeout(LONG).unwrap();
    let second = told(&guard).recv_timeout(LONG).unwrap();
    assert_eq!(second.error().code(), Some("AccessDenied"));
    server.clear_faults();
}

#[test]
fn on_trouble_never_runs_twice_at_once_and_keeps_nobody_waiting() {
    let server = Server::start();
    let (time, guard) = by_hand::kept(&server);
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (unblock, blocked) = mpsc::channel::<()>();
    let (runs, peak) = (running.clone(), most.clone());
    guard.on_trouble(move |_| {
        peak.fetch_max(runs.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let _ = blocked.recv();
        runs.fetch_sub(1, Ordering::SeqCst);
    });
    let told = told(&guard);
    for _ in 0..2 {
        server.fault(Match::put().times(1), denied());
        time.advance(DUE);
        told.recv_timeout(LONG).unwrap();
        is_renewed(&guard);
    }
    guard.check().unwrap();
    drop(unblock);
    eventually("the slow one is through", || {
        running.load(Ordering::SeqCst) == 0
    });
    assert_eq!(most.load(Ordering::SeqCst), 1);
}

#[test]
fn on_trouble_that_panics_harms_nothing() {
    let server = Server::start();
    let (time, guard) = by_hand::kept(&server);
    guard.on_trouble(|_| panic!("on purpose"));
    let told = told(&guard);
    for _ in 0..2 {
        server.fault(Match::put().times(1), denied());
        time.advance(DUE);
        told.recv_timeout(LONG).unwrap();
        is_renewed(&guard);
    }
    guard.release().unwrap();
}

#[test]
fn on_trouble_is_dropped_with_the_guard() {
    let server = Server::start();
    let (_, guard) = by_hand::kept(&server);
    let told = told(&guard);
    drop(guard);
    assert_eq!(
        told.recv_timeout(LONG).unwrap_err(),
        RecvTimeoutError::Disconnected
    );
}

#[test]
fn on_trouble_hears_nothing_of_a_renewal_by_hand() {
    let server = Server::start();
    let lock = leased(&client(&server), 60_000).build().unwrap();
    let guard = lock.acquire("me").unwrap();
    let told = told(&guard);
    server.fault(Match::put().times(1), denied());
    guard.renew().unwrap_err();
    nothing_is_told(&told);
}

#[test]
fn on_trouble_set_after_the_loss_is_not_called() {
    let server = Server::start();
    let (time, guard) = by_hand::kept(&server);
    let before = told(&guard);
    server.fault(Match::put().always(), denied());
    time.advance(DUE);
    before.recv_timeout(LONG).unwrap();
    time.advance(LEASE);
    eventually("its lease runs out", || guard.check().is_err());
    let after = told(&guard);
    nothing_is_told(&after);
    server.clear_faults();
}

#[test]
fn on_trouble_that_was_busy_until_the_loss_is_not_called_again() {
    let server = Server::start();
    let (time, guard) = by_hand::kept(&server);
    let (go, wait) = mpsc::channel();
    let (tell, told) = mpsc::channel();
    guard.on_trouble(move |trouble| {
        tell.send(trouble.remaining()).unwrap();
        let _ = wait.recv_timeout(LONG);
    });
    server.fault(Match::put().times(1), denied());
    time.advance(DUE);
    assert!(!told.recv_timeout(LONG).unwrap().is_zero());
    // It is at work, so what comes next has to wait for it.
    is_renewed(&guard);
    server.fault(Match::put().always(), denied());
    time.advance(DUE);
    eventually("another has failed", || {
        server
            .requests()
            .iter()
            .filter(|r| r.status == Some(403))
            .count()
            > 1
    });
    time.advance(LEASE);
    eventually("its lease runs out", || guard.check().is_err());
    go.send(()).unwrap();
    nothing_is_told(&told);
    server.clear_faults();
}
