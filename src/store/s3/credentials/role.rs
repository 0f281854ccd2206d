//! A role to assume, as a profile or the environment describes it. Pure.

use std::ops::RangeInclusive;
use std::process;

use crate::store::s3::settings::profile::Profile;
use crate::types::errors::ConfigError;

/// What STS is told about the role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Role {
    pub arn: String,
    pub session_name: String,
    pub external_id: Option<String>,
    /// How long its credentials are to be valid, in seconds. STS says an hour if this is not set.
    pub duration: Option<u32>,
}

/// How long a session may be, in seconds.
///
/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>
const DURATIONS: RangeInclusive<u32> = 900..=43_200;
/// How many characters the name of a session may have. From the same page.
const NAME_LENGTHS: RangeInclusive<usize> = 2..=64;

impl Role {
    /// The role `arn`, with what the profile says besides.
    pub(super) fn of(profile: &Profile, arn: &str) -> Result<Role, ConfigError> {
        let by = format!("profile {:?}", profile.name);
        let name = profile.get("role_session_name");
        let duration = profile.get("duration_seconds");
        Ok(Role {
            session_name: session_name(name, &by)?,
            external_id: profile.get("external_id").map(str::to_owned),
            duration: duration.map(|text| seconds(text, &by)).transpose()?,
            arn: arn.to_owned(),
        })
    }

    /// The role `arn` for a web identity. STS takes no external id with one, and AWS's own tools send no
    /// duration. `by` is what names the session, if anything does.
    pub(super) fn for_web_identity(
        arn: &str,
        session: Option<&str>,
        by: &str,
    ) -> Result<Role, ConfigError> {
        Ok(Role {
            arn: arn.to_owned(),
            session_name: session_name(session, by)?,
            external_id: None,
            duration: None,
        })
    }
}

/// The name under which a session appears in AWS's logs.
fn session_name(set: Option<&str>, by: &str) -> Result<String, ConfigError> {
    let Some(name) = set else {
        return Ok(format!("s3-lock-{}", process::id()));
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    if NAME_LENGTHS.contains(&name.len()) && name.chars().all(plain) {
        return Ok(name.to_owned());
    }
    let reason = "STS takes 2 to 64 letters, digits and characters of _+=,.@-";
    Err(ConfigError::invalid_in(
        "role_session_name",
        name,
        by,
        reason,
    ))
}

fn seconds(text: &str, by: &str) -> Result<u32, ConfigError> {
    let number = text.parse().ok().filter(|n| DURATIONS.contains(n));
    let reason = "STS takes a number of seconds from 900 to 43200";
    number.ok_or_else(|| ConfigError::invalid_in("duration_seconds", text, by, reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(settings: &[(&str, &str)]) -> Result<Role, String> {
        let profile = Profile {
            name: "p".to_owned(),
            chosen: true,
            exists: true,
            settings: settings.iter().copied().collect(),
            looked_in: "a file".to_owned(),
            flaw: None,
        };
        Role::of(&profile, "arn").map_err(|error| error.to_string())
    }

    #[test]
    fn a_role_has_what_its_profile_says() {
        let role = role(&[
            ("role_session_name", "me@work"),
            ("external_id", "x"),
            ("duration_seconds", "900"),
        ]);
        let expected = Role {
            arn: "arn".to_owned(),
            session_name: "me@work".to_owned(),
            external_id: Some("x".to_owned()),
            duration: Some(900),
        };
        assert_eq!(role, Ok(expected));
    }

    #[test]
    fn a_session_without_a_name_is_named_after_this_process() {
        let name = role(&[]).unwrap().session_name;
        assert_eq!(name, format!("s3-lock-{}", process::id()));
    }

    #[test]
    fn a_name_that_sts_would_not_take_is_refused() {
        let long = "x".repeat(65);
        for name in ["a", "two words", "ä_ä", "a/b", &long] {
            let told = role(&[("role_session_name", name)]).unwrap_err();
            assert!(
                told.contains("in profile \"p\": STS takes 2 to 64"),
                "{told}"
            );
        }
        assert!(role(&[("role_session_name", &long[1..])]).is_ok());
    }

    #[test]
    fn a_duration_that_sts_would_not_take_is_refused() {
        for text in ["899", "43201", "1h", "-900", "900.0"] {
            let told = role(&[("duration_seconds", text)]).unwrap_err();
            assert!(told.contains("from 900 to 43200"), "{told}");
        }
        let longest = role(&[("duration_seconds", "43200")]).unwrap();
        assert_eq!(longest.duration, Some(43_200));
    }
}
