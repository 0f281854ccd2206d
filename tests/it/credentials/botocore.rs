//! botocore, which the AWS CLI and boto3 are made of, beside this crate: each uses the sign-in that the other
//! has renewed and written down.

use std::env;
use std::process::Command;

use serde_json::{Value, json};

use super::{Answer, Asked, HOUR, HUNTER, Told, login, say, sso, tokens};
use crate::support::REGION;

/// Names a Python that has botocore and awscrt.
const PYTHON: &str = "S3_LOCK_TEST_BOTOCORE";

/// Prints the session token of the credentials that it finds.
const LOOK: &str = "
import botocore.session
print(botocore.session.Session().get_credentials().get_frozen_credentials().token)
";

/// What botocore finds in the environment of a child.
fn botocore_in(child: &Command) -> String {
    let python = env::var(PYTHON).unwrap_or_else(|_| panic!("{PYTHON} names no Python"));
    let mut command = Command::new(python);
    for (name, value) in child.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    // It does not read AWS_REGION.
    command.env("AWS_DEFAULT_REGION", REGION);
    let output = command.args(["-c", LOOK]).output().expect("it runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Renews a sign-in with the next token, and takes each refresh token once.
fn in_turn(
    so_far: &[Asked],
    renewed: impl Fn(usize) -> Answer,
    refused: impl Fn() -> Answer,
) -> Answer {
    let number = so_far.len();
    let body: Value = serde_json::from_str(&so_far[number - 1].body).unwrap();
    if body["refreshToken"] == format!("{HUNTER}-refresh-{}", number - 1) {
        renewed(number)
    } else {
        refused()
    }
}

fn used_up() -> Answer {
    say(400, &json!({"error": "invalid_grant"}).to_string())
}

/// The role's session token names the portal's request.
fn portal(so_far: &[Asked]) -> Answer {
    sso::granted(&format!("t{}", so_far.len()), HOUR)
}

#[test]
#[ignore = "needs the Python with botocore that S3_LOCK_TEST_BOTOCORE names"]
fn client_and_botocore_renew_a_single_sign_on_in_turn() {
    let oidc = |so_far: &[Asked]| in_turn(so_far, sso::renewed, used_up);
    let world = sso::World::with("botocore", portal, oidc);
    world.sign_in(sso::ago(HOUR));
    let ours = || Told::of(world.command("p", "crowd")).all_went_well();
    let theirs = || botocore_in(&world.command("p", ""));
    let end = || {
        let mut token = world.token();
        token["expiresAt"] = "2026-01-01T00:00:00Z".into();
        world.put(&token);
    };
    for renewals in [1, 3] {
        ours();
        assert_eq!(world.oidc.requests().len(), renewals);
        theirs();
        assert_eq!(world.oidc.requests().len(), renewals);
        end();
        theirs();
        assert_eq!(world.oidc.requests().len(), renewals + 1);
        ours();
        assert_eq!(world.oidc.requests().len(), renewals + 1);
        end();
    }
}

#[test]
#[ignore = "needs the Python with botocore that S3_LOCK_TEST_BOTOCORE names"]
fn client_and_botocore_renew_a_login_in_turn() {
    let service = |so_far: &[Asked]| in_turn(so_far, login::renewed, used_up);
    let world = login::World::with("botocore", service);
    world.sign_in(login::ago(HOUR));
    let ours = || Told::of(world.command("crowd")).all_went_well();
    let theirs = || botocore_in(&world.command(""));
    let end = || {
        let mut token = world.token();
        token["accessToken"]["expiresAt"] = "2026-01-01T00:00:00Z".into();
        world.put(&token);
    };
    for renewals in [1, 3] {
        ours();
        assert_eq!(world.service.requests().len(), renewals);
        assert_eq!(theirs(), format!("t{renewals}"));
        end();
        assert_eq!(theirs(), format!("t{}", renewals + 1));
        ours();
        end();
    }
    assert_eq!(world.service.requests().len(), 4);
    assert_eq!(tokens(&world.server), ["t1", "t2", "t3", "t4"]);
}
