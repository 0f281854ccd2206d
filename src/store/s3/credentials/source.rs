//! Which credentials the caller has asked for.

use std::fmt;

use rusoto_core::credential::AwsCredentials;

use crate::error::ConfigError;

/// Where to look for credentials.
#[derive(Clone)]
pub(crate) enum Source {
    /// Handed over in code.
    Fixed(AwsCredentials),
    /// One profile, asked for in code: before the environment, as a choice made on purpose.
    Profile(String),
    /// The environment, the profile that it names, and what the machine has.
    Environment,
}

impl Source {
    pub(crate) fn fixed(key: &str, secret: &str, token: Option<&str>) -> Source {
        let token = token.map(str::to_owned);
        Source::Fixed(AwsCredentials::new(key, secret, token, None))
    }

    /// Checks keys that were handed over in code.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        match self {
            Source::Fixed(credentials) => checked(credentials.clone(), "this client").map(drop),
            _ => Ok(()),
        }
    }

    /// The profile asked for in code.
    pub(crate) fn profile(&self) -> Option<&str> {
        match self {
            Source::Profile(name) => Some(name),
            _ => None,
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the keys.
        match self {
            Source::Fixed(_) => f.write_str("Fixed"),
            Source::Profile(name) => f.debug_tuple("Profile").field(name).finish(),
            Source::Environment => f.write_str("Environment"),
        }
    }
}

/// Keys that could not even be put into a header are told here, not by a failing request.
pub(super) fn checked(found: AwsCredentials, origin: &str) -> Result<AwsCredentials, ConfigError> {
    let texts = [
        Some(found.aws_access_key_id()),
        Some(found.aws_secret_access_key()),
        found.token().as_deref(),
    ];
    let plain = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic());
    if texts.into_iter().flatten().all(plain) {
        return Ok(found);
    }
    Err(ConfigError::new(
        "credentials",
        format!(
            "the credentials of {origin} are empty or hold a space, line break or other character \
             that no key has; copy them again"
        ),
    ))
}
