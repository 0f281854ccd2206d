//! A list of what was checked, on standard output: a word for each line, what it is about, what was found, and on the
//! next line what to do.

use std::fmt::Write as _;
use std::io;
use std::io::Write as _;

use anstyle::{AnsiColor, Style};

use crate::output::text::visible;

/// One line of the list, and its remedy.
pub struct Line {
    pub mark: Mark,
    pub about: String,
    pub found: String,
    pub remedy: Option<String>,
}

/// The word that a line begins with.
#[derive(Clone, Copy)]
pub enum Mark {
    Ok,
    Warn,
    Fail,
    NotTried,
}

impl Mark {
    fn word(self) -> &'static str {
        match self {
            Mark::Ok => "ok",
            Mark::Warn => "warn",
            Mark::Fail => "FAIL",
            Mark::NotTried => "-",
        }
    }

    fn style(self) -> Style {
        match self {
            Mark::Ok => AnsiColor::Green.on_default(),
            Mark::Warn => AnsiColor::Yellow.on_default(),
            Mark::Fail => AnsiColor::Red.on_default().bold(),
            Mark::NotTried => Style::new().dimmed(),
        }
    }
}

/// Prints the list.
pub fn print(lines: &[Line]) -> io::Result<()> {
    let mut stdout = anstream::stdout().lock();
    stdout.write_all(text(lines).as_bytes())?;
    stdout.flush()
}

fn text(lines: &[Line]) -> String {
    let width = lines.iter().map(|line| line.about.chars().count()).max();
    let width = width.unwrap_or_default();
    let mut text = String::new();
    for line in lines {
        let (style, word) = (line.mark.style(), line.mark.word());
        let (about, found) = (&line.about, visible(&line.found));
        // Writing to a string does not fail.
        let _ = writeln!(text, "{style}{word:4}{style:#}  {about:width$}  {found}");
        if let Some(remedy) = &line.remedy {
            let remedy = visible(remedy);
            let _ = writeln!(text, "      {:width$}  to do: {remedy}", "");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(mark: Mark, about: &str, found: &str, remedy: Option<&str>) -> Line {
        Line {
            mark,
            about: about.to_owned(),
            found: found.to_owned(),
            remedy: remedy.map(str::to_owned),
        }
    }

    #[test]
    fn lines_are_aligned_and_a_remedy_has_its_own() {
        let lines = [
            line(Mark::Ok, "region", "us-east-1", None),
            line(Mark::Fail, "credentials", "none", Some("get some")),
        ];
        let text = anstream::adapter::strip_str(&text(&lines)).to_string();
        assert_eq!(
            text,
            "ok    region       us-east-1\n\
             FAIL  credentials  none\n                   to do: get some\n"
        );
    }

    #[test]
    fn a_message_of_a_server_makes_no_second_line() {
        let lines = [line(Mark::Warn, "bucket", "a\nb\x1b[2J", None)];
        let text = anstream::adapter::strip_str(&text(&lines)).to_string();
        assert_eq!(text, "warn  bucket  a\\nb\\u{1b}[2J\n");
    }
}
