//! Credentials from a profile: its keys, its command, or its web identity.

use rusoto_core::credential::AwsCredentials;

use crate::store::s3::credentials::context::{LookUpContext, NoCredentials};
use crate::store::s3::credentials::errors::misconfigured;
use crate::store::s3::credentials::process;
use crate::store::s3::credentials::source::checked;
use crate::store::s3::credentials::web_identity::WebIdentity;
use crate::store::s3::settings::profile::Profile;
use crate::types::errors::LockError;

/// How a profile gives credentials.
enum Way {
    Keys(AwsCredentials),
    Command(String),
    WebIdentity(WebIdentity),
    /// The profile exists for its region alone, or not at all.
    None,
}

pub(super) async fn look(context: &LookUpContext) -> Result<AwsCredentials, NoCredentials> {
    let files = context.shared_files().await?;
    let profile = Profile::among(&files, context.source.profile());
    match way(&profile)? {
        Way::Keys(keys) => Ok(keys),
        Way::Command(command) => {
            let origin = format!("the credential_process of profile {:?}", profile.name);
            Ok(process::run(&command, &origin, context).await?)
        }
        Way::WebIdentity(identity) => Ok(identity.assume(context).await?),
        Way::None => {
            let note = format!("profile {:?} in {}", profile.name, profile.looked_in);
            Err(NoCredentials::Nothing(note))
        }
    }
}

fn way(profile: &Profile) -> Result<Way, LockError> {
    if profile.chosen && !profile.exists {
        return Err(missing(profile));
    }
    let get = |key| profile.get(key).map(str::to_owned);
    let role = get("role_arn");
    // Before its keys: those belong to the role's source, and the role may have other permissions.
    if role.is_some() && (get("source_profile").or(get("credential_source"))).is_some() {
        return Err(unsupported(profile, "assumes a role (role_arn)"));
    }
    match (get("aws_access_key_id"), get("aws_secret_access_key")) {
        (Some(id), Some(secret)) => return keys(profile, id, secret),
        (Some(_), None) => return Err(half(profile, "aws_access_key_id", "aws_secret_access_key")),
        (None, Some(_)) => return Err(half(profile, "aws_secret_access_key", "aws_access_key_id")),
        (None, None) => {}
    }
    if let Some(command) = get("credential_process") {
        return Ok(Way::Command(command));
    }
    match (get("web_identity_token_file"), role) {
        (Some(token_file), Some(role_arn)) => Ok(Way::WebIdentity(WebIdentity {
            token_file,
            role_arn,
            session_name: get("role_session_name"),
        })),
        (Some(_), None) => Err(half(profile, "web_identity_token_file", "role_arn")),
        (None, Some(_)) => Err(unsupported(profile, "assumes a role (role_arn)")),
        (None, None) if signs_in(profile) => Err(unsupported(profile, "signs in (SSO)")),
        (None, None) => Ok(Way::None),
    }
}

fn keys(profile: &Profile, id: String, secret: String) -> Result<Way, LockError> {
    let token = profile.get("aws_session_token").map(str::to_owned);
    let found = AwsCredentials::new(id, secret, token, None);
    let found = checked(found, &format!("profile {:?}", profile.name))?;
    Ok(Way::Keys(found))
}

/// Whether a person signs in for it, in a browser.
fn signs_in(profile: &Profile) -> bool {
    let mut names = profile.settings.keys();
    names.any(|name| name.starts_with("sso_") || name == "login_session")
}

fn missing(profile: &Profile) -> LockError {
    let Profile {
        name, looked_in, ..
    } = profile;
    misconfigured(format!(
        "no credentials found: there is no profile {name:?}; looked in {looked_in}; correct the name, \
         which AWS_PROFILE or ClientBuilder::profile gives, or add that profile"
    ))
}

fn half(profile: &Profile, set: &str, missing: &str) -> LockError {
    let Profile {
        name, looked_in, ..
    } = profile;
    misconfigured(format!(
        "profile {name:?} has {set} and no {missing}; add it to {looked_in}"
    ))
}

/// The error for what only the AWS CLI can do, with the setting that makes the CLI do it.
fn unsupported(profile: &Profile, what: &str) -> LockError {
    let name = &profile.name;
    let mark = if name.contains(char::is_whitespace) {
        "\""
    } else {
        ""
    };
    misconfigured(format!(
        "profile {name:?} {what}, which only AWS's own tools do; let the AWS CLI do it: add a profile \
         with the line `credential_process = aws configure export-credentials --profile \
         {mark}{name}{mark} --format process`, and use that one"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The way that a profile `p` with these settings gives credentials.
    fn told(settings: &[(&str, &str)]) -> String {
        let profile = Profile {
            name: "p".to_owned(),
            chosen: true,
            exists: true,
            settings: settings.iter().copied().collect(),
            looked_in: "a file".to_owned(),
        };
        match way(&profile) {
            Ok(Way::Keys(keys)) => format!("keys {}", keys.aws_access_key_id()),
            Ok(Way::Command(command)) => format!("command {command}"),
            Ok(Way::WebIdentity(identity)) => format!("web identity {}", identity.role_arn),
            Ok(Way::None) => "none".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    const ID: (&str, &str) = ("aws_access_key_id", "AK");
    const SECRET: (&str, &str) = ("aws_secret_access_key", "hunter2");
    const ROLE: (&str, &str) = ("role_arn", "arn");
    const SSO: (&str, &str) = ("sso_session", "corp");
    const COMMAND: (&str, &str) = ("credential_process", "get keys");
    const TOKEN_FILE: (&str, &str) = ("web_identity_token_file", "/token");

    #[test]
    fn keys_go_before_a_command_and_that_before_a_web_identity() {
        assert_eq!(told(&[ID, SECRET, COMMAND]), "keys AK");
        assert_eq!(told(&[COMMAND, TOKEN_FILE, ROLE]), "command get keys");
        assert_eq!(told(&[TOKEN_FILE, ROLE]), "web identity arn");
    }

    #[test]
    fn a_profile_without_any_of_them_has_none() {
        assert_eq!(told(&[("region", "eu-west-1")]), "none");
    }

    #[test]
    fn half_of_the_keys_names_the_other_half_and_not_the_secret() {
        assert!(told(&[ID]).contains("no aws_secret_access_key"));
        let told = told(&[SECRET]);
        assert!(told.contains("no aws_access_key_id"), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }

    #[test]
    fn a_web_identity_without_a_role_is_told() {
        assert!(told(&[TOKEN_FILE]).contains("no role_arn"));
    }

    #[test]
    fn the_keys_of_a_roles_source_are_not_taken_for_the_roles() {
        for source in ["source_profile", "credential_source"] {
            let told = told(&[ID, SECRET, ROLE, (source, "p")]);
            assert!(told.contains("assumes a role"), "{told}");
        }
    }

    #[test]
    fn a_sign_in_is_left_to_a_command() {
        let hint = "credential_process = aws configure export-credentials --profile p";
        assert!(told(&[SSO]).contains(hint), "{}", told(&[SSO]));
        assert!(told(&[("login_session", "x")]).contains(hint));
        assert_eq!(told(&[SSO, COMMAND]), "command get keys");
    }
}
