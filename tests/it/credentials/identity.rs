//! What must not make a client somebody else without a word: a name that is not there, a file that cannot be
//! read, a file that is switched off.

use std::fs;
use std::process::Command;

use super::{Told, command, instance, metadata, sts_grants, tokens, web_identity};
use crate::child::Home;
use crate::support::{ACCESS_KEY, SECRET_KEY, Server, StandIn};

/// A child on an instance, so that somebody else's credentials are there to be found.
fn on_an_instance(server: &Server, home: &Home) -> (Command, StandIn) {
    let service = metadata(|_, _| None);
    (instance(server, home, &service, "try"), service)
}

fn keys_of_default() -> String {
    format!("[default]\naws_access_key_id: {ACCESS_KEY}\naws_secret_access_key: {SECRET_KEY}\n")
}

#[test]
fn client_whose_profile_is_not_there_does_not_use_a_web_identity_instead() {
    let (server, home) = (Server::start(), Home::new("web-no-profile"));
    let sts = StandIn::start(|_| sts_grants());
    let mut command = web_identity(&server, &home, &sts, "try");
    command.env("AWS_PROFILE", "corp");
    Told::of(command).has(&["Config: ", "there is no profile \"corp\""]);
    assert_eq!(sts.requests().len(), 0);
}

#[test]
fn client_takes_settings_that_are_divided_by_a_colon() {
    let (server, home) = (Server::start(), Home::new("colon"));
    home.write("credentials", &keys_of_default());
    let (command, service) = on_an_instance(&server, &home);
    Told::of(command).all_went_well();
    assert_eq!(service.requests().len(), 0);
}

#[test]
fn client_refuses_a_profile_with_a_line_that_is_no_setting_before_it_looks_elsewhere() {
    let (server, home) = (Server::start(), Home::new("no-setting"));
    home.write("credentials", &keys_of_default().replace(": ", " "));
    let (command, service) = on_an_instance(&server, &home);
    let told = Told::of(command);
    told.has(&["Config: ", "line 2 of ", "is no setting", "correct that: "]);
    assert_eq!(service.requests().len(), 0);
}

#[test]
fn client_refuses_a_file_that_is_no_text_before_it_looks_elsewhere() {
    let (server, home) = (Server::start(), Home::new("no-text"));
    // UTF-16, as some editors write it.
    let text: Vec<u8> = keys_of_default()
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let text = [&[0xff, 0xfe], &text[..]].concat();
    fs::write(home.path().join(".aws/credentials"), text).unwrap();
    let (command, service) = on_an_instance(&server, &home);
    Told::of(command).has(&[
        "Config: ",
        ".aws/credentials cannot be read",
        "correct that: ",
    ]);
    assert_eq!(service.requests().len(), 0);
}

#[test]
fn client_refuses_a_folder_in_the_place_of_a_file_before_it_looks_elsewhere() {
    let (server, home) = (Server::start(), Home::new("folder"));
    fs::create_dir(home.path().join(".aws/credentials")).unwrap();
    let (command, service) = on_an_instance(&server, &home);
    Told::of(command).has(&["Config: ", ".aws/credentials cannot be read"]);
    assert_eq!(service.requests().len(), 0);
}

#[test]
fn client_reads_no_file_whose_variable_is_empty() {
    let (server, home) = (Server::start(), Home::new("switched-off"));
    home.write("credentials", "[default]\naws_access_key_id = somebody\n");
    let (mut command, service) = on_an_instance(&server, &home);
    command.env("AWS_SHARED_CREDENTIALS_FILE", "");
    Told::of(command).all_went_well();
    assert_eq!(service.requests().len(), 3);
}

#[test]
fn client_finds_a_file_whose_variable_has_variables_in_it() {
    let (server, home) = (Server::start(), Home::new("expanded"));
    fs::write(home.path().join("mine"), keys_of_default()).unwrap();
    let (mut command, service) = on_an_instance(&server, &home);
    command.env("AWS_SHARED_CREDENTIALS_FILE", "${HOME}/mine");
    Told::of(command).all_went_well();
    assert_eq!(service.requests().len(), 0);
}

#[test]
fn client_sends_a_session_token_in_the_older_variable() {
    let (server, home) = (Server::start(), Home::new("older-token"));
    let mut command = command(&server, &home, "try");
    command
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        .env("AWS_SECURITY_TOKEN", "old")
        .env("AWS_SESSION_TOKEN", "new");
    Told::of(command).all_went_well();
    assert_eq!(tokens(&server), ["old"]);
}

#[test]
fn client_with_keys_sends_nothing_to_aws_if_the_line_of_the_endpoint_is_no_setting() {
    let (server, home) = (Server::start(), Home::new("no-endpoint"));
    let config = format!(
        "[default]\nregion = eu-west-1\nendpoint_url {}\n",
        server.endpoint()
    );
    home.write("config", &config);
    let mut command = command(&server, &home, "try");
    command
        .env_remove("AWS_ENDPOINT_URL_S3")
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    Told::of(command).has(&["Config: ", "line 3 of ", "is no setting"]);
    assert_eq!(server.requests().len(), 0);
}
