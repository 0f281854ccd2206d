//! Why a command could not be started.

use std::env;
use std::io;
use std::path::Path;

use rustix::io::Errno;

use crate::supervise::outcome::Outcome;
use crate::system::child::Program;

/// There is no such program.
pub fn not_found(program: &Program) -> Outcome {
    let name = Path::new(&program.name);
    let is_below_here = name.components().count() > 1 && !name.is_absolute();
    let folder = env::current_dir().ok().filter(|_| is_below_here);
    let place = folder.map_or_else(String::new, |folder| format!(" in {}", folder.display()));
    Outcome::NotFound(format!("there is no command {name:?}{place}"))
}

/// What the system's answer to the start of a program means.
pub fn not_started(error: &io::Error, program: &Program) -> Outcome {
    let name = Path::new(&program.name).display();
    let is_file = Path::new(&program.name).is_file();
    match error.kind() {
        io::ErrorKind::NotFound if is_file => Outcome::NotExecutable(format!(
            "cannot run {name}: the program that its first line names does not exist (are its line ends those of Windows?)"
        )),
        io::ErrorKind::NotFound => not_found(program),
        io::ErrorKind::PermissionDenied if Path::new(&program.name).is_dir() => {
            Outcome::NotExecutable(format!("cannot run {name}: it is a folder"))
        }
        io::ErrorKind::PermissionDenied if is_file => Outcome::NotExecutable(format!(
            "cannot run {name}: {error}; is it executable (chmod +x)?"
        )),
        _ if is_lack(error) => Outcome::Failed(format!("cannot start {name}: {error}")),
        io::ErrorKind::BrokenPipe => Outcome::Failed(format!(
            "cannot start {name}: nothing would end it in time; the watchdog was killed or stopped, or s3-lock was stopped"
        )),
        _ => Outcome::NotExecutable(format!("cannot run {name}: {error}")),
    }
}

/// Whether this machine lacks something, and the program is not to blame.
fn is_lack(error: &io::Error) -> bool {
    let lacks = [Errno::AGAIN, Errno::NOMEM, Errno::MFILE, Errno::NFILE];
    let number = error.raw_os_error();
    lacks.iter().any(|lack| number == Some(lack.raw_os_error()))
}
