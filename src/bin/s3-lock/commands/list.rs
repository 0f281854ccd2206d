//! `list`: the locks of a folder.

use std::process::ExitCode;
use std::time::SystemTime;

use s3_lock::{ListedLock, LockError, LockInfo, S3Lock};

use crate::arguments::{Connection, ListArguments};
use crate::commands::client::client;
use crate::commands::failure::Failure;
use crate::output::holding::{LockJson, info, state};
use crate::output::table::{Column, table};
use crate::output::text::visible;
use crate::output::times::{since_shortly, span};
use crate::output::{json, message, stdout};
use crate::system::wall_clock;

/// How wide a terminal is, mostly.
const SCREEN: usize = 80;
/// How much of an owner's name is shown: `status` shows all of it.
const OWNER: usize = 24;

const COLUMNS: [Column; 7] = [
    column("NAME", usize::MAX),
    column("STATUS", usize::MAX),
    column("OWNER", OWNER),
    column("LEFT", usize::MAX),
    column("SINCE", usize::MAX),
    column("TOKEN", usize::MAX),
    column("PURPOSE", usize::MAX),
];

const fn column(head: &'static str, most: usize) -> Column {
    Column { head, most }
}

pub fn list(arguments: &ListArguments, connection: &Connection) -> Result<ExitCode, Failure> {
    let (bucket, folder) = (&arguments.url.bucket, &arguments.url.folder);
    let client = client(connection)?;
    let locks = client.list(bucket, folder)?;
    if arguments.json {
        let objects = locks.iter().map(|listed| {
            let lock = S3Lock::builder(bucket, listed.name()).folder(folder);
            let lock = lock.client(client.clone()).build()?;
            Ok(LockJson::new(&lock, listed.status()))
        });
        let objects = objects.collect::<Result<Vec<_>, LockError>>()?;
        stdout::print(&json::line(&objects))?;
    } else if locks.is_empty() {
        let place = format!("s3://{bucket}/{folder}");
        message::note(&format!(
            "there are no locks in {}",
            place.trim_end_matches('/')
        ));
    } else {
        stdout::print(&text(&locks, wall_clock::now()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn text(locks: &[ListedLock], now: SystemTime) -> String {
    let rows: Vec<_> = locks.iter().map(|lock| row(lock, now)).collect();
    table(&COLUMNS, &rows, SCREEN)
}

fn row(lock: &ListedLock, now: SystemTime) -> [String; 7] {
    let info = info(lock.status());
    let of = |cell: &dyn Fn(&LockInfo) -> String| info.map_or_else(|| "-".to_owned(), cell);
    [
        visible(lock.name()),
        state(lock.status()).to_owned(),
        of(&|info| visible(info.owner())),
        of(&|info| span(info.remaining()).replace(' ', "")),
        of(&|info| since_shortly(info.acquired_at(), now)),
        of(&|info| info.fencing_token().to_string()),
        of(&|info| info.purpose().map_or_else(|| "-".to_owned(), visible)),
    ]
}
