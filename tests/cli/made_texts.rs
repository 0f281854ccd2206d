//! `s3-lock man` and `s3-lock completions`.

use std::process::{Command, Stdio};

use crate::program::{bare, run, run_with_input};

const COMMANDS: [&str; 9] = [
    "run",
    "hold",
    "status",
    "list",
    "release",
    "break",
    "doctor",
    "completions",
    "man",
];

fn page() -> String {
    run(&mut bare(["man"])).stdout
}

#[test]
fn man_has_every_command_under_a_heading_of_its_own() {
    let page = page();
    for command in COMMANDS {
        assert!(page.contains(&format!("\n.SS {command}\n")), "{command}");
    }
}

#[test]
fn man_has_the_sections_that_people_look_for() {
    let page = page();
    for section in [
        "NAME",
        "SYNOPSIS",
        "DESCRIPTION",
        "COMMANDS",
        "\"EXIT STATUS\"",
        "ENVIRONMENT",
        "SIGNALS",
        "TERMINAL",
        "FILES",
        "EXAMPLES",
    ] {
        assert!(page.contains(&format!("\n.SH {section}\n")), "{section}");
    }
}

#[test]
fn man_names_the_variables_of_a_command() {
    let page = page();
    for name in ["URL", "OWNER", "FENCING_TOKEN", "DEADLINE"] {
        assert!(page.contains(&format!("S3_LOCK_{name}")), "{name}");
    }
}

#[test]
fn man_has_each_option_about_the_store_once() {
    assert_eq!(page().matches("ca\\-bundle\\fR").count(), 1);
}

#[test]
fn completions_of_each_shell_know_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&mut bare(["completions", shell])).stdout;
        for command in COMMANDS {
            assert!(script.contains(command), "{shell}: {command}");
        }
    }
}

/// What bash would complete the last of these words to.
fn completed_by_bash(words: &[&str]) -> String {
    let script = run(&mut bare(["completions", "bash"])).stdout;
    let (last, place) = (words[words.len() - 1], words.len() - 1);
    let asks = format!(
        "{script}\nCOMP_WORDS=({})\nCOMP_CWORD={place}\n_s3__lock s3-lock '{last}' '{}'\necho ${{COMPREPLY[@]}}\n",
        words.join(" "),
        words[place - 1],
    );
    let mut bash = Command::new("bash");
    bash.arg("--norc")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let ended = run_with_input(&mut bash, &asks);
    assert_eq!((ended.code(), ended.stderr.as_str()), (Some(0), ""));
    ended.stdout.trim_end().to_owned()
}

#[test]
fn completions_for_bash_complete_a_command() {
    assert_eq!(completed_by_bash(&["s3-lock", "st"]), "status");
}

#[test]
fn completions_for_bash_complete_an_option_of_a_command() {
    assert_eq!(
        completed_by_bash(&["s3-lock", "status", "--exit"]),
        "--exit-code"
    );
}

#[test]
fn completions_for_bash_complete_an_option_about_the_store_behind_a_command() {
    assert_eq!(
        completed_by_bash(&["s3-lock", "status", "--reg"]),
        "--region"
    );
}
