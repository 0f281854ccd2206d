//! Results, on standard output.

use std::io;
use std::io::{ErrorKind, Write};

/// Writes a result, which ends with a newline. An error says that it could not be written.
///
/// A reader that has had enough, such as `head`, is no error: the command ends as if it had read all.
pub fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    let written = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}
