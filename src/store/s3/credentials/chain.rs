//! The order in which places are looked at, which is that of AWS's own tools.

use std::time::Duration;

use chrono::{DateTime, Utc};
use rusoto_core::credential::AwsCredentials;

use crate::store::s3::credentials::document::expiry;
use crate::store::s3::credentials::source::{Source, checked};
use crate::store::s3::credentials::tools::{Failure, Found, Looked, Tools};
use crate::store::s3::credentials::web_identity::WebIdentity;
use crate::store::s3::credentials::{container, instance, profile_keys};
use crate::store::s3::profile::{Profile, variable};
use crate::sys::logs;
use crate::types::errors::{ConfigError, StorageErrorKind};
use crate::types::text::seconds;

/// A place where credentials may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Environment,
    WebIdentity,
    Profile,
    Container,
    Instance,
}

/// Credentials from the first place that has any. `last` is where they were found before.
///
/// A place that is set up and gives none ends the search: what comes after it would be somebody
/// else's credentials.
pub(super) async fn look_up(tools: &Tools, last: Option<Place>) -> Result<(Found, Place), Failure> {
    let mut looked_at = Vec::new();
    for place in places(&tools.source) {
        // Each gives up by itself in time, but for a file on a disk that hangs.
        let whole = tools.limit + tools.limit / 16;
        let looked = look_in(*place, tools, tools.limit);
        let looked = tokio::time::timeout(whole, looked).await;
        match looked.map_err(|_| hangs(*place, whole))?? {
            Looked::Found(found) => {
                logs::debug!("credentials found: {place:?}");
                return Ok((found, *place));
            }
            Looked::Silent { failure, .. } if last == Some(*place) => return Err(failure),
            Looked::Nothing(note) | Looked::Silent { note, .. } => looked_at.push(note),
        }
    }
    Err(none_found(&looked_at))
}

fn hangs(place: Place, limit: Duration) -> Failure {
    let what = format!(
        "the look-up of the credentials ({place:?}) did not end within {}; if a file that it reads is \
         on another machine or is a pipe, see whether that hangs",
        seconds(&limit)
    );
    Failure::storage(StorageErrorKind::NoAnswer, what)
}

fn places(source: &Source) -> &'static [Place] {
    match source {
        Source::Fixed(_) => &[],
        Source::Profile(_) => &[Place::Profile],
        Source::Environment => &[
            Place::Environment,
            Place::WebIdentity,
            Place::Profile,
            Place::Container,
            Place::Instance,
        ],
    }
}

async fn look_in(place: Place, tools: &Tools, limit: Duration) -> Result<Looked, Failure> {
    match place {
        Place::Environment => Ok(environment()?),
        Place::WebIdentity => match WebIdentity::from_environment()? {
            Some(identity) => Ok(Looked::Found(identity.assume(tools, limit).await?)),
            None => Ok(nothing("AWS_WEB_IDENTITY_TOKEN_FILE (not set)")),
        },
        Place::Profile => {
            let profile = Profile::read(tools.source.profile(), &tools.helpers).await;
            let profile = profile.map_err(Failure::no_thread)?;
            profile_keys::look(&profile, tools, limit).await
        }
        Place::Container => container::look(tools, limit).await,
        Place::Instance => instance::look(tools, limit).await,
    }
}

fn nothing(note: &str) -> Looked {
    Looked::Nothing(note.to_owned())
}

fn environment() -> Result<Looked, ConfigError> {
    let (id, secret) = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY");
    match (variable(id), variable(secret)) {
        (None, None) => Ok(nothing(
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (not set)",
        )),
        (Some(_), None) => Err(half(id, secret)),
        (None, Some(_)) => Err(half(secret, id)),
        (Some(id), Some(secret)) => {
            let found =
                AwsCredentials::new(id, secret, variable("AWS_SESSION_TOKEN"), expiration()?);
            Ok(Looked::Found(Found(checked(found, "the environment")?)))
        }
    }
}

/// Until when the keys in the environment are good, as the AWS CLI exports it.
fn expiration() -> Result<Option<DateTime<Utc>>, ConfigError> {
    let name = "AWS_CREDENTIAL_EXPIRATION";
    let Some(text) = variable(name) else {
        return Ok(None);
    };
    let reason = format!("{name} is not a time such as 2026-11-23T02:00:00Z");
    let refused = || ConfigError::new("credentials", reason);
    expiry(&text).map(Some).ok_or_else(refused)
}

/// One of two settings that belong together is missing.
pub(super) fn half(set: &str, missing: &str) -> ConfigError {
    let message = format!("{set} is set and {missing} is not; set both or neither");
    ConfigError::new("credentials", message)
}

fn none_found(looked_at: &[String]) -> Failure {
    Failure::config(format!(
        "no credentials found: looked at {}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name \
         a profile that has keys in AWS_PROFILE, give the machine or container a role, or call \
         ClientBuilder::credentials",
        looked_at.join(", ")
    ))
}
