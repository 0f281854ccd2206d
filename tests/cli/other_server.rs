//! `run` on a server that this project did not write: the one that `S3_LOCK_TEST_ENDPOINT` names, with the keys in
//! `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`. It is checked first, as by somebody who is new to it.

use std::env;
use std::process::Command;
use std::thread;
use std::time::Duration;

use rusoto_core::credential::StaticProvider;
use rusoto_core::{HttpClient, Region};
use rusoto_s3::{CreateBucketRequest, S3, S3Client};

use crate::folder::Folder;
use crate::program::{Running, bare, run};
use crate::run::are_gone;
use crate::run::exclusion::{is_one_at_a_time, two_lines};

/// Options for a lease of 8 s.
const SHORT: [&str; 3] = [
    "--request-timeout=2s",
    "--max-operation=4s",
    "--kill-after=1s",
];

/// The server, and a lock in a bucket that is made anew for each test.
struct Other {
    endpoint: String,
    url: String,
    key: String,
    secret: String,
}

impl Other {
    fn new(purpose: &str) -> Other {
        let endpoint = env::var("S3_LOCK_TEST_ENDPOINT")
            .expect("S3_LOCK_TEST_ENDPOINT names the server to test against");
        let key = env::var("AWS_ACCESS_KEY_ID").expect("AWS_ACCESS_KEY_ID is one of its keys");
        let secret = env::var("AWS_SECRET_ACCESS_KEY").expect("AWS_SECRET_ACCESS_KEY goes with it");
        let bucket = format!("s3-lock-cli-{purpose}-{}", std::process::id());
        let url = format!("s3://{bucket}/locks/nightly");
        let other = Other {
            endpoint,
            url,
            key,
            secret,
        };
        other.make(bucket);
        other
    }

    fn make(&self, bucket: String) {
        let region = Region::Custom {
            name: "us-east-1".to_owned(),
            endpoint: self.endpoint.clone(),
        };
        let keys = StaticProvider::new_minimal(self.key.clone(), self.secret.clone());
        let http = HttpClient::new().expect("TLS is there");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("the system can make one more event queue");
        let request = CreateBucketRequest {
            bucket,
            ..Default::default()
        };
        let client = S3Client::new_with(http, keys, region);
        let made = runtime.block_on(client.create_bucket(request));
        made.expect("the server makes a bucket");
    }

    /// `s3-lock` with a command, and the URL of the lock behind it.
    fn command(&self, name: &str, rest: &[&str]) -> Command {
        let words = [name, &self.url];
        let mut command = bare(words.iter().chain(rest));
        command
            .env("AWS_ENDPOINT_URL_S3", &self.endpoint)
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", &self.key)
            .env("AWS_SECRET_ACCESS_KEY", &self.secret);
        command
    }

    fn run_text(&self, text: &str) -> Command {
        let rest = [&SHORT[..], &["-c", text]].concat();
        self.command("run", &rest)
    }
}

#[test]
#[ignore = "needs the server that S3_LOCK_TEST_ENDPOINT names"]
fn other_server_serves_twenty_runs_one_at_a_time() {
    let other = Other::new("twenty");
    let folder = Folder::new();
    let text = two_lines(&folder.file("log"));
    let all: Vec<_> = (0..20)
        .map(|_| Running::start(&mut other.run_text(&text)))
        .collect();
    for one in all {
        let ended = one.end();
        assert_eq!(ended.code(), Some(0), "{ended:?}");
    }
    is_one_at_a_time(&folder.text("log"), 20);
}

#[test]
#[ignore = "needs the server that S3_LOCK_TEST_ENDPOINT names"]
fn other_server_serves_ten_runs_in_the_order_in_which_they_came() {
    let other = Other::new("ten");
    let folder = Folder::new();
    let text = format!(
        "echo held; until [ -e {} ]; do sleep 0.02; done",
        folder.file("go")
    );
    let first = Running::start(&mut other.run_text(&text));
    first.stdout_line("held");
    let mut all = Vec::new();
    for number in 0..10 {
        let text = format!("echo {number} >> {}", folder.file("log"));
        let next = Running::start(&mut other.run_text(&text));
        next.stderr_line("in line");
        all.push(next);
    }
    // By then each has seen whom it has to let go first.
    thread::sleep(Duration::from_secs(1));
    folder.write("go", "");
    for one in all {
        let ended = one.end();
        assert_eq!(ended.code(), Some(0), "{ended:?}");
    }
    assert_eq!(folder.text("log"), "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n");
}

#[test]
#[ignore = "needs the server that S3_LOCK_TEST_ENDPOINT names"]
fn other_server_gives_the_lock_of_a_killed_run_to_the_next() {
    let other = Other::new("killed");
    let text = "trap '' TERM; sh -c 'while :; do sleep 0.02; done' & echo held; wait";
    let first = Running::start(&mut other.run_text(text));
    first.stdout_line("held");
    let second = Running::start(&mut other.run_text("echo mine"));
    second.stderr_line("waiting for");
    first.signal(libc::SIGKILL);
    are_gone(&first, Duration::from_secs(3));
    let ended = second.end();
    assert_eq!((ended.code(), ended.stdout.as_str()), (Some(0), "mine\n"));
}

#[test]
#[ignore = "needs the server that S3_LOCK_TEST_ENDPOINT names"]
fn other_server_has_no_overlap_if_s3_lock_alone_is_stopped() {
    let other = Other::new("stopped");
    let folder = Folder::new();
    let file = folder.file("log");
    let text = format!("trap '' TERM; echo held; while :; do echo old >> {file}; sleep 0.02; done");
    let first = Running::start(&mut other.run_text(&text));
    first.stdout_line("held");
    first.signal(libc::SIGSTOP);
    let text = format!("echo new >> {file}; sleep 0.5; echo new >> {file}");
    let second = run(&mut other.run_text(&text));
    assert_eq!(second.code(), Some(0), "{second:?}");
    let log = folder.text("log");
    let after: Vec<_> = log.lines().skip_while(|line| *line == "old").collect();
    assert_eq!(after, ["new", "new"]);
    first.signal(libc::SIGCONT);
    assert_eq!(first.end().code(), Some(124));
}
