//! The S3 server that the examples run on, in this process. A program on AWS has none of this: `Client::new()?` takes
//! region and credentials from where the AWS CLI does.

#![allow(dead_code, reason = "each example uses another part of it")]
#![allow(clippy::disallowed_methods, reason = "a rule for the crate itself")]

#[path = "../../tests/support/mod.rs"]
mod s3_server;

use std::thread;
use std::time::Duration;

use s3_lock::Client;
use s3_server::{Fault, Gate, Match};

pub use s3_server::{ACCESS_KEY, REGION, SECRET_KEY, Server};

/// The bucket that the examples use.
pub const BUCKET: &str = "my-bucket";

/// Starts a server with that bucket. It ends when it is dropped.
pub fn start() -> Server {
    let server = Server::start();
    server.create_bucket(BUCKET);
    server
}

/// A client of its own, as each process has one. Threads of one process share a client.
pub fn client(server: &Server) -> Client {
    let client = Client::builder()
        .endpoint(server.endpoint())
        .region(REGION)
        .credentials(ACCESS_KEY, SECRET_KEY, None)
        .build();
    client.expect("the settings are valid")
}

/// Has the server refuse all writes, as if somebody had taken a permission away.
pub fn refuse_writes(server: &Server) {
    server.fault(Match::put().always(), Fault::answer(403, "AccessDenied"));
}

/// Ends that.
pub fn allow_writes(server: &Server) {
    server.clear_faults();
}

/// Waits for this, up to a minute.
pub fn until(mut condition: impl FnMut() -> bool) {
    for _ in 0..6000 {
        if condition() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("it is not so after a minute");
}

/// A write that does not get through before this is opened.
pub struct HeldUp<'a>(&'a Server, Gate);

/// Holds up the second of the next writes of this object.
pub fn hold_up_second_write<'a>(server: &'a Server, key: &str) -> HeldUp<'a> {
    let gate = Gate::default();
    server.fault(Match::put().key(key).skip(1), Fault::HoldAt(gate.clone()));
    HeldUp(server, gate)
}

impl HeldUp<'_> {
    /// Waits until that write is on its way.
    pub fn wait(&self) {
        until(|| self.0.pending_faults() == 0);
    }

    /// Lets it through.
    pub fn open(self) {
        self.1.open();
    }
}
