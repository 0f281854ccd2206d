//! The sections of the manual page that no option tells.

/// A part of a section.
pub enum Part {
    /// A paragraph.
    Text(&'static str),
    /// A name and what it means.
    Item(&'static str, &'static str),
    /// Lines to type.
    Example(&'static str),
}

use Part::{Example, Item, Text};

pub const DESCRIPTION: [Part; 2] = [
    Text(
        "s3-lock keeps a lock in one small object in S3, or in a store that honours conditional writes as S3 \
         does. At most one process on any number of machines holds it. A lock that is not given back is free \
         again when its lease has run out.",
    ),
    Text(
        "A lock is named by a URL, s3://bucket/folder/name. Its object is folder/name.lock in the bucket. \
         Nothing has to be made before.",
    ),
];

/// What follows the commands and their options, in this order.
pub const REST: [(&str, &[Part]); 5] = [
    ("EXIT STATUS", &EXIT_STATUS),
    ("ENVIRONMENT", &ENVIRONMENT),
    ("SIGNALS", &SIGNALS),
    ("FILES", &FILES),
    ("EXAMPLES", &EXAMPLES),
];

// Of `run` and `hold`: to be completed.
const EXIT_STATUS: [Part; 11] = [
    Text("Of run, and, where they apply, of hold:"),
    Item(
        "the command's own",
        "if it ran to its end, and 128+n if signal n ended it",
    ),
    Item(
        "75",
        "the lock was not acquired; -E sets another, and --skip-ok makes it 0",
    ),
    Item(
        "124",
        "s3-lock ended the command: the lock was lost, or --max-hold was over",
    ),
    Item(
        "125",
        "s3-lock itself failed: wrong arguments, or a store that refuses or does not answer",
    ),
    Item("126", "the command was found and could not be run"),
    Item("127", "the command was not found"),
    Text("Of the other commands:"),
    Item(
        "0",
        "done; with status --exit-code, the lock is free or expired",
    ),
    Item(
        "1",
        "release: that owner held nothing; break: the holding was over, or you said no; status --exit-code: \
         the lock is held; doctor: something is wrong",
    ),
    Item("125", "failed; status --exit-code: 2"),
];

// Of the command that `run` starts: to be completed.
const ENVIRONMENT: [Part; 7] = [
    Text("The command that run starts finds in its environment:"),
    Item("S3_LOCK_URL", "the URL of the lock"),
    Item("S3_LOCK_OWNER", "the owner's name"),
    Item(
        "S3_LOCK_FENCING_TOKEN",
        "a number that grows with every acquisition: let what the command writes to refuse a smaller one",
    ),
    Item(
        "S3_LOCK_DEADLINE",
        "when the lease runs out unless it is renewed",
    ),
    Text(
        "s3-lock itself reads the variables of the AWS CLI, such as AWS_PROFILE, AWS_REGION, \
         AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL_S3 and AWS_CA_BUNDLE, and those of proxies.",
    ),
    Item("NO_COLOR", "if it is set, no message has colours"),
];

// To be completed: the deadline, the terminal, stops and suspends.
const SIGNALS: [Part; 1] = [Text(
    "While s3-lock waits for a lock, SIGINT, SIGTERM, SIGHUP and SIGQUIT end the wait, and the exit status is \
     128+n. While a command runs, they are passed on to it.",
)];

// To be completed.
const FILES: [Part; 3] = [
    Item("~/.aws/config", "profiles, regions, endpoints"),
    Item("~/.aws/credentials", "keys"),
    Text(
        "Credentials are looked for where the AWS CLI looks, in the same order: variables, the profile, a \
         container, an instance. s3-lock doctor says which were found.",
    ),
];

const EXAMPLES: [Part; 6] = [
    Text("A job in the crontabs of many machines, of which one is to run it each night:"),
    Example(
        "0 2 * * * s3-lock run --once \"$(date -u +\\%F)\" s3://bucket/locks/nightly -- ./report.sh",
    ),
    Text("One deploy at a time, and the others wait for up to five minutes:"),
    Example("s3-lock run --wait 5m s3://bucket/locks/deploy -- ./deploy.sh --all"),
    Text("Who holds it, and how to break the holding of a machine that is gone:"),
    Example(
        "s3-lock status s3://bucket/locks/deploy\ns3-lock break s3://bucket/locks/deploy 1795399200000001",
    ),
];
