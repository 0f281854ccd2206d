//! The proxy that goes wrong: that it does what it says, and that a lock comes through all of it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use s3_lock::{Client, LockError};

use crate::support::{BUCKET, Dates, FATES, Fate, Fates, Passenger, Proxy, Server};
use crate::{checking_builder_at, client_builder_at, leased, lock_of};

/// Sends a request that no server will take, and returns all that came back.
fn ask(proxy: &Proxy, method: &str) -> Vec<u8> {
    let address = proxy.endpoint();
    let address = address.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!("{method} /{BUCKET}/key HTTP/1.1\r\nhost: {address}\r\n");
    write!(stream, "{head}content-length: 2\r\n\r\nhi").unwrap();
    let mut reply = Vec::new();
    // A reset is an error here, and one of the things that may come.
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let _ = stream.read_to_end(&mut reply);
    reply
}

fn is_passed_on(fate: Fate) -> bool {
    let server = Server::start();
    let proxy = Proxy::obedient(&server.endpoint());
    proxy.script("PUT", fate);
    ask(&proxy, "PUT");
    assert!(proxy.falls_silent());
    assert_eq!(proxy.counts().faults.get(&fate), Some(&1));
    !server.requests().is_empty()
}

#[test]
fn proxy_that_refuses_for_certain_passes_nothing_on() {
    for fate in [Fate::AccessDenied, Fate::Redirected] {
        assert!(!is_passed_on(fate), "{fate:?}");
    }
}

#[test]
fn proxy_passes_on_what_it_drops_after_and_not_what_it_drops_before() {
    let before = [
        Fate::DroppedBefore,
        Fate::ResetBefore,
        Fate::SlowDown,
        Fate::Conflict,
        Fate::TooManyRequests,
    ];
    for fate in before {
        assert!(!is_passed_on(fate), "{fate:?}");
    }
    let after = [
        Fate::DroppedAfter,
        Fate::ResetAfter,
        Fate::SlowDownAfter,
        Fate::ConflictAfter,
    ];
    for fate in after {
        assert!(is_passed_on(fate), "{fate:?}");
    }
}

#[test]
fn proxy_delivers_what_is_late_although_its_sender_has_hung_up() {
    assert!(is_passed_on(Fate::Late));
}

#[test]
fn proxy_ends_a_reply_early_that_it_cuts_and_no_other() {
    let server = Server::start();
    let proxy = Proxy::obedient(&server.endpoint());
    let whole = ask(&proxy, "PUT");
    assert!(whole.starts_with(b"HTTP/1.1 403"), "nobody has signed it");
    for fate in [Fate::Truncated, Fate::ResetMidway] {
        proxy.script("PUT", fate);
        let part = ask(&proxy, "PUT");
        // Not the rest of it: the server's clock may have gone on by a second.
        let start = part.len().min(12);
        assert!(part.len() < whole.len() && part[..start] == whole[..start]);
    }
}

#[test]
fn proxy_decides_by_its_seed_what_happens_to_each_request() {
    let fates = |seed, serial| {
        let fates = Fates {
            seed,
            per_mille: 150,
            dates: Dates::Any,
        };
        let passenger = Passenger {
            method: "PUT",
            target: "/bucket/key",
            serial,
        };
        fates.of(passenger).0
    };
    let run = |seed| -> Vec<_> { (0..10_000).map(|serial| fates(seed, serial)).collect() };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
    let faulted = run(1).iter().flatten().count();
    assert!((1_300..1_700).contains(&faulted), "{faulted}");
}

/// A client whose requests go through the proxy, and soon time out.
fn hasty(proxy: &Proxy) -> Client {
    let client = client_builder_at(&proxy.endpoint()).request_timeout(Duration::from_millis(500));
    client.build().unwrap()
}

#[test]
fn acquire_and_release_come_through_whatever_befalls_one_of_their_requests() {
    let server = Server::start();
    let proxy = Proxy::obedient(&server.endpoint());
    for (fate, _) in FATES {
        for method in ["GET", "PUT"] {
            let client = hasty(&proxy);
            proxy.script(method, fate);
            match leased(&client, 1_500).build().unwrap().acquire("one") {
                Ok(guard) => guard.release().unwrap(),
                // Given back, on a busy machine.
                Err(LockError::TooSlow { .. }) => {}
                // Refused for certain, or a page instead of the record: that is for people to mend.
                Err(LockError::Storage(error)) => assert!(!error.is_outcome_unknown(), "{fate:?}"),
                Err(error) => panic!("{fate:?} of a {method}: {error:?}"),
            }
            let another = lock_of(&client).acquire("another");
            another.unwrap().release().unwrap();
        }
    }
    // Or a late request would land on another server that has the port by then.
    assert!(proxy.falls_silent());
    let counts = proxy.counts();
    assert!(FATES.iter().all(|(fate, _)| counts.faults[fate] == 2));
}

#[test]
fn check_store_accuses_no_store_for_what_the_network_does() {
    let server = Server::start();
    let mut proxies = Vec::new();
    for (fate, _) in FATES {
        for method in ["GET", "PUT"] {
            let proxy = Proxy::obedient(&server.endpoint());
            proxy.script(method, fate);
            let client = checking_builder_at(&proxy.endpoint())
                .request_timeout(Duration::from_millis(500))
                .build()
                .unwrap();
            match leased(&client, 1_500).build().unwrap().check_store() {
                Ok(report) => assert!(report.is_safe()),
                Err(LockError::Storage(_)) => {}
                Err(error) => panic!("{fate:?} of a {method}: {error:?}"),
            }
            proxies.push(proxy);
        }
    }
    // Or a late request would land on another server that has the port by then.
    assert!(proxies.iter().all(Proxy::falls_silent));
}
