//! The example `fenced_publish`: with a pointer that holders claim, no write of an earlier holder undoes anything.

#[path = "../../examples/fenced_publish/fence.rs"]
mod fence;
#[path = "../../examples/fenced_publish/objects.rs"]
mod objects;
mod random;

use std::sync::mpsc::{self, TryRecvError};
use std::thread;
use std::time::Duration;

use rusty_s3::{Bucket, Credentials, UrlStyle};
use serde_json::{Value, json};

use crate::lost_replies::{applied_unseen, not_applied_unseen};
use crate::support::{ACCESS_KEY, BUCKET, Fault, Gate, Match, REGION, Request, SECRET_KEY, Server};
use crate::{eventually, lock, requests_of};
use fence::{Claim, Superseded, claim};
use objects::{Objects, Result};

const POINTER: &str = "text/current.json";

fn objects(server: &Server) -> Objects {
    let endpoint = server.endpoint().parse().unwrap();
    let bucket = Bucket::new(endpoint, UrlStyle::Path, BUCKET, REGION).unwrap();
    Objects::new(bucket, Credentials::new(ACCESS_KEY, SECRET_KEY), "text").unwrap()
}

fn pointer(server: &Server) -> Value {
    let pointer = server.object(POINTER).expect("there is a pointer");
    serde_json::from_slice(&pointer.body).expect("it is JSON")
}

/// What readers get, as a text; empty before the first publish.
fn published(objects: &Objects) -> String {
    let data = objects.published().unwrap();
    String::from_utf8(data.unwrap_or_default()).unwrap()
}

/// What a holder does: it adds a word to what there is.
fn add(claim: &mut Claim<'_>, word: &str) -> Result<()> {
    let mut text = claim.data()?.unwrap_or_default();
    text.extend_from_slice(word.as_bytes());
    claim.publish(&text)
}

/// The token of the holder that has superseded this one.
#[track_caller]
fn superseded<T>(result: Result<T>) -> u64 {
    let error = result.err().expect("it must fail");
    let superseded = error.downcast::<Superseded>();
    superseded.unwrap_or_else(|other| panic!("{other}")).0
}

/// One that gives a request up while it may still be on its way.
fn impatient(server: &Server) -> Objects {
    let mut objects = objects(server);
    objects.agent = objects::agent(Duration::from_secs(1));
    objects
}

/// Holds up the next write of the pointer, and loses those that are sent after it.
fn hold_up_all(server: &Server) -> Gate {
    let gate = Gate::default();
    server.fault(Match::put().key(POINTER), Fault::HoldAt(gate.clone()));
    server.fault(Match::put().key(POINTER).always(), Fault::DropBefore);
    gate
}

/// How often an object was sent.
fn puts(server: &Server, key: &str) -> usize {
    let mut puts = server.requests();
    puts.retain(|request| request.method == "PUT" && request.key == key);
    puts.len()
}

#[test]
fn fenced_publish_on_an_empty_folder_makes_the_pointer_first_and_then_the_data() {
    let server = Server::start();
    let objects = objects(&server);
    assert_eq!(objects.published().unwrap(), None);
    let mut first = claim(&objects, 7).unwrap();
    assert_eq!(pointer(&server), json!({"token": 7, "key": null}));
    assert_eq!(objects.published().unwrap(), None);
    assert_eq!(first.data().unwrap(), None);

    first.publish(b"one").unwrap();
    let key = pointer(&server)["key"].as_str().unwrap().to_owned();
    assert_eq!(pointer(&server), json!({"token": 7, "key": key}));
    assert!(key.starts_with("text/data/7-"), "{key}");
    assert_eq!(server.object(&key).unwrap().body, b"one");
    assert_eq!(published(&objects), "one");
}

#[test]
fn fenced_publish_costs_four_requests_and_one_more_where_there_is_data() {
    let server = Server::start();
    let objects = objects(&server);
    for (token, expected) in [
        (1, &["GET", "PUT", "PUT", "PUT"][..]),
        (2, &["GET", "PUT", "GET", "PUT", "PUT"]),
    ] {
        let (sent, added) = requests_of(&server, || add(&mut claim(&objects, token)?, "word"));
        added.unwrap();
        assert_eq!(sent, expected);
    }
}

#[test]
fn fenced_publish_of_one_holder_may_come_again_and_again() {
    let server = Server::start();
    let objects = objects(&server);
    let mut claim = claim(&objects, 7).unwrap();
    for word in ["a", "b", "c"] {
        add(&mut claim, word).unwrap();
    }
    assert_eq!(published(&objects), "abc");
}

#[test]
fn fenced_publish_signs_its_conditions() {
    let server = Server::start();
    let objects = objects(&server);
    add(&mut claim(&objects, 7).unwrap(), "word").unwrap();
    let mut puts = server.requests();
    puts.retain(|request| request.method == "PUT");
    assert_eq!(puts.len(), 3);
    for put in puts {
        let condition = match (put.if_match.as_deref(), put.if_none_match.as_deref()) {
            (Some(_), None) => "if-match",
            (None, Some("*")) => "if-none-match",
            other => panic!("{other:?}"),
        };
        let signed = format!("X-Amz-SignedHeaders=host%3B{condition}&");
        assert!(put.query.contains(&signed), "{}", put.query);
    }
}

#[test]
fn fenced_publish_of_a_paused_predecessor_fails_though_its_write_is_in_flight() {
    let server = Server::start();
    let objects = objects(&server);
    let lock = lock(&server);
    let paused = lock.acquire("paused").unwrap();
    let mut of_paused = claim(&objects, paused.fencing_token().get()).unwrap();
    let gate = Gate::default();
    server.fault(Match::put().key(POINTER), Fault::HoldAt(gate.clone()));
    thread::scope(|scope| {
        let in_flight = scope.spawn(|| add(&mut of_paused, "paused "));
        eventually("it is on its way", || server.pending_faults() == 0);
        // Its lease has run out, and another one takes over.
        lock.force_release(&paused.info()).unwrap();
        let successor = lock.acquire("successor").unwrap();
        let token = successor.fencing_token().get();
        let mut of_successor = claim(&objects, token).unwrap();
        gate.open();
        assert_eq!(superseded(in_flight.join().unwrap()), token);
        add(&mut of_successor, "successor ").unwrap();
    });
    assert_eq!(published(&objects), "successor ");
}

#[test]
fn fenced_publish_of_a_predecessor_that_was_paused_before_it_fails() {
    let server = Server::start();
    let objects = objects(&server);
    let mut paused = claim(&objects, 1).unwrap();
    add(&mut claim(&objects, 2).unwrap(), "successor ").unwrap();
    assert_eq!(superseded(add(&mut paused, "paused ")), 2);
    assert_eq!(published(&objects), "successor ");
}

#[test]
fn fenced_publish_that_lands_just_before_the_claim_is_built_upon() {
    let server = Server::start();
    let objects = objects(&server);
    let mut predecessor = claim(&objects, 1).unwrap();
    let gate = Gate::default();
    server.fault(Match::put().key(POINTER), Fault::HoldAt(gate.clone()));
    thread::scope(|scope| {
        let claiming = scope.spawn(|| claim(&objects, 2));
        eventually("the claim is on its way", || server.pending_faults() == 0);
        add(&mut predecessor, "predecessor ").unwrap();
        gate.open();
        let mut successor = claiming.join().unwrap().unwrap();
        add(&mut successor, "successor ").unwrap();
    });
    assert_eq!(published(&objects), "predecessor successor ");
}

#[test]
fn fenced_publish_by_a_holder_that_comes_too_late_to_claim_writes_nothing() {
    let server = Server::start();
    let objects = objects(&server);
    claim(&objects, 2).unwrap();
    let (sent, late) = requests_of(&server, || claim(&objects, 1));
    assert_eq!((superseded(late), sent), (2, vec!["GET".to_owned()]));
}

#[test]
fn fenced_publish_finds_its_own_claim_whose_reply_was_lost() {
    for fault in applied_unseen() {
        let server = Server::start();
        let objects = objects(&server);
        claim(&objects, 1).unwrap();
        server.fault(Match::put().key(POINTER), fault.clone());
        let mut claim = claim(&objects, 2).unwrap_or_else(|e| panic!("{fault:?}: {e}"));
        assert_eq!(puts(&server, POINTER), 2, "{fault:?}");
        add(&mut claim, "word").unwrap();
    }
}

#[test]
fn fenced_publish_finds_its_own_first_claim_whose_reply_was_lost() {
    let server = Server::start();
    let objects = objects(&server);
    server.fault(Match::put().key(POINTER), Fault::DropAfter);
    add(&mut claim(&objects, 2).unwrap(), "word").unwrap();
    assert_eq!(published(&objects), "word");
    assert_eq!(puts(&server, POINTER), 2);
}

#[test]
fn fenced_publish_finds_its_own_write_whose_reply_was_lost() {
    for fault in applied_unseen() {
        let server = Server::start();
        let objects = objects(&server);
        let mut claim = claim(&objects, 1).unwrap();
        server.fault(Match::put().key(POINTER), fault.clone());
        add(&mut claim, "a").unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        assert_eq!(puts(&server, POINTER), 2, "{fault:?}");
        add(&mut claim, "b").unwrap();
        assert_eq!(published(&objects), "ab", "{fault:?}");
    }
}

#[test]
fn fenced_publish_sends_again_what_was_not_carried_out() {
    let conflict = Fault::answer(409, "ConditionalRequestConflict");
    for fault in not_applied_unseen().into_iter().chain([conflict]) {
        let server = Server::start();
        let objects = objects(&server);
        for key_prefix in [POINTER, "text/data/"] {
            server.fault(Match::put().key_prefix(key_prefix), fault.clone());
        }
        let mut claim = claim(&objects, 1).unwrap();
        server.fault(Match::put().key(POINTER), fault.clone());
        add(&mut claim, "word").unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        assert_eq!((server.pending_faults(), puts(&server, POINTER)), (0, 4));
        assert_eq!(published(&objects), "word", "{fault:?}");
    }
}

#[test]
fn fenced_publish_finds_its_own_write_under_the_claim_of_a_successor() {
    let server = Server::start();
    let objects = objects(&server);
    let mut predecessor = claim(&objects, 1).unwrap();
    let gate = Gate::default();
    // The reply that comes is the refusal of a second copy.
    server.fault(Match::put().key(POINTER), Fault::RepeatAt(gate.clone()));
    thread::scope(|scope| {
        let publishing = scope.spawn(|| {
            add(&mut predecessor, "predecessor ").unwrap();
            add(&mut predecessor, "again ")
        });
        eventually("it has landed", || published(&objects) == "predecessor ");
        let mut successor = claim(&objects, 2).unwrap();
        gate.open();
        assert_eq!(superseded(publishing.join().unwrap()), 2);
        add(&mut successor, "successor ").unwrap();
    });
    assert_eq!(published(&objects), "predecessor successor ");
}

#[test]
fn fenced_publish_does_not_claim_to_have_failed_where_that_is_not_known() {
    let server = Server::start();
    let (objects, impatient) = (objects(&server), impatient(&server));
    let mut predecessor = claim(&impatient, 1).unwrap();
    let gate = hold_up_all(&server);
    let error = add(&mut predecessor, "late ").unwrap_err().to_string();
    assert!(error.contains("the outcome is unknown: "), "{error}");
    // It was not too late.
    server.clear_faults();
    gate.open();
    eventually("it lands", || published(&objects) == "late ");
    add(&mut claim(&objects, 2).unwrap(), "successor ").unwrap();
    assert_eq!(published(&objects), "late successor ");
}

#[test]
fn fenced_publish_whose_outcome_is_unknown_fails_once_a_successor_has_claimed() {
    let server = Server::start();
    let (objects, impatient) = (objects(&server), impatient(&server));
    let mut predecessor = claim(&impatient, 1).unwrap();
    let gate = hold_up_all(&server);
    add(&mut predecessor, "late ").unwrap_err();
    server.clear_faults();
    let mut successor = claim(&objects, 2).unwrap();
    gate.open();
    let refused = |request: &Request| request.key == POINTER && request.status == Some(412);
    eventually("it is refused", || server.requests().iter().any(refused));
    add(&mut successor, "successor ").unwrap();
    assert_eq!(published(&objects), "successor ");
}

#[test]
fn fenced_publish_without_the_claim_lets_a_paused_predecessor_overtake_its_successor() {
    let server = Server::start();
    let objects = objects(&server);
    let mut paused = claim(&objects, 1).unwrap();
    let gate = Gate::default();
    server.fault(Match::put().key(POINTER), Fault::HoldAt(gate.clone()));
    thread::scope(|scope| {
        let in_flight = scope.spawn(|| add(&mut paused, "paused "));
        eventually("it is on its way", || server.pending_faults() == 0);
        // The successor only reads the pointer. What it then goes on from is changed under its hands, and the work of
        // the one that has the lock is refused.
        let seen = objects.pointer().unwrap().unwrap();
        assert_eq!(seen.key, None);
        gate.open();
        in_flight.join().unwrap().unwrap();
        let key = objects.store(2, b"successor ").unwrap();
        objects
            .replace(&seen, 2, Some(key))
            .err()
            .expect("it fails");
    });
    assert_eq!(published(&objects), "paused ");
}

#[test]
fn fenced_publish_onto_a_version_that_was_read_at_the_last_moment_loses_an_update() {
    let server = Server::start();
    let objects = objects(&server);
    // It works upon nothing, and is paused. The claim that it does not make would have kept its version.
    let text = objects.published().unwrap().unwrap_or_default();
    add(&mut claim(&objects, 2).unwrap(), "successor ").unwrap();
    let seen = objects.pointer().unwrap().unwrap();
    let key = objects.store(1, &[&text[..], b"paused "].concat()).unwrap();
    objects.replace(&seen, 1, Some(key)).unwrap();
    assert_eq!(published(&objects), "paused ");
}

#[test]
fn fenced_publish_shows_readers_one_state_or_the_next() {
    let server = Server::start();
    let objects = objects(&server);
    let line = |number: u32| format!("{number} ").repeat(1000);
    let mut claim = claim(&objects, 1).unwrap();
    claim.publish(line(0).as_bytes()).unwrap();
    thread::scope(|scope| {
        let (reading, ended) = mpsc::channel::<()>();
        scope.spawn(move || {
            let mut numbers = 1..;
            while ended.try_recv() == Err(TryRecvError::Empty) {
                let number = numbers.next().expect("it has no end");
                claim.publish(line(number).as_bytes()).unwrap();
            }
        });
        let mut last = 0;
        for _ in 0..20 {
            let text = published(&objects);
            let number = text.split(' ').next().unwrap().parse().unwrap();
            assert_eq!(text, line(number));
            assert!(number >= last, "{number} after {last}");
            last = number;
        }
        drop(reading);
    });
}

#[test]
fn fenced_publish_has_readers_look_again_if_the_data_was_cleaned_up_meanwhile() {
    let server = Server::start();
    let objects = objects(&server);
    let mut claim = claim(&objects, 1).unwrap();
    claim.publish(b"old").unwrap();
    let old = pointer(&server)["key"].as_str().unwrap().to_owned();
    let gate = Gate::default();
    server.fault(Match::get().key(&old), Fault::HoldAt(gate.clone()));
    thread::scope(|scope| {
        let reading = scope.spawn(|| published(&objects));
        eventually("it is between both", || server.pending_faults() == 0);
        claim.publish(b"new").unwrap();
        server.delete_object(&old);
        gate.open();
        assert_eq!(reading.join().unwrap(), "new");
    });
}

#[test]
fn fenced_publish_goes_on_from_nothing_only_where_nothing_was_published() {
    let server = Server::start();
    let objects = objects(&server);
    add(&mut claim(&objects, 1).unwrap(), "word").unwrap();
    server.delete_object(pointer(&server)["key"].as_str().unwrap());
    let error = claim(&objects, 2).unwrap().data().unwrap_err().to_string();
    assert!(error.ends_with(" does not exist"), "{error}");
}

#[test]
fn fenced_publish_has_a_client_that_sends_each_request_once() {
    let server = Server::start();
    let objects = objects(&server);
    let first = objects.create(1).unwrap();
    // On a connection that was used before, and that the server closes.
    server.fault(Match::put(), Fault::DropBefore);
    let (sent, result) = requests_of(&server, || objects.replace(&first, 2, None));
    assert!(result.is_err());
    assert_eq!(sent, ["PUT"]);
    server.fault(
        Match::put(),
        Fault::RawAnswer {
            status: 307,
            headers: vec![(
                "location".to_owned(),
                format!("{}/{BUCKET}/x", server.endpoint()),
            )],
            body: Vec::new(),
        },
    );
    let (sent, result) = requests_of(&server, || objects.replace(&first, 2, None));
    assert!(result.is_err());
    assert_eq!(sent, ["PUT"]);
}

#[test]
fn fenced_publish_that_a_successor_has_claimed_since_has_its_own_data_and_publishes_no_more() {
    let server = Server::start();
    let objects = objects(&server);
    let mut first = claim(&objects, 1).unwrap();
    server.fault(Match::put().key(POINTER), Fault::DropAfter);
    let gate = Gate::default();
    server.fault(Match::get().key(POINTER), Fault::HoldAt(gate.clone()));
    thread::scope(|scope| {
        let publishing = scope.spawn(|| first.publish(b"one").map(|()| first));
        eventually("it looks", || server.pending_faults() == 0);
        claim(&self::objects(&server), 2).unwrap();
        gate.open();
        let mut first = publishing.join().unwrap().unwrap();
        assert_eq!(first.data().unwrap().unwrap(), b"one");
        assert_eq!(superseded(first.publish(b"two")), 2);
    });
}

#[test]
fn fenced_publish_after_one_that_landed_late_says_to_claim_again() {
    let server = Server::start();
    let objects = objects(&server);
    let mut one = claim(&objects, 1).unwrap();
    let mut same = claim(&objects, 1).unwrap();
    one.publish(b"one").unwrap();
    let refused = same.publish(b"two").unwrap_err().to_string();
    assert_eq!(refused, "claim again, and read");
    let mut again = claim(&objects, 1).unwrap();
    add(&mut again, " two").unwrap();
    assert_eq!(published(&objects), "one two");
}

#[test]
fn fenced_publish_claims_though_a_look_fails() {
    let server = Server::start();
    let objects = objects(&server);
    server.fault(Match::get().key(POINTER), Fault::answer(503, "SlowDown"));
    claim(&objects, 1).unwrap();
    assert_eq!(pointer(&server)["token"], 1);
}

#[test]
fn fenced_publish_leaves_alone_what_is_no_pointer() {
    let is_left_alone = |body: &str| {
        let server = Server::start();
        let objects = objects(&server);
        server.put_object(POINTER, body);
        assert!(claim(&objects, 7).is_err(), "{body}");
        assert!(objects.published().is_err(), "{body}");
        assert_eq!(server.object(POINTER).unwrap().body, body.as_bytes());
    };
    // At once, because each gives up after some seconds.
    thread::scope(|scope| {
        for body in [
            r#"{"token":5}"#,
            r#"{"token":5,"Key":"text/data/x"}"#,
            r#"{"token":5,"key":null,"more":1}"#,
            r#"{"token":5,"key":"//a:1/x"}"#,
            r#"{"token":5,"key":"other/data/x"}"#,
        ] {
            scope.spawn(move || is_left_alone(body));
        }
    });
}

#[test]
fn fenced_publish_takes_no_folder_that_could_name_another_host() {
    for folder in ["", "/a", "//host/a", "a/", "a//b", "a/../b", "."] {
        let bucket = Bucket::new(
            "http://127.0.0.1".parse().unwrap(),
            UrlStyle::Path,
            BUCKET,
            REGION,
        );
        let keys = Credentials::new(ACCESS_KEY, SECRET_KEY);
        assert!(
            Objects::new(bucket.unwrap(), keys, folder).is_err(),
            "{folder}"
        );
    }
}
