//! You want this when a holder that was paused beyond its lease must not undo what its successor publishes.
//! Run it with `cargo run --example fenced_publish`. The protocol is in `fence.rs`, its requests are in `objects.rs`,
//! and the page `fenced_publish` of the documentation explains both.

mod fence;
mod objects;
#[path = "../support/mod.rs"]
mod support;

use std::thread;
use std::time::Duration;

use objects::{Objects, Result};
use rusty_s3::{Bucket, Credentials, UrlStyle};
use s3_lock::{Client, S3Lock};
use support::{ACCESS_KEY, BUCKET, REGION, SECRET_KEY};

/// Adds a line to the published text.
fn add_line(client: Client, objects: &Objects, owner: &str, line: &str) -> Result<()> {
    let lock = S3Lock::builder("my-bucket", "text")
        .max_operation(Duration::from_secs(1)) // short for this example, as is the next
        .acquire_allowance(Duration::from_secs(1))
        .client(client)
        .build()?;
    let guard = lock.acquire(owner)?;
    let mut claim = fence::claim(objects, guard.fencing_token().get())?;
    let mut text = claim.data()?.unwrap_or_default();
    text.extend_from_slice(line.as_bytes());
    guard.check()?;
    claim.publish(&text)?;
    println!("{owner} has published its line");
    Ok(guard.release()?)
}

fn main() -> Result<()> {
    // On AWS: `Client::new()?`; and ureq with TLS, and `Credentials::new_with_token`. Here the server is part of this.
    let server = support::start();
    let endpoint = server.endpoint().parse()?;
    let bucket = Bucket::new(endpoint, UrlStyle::Path, BUCKET, REGION)?;
    let objects = Objects::new(bucket, Credentials::new(ACCESS_KEY, SECRET_KEY), "text")?;
    let add = |owner, line| add_line(support::client(&server), &objects, owner, line);

    add("host-17", "a first line\n")?;
    println!("the write by which host-17 publishes its second line is held up on the way");
    let publish = support::hold_up_second_write(&server, "text/current.json");
    thread::scope(|scope| {
        let paused = scope.spawn(|| add("host-17", "a line of host-17\n"));
        publish.wait();
        add("host-18", "a line of host-18\n")?; // once the lease of host-17 has run out
        publish.open();
        let refused = paused.join().expect("it does not panic");
        println!("host-17: {}", refused.expect_err("it is too late"));
        let text = String::from_utf8(objects.published()?.unwrap_or_default())?;
        println!("what is published:\n{text}");
        assert_eq!(text, "a first line\na line of host-18\n");
        Ok(())
    })
}
