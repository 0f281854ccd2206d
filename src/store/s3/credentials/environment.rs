//! Credentials in environment variables.

use chrono::{DateTime, Utc};
use rusoto_core::credential::AwsCredentials;

use crate::store::s3::credentials::context::NoCredentials;
use crate::store::s3::credentials::json::expiry;
use crate::store::s3::credentials::source::checked;
use crate::store::s3::settings::variables::{half, variable};
use crate::types::errors::ConfigError;

pub(super) fn look() -> Result<AwsCredentials, NoCredentials> {
    let names = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
    let [id, secret] = names;
    match names.map(variable) {
        [None, None] => {
            let note = format!("{id} and {secret} (not set)");
            Err(NoCredentials::Nothing(note))
        }
        [Some(_), None] => Err(half(id, secret).into()),
        [None, Some(_)] => Err(half(secret, id).into()),
        [Some(id), Some(secret)] => {
            // The first name is the older one. AWS's own tools look at it first, too.
            let token = variable("AWS_SECURITY_TOKEN").or_else(|| variable("AWS_SESSION_TOKEN"));
            let found = AwsCredentials::new(id, secret, token, expiration()?);
            Ok(checked(found, "the environment")?)
        }
    }
}

/// When the keys in the environment expire, in the variable that the AWS CLI exports.
fn expiration() -> Result<Option<DateTime<Utc>>, ConfigError> {
    let name = "AWS_CREDENTIAL_EXPIRATION";
    let Some(text) = variable(name) else {
        return Ok(None);
    };
    let reason = format!("{name} is not a time such as 2026-11-23T02:00:00Z");
    let refused = || ConfigError::new("credentials", reason);
    expiry(&text).map(Some).ok_or_else(refused)
}
