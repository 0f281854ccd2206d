//! The ends of the help texts: an example is understood sooner than an option.

/// The help of `s3-lock` itself, and of commands that ask no store.
pub const PLAIN_TEMPLATE: &str = "{about}\n\n{usage-heading} {usage}\n\n{all-args}{after-help}";

/// The help of a command.
pub const TEMPLATE: &str = "\
{about}

{usage-heading} {usage}

{all-args}
  --region, --profile, --endpoint-url, --verbose ...: see `s3-lock --help`{after-help}";

pub const TOP: &str = "\
Examples:
  s3-lock run s3://bucket/locks/nightly -- ./report.sh
  s3-lock status s3://bucket/locks/nightly
  s3-lock doctor s3://bucket/locks/nightly";

pub const RUN: &str = "\
Exit status: the command's own, 128+n if signal n ended it; 75 not acquired;
124 ended by s3-lock; 125 s3-lock failed; 126 not executable; 127 not found.
The command finds S3_LOCK_URL, S3_LOCK_OWNER, S3_LOCK_FENCING_TOKEN and
S3_LOCK_DEADLINE in its environment. It is killed before the lease runs out;
if the machine was suspended, within 100 ms after. `s3-lock man` tells more.

Examples:
  s3-lock run --wait 5m s3://bucket/locks/deploy -- ./deploy.sh --all
  s3-lock run --no-wait --skip-ok s3://bucket/locks/sync -c 'fetch | load'
  s3-lock run --once \"$(date -u +%F)\" s3://bucket/locks/nightly -- ./report.sh";

pub const HOLD: &str = "\
Prints S3_LOCK_URL, S3_LOCK_OWNER, S3_LOCK_FENCING_TOKEN and S3_LOCK_DEADLINE
once the lock is held: wait for these four lines before you begin. Standard
output stays open after them. `s3-lock man` has a script that reads them.
Exit status: 0 released after SIGTERM or the parent's end; 75 not acquired;
124 lost; 125 failed.

Examples:
  s3-lock hold --parent $$ --on-lost \"kill $$\" s3://bucket/locks/deploy > f &
  s3-lock hold --wait 10m --purpose maintenance s3://bucket/locks/deploy";

pub const STATUS: &str = "\
Examples:
  s3-lock status s3://bucket/locks/nightly
  s3-lock status --exit-code s3://bucket/locks/a; [ $? = 1 ] && echo held";

pub const LIST: &str = "\
Examples:
  s3-lock list s3://bucket/locks
  s3-lock list --json s3://bucket/locks";

pub const RELEASE: &str = "\
Exit status: 0 released; 1 that owner held nothing; 125 failed.

Example:
  s3-lock release --owner deploy-4711 s3://bucket/locks/deploy";

pub const BREAK: &str = "\
Until the old holder notices, two may be at work: be sure that it is dead. It
notices when it renews next: after a third of its lease (23 s) at the latest.
Exit status: 0 broken; 1 it was over already, or you said no; 125 failed.

Example:
  s3-lock break s3://bucket/locks/nightly 1795399200000001";

pub const DOCTOR: &str = "\
Exit status: 0 locks work here; 1 something is wrong; 125 not found out.

Examples:
  s3-lock doctor s3://bucket/locks/nightly
  s3-lock doctor --race=1000 --endpoint-url http://minio:9000 s3://bucket/a";

pub const COMPLETIONS: &str = "\
Examples:
  s3-lock completions bash > /etc/bash_completion.d/s3-lock
  s3-lock completions fish > ~/.config/fish/completions/s3-lock.fish";

pub const MAN: &str = "\
Examples:
  s3-lock man > /usr/local/share/man/man1/s3-lock.1
  s3-lock man | man -l -";
