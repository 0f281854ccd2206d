//! The processes, and what befalls some of them.

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs};

use s3_lock::{LockStatus, S3Lock};

use super::support::Dice;
use super::worker::{TASK, Task};

/// A process and its successors.
pub struct Slot {
    task: Task,
    /// What is added to its wall clock.
    offset: Option<&'static str>,
    child: Child,
    dice: Dice,
    /// When it will be struck next; `None` for one that is spared.
    next_blow: Option<Instant>,
    /// Until when it is stopped.
    stopped: Option<Instant>,
    pub blows: Blows,
}

/// What was done to processes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Blows {
    pub killed: u64,
    /// Those that killed themselves while they handed a lock over.
    pub suicides: u64,
    pub stopped: u64,
    /// Holdings of killed processes that an operator broke by force.
    pub broken: u64,
}

/// How long a process is left alone.
const PEACE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(4));
/// How long a process is stopped: hardly, or beyond the longest lease and every margin.
const STOP: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(7));

/// How long a process may take to come to its end: what it is at takes seconds.
const HANGS: Duration = Duration::from_secs(300);

impl Slot {
    pub fn start(task: Task, offset: Option<&'static str>, is_struck: bool) -> Slot {
        let mut dice = Dice::new(task.seed, &[task.slot, u64::MAX]);
        Slot {
            child: spawn(&task, offset),
            next_blow: is_struck.then(|| Instant::now() + dice.between(PEACE.0, PEACE.1)),
            stopped: None,
            blows: Blows::default(),
            task,
            offset,
            dice,
        }
    }

    /// Does what is due; `locks` are an operator's. Fails if the process has ended by itself.
    pub fn tick(&mut self, locks: &[S3Lock]) -> Result<(), ExitStatus> {
        let ended = self.child.try_wait().expect("it is this process's child");
        match ended {
            Some(status) if self.task.is_mortal && status.signal() == Some(libc::SIGKILL) => {
                self.blows.suicides += 1;
                self.follow(locks);
                return Ok(());
            }
            Some(status) => return Err(status),
            None => {}
        }
        let now = Instant::now();
        if self.stopped.is_some_and(|until| until <= now) {
            self.go_on();
        }
        if self.stopped.is_none() && self.next_blow.is_some_and(|at| at <= now) {
            if self.dice.one_in(2) {
                self.kill(locks)
            } else {
                self.stop()
            }
            self.next_blow = Some(Instant::now() + self.dice.between(PEACE.0, PEACE.1));
        }
        Ok(())
    }

    fn stop(&mut self) {
        self.blows.stopped += 1;
        signal(&self.child, libc::SIGSTOP);
        self.stopped = Some(Instant::now() + self.dice.between(STOP.0, STOP.1));
    }

    fn go_on(&mut self) {
        signal(&self.child, libc::SIGCONT);
        self.stopped = None;
    }

    /// Kills it. Sometimes an operator breaks what it held; else that is reclaimed, or expires.
    fn kill(&mut self, locks: &[S3Lock]) {
        self.blows.killed += 1;
        self.child.kill().expect("it is this process's child");
        self.child.wait().expect("it was killed");
        self.follow(locks);
    }

    /// Starts the successor of a process that is dead.
    fn follow(&mut self, locks: &[S3Lock]) {
        if self.dice.one_in(2) {
            self.blows.broken += break_all(locks, self.child.id());
        }
        self.task.life += 1;
        self.stopped = None;
        self.child = spawn(&self.task, self.offset);
    }

    /// Has it come to its end, and says how it did.
    pub fn end(mut self) -> (Result<(), ExitStatus>, Blows) {
        if self.stopped.is_some() {
            self.go_on();
        }
        drop(self.child.stdin.take());
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it is this process's child") {
                let killed_itself = status.signal() == Some(libc::SIGKILL);
                let is_well = status.success() || self.task.is_mortal && killed_itself;
                return (is_well.then_some(()).ok_or(status), self.blows);
            }
            assert!(start.elapsed() < HANGS, "process {} hangs", self.task.slot);
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // It is dead already, unless the torture has failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn signal(child: &Child, signal: libc::c_int) {
    let pid = libc::pid_t::try_from(child.id()).expect("it was one");
    // SAFETY: it is a child that was not waited for, so its id is still its own.
    let sent = unsafe { libc::kill(pid, signal) };
    assert_eq!(sent, 0, "one may signal one's own child");
}

/// Breaks what a dead process holds. Nobody else's: a holder that lives goes on to believe in its
/// guard until it asks the store, as the documentation of `force_release` says.
fn break_all(locks: &[S3Lock], dead: u32) -> u64 {
    let broken = locks.iter().filter(|lock| match lock.status() {
        Ok(LockStatus::Held(seen) | LockStatus::Expired(seen)) if seen.pid() == dead => {
            lock.force_release(&seen).is_ok_and(|broken| broken)
        }
        _ => false,
    });
    u64::try_from(broken.count()).expect("there are not that many locks")
}

fn spawn(task: &Task, offset: Option<&'static str>) -> Child {
    let this = env::current_exe().expect("a running test has an executable");
    let mut command = Command::new(this);
    command
        .args([
            "plays_its_part",
            "--exact",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(TASK, task.to_text())
        .stdin(Stdio::piped())
        .stdout(Stdio::null());
    if let (Some(offset), Some(library)) = (offset, faketime()) {
        // Only the wall clock: no clock that counts up from the start of the machine is ever off.
        command
            .env("LD_PRELOAD", library)
            .env("FAKETIME", offset)
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    }
    command.spawn().expect("this binary runs")
}

/// The library that shifts a process's wall clock, where Debian has it. The program of the same name
/// would be a process between this one and its child.
fn faketime() -> Option<String> {
    let arch = env::consts::ARCH;
    let library = format!("/usr/lib/{arch}-linux-gnu/faketime/libfaketimeMT.so.1");
    fs::exists(&library).is_ok_and(|is| is).then_some(library)
}
