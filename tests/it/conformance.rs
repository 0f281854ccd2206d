//! One suite for every store: in memory, the server of these tests, and whatever server
//! `S3_LOCK_TEST_ENDPOINT` names, with the keys in `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`.

use std::env;
use std::process::Command;
use std::thread;
use std::time::Duration;

use rusoto_core::credential::StaticProvider;
use rusoto_core::{HttpClient, Region};
use rusoto_s3::{
    CreateBucketRequest, PutBucketVersioningRequest, S3, S3Client, VersioningConfiguration,
};
use s3_lock::internals::Raw;
use s3_lock::{Client, InMemoryStore, LockError, LockStatus, S3Lock};
use serde_json::Value;

use crate::contention::Counter;
use crate::support::{BUCKET, Server};
use crate::{checking_client, child, eventually};

/// What every store must do. `client` makes an independent client each time.
pub fn suite(bucket: &str, client: &dyn Fn() -> Client) {
    let lock = || {
        let lock = S3Lock::builder(bucket, "conformance").folder("suite/näme +%");
        lock.client(client()).build().unwrap()
    };
    let (mine, yours) = (lock(), lock());

    assert_eq!(mine.status().unwrap(), LockStatus::Free);
    let guard = mine.try_acquire("me").unwrap();
    match yours.try_acquire("you") {
        Err(LockError::Held(holder)) => assert_eq!(holder.owner(), "me"),
        other => panic!("{other:?}"),
    }
    match yours.acquire_within("you", Duration::from_secs(1)) {
        Err(LockError::TimedOut {
            holder: Some(holder),
            ..
        }) => assert_eq!(holder.owner(), "me"),
        other => panic!("{other:?}"),
    }
    guard.renew().unwrap();
    guard.verify().unwrap();
    assert!(matches!(yours.status().unwrap(), LockStatus::Held(_)));
    assert!(!yours.release("you").unwrap());
    let first = guard.fencing_token();
    guard.release().unwrap();
    assert_eq!(yours.status().unwrap(), LockStatus::Free);

    // Warm, and with others having been here since.
    drop(mine.acquire("me").unwrap());
    drop(yours.acquire("you").unwrap());
    let guard = mine.acquire("me").unwrap();
    assert_eq!(guard.fencing_token().get(), first.get() + 3);
    let _ = guard.detach();
    assert!(yours.release("me").unwrap());
    assert_eq!(mine.status().unwrap(), LockStatus::Free);

    // A label that no earlier run against this store has had.
    let label = format!("näme \"{first}\"");
    let guard = mine.acquire_once("me", &label).unwrap();
    guard.complete().unwrap();
    match yours.acquire_once("you", &label) {
        Err(LockError::AlreadyDone { owner, .. }) => assert_eq!(owner, "me"),
        other => panic!("{other:?}"),
    }
    drop(yours.acquire("you").unwrap());
}

/// What every store must do with a queue: two clients wait behind a third.
pub fn queue_suite(bucket: &str, client: &dyn Fn() -> Client) {
    let lock = || {
        let lock = S3Lock::builder(bucket, "queue").folder("suite/näme +%");
        // Each tells the others to give it the longest time, so that no slow store has it passed over.
        let lock = lock.poll_interval(Duration::from_millis(20), Duration::from_secs(5));
        lock.client(client()).build().unwrap()
    };
    let looks = Raw::new(client(), bucket, "suite/näme +%/queue.queue");
    let tickets = || {
        let stored = looks.get().unwrap();
        let queue: Option<Value> = stored.map(|(_, body)| serde_json::from_slice(&body).unwrap());
        queue.map_or(0, |queue| queue["tickets"].as_array().unwrap().len())
    };
    let (first, second, third) = (lock(), lock(), lock());
    let long = Duration::from_secs(300);
    for _ in 0..3 {
        let guard = first.acquire("first").unwrap();
        thread::scope(|scope| {
            let second = scope.spawn(|| second.acquire_within("second", long).unwrap());
            eventually("one waits", || tickets() == 1);
            let third = scope.spawn(|| third.acquire_within("third", long).unwrap());
            eventually("two wait", || tickets() == 2);
            guard.release().unwrap();
            let second = second.join().unwrap();
            assert!(second.info().has_waiters());
            let token = second.fencing_token();
            second.release().unwrap();
            assert!(third.join().unwrap().fencing_token() > token);
        });
    }
    // Who gives up leaves the queue, and says who came first.
    let guard = first.acquire("first").unwrap();
    match second.acquire_within("second", Duration::from_secs(3)) {
        Err(LockError::TimedOut { ahead, .. }) => assert_eq!(ahead, Some(0)),
        other => panic!("{other:?}"),
    }
    assert_eq!(tickets(), 0);
    guard.release().unwrap();
    let listed = client().list(bucket, "suite/näme +%").unwrap();
    assert!(
        listed
            .iter()
            .all(|listed| !listed.name().contains(".queue"))
    );
}

#[test]
fn in_memory_store_has_a_queue() {
    let store = InMemoryStore::new();
    queue_suite(BUCKET, &|| store.client());
}

#[test]
fn server_of_these_tests_has_a_queue() {
    let server = Server::start();
    queue_suite(BUCKET, &|| checking_client(&server));
}

#[test]
#[ignore = "needs the server that S3_LOCK_TEST_ENDPOINT names"]
fn other_server_has_a_queue() {
    let other = Other::new("queue");
    queue_suite(&other.bucket, &|| other.client());
}

#[test]
fn in_memory_store_conforms() {
    let store = InMemoryStore::new();
    suite(BUCKET, &|| store.client());
}

#[test]
fn server_of_these_tests_conforms() {
    let server = Server::start();
    suite(BUCKET, &|| checking_client(&server));
}

/// The other server, and a bucket on it that is made anew for each test.
pub struct Other {
    endpoint: String,
    pub bucket: String,
    pub key: String,
    pub secret: String,
}

impl Other {
    pub fn new(purpose: &str) -> Other {
        Other::with_bucket(format!("s3-lock-{purpose}-{}", std::process::id()))
    }

    /// The same with a bucket of this name, which it makes.
    pub fn with_bucket(bucket: String) -> Other {
        let endpoint = env::var("S3_LOCK_TEST_ENDPOINT")
            .expect("S3_LOCK_TEST_ENDPOINT names the server to test against");
        let key = env::var("AWS_ACCESS_KEY_ID").expect("AWS_ACCESS_KEY_ID is one of its keys");
        let secret = env::var("AWS_SECRET_ACCESS_KEY").expect("AWS_SECRET_ACCESS_KEY goes with it");
        let other = Other {
            endpoint,
            bucket,
            key,
            secret,
        };
        let bucket = other.bucket.clone();
        let created = other.ask(async |client| {
            let request = CreateBucketRequest {
                bucket,
                ..Default::default()
            };
            client.create_bucket(request).await.map(drop)
        });
        created.expect("the server makes a bucket");
        other
    }

    /// Has the bucket keep versions, or suspends that: `Enabled` or `Suspended`.
    fn set_versioning(&self, status: &str) {
        let request = PutBucketVersioningRequest {
            bucket: self.bucket.clone(),
            versioning_configuration: VersioningConfiguration {
                status: Some(status.to_owned()),
                ..Default::default()
            },
            ..Default::default()
        };
        let set = self.ask(async |client| client.put_bucket_versioning(request).await);
        set.expect("the server has versions");
    }

    /// Asks the server something that is none of this crate's business.
    fn ask<T>(&self, ask: impl AsyncFnOnce(S3Client) -> T) -> T {
        let region = Region::Custom {
            name: "us-east-1".to_owned(),
            endpoint: self.endpoint.clone(),
        };
        let keys = StaticProvider::new_minimal(self.key.clone(), self.secret.clone());
        let http = HttpClient::new().expect("TLS is there");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(ask(S3Client::new_with(http, keys, region)))
    }

    fn client(&self) -> Client {
        let client = Client::builder()
            .endpoint(&self.endpoint)
            .region("us-east-1");
        let keys = client.credentials(&self.key, &self.secret, None);
        keys.build().unwrap()
    }

    fn command(&self) -> Command {
        let mut command = child::command("count", &self.endpoint);
        command
            .env("AWS_ACCESS_KEY_ID", &self.key)
            .env("AWS_SECRET_ACCESS_KEY", &self.secret);
        child::with_bucket(command, &self.bucket)
    }
}

#[test]
#[ignore = "needs the server that S3_LOCK_TEST_ENDPOINT names"]
fn other_server_conforms() {
    let other = Other::new("suite");
    suite(&other.bucket, &|| other.client());
}

#[test]
#[ignore = "needs the server that S3_LOCK_TEST_ENDPOINT names"]
fn other_server_conforms_with_the_bucket_in_the_hosts_name() {
    let other = Other::new("hosted");
    suite(&other.bucket, &|| {
        let endpoint = other.endpoint.replace("127.0.0.1", "localhost");
        let client = Client::builder().endpoint(endpoint).virtual_hosted();
        let keys = client.credentials(&other.key, &other.secret, None);
        keys.build().unwrap()
    });
}

#[test]
#[ignore = "needs the server that S3_LOCK_TEST_ENDPOINT names"]
fn acquire_on_the_other_server_loses_no_increment_of_eight_processes_of_eight_threads() {
    let other = Other::new("count");
    let counter = Counter::new("other");
    child::count(8, 8, 25, counter.path(), &mut || other.command());
    assert_eq!(counter.value(), 8 * 8 * 25);
}

#[test]
#[ignore = "needs the server that S3_LOCK_TEST_ENDPOINT names"]
fn check_store_by_twenty_at_once_finds_the_other_server_safe() {
    let other = Other::new("check");
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                let lock = S3Lock::builder(&other.bucket, "n").client(other.client());
                let report = lock.build().unwrap().check_store().unwrap();
                assert!(report.is_safe() && report.uses_store_clock(), "{report}");
            });
        }
    });
}

#[test]
#[ignore = "needs the server that S3_LOCK_TEST_ENDPOINT names"]
fn check_store_finds_a_bucket_with_versions_on_the_other_server_safe_or_names_it_as_the_cause() {
    let other = Other::new("versions");
    let lock = S3Lock::builder(&other.bucket, "n").client(other.client());
    let lock = lock.build().unwrap();
    for (status, named) in [
        ("Enabled", "the bucket keeps versions"),
        ("Suspended", "the bucket's versioning is suspended"),
    ] {
        other.set_versioning(status);
        match lock.check_store() {
            Ok(report) => println!("{status}: {report}"),
            Err(LockError::UnsafeStore(report)) => {
                println!("{status}: {report}");
                assert!(report.to_string().contains(named), "{report}");
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}

#[test]
#[ignore = "needs the server that S3_LOCK_TEST_ENDPOINT names"]
fn race_store_on_the_other_server_has_no_two_winners() {
    let other = Other::new("race");
    let lock = S3Lock::builder(&other.bucket, "n").client(other.client());
    let lock = lock.build().unwrap();
    let clients: Vec<_> = (0..4).map(|_| other.client()).collect();
    let report = lock.race_store(50).unwrap();
    println!("{report}");
    assert!(report.races() > 0, "{report}");
    lock.race_store_with(20, &clients).unwrap();
}

#[test]
#[ignore = "needs the server that S3_LOCK_TEST_ENDPOINT names"]
fn acquire_on_the_other_server_tells_of_a_missing_bucket() {
    let other = Other::new("missing");
    let lock = S3Lock::builder("s3-lock-no-such-bucket", "n").client(other.client());
    match lock.build().unwrap().acquire("me") {
        Err(LockError::Storage(error)) => {
            assert_eq!(error.kind(), s3_lock::StorageErrorKind::NoSuchBucket);
        }
        other => panic!("{other:?}"),
    }
}
