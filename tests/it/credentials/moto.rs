//! Roles of an STS that others wrote, and locks in its S3: moto, started by `.ci/with-moto`.

use std::env;
use std::process::Command;

use super::{CALLS, CHECKED, Told};
use crate::child::{self, Home};
use crate::support::REGION;

/// A server that checks signatures and permissions, the keys of a user who may assume roles there, and a server that
/// checks neither.
const CHECKING: &str = "S3_LOCK_TEST_STS";
const KEY: &str = "S3_LOCK_TEST_STS_KEY";
const SECRET: &str = "S3_LOCK_TEST_STS_SECRET";
const OPEN: &str = "S3_LOCK_TEST_STS_OPEN";

fn given(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run it by .ci/with-moto"))
}

fn role(name: &str) -> String {
    format!("role_arn = arn:aws:iam::123456789012:role/{name}\n")
}

fn keys(key: &str, secret: &str) -> String {
    format!("[profile keys]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n")
}

/// The keys that the server knows.
fn good_keys() -> String {
    keys(&given(KEY), &given(SECRET))
}

/// A child that takes and returns a lock with the profile `a` of this config file, and checks the store first.
fn child_of(endpoint: &str, home: &Home, config: &str) -> Command {
    home.write("config", config);
    let mut command = child::bare_command(super::PART);
    command
        .env(CALLS, "acquire release")
        .env(CHECKED, "yes")
        .env("HOME", home.path())
        .env("AWS_PROFILE", "a")
        .env("AWS_REGION", REGION)
        // For both services.
        .env("AWS_ENDPOINT_URL", endpoint);
    command
}

fn told(home: &str, config: &str) -> Told {
    let home = Home::new(home);
    Told::of(child_of(&given(CHECKING), &home, config))
}

#[test]
#[ignore = "needs the servers that S3_LOCK_TEST_STS and its like name"]
fn client_has_a_lock_by_a_role_of_moto() {
    let config = format!("[profile a]\n{}source_profile = keys\n", role("lock")) + &good_keys();
    told("moto", &config).all_went_well();
}

#[test]
#[ignore = "needs the servers that S3_LOCK_TEST_STS and its like name"]
fn client_has_a_lock_by_two_roles_of_moto() {
    let config = format!("[profile a]\n{}source_profile = b\n", role("lock"))
        + &format!(
            "[profile b]\n{}source_profile = keys\nexternal_id = a b&c/+=é\n\
             role_session_name = me+you=us,all.of-them@work\nduration_seconds = 900\n",
            role("middle")
        )
        + &good_keys();
    told("moto-chain", &config).all_went_well();
}

#[test]
#[ignore = "needs the servers that S3_LOCK_TEST_STS and its like name"]
fn client_has_a_lock_by_a_web_identity_of_moto() {
    let home = Home::new("moto-web");
    home.write("token", "a.web.identity");
    let file = home.path().join(".aws").join("token");
    let config = format!(
        "[profile a]\n{}web_identity_token_file = {}\n",
        role("lock"),
        file.display()
    );
    Told::of(child_of(&given(OPEN), &home, &config)).all_went_well();
}

#[test]
#[ignore = "needs the servers that S3_LOCK_TEST_STS and its like name"]
fn client_tells_of_a_role_that_moto_denies() {
    let config = format!("[profile a]\n{}source_profile = keys\n", role("closed")) + &good_keys();
    told("moto-denied", &config).has(&[
        "Config: ",
        "role/closed",
        "to profile \"keys\": 403 (AccessDenied: User: arn:aws:iam::123456789012:user/asker is not",
        "trust policy",
    ]);
}

#[test]
#[ignore = "needs the servers that S3_LOCK_TEST_STS and its like name"]
fn client_tells_of_keys_that_moto_does_not_take() {
    let role = format!("[profile a]\n{}source_profile = keys\n", role("lock"));
    let wrong_secret = role.clone() + &keys(&given(KEY), "hunter2-hunter2-hunter2");
    told("moto-secret", &wrong_secret).has(&[
        "(SignatureDoesNotMatch: ",
        "check the secret access key of profile \"keys\"",
    ]);
    let unknown = role + &keys("AKIAUNKNOWN", &given(SECRET));
    told("moto-key", &unknown).has(&[
        "(InvalidClientTokenId: ",
        "check the access key and the session token of profile \"keys\"",
    ]);
}
