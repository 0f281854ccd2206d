//! A child that is forked while a thread of its parent has locked what each thread of Rust's standard library
//! locks as it begins and as it ends: its list of threads, by which it names the one whose stack overflows.
//! In such a child no thread begins.

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use s3_lock::Client;

use super::{Forked, HANGS, PARTS, named};
use crate::child;
use crate::support::{Request, Server};

/// The length of a thread's name, and of nothing else in this program. A thread that ends frees its name
/// while it has the list locked.
const LENGTH: usize = 4_999;
/// Whether that thread is to stop there, and whether it has.
static STOPS: AtomicBool = AtomicBool::new(false);
static HAS_STOPPED: AtomicBool = AtomicBool::new(false);

/// The system's allocator.
struct Allocator;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

// SAFETY: all is done by the system's allocator.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are this function's own.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the same.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the same.
        unsafe { System.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        if layout.size() == LENGTH {
            stop();
        }
        // SAFETY: the same.
        unsafe { System.dealloc(memory, layout) }
    }
}

fn stop() {
    while STOPS.load(Ordering::Relaxed) {
        HAS_STOPPED.store(true, Ordering::Relaxed);
        thread::sleep(Duration::from_millis(1));
    }
}

/// Lets that thread go on, also when the test fails.
struct Stopped;

impl Drop for Stopped {
    fn drop(&mut self) {
        STOPS.store(false, Ordering::Relaxed);
    }
}

#[test]
fn client_looks_up_names_and_reads_files_in_a_child_where_no_thread_begins() {
    play("names and files", "");
}

pub fn names_and_files() {
    const CLIENTS: usize = 40;
    let client = Client::new().unwrap();
    in_child(|| {
        let lock = named(&client, "childs");
        let guard = lock.acquire("child").unwrap();
        guard.renew().unwrap();
        guard.release().unwrap();
        // Each thread that does not begin is one that does not end.
        let threads = threads();
        for _ in 0..CLIENTS {
            let client = Client::new().unwrap();
            named(&client, "childs").status().unwrap();
        }
        assert_eq!(self::threads(), threads);
    });
}

#[test]
fn client_tells_that_a_command_has_no_thread_in_a_child_where_none_begins() {
    play("command", "credential_process = echo {}\n");
}

pub fn command() {
    let client = Client::builder().profile("default").build().unwrap();
    in_child(|| {
        let error = named(&client, "childs").status().unwrap_err();
        let told = "cannot be run: no thread or process for it (no thread begins in this process: when it \
                    was forked, another thread of its parent was beginning or ending)";
        assert!(error.to_string().contains(told), "{error}");
    });
}

/// Plays a part with an endpoint whose name is to be looked up, and a profile to be read.
fn play(part: &str, profile: &str) {
    let server = Server::start();
    let endpoint = server.endpoint().replace("127.0.0.1", "localhost");
    let home = child::Home::new(&format!("no-threads-{}", part.len()));
    home.write(
        "config",
        &format!("[default]\nregion = nowhere-1\n{profile}"),
    );
    let mut command = child::command(&format!("{PARTS}: no threads: {part}"), &endpoint);
    command.env("HOME", home.path()).env_remove("AWS_REGION");
    child::ends_well(command);
    let is_of_the_profile = |request: Request| {
        let signed = request.header("authorization");
        signed.is_some_and(|signed| signed.contains("/nowhere-1/"))
    };
    assert!(server.requests().into_iter().all(is_of_the_profile));
}

/// Forks a child where no thread begins.
fn in_child(part: impl FnOnce()) {
    let stopped = Stopped;
    let ends = thread::Builder::new().name("x".repeat(LENGTH));
    let ends = ends.spawn(|| STOPS.store(true, Ordering::Relaxed)).unwrap();
    let start = Instant::now();
    while !HAS_STOPPED.load(Ordering::Relaxed) {
        if start.elapsed() > HANGS {
            // The standard library of Rust 1.85 has no such list.
            println!("a thread that ends does not free its name where it was expected");
            return;
        }
        thread::sleep(Duration::from_millis(1));
    }
    Forked::new(|| {
        assert!(!threads_begin());
        part();
    })
    .ends_well();
    drop(stopped);
    ends.join().unwrap();
}

fn threads_begin() -> bool {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || tell.send(()));
    told.recv_timeout(Duration::from_secs(1)).is_ok()
}

/// How many threads this process has.
fn threads() -> usize {
    fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}
