//! Starts the programs.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use rustix::process::Pid;

use crate::system::introduction::Introduction;
use crate::system::unsafe_calls;

/// A program and its arguments.
#[derive(Clone, Debug)]
pub struct Program {
    pub name: OsString,
    pub arguments: Vec<OsString>,
}

impl Program {
    /// A text for the shell.
    pub fn of_shell(text: &str) -> Program {
        Program {
            name: "sh".into(),
            arguments: vec!["-c".into(), text.into()],
        }
    }
}

/// Starts a program in a process group of its own, with these variables in addition.
pub fn start<'a>(
    program: &Program,
    variables: impl IntoIterator<Item = (&'a str, &'a OsStr)>,
    introduction: Option<Introduction<'_>>,
) -> io::Result<Pid> {
    let mut command = Command::new(&program.name);
    command
        .args(&program.arguments)
        .envs(variables)
        .process_group(0);
    if introduction.is_none() {
        command.stdin(Stdio::null());
    }
    unsafe_calls::prepare(&mut command, introduction);
    let child = command.spawn()?;
    let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    Ok(id.expect("a process id is a positive number"))
}
