//! What to do about each kind of bad argument.

use std::ffi::OsString;

/// What is missing, as the usage writes it, and what to give.
const MISSING: [(&str, &str); 6] = [
    ("<URL>", "name the lock, as s3://bucket/folder/name"),
    (
        "<TOKEN>",
        "give the number that `s3-lock status` shows as the token",
    ),
    ("<SHELL>", "name bash, zsh, fish, elvish or powershell"),
    ("--yes", "--json asks nothing, so give --yes as well"),
    (
        "--race",
        "--also names another endpoint to race, so give --race as well",
    ),
    (
        "--command",
        "write the command after --, as in s3-lock run URL -- COMMAND",
    ),
];

/// An argument that the command does not have.
pub fn unknown(command: &str, argument: &str, suggested: Option<&str>) -> String {
    match (argument.starts_with('-'), suggested) {
        (true, Some(other)) => format!("unknown option {argument}: did you mean {other}?"),
        (true, None) => format!("unknown option {argument}: see `{command} --help`"),
        (false, _) => {
            let help = format!("see `{command} --help`");
            let remedy = match command {
                "s3-lock run" => "write the command after --, as in s3-lock run URL -- COMMAND",
                "s3-lock hold" => "hold runs no command, s3-lock run does",
                "s3-lock doctor" => {
                    "doctor looks at one lock, and rounds are given as in --race=1000"
                }
                _ => &help,
            };
            format!("unexpected argument {}: {remedy}", cited(argument))
        }
    }
}

/// Arguments that the command needs.
pub fn missing(command: &str, arguments: &[String]) -> String {
    let names: Vec<_> = arguments.iter().map(|argument| name(argument)).collect();
    let first = names.first().copied().unwrap_or_default();
    let remedy = match (first, command) {
        ("<URL>", "s3-lock list") => "name the folder, as s3://bucket/folder",
        ("--owner", "s3-lock release") => "say whose holding to release",
        ("--owner", _) => "--reclaim takes the lock from an earlier run of the same owner",
        _ => MISSING
            .iter()
            .find(|(name, _)| *name == first)
            .map_or("see --help", |found| found.1),
    };
    let told: Vec<_> = names.iter().map(|name| shown(name)).collect();
    let verb = if told.len() > 1 { "are" } else { "is" };
    format!("{} {verb} missing: {remedy}", told.join(" and "))
}

/// Two arguments that exclude each other, or one that is given twice.
pub fn conflict(argument: &str, other: &str) -> String {
    match (name(argument), name(other)) {
        ("--command", "") => conflict(argument, "<COMMAND>"),
        (one, "") => format!("{one} cannot be given here"),
        (one, other) if one == other => format!("{one} is given twice: leave one of them out"),
        (one, "<COMMAND>") | ("<COMMAND>", one) => {
            format!("{one} and a command after -- exclude each other: leave one of them out")
        }
        (one, other) => format!("{one} and {other} exclude each other: leave one of them out"),
    }
}

/// A value that an option does not take.
pub fn value(argument: &str, value: &str, why: Option<&str>) -> String {
    let named = name(argument);
    match (value, why) {
        ("", None) if named == "--race" => {
            "--race takes its number after =, as in --race=1000".to_owned()
        }
        ("", None) => format!("{named} needs a value: {argument}"),
        (_, Some(_)) if named == "--race" => {
            format!(
                "invalid --race {}: write how many rounds to make, as in --race=1000",
                cited(value)
            )
        }
        (_, Some(why)) => format!("invalid {} {}: {why}", shown(named), cited(value)),
        (_, None) if named == "<SHELL>" => {
            format!(
                "unknown shell {}: name bash, zsh, fish, elvish or powershell",
                cited(value)
            )
        }
        (_, None) => format!("invalid {} {}: see --help", shown(named), cited(value)),
    }
}

/// An argument that is no text.
pub fn not_text(given: &[OsString]) -> String {
    match given.iter().find(|argument| argument.to_str().is_none()) {
        Some(argument) => {
            format!("argument {argument:?} is not UTF-8: only a command and files may be that")
        }
        None => "an argument is not UTF-8".to_owned(),
    }
}

/// An argument without its value: `--wait` of `--wait <TIME>`.
fn name(argument: &str) -> &str {
    argument
        .split([' ', '=', '['])
        .next()
        .unwrap_or(argument)
        .trim_end_matches("...")
}

/// A positional argument without its angle brackets, and an option as it is.
fn shown(name: &str) -> &str {
    match name {
        "--command" => "a command",
        name => name.trim_start_matches('<').trim_end_matches('>'),
    }
}

/// The value in quotation marks, cut after 80 characters. What a URL may hide is left out: a user's name and password,
/// and a signature.
pub fn cited(value: &str) -> String {
    let mut shown = value.to_owned();
    if let Some((path, _)) = value.split_once('?') {
        shown = format!("{path}?…");
    }
    if let Some(host) = behind_user(&shown) {
        let scheme = shown.split_once("://").map(|(scheme, _)| scheme);
        let scheme = scheme.map_or(String::new(), |scheme| format!("{scheme}://"));
        shown = format!("{scheme}***@{host}");
    }
    let start: String = shown.chars().take(80).collect();
    let cut = if start.len() < shown.len() { "…" } else { "" };
    format!("{start:?}{cut}")
}

/// What comes after a name and a password, if there may be any: a URL without a scheme may have them, too.
fn behind_user(url: &str) -> Option<&str> {
    let ends = ["@", "%40"].map(|at| url.rfind(at).map(|start| start + at.len()));
    let end = ends.into_iter().flatten().max()?;
    let has_scheme = url.contains("://");
    (has_scheme || url[..end].contains(':')).then_some(&url[end..])
}
