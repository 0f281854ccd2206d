//! `s3-lock man` and `s3-lock completions`.

use crate::program::{bare, run};

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

#[test]
fn completions_for_bash_are_a_script_that_bash_reads() {
    let script = run(&mut bare(["completions", "bash"])).stdout;
    let mut bash = std::process::Command::new("bash");
    let ended = crate::program::run_with_input(
        bash.arg("-n")
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped()),
        &script,
    );
    assert_eq!((ended.code(), ended.stderr.as_str()), (Some(0), ""));
}
