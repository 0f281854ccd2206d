//! What the command `s3-lock` takes: how much longer `s3-lock run -- true` lasts than `true`, what is resident while it holds
//! a lock, and how large the program is.
//!
//! ```sh
//! cargo bench --features cli --bench command
//! ```
//!
//! The store is this process's own server, without latency, so the time of the three requests is part of the figures. Memory
//! is what `/proc` says is resident, so this needs Linux.

#![allow(
    clippy::disallowed_methods,
    reason = "a bench reads the clock that it measures with"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use support::{ACCESS_KEY, BUCKET, REGION, SECRET_KEY, Server};

const PROGRAM: &str = env!("CARGO_BIN_EXE_s3-lock");
const RUNS: usize = 200;

fn main() {
    // `cargo test` runs a bench without this word: then it only has to work.
    let runs = if std::env::args().any(|argument| argument == "--bench") {
        RUNS
    } else {
        2
    };
    let server = Server::start();
    let own = median(runs, |_| status(&mut Command::new("true")));
    let before = server.requests().len();
    let whole = median(runs, |run| {
        // A new lock each time: its acquire looks before it writes.
        status(command(&server, &format!("run-{run}")).args(["--", "true"]))
    });
    let requests = (server.requests().len() - before) as f64 / runs as f64;
    println!(
        "`true`: {own:.1} ms; `s3-lock run -- true`: {whole:.1} ms with {requests} requests, so {:.1} ms more",
        whole - own
    );
    println!("({runs} runs of each, medians)");
    resident(&server);
    let size = fs::metadata(PROGRAM).expect("it was built").len() as f64 / 1e6;
    println!("the program has {size:.1} MB");
}

fn command(server: &Server, name: &str) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .args(["run", "--assume-conditional-writes"])
        .arg(format!("s3://{BUCKET}/{name}"))
        .env("AWS_ENDPOINT_URL_S3", server.endpoint())
        .env("AWS_REGION", REGION)
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        .env("HOME", "/nonexistent")
        .stdin(Stdio::null());
    command
}

fn status(command: &mut Command) {
    let status = command.status().expect("it can be started");
    assert!(status.success(), "{status}");
}

/// In milliseconds.
fn median(runs: usize, mut run: impl FnMut(usize)) -> f64 {
    let mut times: Vec<_> = (0..runs)
        .map(|number| {
            let start = Instant::now();
            run(number);
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// What is resident while a command runs.
fn resident(server: &Server) {
    let mut holder = command(server, "held")
        .args(["--", "sleep", "3"])
        .spawn()
        .expect("it can be started");
    thread::sleep(Duration::from_secs(1));
    let own = resident_of(holder.id());
    let watchdog = children(holder.id())
        .into_iter()
        .find(|id| name(*id) != "sleep");
    let watchdog = watchdog.and_then(resident_of);
    if let (Some(own), Some(watchdog)) = (own, watchdog) {
        println!("resident: {own:.1} MB, and the watchdog {watchdog:.1} MB");
    }
    holder.wait().expect("it ends");
}

/// In MB.
fn resident_of(process: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024.0 / 1e6)
}

fn children(process: u32) -> Vec<u32> {
    let path = format!("/proc/{process}/task/{process}/children");
    let ids = fs::read_to_string(path).unwrap_or_default();
    ids.split_whitespace()
        .filter_map(|id| id.parse().ok())
        .collect()
}

fn name(process: u32) -> String {
    let name = fs::read_to_string(format!("/proc/{process}/comm"));
    name.unwrap_or_default().trim().to_owned()
}
