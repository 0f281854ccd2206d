//! Holds code blocks to what rustdoc shows of a line: nobody scrolls sideways to read an example.

use std::fs;
use std::path::{Path, PathBuf};

/// How many characters of a code block's line rustdoc shows in a window of 1280 pixels, as measured in a browser.
const WIDEST: usize = 94;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// README.md, the pages of the documentation, and the files that have some in comments.
fn files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    collect(&root().join("src"), &mut found);
    found.push(root().join("README.md"));
    found.sort();
    found
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the entry can be read").path();
        let is_read = |extension| extension == "md" || extension == "rs";
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(is_read) {
            found.push(path);
        }
    }
}

/// The text of a page with its lines' numbers; that of a file of Rust is in its comments.
fn documentation(path: &Path) -> Vec<(usize, String)> {
    let text = fs::read_to_string(path).expect("it can be read");
    let lines = text.lines().zip(1..).map(|(line, number)| (number, line));
    if path.extension().is_some_and(|extension| extension == "md") {
        return lines
            .map(|(number, line)| (number, line.to_owned()))
            .collect();
    }
    let commented = lines.map(|(number, line)| (number, line.trim_start()));
    let texts = commented.map(|(number, line)| {
        let text = line.strip_prefix("//!").or(line.strip_prefix("///"));
        // What is no comment ends a block that was not closed.
        let text = text.map_or("", |text| text.strip_prefix(' ').unwrap_or(text));
        (number, text.to_owned())
    });
    texts.collect()
}

/// The lines of code that are wider than they may be, with their numbers and widths.
fn wide(lines: &[(usize, String)]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut block: Option<(&str, usize)> = None;
    for (number, line) in lines {
        let text = line.trim_start();
        let indent = line.len() - text.len();
        if text.starts_with("```") {
            block = match block {
                None => Some((text.trim_start_matches('`'), indent)),
                Some(_) => None,
            };
        } else if let Some((language, indent)) = block {
            let width = line.chars().count().saturating_sub(indent);
            if width > WIDEST && !is_hidden(language, text) {
                found.push((*number, width));
            }
        }
    }
    found
}

/// Whether rustdoc leaves a line of an example out.
fn is_hidden(language: &str, line: &str) -> bool {
    let other = ["text", "sh", "json", "toml", "yaml", "ini"];
    let is_rust = !other.iter().any(|other| language.starts_with(other));
    is_rust && (line == "#" || line.starts_with("# "))
}

#[test]
fn no_line_of_code_is_wider_than_rustdoc_shows() {
    let mut found = Vec::new();
    for path in &files() {
        let name = path.strip_prefix(root()).expect("it is below the root");
        for (line, width) in wide(&documentation(path)) {
            found.push(format!("{}:{line}: {width} characters", name.display()));
        }
    }
    let most = format!("wider than the {WIDEST} characters that rustdoc shows");
    assert!(found.is_empty(), "{most}:\n{}\n", found.join("\n"));
}

#[test]
fn a_line_that_is_too_wide_is_found_in_a_block_and_nowhere_else() {
    let long = "x".repeat(WIDEST + 1);
    let page = format!("{long}\n```text\n{long}\nx\n```\n{long}\n```\n# {long}\n{long}\n```");
    let lines: Vec<_> = (1..).zip(page.lines().map(str::to_owned)).collect();
    assert_eq!(wide(&lines), [(3, WIDEST + 1), (9, WIDEST + 1)]);
}
