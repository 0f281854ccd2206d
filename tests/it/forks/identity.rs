//! Children that cannot be told from their ancestors by process ids, and those that were made past the C
//! library, or where the kernel will not wipe memory.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::{fs, mem, process};

use s3_lock::{Client, LockError, LockGuard, LockStatus, RequestCounts, S3Lock};

use super::{Forked, HANGS, PARTS};
use crate::child;
use crate::lock_of;
use crate::support::Server;

const ROOTS: &str =
    "needs the right to make PID namespaces: as root, cargo test --test it forks -- --ignored";

#[test]
#[ignore = "needs the right to make PID namespaces: as root, cargo test --test it forks -- --ignored"]
fn guard_is_not_that_of_a_child_with_the_process_id_of_its_parent() {
    child::play(PARTS, "same id", &Server::start());
}

#[test]
#[ignore = "needs the right to make PID namespaces: as root, cargo test --test it forks -- --ignored"]
fn guard_is_not_that_of_a_child_with_the_process_id_of_its_parent_if_it_was_made_by_a_bare_clone() {
    child::play(PARTS, "same id, cloned", &Server::start());
}

#[test]
#[ignore = "needs the right to make PID namespaces: as root, cargo test --test it forks -- --ignored"]
fn guard_is_not_that_of_a_child_with_the_process_id_of_its_parent_where_no_memory_is_wiped() {
    child::play(PARTS, &format!("{UNWIPED}same id"), &Server::start());
}

/// The first process of a PID namespace makes another namespace, and forks its first process.
pub fn same_id(fork: fn() -> libc::pid_t) {
    make_pid_namespace();
    Forked::new(|| {
        assert_eq!(process::id(), 1);
        let client = Client::new().unwrap();
        let lock = lock_of(&client);
        let guard = lock.acquire("parent").unwrap();
        let mut inherited = Some(guard);
        make_pid_namespace();
        Forked::by(fork, || {
            assert_eq!(process::id(), 1);
            is_none_of_its(&client, &lock, inherited.take().unwrap());
        })
        .ends_well();
        let guard = inherited.unwrap();
        guard.verify().unwrap();
        let other = lock_of(&Client::new().unwrap());
        assert!(matches!(
            other.try_acquire("other"),
            Err(LockError::Held(_))
        ));
        guard.release().unwrap();
    })
    .ends_well();
}

#[test]
#[ignore = "needs the right to make PID namespaces: as root, cargo test --test it forks -- --ignored"]
fn guard_is_not_that_of_a_descendant_with_the_process_id_of_a_dead_ancestor() {
    child::play(PARTS, "dead ancestor", &Server::start());
}

#[test]
#[ignore = "needs the right to make PID namespaces: as root, cargo test --test it forks -- --ignored"]
fn guard_is_not_that_of_a_descendant_with_the_process_id_of_a_dead_ancestor_where_no_memory_is_wiped()
 {
    child::play(PARTS, &format!("{UNWIPED}dead ancestor"), &Server::start());
}

/// In a PID namespace the second process dies, and its grandchild is given its id.
pub fn dead_ancestor() {
    make_pid_namespace();
    Forked::new(|| {
        assert_eq!(process::id(), 1);
        let client = Client::new().unwrap();
        let lock = lock_of(&client);
        let (mut here, mut there) = UnixStream::pair().unwrap();
        Forked::new(|| {
            let dead = process::id();
            let mut inherited = Some(lock.acquire("ancestor").unwrap());
            let orphan = Forked::new(|| {
                // The ancestor's end was waited for, so that its id is free.
                there.read_exact(&mut [0]).unwrap();
                fs::write("/proc/sys/kernel/ns_last_pid", (dead - 1).to_string()).unwrap();
                Forked::new(|| {
                    assert_eq!(process::id(), dead);
                    is_none_of_its(&client, &lock, inherited.take().unwrap());
                })
                .ends_well();
                there.write_all(b"well").unwrap();
            });
            orphan.leave_alone();
            mem::forget(inherited);
        })
        .ends_well();
        drop(there);
        here.write_all(b".").unwrap();
        here.set_read_timeout(Some(HANGS * 2)).unwrap();
        here.read_exact(&mut [0; 4]).unwrap();
        let status = lock.status().unwrap();
        assert!(matches!(status, LockStatus::Held(info) if info.owner() == "ancestor"));
    })
    .ends_well();
}

/// Uses and drops a guard that another process holds, of a client that this one has not used yet.
fn is_none_of_its(client: &Client, lock: &S3Lock, guard: LockGuard) {
    assert!(!guard.is_held());
    guard.renew().unwrap_err();
    drop(guard);
    assert_eq!(client.request_counts(), RequestCounts::default());
    assert!(matches!(lock.try_acquire("child"), Err(LockError::Held(_))));
}

#[test]
fn guard_of_a_parent_does_nothing_in_its_child_where_no_memory_is_wiped() {
    for part in ["inert", "kept alive", "generations"] {
        child::play(PARTS, &format!("{UNWIPED}{part}"), &Server::start());
    }
}

#[test]
fn guard_of_a_parent_does_nothing_in_a_child_that_was_made_by_a_bare_clone() {
    for part in ["cloned", &format!("{UNWIPED}cloned")] {
        child::play(PARTS, part, &Server::start());
    }
}

pub fn cloned() {
    let client = Client::new().unwrap();
    let lock = lock_of(&client);
    let mut inherited = Some(lock.acquire("parent").unwrap());
    let child = || is_none_of_its(&client, &lock, inherited.take().unwrap());
    Forked::by(clone, child).ends_well();
    inherited.unwrap().release().unwrap();
}

/// What a part's name begins with that is to be played where the kernel will not wipe memory.
pub const UNWIPED: &str = "unwiped ";

/// Has the kernel refuse to wipe memory in a forked child, as one before Linux 4.14 does: from here on, in
/// this thread and in what it starts.
pub fn refuse_to_wipe() {
    const ARGUMENT: u32 = 16 + 2 * 8;
    let load = |offset| (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, offset);
    let go_on_if = |value, or_skip| (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, or_skip, value);
    let answer = |value| (libc::BPF_RET | libc::BPF_K, 0, value);
    let advice = u32::try_from(libc::MADV_WIPEONFORK).unwrap();
    let refused = libc::SECCOMP_RET_ERRNO | u32::try_from(libc::EINVAL).unwrap();
    let program = [
        load(0),
        go_on_if(u32::try_from(libc::SYS_madvise).unwrap(), 3),
        load(ARGUMENT + if cfg!(target_endian = "big") { 4 } else { 0 }),
        go_on_if(advice, 1),
        answer(refused),
        answer(libc::SECCOMP_RET_ALLOW),
    ];
    let mut program = program.map(|(code, jf, k)| libc::sock_filter {
        code: u16::try_from(code).unwrap(),
        jt: 0,
        jf,
        k,
    });
    let filter = libc::sock_fprog {
        len: u16::try_from(program.len()).unwrap(),
        filter: program.as_mut_ptr(),
    };
    // SAFETY: the filter is read before this returns, and what it refuses is one request of this crate's.
    let refuses = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(
                libc::PR_SET_SECCOMP,
                libc::SECCOMP_MODE_FILTER,
                &raw const filter,
            ) == 0
    };
    assert!(refuses, "{}", io::Error::last_os_error());
}

/// The next child of this process will be the first one of a new PID namespace.
fn make_pid_namespace() {
    // SAFETY: it changes nothing for this process itself.
    let made = unsafe { libc::unshare(libc::CLONE_NEWPID) };
    assert_eq!(made, 0, "{}: {ROOTS}", io::Error::last_os_error());
}

/// Forks past the C library and its handlers.
pub fn clone() -> libc::pid_t {
    // SAFETY: the same, as long as there is one thread, so that nothing of the library's is locked.
    let pid = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) };
    pid.try_into().expect("it is an id")
}
