//! No call takes longer than the documentation says ("How long a call can block"), whatever the peer
//! leaves unanswered.

use std::mem;
use std::net::TcpListener;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use s3_lock::{Client, ClientBuilder, LockGuard, LockInfo, S3Lock};

use crate::support::{BUCKET, Fault, Match, Server};
use crate::{checking_builder, client, client_builder, leased};

/// The `request_timeout` of all these clients.
const T: Duration = Duration::from_millis(400);
/// The limit of the calls that wait.
const LIMIT: Duration = Duration::from_millis(700);
/// What a busy machine may need besides.
const SLACK: Duration = Duration::from_secs(1);
/// How long it may take to make what a case needs.
const SETTING_UP: Duration = Duration::from_secs(60);
/// Longer than any test.
const FOR_EVER: Duration = Duration::from_secs(600);

/// What a call finds.
struct Scene {
    client: Client,
    /// Nobody has it.
    free: S3Lock,
    /// Somebody else has it, as `seen` shows.
    held: S3Lock,
    seen: LockInfo,
    /// What this client has, unless it never got through to a store.
    guard: Option<LockGuard>,
}

/// A call, and how long it may take.
struct Case {
    name: &'static str,
    most: Duration,
    call: fn(&mut Scene),
}

const fn case(name: &'static str, most: Duration, call: fn(&mut Scene)) -> Case {
    Case { name, most, call }
}

const fn times(count: u32) -> Duration {
    T.saturating_mul(count)
}

/// The calls of a lock or client. How they end is told elsewhere: here it is when.
const CALLS: [Case; 10] = [
    case("acquire", LIMIT.saturating_add(times(2)), |s| {
        mem::forget(s.free.acquire("me"));
    }),
    case("acquire_within", LIMIT.saturating_add(times(2)), |s| {
        mem::forget(s.free.acquire_within("me", LIMIT));
    }),
    case("acquire_once", LIMIT.saturating_add(times(2)), |s| {
        mem::forget(s.free.acquire_once("me", "today"));
    }),
    case(
        "acquire of a held lock",
        LIMIT.saturating_add(times(2)),
        |s| {
            mem::forget(s.held.acquire("me"));
        },
    ),
    case("status", T, |s| drop(s.held.status())),
    case("release by name", times(2), |s| {
        let _ = s.held.release("other");
    }),
    case("force_release", times(2), |s| {
        let _ = s.held.force_release(&s.seen);
    }),
    case("check_store", times(6), |s| drop(s.free.check_store())),
    // Two locks at the most, and the list.
    case("list", times(4), |s| drop(s.client.list(BUCKET, ""))),
    case("drop of a client and its locks", Duration::ZERO, |s| {
        let other = Client::in_memory();
        drop(mem::replace(&mut s.client, other.clone()));
        for lock in [&mut s.free, &mut s.held] {
            drop(mem::replace(lock, named(&other, "none")));
        }
    }),
];

const TRY: [Case; 2] = [
    case("try_acquire", times(6), |s| {
        mem::forget(s.free.try_acquire("me"));
    }),
    case("try_acquire of a held lock", times(6), |s| {
        mem::forget(s.held.try_acquire("me"));
    }),
];

const TRY_WITH_CHECK: Case = case("try_acquire with a check", times(12), |s| {
    mem::forget(s.free.try_acquire("me"));
});

/// The calls of a guard.
const GUARDED: [Case; 6] = [
    case("renew", times(2), |s| drop(guard(s).renew())),
    case("verify", T, |s| drop(guard(s).verify())),
    case("release of a guard", times(2), |s| {
        drop(s.guard.take().map(LockGuard::release));
    }),
    case("complete of a guard", times(2), |s| {
        drop(s.guard.take().map(LockGuard::complete));
    }),
    case("drop of a guard", times(2), |s| drop(s.guard.take())),
    case("what sends nothing", Duration::ZERO, |s| {
        let guard = s.guard.take().unwrap();
        guard.keep_alive().unwrap();
        guard.on_lost(|_| ());
        guard.check().unwrap();
        s.client.request_counts();
        guard.detach();
    }),
];

fn guard(scene: &Scene) -> &LockGuard {
    scene.guard.as_ref().unwrap()
}

fn named(client: &Client, name: &str) -> S3Lock {
    let lock = S3Lock::builder(BUCKET, name).client(client.clone());
    // On a busy machine the guards that are needed here may be long in coming.
    lock.wait_limit(LIMIT)
        .acquire_allowance(SETTING_UP)
        .build()
        .unwrap()
}

fn set_up(lock: &S3Lock) -> LockGuard {
    let label = "what is set up";
    lock.acquire_once_within("other", label, SETTING_UP)
        .unwrap()
}

/// Both locks in the store behind `server`, of which `builder`'s client has a third.
fn scene(server: &Server, builder: ClientBuilder) -> Scene {
    let other = client(server);
    let lock = named(&other, "held");
    let seen = set_up(&lock).detach();
    drop(set_up(&named(&other, "free")));
    let client = builder.request_timeout(T).build().unwrap();
    Scene {
        free: named(&client, "free"),
        held: named(&client, "held"),
        guard: None,
        seen,
        client,
    }
}

/// Where a case is played, and what is wrong there.
struct Stage {
    scene: Scene,
    kind: String,
    /// How much longer than the case says it may take here.
    more: Duration,
    _server: Server,
}

/// Plays the cases; a machine that was too busy for one of them is given two more chances with all.
fn assert_bounds<C: IntoIterator<Item = (&'static Case, Stage)>>(cases: impl Fn() -> C) {
    // To start dozens of servers keeps a machine busy enough to make others late.
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut late = late_ones(cases());
    for _ in 0..2 {
        if !late.is_empty() {
            println!("again, after {late:#?}");
            late = late_ones(cases());
        }
    }
    assert!(late.is_empty(), "{late:#?}");
}

/// Plays each case on a thread of its own, all at once, and tells of those that took too long.
fn late_ones(cases: impl IntoIterator<Item = (&'static Case, Stage)>) -> Vec<String> {
    let cases: Vec<_> = cases.into_iter().collect();
    let play = |(case, mut stage): (&'static Case, Stage)| {
        thread::spawn(move || {
            let start = Instant::now();
            (case.call)(&mut stage.scene);
            let (took, most) = (start.elapsed(), case.most + stage.more);
            // Nothing of it is to be given back.
            mem::forget(stage.scene);
            let late = || format!("{} ({}): {took:?}, not {most:?}", case.name, stage.kind);
            (took > most + SLACK).then(late)
        })
    };
    let playing: Vec<_> = cases.into_iter().map(play).collect();
    let ended = playing.into_iter().map(|thread| thread.join().unwrap());
    ended.flatten().collect()
}

static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn client_calls_end_within_their_bounds_at_a_peer_that_accepts_and_never_answers() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let cases = || CALLS.iter().chain(&TRY).chain([&TRY_WITH_CHECK]);
    assert_bounds(|| {
        cases().map(|case| {
            let server = Server::start();
            let builder = if case.name == TRY_WITH_CHECK.name {
                checking_builder(&server)
            } else {
                client_builder(&server)
            };
            let scene = scene(&server, builder.endpoint(endpoint.clone()));
            (case, stage(server, scene, "silent"))
        })
    });
}

fn stage(server: Server, scene: Scene, kind: &str) -> Stage {
    Stage {
        scene,
        kind: kind.to_owned(),
        more: Duration::ZERO,
        _server: server,
    }
}

#[test]
fn client_calls_end_within_their_bounds_at_a_store_that_stalls() {
    let stalls = [
        ("nothing is done", Match::any(), Fault::Stall(FOR_EVER)),
        (
            "done and not said",
            Match::any(),
            Fault::StallAfter(FOR_EVER),
        ),
        ("no write is done", Match::put(), Fault::Stall(FOR_EVER)),
        (
            "no write is said to be done",
            Match::put(),
            Fault::StallAfter(FOR_EVER),
        ),
        ("no read is done", Match::get(), Fault::Stall(FOR_EVER)),
    ];
    let set_the_stage = |case, (kind, rule, fault): &(&str, Match, Fault)| {
        let server = Server::start();
        let mut scene = scene(&server, client_builder(&server));
        scene.guard = Some(set_up(&named(&scene.client, "mine")));
        server.fault(rule.clone().always(), fault.clone());
        (case, stage(server, scene, kind))
    };
    let calls = || CALLS.iter().chain(&TRY).chain(&GUARDED);
    assert_bounds(|| {
        let each = stalls.iter();
        each.flat_map(|stall| calls().map(move |case| set_the_stage(case, stall)))
    });
}

#[test]
fn try_acquire_ends_within_its_bound_when_its_check_of_the_store_stalls() {
    assert_bounds(|| {
        (0..12).map(|skipped| {
            let server = Server::start();
            let scene = scene(&server, checking_builder(&server));
            let rule = Match::any().skip(skipped).always();
            server.fault(rule, Fault::Stall(FOR_EVER));
            let kind = format!("after {skipped} requests");
            (&TRY_WITH_CHECK, stage(server, scene, &kind))
        })
    });
}

#[test]
fn renew_ends_within_its_bound_when_it_stalls_short_of_its_deadline() {
    const CASES: [Case; 2] = [
        case("renew 300 ms before", Duration::ZERO, renew_late::<300>),
        case("renew 600 ms before", Duration::ZERO, renew_late::<600>),
    ];
    assert_bounds(|| {
        CASES.iter().map(|case| {
            let server = Server::start();
            let mut scene = scene(&server, client_builder(&server));
            let lock = leased(&scene.client, 3_000).build().unwrap();
            let guard = set_up(&lock);
            server.fault(Match::any().always(), Fault::Stall(FOR_EVER));
            let more = guard.remaining();
            scene.guard = Some(guard);
            let stage = stage(server, scene, "at the deadline");
            (case, Stage { more, ..stage })
        })
    });
}

/// Renews so many milliseconds before the deadline.
fn renew_late<const LEFT: u64>(scene: &mut Scene) {
    let left = Duration::from_millis(LEFT);
    thread::sleep(guard(scene).remaining().saturating_sub(left));
    drop(guard(scene).renew());
}
