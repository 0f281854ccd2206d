//! A terminal for a program: what it shows there, and what somebody types.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::program::{Ended, Running};

/// A program in a terminal of its own, of which it is the session's leader: 24 lines of 80 columns.
pub struct Terminal {
    running: Running,
    master: File,
    shown: Arc<Mutex<String>>,
}

impl Terminal {
    /// Starts a command whose standard input, output and error are a terminal.
    pub fn start(command: &mut Command) -> Terminal {
        let (master, slave) = open();
        let file = File::from(slave);
        let copy = || file.try_clone().expect("there are file descriptors left");
        command.stdin(copy()).stdout(copy()).stderr(copy());
        // SAFETY: both are system calls and nothing else, which a child may make between fork and exec.
        unsafe {
            command.pre_exec(|| {
                if libc::setsid() < 0 || libc::ioctl(0, libc::TIOCSCTTY, 0) < 0 {
                    return Err(std::io::Error::last_os_error());
                }
                Ok(())
            });
        }
        let running = Running::start_in_its_group(command.env("TERM", "xterm"));
        // The command keeps copies; a terminal whose last user has gone ends the reader.
        command
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null());
        drop(file);
        let shown = Arc::<Mutex<String>>::default();
        let mut reader = master.try_clone().expect("there are file descriptors left");
        let seen = Arc::clone(&shown);
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                let text = String::from_utf8_lossy(&bytes[..count]);
                seen.lock().expect("no reader panics").push_str(&text);
            }
        });
        Terminal {
            running,
            master,
            shown,
        }
    }

    /// Types a text; `\u{3}` is Ctrl-C.
    pub fn enter(&mut self, text: &str) {
        let typed = self.master.write_all(text.as_bytes());
        typed.expect("the terminal takes what is typed");
    }

    /// Everything that was shown so far, escape sequences included.
    pub fn shown(&self) -> String {
        self.shown.lock().expect("no reader panics").clone()
    }

    /// Waits until a text is shown.
    pub fn shows(&self, text: &str) {
        let is_shown = self.shows_within(text, Duration::from_secs(60));
        assert!(is_shown, "it does not show {text:?}: {:?}", self.shown());
    }

    /// Whether a text is shown in so long.
    pub fn shows_within(&self, text: &str, limit: Duration) -> bool {
        let start = Instant::now();
        while !self.shown().contains(text) {
            if start.elapsed() > limit {
                return false;
            }
            thread::sleep(Duration::from_millis(2));
        }
        true
    }

    /// The program in it.
    pub fn program(&mut self) -> &mut Running {
        &mut self.running
    }

    /// Waits for the program's end. What it said is in `stdout`, whichever of both it said it on.
    pub fn end(self) -> Ended {
        let mut ended = self
            .running
            .end_or(|| self.shown.lock().expect("no reader panics").clone());
        // The reader has all of it a moment later than the end is known.
        let mut before = None;
        while before.as_ref() != Some(&ended.stdout) {
            before = Some(ended.stdout);
            thread::sleep(Duration::from_millis(50));
            ended.stdout = self.shown.lock().expect("no reader panics").clone();
        }
        ended
    }
}

/// Both ends of a new terminal.
fn open() -> (File, OwnedFd) {
    let (mut master, mut slave) = (-1, -1);
    let size = libc::winsize {
        ws_row: 24,
        ws_col: 80,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let (nothing, mut size) = (std::ptr::null_mut(), size);
    // SAFETY: the call writes to both numbers and reads the size; a null stands for "not wanted".
    let opened = unsafe {
        libc::openpty(
            &mut master,
            &mut slave,
            nothing,
            std::ptr::null_mut(),
            std::ptr::from_mut(&mut size),
        )
    };
    assert_eq!(opened, 0, "the system has no terminal left");
    for end in [master, slave] {
        // SAFETY: the descriptor was just opened; no other program is to inherit it.
        unsafe { libc::fcntl(end, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
    // SAFETY: both were just opened, and nothing else owns them.
    unsafe { (File::from_raw_fd(master), OwnedFd::from_raw_fd(slave)) }
}
