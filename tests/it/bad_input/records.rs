//! What stands at a lock's key.

use s3_lock::LockStatus;

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

/// The process's field, and a list of one label that the holding with this token has completed.
fn done(label: &str, token: u64) -> String {
    format!(
        r#""pid":4242,"done":[{{"label":"{label}","owner":"x","acquired_at":"2026-11-23T02:00:00Z","fencing_token":{token}}}]"#
    )
}

#[test]
fn acquire_tells_of_records_that_cannot_be() {
    let s = &Server::start();
    let long = format!("\"{}\"", "hunter2 ".repeat(1_000));
    let deep = "[".repeat(30_000);
    let padded = format!("{RECORD}{}", " ".repeat(65_536));
    let many = format!("\"pid\":4242,\"more\":\"{}\"", "x".repeat(40_000));
    table! {
        object(s, b"") => "FOREIGN (it is empty), MOVE IT";
        object(s, b" \n") => "FOREIGN (it does not parse: EOF while parsing a value at line 2 column 0), MOVE IT";
        object(s, b"hello") => "FOREIGN (it does not parse: expected value at line 1 column 1), MOVE IT";
        object(s, b"{}") => "FOREIGN (it does not parse: missing field `format` at line 1 column 2), MOVE IT";
        object(s, b"[]") => "FOREIGN (it does not parse: a lock holds something else at line 1 column 2), MOVE IT";
        object(s, b"null") => "FOREIGN (it does not parse: a lock holds something else at line 1 column 4), MOVE IT";
        object(s, b"{\"format\":1}") => "FOREIGN (it does not parse: missing field `state` at line 1 column 12), MOVE IT";
        object(s, b"{\"format\":\"1\"}") => "FOREIGN (it does not parse: a lock holds something else at line 1 column 13), MOVE IT";
        object(s, b"{\"format\":2}") => "UNUSABLE (it has format 2, and this version reads 1), and is left alone; a newer version of this library seems to have written it: update this program";
        object(s, b"{\"format\":0}") => "FOREIGN (it does not parse: missing field `state` at line 1 column 12), MOVE IT";
        object(s, b"\xff\xfe{\0}\0") => "FOREIGN (it does not parse: expected value at line 1 column 1), MOVE IT";
        object(s, b"\xef\xbb\xbf{}") => "FOREIGN (it does not parse: expected value at line 1 column 1), MOVE IT";
        object(s, b"<html><body>welcome</body></html>") => "FOREIGN (it does not parse: expected value at line 1 column 1), MOVE IT";
        object(s, b"<Error><Code>NoSuchKey</Code></Error>") => "FOREIGN (it does not parse: expected value at line 1 column 1), MOVE IT";
        object(s, long.as_bytes()) => "FOREIGN (it does not parse: a lock holds something else at line 1 column 8002), MOVE IT";
        object(s, deep.as_bytes()) => "FOREIGN (it does not parse: a lock holds something else at line 1 column 1), MOVE IT";
        object(s, padded.as_bytes()) => "UNUSABLE (it is larger than 65536 bytes, or would be when it is given back), UPDATE OR MEND";
        object(s, &b"x".repeat(65_537)) => "FOREIGN (it is larger than 65536 bytes, or would be when it is given back), MOVE IT";
        object(s, &RECORD.as_bytes()[..100]) => "FOREIGN (it does not parse: EOF while parsing a string at line 1 column 100), MOVE IT";
        object(s, format!("{RECORD}{RECORD}").as_bytes()) => "FOREIGN (it does not parse: trailing characters at line 1 column 203), MOVE IT";
        with(s, "\"format\":1", "\"format\":1,\"format\":1") => "FOREIGN (it does not parse: duplicate field `format` at line 1 column 20), MOVE IT";
        with(s, "\"format\":1", "\"format\":0") => "UNUSABLE (there has never been such a format), MEND IT";
        with(s, "\"format\":1", "\"format\":4294967296") => "UNUSABLE (it does not parse: a lock holds something else at line 1 column 20), MEND IT";
        with(s, "\"held\"", "\"HELD\"") => "UNUSABLE (it does not parse: a lock holds something else at line 1 column 26), MEND IT";
        with(s, "\"held\"", "\"\\u001b[31m\\n\"") => "UNUSABLE (it does not parse: a lock holds something else at line 1 column 34), MEND IT";
        with(s, "\"host-17\"", "17") => "UNUSABLE (it does not parse: a lock holds something else at line 1 column 37), MEND IT";
        with(s, "\"host-17\"", "\"\\ud800\"") => "UNUSABLE (it does not parse: unexpected end of hex escape at line 1 column 43), MEND IT";
        with(s, "1795399200000001", "-1") => "UNUSABLE (its fencing token is not a whole number below 2^53), MEND IT";
        with(s, "1795399200000001", "1.5") => "UNUSABLE (its fencing token is not a whole number below 2^53), MEND IT";
        with(s, "1795399200000001", "9007199254740992") => "UNUSABLE (its fencing token is not a whole number below 2^53), MEND IT";
        with(s, "1795399200000001", "99999999999999999999") => "UNUSABLE (its fencing token is not a whole number below 2^53), MEND IT";
        with(s, "130000", "604800001") => "UNUSABLE (its lease is longer than 7 days), MEND IT";
        with(s, "130000", "1e5") => "UNUSABLE (it does not parse: a lock holds something else at line 1 column 92), MEND IT";
        with(s, "130000", "-1") => "UNUSABLE (it does not parse: a lock holds something else at line 1 column 91), MEND IT";
        with(s, "000000000000000000000000000000ab", "") => "UNUSABLE (it does not parse: a lock holds something else at line 1 column 106), MEND IT";
        with(s, "000000000000000000000000000000ab", "xyz") => "UNUSABLE (it does not parse: a lock holds something else at line 1 column 109), MEND IT";
        with(s, "000000000000000000000000000000ab", "1000000000000000000000000000000ab") => "UNUSABLE (it does not parse: a lock holds something else at line 1 column 139), MEND IT";
        with(s, "2026-11-23T02:00:00Z", "yesterday") => "UNUSABLE (it does not parse: a lock holds something else at line 1 column 164), MEND IT";
        with(s, "2026-11-23T02:00:00Z", "2026-13-23T02:00:00Z") => "UNUSABLE (it does not parse: a lock holds something else at line 1 column 175), MEND IT";
        with(s, "4242", "4294967296") => "UNUSABLE (it does not parse: a lock holds something else at line 1 column 207), MEND IT";
        with(s, ",\"pid\":4242", "") => "UNUSABLE (it does not parse: missing field `pid` at line 1 column 191), MEND IT";
        with(s, "\"pid\":4242", "\"pid\":4242,\"purpose\":7") => "UNUSABLE (it does not parse: a lock holds something else at line 1 column 213), MEND IT";
        with(s, "\"pid\":4242", "\"pid\":4242,\"broken\":9007199254740990") => "UNUSABLE (it says that a holding was broken that has not existed yet), MEND IT";
        with(s, "\"pid\":4242", "\"pid\":4242,\"reclaimed\":9007199254740990") => "UNUSABLE (it says that a holding was reclaimed that has not existed yet), MEND IT";
        with(s, "\"pid\":4242", "\"pid\":4242,\"broken\":99999999999999999999") => "UNUSABLE (its mark of an earlier holding is not a whole number below 2^53), MEND IT";
        with(s, "\"pid\":4242", "\"pid\":4242,\"label\":\"\"") => "UNUSABLE (its label is not of 1 to 128 bytes without control characters), MEND IT";
        with(s, "\"pid\":4242", "\"pid\":4242,\"label\":7") => "UNUSABLE (it does not parse: a lock holds something else at line 1 column 211), MEND IT";
        with(s, "\"host-17\"", "\"\\u0000\",\"label\":\"x\"") => "UNUSABLE (it has a label, and an owner name longer than 512 bytes or with control characters), MEND IT";
        with(s, "\"pid\":4242", "\"pid\":4242,\"done\":{}") => "UNUSABLE (its list of labels done has something that this library does not write), MEND IT";
        with(s, "\"pid\":4242", "\"pid\":4242,\"done\":[{\"label\":\"hunter2\"}]") => "UNUSABLE (its list of labels done has something that this library does not write), MEND IT";
        with(s, "\"pid\":4242", &done("x", 1795399200000001)) => "UNUSABLE (it says that a holding has completed a label that has not ended yet), MEND IT";
        with(s, "\"pid\":4242", &done("", 1)) => "UNUSABLE (its list of labels done has something that this library does not write), MEND IT";
        with(s, "\"pid\":4242", &many) => "UNUSABLE (it has fields that this version does not know, and more of them than the 24576 bytes that it keeps), UPDATE OR MEND";
    }
}

#[test]
fn acquire_over_the_last_fencing_token_is_told_with_the_remedy() {
    let server = Server::start();
    let released = RECORD.replace("held", "released");
    server.put_object(
        KEY,
        released.replace("1795399200000001", "9007199254740991"),
    );
    let lock = lock_of(&client(&server));
    assert_eq!(lock.status().unwrap(), LockStatus::Free);
    let spent = "the lock locks/nightly.lock cannot be used (it has shown the fencing token \
                 9007199254740991, and none below 2^53 is larger), and is left alone; something other \
                 than this library has changed it: stop all participants, wait 3 s,";
    for refused in [lock.try_acquire("me"), lock.acquire("me")] {
        let told = told(refused);
        assert!(told.starts_with(spent), "{told}");
    }
    // A client that has seen it remembers, even if the object is restored or deleted.
    server.put_object(KEY, released);
    let told = told(lock.try_acquire("me"));
    assert!(told.starts_with(spent), "{told}");
    assert_eq!(server.count("PUT"), 0);
    let restarted = lock_of(&client(&server));
    assert!(restarted.try_acquire("me").unwrap().fencing_token().get() < 1_795_399_200_000_010);
}

#[test]
fn acquire_renew_and_release_keep_the_fields_of_a_later_version() {
    let later = r#","labels":[{"z":1e400,"a" : 18446744073709551616}],"Owner":"\ud800"}"#;
    let server = Server::start();
    let released = RECORD.replace("held", "released");
    server.put_object(KEY, released.replace('}', later));
    let check = |call: &str| {
        let body = String::from_utf8(server.object(KEY).unwrap().body).unwrap();
        assert!(body.ends_with(later), "{call}: {body}");
    };
    let lock = lock_of(&client(&server));
    let guard = lock.acquire("me").unwrap();
    check("acquire");
    guard.renew().unwrap();
    check("renew");
    guard.verify().unwrap();
    guard.release().unwrap();
    check("LockGuard::release");
    lock.acquire("me").unwrap().detach(); // from what this client released
    check("acquire again");
    assert!(lock.release("me").unwrap());
    check("S3Lock::release");
    let seen = lock.acquire("me").unwrap().detach();
    assert!(lock_of(&client(&server)).force_release(&seen).unwrap());
    check("force_release");
}
