//! The AWS CLI as a `credential_process`: the real one. Version 2 alone can export credentials.

use std::env;
use std::process::Command;

use super::{TIMEOUT, Told, command, tokens};
use crate::child::Home;
use crate::support::{ACCESS_KEY, SECRET_KEY, Server};

/// Names the program.
const CLI: &str = "S3_LOCK_TEST_AWS_CLI";

/// A child that has its credentials from `aws configure export-credentials` of a profile with these settings.
fn exporting(server: &Server, home: &Home, profile: &str) -> Command {
    let cli = env::var(CLI).unwrap_or_else(|_| panic!("{CLI} names no AWS CLI"));
    home.write(
        "config",
        &format!(
            "[profile given]\n{profile}\n[default]\n\
             credential_process = {cli} configure export-credentials --profile given --format process\n"
        ),
    );
    let mut command = command(server, home, "try");
    // Less than the CLI takes.
    command.env(TIMEOUT, "500");
    command
}

#[test]
#[ignore = "needs the AWS CLI that S3_LOCK_TEST_AWS_CLI names"]
fn client_has_the_keys_that_the_aws_cli_exports() {
    let (server, home) = (Server::start(), Home::new("cli-keys"));
    let keys = format!(
        "aws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\naws_session_token = t"
    );
    Told::of(exporting(&server, &home, &keys)).all_went_well();
    assert_eq!(tokens(&server), ["t"]);
}

#[test]
#[ignore = "needs the AWS CLI that S3_LOCK_TEST_AWS_CLI names"]
fn client_tells_what_the_aws_cli_says_of_a_profile_that_is_not_signed_in() {
    let (server, home) = (Server::start(), Home::new("cli-sso"));
    let sso = "sso_start_url = https://corp.invalid/start\nsso_region = eu-west-1\n\
               sso_account_id = 123456789012\nsso_role_name = dev";
    let told = Told::of(exporting(&server, &home, sso));
    told.has(&["credential_process", "failed", "SSO"]);
}
