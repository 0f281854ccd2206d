//! The locks that the tests of the command use, and the library's own handles on them.

#![allow(dead_code, reason = "some of it is for tests that are yet to come")]

use std::time::Duration;

use s3_lock::{Client, S3Lock, S3LockBuilder};

use crate::support::{ACCESS_KEY, BUCKET, REGION, SECRET_KEY, Server};

/// The lock of tests that need only one, as the command is told of it.
pub const URL: &str = "s3://locks-test/locks/nightly";
/// The folder that it is in.
pub const FOLDER: &str = "s3://locks-test/locks";
/// The key of its object.
pub const KEY: &str = "locks/nightly.lock";

/// A client of its own, as another process would have.
pub fn client(server: &Server) -> Client {
    let builder = Client::builder()
        .endpoint(server.endpoint())
        .region(REGION)
        .credentials(ACCESS_KEY, SECRET_KEY, None)
        .assume_conditional_writes();
    builder.build().expect("the settings are valid")
}

/// The lock at [`URL`], to be given settings.
pub fn builder(server: &Server) -> S3LockBuilder {
    named(server, "nightly")
}

/// Another lock in the same folder.
pub fn named(server: &Server, name: &str) -> S3LockBuilder {
    S3Lock::builder(BUCKET, name)
        .folder("locks")
        .client(client(server))
}

/// The lock at [`URL`].
pub fn lock(server: &Server) -> S3Lock {
    builder(server).build().expect("the settings are valid")
}

/// The same with a lease of this many milliseconds.
pub fn leased(server: &Server, millis: u64) -> S3Lock {
    let builder = builder(server)
        .max_operation(Duration::from_millis(millis / 10))
        .acquire_allowance(Duration::from_millis(millis - millis / 10));
    builder.build().expect("the settings are valid")
}

/// The `state` in the stored record of the lock at [`URL`].
pub fn stored_state(server: &Server) -> Option<String> {
    Some(
        stored(server)?["state"]
            .as_str()
            .expect("a record has a state")
            .to_owned(),
    )
}

/// The stored record of the lock at [`URL`].
pub fn stored(server: &Server) -> Option<serde_json::Value> {
    let body = server.object(KEY)?.body;
    Some(serde_json::from_slice(&body).expect("a record is JSON"))
}
