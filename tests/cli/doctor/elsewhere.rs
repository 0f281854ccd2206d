//! The server that `S3_LOCK_TEST_ENDPOINT` names, with the keys in the usual variables.

use std::env;

use rusoto_core::credential::StaticProvider;
use rusoto_core::{HttpClient, Region};
use rusoto_s3::{CreateBucketRequest, S3, S3Client};
use s3_lock::{Client, S3Lock};

use super::*;

struct Other {
    endpoint: String,
    keys: [String; 2],
    bucket: String,
}

impl Other {
    /// With a bucket of its own.
    fn new(test: &str) -> Other {
        let set = |name| env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
        let other = Other {
            endpoint: set("S3_LOCK_TEST_ENDPOINT"),
            keys: ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map(set),
            bucket: format!("s3-lock-doctor-{test}-{}", std::process::id()),
        };
        let [key, secret] = other.keys.clone();
        let region = Region::Custom {
            name: REGION.to_owned(),
            endpoint: other.endpoint.clone(),
        };
        let http = HttpClient::new().unwrap();
        let s3 = S3Client::new_with(http, StaticProvider::new_minimal(key, secret), region);
        let request = CreateBucketRequest {
            bucket: other.bucket.clone(),
            ..CreateBucketRequest::default()
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime
            .unwrap()
            .block_on(s3.create_bucket(request))
            .unwrap();
        other
    }

    fn doctor(&self, arguments: &[&str]) -> Command {
        let url = format!("s3://{}/locks/nightly", self.bucket);
        let mut command = bare(["doctor", &url].iter().chain(arguments));
        let [key, secret] = &self.keys;
        command
            .env("AWS_ENDPOINT_URL_S3", &self.endpoint)
            .env("AWS_REGION", REGION)
            .env("AWS_ACCESS_KEY_ID", key)
            .env("AWS_SECRET_ACCESS_KEY", secret);
        command
    }

    fn lock(&self) -> S3Lock {
        let [key, secret] = &self.keys;
        let client = Client::builder().endpoint(&self.endpoint).region(REGION);
        let client = client.credentials(key, secret, None).build().unwrap();
        let lock = S3Lock::builder(&self.bucket, "nightly").folder("locks");
        lock.client(client).build().unwrap()
    }
}

#[test]
#[ignore = "needs the server that S3_LOCK_TEST_ENDPOINT names"]
fn doctor_finds_the_other_server_good() {
    let other = Other::new("good");
    // The first time nothing is there yet, and then there are a lock and what was written to check.
    for _ in 0..2 {
        let ended = run(&mut other.doctor(&["--race=5"]));
        println!("{}", ended.stdout);
        assert_eq!(ended.code(), Some(0), "{ended:?}");
        let is_ok = |line: &str| line.starts_with("ok ");
        assert!(ended.stdout.lines().all(is_ok), "{}", ended.stdout);
        other.lock().acquire("somebody").unwrap().release().unwrap();
    }
}

#[test]
#[ignore = "needs the server that S3_LOCK_TEST_ENDPOINT names"]
fn doctor_leaves_a_lock_of_the_other_server_alone() {
    let other = Other::new("held");
    let guard = other.lock().acquire("host-17").unwrap();
    let ended = run(&mut other.doctor(&["--json"]));
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    assert!(
        ended.json()["lock"]["found"]
            .as_str()
            .unwrap()
            .contains("host-17")
    );
    // Its condition names the version that it knows.
    guard.renew().unwrap();
    guard.release().unwrap();
}
