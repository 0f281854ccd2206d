//! Puts the manual page together: one page for all commands.

use std::io;

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, roman};

use crate::arguments::command_line;
use crate::commands::man::sections::{self, Part};

/// The page, in the language of `man`.
pub fn page() -> String {
    let mut command = command_line()
        .disable_help_flag(true)
        .disable_version_flag(true)
        .mut_subcommands(|command| command.disable_help_flag(true));
    command.build();
    let man = Man::new(command.clone())
        .title("S3-LOCK")
        .date(sections::DATE)
        .manual("User Commands");
    let mut page = rendered(|page| man.render_title(page));
    page.push_str(&name_and_synopsis(&command));
    page.push_str(&section("DESCRIPTION", &sections::DESCRIPTION));
    page.push_str(&Roff::new().control("SH", ["COMMANDS"]).to_roff());
    for subcommand in command.get_subcommands() {
        page.push_str(&described(subcommand));
    }
    page.push_str(
        &Roff::new()
            .control("SH", ["OPTIONS OF ALL COMMANDS"])
            .to_roff(),
    );
    page.push_str(&options(&command));
    for (heading, parts) in sections::REST {
        page.push_str(&section(heading, parts));
    }
    page
}

fn name_and_synopsis(command: &Command) -> String {
    let about = command.get_about().map(ToString::to_string);
    let mut roff = Roff::new();
    roff.control("SH", ["NAME"]);
    roff.text([roman(format!("s3-lock - {}", about.unwrap_or_default()))]);
    roff.control("SH", ["SYNOPSIS"]);
    let all = command.get_subcommands().flat_map(usages);
    synopsis(&mut roff, &all.collect::<Vec<_>>());
    roff.to_roff()
}

/// A command under a heading of its own: its usage, what it does, and its options.
fn described(command: &Command) -> String {
    let mut roff = Roff::new();
    roff.control("SS", [command.get_name()]);
    synopsis(&mut roff, &usages(command));
    if let Some(about) = command.get_about() {
        roff.control("PP", []);
        roff.text([roman(format!("{about}."))]);
    }
    roff.to_roff() + &options(command)
}

/// A line for each usage.
fn synopsis(roff: &mut Roff, usages: &[String]) {
    for (at, usage) in usages.iter().enumerate() {
        if at > 0 {
            roff.control("br", []);
        }
        roff.text(marked(usage));
    }
}

/// The lines of a command's usage.
fn usages(command: &Command) -> Vec<String> {
    let usage = command.clone().render_usage().to_string();
    let lines = usage.trim_start_matches("Usage:").lines();
    lines.map(|line| line.trim().to_owned()).collect()
}

/// A usage with its first two words, the command, in bold.
fn marked(usage: &str) -> [Inline; 2] {
    let second = usage.match_indices(' ').nth(1);
    let (command, rest) = usage.split_at(second.map_or(usage.len(), |(at, _)| at));
    [bold(command), roman(rest)]
}

/// The options of a command, without a heading.
fn options(command: &Command) -> String {
    let man = Man::new(command.clone());
    let options = rendered(|page| man.render_options_section(page));
    // Each rendering begins with the definition of an apostrophe, which the page has already.
    let is_wanted = |line: &&str| !line.starts_with(".SH ") && !line.contains(".ds Aq");
    let lines = options.lines().filter(is_wanted);
    lines.map(|line| format!("{line}\n")).collect()
}

fn section(heading: &str, parts: &[Part]) -> String {
    let mut roff = Roff::new();
    roff.control("SH", [heading]);
    for (at, part) in parts.iter().enumerate() {
        match part {
            Part::Text(text) => {
                // A heading begins a paragraph by itself.
                if at > 0 {
                    roff.control("PP", []);
                }
                roff.text([roman(*text)]);
            }
            Part::Item(name, text) => {
                roff.control("TP", []);
                roff.text([bold(*name)]);
                roff.text([roman(*text)]);
            }
            Part::Example(lines) => {
                roff.control("PP", []);
                roff.control("RS", ["4"]);
                roff.control("nf", []);
                for line in lines.lines() {
                    roff.text([roman(line)]);
                }
                roff.control("fi", []);
                roff.control("RE", []);
            }
        }
    }
    roff.to_roff()
}

fn rendered(render: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) -> String {
    let mut page = Vec::new();
    render(&mut page).expect("memory takes what is written to it");
    String::from_utf8(page).expect("the page is made of texts")
}
