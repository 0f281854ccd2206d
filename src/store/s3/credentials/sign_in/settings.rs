//! The SSO settings of a profile, and of the session that it names. Pure.

use crate::store::s3::credentials::errors::misconfigured;
use crate::store::s3::settings::ini::Section;
use crate::store::s3::settings::named::Named;
use crate::store::s3::settings::profile::Profile;
use crate::store::s3::settings::region::is_region;
use crate::store::s3::settings::shared_files::SharedFiles;
use crate::types::errors::{ConfigError, LockError};

/// The role that a profile gets by SSO, and where people sign in for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SsoSettings {
    pub profile: String,
    /// None with the older keys, which all stand in the profile.
    pub session: Option<String>,
    pub start_url: String,
    /// The region of the portal.
    pub region: Named,
    pub account: String,
    pub role: String,
}

const ACCOUNT: &str = "sso_account_id";
const ROLE: &str = "sso_role_name";
const START_URL: &str = "sso_start_url";
const REGION: &str = "sso_region";

impl SsoSettings {
    /// Whether a profile gives credentials in this way. AWS's own tools ask the same: a session alone is
    /// for services that take its token.
    pub(crate) fn are_in(profile: &Profile) -> bool {
        [ACCOUNT, ROLE]
            .iter()
            .any(|key| profile.said(key).is_some())
    }

    /// The settings of such a profile.
    pub(crate) fn of(profile: &Profile, files: &SharedFiles) -> Result<SsoSettings, LockError> {
        let session = profile.get("sso_session");
        let section = session.map(|name| section(profile, name, files));
        let section = section.transpose()?;
        let own = if session.is_some() {
            vec![ACCOUNT, ROLE]
        } else {
            vec![ACCOUNT, ROLE, START_URL, REGION]
        };
        complete(&profile.settings, &own, || {
            let Profile {
                name, looked_in, ..
            } = profile;
            (format!("profile {name:?}"), looked_in.clone())
        })?;
        let (place, shared) = match (session, section) {
            (Some(name), Some(section)) => (format!("[sso-session {name}]"), section),
            _ => (format!("profile {:?}", profile.name), &profile.settings),
        };
        complete(shared, &[START_URL, REGION], || {
            (place.clone(), files.config_file().to_owned())
        })?;
        let own = |key| profile.get(key).unwrap_or_default().to_owned();
        let shared = |key| shared.get(key).unwrap_or_default().to_owned();
        Ok(SsoSettings {
            profile: profile.name.clone(),
            session: session.map(str::to_owned),
            start_url: shared(START_URL),
            region: region(shared(REGION), &place)?,
            account: own(ACCOUNT),
            role: own(ROLE),
        })
    }
}

/// The section of a session, which must not contradict the profile.
fn section<'a>(
    profile: &Profile,
    session: &str,
    files: &'a SharedFiles,
) -> Result<&'a Section, LockError> {
    let (name, file) = (&profile.name, files.config_file());
    let section = files.section("sso-session", session).ok_or_else(|| {
        misconfigured(format!(
            "profile {name:?} names the SSO session {session:?}, and there is no [sso-session \
             {session}] in {file}; add it, or correct sso_session of the profile"
        ))
    })?;
    if let Some(flaw) = files.flaw_in("sso-session", session) {
        return Err(misconfigured(format!(
            "the SSO session {session:?} cannot be relied on: {flaw}; correct that line"
        )));
    }
    let mut keys: Vec<_> = section.keys().collect();
    keys.sort_unstable();
    for key in keys {
        if let (Some(own), Some(shared)) = (profile.get(key), section.get(key)) {
            if own != shared {
                return Err(misconfigured(format!(
                    "{key} is {own:?} in profile {name:?}, and {shared:?} in [sso-session \
                     {session}] of {file}; take it out of the profile"
                )));
            }
        }
    }
    Ok(section)
}

/// Checks that a section has all of these settings. `place` names the section and its file.
fn complete(
    section: &Section,
    keys: &[&str],
    place: impl FnOnce() -> (String, String),
) -> Result<(), LockError> {
    let keys = keys.iter().copied();
    let missing: Vec<_> = keys.filter(|key| section.get(key).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let (place, file) = place();
    let (missing, them) = match &missing[..] {
        [one] => ((*one).to_owned(), "it"),
        many => (many.join(" and no "), "them"),
    };
    Err(misconfigured(format!(
        "{place} is for SSO and has no {missing}; add {them} to {file}"
    )))
}

fn region(region: String, place: &str) -> Result<Named, LockError> {
    if is_region(&region) {
        return Ok(Named::new(region, place));
    }
    let reason = "a region looks like eu-central-1";
    Err(ConfigError::invalid_in(REGION, &region, place, reason).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: &str =
        "[sso-session corp]\nsso_region = eu-west-1\nsso_start_url = https://corp/start\n";

    /// What a profile `p` with these settings says, beside the session `corp`.
    fn read(settings: &str) -> Result<SsoSettings, String> {
        read_with(settings, SESSION)
    }

    fn read_with(settings: &str, session: &str) -> Result<SsoSettings, String> {
        let files = SharedFiles::of(&format!("[profile p]\n{settings}\n{session}"), "");
        let profile = Profile::among(&files, Some("p"));
        SsoSettings::of(&profile, &files).map_err(|error| error.to_string())
    }

    fn told(settings: &str) -> String {
        read(settings).map_or_else(|told| told, |found| format!("{found:?}"))
    }

    const ROLE: &str = "sso_account_id = 1\nsso_role_name = r\n";

    #[test]
    fn a_session_has_the_start_url_and_the_region() {
        let found = read(&format!("sso_session = corp\n{ROLE}")).unwrap();
        assert_eq!(found.session.as_deref(), Some("corp"));
        assert_eq!(found.start_url, "https://corp/start");
        let region = Named::new("eu-west-1", "[sso-session corp]");
        assert_eq!(found.region, region);
        assert_eq!((found.account.as_str(), found.role.as_str()), ("1", "r"));
    }

    #[test]
    fn the_older_keys_all_stand_in_the_profile() {
        let older = "sso_start_url = https://old/start\nsso_region = eu-west-2\n";
        let found = read(&format!("{older}{ROLE}")).unwrap();
        assert_eq!(found.session, None);
        assert_eq!(found.start_url, "https://old/start");
        assert_eq!(found.region, Named::new("eu-west-2", "profile \"p\""));
    }

    #[test]
    fn what_is_missing_is_told_with_its_file() {
        assert_eq!(
            told("sso_session = corp\nsso_account_id = 1\n"),
            "profile \"p\" is for SSO and has no sso_role_name; add it to CONFIG (read), CREDENTIALS (no profile \"p\")"
        );
        assert_eq!(
            told("sso_role_name = r\nsso_region = eu-west-1\n"),
            "profile \"p\" is for SSO and has no sso_account_id and no sso_start_url; add them to CONFIG (read), CREDENTIALS (no profile \"p\")"
        );
        let half = "[sso-session corp]\nsso_start_url = https://corp/start\n";
        assert_eq!(
            read_with(&format!("sso_session = corp\n{ROLE}"), half).unwrap_err(),
            "[sso-session corp] is for SSO and has no sso_region; add it to CONFIG"
        );
    }

    #[test]
    fn a_session_that_is_not_there_is_told() {
        assert_eq!(
            told(&format!("sso_session = typo\n{ROLE}")),
            "profile \"p\" names the SSO session \"typo\", and there is no [sso-session typo] in CONFIG; add it, or correct sso_session of the profile"
        );
    }

    #[test]
    fn a_profile_may_repeat_its_session_and_not_contradict_it() {
        let session = format!("sso_session = corp\n{ROLE}");
        assert!(read(&format!("{session}sso_region = eu-west-1\n")).is_ok());
        assert_eq!(
            told(&format!("{session}sso_region = eu-west-2\n")),
            "sso_region is \"eu-west-2\" in profile \"p\", and \"eu-west-1\" in [sso-session corp] of CONFIG; take it out of the profile"
        );
    }

    #[test]
    fn a_region_that_cannot_be_is_told() {
        let session = "[sso-session corp]\nsso_region = eu.evil\nsso_start_url = u\n";
        assert_eq!(
            read_with(&format!("sso_session = corp\n{ROLE}"), session).unwrap_err(),
            "invalid sso_region \"eu.evil\" in [sso-session corp]: a region looks like eu-central-1"
        );
    }

    #[test]
    fn only_an_account_or_a_role_makes_a_profile_one_of_sso() {
        let is_one = |settings: &str| {
            let files = SharedFiles::of(&format!("[profile p]\n{settings}\n"), "");
            SsoSettings::are_in(&Profile::among(&files, Some("p")))
        };
        assert!(is_one("sso_account_id = 1"));
        assert!(is_one("sso_role_name = r"));
        assert!(!is_one("sso_session = corp"));
    }
}
