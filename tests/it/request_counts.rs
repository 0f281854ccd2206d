//! What a client says that it has sent, against what the server says that it got.

use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use s3_lock::{
    Client, InMemoryStore, LockError, OutcomeCounts, RequestCounts, RequestPrices, S3Lock,
};

use crate::support::{ACCESS_KEY, BUCKET, Fault, Match, REGION, SECRET_KEY, Server};
use crate::{builder, client, lock, lock_of};

/// Succeeded, refused, failed, unanswered.
type Row = [u64; 4];

fn row(counts: OutcomeCounts) -> Row {
    [
        counts.succeeded(),
        counts.refused(),
        counts.failed(),
        counts.unanswered(),
    ]
}

/// Reads, writes and lists.
fn table(counts: RequestCounts) -> [Row; 3] {
    [counts.reads(), counts.writes(), counts.lists()].map(row)
}

/// The same as the server saw it.
fn journal(server: &Server) -> [Row; 3] {
    let mut rows = [Row::default(); 3];
    for request in server.requests() {
        let kind = match (request.method.as_str(), request.key.as_str()) {
            ("GET", "") => 2,
            ("GET", _) => 0,
            ("PUT", _) => 1,
            other => panic!("{other:?}"),
        };
        let outcome = match request.status {
            Some(200..300) => 0,
            Some(300..500) => 1,
            Some(_) => 2,
            None => 3,
        };
        rows[kind][outcome] += 1;
    }
    rows
}

/// A client and its lock.
fn pair(server: &Server) -> (Client, S3Lock) {
    let client = client(server);
    let lock = lock_of(&client);
    (client, lock)
}

#[test]
fn request_counts_of_a_new_client_are_zero() {
    assert_eq!(client(&Server::start()).request_counts().total(), 0);
}

#[test]
fn request_counts_of_a_first_cycle_are_a_refused_read_and_two_writes() {
    let server = Server::start();
    let (client, lock) = pair(&server);
    lock.acquire("me").unwrap().release().unwrap();
    let counts = client.request_counts();
    assert_eq!(table(counts), [[0, 1, 0, 0], [2, 0, 0, 0], [0; 4]]);
}

#[test]
fn request_counts_tell_a_write_that_comes_too_late_as_refused() {
    let server = Server::start();
    let (client, warm) = pair(&server);
    drop(warm.acquire("me").unwrap());
    drop(lock(&server).acquire("you").unwrap());
    let before = client.request_counts();
    let _guard = warm.try_acquire("me").unwrap();
    let counts = client.request_counts().since(before);
    assert_eq!(row(counts.writes()), [1, 1, 0, 0]);
    assert_eq!(row(counts.reads()), [1, 0, 0, 0]);
}

#[test]
fn request_counts_tell_an_error_of_the_server_as_a_failure() {
    let server = Server::start();
    let (client, lock) = pair(&server);
    server.fault(Match::put(), Fault::answer(503, "SlowDown"));
    let _guard = lock.acquire("me").unwrap();
    assert_eq!(row(client.request_counts().writes()), [1, 0, 1, 0]);
}

#[test]
fn request_counts_tell_a_lost_reply_as_unanswered() {
    let server = Server::start();
    let (client, lock) = pair(&server);
    server.fault(Match::put(), Fault::DropAfter);
    let _guard = lock.acquire("me").unwrap();
    assert_eq!(row(client.request_counts().writes()), [0, 0, 0, 1]);
}

#[test]
fn request_counts_tell_a_reply_that_does_not_come_in_time_as_unanswered() {
    let server = Server::start();
    let client = crate::client_builder(&server)
        .request_timeout(Duration::from_millis(300))
        .build()
        .unwrap();
    server.fault(Match::get(), Fault::Stall(Duration::from_secs(1)));
    assert!(lock_of(&client).status().is_err());
    assert_eq!(row(client.request_counts().reads()), [0, 0, 0, 1]);
}

#[test]
fn request_counts_count_a_request_that_is_sent_on_to_another_region_twice() {
    let server = Server::start();
    server.set_region("eu-central-1");
    let (client, lock) = pair(&server);
    drop(lock.acquire("me").unwrap());
    let counts = client.request_counts();
    // The region, then the key that is not there yet.
    assert_eq!(row(counts.reads()), [0, 2, 0, 0]);
    assert_eq!(row(counts.writes()), [2, 0, 0, 0]);
}

#[test]
fn request_counts_leave_out_a_request_that_found_no_server() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let client = Client::builder()
        .endpoint(endpoint)
        .region(REGION)
        .credentials(ACCESS_KEY, SECRET_KEY, None);
    let client = client.build().unwrap();
    assert!(lock_of(&client).status().is_err());
    assert_eq!(client.request_counts(), RequestCounts::default());
}

#[test]
fn request_counts_count_a_list_by_the_page_and_a_read_for_each_lock() {
    let server = Server::start();
    for i in 0..1500 {
        server.put_object(&format!("locks/{i:04}.txt"), "");
    }
    drop(lock(&server).acquire("me").unwrap());
    let client = client(&server);
    assert_eq!(client.list(BUCKET, "locks").unwrap().len(), 1);
    let counts = client.request_counts();
    assert_eq!(table(counts), [[1, 0, 0, 0], [0; 4], [2, 0, 0, 0]]);
}

#[test]
fn request_counts_are_shared_by_clones_and_their_locks() {
    let server = Server::start();
    let one = client(&server);
    lock_of(&one.clone()).status().unwrap();
    lock_of(&one).status().unwrap();
    assert_eq!(one.clone().request_counts().total(), 2);
}

#[test]
fn request_counts_are_each_clients_own_at_one_store_in_memory() {
    let store = InMemoryStore::new();
    let (one, other) = (store.client(), store.client());
    let guard = lock_of(&one).acquire("me").unwrap();
    assert!(matches!(
        lock_of(&other).try_acquire("you"),
        Err(LockError::Held(_))
    ));
    guard.release().unwrap();
    one.list(BUCKET, "locks").unwrap();
    let counts = [one, other].map(|client| table(client.request_counts()));
    assert_eq!(counts[0], [[1, 1, 0, 0], [2, 0, 0, 0], [1, 0, 0, 0]]);
    assert_eq!(counts[1], [[1, 0, 0, 0], [0; 4], [0; 4]]);
}

#[test]
fn request_counts_are_the_same_in_memory_as_at_a_server() {
    let workload = |client: &Client, other: &Client| {
        let (lock, other) = (lock_of(client), lock_of(other));
        drop(lock.acquire("me").unwrap());
        drop(other.acquire("you").unwrap());
        let guard = lock.acquire("me").unwrap();
        assert!(other.try_acquire("you").is_err());
        guard.renew().unwrap();
        guard.verify().unwrap();
        drop(guard);
        client.list(BUCKET, "locks").unwrap();
        table(client.request_counts())
    };
    let (server, store) = (Server::start(), InMemoryStore::new());
    assert_eq!(
        workload(&store.client(), &store.client()),
        workload(&client(&server), &client(&server)),
    );
}

#[test]
fn request_counts_agree_with_the_servers_over_a_mixed_workload() {
    let server = Server::start();
    let (client, lock) = pair(&server);
    server.set_region("eu-central-1");
    drop(lock.acquire("me").unwrap());
    server.fault(Match::put(), Fault::answer(503, "SlowDown"));
    server.fault(Match::put().skip(1), Fault::DropAfter);
    server.fault(Match::put().skip(2), Fault::answer_after(500, "x"));
    server.fault(
        Match::put().skip(3),
        Fault::answer(409, "ConditionalRequestConflict"),
    );
    server.fault(Match::get().skip(1), Fault::DropBefore);
    server.fault(Match::get().skip(2), Fault::answer(429, "SlowDown"));
    server.fault(Match::list(), Fault::answer(403, "AccessDenied"));
    for _ in 0..8 {
        lock.acquire("me").unwrap().release().unwrap();
    }
    assert!(client.list(BUCKET, "locks").is_err());
    client.list(BUCKET, "locks").unwrap();
    assert_eq!(server.pending_faults(), 0);

    let counts = client.request_counts();
    assert_eq!(table(counts), journal(&server));
    assert_eq!(counts.total(), server.requests().len() as u64);
    let [_, writes, lists] = table(counts);
    assert!(writes.iter().all(|&n| n > 0), "{counts}");
    assert_eq!(lists, [1, 1, 0, 0]);
}

#[test]
fn request_counts_agree_with_the_servers_when_clients_and_their_threads_contend() {
    let server = Server::start();
    let clients: Vec<_> = (0..3).map(|_| client(&server)).collect();
    thread::scope(|scope| {
        for client in clients.iter().flat_map(|client| [client; 3]) {
            let lock = builder(client)
                .poll_interval(Duration::from_millis(1), Duration::from_millis(10))
                .build()
                .unwrap();
            scope.spawn(move || {
                for _ in 0..10 {
                    drop(lock.acquire("me").unwrap());
                }
            });
        }
    });
    let mut sum = [Row::default(); 3];
    for counted in clients.iter().map(|client| table(client.request_counts())) {
        for (kind, counted) in sum.iter_mut().zip(counted) {
            for (outcome, counted) in kind.iter_mut().zip(counted) {
                *outcome += counted;
            }
        }
    }
    assert_eq!(sum, journal(&server));
}

#[test]
fn request_counts_of_a_million_warm_cycles_cost_ten_dollars_and_of_cold_ones_forty_cents_more() {
    let server = Server::start();
    let (client, lock) = pair(&server);
    let dollars_for_a_million = || {
        let before = client.request_counts();
        drop(lock.acquire("me").unwrap());
        let counts = client.request_counts().since(before);
        1e6 * counts.estimated_cost(RequestPrices::S3_STANDARD_US_EAST_1)
    };
    assert!((dollars_for_a_million() - 10.40).abs() < 1e-9);
    assert!((dollars_for_a_million() - 10.00).abs() < 1e-9);
}
