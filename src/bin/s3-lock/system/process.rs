//! Other processes.

use std::ffi::CStr;
use std::fs::File;
use std::io;

use rustix::process::{
    Pid, Signal, WaitOptions, WaitStatus, getpgrp, kill_process, kill_process_group, setpgid,
    test_kill_process_group, waitpgid, waitpid,
};

use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};

use crate::system::unsafe_calls;

/// What became of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Stopped(Signal),
    Ended(End),
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Exited(u8),
    Killed(i32),
}

/// The next change of a child, if there was one. Its end is told once.
pub fn change_of(child: Pid) -> Option<Change> {
    loop {
        let options = WaitOptions::NOHANG | WaitOptions::UNTRACED;
        let (_, status) = waitpid(Some(child), options).ok()??;
        if let Some(change) = change(status) {
            return Some(change);
        }
    }
}

/// Waits for a child to end, which it is about to.
pub fn reap(child: Pid) {
    // There is nothing to wait for if it fails.
    let _ = waitpid(Some(child), WaitOptions::empty());
}

/// Waits for those of a group that have ended and have become this process's children, because their parents have ended
/// before. This process gets such children if it is the first of a container.
pub fn reap_orphans(group: Pid) {
    while let Ok(Some(_)) = waitpgid(group, WaitOptions::NOHANG) {}
}

fn change(status: WaitStatus) -> Option<Change> {
    if let Some(code) = status.exit_status() {
        // The system keeps its lowest eight bits.
        let code = u8::try_from(code).unwrap_or(u8::MAX);
        return Some(Change::Ended(End::Exited(code)));
    }
    if let Some(signal) = status.terminating_signal() {
        return Some(Change::Ended(End::Killed(signal)));
    }
    let signal = status.stopping_signal()?;
    Some(Change::Stopped(Signal::from_named_raw(signal)?))
}

/// Sends a signal to a process. It may be gone.
pub fn signal(process: Pid, signal: Signal) {
    let _ = kill_process(process, signal);
}

/// Sends a signal to all processes of a group. They may be gone.
pub fn signal_group(group: Pid, signal: Signal) {
    let _ = kill_process_group(group, signal);
}

/// Whether a group has a process, if only one that has ended and that its parent has not waited for.
pub fn has_members(group: Pid) -> bool {
    // The system's first process, as in a container, is the parent of all that have lost theirs.
    while let Ok(Some(_)) = waitpgid(group, WaitOptions::NOHANG) {}
    test_kill_process_group(group).is_ok()
}

/// Stops this process as a signal of the terminal does, until it is told to go on. Returns at once where the system does not
/// let it stop, because no shell could tell it to go on.
pub fn stop_as_by(signal: Signal) {
    unsafe_calls::act_by_default(signal);
}

/// Joins a group of this session.
pub fn join_group(group: Pid) -> io::Result<()> {
    Ok(setpgid(None, Some(group))?)
}

/// The group of this process.
pub fn own_group() -> Pid {
    getpgrp()
}

/// Makes a copy of this process, which must have one thread. Returns the copy's id; None in the copy.
pub fn fork() -> io::Result<Option<Pid>> {
    unsafe_calls::fork()
}

/// Has the system call this process by another name, of at most 15 bytes, where it can.
pub fn rename(name: &CStr) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let _ = rustix::thread::set_name(name);
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = name;
}

/// Lets go of standard input, output and error. Who reads what s3-lock writes learns of its end at once.
pub fn detach_from_standard_streams() {
    let Ok(null) = File::options().read(true).write(true).open("/dev/null") else {
        return;
    };
    // They fail if there is no such stream.
    let _ = dup2_stdin(&null);
    let _ = dup2_stdout(&null);
    let _ = dup2_stderr(&null);
}
