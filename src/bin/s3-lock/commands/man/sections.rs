//! The sections of the manual page that no option tells.

/// When these texts were changed last.
pub const DATE: &str = "2026-11-30";

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

pub const DESCRIPTION: [Part; 6] = [
    Text(
        "s3-lock keeps a lock in one small object in S3, or in a store that honours conditional writes as S3 \
         does. At most one process on any number of machines holds it. A lock that is not given back is free \
         again when its lease has run out.",
    ),
    Text(
        "A lock is named by a URL, s3://bucket/folder/name. Its object is folder/name.lock in the bucket. \
         The bucket must be there; the object is made when it is needed.",
    ),
    Text(
        "The lease is --max-operation and twice --request-timeout, so 10 s more, and is renewed for as long as the lock is needed. So after a crash \
         of the holder or of its machine, the lock is free some 12 s and --max-operation later. A longer one \
         bears a longer failure of the network. It does not limit how long a command may run: --max-hold does.",
    ),
    Text(
        "run and hold wait for the lock without a limit, unless --wait or --no-wait is given. A time has its unit: 500ms, \
         90s, 5m, 2h, 1h30m.",
    ),
    Text(
        "With --once, the lock remembers that the label is done if the command exits with 0. A run that comes later with \
         the same label is skipped: it exits with 0, and one line says who completed it. A run that failed is made again. \
         The lock remembers the last 16 labels. s3-lock takes the label as it is written: where no shell expands \
         $(date), it is the same label each night, and only the first night has a run.",
    ),
    Text(
        "Before the first write to a store that is not AWS, s3-lock checks with 12 requests \
         whether it honours conditional writes. --assume-conditional-writes leaves that out, for a store that \
         s3-lock doctor has found good.",
    ),
];

/// What follows the commands and their options, in this order.
pub const REST: [(&str, &[Part]); 7] = [
    ("EXIT STATUS", &EXIT_STATUS),
    ("ENVIRONMENT", &ENVIRONMENT),
    ("THE END OF A COMMAND", &END),
    ("SIGNALS", &SIGNALS),
    ("TERMINAL", &TERMINAL),
    ("FILES", &FILES),
    ("EXAMPLES", &EXAMPLES),
];

const EXIT_STATUS: [Part; 12] = [
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
        "s3-lock ended the command: the lock was lost, or --max-hold was reached; or the lock was lost before the \
         command could begin, or by the time it was to be released",
    ),
    Item(
        "125",
        "s3-lock itself failed: wrong arguments, a store that refuses or does not answer, or nobody knows whether \
         a label was marked",
    ),
    Item(
        "126, 127",
        "the command cannot be run; there is no such command",
    ),
    Item("128+n", "signal n ended the wait for the lock"),
    Text("A command may exit with any of these itself: --report tells them apart."),
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
    Item(
        "125",
        "failed; status --exit-code has 2 instead, but 125 for wrong arguments",
    ),
];

const ENVIRONMENT: [Part; 7] = [
    Text("The command that run starts finds in its environment, and hold prints:"),
    Item("S3_LOCK_URL", "the URL of the lock"),
    Item("S3_LOCK_OWNER", "the owner's name"),
    Item(
        "S3_LOCK_FENCING_TOKEN",
        "a number that grows with every acquisition: let what the command writes to refuse a smaller one",
    ),
    Item(
        "S3_LOCK_DEADLINE",
        "when the lease runs out unless it is renewed, in seconds since 1970",
    ),
    Text(
        "s3-lock itself reads the variables of the AWS CLI, such as AWS_PROFILE, AWS_REGION, \
         AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL_S3 and AWS_CA_BUNDLE, and those of proxies.",
    ),
    Item("NO_COLOR", "if it is set, no message has colours"),
];

const END: [Part; 5] = [
    Text(
        "A renewal that fails is repeated. If none succeeds, the command's process group gets SIGTERM --kill-after \
         before the lease runs out, and SIGKILL half a second before. A watchdog, which is a process of its own, keeps \
         to these times if s3-lock is stopped. So the command is dead before another can have the lock.",
    ),
    Text(
        "If the lock is lost before, because an operator broke it, s3-lock notices at its next renewal, after a third of \
         the lease at the latest. Then SIGTERM comes at once, and SIGKILL half a second later; another may have had \
         the lock since it was broken. --on-lost is run when the command has been ended.",
    ),
    Text(
        "If the machine is suspended past the lease, the command is killed within 100 ms of its waking up: only \
         fencing tokens close that gap. If s3-lock is killed, its command is killed with it, unless --orphan is given: then it goes on without a lock.",
    ),
    Text(
        "Not ended are processes that have left the command's process group, and those of another user. What the \
         command leaves running when it ends by itself goes on without the lock. If a signal has ended it, what it \
         had started is ended, too.",
    ),
    Text(
        "hold has no command to end, and no watchdog. If hold is killed or stopped, --on-lost is not run and nobody tells \
         the script: let it look whether hold is alive before each step, or let it run itself under run, as below.",
    ),
];

const SIGNALS: [Part; 2] = [
    Text(
        "While s3-lock waits for a lock, SIGINT, SIGTERM, SIGHUP and SIGQUIT end the wait at once, and the exit \
         status is 128+n.",
    ),
    Text(
        "While a command runs, these and SIGUSR1 and SIGUSR2 are passed on to its process group. After a second SIGINT \
         it gets SIGTERM, and SIGKILL after --kill-after; after a third, SIGKILL at once.",
    ),
];

const TERMINAL: [Part; 2] = [
    Text(
        "While it waits, s3-lock shows on a terminal one line that changes; elsewhere it writes a line whenever the \
         holder or the place in the queue changes. Everything that it says goes to standard error, and the results of \
         commands other than run to standard output.",
    ),
    Text(
        "Ctrl-Z stops s3-lock and its command as one job of the shell. Nobody renews the lock meanwhile: when the lease \
         runs out, the watchdog kills the command.",
    ),
];

const FILES: [Part; 3] = [
    Item("~/.aws/config", "profiles, regions, endpoints"),
    Item("~/.aws/credentials", "keys"),
    Text(
        "Credentials are looked for where the AWS CLI looks, in the same order: variables, the profile, a \
         container, an instance. s3-lock doctor says which were found.",
    ),
];

const EXAMPLES: [Part; 10] = [
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
    Text(
        "A script that holds the lock from its first line to its last, because it runs itself under run:",
    ),
    Example(
        "url=s3://bucket/locks/deploy\n\
         [ \"${S3_LOCK_URL-}\" = \"$url\" ] || exec s3-lock run --wait 10m \"$url\" -- \"$0\" \"$@\"",
    ),
    Text("A bash script that holds the lock over some of its commands:"),
    Example(
        "exec 3< <(exec s3-lock hold --parent $$ --on-lost \"kill $$\" s3://bucket/locks/deploy)\n\
         holder=$!\n\
         for _ in 1 2 3 4; do\n    \
         read -r line <&3 || { wait \"$holder\"; exit; }  # not acquired: with the status of hold\n    \
         eval \"export $line\"\n\
         done\n\
         ./step-one\n\
         kill -0 \"$holder\" || exit  # hold was killed: nobody renews the lock\n\
         ./step-two\n\
         kill \"$holder\"; wait \"$holder\"",
    ),
];
