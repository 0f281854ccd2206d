//! Whether the end of a connection has arrived at the other end of it, as the system's table of sockets says.

use std::net::SocketAddr;
use std::time::{Duration, Instant};
use std::{fs, thread};

/// How this table names a socket both of whose directions are open.
const ESTABLISHED: &str = "01";
/// Longer than a kernel takes, but not for ever.
const NEVER: Duration = Duration::from_secs(60);

/// Waits until the socket at `client` knows that its peer at `server` has closed the connection. A busy kernel
/// may bring that a moment later. Only Linux has the table: elsewhere this returns at once.
pub fn wait_for(client: SocketAddr, server: SocketAddr) {
    let start = Instant::now();
    while is_established(client, server) {
        assert!(start.elapsed() < NEVER, "the end has not come to {client}");
        thread::sleep(Duration::from_millis(1));
    }
}

fn is_established(client: SocketAddr, server: SocketAddr) -> bool {
    let table = fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    let [client, server] = [client, server].map(|address| format!(":{:04X}", address.port()));
    table.lines().any(|line| {
        let fields: Vec<_> = line.split_whitespace().take(4).collect();
        matches!(fields[..], [_, from, to, state]
            if from.ends_with(&client) && to.ends_with(&server) && state == ESTABLISHED)
    })
}
