//! Where keys come from: the caller, the environment, or a profile.

use std::fmt;
use std::sync::Mutex;

use rusoto_core::credential::{AwsCredentials, EnvironmentProvider, ProvideAwsCredentials};

use crate::error::{ConfigError, LockError};
use crate::store::s3::profile::{Profile, variable};
use crate::sync::lock;

/// Where to look for credentials.
#[derive(Clone)]
pub(crate) enum Source {
    /// Handed over in code.
    Fixed(AwsCredentials),
    /// One profile, asked for in code: before the environment, as a choice made on purpose.
    Profile(String),
    /// The environment, else the profile that it names.
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

/// Credentials, looked up when first needed and kept. A failure is not kept.
pub(crate) struct Credentials {
    source: Source,
    found: Mutex<Option<AwsCredentials>>,
}

impl Credentials {
    pub(crate) fn new(source: Source) -> Credentials {
        Credentials {
            source,
            found: Mutex::default(),
        }
    }

    pub(crate) async fn get(&self) -> Result<AwsCredentials, LockError> {
        let known = lock(&self.found).clone();
        if let Some(known) = known {
            return Ok(known);
        }
        let found = look_up(&self.source).await?;
        *lock(&self.found) = Some(found.clone());
        Ok(found)
    }

    /// Looks them up anew next time.
    pub(crate) fn forget(&self) {
        *lock(&self.found) = None;
    }
}

async fn look_up(source: &Source) -> Result<AwsCredentials, ConfigError> {
    match source {
        Source::Fixed(credentials) => Ok(credentials.clone()),
        Source::Profile(name) => from_profile(&Profile::read(Some(name)), ""),
        Source::Environment => {
            let id = variable("AWS_ACCESS_KEY_ID");
            let secret = variable("AWS_SECRET_ACCESS_KEY");
            match (id, secret) {
                (Some(_), Some(_)) => from_environment().await,
                (None, None) => {
                    let unset = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (not set), ";
                    from_profile(&Profile::read(None), unset)
                }
                (Some(_), None) => Err(half("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")),
                (None, Some(_)) => Err(half("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID")),
            }
        }
    }
}

async fn from_environment() -> Result<AwsCredentials, ConfigError> {
    let found = EnvironmentProvider::default().credentials().await;
    let found = found.map_err(|e| ConfigError::new("credentials", e.to_string()))?;
    checked(found, "the environment")
}

fn from_profile(profile: &Profile, before: &str) -> Result<AwsCredentials, ConfigError> {
    let id = profile.get("aws_access_key_id");
    let secret = profile.get("aws_secret_access_key");
    match (id, secret) {
        (Some(id), Some(secret)) => {
            let token = profile.get("aws_session_token").map(str::to_owned);
            let found = AwsCredentials::new(id, secret, token, None);
            checked(found, &format!("profile {:?}", profile.name))
        }
        _ => Err(ConfigError::new(
            "credentials",
            format!(
                "no credentials found: looked at {before}and for keys of profile {:?} in {}; set \
                 those variables, write those keys, or call ClientBuilder::credentials (roles, \
                 SSO and web identity are not read)",
                profile.name, profile.looked_in
            ),
        )),
    }
}

fn half(set: &str, missing: &str) -> ConfigError {
    let message = format!("{set} is set and {missing} is not; set both or neither");
    ConfigError::new("credentials", message)
}

/// Keys that could not even be put into a header are told here, not by a failing request.
fn checked(found: AwsCredentials, origin: &str) -> Result<AwsCredentials, ConfigError> {
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
