//! `s3-lock release`.

use serde_json::json;

use crate::program::{Ended, run, s3_lock};
use crate::store::{KEY, URL, lock, stored_state};
use crate::support::{Fault, Match, Server};

fn release(server: &Server, owner: &str, options: &[&str]) -> Ended {
    let arguments = ["release", "--owner", owner, URL];
    run(&mut s3_lock(server, arguments.iter().chain(options)))
}

/// A lock that is held, and that no guard will release.
fn held(server: &Server) {
    lock(server).acquire("deploy-4711").unwrap().detach();
}

#[test]
fn release_of_what_an_owner_holds_exits_with_0_and_the_lock_is_free() {
    let server = Server::start();
    held(&server);
    let ended = release(&server, "deploy-4711", &[]);
    assert_eq!(
        ended.stdout,
        format!("released {URL}, which deploy-4711 held\n")
    );
    assert_eq!((ended.code(), ended.stderr.as_str()), (Some(0), ""));
    assert_eq!(stored_state(&server).as_deref(), Some("released"));
}

#[test]
fn release_for_an_owner_that_holds_nothing_exits_with_1_and_changes_nothing() {
    let server = Server::start();
    held(&server);
    let ended = release(&server, "deploy-4712", &[]);
    assert_eq!(ended.stdout, format!("deploy-4712 does not hold {URL}\n"));
    assert_eq!((ended.code(), ended.stderr.as_str()), (Some(1), ""));
    assert_eq!(stored_state(&server).as_deref(), Some("held"));
}

#[test]
fn release_of_a_lock_that_is_free_exits_with_1() {
    let ended = release(&Server::start(), "deploy-4711", &[]);
    assert_eq!(ended.code(), Some(1));
}

#[test]
fn release_that_is_refused_exits_with_125() {
    let server = Server::start();
    held(&server);
    server.fault(Match::put(), Fault::answer(403, "AccessDenied"));
    let ended = release(&server, "deploy-4711", &[]);
    assert_eq!(ended.code(), Some(125));
    assert_eq!(
        (ended.stdout.as_str(), ended.stderr.lines().count()),
        ("", 1)
    );
}

#[test]
fn release_as_json_says_whether_it_was_released() {
    let server = Server::start();
    held(&server);
    let told = |owner: &str, released: bool| {
        json!({
            "url": URL,
            "owner": owner,
            "released": released,
        })
    };
    let other = release(&server, "deploy-4712", &["--json"]);
    assert_eq!(
        (other.json(), other.code()),
        (told("deploy-4712", false), Some(1))
    );
    let own = release(&server, "deploy-4711", &["--json"]);
    assert_eq!(
        (own.json(), own.code()),
        (told("deploy-4711", true), Some(0))
    );
}

#[test]
fn release_is_told_of_by_the_library_as_well_if_verbose() {
    let server = Server::start();
    held(&server);
    let ended = release(&server, "deploy-4711", &["--verbose"]);
    let told = format!("s3-lock: released {KEY} by owner name\n");
    assert_eq!(ended.stderr, told);
}
