//! What people get wrong on the command line: each gets one line that names the argument and the remedy.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::program::{Ended, bare, run};
use crate::store::URL;

/// What is given, and what is said.
const MISTAKES: [(&[&str], &str); 76] = [
    (
        &[URL, "--", "./report.sh"],
        "unknown command \"s3://locks-test/locks/nightly\": write what to do before the lock, as in s3-lock run URL -- COMMAND",
    ),
    (
        &["stauts", URL],
        "unknown command \"stauts\": did you mean status?",
    ),
    (&["help"], "unknown command \"help\": see `s3-lock --help`"),
    (&["-x"], "unknown option -x: see `s3-lock --help`"),
    (
        &["--wait", "5s", "run", URL, "--", "x"],
        "--wait goes after the command: s3-lock run --wait",
    ),
    (
        &["status"],
        "URL is missing: name the lock, as s3://bucket/folder/name",
    ),
    (
        &["status", URL, "extra"],
        "unexpected argument \"extra\": see `s3-lock status --help`",
    ),
    (
        &["status", "--jsno", URL],
        "unknown option --jsno: did you mean --json?",
    ),
    (
        &["status", "--verbsoe", URL],
        "unknown option --verbsoe: did you mean --verbose?",
    ),
    (
        &["status", "--json", "--json", URL],
        "--json is given twice: leave one of them out",
    ),
    (
        &["status", "--region"],
        "--region needs a value: --region <NAME>",
    ),
    (
        &["status", "--endpoint-url", "minio:9000", URL],
        "invalid endpoint \"minio:9000\": it needs a scheme: http:// or https://",
    ),
    (
        &["status", "bucket/locks/nightly"],
        "invalid URL \"bucket/locks/nightly\": it does not begin with s3://; write s3://bucket/folder/name",
    ),
    (
        &["status", ""],
        "invalid URL \"\": it does not begin with s3://; write s3://bucket/folder/name",
    ),
    (
        &[
            "status",
            "https://bucket.s3.amazonaws.com/locks/nightly?X-Amz-Signature=secret",
        ],
        "invalid URL \"https://bucket.s3.amazonaws.com/locks/nightly\": it does not begin with s3://; write s3://bucket/folder/name, and set an endpoint with --endpoint-url or AWS_ENDPOINT_URL_S3",
    ),
    (
        &[
            "status",
            "https://me:secret@minio.example.com/bucket/nightly",
        ],
        "invalid URL: it names a user before the bucket; write s3://bucket/folder/name, and give credentials by the environment or a profile",
    ),
    (
        &["status", "arn:aws:s3:::bucket/locks/nightly"],
        "invalid URL \"arn:aws:s3:::bucket/locks/nightly\": it does not begin with s3://; write s3://bucket/folder/name",
    ),
    (
        &["status", "s3:/bucket/nightly"],
        "invalid URL \"s3:/bucket/nightly\": it does not begin with s3://; write s3://bucket/folder/name",
    ),
    (
        &["status", "s3://bucket"],
        "invalid URL \"s3://bucket\": it names a bucket and no lock; write s3://bucket/folder/name",
    ),
    (
        &["status", "s3://bucket/"],
        "invalid URL \"s3://bucket/\": it names a bucket and no lock; write s3://bucket/folder/name",
    ),
    (
        &["status", "s3:///locks/nightly"],
        "invalid URL \"s3:///locks/nightly\": it has no bucket; write s3://bucket/folder/name",
    ),
    (
        &["status", "s3://bucket/locks/"],
        "invalid URL \"s3://bucket/locks/\": it ends with a '/', so it names a folder; add the name of the lock",
    ),
    (
        &["status", "s3://bucket//nightly"],
        "invalid URL \"s3://bucket//nightly\": it has two '/' in a row; write one",
    ),
    (
        &["status", "s3://bucket/nightly?versionId=1"],
        "invalid URL: what follows the '?' has no place in it; write s3://bucket/folder/name, and a '?' that is part of a name as %3F",
    ),
    (
        &["status", "s3://bucket:9000/nightly"],
        "invalid URL \"s3://bucket:9000/nightly\": a port has no place in it; write s3://bucket/folder/name, and set the endpoint with --endpoint-url or AWS_ENDPOINT_URL_S3",
    ),
    (
        &["status", "s3://bucket/50%"],
        "invalid URL \"s3://bucket/50%\": a '%' begins no escape in it; write %25 for a '%' that is part of a name",
    ),
    (
        &["status", "s3://b/nightly"],
        "invalid bucket \"b\": its length is not between 3 and 63",
    ),
    (
        &["list"],
        "URL is missing: name the folder, as s3://bucket/folder",
    ),
    (
        &["list", "s3://AKID:hunter2@bucket/locks"],
        "invalid URL \"s3://***@bucket/locks\": nothing but the bucket stands before the folder; write it as s3://bucket/folder",
    ),
    (
        &["list", "s3://AKID:hunter/2@bucket/locks"],
        "invalid URL \"s3://***@bucket/locks\": nothing but the bucket stands before the folder; write it as s3://bucket/folder",
    ),
    (
        &["list", "s3://AKID:hunter2%40bucket/locks"],
        "invalid URL \"s3://***@bucket/locks\": nothing but the bucket stands before the folder; write it as s3://bucket/folder",
    ),
    (
        &["list", "AKID:hunter2@bucket/locks"],
        "invalid URL \"***@bucket/locks\": it does not begin with s3://; write it as s3://bucket/folder",
    ),
    (
        &["list", "bucket/locks?X-Amz-Signature=hunter2#"],
        "invalid URL \"bucket/locks?…\": it does not begin with s3://; write it as s3://bucket/folder",
    ),
    (
        &["list", "bucket"],
        "invalid URL \"bucket\": it does not begin with s3://; write it as s3://bucket/folder",
    ),
    (
        &["list", "s3://"],
        "invalid URL \"s3://\": the bucket is missing; write it as s3://bucket/folder",
    ),
    (
        &["list", "s3:///locks"],
        "invalid URL \"s3:///locks\": the bucket is missing; write it as s3://bucket/folder",
    ),
    (
        &["release", URL],
        "--owner is missing: say whose holding to release",
    ),
    (
        &["release", "--owner", "", URL],
        "invalid --owner \"\": an owner has at least one character; is a variable empty?",
    ),
    (
        &["release", "--owner", "a", "--owner", "b", URL],
        "--owner is given twice: leave one of them out",
    ),
    (
        &["break"],
        "URL and TOKEN are missing: name the lock, as s3://bucket/folder/name",
    ),
    (
        &["break", URL],
        "TOKEN is missing: give the number that `s3-lock status` shows as the token",
    ),
    (
        &["break", URL, "abc"],
        "invalid TOKEN \"abc\": give the number that `s3-lock status` shows as the token",
    ),
    (
        &["break", URL, "-5"],
        "invalid TOKEN \"-5\": give the number that `s3-lock status` shows as the token",
    ),
    (
        &["break", URL, "12345678901234567890123"],
        "invalid TOKEN \"12345678901234567890123\": give the number that `s3-lock status` shows as the token",
    ),
    (
        &["break", "--json", URL, "5"],
        "--yes is missing: --json asks nothing, so give --yes as well",
    ),
    (
        &["break", URL, "5"],
        "there is no terminal to ask \"Break it?\" on: give --yes to break it without being asked",
    ),
    (
        &["completions"],
        "SHELL is missing: name bash, zsh, fish, elvish or powershell",
    ),
    (
        &["completions", "tcsh"],
        "unknown shell \"tcsh\": name bash, zsh, fish, elvish or powershell",
    ),
    (
        &["man", "page"],
        "unexpected argument \"page\": see `s3-lock man --help`",
    ),
    (
        &["doctor"],
        "URL is missing: name the lock, as s3://bucket/folder/name",
    ),
    (
        &["doctor", "--race", "100", URL],
        "unexpected argument \"s3://locks-test/locks/nightly\": doctor looks at one lock, and rounds are given as in --race=1000",
    ),
    (
        &["doctor", "--race=x", URL],
        "invalid --race \"x\": write how many rounds to make, as in --race=1000",
    ),
    (
        &["doctor", "--also", "http://minio:9000", URL],
        "--race is missing: --also names another endpoint to race, so give --race as well",
    ),
    (
        &["run"],
        "a command and URL are missing: write the command after --, as in s3-lock run URL -- COMMAND",
    ),
    (
        &["run", URL],
        "a command is missing: write the command after --, as in s3-lock run URL -- COMMAND",
    ),
    (
        &["run", URL, "./report.sh", "--all"],
        "unexpected argument \"./report.sh\": write the command after --, as in s3-lock run URL -- COMMAND",
    ),
    (
        &["run", "--", "./report.sh"],
        "URL is missing: name the lock, as s3://bucket/folder/name",
    ),
    (
        &["run", "--wait", "5", URL, "--", "x"],
        "invalid --wait \"5\": write it with its unit, as 500ms, 90s, 5m, 2h or 1h30m",
    ),
    (
        // Five months, as humantime reads it.
        &["run", "--wait", "5M", URL, "--", "x"],
        "invalid --wait \"5M\": write it with its unit, as 500ms, 90s, 5m, 2h or 1h30m",
    ),
    (
        &["run", "--once", "$(date -u +%F)", URL, "--", "x"],
        "invalid --once \"$(date -u +%F)\": it was not expanded by a shell, so it would be the same each time; write it in double quotes, or run sh -c",
    ),
    (
        &["run", "--wait", "5m30", URL, "--", "x"],
        "invalid --wait \"5m30\": write it with its unit, as 500ms, 90s, 5m, 2h or 1h30m",
    ),
    (
        &["run", "--wait", "-5s", URL, "--", "x"],
        "invalid --wait \"-5s\": a time is not negative; write it as 500ms, 90s, 5m, 2h or 1h30m",
    ),
    (
        &["run", "--wait", URL, "--", "x"],
        "invalid --wait \"s3://locks-test/locks/nightly\": write it with its unit, as 500ms, 90s, 5m, 2h or 1h30m",
    ),
    (
        &["run", "--wait", "5s", "--no-wait", URL, "--", "x"],
        "--wait and --no-wait exclude each other: leave one of them out",
    ),
    (
        &["run", "-E", "256", URL, "--", "x"],
        "invalid --conflict-exit-code \"256\": an exit status is a number from 0 to 255",
    ),
    (
        &["run", "-E", "-1", URL, "--", "x"],
        "invalid --conflict-exit-code \"-1\": an exit status is a number from 0 to 255",
    ),
    (
        &["run", "-E", "75", "--skip-ok", URL, "--", "x"],
        "--conflict-exit-code and --skip-ok exclude each other: leave one of them out",
    ),
    (
        &["run", "--reclaim", URL, "--", "x"],
        "--owner is missing: --reclaim takes the lock from an earlier run of the same owner",
    ),
    (
        &["run", "-c", "fetch | load", URL, "--", "x"],
        "--command and a command after -- exclude each other: leave one of them out",
    ),
    (
        &["run", "--owner", "", URL, "--", "x"],
        "invalid --owner \"\": an owner has at least one character; is a variable empty?",
    ),
    (
        &["run", "--once", "", URL, "--", "x"],
        "invalid --once \"\": a label has at least one character; is a variable empty?",
    ),
    (
        &["run", "--wiat", "5s", URL, "--", "x"],
        "unknown option --wiat: did you mean --wait?",
    ),
    (
        &["run", "--kill-after", "5", URL, "--", "x"],
        "invalid --kill-after \"5\": write it with its unit, as 500ms, 90s, 5m, 2h or 1h30m",
    ),
    (
        &["hold", "--parent", "x", URL],
        "invalid --parent \"x\": give the id of a process, as $$ in a shell",
    ),
    (
        &["hold", "--parent", "0", URL],
        "invalid --parent \"0\": give the id of a process, as $$ in a shell",
    ),
    (
        &["hold", URL, "--", "./report.sh"],
        "unexpected argument \"./report.sh\": hold runs no command, s3-lock run does",
    ),
];

/// The line on standard error, if that is all that was said.
fn line(ended: &Ended) -> &str {
    assert_eq!(ended.stdout, "", "{ended:?}");
    let line = ended.stderr.strip_prefix("s3-lock: ");
    let line = line.and_then(|line| line.strip_suffix('\n'));
    let line = line.unwrap_or_else(|| panic!("{ended:?}"));
    assert!(!line.contains('\n'), "{ended:?}");
    line
}

#[test]
fn mistakes_get_one_line_that_names_the_argument_and_the_remedy() {
    for (arguments, expected) in MISTAKES {
        let ended = run(&mut bare(arguments));
        assert_eq!(line(&ended), expected, "{arguments:?}");
    }
}

#[test]
fn mistakes_exit_with_125() {
    for (arguments, _) in MISTAKES {
        let ended = run(&mut bare(arguments));
        assert_eq!(ended.code(), Some(125), "{arguments:?}");
    }
}

#[test]
fn an_argument_that_is_not_utf_8_is_refused_in_one_line() {
    let ended = run(&mut bare([
        OsStr::new("status"),
        OsStr::from_bytes(b"s3://a\xff"),
    ]));
    assert_eq!(
        line(&ended),
        "argument \"s3://a\\xFF\" is not UTF-8: only a command and files may be that"
    );
    assert_eq!(ended.code(), Some(125));
}

#[test]
fn a_label_that_is_too_long_is_refused_in_one_line() {
    let label = "x".repeat(129);
    let ended = run(&mut bare(["run", "--once", &label, URL, "--", "true"]));
    let told = "a label has at most 128 bytes, and this has 129";
    assert!(line(&ended).ends_with(told), "{ended:?}");
    assert_eq!(ended.code(), Some(125));
}

#[test]
fn missing_credentials_are_told_with_the_options_of_the_command() {
    let ended = run(bare(["status", URL]).env("AWS_REGION", "us-east-1"));
    let remedy = "name a profile that has keys in AWS_PROFILE or --profile, or give the machine or container a role";
    assert!(line(&ended).ends_with(remedy), "{ended:?}");
}

#[test]
fn a_missing_region_is_told_with_the_option_of_the_command() {
    let ended = run(&mut bare(["status", URL]));
    assert!(
        line(&ended).ends_with("set one of them or give --region"),
        "{ended:?}"
    );
}

#[test]
fn escape_sequences_in_an_argument_do_not_reach_the_terminal() {
    let ended = run(&mut bare(["status", URL, "\u{1b}[31m"]));
    assert!(!line(&ended).contains('\u{1b}'), "{ended:?}");
}
