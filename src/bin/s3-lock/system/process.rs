//! Other processes.

use std::ffi::CStr;
use std::fs::{self, File};
use std::io;

use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitOptions, WaitStatus, getpgrp, getpid, kill_process, kill_process_group,
    setpgid, test_kill_process_group, waitpgid, waitpid,
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

/// Whether a group has a process that lives. One that has ended and that nobody has waited for does not count, where that
/// can be told.
pub fn has_members(group: Pid) -> bool {
    // One may be another user's.
    let has_any = matches!(test_kill_process_group(group), Ok(()) | Err(Errno::PERM));
    has_any && living_members(group).is_none_or(|members| !members.is_empty())
}

/// The processes of a group that live. None where the system does not show its processes.
pub fn living_members(group: Pid) -> Option<Vec<Pid>> {
    // There are systems without it, and containers that show the processes of others.
    let own = fs::read_link("/proc/self").ok()?;
    if own.to_str()? != getpid().to_string() {
        return None;
    }
    let group = group.to_string();
    let living_member = |entry: fs::DirEntry| {
        let id = entry.file_name().to_str()?.parse().ok()?;
        let status = fs::read_to_string(entry.path().join("stat")).ok()?;
        // Behind the name, which may hold anything: the state, the parent, the group.
        let (_, fields) = status.rsplit_once(')')?;
        let mut fields = fields.split_whitespace();
        let (state, _, of) = (fields.next()?, fields.next()?, fields.next()?);
        let is_living_member = of == group && !matches!(state, "Z" | "X");
        Pid::from_raw(id).filter(|_| is_living_member)
    };
    let entries = fs::read_dir("/proc").ok()?;
    Some(entries.flatten().filter_map(living_member).collect())
}

/// Stops this process as a signal of the terminal does, until it is told to go on. Returns at once where the system does not
/// let it stop, because no shell could tell it to go on.
pub fn stop_as_by(signal: Signal) {
    unsafe_calls::act_by_default(signal);
}

/// Joins a process group that exists.
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
