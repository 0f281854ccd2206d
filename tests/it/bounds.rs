//! No call takes longer than the documentation says ("How long a call can block"), whatever the peer
//! leaves unanswered.

use std::mem;
use std::net::TcpListener;
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
const CALLS: [Case; 9] = [
    case("acquire", LIMIT.saturating_add(times(2)), |s| {
        mem::forget(s.free.acquire("me"));
    }),
    case("acquire_within", LIMIT.saturating_add(times(2)), |s| {
        mem::forget(s.free.acquire_within("me", LIMIT));
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
const GUARDED: [Case; 5] = [
    case("renew", times(2), |s| drop(guard(s).renew())),
    case("verify", T, |s| drop(guard(s).verify())),
    case("release of a guard", times(2), |s| {
        drop(s.guard.take().map(LockGuard::release));
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
    lock.wait_limit(LIMIT).build().unwrap()
}

/// Both locks in the store behind `server`, of which `builder`'s client has a third.
fn scene(server: &Server, builder: ClientBuilder) -> Scene {
    let other = client(server);
    let lock = named(&other, "held");
    let seen = lock.acquire("other").unwrap().detach();
    named(&other, "free")
        .acquire("other")
        .unwrap()
        .release()
        .unwrap();
    let client = builder.request_timeout(T).build().unwrap();
    Scene {
        free: named(&client, "free"),
        held: named(&client, "held"),
        guard: None,
        seen,
        client,
    }
}

/// Runs each case on a thread of its own, and tells of all that took too long.
fn assert_bounds(
    cases: impl IntoIterator<Item = (&'static Case, Box<dyn FnOnce() -> Taken + Send>)>,
) {
    let running: Vec<_> = cases
        .into_iter()
        .map(|(case, run)| (case, thread::spawn(run)))
        .collect();
    let mut late = Vec::new();
    for (case, thread) in running {
        let (took, kind) = thread.join().unwrap();
        if took > case.most + SLACK {
            late.push(format!(
                "{} ({kind}): {took:?}, not {:?}",
                case.name, case.most
            ));
        }
    }
    assert!(late.is_empty(), "{late:#?}");
}

/// How long a call took, and where.
type Taken = (Duration, String);

fn timed(case: &Case, mut scene: Scene, kind: String) -> Taken {
    let start = Instant::now();
    (case.call)(&mut scene);
    let took = start.elapsed();
    // Nothing of it is to be given back.
    mem::forget(scene);
    (took, kind)
}

#[test]
fn of_calls_to_a_peer_that_accepts_and_never_answers() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let cases = CALLS.iter().chain(&TRY).chain([&TRY_WITH_CHECK]);
    assert_bounds(cases.map(|case| {
        let endpoint = endpoint.clone();
        let run = move || {
            let server = Server::start();
            let checks = case.name == TRY_WITH_CHECK.name;
            let builder = match checks {
                true => checking_builder(&server),
                false => client_builder(&server),
            };
            let scene = scene(&server, builder.endpoint(endpoint));
            timed(case, scene, "silent".to_owned())
        };
        (case, Box::new(run) as Box<_>)
    }));
}

#[test]
fn of_calls_to_a_store_that_stalls() {
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
    let mut runs = Vec::new();
    for (kind, rule, fault) in stalls {
        for case in CALLS.iter().chain(&TRY).chain(&GUARDED) {
            let (rule, fault) = (rule.clone().always(), fault.clone());
            let run = move || {
                let server = Server::start();
                let mut scene = scene(&server, client_builder(&server));
                scene.guard = Some(named(&scene.client, "mine").acquire("me").unwrap());
                server.fault(rule, fault);
                timed(case, scene, kind.to_owned())
            };
            runs.push((case, Box::new(run) as Box<_>));
        }
    }
    assert_bounds(runs);
}

#[test]
fn of_a_try_whose_check_of_the_store_stalls() {
    let runs = (0..12).map(|skipped| {
        let run = move || {
            let server = Server::start();
            let scene = scene(&server, checking_builder(&server));
            server.fault(Match::any().skip(skipped).always(), Fault::Stall(FOR_EVER));
            timed(&TRY_WITH_CHECK, scene, format!("after {skipped} requests"))
        };
        (&TRY_WITH_CHECK, Box::new(run) as Box<_>)
    });
    assert_bounds(runs);
}

#[test]
fn of_a_renewal_that_stalls_short_of_its_deadline() {
    static RENEW: Case = case("renew", Duration::ZERO, |s| drop(guard(s).renew()));
    let runs = [100, 300, 600].map(|left| {
        let run = move || {
            let server = Server::start();
            let mut scene = scene(&server, client_builder(&server));
            let lock = leased(&scene.client, 2_000).build().unwrap();
            scene.guard = Some(lock.acquire("me").unwrap());
            server.fault(Match::any().always(), Fault::Stall(FOR_EVER));
            thread::sleep(
                guard(&scene)
                    .remaining()
                    .saturating_sub(Duration::from_millis(left)),
            );
            let left = guard(&scene).remaining();
            let (took, kind) = timed(&RENEW, scene, format!("{left:?} left"));
            (took.saturating_sub(left), kind)
        };
        (&RENEW, Box::new(run) as Box<_>)
    });
    assert_bounds(runs);
}
