//! Processes of their own: the bench's binary, run again with a part to play.

use std::env;
use std::process::Command;
use std::time::{Duration, SystemTime};

use s3_lock::{Client, S3Lock, S3LockBuilder};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::support::REGION;

/// The variables that make a run of the binary a child's.
const ADDRESS: &str = "S3_LOCK_BENCH_ADDRESS";
const PART: &str = "S3_LOCK_BENCH_PART";

/// The folder of all locks that are measured.
pub const FOLDER: &str = "s3-lock-bench";

/// How a process reaches the store.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Address {
    pub endpoint: String,
    pub bucket: String,
    pub access_key: String,
    pub secret_key: String,
    /// The store may want conditions in a form of its own, which a client learns by checking it.
    pub needs_check: bool,
}

impl Address {
    /// A client of its own, as another process would have. It sends no request any more but those of its locks.
    pub fn client(&self) -> Client {
        let client = Client::builder()
            .endpoint(&self.endpoint)
            .region(REGION)
            .credentials(&self.access_key, &self.secret_key, None);
        let client = if self.needs_check {
            client
        } else {
            client.assume_conditional_writes()
        };
        let client = client.build().expect("the settings are valid");
        if self.needs_check {
            let lock = self.lock_builder("checked", &client).build();
            let report = lock.expect("the settings are valid").check_store();
            report.expect("the store answers");
        }
        client
    }

    /// The settings of a lock of this client. Nobody gives up while a run lasts: how long somebody
    /// would have waited is what is measured.
    pub fn lock_builder(&self, name: &str, client: &Client) -> S3LockBuilder {
        S3Lock::builder(&self.bucket, name)
            .folder(FOLDER)
            .wait_limit(Duration::from_secs(3_600))
            .client(client.clone())
    }
}

/// The one place where the queue is switched off.
pub fn with_queue(builder: S3LockBuilder, queue: bool) -> S3LockBuilder {
    if queue {
        builder
    } else {
        builder.without_queue()
    }
}

/// A command that runs this binary again, to play a part.
pub fn command(address: &Address, part: &impl Serialize) -> Command {
    let this = env::current_exe().expect("a running bench has an executable");
    let text = "it is made of texts and numbers";
    let mut command = Command::new(this);
    command
        .env(ADDRESS, serde_json::to_string(address).expect(text))
        .env(PART, serde_json::to_string(part).expect(text));
    command
}

/// The part that this process is to play, if it is a child.
pub fn orders<P: DeserializeOwned>() -> Option<(Address, P)> {
    let part = env::var(PART).ok()?;
    let address = env::var(ADDRESS).ok()?;
    let sound = "the parent wrote it";
    let address = serde_json::from_str(&address).expect(sound);
    Some((address, serde_json::from_str(&part).expect(sound)))
}

/// The wall clock, which all processes of this machine share.
pub fn micros() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let micros = since.expect("it is after 1970").as_micros();
    u64::try_from(micros).expect("it is before the year 500,000")
}
