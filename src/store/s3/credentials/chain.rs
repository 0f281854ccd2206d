//! The order in which providers are asked: that of AWS's own tools.

use std::time::Duration;

use rusoto_core::credential::AwsCredentials;

use crate::store::s3::credentials::context::{LookUpContext, NoCredentials};
use crate::store::s3::credentials::errors::{HANGING_FILE, failed, misconfigured};
use crate::store::s3::credentials::source::Source;
use crate::store::s3::credentials::{
    container, environment, instance, profile_provider, web_identity,
};
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

/// How long a profile may take: longer than its command, and less than a call waits for it.
const LONGEST: Duration = Duration::from_secs(58);

/// Credentials from the first provider that has any. `last` is where the last look-up found them.
///
/// A provider that is set up and gives none ends the search: the next ones may have another user's
/// credentials.
pub(super) async fn look_up(
    context: &LookUpContext,
    last: Option<Provider>,
) -> Result<(AwsCredentials, Provider), LockError> {
    let mut looked_at = Vec::new();
    for provider in providers(&context.source) {
        // Each gives up by itself in time, except for a file on a disk that hangs.
        let whole = match provider {
            Provider::Profile => LONGEST,
            _ => context.limit + context.limit / 16,
        };
        let found = tokio::time::timeout(whole, look_at(*provider, context)).await;
        match found.unwrap_or_else(|_| Err(hangs(*provider, whole).into())) {
            Ok(found) => {
                logs::debug!("credentials found: {provider:?}");
                return Ok((found, *provider));
            }
            Err(NoCredentials::Failed(error)) => return Err(error),
            Err(NoCredentials::Silent { error, .. }) if last == Some(*provider) => {
                return Err(error);
            }
            Err(NoCredentials::Nothing(note) | NoCredentials::Silent { note, .. }) => {
                looked_at.push(note);
            }
        }
    }
    Err(none_found(&looked_at))
}

fn hangs(provider: Provider, limit: Duration) -> LockError {
    let what = format!(
        "the look-up of the credentials ({provider:?}) did not end within {}; {HANGING_FILE}",
        seconds(&limit)
    );
    failed(StorageErrorKind::NoAnswer, what)
}

fn providers(source: &Source) -> &'static [Provider] {
    match source {
        Source::Fixed(_) => &[],
        Source::Profile(_) => &[Provider::Profile],
        Source::Environment => &[
            Provider::Environment,
            Provider::WebIdentity,
            Provider::Profile,
            Provider::Container,
            Provider::Instance,
        ],
    }
}

async fn look_at(
    provider: Provider,
    context: &LookUpContext,
) -> Result<AwsCredentials, NoCredentials> {
    match provider {
        Provider::Environment => environment::look(),
        Provider::WebIdentity => web_identity::look(context).await,
        Provider::Profile => profile_provider::look(context).await,
        Provider::Container => container::look(context).await,
        Provider::Instance => instance::look(context).await,
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
