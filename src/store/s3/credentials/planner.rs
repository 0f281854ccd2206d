//! Makes the plan to get the credentials of a profile from what AWS's shared files say. Pure.
//!
//! As in AWS's own tools, a role of the profile in use goes before its keys, and the keys of a source
//! profile go before its role. A profile that names a web identity assumes its role with that alone.

use rusoto_core::credential::AwsCredentials;

use crate::store::s3::credentials::plan::{MachineSource, Plan, RoleStep, Way};
use crate::store::s3::credentials::planner_errors as refusal;
use crate::store::s3::credentials::role::Role;
use crate::store::s3::credentials::sign_in::login::LoginSettings;
use crate::store::s3::credentials::sign_in::settings::SsoSettings;
use crate::store::s3::credentials::source::checked;
use crate::store::s3::credentials::web_identity::WebIdentity;
use crate::store::s3::settings::profile::{Profile, reliable};
use crate::store::s3::settings::shared_files::SharedFiles;
use crate::types::errors::LockError;

/// The most roles that one profile may lead to. Nobody needs so many, and each is a request.
const MOST_ROLES: usize = 8;

/// Checks that the profile in use can be relied on. This comes before a web identity in the environment,
/// too: a role of the profile would precede that.
pub(super) fn check(profile: &Profile) -> Result<(), LockError> {
    reliable(profile)?;
    if profile.chosen && !profile.exists {
        return Err(refusal::missing(profile));
    }
    Ok(())
}

/// The plan for the profile in use, which was checked. None if it says nothing of credentials.
pub(super) fn plan(profile: &Profile, files: &SharedFiles) -> Result<Option<Plan>, LockError> {
    // From the profile in use to the one that has keys.
    let mut passed: Vec<(String, Role)> = Vec::new();
    let mut at = profile.clone();
    let first = loop {
        let is_source = !passed.is_empty();
        let Some(arn) = role_of(&at).filter(|_| !(is_source && has_keys(&at))) else {
            break own_way(&at, files)?;
        };
        let role = role(&at, arn)?;
        let source = source(&at)?;
        passed.push((at.name.clone(), role));
        if passed.len() > MOST_ROLES {
            return Err(refusal::too_many_roles(profile, MOST_ROLES));
        }
        match source {
            RoleSource::Machine(source) => break Some(Way::Machine(source)),
            RoleSource::Profile(name) if name == at.name && has_keys(&at) => {
                break own_way(&at, files)?;
            }
            RoleSource::Profile(name) => at = next(&at, name, &passed, files)?,
        }
    };
    let Some(first) = first else {
        return match passed.last() {
            None => Ok(None),
            Some((user, _)) => Err(refusal::source_without_keys(user, &at)),
        };
    };
    let roles = passed.into_iter().rev();
    let roles = roles.map(|(profile, role)| RoleStep { profile, role });
    Ok(Some(Plan {
        profile: at.name,
        first,
        roles: roles.collect(),
    }))
}

/// Whether the profile in use assumes a role with other credentials. Then it goes before a web identity
/// in the environment.
pub(super) fn assumes_a_role(profile: &Profile) -> bool {
    role_of(profile).is_some()
}

/// The role that a profile assumes with other credentials.
fn role_of(profile: &Profile) -> Option<&str> {
    let with_token = profile.said("web_identity_token_file").is_some();
    profile.said("role_arn").filter(|_| !with_token)
}

fn role(profile: &Profile, arn: &str) -> Result<Role, LockError> {
    if arn.is_empty() {
        return Err(refusal::empty(profile, "role_arn"));
    }
    if profile.said("mfa_serial").is_some() {
        return Err(refusal::mfa(profile));
    }
    Ok(Role::of(profile, arn)?)
}

enum RoleSource {
    Profile(String),
    Machine(MachineSource),
}

/// Where a profile's role takes its keys from.
fn source(profile: &Profile) -> Result<RoleSource, LockError> {
    let names = ["source_profile", "credential_source"];
    let [by_profile, by_machine] = names;
    match names.map(|name| profile.said(name)) {
        [Some(""), None] => Err(refusal::empty(profile, by_profile)),
        [None, Some("")] => Err(refusal::empty(profile, by_machine)),
        [Some(name), None] => Ok(RoleSource::Profile(name.to_owned())),
        [None, Some(name)] => match MachineSource::named(name) {
            Some(source) => Ok(RoleSource::Machine(source)),
            None => Err(refusal::no_such_source(profile, name)),
        },
        [None, None] => Err(refusal::no_source(profile, has_keys(profile))),
        [Some(_), Some(_)] => Err(refusal::two_sources(profile)),
    }
}

/// The source profile `name` of the profile `user`, unless it was passed before.
fn next(
    user: &Profile,
    name: String,
    passed: &[(String, Role)],
    files: &SharedFiles,
) -> Result<Profile, LockError> {
    let names: Vec<_> = passed.iter().map(|(name, _)| name.as_str()).collect();
    if let Some(begin) = names.iter().position(|passed| *passed == name) {
        return Err(refusal::ring(&name, &names[begin + 1..], user));
    }
    let next = Profile::among(files, Some(&name));
    if !next.exists {
        return Err(refusal::no_such_profile(user, &next));
    }
    check(&next)?;
    Ok(next)
}

/// The way in which a profile gives keys by itself, in the order of AWS's own tools.
fn own_way(profile: &Profile, files: &SharedFiles) -> Result<Option<Way>, LockError> {
    let sso = || SsoSettings::of(profile, files).map(Way::Sso);
    if let Some(token_file) = profile.said("web_identity_token_file") {
        return web_identity(profile, token_file).map(Some);
    }
    if SsoSettings::are_in(profile) {
        return sso().map(Some);
    }
    if files.credentials_hold_keys_of(&profile.name) {
        return keys(profile);
    }
    match profile.said("login_session") {
        Some("") => return Err(refusal::empty(profile, "login_session")),
        Some(session) => {
            return Ok(Some(Way::Login(LoginSettings {
                profile: profile.name.clone(),
                session: session.to_owned(),
            })));
        }
        None => {}
    }
    // With the marks of comments, which are plain characters inside of quotation marks.
    if let Some(command) = profile.settings.whole("credential_process") {
        return Ok(Some(Way::Command(command.to_owned())));
    }
    match keys(profile)? {
        // Its account and its role are missing, which this tells.
        None if has_any_of_sso(profile) => sso().map(Some),
        keys => Ok(keys),
    }
}

fn has_any_of_sso(profile: &Profile) -> bool {
    profile.settings.keys().any(|name| name.starts_with("sso_"))
}

fn web_identity(profile: &Profile, token_file: &str) -> Result<Way, LockError> {
    if token_file.is_empty() {
        return Err(refusal::empty(profile, "web_identity_token_file"));
    }
    let by = format!("profile {:?}", profile.name);
    let Some(arn) = profile.get("role_arn") else {
        return Err(refusal::half(
            profile,
            "web_identity_token_file",
            "role_arn",
        ));
    };
    let role = Role::for_web_identity(arn, profile.get("role_session_name"), &by)?;
    Ok(Way::WebIdentity(WebIdentity {
        token_file: token_file.to_owned(),
        role,
        role_by: format!("role_arn of {by}"),
        token_file_by: format!("web_identity_token_file of {by}"),
    }))
}

/// Whether a profile has keys of its own, or a half of them.
fn has_keys(profile: &Profile) -> bool {
    KEYS.iter().any(|key| profile.said(key).is_some())
}

const KEYS: [&str; 2] = ["aws_access_key_id", "aws_secret_access_key"];

fn keys(profile: &Profile) -> Result<Option<Way>, LockError> {
    let [id, secret] = KEYS;
    match KEYS.map(|key| profile.said(key)) {
        [None, None] => Ok(None),
        [Some(_), None] => Err(refusal::half(profile, id, secret)),
        [None, Some(_)] => Err(refusal::half(profile, secret, id)),
        [Some(id), Some(secret)] => {
            // The first name is the older one. AWS's own tools look at it first, too.
            let token = profile.get("aws_security_token");
            let token = token.or_else(|| profile.get("aws_session_token"));
            let token = token.map(str::to_owned);
            let found = AwsCredentials::new(id, secret, token, None);
            let found = checked(found, &format!("profile {:?}", profile.name))?;
            Ok(Some(Way::Keys(found)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is planned for the profile `a` of these files, for people, or why nothing can be.
    fn planned(config: &str, credentials: &str) -> String {
        let files = SharedFiles::of(config, credentials);
        let profile = Profile::among(&files, Some("a"));
        match check(&profile).and_then(|()| plan(&profile, &files)) {
            Ok(Some(plan)) => plan.told(),
            Ok(None) => "none".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    fn in_config(config: &str) -> String {
        planned(config, "")
    }

    /// A profile of the config file, with these lines.
    fn profile(name: &str, lines: &[&str]) -> String {
        format!("[profile {name}]\n{}\n", lines.join("\n"))
    }

    const KEYS: [&str; 2] = ["aws_access_key_id = AK", "aws_secret_access_key = hunter2"];
    const KEYS_OF_A: &str = "[a]\naws_access_key_id = AK\naws_secret_access_key = hunter2\n";
    const TOKEN_FILE: &str = "web_identity_token_file = /token";
    const SSO: &str = "sso_account_id = 1\nsso_role_name = r\nsso_start_url = u\nsso_region = r-1";
    const LOGIN: &str = "login_session = me";
    const COMMAND: &str = "credential_process = get keys";
    const ROLE: &str = "role_arn = arn:a";
    const SOURCE: &str = "source_profile = keys";

    fn keys() -> String {
        profile("keys", &KEYS)
    }

    #[test]
    fn a_profile_without_credentials_has_none() {
        assert_eq!(in_config("[profile a]\nregion = eu-west-1\n"), "none");
    }

    #[test]
    fn a_profile_that_is_named_and_not_there_is_told() {
        let told = in_config("[profile b]\nregion = eu-west-1\n");
        assert!(told.contains("there is no profile \"a\""), "{told}");
        let files = SharedFiles::of("", "");
        let mut default = Profile::among(&files, Some("default"));
        default.chosen = false;
        assert!(check(&default).is_ok());
        assert!(plan(&default, &files).is_ok_and(|plan| plan.is_none()));
    }

    #[test]
    fn a_profiles_own_ways_have_the_order_of_the_aws_cli() {
        let all = [TOKEN_FILE, ROLE, SSO, LOGIN, COMMAND, KEYS[0], KEYS[1]];
        let expected = [
            "profile \"a\": role arn:a from a web identity",
            "the SSO of profile \"a\"",
            "the login of profile \"a\"",
            "the credential_process of profile \"a\"",
            "profile \"a\"",
        ];
        // Without the web identity the role would need a source.
        for (gone, expected) in [0, 2, 3, 4, 5].into_iter().zip(expected) {
            let told = in_config(&profile("a", &all[gone..]));
            assert!(told.contains(expected), "{gone}: {told}");
        }
    }

    #[test]
    fn keys_in_the_credentials_file_go_before_a_login_and_a_command_and_not_before_sso() {
        let lines = [SSO, LOGIN, COMMAND];
        let told = planned(&profile("a", &lines), KEYS_OF_A);
        assert_eq!(told, "the SSO of profile \"a\"");
        for gone in [1, 2] {
            let told = planned(&profile("a", &lines[gone..]), KEYS_OF_A);
            assert_eq!(told, "profile \"a\"");
        }
    }

    #[test]
    fn a_session_or_start_url_alone_counts_if_nothing_else_gives_keys() {
        for (line, lack) in [
            ("sso_session = s", "no [sso-session s]"),
            ("sso_start_url = u", "no sso_account_id"),
        ] {
            let told = in_config(&profile("a", &[line]));
            assert!(told.contains(lack), "{told}");
            let told = in_config(&profile("a", &[line, KEYS[0], KEYS[1]]));
            assert_eq!(told, "profile \"a\"");
        }
    }

    /// To pass over it would mean to be somebody else.
    #[test]
    fn a_setting_that_says_who_somebody_is_and_is_empty_is_refused() {
        let role = ["role_arn =", "source_profile = keys", KEYS[0], KEYS[1]];
        let all = [KEYS[0], KEYS[1]];
        for (lines, empty) in [
            (&role[..], "role_arn"),
            (&[ROLE, "source_profile ="], "source_profile"),
            (&[ROLE, "credential_source ="], "credential_source"),
            (
                &["web_identity_token_file =", ROLE, all[0], all[1]],
                "web_identity_token_file",
            ),
            (&["login_session = # me", all[0], all[1]], "login_session"),
        ] {
            let told = in_config(&(profile("a", lines) + &keys()));
            let expected = format!("{empty} of profile \"a\" is empty");
            assert!(told.contains(&expected), "{told}");
        }
        let told = in_config(&profile("a", &["sso_role_name =", all[0], all[1]]));
        assert!(
            told.contains("no sso_account_id and no sso_role_name"),
            "{told}"
        );
        let told = planned(
            &profile("a", &[COMMAND]),
            "[a]\naws_access_key_id =\naws_secret_access_key =\n",
        );
        assert!(
            told.contains("the access key of profile \"a\" is empty"),
            "{told}"
        );
        let told = in_config(&profile("a", &["credential_process =", all[0], all[1]]));
        assert_eq!(told, "the credential_process of profile \"a\"");
        let told = in_config(&(profile("a", &[ROLE, SOURCE, "mfa_serial ="]) + &keys()));
        assert!(told.contains("MFA"), "{told}");
    }

    #[test]
    fn a_profile_or_source_with_a_line_that_is_no_setting_is_refused() {
        let told = in_config(&profile(
            "a",
            &["region = eu-west-1", "credential_process get keys"],
        ));
        assert!(told.contains("line 3 of CONFIG is no setting"), "{told}");
        let config = profile("a", &[ROLE, SOURCE]) + &profile("keys", &[KEYS[0], KEYS[1], "keys"]);
        let told = in_config(&config);
        assert!(
            told.contains("profile \"keys\" cannot be relied on"),
            "{told}"
        );
    }

    #[test]
    fn a_command_keeps_what_would_be_a_comment_elsewhere() {
        let line = "credential_process = sh -c 'get keys ; # again'\n  more";
        let files = SharedFiles::of(&profile("a", &[line]), "");
        let profile = Profile::among(&files, Some("a"));
        match plan(&profile, &files) {
            Ok(Some(Plan {
                first: Way::Command(command),
                ..
            })) => {
                assert_eq!(command, "sh -c 'get keys ; # again'\nmore");
            }
            _ => panic!("it is a command"),
        }
    }

    #[test]
    fn the_older_name_of_a_session_token_counts_first() {
        let lines = [
            "aws_session_token = new",
            "aws_security_token = old",
            KEYS[0],
            KEYS[1],
        ];
        let files = SharedFiles::of(&profile("a", &lines), "");
        match plan(&Profile::among(&files, Some("a")), &files) {
            Ok(Some(Plan {
                first: Way::Keys(keys),
                ..
            })) => {
                assert_eq!(keys.token().as_deref(), Some("old"));
            }
            _ => panic!("it has keys"),
        }
    }

    #[test]
    fn half_of_the_keys_names_the_other_half_and_not_the_secret() {
        for (set, missing) in [(0, "aws_secret_access_key"), (1, "aws_access_key_id")] {
            let told = in_config(&profile("a", &[KEYS[set]]));
            assert!(told.contains(&format!("and no {missing}")), "{told}");
            assert!(!told.contains("hunter2"), "{told}");
        }
    }

    #[test]
    fn half_of_the_keys_in_the_config_file_is_of_no_account_where_others_go_before_it() {
        for line in [LOGIN, COMMAND] {
            let told = in_config(&profile("a", &[line, KEYS[0]]));
            assert!(told.ends_with("of profile \"a\""), "{told}");
        }
        let told = planned(&profile("a", &[COMMAND]), "[a]\naws_access_key_id = AK\n");
        assert!(told.contains("and no aws_secret_access_key"), "{told}");
    }

    #[test]
    fn a_web_identity_without_a_role_is_told() {
        let told = in_config(&profile("a", &[TOKEN_FILE]));
        assert!(
            told.contains("web_identity_token_file and no role_arn"),
            "{told}"
        );
    }

    #[test]
    fn a_role_takes_the_keys_of_its_source_profile_and_not_its_own() {
        let role = profile("a", &[ROLE, "source_profile = keys", KEYS[0], KEYS[1]]);
        let told = in_config(&(role + &keys()));
        assert_eq!(told, "profile \"a\": role arn:a from profile \"keys\"");
    }

    #[test]
    fn a_role_goes_before_all_else_in_the_profile_in_use() {
        let role = profile("a", &[ROLE, "source_profile = keys", SSO, COMMAND]);
        let told = planned(&(role + &keys()), KEYS_OF_A);
        assert_eq!(told, "profile \"a\": role arn:a from profile \"keys\"");
    }

    #[test]
    fn a_role_may_take_its_keys_from_a_role() {
        let chain = profile("a", &[ROLE, "source_profile = b"])
            + &profile("b", &["role_arn = arn:b", "source_profile = c"])
            + &profile("c", &["role_arn = arn:c", "source_profile = keys"]);
        assert_eq!(
            in_config(&(chain + &keys())),
            "profile \"a\": role arn:a from profile \"b\": role arn:b from profile \"c\": role arn:c \
             from profile \"keys\""
        );
    }

    #[test]
    fn roles_are_assumed_from_the_keys_on() {
        let config = profile("a", &[ROLE, "source_profile = b", "external_id = x"])
            + &profile("b", &["role_arn = arn:b", "source_profile = keys"])
            + &keys();
        let files = SharedFiles::of(&config, "");
        let plan = plan(&Profile::among(&files, Some("a")), &files);
        let Ok(Some(plan)) = plan else {
            panic!("there is one");
        };
        let steps: Vec<_> = plan
            .roles
            .iter()
            .map(|step| step.role.arn.as_str())
            .collect();
        assert_eq!(steps, ["arn:b", "arn:a"]);
        assert_eq!(plan.roles[1].role.external_id.as_deref(), Some("x"));
        assert_eq!(plan.told_up_to(0), "profile \"keys\"");
        assert_eq!(
            plan.told_up_to(1),
            "profile \"b\": role arn:b from profile \"keys\""
        );
    }

    #[test]
    fn the_keys_of_a_source_go_before_its_role() {
        let config = profile("a", &[ROLE, "source_profile = b"])
            + &profile(
                "b",
                &["role_arn = arn:b", "source_profile = a", KEYS[0], KEYS[1]],
            );
        assert_eq!(
            in_config(&config),
            "profile \"a\": role arn:a from profile \"b\""
        );
    }

    #[test]
    fn a_profile_that_names_itself_takes_its_own_keys() {
        let config = profile("a", &[ROLE, "source_profile = a", KEYS[0], KEYS[1]]);
        assert_eq!(
            in_config(&config),
            "profile \"a\": role arn:a from its own keys"
        );
    }

    #[test]
    fn a_profile_that_names_itself_and_has_no_keys_is_told() {
        let told = in_config(&profile("a", &[ROLE, "source_profile = a", COMMAND]));
        assert!(told.contains("\"a\" takes its keys from itself"), "{told}");
    }

    #[test]
    fn a_role_takes_its_keys_from_a_command_a_web_identity_or_a_sign_in() {
        let role = profile("a", &[ROLE, "source_profile = b"]);
        let told = in_config(&(role.clone() + &profile("b", &[COMMAND])));
        assert_eq!(
            told,
            "profile \"a\": role arn:a from the credential_process of profile \"b\""
        );
        let told = in_config(&(role.clone() + &profile("b", &[TOKEN_FILE, "role_arn = arn:b"])));
        assert_eq!(
            told,
            "profile \"a\": role arn:a from profile \"b\": role arn:b from a web identity"
        );
        let told = in_config(&(role.clone() + &profile("b", &[SSO])));
        assert_eq!(
            told,
            "profile \"a\": role arn:a from the SSO of profile \"b\""
        );
        let told = in_config(&(role + &profile("b", &[LOGIN])));
        assert_eq!(
            told,
            "profile \"a\": role arn:a from the login of profile \"b\""
        );
    }

    #[test]
    fn a_role_takes_its_keys_from_the_machine() {
        for name in ["Environment", "Ec2InstanceMetadata", "EcsContainer"] {
            let told = in_config(&profile(
                "a",
                &[ROLE, &format!("credential_source = {name}")],
            ));
            assert_eq!(
                told,
                format!("profile \"a\": role arn:a from credential_source {name}")
            );
        }
    }

    #[test]
    fn a_source_that_there_is_not_is_refused_with_those_that_there_are() {
        for name in ["environment", "SharedConfig"] {
            let told = in_config(&profile(
                "a",
                &[ROLE, &format!("credential_source = {name}")],
            ));
            let all = "Environment, Ec2InstanceMetadata and EcsContainer";
            assert!(told.contains(all) && told.contains(name), "{told}");
        }
    }

    #[test]
    fn a_role_needs_one_source() {
        let told = in_config(&profile("a", &[ROLE]));
        assert!(
            told.contains("add source_profile or credential_source"),
            "{told}"
        );
        let told = in_config(&profile("a", &[ROLE, KEYS[0], KEYS[1]]));
        assert!(
            told.contains("(`source_profile = a` for its own)"),
            "{told}"
        );
        let both = [
            ROLE,
            "source_profile = b",
            "credential_source = Environment",
        ];
        let told = in_config(&profile("a", &both));
        assert!(
            told.contains("both source_profile and credential_source"),
            "{told}"
        );
    }

    #[test]
    fn a_source_without_a_role_is_of_no_account() {
        let told = in_config(&profile("a", &["source_profile = b", KEYS[0], KEYS[1]]));
        assert_eq!(told, "profile \"a\"");
    }

    #[test]
    fn a_code_of_a_device_is_refused_wherever_it_would_be_needed() {
        let told = in_config(&profile(
            "a",
            &[ROLE, "source_profile = b", "mfa_serial = m"],
        ));
        assert!(told.contains("\"a\" needs a code"), "{told}");
        let chain = profile("a", &[ROLE, "source_profile = b"])
            + &profile(
                "b",
                &[
                    "role_arn = arn:b",
                    "source_profile = keys",
                    "mfa_serial = m",
                ],
            );
        assert!(in_config(&(chain + &keys())).contains("\"b\" needs a code"));
        // Without a role it is of no account.
        let told = in_config(&profile("a", &["mfa_serial = m", KEYS[0], KEYS[1]]));
        assert_eq!(told, "profile \"a\"");
    }

    #[test]
    fn a_source_that_is_not_there_is_told_with_the_profile_that_names_it() {
        let told = in_config(&profile("a", &[ROLE, "source_profile = typo"]));
        let expected = "profile \"a\" takes its keys from profile \"typo\" (source_profile), and there \
                        is none; looked in CONFIG (no profile \"typo\")";
        assert!(told.contains(expected), "{told}");
    }

    #[test]
    fn a_source_without_keys_is_told_with_the_profile_that_names_it() {
        let chain = profile("a", &[ROLE, "source_profile = b"]) + &profile("b", &["region = r"]);
        let told = in_config(&chain);
        let expected =
            "profile \"a\" takes its keys from profile \"b\" (source_profile), which has none";
        assert!(told.contains(expected), "{told}");
    }

    #[test]
    fn a_ring_is_told_as_a_whole_and_without_the_way_to_it() {
        let ring = profile("b", &["role_arn = arn:b", "source_profile = c"])
            + &profile("c", &["role_arn = arn:c", "source_profile = d"])
            + &profile("d", &["role_arn = arn:d", "source_profile = b"]);
        let told = in_config(&(profile("a", &[ROLE, "source_profile = b"]) + &ring));
        let expected =
            "profile \"b\" takes its keys from \"c\", and that from \"d\", and that from \"b\"";
        assert!(told.starts_with(expected), "{told}");
    }

    #[test]
    fn a_chain_has_an_end() {
        let chain = |length: usize| {
            let role = |number| {
                let source = format!("source_profile = n{}", number + 1);
                profile(&format!("n{number}"), &[ROLE, &source])
            };
            let first = profile("a", &[ROLE, "source_profile = n1"]);
            let chain: String = (1..length).map(role).collect();
            in_config(&(first + &chain + &profile(&format!("n{length}"), &KEYS)))
        };
        assert!(chain(MOST_ROLES).ends_with("from profile \"n8\""));
        let told = chain(MOST_ROLES + 1);
        assert!(told.contains("more than 8 roles"), "{told}");
    }

    #[test]
    fn what_a_role_is_asked_for_with_is_checked_before_anything_is_asked() {
        let told = in_config(&profile(
            "a",
            &[ROLE, "source_profile = b", "duration_seconds = 60"],
        ));
        assert!(told.contains("invalid duration_seconds \"60\""), "{told}");
    }
}
