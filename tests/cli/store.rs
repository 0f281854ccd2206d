//! The locks that the tests of the command use, and the library's own handles on them.

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

/// The body of a held record whose fields are these, where they are given.
pub fn record(fields: serde_json::Value) -> String {
    let mut record = serde_json::json!({
        "format": 1,
        "state": "held",
        "owner": "host-17",
        "fencing_token": 1_795_399_200_000_001_u64,
        "lease_ms": 70_000,
        "nonce": "00112233445566778899aabbccddeeff",
        "acquired_at": "2026-11-23T02:00:00Z",
        "host": "web-3",
        "pid": 4242,
    });
    let all = record.as_object_mut().expect("it is an object");
    all.extend(fields.as_object().expect("they are an object").clone());
    record.to_string()
}

/// Has the lock at [`URL`] be one whose lease ran out minutes ago.
pub fn expired(server: &Server) {
    server.put_object(KEY, record(serde_json::json!({})));
    // Less than what makes a store refuse a signature.
    server.set_clock_offset(600);
}
