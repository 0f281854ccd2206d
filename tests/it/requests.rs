//! How many requests each call costs, as the server counted them.

use std::time::Duration;

use s3_lock::{LockError, LockStatus};

use crate::support::Server;
use crate::{KEY, builder, client, client_builder, lock, lock_of, requests_of};

#[test]
fn builder_sends_nothing() {
    let server = Server::start();
    let (sent, _lock) = requests_of(&server, || lock(&server));
    assert!(sent.is_empty(), "{sent:?}");
}

#[test]
fn acquire_is_one_read_and_one_write_when_cold() {
    let server = Server::start();
    let lock = lock(&server);
    let (sent, _guard) = requests_of(&server, || lock.acquire("me").unwrap());
    assert_eq!(sent, ["GET", "PUT"]);
}

#[test]
fn acquire_is_one_write_when_warm() {
    let server = Server::start();
    let lock = lock(&server);
    lock.acquire("me").unwrap().release().unwrap();
    let (sent, _guard) = requests_of(&server, || lock.acquire("me").unwrap());
    assert_eq!(sent, ["PUT"]);
}

#[test]
fn acquire_is_warm_with_another_handle_of_the_same_client_too() {
    let server = Server::start();
    let client = client(&server);
    drop(lock_of(&client).acquire("me").unwrap());
    let again = lock_of(&client);
    let (sent, _guard) = requests_of(&server, || again.acquire("you").unwrap());
    assert_eq!(sent, ["PUT"]);
}

#[test]
fn release_is_one_write() {
    let server = Server::start();
    let guard = lock(&server).acquire("me").unwrap();
    let (sent, released) = requests_of(&server, || guard.release());
    released.unwrap();
    assert_eq!(sent, ["PUT"]);
}

#[test]
fn drop_is_one_write() {
    let server = Server::start();
    let guard = lock(&server).acquire("me").unwrap();
    let (sent, ()) = requests_of(&server, || drop(guard));
    assert_eq!(sent, ["PUT"]);
}

#[test]
fn renew_is_one_write() {
    let server = Server::start();
    let guard = lock(&server).acquire("me").unwrap();
    let (sent, renewed) = requests_of(&server, || guard.renew());
    renewed.unwrap();
    assert_eq!(sent, ["PUT"]);
}

#[test]
fn status_is_one_read() {
    let server = Server::start();
    let lock = lock(&server);
    let (sent, status) = requests_of(&server, || lock.status().unwrap());
    assert_eq!(status, LockStatus::Free);
    assert_eq!(sent, ["GET"]);
}

#[test]
fn verify_is_one_read() {
    let server = Server::start();
    let guard = lock(&server).acquire("me").unwrap();
    let (sent, verified) = requests_of(&server, || guard.verify());
    verified.unwrap();
    assert_eq!(sent, ["GET"]);
}

#[test]
fn release_by_name_is_one_read_and_one_write() {
    let server = Server::start();
    let lock = lock(&server);
    let _ = lock.acquire("me").unwrap().detach();
    let (sent, released) = requests_of(&server, || lock.release("me").unwrap());
    assert!(released);
    assert_eq!(sent, ["GET", "PUT"]);
}

#[test]
fn try_acquire_is_one_read_when_contended() {
    let server = Server::start();
    let _guard = lock(&server).acquire("me").unwrap();
    let other = lock(&server);
    let (sent, refused) = requests_of(&server, || other.try_acquire("you"));
    assert!(matches!(refused, Err(LockError::Held(_))), "{refused:?}");
    assert_eq!(sent, ["GET"]);
}

#[test]
fn try_acquire_of_a_warm_client_is_one_write_and_one_read_when_contended() {
    let server = Server::start();
    let warm = lock(&server);
    drop(warm.acquire("me").unwrap());
    let _guard = lock(&server).acquire("you").unwrap();
    let (sent, refused) = requests_of(&server, || warm.try_acquire("me"));
    assert!(matches!(refused, Err(LockError::Held(_))), "{refused:?}");
    assert_eq!(sent, ["PUT", "GET"]);
}

#[test]
fn try_acquire_of_a_warm_client_finds_a_lock_that_others_used_and_freed() {
    let server = Server::start();
    let warm = lock(&server);
    drop(warm.acquire("me").unwrap());
    drop(lock(&server).acquire("you").unwrap());
    let (sent, guard) = requests_of(&server, || warm.try_acquire("me"));
    guard.unwrap().release().unwrap();
    assert_eq!(sent, ["PUT", "GET", "PUT"]);
}

#[test]
fn try_acquire_against_a_guard_of_the_same_client_sends_nothing() {
    let server = Server::start();
    let lock = lock(&server);
    let _guard = lock.acquire("me").unwrap();
    let (sent, refused) = requests_of(&server, || lock.try_acquire("you"));
    match refused {
        Err(LockError::Held(holder)) => assert_eq!(holder.owner(), "me"),
        other => panic!("{other:?}"),
    }
    assert!(sent.is_empty(), "{sent:?}");
}

#[test]
fn guard_tells_what_it_knows_by_itself_without_a_request() {
    let server = Server::start();
    let guard = lock(&server).acquire("me").unwrap();
    let (sent, ()) = requests_of(&server, || {
        guard.check().unwrap();
        assert!(guard.is_held());
        assert!(guard.remaining() > Duration::ZERO);
        assert_eq!(guard.info().owner(), guard.owner());
    });
    assert!(sent.is_empty(), "{sent:?}");
}

#[test]
fn client_sends_every_write_with_its_type_and_its_digest() {
    let server = Server::start();
    drop(lock(&server).acquire("me").unwrap());
    let writes = server.requests().into_iter().filter(|r| r.method == "PUT");
    for write in writes {
        assert_eq!(write.header("content-type"), Some("application/json"));
        assert!(write.header("content-md5").is_some());
    }
}

#[test]
fn client_sends_conditional_writes_alone() {
    let server = Server::start();
    let lock = lock(&server);
    let guard = lock.acquire("me").unwrap();
    let created = server.object(KEY).unwrap().etag;
    guard.renew().unwrap();
    drop(guard);
    let writes = server.requests().into_iter().filter(|r| r.method == "PUT");
    let conditions: Vec<_> = writes.map(|w| (w.if_none_match, w.if_match)).collect();
    assert_eq!(conditions[0], (Some("*".to_owned()), None));
    assert_eq!(conditions[1], (None, Some(created)));
    assert!(matches!(&conditions[2], (None, Some(_))));
    assert_eq!(conditions.len(), 3);
}

#[test]
fn client_names_the_expected_owner_of_the_bucket_in_every_request() {
    let server = Server::start();
    let client = client_builder(&server)
        .expected_bucket_owner("123456789012")
        .build()
        .unwrap();
    drop(builder(&client).build().unwrap().acquire("me").unwrap());
    for request in server.requests() {
        let owner = request.header("x-amz-expected-bucket-owner");
        assert_eq!(owner, Some("123456789012"));
    }
}

#[test]
fn client_serves_all_calls_by_one_connection() {
    let server = Server::start();
    let lock = lock(&server);
    for _ in 0..5 {
        drop(lock.acquire("me").unwrap());
    }
    let mut connections: Vec<_> = server.requests().iter().map(|r| r.connection).collect();
    connections.dedup();
    assert_eq!(connections.len(), 1);
}

#[test]
fn release_over_a_connection_closed_meanwhile_costs_no_second_write() {
    let server = Server::start();
    let lock = lock(&server);
    for _ in 0..20 {
        let guard = lock.acquire("me").unwrap();
        server.drop_idle_connections();
        let (sent, released) = requests_of(&server, || guard.release());
        released.unwrap();
        assert_eq!(sent, ["PUT"], "{:?}", server.requests());
    }
}
