//! Forked children: the parent's guards are none of theirs, and its clients and locks are theirs to use.
//!
//! Each test has a process of its own, which has one thread where it does not say otherwise.

mod identity;
mod thread_starts;

use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Barrier, mpsc};
use std::time::{Duration, Instant};
use std::{env, hint, mem, process, ptr, thread};

use s3_lock::internals::Time;
use s3_lock::{
    Client, InMemoryStore, LockError, LockGuard, LockStatus, LostCause, RequestCounts, S3Lock,
    WaitHandle,
};

use crate::by_hand::{self, DUE, is_renewed};
use crate::child;
use crate::support::{BUCKET, Certificate, ConnectProxy, Request, Server, Tls, TlsFront};
use crate::{builder, eventually, lock_of};

/// What the parts of these tests are called by.
pub const PARTS: &str = "fork";

/// In the process of its own.
pub fn play(part: &str) {
    match part {
        "works" => works(),
        "refused" => refused(),
        "inert" => inert(),
        "waits" => waits(),
        "daemon" => daemon(),
        "generations" => generations(3),
        "too many" => too_many(1),
        "bad owner" => bad_owner(),
        "killed" => leaves(|_, _, _| end(0)),
        "returns" => leaves(|client, lock, guard| drop((client, lock, guard))),
        "exits" => leaves(|client, lock, guard| {
            drop((client, lock, guard));
            process::exit(0)
        }),
        "drops all" => drops_all(),
        "kept alive" => kept_alive(),
        "busy" => busy(),
        "watched" => watched(),
        "memory" => memory(),
        "before use" => before_use(),
        "tls" => tls(),
        "first build" => first_build(),
        "no threads: names and files" => thread_starts::names_and_files(),
        "no threads: command" => thread_starts::command(),
        "cloned" => identity::cloned(),
        "same id" => identity::same_id(fork),
        "same id, cloned" => identity::same_id(identity::clone),
        "dead ancestor" => identity::dead_ancestor(),
        other if other.starts_with(identity::UNWIPED) => {
            identity::refuse_to_wipe();
            play(&other[identity::UNWIPED.len()..]);
        }
        other => panic!("no such part: {other}"),
    }
}

/// A child of this process. Dropped, it is stopped.
#[must_use]
struct Forked(libc::pid_t);

impl Forked {
    /// Forks, and runs `part` in the child, which ends with it.
    fn new(part: impl FnOnce()) -> Forked {
        Forked::by(fork, part)
    }

    fn by(fork: fn() -> libc::pid_t, part: impl FnOnce()) -> Forked {
        let pid = fork();
        assert!(pid >= 0, "this process cannot fork");
        if pid == 0 {
            let went_well = panic::catch_unwind(AssertUnwindSafe(part)).is_ok();
            end(i32::from(!went_well));
        }
        Forked(pid)
    }

    /// Waits for its end, which must come soon and be a good one.
    fn ends_well(self) {
        let start = Instant::now();
        let mut status = 0;
        // SAFETY: the child is this process's own and was not waited for.
        while unsafe { libc::waitpid(self.0, &mut status, libc::WNOHANG) } == 0 {
            assert!(start.elapsed() < HANGS, "a forked child hangs");
            thread::sleep(Duration::from_millis(1));
        }
        self.leave_alone();
        assert_eq!(status, 0, "a forked child failed");
    }

    /// Does not stop it.
    fn leave_alone(self) {
        mem::forget(self);
    }
}

impl Drop for Forked {
    fn drop(&mut self) {
        // SAFETY: it is not waited for yet, so its id is still its own.
        unsafe {
            libc::kill(self.0, libc::SIGKILL);
            libc::waitpid(self.0, ptr::null_mut(), 0);
        }
    }
}

/// How long a child may take.
const HANGS: Duration = Duration::from_secs(30);

fn fork() -> libc::pid_t {
    // SAFETY: the child allocates, which is sound after a fork as the C library sees to it, and does
    // what this crate promises to work there.
    unsafe { libc::fork() }
}

/// Something that threads do again and again, until this is dropped, also when the test fails.
struct Busy<'a>(&'a AtomicBool);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Ends this process without running what an exit runs.
fn end(code: i32) -> ! {
    // SAFETY: nothing is left to be done in it.
    unsafe { libc::_exit(code) }
}

fn named(client: &Client, name: &str) -> S3Lock {
    let lock = S3Lock::builder(BUCKET, name).client(client.clone());
    lock.poll_interval(Duration::from_millis(5), Duration::from_millis(50))
        .build()
        .unwrap()
}

/// The requests about the lock that is named `name`.
fn requests_about(server: &Server, name: &str) -> Vec<Request> {
    let key = format!("{name}.lock");
    let mut requests = server.requests();
    requests.retain(|request| request.key.ends_with(&key));
    requests
}

fn connections(requests: &[Request]) -> Vec<u64> {
    let mut connections: Vec<_> = requests.iter().map(|r| r.connection).collect();
    connections.dedup();
    connections
}

/// Whether requests come by one connection in one of three tries. On a busy machine a connection may not be
/// back in its pool when the next request wants one; had the child closed it, there would be two each time.
fn at_least_once(is_by_one_connection: impl Fn() -> bool) -> bool {
    (0..3).any(|_| is_by_one_connection())
}

#[test]
fn client_that_a_child_inherited_locks() {
    child::play(PARTS, "works", &Server::start());
}

fn works() {
    let client = Client::new().unwrap();
    let (mine, other) = (named(&client, "mine"), named(&client, "other"));
    drop(mine.acquire("parent").unwrap());
    Forked::new(|| {
        let guard = other.acquire("child").unwrap();
        guard.keep_alive().unwrap();
        guard.renew().unwrap();
        guard.verify().unwrap();
        assert_eq!(guard.info().pid(), process::id());
        assert!(matches!(mine.status().unwrap(), LockStatus::Free));
        assert_eq!(client.list(BUCKET, "").unwrap().len(), 2);
        assert!(mine.check_store().unwrap().is_safe());
        guard.release().unwrap();
        drop(mine.acquire("child").unwrap().detach());
        assert!(mine.release("child").unwrap());
        drop(named(&client, "third").try_acquire("child").unwrap());
    })
    .ends_well();
    drop(other.acquire("parent").unwrap());
}

#[test]
fn client_in_a_child_starts_with_a_connection_and_counts_of_its_own_and_leaves_its_parents_alone() {
    assert!(at_least_once(|| {
        let server = Server::start();
        child::play(PARTS, "returns", &server);
        let parent = connections(&requests_about(&server, crate::NAME));
        let child = connections(&requests_about(&server, "childs"));
        assert!(parent.iter().all(|connection| !child.contains(connection)));
        (parent.len(), child.len()) == (1, 1)
    }));
}

#[test]
fn client_of_a_parent_is_not_changed_by_a_childs_end_however_it_comes() {
    for part in ["killed", "returns", "exits"] {
        child::play(PARTS, part, &Server::start());
    }
}

/// A child uses what it inherited, and then leaves in a way of its own.
fn leaves(leave: impl FnOnce(Client, S3Lock, LockGuard)) {
    let client = Client::new().unwrap();
    let lock = lock_of(&client);
    let guard = lock.acquire("parent").unwrap();
    let sent = client.request_counts();
    let mut all = Some((client, lock, guard));
    Forked::new(|| {
        let (client, lock, guard) = all.take().unwrap();
        assert_eq!(client.request_counts(), RequestCounts::default());
        drop(named(&client, "childs").acquire("child").unwrap());
        leave(client, lock, guard);
    })
    .ends_well();
    let (client, lock, guard) = all.unwrap();
    guard.verify().unwrap();
    guard.renew().unwrap();
    guard.release().unwrap();
    let sent = client.request_counts().since(sent);
    assert_eq!((sent.reads().total(), sent.writes().total()), (1, 2));
    drop(lock.try_acquire("parent").unwrap());
}

#[test]
fn drop_of_all_there_is_of_a_client_in_a_child_takes_nothing_of_its_parents_apart() {
    assert!(at_least_once(|| {
        let server = Server::start();
        child::play(PARTS, "drops all", &server);
        let requests = requests_about(&server, crate::NAME);
        assert_eq!(requests.len(), 4);
        connections(&requests).len() == 1
    }));
}

/// No guard keeps anything in the child: these are the last references there.
fn drops_all() {
    let client = Client::new().unwrap();
    let lock = lock_of(&client);
    lock.status().unwrap();
    let mut all = Some((client, lock));
    Forked::new(|| drop(all.take())).ends_well();
    let (_client, lock) = all.unwrap();
    lock.acquire("parent").unwrap().release().unwrap();
}

#[test]
fn try_acquire_refuses_a_child_what_its_parent_holds_as_any_other_process() {
    child::play(PARTS, "refused", &Server::start());
}

fn refused() {
    let lock = lock_of(&Client::new().unwrap());
    let parent = process::id();
    let guard = lock.acquire("parent").unwrap();
    Forked::new(|| {
        match lock.try_acquire("child") {
            Err(LockError::Held(holder)) => assert_eq!(holder.pid(), parent),
            other => panic!("{other:?}"),
        }
        match lock.acquire_within("child", Duration::from_millis(300)) {
            Err(LockError::TimedOut { holder, .. }) => assert_eq!(holder.unwrap().pid(), parent),
            other => panic!("{other:?}"),
        }
        assert!(!lock.release("child").unwrap());
    })
    .ends_well();
    guard.release().unwrap();
}

#[test]
fn guard_of_a_parent_does_nothing_in_its_child() {
    let server = Server::start();
    child::play(PARTS, "inert", &server);
    // The parent's, for its guard's sake: acquired, verified, released.
    let requests = requests_about(&server, crate::NAME);
    let sent: Vec<_> = requests.iter().map(|r| r.method.as_str()).collect();
    assert_eq!(sent, ["GET", "PUT", "GET", "PUT"]);
}

fn inert() {
    let lock = builder(&Client::new().unwrap()).keep_alive();
    let guard = lock.build().unwrap().acquire("parent").unwrap();
    let mut inherited = Some(guard);
    Forked::new(|| {
        let guard = inherited.take().unwrap();
        let lost = |result| matches!(result, Err(LockError::Lost(LostCause::Vanished)));
        assert!(!guard.is_held() && guard.remaining().is_zero());
        assert!(lost(guard.check()) && lost(guard.renew()) && lost(guard.verify()));
        assert!(lost(guard.keep_alive()));
        let (tell, told) = mpsc::channel();
        guard.on_lost(move |cause| tell.send(cause.clone()).unwrap());
        assert!(matches!(told.recv(), Ok(LostCause::Vanished)));
        assert!(format!("{guard:?}").contains("parent"));
        assert!(lost(guard.release()));
    })
    .ends_well();
    let guard = inherited.unwrap();
    guard.verify().unwrap();
    guard.release().unwrap();
}

#[test]
fn acquire_in_a_child_has_its_turn_when_its_parent_has_released_the_lock() {
    child::play(PARTS, "waits", &Server::start());
}

fn waits() {
    let client = Client::new().unwrap();
    let lock = named(&client, "both");
    let guard = lock.acquire("parent").unwrap();
    let token = guard.fencing_token();
    let forked = Forked::new(|| {
        let guard = lock
            .acquire_within("child", Duration::from_secs(20))
            .unwrap();
        assert!(guard.fencing_token() > token);
        assert!(guard.info().pid() == process::id() && guard.is_held());
        guard.release().unwrap();
    });
    thread::sleep(Duration::from_millis(100));
    guard.release().unwrap();
    forked.ends_well();
    // What the parent remembers of its own release is out of date, and it finds that out.
    drop(lock.acquire("parent").unwrap());
}

#[test]
fn client_that_a_daemon_inherited_that_forked_twice_locks() {
    child::play(PARTS, "daemon", &Server::start());
}

fn daemon() {
    let client = Client::new().unwrap();
    let (mine, daemons) = (named(&client, "mine"), named(&client, "daemons"));
    let guard = mine.acquire("parent").unwrap();
    let parent = process::id();
    Forked::new(|| {
        // The middle one ends at once, and nobody waits for the daemon.
        let daemon = Forked::new(|| {
            let holder = match mine.try_acquire("daemon") {
                Err(LockError::Held(holder)) => holder,
                other => panic!("{other:?}"),
            };
            assert_eq!(holder.pid(), parent);
            daemons.acquire("daemon").unwrap().detach();
        });
        daemon.leave_alone();
    })
    .ends_well();
    eventually(
        "the daemon has its lock",
        || matches!(daemons.status().unwrap(), LockStatus::Held(info) if info.owner() == "daemon"),
    );
    guard.verify().unwrap();
    guard.release().unwrap();
}

#[test]
fn client_that_a_childs_child_and_its_child_inherited_locks() {
    child::play(PARTS, "generations", &Server::start());
}

/// Each holds a lock of its own while it forks, and so has all of a client to leave to the next.
fn generations(left: u32) {
    descend(&Client::new().unwrap(), left);
}

fn descend(client: &Client, left: u32) {
    let lock = named(client, &format!("lock-{left}"));
    let guard = lock.acquire("this one").unwrap();
    guard.keep_alive().unwrap();
    if left > 0 {
        Forked::new(|| {
            assert!(!guard.is_held());
            assert!(matches!(lock.try_acquire("child"), Err(LockError::Held(_))));
            descend(client, left - 1);
        })
        .ends_well();
    }
    guard.renew().unwrap();
    guard.release().unwrap();
}

#[test]
fn client_that_eight_generations_have_used_tells_the_ninth_to_make_a_new_one() {
    child::play(PARTS, "too many", &Server::start());
}

fn too_many(generation: u32) {
    fn go_on(client: &Client, lock: &S3Lock, generation: u32) {
        let taken = lock.try_acquire("this one");
        if generation <= 8 {
            drop(taken.unwrap());
            Forked::new(|| go_on(client, lock, generation + 1)).ends_well();
            return;
        }
        let error = taken.unwrap_err();
        assert!(matches!(&error, LockError::Config(e) if e.field() == "client"));
        assert!(error.to_string().contains("make a new client"), "{error}");
        assert_eq!(client.request_counts(), RequestCounts::default());
        client.list(BUCKET, "").unwrap_err();
        let new = lock_of(&Client::new().unwrap());
        drop(new.try_acquire("this one").unwrap());
    }
    let client = Client::new().unwrap();
    go_on(&client, &lock_of(&client), generation);
}

#[test]
fn acquire_and_release_refuse_a_bad_owner_name_before_they_look_for_a_client() {
    child::play(PARTS, "bad owner", &Server::start());
}

fn bad_owner() {
    let lock = lock_of(&InMemoryStore::new().client());
    Forked::new(|| {
        let told = [
            lock.acquire("").unwrap_err(),
            lock.acquire_within("a\nb", Duration::ZERO).unwrap_err(),
            lock.try_acquire("x".repeat(513)).unwrap_err(),
            lock.release("").unwrap_err(),
        ];
        for error in told {
            assert!(
                matches!(&error, LockError::Config(e) if e.field() == "owner"),
                "{error}"
            );
        }
    })
    .ends_well();
}

#[test]
fn keep_alive_of_a_parent_goes_on_while_its_children_come_and_go() {
    child::play(PARTS, "kept alive", &Server::start());
}

fn kept_alive() {
    let time = Time::default();
    let client = time.of(Client::builder()).build().unwrap();
    let lock = by_hand::kept_lock(&client).build().unwrap();
    let guard = lock.acquire("parent").unwrap();
    guard.on_lost(|cause| panic!("{cause}"));
    for number in 0..10 {
        let other = named(&client, &format!("child-{}", number % 2));
        // The parent renews while it forks.
        time.advance(DUE);
        Forked::new(|| {
            let held = other.acquire("child").unwrap();
            held.keep_alive().unwrap();
            assert!(matches!(lock.try_acquire("child"), Err(LockError::Held(_))));
        })
        .ends_well();
        is_renewed(&guard);
    }
    guard.release().unwrap();
}

#[test]
fn client_in_a_child_waits_for_nothing_that_a_thread_of_its_parent_had_locked() {
    child::play(PARTS, "busy", &Server::start());
}

/// Forks while other threads are in the midst of everything that a client does.
fn busy() {
    let client = Client::new().unwrap();
    let locks: Vec<_> = (0..3)
        .map(|n| named(&client, &format!("lock-{n}")))
        .collect();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let _busy = Busy(&done);
        for (number, lock) in locks.iter().enumerate() {
            let (done, client) = (&done, &client);
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    let guard = lock.acquire(format!("thread-{number}")).unwrap();
                    guard.keep_alive().unwrap();
                    named(client, "seldom").status().unwrap();
                }
            });
        }
        for _ in 0..runs(40) {
            Forked::new(|| {
                let lock = named(&client, "childs");
                let limit = Duration::from_secs(20);
                drop(lock.acquire_within("child", limit).unwrap());
                locks[0].status().unwrap();
                drop(Client::new().unwrap());
            })
            .ends_well();
        }
    });
}

#[test]
fn wait_handle_in_a_child_watches_and_ends_the_childs_own_calls_alone() {
    child::play(PARTS, "watched", &Server::start());
}

fn watched() {
    let (client, handle) = (Client::new().unwrap(), WaitHandle::new());
    let lock = builder(&client).wait_handle(&handle);
    let lock = lock.poll_interval(Duration::from_millis(5), Duration::from_millis(50));
    let lock = lock.build().unwrap();
    let guard = lock_of(&Client::new().unwrap()).acquire("holder").unwrap();
    let cancelled = |end| matches!(end, Err(LockError::Cancelled { .. }));
    let in_a_child = || {
        assert!(handle.status().is_none());
        thread::scope(|scope| {
            let waiting = scope.spawn(|| lock.acquire_within("child", HANGS));
            eventually("it waits", || handle.status().is_some());
            handle.cancel();
            assert!(cancelled(waiting.join().unwrap()));
        });
    };
    thread::scope(|scope| {
        let waiting = scope.spawn(|| lock.acquire_within("parent", HANGS * 10));
        eventually("it waits", || handle.status().is_some());
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            // It may have locked something when this forks.
            let _busy = Busy(&done);
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    handle.status().unwrap();
                }
            });
            for _ in 0..runs(10) {
                Forked::new(in_a_child).ends_well();
            }
        });
        assert!(!handle.is_cancelled() && handle.status().is_some());
        handle.cancel();
        assert!(cancelled(waiting.join().unwrap()));
    });
    drop(guard);
    let is_inherited = || assert!(handle.is_cancelled() && cancelled(lock.try_acquire("child")));
    Forked::new(is_inherited).ends_well();
}

#[test]
#[ignore = "needs the program openssl, for a certificate"]
fn client_in_a_child_waits_for_nothing_that_openssl_had_locked_for_a_thread_of_its_parent() {
    let server = Server::start();
    let tls = Tls::start(&server);
    let mut command = child::command(&format!("{PARTS}: tls"), &tls.endpoint());
    command.env("SSL_CERT_FILE", tls.certificate());
    child::ends_well(command);
}

#[test]
#[ignore = "needs the program openssl, for a certificate"]
fn client_in_a_child_waits_for_nothing_that_openssl_had_locked_for_a_proxy_of_its_parent() {
    let server = Server::start();
    let certificate = Certificate::make("forks");
    let store = TlsFront::start(&server.endpoint(), &certificate);
    let proxy = ConnectProxy::start();
    let front = TlsFront::start(&proxy.endpoint(), &certificate);
    let mut command = child::command(&format!("{PARTS}: tls"), &store.endpoint());
    command
        .env("SSL_CERT_FILE", certificate.file())
        .env("HTTPS_PROXY", front.endpoint());
    child::ends_well(command);
    assert!(!proxy.requests().is_empty());
}

/// Forks while other threads make connections, and each with a client of its own.
fn tls() {
    let client = Client::new().unwrap();
    named(&client, "before").status().unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let _busy = Busy(&done);
        for number in 0..4 {
            let done = &done;
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    let client = Client::new().unwrap();
                    named(&client, &format!("lock-{number}")).status().unwrap();
                }
            });
        }
        for _ in 0..runs(40) {
            Forked::new(|| {
                named(&client, "childs").status().unwrap();
                named(&Client::new().unwrap(), "childs").status().unwrap();
            })
            .ends_well();
        }
    });
}

/// How many times to fork: more where the environment says so.
fn runs(usual: u32) -> u32 {
    let set = env::var("S3_LOCK_TEST_FORKS").ok();
    set.map_or(usual, |n| n.parse().expect("it is a number"))
}

#[test]
fn client_in_a_child_does_not_wait_for_the_first_client_that_its_parent_was_making() {
    child::play(PARTS, "first build", &Server::start());
}

/// This process never makes a client: so each of its children makes the first of its own, and forks
/// while a thread of its is at that.
fn first_build() {
    for run in 0..runs(60) {
        Forked::new(|| first_build_of_all(run)).ends_well();
    }
}

fn first_build_of_all(run: u32) {
    let barrier = Barrier::new(2);
    thread::scope(|scope| {
        scope.spawn(|| {
            barrier.wait();
            let client = Client::new().unwrap();
            named(&client, "parents").status().unwrap();
        });
        barrier.wait();
        // It takes about so long. Each run forks at another moment.
        let start = Instant::now();
        while start.elapsed() < Duration::from_micros(u64::from(run % 50) * 10) {
            hint::spin_loop();
        }
        Forked::new(|| {
            let lock = named(&Client::new().unwrap(), "childs");
            lock.status().unwrap();
        })
        .ends_well();
    });
}

#[test]
fn client_that_was_made_for_children_alone_works_in_all_of_them() {
    child::play(PARTS, "before use", &Server::start());
}

fn before_use() {
    let client = Client::new().unwrap();
    let children: Vec<_> = (0..12)
        .map(|number| {
            let client = client.clone();
            Forked::new(move || {
                let lock = named(&client, &format!("lock-{}", number % 3));
                drop(lock.acquire("child").unwrap());
            })
        })
        .collect();
    children.into_iter().for_each(Forked::ends_well);
}

#[test]
fn in_memory_store_is_not_its_childrens() {
    child::play(PARTS, "memory", &Server::start());
}

fn memory() {
    let store = InMemoryStore::new();
    let client = store.client();
    let lock = lock_of(&client);
    let guard = lock.acquire("parent").unwrap();
    Forked::new(|| {
        for refused in [
            lock.try_acquire("child").map(drop),
            lock_of_fails(&store.client()),
            client.list(BUCKET, "").map(drop),
        ] {
            let error = refused.unwrap_err();
            assert!(matches!(&error, LockError::Config(e) if e.field() == "client"));
            assert!(error.to_string().contains("memory"), "{error}");
        }
        store.advance(Duration::from_secs(1));
        assert!(lock_of(&Client::in_memory()).try_acquire("child").is_ok());
    })
    .ends_well();
    guard.release().unwrap();
}

fn lock_of_fails(client: &Client) -> Result<(), LockError> {
    builder(client).build().map(drop)
}
