//! Which credentials the caller has asked for.

use std::fmt;

use rusoto_core::credential::AwsCredentials;

use crate::types::errors::ConfigError;

/// Where to look for credentials.
#[derive(Clone)]
pub(crate) enum Source {
    /// Given in code.
    Fixed(AwsCredentials),
    /// One profile that the code names. It comes before the environment, as a deliberate choice.
    Profile(String),
    /// The environment, the profile that it names, and what the machine has.
    Environment,
}

impl Source {
    pub(crate) fn fixed(key: &str, secret: &str, token: Option<&str>) -> Source {
        let token = token.map(str::to_owned);
        Source::Fixed(AwsCredentials::new(key, secret, token, None))
    }

    /// Checks what the code gave.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        match self {
            Source::Fixed(credentials) => checked(credentials.clone(), "this client").map(drop),
            Source::Profile(name) if name.is_empty() => {
                Err(ConfigError::invalid("profile", name, "it is empty"))
            }
            Source::Profile(name) if name.chars().any(char::is_control) => {
                let reason = "it holds a control character";
                Err(ConfigError::invalid("profile", name, reason))
            }
            Source::Profile(_) | Source::Environment => Ok(()),
        }
    }

    /// The profile that the code names.
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

/// Checks keys. Keys that cannot be put into a header fail here, not in a request.
pub(super) fn checked(found: AwsCredentials, origin: &str) -> Result<AwsCredentials, ConfigError> {
    let texts = [
        ("access key", Some(found.aws_access_key_id())),
        ("secret access key", Some(found.aws_secret_access_key())),
        ("session token", found.token().as_deref()),
    ];
    for (what, text) in texts {
        let wrong = match text {
            Some("") if what == "session token" => "is empty; leave it out if there is none",
            Some("") => "is empty",
            Some(text) if !text.chars().all(|c| c.is_ascii_graphic()) => {
                "holds a space, line break or other character that it cannot have; copy it again"
            }
            _ => continue,
        };
        // Not quoted: it is a secret.
        let message = format!("the {what} of {origin} {wrong}");
        return Err(ConfigError::new("credentials", message));
    }
    Ok(found)
}
