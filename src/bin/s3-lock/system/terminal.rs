//! The terminal that this process is controlled by, and who may read from it.

use std::fs::{File, OpenOptions};

use rustix::process::Pid;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr, tcsetpgrp};

use crate::system::process;

/// The controlling terminal.
pub struct Terminal {
    file: File,
    own_group: Pid,
    /// As they were when it was opened.
    modes: Option<Termios>,
}

impl Terminal {
    /// None where nobody sits, as under cron.
    pub fn open() -> Option<Terminal> {
        let file = OpenOptions::new().read(true).write(true).open("/dev/tty");
        let file = file.ok()?;
        Some(Terminal {
            modes: tcgetattr(&file).ok(),
            file,
            own_group: process::own_group(),
        })
    }

    /// Whether this process is in the foreground.
    pub fn is_ours(&self) -> bool {
        self.is_of(self.own_group)
    }

    /// Whether a group is in the foreground.
    pub fn is_of(&self, group: Pid) -> bool {
        tcgetpgrp(&self.file).is_ok_and(|foreground| foreground == group)
    }

    /// Puts a group into the foreground.
    pub fn give_to(&self, group: Pid) {
        // Then it reads nothing, and is stopped as before.
        let _ = tcsetpgrp(&self.file, group);
    }

    /// Puts this process into the foreground, if `group` was. Returns whether it was.
    pub fn take_back_from(&self, group: Pid) -> bool {
        let was_there = self.is_of(group);
        if was_there {
            self.give_to(self.own_group);
        }
        was_there
    }

    /// Has it work as when it was opened. A program that was killed, such as an editor, leaves it in a state where nobody sees
    /// what is typed.
    pub fn restore(&self) {
        if let Some(modes) = &self.modes {
            // It fails if the terminal is gone.
            let _ = tcsetattr(&self.file, OptionalActions::Now, modes);
        }
    }
}
