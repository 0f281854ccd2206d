//! Guards that are kept alive by a clock that the test moves: no machine is too slow for such a lease.

use std::time::Duration;

use s3_lock::internals::Time;
use s3_lock::{Client, LockGuard, S3LockBuilder};

use crate::support::Server;
use crate::{client_builder, eventually, leased};

pub const LEASE: Duration = Duration::from_secs(60);
/// A renewal is due by then: after a third of the lease, give or take a tenth of that.
pub const DUE: Duration = Duration::from_secs(24);

/// A lock that is kept alive.
pub fn kept_lock(client: &Client) -> S3LockBuilder {
    leased(client, 60_000).keep_alive()
}

/// A guard that is kept alive, and the time that it and its client live by.
pub fn kept(server: &Server) -> (Time, LockGuard) {
    let (time, client) = timed_client(server);
    let guard = kept_lock(&client).build().unwrap().acquire("me").unwrap();
    (time, guard)
}

/// A client, and the time that it lives by.
pub fn timed_client(server: &Server) -> (Time, Client) {
    let time = Time::default();
    let client = time.of(client_builder(server)).build().unwrap();
    (time, client)
}

/// Waits until the lease has begun anew.
pub fn is_renewed(guard: &LockGuard) {
    eventually("it is renewed", || {
        guard.remaining() > LEASE - Duration::from_secs(10)
    });
}
