//! A question on the terminal.

use std::io::{self, IsTerminal, Write};

/// Whether there is somebody to ask: standard input and standard error are a terminal.
pub fn can_be_asked() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Shows a text, asks, and returns whether the answer begins with a yes. No answer is a no.
pub fn is_agreed(shown: &str, question: &str) -> io::Result<bool> {
    let mut terminal = anstream::stderr();
    write!(terminal, "{shown}{question} [y/N] ")?;
    terminal.flush()?;
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer)?;
    if read == 0 {
        // The end of the input leaves the cursor behind the question.
        writeln!(terminal)?;
    }
    Ok(is_yes(&answer))
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_a_yes_is_a_yes() {
        assert!(["y\n", "Y", " yes \n", "YES"].into_iter().all(is_yes));
        assert!(
            !["", "\n", "n", "ye", "yess", "no yes"]
                .into_iter()
                .any(is_yes)
        );
    }
}
