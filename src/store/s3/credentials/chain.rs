//! The order in which credentials are looked for: that of AWS's own tools. The first that has any wins.
//!
//! | | what | when |
//! |---|---|---|
//! | 1 | keys that the code gives | they are the only source then |
//! | 2 | the profile that the code names: 4, 6 to 11 of this table | it is the only source then |
//! | 3 | `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN` | even if `AWS_PROFILE` is set |
//! | 4 | the profile's `role_arn` with `source_profile` or `credential_source` | it names no `web_identity_token_file` |
//! | 5 | `AWS_WEB_IDENTITY_TOKEN_FILE` and `AWS_ROLE_ARN` | |
//! | 6 | the profile's `web_identity_token_file` and `role_arn` | |
//! | 7 | the profile's sign-in by `sso_session` or by `sso_start_url` | |
//! | 8 | the profile's keys in the credentials file | |
//! | 9 | the profile's `login_session` | |
//! | 10 | the profile's `credential_process` | |
//! | 11 | the profile's keys in the config file | |
//! | 12 | a container's endpoint | a variable names it |
//! | 13 | the metadata of an EC2 instance | it is not disabled |
//!
//! The profile is the one that `AWS_PROFILE` names, else `default`. A profile that is named and not there
//! ends the search. `chain.rs` has the order of the providers, and `planner.rs` the order within a profile.
//!
//! A `source_profile` is looked at in the same order without 3 and 5, but its keys (8 and 11) go before
//! its own role. A profile that names itself as its source takes its own keys.
//!
//! In two points this differs from botocore. The variables of a web identity and the settings of a
//! profile are not mixed: token and role come from one place. And the settings of a role that STS would
//! not take are refused here.

use std::time::Duration;

use crate::store::s3::credentials::context::{LookUpContext, NoCredentials};
use crate::store::s3::credentials::errors::{HANGING_FILE, failed, misconfigured};
use crate::store::s3::credentials::found::Found;
use crate::store::s3::credentials::profile_provider::ProfileInUse;
use crate::store::s3::credentials::source::Source;
use crate::store::s3::credentials::web_identity::{TOKEN_FILE, WebIdentity};
use crate::store::s3::credentials::{container, environment, instance};
use crate::store::s3::settings::variables::variable;
use crate::sys::logs;
use crate::types::errors::{LockError, StorageErrorKind};
use crate::types::text::seconds;

/// A place that may have credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Provider {
    Environment,
    WebIdentity,
    Profile,
    Container,
    Instance,
}

/// How long a whole look-up may take: longer than a command, and less than a call waits for it. Within
/// that, each request and each file has its own limit, so that a profile that leads to several roles has
/// that limit several times.
const LONGEST: Duration = Duration::from_secs(58);

/// Credentials from the first provider that has any. `last` is where the last look-up found them.
///
/// A provider that is set up and gives none ends the search: the next ones may have another user's
/// credentials.
pub(super) async fn look_up(
    context: &LookUpContext,
    last: Option<Provider>,
) -> Result<(Found, Provider), LockError> {
    let found = tokio::time::timeout(LONGEST, search(context, last)).await;
    found.unwrap_or_else(|_| {
        let what = format!(
            "the look-up of the credentials did not end within {}",
            seconds(&LONGEST)
        );
        Err(failed(StorageErrorKind::NoAnswer, what))
    })
}

async fn search(
    context: &LookUpContext,
    last: Option<Provider>,
) -> Result<(Found, Provider), LockError> {
    let mut search = Search {
        last,
        looked_at: Vec::new(),
    };
    if let Source::Environment = context.source {
        if let Some(found) = search.ends_with(Provider::Environment, keys_of_environment())? {
            return Ok(found);
        }
    }
    let profile = ProfileInUse::read(context).await?;
    for provider in rest(&context.source, profile.assumes_a_role()) {
        let found = look_at(*provider, &profile, context).await;
        if let Some(found) = search.ends_with(*provider, found)? {
            return Ok(found);
        }
    }
    Err(none_found(&search.looked_at))
}

/// The providers after the environment's keys.
fn rest(source: &Source, profile_assumes_a_role: bool) -> &'static [Provider] {
    use Provider::{Container, Instance, Profile, WebIdentity};
    match source {
        Source::Fixed(_) => &[],
        Source::Profile(_) => &[Profile],
        Source::Environment if profile_assumes_a_role => {
            &[Profile, WebIdentity, Container, Instance]
        }
        Source::Environment => &[WebIdentity, Profile, Container, Instance],
    }
}

async fn look_at(
    provider: Provider,
    profile: &ProfileInUse,
    context: &LookUpContext,
) -> Result<Found, NoCredentials> {
    let look = async {
        let (keys, way) = match provider {
            Provider::Environment => return keys_of_environment(),
            Provider::Profile => {
                let (keys, way) = profile.look(context).await?;
                return Ok(Found::new(keys, way));
            }
            Provider::WebIdentity => return web_identity(context).await,
            Provider::Container => (container::look(context).await?, "the container's endpoint"),
            Provider::Instance => (
                instance::look(context).await?,
                "the metadata of the EC2 instance",
            ),
        };
        Ok(Found::new(keys, way))
    };
    if provider == Provider::Profile {
        // It has several steps, each with its own limit.
        return look.await;
    }
    // Each gives up by itself in time, except for a file on a disk that hangs.
    let whole = context.limit + context.limit / 16;
    let found = tokio::time::timeout(whole, look).await;
    found.unwrap_or_else(|_| Err(hangs(provider, whole).into()))
}

fn hangs(provider: Provider, limit: Duration) -> LockError {
    let what = format!(
        "the look-up of the credentials ({provider:?}) did not end within {}; {HANGING_FILE}",
        seconds(&limit)
    );
    failed(StorageErrorKind::NoAnswer, what)
}

fn keys_of_environment() -> Result<Found, NoCredentials> {
    let keys = environment::look()?;
    // A user who has chosen a profile may not know of these.
    let before =
        variable("AWS_PROFILE").map(|name| format!(", which goes before profile {name:?}"));
    let origin = format!(
        "the environment (AWS_ACCESS_KEY_ID){}",
        before.unwrap_or_default()
    );
    Ok(Found::new(keys, origin))
}

/// The web identity in the environment.
async fn web_identity(context: &LookUpContext) -> Result<Found, NoCredentials> {
    let Some(identity) = WebIdentity::from_environment()? else {
        return Err(NoCredentials::Nothing(format!("{TOKEN_FILE} (not set)")));
    };
    let told = format!(
        "role {} from the web identity in the environment",
        identity.role.arn
    );
    Ok(Found::new(identity.assume(context).await?, told))
}

struct Search {
    last: Option<Provider>,
    /// What was looked at, for people.
    looked_at: Vec<String>,
}

impl Search {
    /// The end of the search, if this is one.
    fn ends_with(
        &mut self,
        provider: Provider,
        found: Result<Found, NoCredentials>,
    ) -> Result<Option<(Found, Provider)>, LockError> {
        match found {
            Ok(found) => {
                logs::debug!("credentials found: {}", found.origin);
                Ok(Some((found, provider)))
            }
            Err(NoCredentials::Failed(error)) => Err(error),
            Err(NoCredentials::Silent { error, .. }) if self.last == Some(provider) => Err(error),
            Err(NoCredentials::Nothing(note) | NoCredentials::Silent { note, .. }) => {
                self.looked_at.push(note);
                Ok(None)
            }
        }
    }
}

fn none_found(looked_at: &[String]) -> LockError {
    misconfigured(format!(
        "no credentials found: looked at {}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name \
         a profile that has keys in AWS_PROFILE, give the machine or container a role, or call \
         ClientBuilder::credentials",
        looked_at.join(", ")
    ))
}
