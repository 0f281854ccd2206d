//! The calls that Rust cannot check. Each says why it is sound.

#![expect(
    unsafe_code,
    reason = "only the C library forks, and tells what is to be done with signals"
)]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::ptr;

use rustix::process::{Pid, Signal};

use crate::system::introduction::Introduction;

/// Makes a copy of this process. None in the copy.
pub fn fork() -> io::Result<Option<Pid>> {
    // SAFETY: the caller sees to it that there is one thread. So the copy may do whatever this process may.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        id => Ok(Pid::from_raw(id)),
    }
}

/// Whether this process ignores a signal.
pub fn is_ignored(signal: Signal) -> io::Result<bool> {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: nothing is set, and what is asked for is written to a place of its type.
    let failed = unsafe { libc::sigaction(signal.as_raw(), ptr::null(), action.as_mut_ptr()) } != 0;
    if failed {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has filled it in; all zeros would be a valid value, too.
    Ok(unsafe { action.assume_init() }.sa_sigaction == libc::SIG_IGN)
}

/// From now on, a signal of this kind writes two bytes into a pipe: its number, and whether the system sent it.
pub fn notify(signal: Signal, pipe: OwnedFd) -> io::Result<()> {
    let number = u8::try_from(signal.as_raw()).expect("signals have small numbers");
    let action = move |info: &libc::siginfo_t| {
        // The terminal's signals come from the kernel, and name no process.
        let by_system = info.si_code > 0 && info.si_code != libc::SI_USER;
        let message = [number, u8::from(by_system)];
        // SAFETY: `write` may be called by a handler of signals. The pipe stays open, because this closure owns it. The
        // handler leaves `errno` as it was: signal-hook-registry sees to that. A full pipe has enough signals in it.
        unsafe { libc::write(pipe.as_raw_fd(), message.as_ptr().cast(), message.len()) };
    };
    // SAFETY: the action only calls `write`, does not panic, allocate or lock.
    unsafe { signal_hook_registry::register_sigaction(signal.as_raw(), action) }?;
    Ok(())
}

/// Blocks a signal for this thread, and for the threads that it starts from now on.
pub fn block(signal: Signal) {
    mask(libc::SIG_BLOCK, signal);
}

/// Does to this process what a signal of this kind does by default. If it stops the process, this returns once it goes on.
pub fn act_by_default(signal: Signal) {
    let default = MaybeUninit::<libc::sigaction>::zeroed();
    let mut before = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: all zeros is the default action, without flags and with an empty mask. The places are of the right type, and the
    // handler that was there is put back as it was. None of the calls can fail for a signal that exists.
    unsafe {
        libc::sigaction(signal.as_raw(), default.as_ptr(), before.as_mut_ptr());
        libc::raise(signal.as_raw());
        libc::sigaction(signal.as_raw(), before.as_ptr(), ptr::null_mut());
    }
}

fn mask(how: libc::c_int, signal: Signal) {
    let mut set = MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: the set is made empty before it is used, and all places are of the right type. It cannot fail for a signal
    // that exists.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), signal.as_raw());
        libc::pthread_sigmask(how, set.as_ptr(), ptr::null_mut());
    }
}

/// Has the process that a command starts unblock what [`block`] has blocked, and introduce itself, before the program
/// begins.
pub fn prepare(command: &mut Command, introduction: Option<Introduction<'_>>) {
    let pipes = introduction.map(|told| (told.hello.as_raw_fd(), told.welcome.as_raw_fd()));
    let dies_with_parent = introduction.is_some_and(|told| told.dies_with_parent);
    let parent = rustix::process::getpid();
    let first = move || {
        // The program would inherit it.
        mask(libc::SIG_UNBLOCK, Signal::TTOU);
        if dies_with_parent {
            die_with(parent)?;
        }
        match pipes {
            Some((hello, welcome)) => say_hello(hello, welcome),
            None => Ok(()),
        }
    };
    // SAFETY: between fork and exec it only makes system calls, by functions that neither allocate nor lock. Both pipes
    // outlive the start of the command, because the caller borrows them to it.
    unsafe { command.pre_exec(first) };
}

/// Has the kernel kill this process when the thread ends that has forked it.
fn die_with(parent: Pid) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // It may have ended before.
    if rustix::process::getppid() != Some(parent) {
        return Err(io::Error::from_raw_os_error(libc::EPIPE));
    }
    Ok(())
}

/// How long a new process waits for the watchdog, in milliseconds. A watchdog that is not stopped answers at once. s3-lock
/// waits meanwhile and listens to nothing.
const TIME_TO_BE_WELCOMED: libc::c_int = 10_000;

fn say_hello(hello: i32, welcome: i32) -> io::Result<()> {
    let own_id = rustix::process::getpid().as_raw_nonzero().get();
    let message = own_id.to_ne_bytes();
    let mut reply = [0_u8; 1];
    // SAFETY: both are open pipes, see `prepare`; the places have the lengths that are given. If nobody listens, SIGPIPE
    // must not end this process: s3-lock would take that for the end of the program. A program begins with its default.
    let (said, heard) = unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_IGN);
        let said = libc::write(hello, message.as_ptr().cast(), message.len());
        let heard = if can_be_read_in_time(welcome) {
            libc::read(welcome, reply.as_mut_ptr().cast(), reply.len())
        } else {
            0
        };
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        (said, heard)
    };
    if said == 4 && heard == 1 {
        Ok(())
    } else {
        // Nobody would watch this process. Only a number of the system's gets to s3-lock.
        Err(io::Error::from_raw_os_error(libc::EPIPE))
    }
}

/// False if the watchdog is stopped.
fn can_be_read_in_time(pipe: i32) -> bool {
    let mut polled = libc::pollfd {
        fd: pipe,
        events: libc::POLLIN,
        revents: 0,
    };
    loop {
        // SAFETY: there is one place, of the right type.
        let ready = unsafe { libc::poll(&mut polled, 1, TIME_TO_BE_WELCOMED) };
        let was_interrupted =
            ready < 0 && io::Error::last_os_error().raw_os_error() == Some(libc::EINTR);
        if !was_interrupted {
            return ready == 1;
        }
    }
}
