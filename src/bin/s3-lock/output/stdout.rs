//! Results, on standard output.

use std::io;
use std::io::Write;

/// Writes a result, which ends with a newline. An error says that it could not be written.
pub fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}
