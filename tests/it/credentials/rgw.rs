//! A role of a Ceph RADOS gateway: an STS that is used in production, and that checks signatures and clocks. Started by
//! `.ci/with-rgw`.

use std::env;
use std::process::Command;

use super::{CALLS, CHECKED, HUNTER, Told};
use crate::child::{self, Home};
use crate::conformance::Other;
use crate::support::BUCKET;

/// The role, which the keys in the environment may assume. The gateway is at the endpoint in the environment.
const ROLE: &str = "S3_LOCK_TEST_RGW_ROLE";

fn given(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run it by .ci/with-rgw"))
}

/// What a child says that takes and returns a lock by the role, with this secret.
fn told(mut command: Command, home: &Home, secret: &str) -> Told {
    let (role, key) = (given(ROLE), given("AWS_ACCESS_KEY_ID"));
    home.write(
        "config",
        &format!(
            "[profile a]\nrole_arn = {role}\nsource_profile = a\n\
             aws_access_key_id = {key}\naws_secret_access_key = {secret}\n"
        ),
    );
    command
        .env(CALLS, "acquire release")
        .env(CHECKED, "yes")
        .env("HOME", home.path())
        .env("AWS_PROFILE", "a")
        .env("AWS_REGION", given("AWS_REGION"))
        // For both services.
        .env("AWS_ENDPOINT_URL", given("S3_LOCK_TEST_ENDPOINT"));
    for name in [
        "AWS_ENDPOINT_URL_S3",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
    ] {
        command.env_remove(name);
    }
    Told::of(command)
}

#[test]
#[ignore = "needs the gateway that .ci/with-rgw starts"]
fn client_has_a_lock_by_a_role_of_rgw() {
    Other::with_bucket(BUCKET.to_owned());
    let secret = given("AWS_SECRET_ACCESS_KEY");
    let home = Home::new("rgw-role");
    told(child::bare_command(super::PART), &home, &secret).all_went_well();
}

#[test]
#[ignore = "needs the gateway that .ci/with-rgw starts"]
fn client_tells_of_a_secret_that_rgw_does_not_take() {
    let home = Home::new("rgw-secret");
    let told = told(child::bare_command(super::PART), &home, HUNTER);
    // It does not say more.
    told.has(&["STS refused role", "to profile \"a\": 403 (AccessDenied)"]);
}

#[test]
#[ignore = "needs the gateway that .ci/with-rgw starts"]
fn client_tells_by_how_much_its_clock_is_ahead_of_the_sts_of_rgw() {
    let secret = given("AWS_SECRET_ACCESS_KEY");
    let home = Home::new("rgw-clock");
    let command = child::shifted_command(super::PART, "", "+1h");
    let told = told(command, &home, &secret);
    told.has(&[
        "STS refused role",
        "this machine's clock is 3",
        "ahead: set it",
    ]);
}
