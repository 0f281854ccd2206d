//! The help texts, which are to fit on a screen.

use crate::program::{Ended, bare, run};

/// Each command, and how many lines its help may have.
const COMMANDS: [(&str, usize); 9] = [
    ("run", 40),
    ("hold", 40),
    ("status", 24),
    ("list", 24),
    ("release", 24),
    ("break", 24),
    ("doctor", 24),
    ("completions", 24),
    ("man", 24),
];

fn help_of(command: &str) -> Ended {
    run(&mut bare([command, "--help"]))
}

fn widest(text: &str) -> usize {
    let widths = text.lines().map(|line| line.chars().count());
    widths.max().unwrap_or(0)
}

#[test]
fn help_of_each_command_is_no_wider_than_80_columns() {
    for (command, _) in COMMANDS {
        let help = help_of(command).stdout;
        assert!(widest(&help) <= 80, "{command}:\n{help}");
    }
}

#[test]
fn help_of_each_command_is_no_longer_than_a_screen() {
    for (command, most) in COMMANDS {
        let help = help_of(command).stdout;
        assert!(help.lines().count() <= most, "{command}:\n{help}");
    }
}

#[test]
fn help_of_each_command_has_examples_of_it() {
    for (command, _) in COMMANDS {
        let help = help_of(command).stdout;
        let (_, examples) = help.split_once("\nExample").expect("it has examples");
        assert!(examples.contains(&format!("s3-lock {command}")), "{help}");
    }
}

#[test]
fn help_exits_with_0() {
    for (command, _) in COMMANDS {
        let ended = help_of(command);
        assert_eq!((ended.code(), ended.stderr.as_str()), (Some(0), ""));
    }
}

#[test]
fn help_of_the_whole_lists_every_command() {
    let help = run(&mut bare(["--help"])).stdout;
    assert!(widest(&help) <= 80 && help.lines().count() <= 40, "{help}");
    for (command, _) in COMMANDS {
        assert!(
            help.contains(&format!("\n  {command} ")),
            "{command}:\n{help}"
        );
    }
}

#[test]
fn help_of_the_whole_alone_has_the_options_about_the_store() {
    assert!(
        run(&mut bare(["--help"]))
            .stdout
            .contains("--ca-bundle <FILE>")
    );
    for (command, _) in COMMANDS {
        let help = help_of(command).stdout;
        assert!(!help.contains("--ca-bundle <FILE>"), "{help}");
    }
}

#[test]
fn help_of_a_command_that_asks_a_store_says_where_the_options_about_it_are() {
    let line = "--region, --profile, --endpoint-url, --verbose ...: see `s3-lock --help`";
    for (command, _) in COMMANDS {
        let asks_a_store = !["completions", "man"].contains(&command);
        assert_eq!(
            help_of(command).stdout.contains(line),
            asks_a_store,
            "{command}"
        );
    }
}

#[test]
fn version_is_that_of_the_crate() {
    let ended = run(&mut bare(["--version"]));
    assert_eq!(
        ended.stdout,
        concat!("s3-lock ", env!("CARGO_PKG_VERSION"), "\n")
    );
}
