//! What stands at a lock's key.

use super::{table, told};
use crate::support::Server;
use crate::{KEY, client, lock_of};

const RECORD: &str = r#"{"format":1,"state":"held","owner":"host-17","fencing_token":1795399200000001,"lease_ms":130000,"nonce":"000000000000000000000000000000ab","acquired_at":"2026-11-23T02:00:00Z","host":"web-3","pid":4242}"#;

/// What is said of this object, by whichever call; it is left alone.
fn object(server: &Server, body: &[u8]) -> String {
    server.put_object(KEY, body);
    let lock = lock_of(&client(server));
    let said = told(lock.status());
    let others = [
        told(lock.try_acquire("me")),
        told(lock.acquire("me")),
        told(lock.release("me")),
    ];
    assert!(
        others.iter().all(|other| *other == said),
        "{said}: {others:?}"
    );
    assert_eq!(server.object(KEY).unwrap().body, body);
    assert_eq!(server.count("PUT"), 0);
    said
}

/// What is said of a record in which one thing is another.
fn with(server: &Server, from: &str, to: &str) -> String {
    assert!(RECORD.contains(from));
    object(server, RECORD.replace(from, to).as_bytes())
}

#[test]
fn records() {
    let s = &Server::start();
    let long = format!("\"{}\"", "hunter2 ".repeat(1_000));
    let deep = "[".repeat(30_000);
    let padded = format!("{RECORD}{}", " ".repeat(65_536));
    table! {
        object(s, b"") => "FOREIGN (it is empty), MOVE IT";
        object(s, b" \n") => "FOREIGN (it does not parse: EOF while parsing a value at line 2 column 0), MOVE IT";
        object(s, b"hello") => "FOREIGN (it does not parse: expected value at line 1 column 1), MOVE IT";
        object(s, b"{}") => "FOREIGN (it does not parse: missing field `format` at line 1 column 2), MOVE IT";
        object(s, b"[]") => "FOREIGN (it does not parse: a lock holds something else at line 1 column 2), MOVE IT";
        object(s, b"null") => "FOREIGN (it does not parse: a lock holds something else at line 1 column 4), MOVE IT";
        object(s, b"{\"format\":1}") => "FOREIGN (it does not parse: missing field `state` at line 1 column 12), MOVE IT";
        object(s, b"{\"format\":\"1\"}") => "FOREIGN (it does not parse: a lock holds something else at line 1 column 13), MOVE IT";
        object(s, b"{\"format\":2}") => "FOREIGN (it has format 2, and this version reads 1), and is left alone; a newer version of this library seems to have written it: update this program";
        object(s, b"{\"format\":0}") => "FOREIGN (it does not parse: missing field `state` at line 1 column 12), MOVE IT";
        object(s, b"\xff\xfe{\0}\0") => "FOREIGN (it does not parse: expected value at line 1 column 1), MOVE IT";
        object(s, b"\xef\xbb\xbf{}") => "FOREIGN (it does not parse: expected value at line 1 column 1), MOVE IT";
        object(s, b"<html><body>welcome</body></html>") => "FOREIGN (it does not parse: expected value at line 1 column 1), MOVE IT";
        object(s, b"<Error><Code>NoSuchKey</Code></Error>") => "FOREIGN (it does not parse: expected value at line 1 column 1), MOVE IT";
        object(s, long.as_bytes()) => "FOREIGN (it does not parse: a lock holds something else at line 1 column 8002), MOVE IT";
        object(s, deep.as_bytes()) => "FOREIGN (it does not parse: a lock holds something else at line 1 column 1), MOVE IT";
        object(s, padded.as_bytes()) => "FOREIGN (it is larger than 65408 bytes), MOVE IT";
        object(s, &RECORD.as_bytes()[..100]) => "FOREIGN (it does not parse: EOF while parsing a string at line 1 column 100), MOVE IT";
        object(s, format!("{RECORD}{RECORD}").as_bytes()) => "FOREIGN (it does not parse: trailing characters at line 1 column 203), MOVE IT";
        with(s, "\"format\":1", "\"format\":1,\"format\":1") => "FOREIGN (it does not parse: duplicate field `format` at line 1 column 20), MOVE IT";
        with(s, "\"format\":1", "\"format\":0") => "FOREIGN (there has never been such a format), MOVE IT";
        with(s, "\"format\":1", "\"format\":4294967296") => "FOREIGN (it does not parse: a lock holds something else at line 1 column 20), MOVE IT";
        with(s, "\"held\"", "\"HELD\"") => "FOREIGN (it does not parse: a lock holds something else at line 1 column 26), MOVE IT";
        with(s, "\"held\"", "\"\\u001b[31m\\n\"") => "FOREIGN (it does not parse: a lock holds something else at line 1 column 34), MOVE IT";
        with(s, "\"host-17\"", "17") => "FOREIGN (it does not parse: a lock holds something else at line 1 column 37), MOVE IT";
        with(s, "\"host-17\"", "\"\\ud800\"") => "FOREIGN (it does not parse: unexpected end of hex escape at line 1 column 43), MOVE IT";
        with(s, "1795399200000001", "-1") => "FOREIGN (it does not parse: a lock holds something else at line 1 column 63), MOVE IT";
        with(s, "1795399200000001", "1.5") => "FOREIGN (it does not parse: a lock holds something else at line 1 column 64), MOVE IT";
        with(s, "1795399200000001", "9007199254740992") => "FOREIGN (its fencing token leaves none below 2^53 for the next holder), MOVE IT";
        with(s, "1795399200000001", "99999999999999999999") => "FOREIGN (it does not parse: a lock holds something else at line 1 column 81), MOVE IT";
        with(s, "130000", "604800001") => "FOREIGN (its lease is longer than 7 days), MOVE IT";
        with(s, "130000", "1e5") => "FOREIGN (it does not parse: a lock holds something else at line 1 column 92), MOVE IT";
        with(s, "130000", "-1") => "FOREIGN (it does not parse: a lock holds something else at line 1 column 91), MOVE IT";
        with(s, "000000000000000000000000000000ab", "") => "FOREIGN (it does not parse: a lock holds something else at line 1 column 106), MOVE IT";
        with(s, "000000000000000000000000000000ab", "xyz") => "FOREIGN (it does not parse: a lock holds something else at line 1 column 109), MOVE IT";
        with(s, "000000000000000000000000000000ab", "1000000000000000000000000000000ab") => "FOREIGN (it does not parse: a lock holds something else at line 1 column 139), MOVE IT";
        with(s, "2026-11-23T02:00:00Z", "yesterday") => "FOREIGN (it does not parse: a lock holds something else at line 1 column 164), MOVE IT";
        with(s, "2026-11-23T02:00:00Z", "2026-13-23T02:00:00Z") => "FOREIGN (it does not parse: a lock holds something else at line 1 column 175), MOVE IT";
        with(s, "4242", "4294967296") => "FOREIGN (it does not parse: a lock holds something else at line 1 column 207), MOVE IT";
        with(s, ",\"pid\":4242", "") => "FOREIGN (it does not parse: missing field `pid` at line 1 column 191), MOVE IT";
        with(s, "\"pid\":4242", "\"pid\":4242,\"purpose\":7") => "FOREIGN (it does not parse: a lock holds something else at line 1 column 213), MOVE IT";
    }
}
