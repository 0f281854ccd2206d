//! Every lock in a folder, for the operator.

use s3_lock::{Client, LockStatus, S3Lock, StorageErrorKind};

use crate::support::{BUCKET, Fault, Match, Server};
use crate::{client, storage};

fn named(client: &Client, folder: &str, name: &str) -> S3Lock {
    let lock = S3Lock::builder(BUCKET, name)
        .folder(folder)
        .client(client.clone());
    lock.build().unwrap()
}

fn names(client: &Client, folder: &str) -> Vec<String> {
    let listed = client.list(BUCKET, folder).unwrap();
    listed.iter().map(|l| l.name().to_owned()).collect()
}

#[test]
fn list_shows_every_lock_of_the_folder_with_its_status() {
    let server = Server::start();
    let client = client(&server);
    let _held = named(&client, "a", "held +% näme").acquire("me").unwrap();
    drop(named(&client, "a", "free").acquire("me").unwrap());
    drop(named(&client, "a/b", "deeper").acquire("me").unwrap());
    drop(named(&client, "", "root").acquire("me").unwrap());
    let listed = client.list(BUCKET, "a/").unwrap();
    assert_eq!(listed.len(), 2);
    assert_eq!(listed[0].name(), "free");
    assert_eq!(listed[0].status(), &LockStatus::Free);
    assert_eq!(listed[1].name(), "held +% näme");
    assert!(matches!(listed[1].status(), LockStatus::Held(info) if info.owner() == "me"));
    assert_eq!(names(&client, ""), ["root"]);
}

#[test]
fn list_leaves_out_objects_that_are_no_locks() {
    let server = Server::start();
    server.put_object("a/notes.txt", "hello");
    server.put_object("a/not-ours.lock", "hello");
    server.put_object("a/.lock", "hello");
    server.put_object("a/new\nline.lock", "hello");
    let client = client(&server);
    drop(named(&client, "a", "ours").acquire("me").unwrap());
    assert_eq!(names(&client, "a"), ["ours"]);
}

#[test]
fn list_shows_the_locks_beside_a_key_that_no_xml_can_hold() {
    let server = Server::start();
    let client = client(&server);
    let ours = ["a b+c%20", "für", "plain"];
    for name in ours {
        drop(named(&client, "a", name).acquire("me").unwrap());
    }
    server.put_object("a/\u{1b}x.lock", "hello");
    server.put_object("a/\u{1b}x.txt", "hello");
    assert_eq!(names(&client, "a"), ours);
}

#[test]
fn list_goes_beyond_a_thousand_keys() {
    let server = Server::start();
    for i in 0..2500 {
        server.put_object(&format!("a/{i:04}.txt"), "");
    }
    let client = client(&server);
    drop(named(&client, "a", "zz").acquire("me").unwrap());
    server.clear_requests();
    assert_eq!(names(&client, "a"), ["zz"]);
    assert_eq!(server.requests().len(), 3 + 1);
}

#[test]
fn list_works_in_memory_too() {
    let client = Client::in_memory();
    for (folder, name) in [("a", "two"), ("a", "one"), ("a/b", "deeper"), ("", "root")] {
        drop(named(&client, folder, name).acquire("me").unwrap());
    }
    assert_eq!(names(&client, "a"), ["one", "two"]);
    assert_eq!(names(&client, ""), ["root"]);
}

#[test]
fn list_that_is_not_permitted_names_the_permission() {
    let server = Server::start();
    server.fault(Match::list(), Fault::answer(403, "AccessDenied"));
    let error = storage(client(&server).list(BUCKET, "a").unwrap_err());
    let grant = format!("grant s3:ListBucket on arn:aws:s3:::{BUCKET}");
    assert!(error.to_string().contains(&grant), "{error}");
}

#[test]
fn list_tells_of_a_missing_bucket() {
    let server = Server::start();
    let error = storage(client(&server).list("no-such-bucket", "a").unwrap_err());
    assert_eq!(error.kind(), StorageErrorKind::NoSuchBucket);
}

#[test]
fn list_follows_the_region_that_s3_names() {
    let server = Server::start();
    server.set_region("eu-central-1");
    assert!(names(&client(&server), "a").is_empty());
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn list_that_is_no_list_is_an_error() {
    let server = Server::start();
    let fault = Fault::RawAnswer {
        status: 200,
        headers: Vec::new(),
        body: b"<html>welcome</html>".to_vec(),
    };
    server.fault(Match::list(), fault);
    let error = storage(client(&server).list(BUCKET, "a").unwrap_err());
    assert_eq!(error.kind(), StorageErrorKind::Unexpected);
}

#[test]
fn list_whose_next_page_is_itself_comes_to_an_end() {
    let server = Server::start();
    let body = "<ListBucketResult><IsTruncated>true</IsTruncated>\
                <NextContinuationToken>same</NextContinuationToken></ListBucketResult>";
    let fault = Fault::RawAnswer {
        status: 200,
        headers: Vec::new(),
        body: body.into(),
    };
    server.fault(Match::list().always(), fault);
    let error = storage(client(&server).list(BUCKET, "a").unwrap_err());
    assert_eq!(error.kind(), StorageErrorKind::Unexpected);
}

#[test]
fn list_whose_pages_go_in_circles_comes_to_an_end() {
    let server = Server::start();
    let page = |next: &str| Fault::RawAnswer {
        status: 200,
        headers: Vec::new(),
        body: format!(
            "<ListBucketResult><IsTruncated>true</IsTruncated>\
             <NextContinuationToken>{next}</NextContinuationToken></ListBucketResult>"
        )
        .into(),
    };
    // More than it takes, and then the list ends by itself: a test that fails must end.
    for _ in 0..20 {
        for next in ["one", "two", "three"] {
            server.fault(Match::list(), page(next));
        }
    }
    let error = storage(client(&server).list(BUCKET, "a").unwrap_err());
    assert_eq!(error.kind(), StorageErrorKind::Unexpected);
    assert!(error.to_string().contains("come to an end"), "{error}");
    assert_eq!(server.requests().len(), 4);
}
